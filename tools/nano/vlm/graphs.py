"""The vision encoder and the decoder as ONNX graphs, op by op (opset 17, nothing but ai.onnx), fp32 or with w8 weights.

The decoder's positions and its mask are computed from attention_mask, so a batch may be padded on the left.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper

from graphs import Graph
from model import Block
from vlm.decoder import EPSILON, HEAD_DIM, HEADS, HIDDEN, KV_HEADS, LAYERS, inverse_frequencies
from vlm.pictures import SIZE
from vlm.vision import CHANNELS, PLACES

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class VlmGraph(Graph):
    def ints(self, *values):
        return self.constant(values, np.int64)

    def gelu(self, x):
        """The tanh form, as torch's approximate='tanh'."""
        cube = self.add("Mul", self.add("Mul", self.add("Mul", x, x), x), self.constant(0.044715))
        tanh = self.add("Tanh", self.add("Mul", self.add("Add", x, cube), self.constant((2 / np.pi) ** 0.5)))
        return self.add("Mul", self.add("Mul", x, self.constant(0.5)), self.add("Add", tanh, self.constant(1)))

    def rms_norm(self, x, layer):
        mean = self.add("ReduceMean", self.add("Mul", x, x), axes=[-1], keepdims=1)
        root = self.add("Sqrt", self.add("Add", mean, self.constant(EPSILON)))
        return self.add("Mul", self.add("Div", x, root), self.constant(layer.weight.detach().numpy()))

    def finish(self, name, inputs, outputs):
        """outputs: [(tensor, its name, its shape)]"""
        nodes = [*self.nodes, *(helper.make_node("Identity", [tensor], [output], name=output) for tensor, output, _ in outputs)]
        infos = [helper.make_tensor_value_info(output, FLOAT, shape) for _, output, shape in outputs]
        graph = helper.make_graph(nodes, name, inputs, infos, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="mclip tools/nano")
        onnx.checker.check_model(model, full_check=True)
        return model


def vision_graph(vision, w8):
    """pixel_values [batch,3,64,64] -> image_features [batch,16,HIDDEN]"""
    g = VlmGraph(w8)

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
    places = g.add("Transpose", g.add("Reshape", x, g.ints(0, CHANNELS, PLACES)), perm=[0, 2, 1])
    overall = g.linear(g.add("ReduceMean", places, axes=[1], keepdims=1), vision.overall)
    x = g.add("Add", g.linear(g.gelu(g.linear(places, vision.up)), vision.down), overall)
    pixels = helper.make_tensor_value_info("pixel_values", FLOAT, ["batch", 3, SIZE, SIZE])
    return g.finish("nano-vlm-vision", [pixels], [(x, "image_features", ["batch", PLACES, HIDDEN])])


def attention_inputs(g):
    """Mask [batch,1,sequence,total] added to the scores, cosines and sines [batch,1,sequence,HEAD_DIM]."""
    total = g.add("Gather", g.add("Shape", "attention_mask"), g.constant(1, np.int64), axis=0)
    sequence = g.add("Gather", g.add("Shape", "inputs_embeds"), g.constant(1, np.int64), axis=0)
    every = g.add("Range", g.constant(0, np.int64), total, g.constant(1, np.int64))
    own = g.add("Range", g.add("Sub", total, sequence), total, g.constant(1, np.int64))
    columns = g.add("Cast", every, to=FLOAT)
    rows = g.add("Unsqueeze", g.add("Cast", own, to=FLOAT), g.ints(1))
    before = g.add("Cast", g.add("LessOrEqual", columns, rows), to=FLOAT)                            # [sequence,total]
    present = g.add("Unsqueeze", g.add("Cast", "attention_mask", to=FLOAT), g.ints(1, 2))           # [batch,1,1,total]
    allowed = g.add("Mul", before, present)
    bias = g.add("Mul", g.add("Sub", allowed, g.constant(1)), g.constant(1e4))
    # a token's position is the number of tokens before it that count
    positions = g.add("Sub", g.add("ReduceSum", allowed, g.ints(-1), keepdims=1), g.constant(1))     # [batch,1,sequence,1]
    angles = g.add("Mul", positions, g.constant(np.tile(inverse_frequencies().numpy(), 2)))
    return bias, g.add("Cos", angles), g.add("Sin", angles)


def decoder_graph(decoder, w8):
    g = VlmGraph(w8)
    bias, cos, sin = attention_inputs(g)
    half = HEAD_DIM // 2

    def heads(x, layer, count):
        return g.add("Transpose", g.add("Reshape", g.linear(x, layer), g.ints(0, 0, count, HEAD_DIM)), perm=[0, 2, 1, 3])

    def rotate(x):
        low = g.add("Slice", x, g.ints(0), g.ints(half), g.ints(3))
        high = g.add("Slice", x, g.ints(half), g.ints(HEAD_DIM), g.ints(3))
        turned = g.add("Concat", g.add("Neg", high), low, axis=3)
        return g.add("Add", g.add("Mul", x, cos), g.add("Mul", turned, sin))

    x, present = "inputs_embeds", []
    for i, layer in enumerate(decoder.layers):
        h = g.rms_norm(x, layer.norm1)
        q, k = rotate(heads(h, layer.q, HEADS)), rotate(heads(h, layer.k, KV_HEADS))
        k = g.add("Concat", f"past_key_values.{i}.key", k, axis=2)
        v = g.add("Concat", f"past_key_values.{i}.value", heads(h, layer.v, KV_HEADS), axis=2)
        present += [(k, f"present.{i}.key"), (v, f"present.{i}.value")]
        q = g.add("Reshape", q, g.ints(0, KV_HEADS, -1, HEAD_DIM))                                   # the heads of a group behind one another
        scores = g.add("Mul", g.add("MatMul", q, g.add("Transpose", k, perm=[0, 1, 3, 2])), g.constant(HEAD_DIM ** -0.5))
        scores = g.add("Add", g.add("Reshape", scores, total_shape(g, HEADS)), bias)
        weights = g.add("Reshape", g.add("Softmax", scores, axis=-1), total_shape(g, KV_HEADS))
        mixed = g.add("Reshape", g.add("MatMul", weights, v), g.ints(0, HEADS, -1, HEAD_DIM))
        mixed = g.add("Reshape", g.add("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, HEADS * HEAD_DIM))
        x = g.add("Add", x, g.linear(mixed, layer.o))
        if i == LAYERS - 1:
            x = g.add("Gather", x, g.ints(-1), axis=1)                                               # only the last place is asked for
        h = g.rms_norm(x, layer.norm2)
        gate = g.linear(h, layer.gate)
        gated = g.add("Mul", g.add("Mul", gate, g.add("Sigmoid", gate)), g.linear(h, layer.up))
        x = g.add("Add", x, g.linear(gated, layer.down))
    rows = decoder.embedding.weight.detach()
    logits = g.add("MatMul", g.rms_norm(x, decoder.final), g.weight(rows.T.contiguous(), 1))
    cache = ["batch", KV_HEADS, "past", HEAD_DIM]
    inputs = [helper.make_tensor_value_info("inputs_embeds", FLOAT, ["batch", "sequence", HIDDEN]),
              helper.make_tensor_value_info("attention_mask", INT64, ["batch", "total"]),
              *(helper.make_tensor_value_info(f"past_key_values.{i}.{kind}", FLOAT, cache) for i in range(LAYERS) for kind in ("key", "value"))]
    outputs = [(logits, "logits", ["batch", 1, len(rows)]),
               *((tensor, name, ["batch", KV_HEADS, "total", HEAD_DIM]) for tensor, name in present)]
    return g.finish("nano-vlm-decoder", inputs, outputs)


def total_shape(g, heads):
    """[batch, heads, as many as it takes, total]: the last dimension stays."""
    return g.ints(0, heads, -1, 0)
