"""Reading exported files back: the fp32 weights that they stand for, and PyTorch networks with exactly those."""

from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from .architectures import Qwen2


def constants_of(graph):
    """name -> array of every constant, with the Cast and Mul nodes that only read constants carried out."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if not all(name in values for name in node.input):
            continue
        if node.op_type == "Cast":
            to = next(attribute.i for attribute in node.attribute if attribute.name == "to")
            values[node.output[0]] = values[node.input[0]].astype(onnx.helper.tensor_dtype_to_np_dtype(to))
        elif node.op_type == "Mul":
            values[node.output[0]] = values[node.input[0]] * values[node.input[1]]
    for name in [name for name in values if name.endswith(("/int8", "/fp16"))]:  # tables: brought back after the look-up
        table, _, form = name.rpartition("/")
        if table not in values:
            values[table] = values[name].astype(np.float32) * (values[f"{table}/scales"] if form == "int8" else np.float32(1))
    return values


def divided(weight, by):
    return weight / by


def matching(tensors, weight):
    """The name in `tensors` whose content is `weight`, as it is or transposed or with scaled output channels; and how."""
    for name, tensor in tensors.items():
        if tensor.shape == weight.shape and np.array_equal(tensor, weight):
            return name, np.asarray
        if tensor.ndim == 2 and tensor.shape == weight.shape[::-1] and np.array_equal(tensor.T, weight):
            return name, np.transpose
    for name, tensor in tensors.items():
        if tensor.ndim < 3 or tensor.shape != weight.shape:
            continue
        flat, theirs = tensor.reshape(len(tensor), -1), weight.reshape(len(weight), -1)
        factor = (flat * theirs).sum(1) / np.maximum((flat * flat).sum(1), 1e-30)  # of a batch norm that was folded in
        if np.abs(flat * factor[:, None] - theirs).max() <= 1e-5 * np.abs(theirs).max():
            return name, partial(divided, by=factor.reshape(-1, *[1] * (tensor.ndim - 1)))
    return None, None


@torch.no_grad()
def take_weights(module, plain: Path, stored: Path):
    """Gives `module`, of which `plain` is the fp32 export, the weights that the file `stored` stands for.

    Returns the names of the module's tensors that changed, and how many constants differ but are nowhere in the module.
    """
    exact, changed = (constants_of(onnx.load(file).graph) for file in (plain, stored))
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    left = {name: tensor.numpy() for name, tensor in tensors.items() if tensor.is_floating_point()}
    found, lost = [], 0
    for name, weight in exact.items():
        if name not in changed or weight.dtype != np.float32 or np.array_equal(changed[name], weight):
            continue
        target, back = (name, np.asarray) if name in left and np.array_equal(left[name], weight) else matching(left, weight)
        if target is None:
            lost += 1
            continue
        tensors[target].copy_(torch.from_numpy(np.ascontiguousarray(back(changed[name]), np.float32)))
        left.pop(target)
        found.append(target)
    return found, lost


def product_weight(node, values):
    """[out, in] fp32 of the constant operand of a product, None for other nodes."""
    if node.op_type == "MatMulNBits":
        packed, scales = values[node.input[1]], values[node.input[2]].astype(np.float32)
        low, high = (packed & 15).astype(np.int8) - 8, (packed >> 4).astype(np.int8) - 8
        blocks = np.stack([low, high], -1).reshape(*packed.shape[:2], -1)
        return (blocks * scales.reshape(*packed.shape[:2], 1)).reshape(len(packed), -1)
    if node.op_type == "DynamicQuantizeMatMul":
        return ((values[node.input[1]].astype(np.float32) - 128) * values[node.input[2]]).T
    if node.op_type == "MatMul" and node.input[1] in values:
        return values[node.input[1]].T
    return None


def decoder_state(file: Path, config: Qwen2):
    """name -> tensor of transformers' Qwen2, read from the nodes of a decoder file in their order."""
    graph = onnx.load(file).graph
    values = constants_of(graph)
    products, gains, biases, readers = [], [], [], {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        if node.op_type == "MatMulInteger":  # the Mul with a scale per output comes after
            scales = next(
                values[name]
                for reader in graph.node
                if reader.op_type == "Mul"
                for name in reader.input
                if name in values and values[name].shape == (values[node.input[1]].shape[1],) and follows(node, reader, readers)
            )
            products.append(((values[node.input[1]].astype(np.float32) - 128) * scales).T)
        elif product_weight(node, values) is not None:
            products.append(product_weight(node, values))
        elif node.op_type in ("SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"):
            gains.append(values[node.input[-1]].astype(np.float32))
        elif node.op_type == "Add" and node.input[1] in values and values[node.input[1]].ndim == 1:
            biases.append(values[node.input[1]].astype(np.float32))
    return named_state(config, products, gains, biases)


def follows(first, last, readers, depth=8):
    """Whether `last` reads something computed from `first`, in at most `depth` steps."""
    front = [first]
    for _ in range(depth):
        front = [reader for node in front for output in node.output for reader in readers.get(output, [])]
        if any(node.name == last.name for node in front):
            return True
    return False


def named_state(config: Qwen2, products, gains, biases):
    state = {"lm_head.weight": products[-1], "model.norm.weight": gains[-1]}
    kv = config.kv_heads * config.head_dim
    cuts = [config.hidden, config.hidden + kv]
    for layer in range(config.layers):
        prefix = f"model.layers.{layer}"
        qkv, out, both, down = products[4 * layer : 4 * layer + 4]
        for part, weight, bias in zip("qkv", np.split(qkv, cuts), np.split(biases[layer], cuts)):
            state[f"{prefix}.self_attn.{part}_proj.weight"] = weight
            state[f"{prefix}.self_attn.{part}_proj.bias"] = bias
        gate, up = np.split(both, 2)
        state |= {
            f"{prefix}.self_attn.o_proj.weight": out,
            f"{prefix}.mlp.gate_proj.weight": gate,
            f"{prefix}.mlp.up_proj.weight": up,
            f"{prefix}.mlp.down_proj.weight": down,
            f"{prefix}.input_layernorm.weight": gains[2 * layer],
            f"{prefix}.post_attention_layernorm.weight": gains[2 * layer + 1],
        }
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in state.items()}
