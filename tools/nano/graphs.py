"""The two towers written as ONNX graphs, op by op (opset 17, dynamic batch).

With `w8`, a weight is stored as int8 with one scale per output channel (per row of the embedding table), and two nodes,
Cast and Mul, bring it back; ONNX Runtime folds them into a constant when the session is made.
"""
import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model import CONTEXT, DIM, IMAGE_SIZE, Block


def quantise(weight, axis):
    """int8 values and fp32 scales, symmetric, one scale per index of `axis`."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = (np.abs(weight).max(others, keepdims=True) / 127).astype(np.float32)
    scale = np.where(scale < 1e-12, np.float32(1), scale).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


class Graph:
    """Names nodes and initialisers as they are added."""

    def __init__(self, w8):
        self.w8, self.nodes, self.constants, self.count = w8, [], [], 0

    def add(self, op, *inputs, **attributes):
        self.count += 1
        name = f"{op.lower()}_{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value, dtype=np.float32):
        self.count += 1
        name = f"constant_{self.count}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, value, axis):
        value = value.detach().float().numpy() if hasattr(value, "detach") else value
        if not self.w8:
            return self.constant(value)
        integers, scale = quantise(value, axis)
        return self.add("Mul", self.add("Cast", self.constant(integers, np.int8), to=TensorProto.FLOAT), self.constant(scale))

    def linear(self, x, layer):
        y = self.add("MatMul", x, self.weight(layer.weight.T.contiguous(), 1))
        return y if layer.bias is None else self.add("Add", y, self.constant(layer.bias.detach().numpy()))

    def norm(self, x, layer):
        return self.add("LayerNormalization", x, self.constant(layer.weight.detach().numpy()),
                        self.constant(layer.bias.detach().numpy()), axis=-1, epsilon=layer.eps)

    def model(self, name, inputs, output):
        nodes = [*self.nodes, helper.make_node("Identity", [output[0]], [output[1]], name=output[1])]
        graph = helper.make_graph(nodes, name, inputs,
                                  [helper.make_tensor_value_info(output[1], TensorProto.FLOAT, ["batch", DIM])], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="mclip tools/nano")
        onnx.checker.check_model(model, full_check=True)
        return model


def vision_graph(vision, w8, null):
    """`vision` has its batch norms folded (model.fold_batch_norms); `null` is the last component of every picture."""
    g = Graph(w8)

    def conv(x, layer):
        return g.add("Conv", x, g.weight(layer.weight, 0), g.constant(layer.bias.detach().numpy()), kernel_shape=list(layer.kernel_size),
                     strides=list(layer.stride), pads=[*layer.padding, *layer.padding])

    x = g.add("Sub", g.add("Mul", "pixel_values", g.constant(2)), g.constant(1))
    for module in vision.trunk:
        if isinstance(module, Block):
            y = conv(g.add("Relu", conv(x, module.conv1)), module.conv2)
            x = g.add("Relu", g.add("Add", x, y))
        elif hasattr(module, "kernel_size"):
            x = conv(x, module)
        else:
            x = g.add("Relu", x)
    x = g.linear(g.add("ReduceMean", x, axes=[2, 3], keepdims=0), vision.head)
    length = g.add("ReduceL2", x, axes=[1], keepdims=1)
    semantic = g.add("Mul", g.add("Div", x, length), g.constant((1 - null * null) ** 0.5))
    last = g.add("Add", g.add("Mul", length, g.constant(0)), g.constant(null))       # one per picture
    x = g.add("Concat", semantic, last, axis=1)
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, IMAGE_SIZE, IMAGE_SIZE])
    return g.model("nano-clip-vision", [pixels], (x, "image_embeds"))


def text_graph(text, w8):
    g = Graph(w8)
    width = text.final.normalized_shape[0]
    x = g.add("Gather", g.weight(text.embedding.weight, 0), "input_ids", axis=0)
    x = g.add("Add", g.linear(x, text.widen), g.constant(text.position.detach().numpy()))
    eot = g.add("ArgMax", "input_ids", axis=-1, keepdims=1)                       # [b,1], the first EOT
    places = g.constant(np.arange(CONTEXT)[None], np.int64)
    after = g.add("Cast", g.add("Greater", places, eot), to=TensorProto.FLOAT)    # [b,77]
    bias = g.add("Unsqueeze", g.add("Mul", after, g.constant(-1e4)), g.constant([1, 2], np.int64))
    for layer in text.layers:
        size = width // layer.heads
        qkv = g.add("Reshape", g.linear(g.norm(x, layer.ln1), layer.qkv), g.constant([0, CONTEXT, 3, layer.heads, size], np.int64))
        qkv = g.add("Transpose", qkv, perm=[2, 0, 3, 1, 4])
        q, k, v = (g.add("Gather", qkv, g.constant(i, np.int64), axis=0) for i in range(3))
        scores = g.add("MatMul", q, g.add("Transpose", k, perm=[0, 1, 3, 2]))
        scores = g.add("Add", g.add("Mul", scores, g.constant(size ** -0.5)), bias)
        mixed = g.add("Transpose", g.add("MatMul", g.add("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = g.add("Add", x, g.linear(g.add("Reshape", mixed, g.constant([0, CONTEXT, width], np.int64)), layer.out))
        up = g.linear(g.norm(x, layer.ln2), layer.up)
        cube = g.add("Mul", g.add("Mul", g.add("Mul", up, up), up), g.constant(0.044715))
        tanh = g.add("Tanh", g.add("Mul", g.add("Add", up, cube), g.constant(math.sqrt(2 / math.pi))))
        gelu = g.add("Mul", g.add("Mul", up, g.constant(0.5)), g.add("Add", tanh, g.constant(1)))
        x = g.add("Add", x, g.linear(gelu, layer.down))
    pick = g.add("Unsqueeze", g.add("Cast", g.add("Equal", places, eot), to=TensorProto.FLOAT), g.constant([1], np.int64))
    x = g.add("Squeeze", g.add("MatMul", pick, x), g.constant([1], np.int64))     # the state at EOT
    x = g.linear(g.norm(x, text.final), text.head)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", CONTEXT])
    return g.model("nano-clip-text", [ids], (x, "text_embeds"))
