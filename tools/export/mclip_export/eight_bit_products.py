"""`q8` of a vision graph: its large products in 8-bit arithmetic, on weights that stay in 8 bits in memory.

`w8` and fp16 files are fp32 in memory, and ONNX Runtime holds weights of convolutions twice while it re-orders them. Its
MatMulNBits keeps weights as they are stored, rounds activations as it goes, and takes rows of channels. The two pointwise
convolutions of a ConvFFN are such products between one Transpose before them and one after, as Gelu does not care where a
number lies; attention and projector have rows already. The layer scale after a ConvFFN goes into its second product.

Errors of the first layers weigh most, as all others work on them, and those layers are small: they stay in fp32, stored as
fp16 that is folded. So do, first ones first, as many ConvFFNs as the cosine asks for. All of them are computed in strips
(`strips.py`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from .graph_writer import MICROSOFT
from .input_moments import attribute
from .onnx_session import make_session
from .quantisation import int8_blocks
from .storage_plan import least_cosines, run_each
from .strips import SMALLEST_PICTURE, in_strips
from .weight_storage import Storage, weight_axes

GELU = ("Div", "Erf", "Add", "Mul", "Mul")  # as PyTorch exports it
BLOCK, SMALL_BLOCK = 64, 32  # inputs that share a scale
LEAST_SHARE = 1 / 400  # of the graph's weights: what is smaller stands where errors weigh most, and gains little
STEPS = 12  # in which ConvFFNs are given up


@dataclass
class ConvFfn:
    """Two pointwise convolutions with Gelu between them, and the Mul by a scale per channel after them, if there is one."""

    first: NodeProto
    gelu: list[NodeProto]
    second: NodeProto
    scale: NodeProto | None
    strips: int

    @property
    def nodes(self):
        return [self.first, *self.gelu, self.second, *([self.scale] if self.scale else [])]


class Products:
    """What of a graph can be computed in 8 bits: `ffns` and `matrices`, each in the order of the graph."""

    def __init__(self, graph):
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.scalars = {node.output[0] for node in graph.node if node.op_type == "Constant"}
        self.readers = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.least = LEAST_SHARE * sum(np.prod(self.tensors[name].dims) for name in weight_axes(graph))
        rows, self.every = SMALLEST_PICTURE, []
        for node in graph.node:
            if ffn := self.conv_ffn(node, rows):
                self.every.append(ffn)
            rows //= attribute(node, "strides", [1])[0] if node.op_type == "Conv" else 1
        self.ffns = [ffn for ffn in self.every if all(self.is_large(node.input[1], 1) for node in (ffn.first, ffn.second))]
        self.matrices = [node for node in graph.node if node.op_type == "MatMul" and self.is_large(node.input[1], 0)]

    def is_large(self, name, inputs_axis):
        tensor = self.tensors.get(name)
        return tensor is not None and np.prod(tensor.dims) >= self.least and tensor.dims[inputs_axis] % SMALL_BLOCK == 0

    def is_pointwise(self, node):
        whole = node.op_type == "Conv" and len(node.input) == 3 and attribute(node, "group", 1) == 1
        return whole and set(attribute(node, "kernel_shape", [0])) == set(attribute(node, "strides", [1])) == {1}

    def shape(self, node):
        return list(self.tensors[node.input[1]].dims)

    def only_reader(self, value):
        readers = self.readers.get(value, [])
        return readers[0] if len(readers) == 1 else None

    def after_gelu(self, value):
        """Gelu of `value` and what alone reads it; an empty list if anything else does, or if there is no Gelu."""
        current, found = value, []
        for op in GELU:
            readers = self.readers.get(current, [])
            node = next((node for node in readers if node.op_type == op), None)
            if node is None or len(readers) != (2 if current == value else 1):
                return []
            if not set(node.input) <= {current, value} | self.scalars:
                return []
            current = node.output[0]
            found.append(node)
        reader = self.only_reader(current)
        return [*found, reader] if reader else []

    def conv_ffn(self, first, strips):
        if not self.is_pointwise(first):
            return None
        *gelu, second = self.after_gelu(first.output[0]) or [None]
        if second is None or not self.is_pointwise(second):
            return None
        scale = self.only_reader(second.output[0])
        is_scale = scale is not None and scale.op_type == "Mul" and self.channel_scales(scale, len(self.bias(second))) is not None
        return ConvFfn(first, gelu, second, scale if is_scale else None, strips)

    def bias(self, node):
        return numpy_helper.to_array(self.tensors[node.input[2]])

    def channel_scales(self, mul, channels):
        """[channels] of a Mul by a constant [channels, 1, 1], else None."""
        tensor = self.tensors.get(mul.input[1])
        return numpy_helper.to_array(tensor).reshape(-1) if tensor is not None and list(tensor.dims) == [channels, 1, 1] else None

    def factors(self, ffn):
        """[channels] that the outputs of `ffn.second` are multiplied by."""
        channels = len(self.bias(ffn.second))
        return self.channel_scales(ffn.scale, channels) if ffn.scale else np.ones(channels, np.float32)

    def exact(self, name):
        """The weight [out, in] of a product."""
        weight = numpy_helper.to_array(self.tensors[name])
        return weight.T if weight.ndim == 2 else weight.reshape(len(weight), -1)


class EightBitWriter:
    """Replaces products of one graph."""

    def __init__(self, source: Path):
        self.storage = Storage(source)
        self.products = Products(self.storage.graph)
        self.replaced, self.stored = {}, set()  # id of a node -> what stands in its place

    def product(self, name, weight, rows, output, bias=None):
        """`rows` [..., in] times `weight` [out, in]; `name` of the exact weight."""
        out, columns = weight.shape
        block = BLOCK if columns % BLOCK == 0 else SMALL_BLOCK
        values, scales = int8_blocks(weight, block)
        inputs = [rows, self.storage.constant(f"{name}/blocks", values.view(np.uint8) ^ 128)]
        inputs.append(self.storage.constant(f"{name}/scales", scales))
        if bias is not None:
            inputs += ["", "", self.storage.constant(f"{name}/bias", bias)]
        self.stored.add(name)
        return helper.make_node(
            "MatMulNBits", inputs, [output], name=f"{name}/product", domain=MICROSOFT,
            K=columns, N=out, bits=8, block_size=block, accuracy_level=4,
        )  # fmt: skip

    def ffn_in_8_bits(self, ffn: ConvFfn):
        first, second = ffn.first, ffn.second
        factors, products = self.products.factors(ffn), self.products
        (up, down), rows, back = (node.input[1] for node in (first, second)), f"{first.name}/rows", f"{second.name}/rows"
        weight, bias = products.exact(down) * factors[:, None], products.bias(second) * factors
        return [
            helper.make_node("Transpose", [first.input[0]], [rows], name=rows, perm=[0, 2, 3, 1]),
            self.product(up, products.exact(up), rows, first.output[0], products.bias(first)),
            *ffn.gelu,
            self.product(down, weight, second.input[0], back, bias),
            helper.make_node("Transpose", [back], [ffn.nodes[-1].output[0]], name=f"{second.name}/planes", perm=[0, 3, 1, 2]),
        ]

    def write(self, target: Path, skipped):
        """All products but the first `skipped` large ConvFFNs."""
        storage, graph = self.storage, self.storage.graph
        in_8_bits = {id(ffn) for ffn in self.products.ffns[skipped:]}
        for ffn in self.products.every:
            if id(ffn) in in_8_bits:
                nodes, chain = ffn.nodes, self.ffn_in_8_bits(ffn)
            else:  # the scale stays behind the strips: ONNX Runtime would put it into weights of every strip's own
                nodes = chain = [ffn.first, *ffn.gelu, ffn.second]
            self.replaced |= {id(node): [] for node in nodes}
            self.replaced[id(nodes[-1])] = in_strips(chain, ffn.first.input[0], ffn.strips)
        for node in self.products.matrices:
            name = node.input[1]
            self.replaced[id(node)] = [self.product(name, self.products.exact(name), node.input[0], node.output[0])]
        nodes = [new for node in graph.node for new in self.replaced.get(id(node), [node])]
        used = {name for node in nodes for name in node.input}
        half = weight_axes(graph).keys() - self.stored
        kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(kept)
        for name in set(storage.tensors) - used:
            storage.take(name)
        for name in sorted(half):
            storage.as_half(name)
        storage.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        storage.write(target)


def plan_q8(source: Path, target: Path, checks, least):
    """Writes `target` so that every output row of `checks` [n, ...] has a cosine of `least`.

    Returns how many ConvFFNs are in 8 bits, of how many large ones, and the cosine.
    """
    exact = run_each(make_session(source), checks)
    large = len(Products(onnx.load(source).graph).ffns)
    for step in range(STEPS + 1):
        skipped = round(large * step / STEPS)
        EightBitWriter(source).write(target, skipped)
        reached = float(least_cosines(run_each(make_session(target), checks), exact).min())
        if reached >= least:
            break
    return large - skipped, large, reached


def restored(source: Path, stored: Path):
    """Yields (name, fp32) of every weight of `source` that `stored` has in 8 bits, shaped as in `source`."""
    products = Products(onnx.load(source).graph)
    factors = {ffn.second.input[1]: products.factors(ffn) for ffn in products.ffns}
    graph = onnx.load(stored).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    once = {node.input[1]: node for node in graph.node if node.op_type == "MatMulNBits"}  # of all strips
    for blocks, node in once.items():
        name = blocks.removesuffix("/blocks")
        values = (numpy_helper.to_array(constants[blocks]) ^ 128).view(np.int8)
        weight = (values * numpy_helper.to_array(constants[node.input[2]])[..., None]).reshape(len(values), -1)
        if name in factors:
            weight = weight / factors[name][:, None]
        shape = list(products.tensors[name].dims)
        yield name, weight.T if len(shape) == 2 else weight.reshape(shape)
