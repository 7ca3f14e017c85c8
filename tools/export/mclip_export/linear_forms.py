"""How a linear layer is written into a decoder graph: one class per way of storing its weights.

Each is called with the graph, the value [batch, sequence, in], the weight [out, in] and the bias [out] or None. `dequantised`
gives the weight that the form stands for, for comparisons in PyTorch.
"""

import numpy as np
from onnx import TensorProto

from .graph_writer import GraphWriter
from .quantisation import BLOCK, int4_blocks, int8_channels, pack_int4


def with_bias(graph: GraphWriter, value, bias):
    return value if bias is None else graph.add("Add", value, graph.constant(bias))


class PlainLinear:
    """Floats of the graph's width."""

    def __call__(self, graph, value, weight, bias=None):
        return with_bias(graph, graph.add("MatMul", value, graph.constant(weight.T)), bias)

    def dequantised(self, weight):
        return weight


class StoredInt8Linear:
    """`w8`: int8 in the file, a Cast and a Mul that ONNX Runtime folds into fp32 when it makes the session."""

    def __call__(self, graph, value, weight, bias=None):
        values, scales = int8_channels(weight.T, 1)
        cast = graph.cast(graph.constant(values, np.int8), TensorProto.FLOAT)
        return with_bias(graph, graph.add("MatMul", value, graph.add("Mul", cast, graph.constant(scales))), bias)

    def dequantised(self, weight):
        values, scales = int8_channels(weight, 0)
        return values * scales


class Int4Linear:
    """`q4`, `q4f16`: blocks of 32 along the input, computed by MatMulNBits with 8-bit activations where that is faster."""

    def __call__(self, graph, value, weight, bias=None):
        values, scales = int4_blocks(weight)
        out, columns = weight.shape
        product = graph.microsoft(
            "MatMulNBits", value, graph.constant(pack_int4(values), np.uint8), graph.constant(scales),
            K=columns, N=out, bits=4, block_size=BLOCK, accuracy_level=4,
        )  # fmt: skip
        return with_bias(graph, product, bias)

    def dequantised(self, weight):
        values, scales = int4_blocks(weight)
        return (values * scales[..., None]).reshape(weight.shape)


def int8_weight(graph: GraphWriter, weight):
    """Constants for a product [in, out]: uint8 values around 128, their scales fp32 [out].

    Unsigned, since on x86 processors without VNNI the kernel for signed weights adds pairs of products in 16 bits that
    saturate: measured there, 6.4 % error instead of 0.6 %. Unsigned ones are as fast, natively and in WebAssembly.
    """
    values, scales = int8_channels(weight.T, 1)
    return graph.constant(values.view(np.uint8) ^ 128, np.uint8), graph.constant(scales[0])


class DynamicInt8Linear:
    """int8 weights per output channel times 8-bit activations with one scale for all rows."""

    def __call__(self, graph, value, weight, bias=None):
        values, scales = int8_weight(graph, weight)
        zero = graph.constant(np.full(len(weight), 128), np.uint8)
        return with_bias(graph, graph.microsoft("DynamicQuantizeMatMul", value, values, scales, zero), bias)

    def dequantised(self, weight):
        values, scales = int8_channels(weight, 0)
        return values * scales


def row_magnitudes(graph: GraphWriter, value):
    """[batch, sequence, 1], never 0"""
    largest = graph.add("ReduceMax", graph.add("Abs", value), axes=[-1], keepdims=1)
    return graph.add("Max", largest, graph.constant(1e-30))


class RowInt8Linear(DynamicInt8Linear):
    """The same with a scale per token: rows are brought to one magnitude before, and back after."""

    def __call__(self, graph, value, weight, bias=None):
        largest = row_magnitudes(graph, value)
        product = super().__call__(graph, graph.add("Div", value, largest), weight)
        return with_bias(graph, graph.add("Mul", product, largest), bias)


class FineInt8Linear(DynamicInt8Linear):
    """Activations in 16 bits: two rows of 8 bits each, what is left by the first in the second.

    Both rows go through one product, which reads the weights once; for one token it takes about a tenth longer.
    """

    COARSE, FINE = 1 / 127, 1 / 127 / 254

    def __call__(self, graph, value, weight, bias=None):
        largest = row_magnitudes(graph, value)
        scaled = graph.add("Div", value, largest)
        middle = graph.constant(128, np.uint8)
        coarse = graph.add("QuantizeLinear", scaled, graph.constant(self.COARSE), middle)
        left = graph.add("Sub", scaled, graph.add("DequantizeLinear", coarse, graph.constant(self.COARSE), middle))
        fine = graph.add("QuantizeLinear", left, graph.constant(self.FINE), middle)
        values, scales = int8_weight(graph, weight)
        product = graph.add("MatMulInteger", graph.add("Concat", coarse, fine, axis=1), values, middle, middle)
        parts = graph.add("Split", graph.cast(product, TensorProto.FLOAT), axis=1, outputs=2)
        coarse, fine = (graph.add("Mul", part, graph.constant(step)) for part, step in zip(parts, (self.COARSE, self.FINE)))
        total = graph.add("Mul", graph.add("Mul", graph.add("Add", coarse, fine), scales), largest)
        return with_bias(graph, total, bias)


# where a linear layer stands in a decoder
SITES = ("qkv", "attention_out", "gate_up", "down", "head")
# products of two activations have long tails, so `down` needs more than 8 bits; `head` sees one row only
COMPUTED_INT8 = {site: RowInt8Linear() for site in SITES} | {"down": FineInt8Linear(), "head": DynamicInt8Linear()}
FORMS = {
    "fp32": dict.fromkeys(SITES, PlainLinear()),
    "w8": dict.fromkeys(SITES, StoredInt8Linear()),
    "q8": COMPUTED_INT8,
    "q4": dict.fromkeys(SITES, Int4Linear()),
    "q4f16": dict.fromkeys(SITES, Int4Linear()),
}
