"""Reading exported files back: the fp32 weights that they stand for, and PyTorch networks with exactly those."""

from collections import ChainMap
from collections.abc import Mapping
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from .architectures import Qwen2
from .eight_bit_products import restored
from .linear_forms import FineInt8Linear


def cast(node, value):
    to = next(attribute.i for attribute in node.attribute if attribute.name == "to")
    return value.astype(onnx.helper.tensor_dtype_to_np_dtype(to))


# what brings stored weights back
RESTORING = {
    "Cast": cast,
    "Mul": lambda _node, values, scales: values * scales,
    "Reshape": lambda _node, value, shape: value.reshape(shape),
}


class Constants(Mapping):
    """name -> array of every constant of a graph, with the Cast, Mul and Reshape nodes that only read constants carried out.

    Read and computed when it is asked for, as a large decoder does not fit into memory twice.
    """

    def __init__(self, file: Path):
        self.folder, self.graph = str(file.parent), onnx.load(file, load_external_data=False).graph
        self.stored = {tensor.name: tensor for tensor in self.graph.initializer}
        self.computed, self.tables = {}, {}
        for node in self.graph.node:
            if node.op_type in RESTORING and all(name in self for name in node.input):
                self.computed[node.output[0]] = node
        for name in self.stored:
            table, _, form = name.rpartition("/")
            if form in ("int8", "fp16") and table not in self:  # tables: brought back after the look-up
                self.tables[table] = form

    def __iter__(self):
        return chain(self.stored, self.computed, self.tables)

    def __len__(self):
        return len(self.stored) + len(self.computed) + len(self.tables)

    def __contains__(self, name):
        return name in self.stored or name in self.computed or name in self.tables

    def __getitem__(self, name):
        if name in self.stored:
            return numpy_helper.to_array(self.stored[name], self.folder)
        if name in self.tables:
            form = self.tables[name]
            factor = self[f"{name}/scales"] if form == "int8" else np.float32(1)
            rows = self[f"{name}/{form}"].astype(np.float32) * factor
            return rows.reshape(len(rows), -1)
        node = self.computed[name]
        return RESTORING[node.op_type](node, *(self[given] for given in node.input))


def divided(weight, by):
    return weight / by


def matching(tensors, weight):
    """The name in `tensors` whose content is `weight`, as it is, in another shape, transposed or scaled; and how to get back."""
    for name, tensor in tensors.items():
        if tensor.shape == weight.shape and np.array_equal(tensor, weight):
            return name, np.asarray
        if tensor.ndim == 2 and tensor.shape == weight.shape[::-1] and np.array_equal(tensor.T, weight):
            return name, np.transpose
        if tensor.size == weight.size and np.array_equal(tensor.ravel(), weight.ravel()):
            return name, partial(np.reshape, shape=tensor.shape)
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
    exact, changed = Constants(plain), ChainMap(dict(restored(plain, stored)), Constants(stored))
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    left = {name: tensor.numpy() for name, tensor in tensors.items() if tensor.is_floating_point()}
    found, lost = [], 0
    for name, weight in exact.items():
        if name not in changed or weight.dtype != np.float32:
            continue
        wanted = changed[name]
        if np.array_equal(wanted, weight):
            continue
        target, back = (name, np.asarray) if name in left and np.array_equal(left[name], weight) else matching(left, weight)
        if target is None:
            lost += 1
            continue
        tensors[target].copy_(torch.from_numpy(np.ascontiguousarray(back(wanted), np.float32)))
        left.pop(target)
        found.append(target)
    return found, lost


def uint8_weight(node, values):
    """[out, in] of a product with integers around 128, without their scales."""
    return (values[node.input[1]].astype(np.float32) - 128).T


def product_weight(node, values):
    """[out, in] fp32 of the constant operand of a product, None for other nodes."""
    if node.op_type == "MatMulNBits":
        packed, scales = values[node.input[1]], values[node.input[2]].astype(np.float32)
        low, high = (packed & 15).astype(np.int8) - 8, (packed >> 4).astype(np.int8) - 8
        blocks = np.stack([low, high], -1).reshape(*packed.shape[:2], -1)
        return (blocks * scales.reshape(*packed.shape[:2], 1)).reshape(len(packed), -1)
    if node.op_type == "DynamicQuantizeMatMul":
        return uint8_weight(node, values) * values[node.input[2]][:, None]
    if node.op_type == "MatMul" and node.input[1] in values:
        return values[node.input[1]].T.astype(np.float32)
    return None


def joined(weight, index):
    """Columns that are parts of one input channel, added; `index` (sorted): each column's channel, or None."""
    return weight if index is None else np.add.reduceat(weight, np.flatnonzero(np.diff(index, prepend=-1)), axis=1)


def scales_of(node, values):
    """[out] of a Mul with a factor per output."""
    if node.op_type != "Mul" or node.input[1] not in values or values[node.input[1]].ndim != 1:
        return None
    return values[node.input[1]]


def products_and_vectors(values: Constants):
    """('product' | 'gain' | 'bias', array) of a decoder's nodes in their order."""
    index, unscaled = None, None
    for node in values.graph.node:
        if node.op_type == "Gather" and node.input[1] in values and values[node.input[1]].size > 1:
            index = values[node.input[1]]  # of the next product: outliers in several parts
        elif node.op_type == "MatMulInteger":  # the Mul with a scale per output comes after
            unscaled = uint8_weight(node, values)
        elif unscaled is not None and (scales := scales_of(node, values)) is not None and len(scales) == len(unscaled):
            scales = scales[:, None] / np.float32(FineInt8Linear.COARSE)
            yield "product", joined(unscaled * scales, index)
            index, unscaled = None, None
        elif (weight := product_weight(node, values)) is not None:
            yield "product", joined(weight, index)
            index = None
        elif node.op_type in ("SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"):
            yield "gain", values[node.input[-1]].astype(np.float32)
        elif node.op_type == "Add" and node.input[1] in values and values[node.input[1]].ndim == 1:
            yield "bias", values[node.input[1]].astype(np.float32)


def decoder_tensors(file: Path, config: Qwen2):
    """(name, array) of transformers' Qwen2, one after the other, as the decoder `file` stands for."""
    kv = config.kv_heads * config.head_dim
    counts = {"product": 0, "gain": 0, "bias": 0}
    for kind, array in products_and_vectors(Constants(file)):
        count, counts[kind] = counts[kind], counts[kind] + 1
        layer, site = divmod(count, {"product": 4, "gain": 2, "bias": 1}[kind])
        prefix = f"model.layers.{layer}"
        if kind == "gain" and layer == config.layers:
            yield "model.norm.weight", array
        elif kind == "gain":
            yield f"{prefix}.{('input_layernorm', 'post_attention_layernorm')[site]}.weight", array
        elif layer == config.layers:
            yield "lm_head.weight", array
        elif site == 0:
            suffix = "weight" if kind == "product" else "bias"
            for part, piece in zip("qkv", np.split(array, [config.hidden, config.hidden + kv])):
                yield f"{prefix}.self_attn.{part}_proj.{suffix}", piece
        elif site == 2:
            for part, piece in zip(("gate", "up"), np.split(array[: 2 * config.intermediate], 2)):  # spare columns follow
                yield f"{prefix}.mlp.{part}_proj.weight", piece
        else:
            yield f"{prefix}.{'self_attn.o' if site == 1 else 'mlp.down'}_proj.weight", array


@torch.no_grad()
def take_decoder(language, file: Path, config: Qwen2):
    """Gives the language model the weights that a decoder file stands for."""
    parameters = dict(language.named_parameters())
    left = parameters.keys() - {"model.embed_tokens.weight"}
    for name, array in decoder_tensors(file, config):
        parameters[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))
        left.remove(name)
    if left:
        raise ValueError(f"{file} has no {', '.join(sorted(left))}")
