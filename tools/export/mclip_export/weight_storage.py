"""Smaller files at fp32 arithmetic: weights stored in fewer bits and brought back by nodes that are folded.

ONNX Runtime computes nodes whose inputs are all constants when it makes the session, so `Cast` (fp16) or `Cast` and `Mul`
(int8 and scales) after a weight cost nothing per run.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .quantisation import int8_channels

SMALLEST = 256  # numbers; below, a tensor stays as it is


def weight_axes(graph):
    """name -> axis of the output channels (of the rows, for tables) of every weight that operators read."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    axes = {}
    for node in graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = 1
        elif node.op_type == "Gemm":
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
        elif node.op_type == "Gather":
            axes[node.input[0]] = 0
    return {name: axis for name, axis in axes.items() if len(shapes.get(name, [])) >= 2 and np.prod(shapes[name]) >= SMALLEST}


def float_weights(graph):
    """Names of all fp32 constants large enough to matter."""
    return [t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT and np.prod(t.dims) >= SMALLEST]


class Storage:
    """Replaces constants of one model; `write` puts the nodes that bring them back in front."""

    def __init__(self, source: Path):
        self.model = onnx.load(source)
        self.graph = self.model.graph
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        self.nodes = []

    def constant(self, name, value):
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def take(self, name):
        tensor = self.tensors.pop(name)
        self.graph.initializer.remove(tensor)
        return numpy_helper.to_array(tensor)

    def as_half(self, name):
        stored = self.constant(f"{name}/fp16", self.take(name).astype(np.float16))
        self.nodes.append(helper.make_node("Cast", [stored], [name], name=f"{name}/restore", to=TensorProto.FLOAT))

    def as_int8(self, name, axis):
        values, scales = int8_channels(self.take(name), axis)
        stored, factor = self.constant(f"{name}/int8", values), self.constant(f"{name}/scales", scales)
        cast = f"{name}/cast"
        self.nodes.append(helper.make_node("Cast", [stored], [cast], name=cast, to=TensorProto.FLOAT))
        self.nodes.append(helper.make_node("Mul", [cast, factor], [name], name=f"{name}/restore"))

    def write(self, target: Path):
        for node in reversed(self.nodes):
            self.graph.node.insert(0, node)
        onnx.save(self.model, target)


def write_half(source: Path, target: Path):
    storage = Storage(source)
    for name in float_weights(storage.graph):
        storage.as_half(name)
    storage.write(target)


def write_w8(source: Path, target: Path, in_half=()):
    """`in_half`: weights that 8 bits would hurt."""
    storage = Storage(source)
    for name, axis in weight_axes(storage.graph).items():
        if name in in_half:
            storage.as_half(name)
        else:
            storage.as_int8(name, axis)
    storage.write(target)
