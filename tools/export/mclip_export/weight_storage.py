"""Smaller files at fp32 arithmetic: weights stored in fewer bits and brought back by nodes that are folded.

ONNX Runtime computes nodes whose inputs are all constants when it makes the session, so `Cast` (fp16) or `Cast` and `Mul`
(int8 and scales) after a weight cost nothing per run. A table of rows that the input looks up stays as it is stored: only
the rows that were looked up are brought back, which is cheap and keeps the session small.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .quantisation import int8_channels

SMALLEST = 256  # numbers; below, a tensor stays as it is


def looked_up(graph):
    """name -> nodes that read rows of it by an input of the graph."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    from_input = {value.name for value in graph.input} - constants.keys()
    tables = {}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in from_input:
            from_input.add(node.output[0])
        elif node.op_type == "Gather" and node.input[1] in from_input:
            table = constants.get(node.input[0])
            if table is not None and table.data_type == TensorProto.FLOAT and len(table.dims) == 2:
                tables.setdefault(node.input[0], []).append(node)
    return tables


def weight_axes(graph):
    """name -> axis of the output channels (of the rows, for tables) of every weight that operators read."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    axes = dict.fromkeys(looked_up(graph), 0)
    for node in graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = 1
        elif node.op_type == "Gemm":
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
    return {name: axis for name, axis in axes.items() if len(shapes.get(name, [])) >= 2 and np.prod(shapes[name]) >= SMALLEST}


def float_weights(graph):
    """Names of all fp32 constants large enough to matter."""
    return [t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT and np.prod(t.dims) >= SMALLEST]


class Storage:
    """Replaces constants of one model; `write` puts the nodes that bring them back in front of their readers."""

    def __init__(self, source: Path):
        self.model = onnx.load(source)
        self.graph = self.model.graph
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        self.tables = looked_up(self.graph)
        self.nodes = []

    def constant(self, name, value):
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def take(self, name):
        tensor = self.tensors.pop(name)
        self.graph.initializer.remove(tensor)
        return numpy_helper.to_array(tensor)

    def replace(self, name, value):
        """The same constant with other numbers."""
        self.take(name)
        self.constant(name, value)

    def restored(self, name, values, scales=None, shape=None):
        """Nodes from the stored constant `values` (and their `scales`) to the fp32 that `name`'s readers want."""
        if name not in self.tables:
            self.nodes += self.restoring(values, scales, name, shape)
            return
        for gather in self.tables[name]:
            place = list(self.graph.node).index(gather)
            ids, rows = gather.input[1], gather.output[0]
            parts = {f"{rows}/rows": values} | ({f"{rows}/scales": scales} if scales else {})
            found = [helper.make_node("Gather", [stored, ids], [part], name=part, axis=0) for part, stored in parts.items()]
            self.graph.node.remove(gather)
            for node in reversed(found + self.restoring(*parts, *([] if scales else [None]), rows, shape and [0, 0, -1])):
                self.graph.node.insert(place, node)

    def restoring(self, values, scales, output, shape=None):
        """Cast, and Mul with the scales if there are any. `shape`: of what is in groups, whose scales are fp16."""

        def widened(value, to):
            return helper.make_node("Cast", [value], [to], name=to, to=TensorProto.FLOAT)

        if scales is None:
            return [widened(values, output)]
        cast, factors, groups = (f"{output}/{part}" for part in ("cast", "factors", "groups"))
        if shape is None:
            return [widened(values, cast), helper.make_node("Mul", [cast, scales], [output], name=f"{output}/restore")]
        product = helper.make_node("Mul", [cast, factors], [groups], name=groups)
        target = self.constant(f"{output}/shape", np.array(shape, np.int64))
        reshape = helper.make_node("Reshape", [groups, target], [output], name=f"{output}/restore")
        return [widened(values, cast), widened(scales, factors), product, reshape]

    def as_half(self, name):
        self.restored(name, self.constant(f"{name}/fp16", self.take(name).astype(np.float16)))

    def as_int8(self, name, values, scales):
        """`values` of the weight's own shape, or with its inputs in groups, whose `scales` are fp16."""
        shape = self.take(name).shape
        stored, factors = self.constant(f"{name}/int8", values), self.constant(f"{name}/scales", scales)
        self.restored(name, stored, factors, None if values.shape == shape else shape)

    def write(self, target: Path):
        for node in reversed(self.nodes):
            self.graph.node.insert(0, node)
        onnx.save(self.model, target)


def write_half(source: Path, target: Path):
    storage = Storage(source)
    for name in float_weights(storage.graph):
        storage.as_half(name)
    storage.write(target)


def write_w8(source: Path, target: Path, in_half=(), int8=None, constants=None):
    """`in_half`: weights that 8 bits would hurt. `int8`: name -> values and scales, where nearest rounding is not wanted.

    `constants`: name -> fp32 numbers to write instead.
    """
    storage = Storage(source)
    for name, value in (constants or {}).items():
        storage.replace(name, value)
    for name, axis in weight_axes(storage.graph).items():
        if name in in_half:
            storage.as_half(name)
        elif int8 and name in int8:
            storage.as_int8(name, *int8[name])
        else:
            storage.as_int8(name, *int8_channels(numpy_helper.to_array(storage.tensors[name]), axis))
    storage.write(target)
