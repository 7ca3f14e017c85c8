"""Graphs of a few kilobytes with the inputs and outputs of the presets' files: test/verify-hub.test.ts serves them as the hub would.

    tools/.venv/bin/python tools/hub/stand_in.py

Weights are sines of counters, computed in the graph, so that nothing has to be stored.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent / "stand-in"
HIDDEN, LAYERS, KV_HEADS, HEAD_DIM, ROWS = 896, 24, 2, 64, 520


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def add(self, op, *inputs, name=None, **attributes):
        self.count += 1
        name = name or f"v{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, value, dtype):
        self.count += 1
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), f"c{self.count}"))
        return f"c{self.count}"

    def weights(self, rows, columns):
        """[rows, columns] between -1 and 1"""
        index = self.add("Range", *(self.constant(v, np.int64) for v in (0, rows * columns, 1)))
        angles = self.add("Mul", self.add("Cast", index, to=TensorProto.FLOAT), self.constant(0.7, np.float32))
        return self.add("Reshape", self.add("Sin", angles), self.constant([rows, columns], np.int64))

    def save(self, file, inputs, outputs):
        values = [[helper.make_tensor_value_info(*value) for value in some] for some in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, "stand-in", *values, self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), FOLDER / file)


def clip(dim):
    graph = Graph()
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", "pixel_values"))
    graph.add("MatMul", pooled, graph.weights(3, dim), name="image_embeds")
    graph.save(f"vision-{dim}.onnx", [("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
               [("image_embeds", TensorProto.FLOAT, ["batch", dim])])  # fmt: skip
    graph = Graph()
    ids = graph.add("Sin", graph.add("Cast", "input_ids", to=TensorProto.FLOAT))
    graph.add("MatMul", ids, graph.weights(77, dim), name="text_embeds")
    graph.save(f"text-{dim}.onnx", [("input_ids", TensorProto.INT64, ["batch", 77])], [("text_embeds", TensorProto.FLOAT, ["batch", dim])])


def fastvlm():
    graph = Graph()
    pooled = graph.add("AveragePool", "pixel_values", kernel_shape=[64, 64], strides=[64, 64])
    tokens = graph.add("Transpose", graph.add("Reshape", pooled, graph.constant([0, 0, -1], np.int64)), perm=[0, 2, 1])
    graph.add("MatMul", tokens, graph.weights(3, HIDDEN), name="image_features")
    graph.save("vision_encoder.onnx", [("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
               [("image_features", TensorProto.FLOAT, ["batch", "tokens", HIDDEN])])  # fmt: skip

    graph = Graph()
    ids = graph.add("Unsqueeze", graph.add("Cast", "input_ids", to=TensorProto.FLOAT), graph.constant([-1], np.int64))
    graph.add("Sin", graph.add("MatMul", ids, graph.weights(1, HIDDEN)), name="inputs_embeds")
    graph.save("embed_tokens.onnx", [("input_ids", TensorProto.INT64, ["batch", "sequence"])],
               [("inputs_embeds", TensorProto.FLOAT, ["batch", "sequence", HIDDEN])])  # fmt: skip

    graph = Graph()
    some = graph.add("Slice", "inputs_embeds", *(graph.constant([v], np.int64) for v in (0, KV_HEADS * HEAD_DIM, 2)))
    new = graph.add("Transpose", graph.add("Reshape", some, graph.constant([0, 0, KV_HEADS, HEAD_DIM], np.int64)), perm=[0, 2, 1, 3])
    inputs = [("inputs_embeds", TensorProto.FLOAT, ["batch", "sequence", HIDDEN]), ("attention_mask", TensorProto.INT64, ["batch", "total"])]
    outputs = [("logits", TensorProto.FLOAT, ["batch", 1, ROWS])]
    for layer in range(LAYERS):
        for kind in ("key", "value"):
            past, present = f"past_key_values.{layer}.{kind}", f"present.{layer}.{kind}"
            graph.add("Concat", past, new, name=present, axis=2)
            inputs.append((past, TensorProto.FLOAT, ["batch", KV_HEADS, "past", HEAD_DIM]))
            outputs.append((present, TensorProto.FLOAT, ["batch", KV_HEADS, "total", HEAD_DIM]))
    # everything seen so far, so that the picture has a say: [batch, 1, 64]
    seen = graph.add("ReduceMean", graph.add("ReduceMean", "present.0.key", axes=[2], keepdims=1), axes=[1], keepdims=0)
    graph.add("MatMul", seen, graph.weights(HEAD_DIM, ROWS), name="logits")
    graph.add("ReduceSum", "attention_mask", graph.constant([1], np.int64), name="unused")
    graph.save("decoder_model_merged.onnx", inputs, outputs)


FOLDER.mkdir(exist_ok=True)
for width in (512, 768):
    clip(width)
fastvlm()
