"""How a linear layer is written into a decoder graph: one class per way of storing its weights.

Each is called with the graph, the value [batch, sequence, in], the weight [out, in] and the bias [out] or None. `dequantised`
gives the weight that the form stands for, for comparisons in PyTorch.
"""

import numpy as np
from onnx import TensorProto

from .graph_writer import GraphWriter
from .quantisation import BLOCK, int4_blocks, int8_channels, int8_parts, pack_int4


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


def int8_weight(graph: GraphWriter, weight, copies):
    """Constants for a product [in, out]: uint8 values around 128, their scales fp32 [out].

    Signed weights saturate on x86 processors without VNNI, where pairs of products are added in 16 bits.
    """
    values, scales = int8_parts(weight, copies)
    return graph.constant(values.T.view(np.uint8) ^ 128, np.uint8), scales[:, 0]


def with_copies(graph: GraphWriter, value, copies):
    """The channels of `value`, each as often as `copies` says."""
    if (copies == 1).all():
        return value
    return graph.add("Gather", value, graph.constant(np.repeat(np.arange(len(copies)), copies), np.int64), axis=-1)


class DynamicInt8Linear:
    """int8 weights per output channel times 8-bit activations with one scale for all rows.

    `copies` (integers [in], see `outlier_copies.py`): into how many parts each input channel is split.
    """

    def __call__(self, graph, value, weight, bias=None, copies=None):
        copies = np.ones(weight.shape[1], np.int64) if copies is None else copies
        return with_bias(graph, self.product(graph, with_copies(graph, value, copies), weight, copies), bias)

    def product(self, graph, value, weight, copies):
        values, scales = int8_weight(graph, weight, copies)
        zero = graph.constant(np.full(len(weight), 128), np.uint8)
        return graph.microsoft("DynamicQuantizeMatMul", value, values, graph.constant(scales), zero)

    def dequantised(self, weight, copies=None):
        copies = np.ones(weight.shape[1], np.int64) if copies is None else copies
        values, scales = int8_parts(weight, copies)
        return np.add.reduceat(values * scales, np.cumsum(copies) - copies, axis=1)


LINE, WAY = 64, 4096  # bytes that a processor's cache moves at once; that lie apart if they take each other's place in it


def spare_columns(form, columns):
    """How many columns of zeros a product of so many gets, so that WebAssembly reads its weights quickly.

    The kernel there packs 128 rows at a time, a line of each, for every run. Where rows are a multiple of an eighth of `WAY`
    apart, eight places of the cache and their eight ways hold half of them, and each line is fetched again and again:
    three quarters of the speed.
    """
    return LINE if isinstance(form, DynamicInt8Linear) and columns % (WAY // 8) == 0 else 0


def row_magnitudes(graph: GraphWriter, value):
    """[batch, sequence, 1], never 0"""
    largest = graph.add("ReduceMax", graph.add("Abs", value), axes=[-1], keepdims=1)
    return graph.add("Max", largest, graph.constant(1e-30))


class RowInt8Linear(DynamicInt8Linear):
    """The same with a scale per token: rows are brought to one magnitude before, and back after."""

    def product(self, graph, value, weight, copies):
        largest = row_magnitudes(graph, value)
        return graph.add("Mul", super().product(graph, graph.add("Div", value, largest), weight, copies), largest)


class FineInt8Linear(DynamicInt8Linear):
    """Activations in 16 bits: two rows of 8 bits each, what is left by the first in the second.

    Both rows go through one product, which reads the weights once; for one token it takes about a tenth longer.
    """

    COARSE, PARTS = 1 / 127, 254  # a step of the first row, in magnitudes of the token; steps of the second in one of those

    def product(self, graph, value, weight, copies):
        largest = row_magnitudes(graph, value)
        scaled = graph.add("Div", value, largest)
        middle = graph.constant(128, np.uint8)
        coarse = graph.add("QuantizeLinear", scaled, graph.constant(self.COARSE), middle)
        left = graph.add("Sub", scaled, graph.add("DequantizeLinear", coarse, graph.constant(self.COARSE), middle))
        fine = graph.add("QuantizeLinear", left, graph.constant(self.COARSE / self.PARTS), middle)
        values, scales = int8_weight(graph, weight, copies)
        both = graph.add("MatMulInteger", graph.add("Concat", coarse, fine, axis=1), values, middle, middle)
        coarse, fine = graph.add("Split", graph.cast(both, TensorProto.FLOAT), axis=1, outputs=2)
        total = graph.add("Add", coarse, graph.add("Mul", fine, graph.constant(1 / self.PARTS)))
        return graph.add("Mul", graph.add("Mul", total, graph.constant(scales * self.COARSE)), largest)


# where a linear layer stands in a decoder
SITES = ("qkv", "attention_out", "gate_up", "down", "head")
# `gate_up` has most of a layer's weights, so that a second row would cost most there; `head` sees one row only
COMPUTED_INT8 = dict.fromkeys(SITES, FineInt8Linear()) | {"gate_up": RowInt8Linear(), "head": DynamicInt8Linear()}
FORMS = {
    "fp32": dict.fromkeys(SITES, PlainLinear()),
    "w8": dict.fromkeys(SITES, StoredInt8Linear()),
    "q8": COMPUTED_INT8,
    "q4": dict.fromkeys(SITES, Int4Linear()),
    "q4f16": dict.fromkeys(SITES, Int4Linear()),
}
# Errors of the first layers weigh most, as all others work on them: there q8 is finer where that costs little
FINE_FORMS = {"q8": {"gate_up": FineInt8Linear()}}
FINE_SHARE = 1 / 6  # of the layers
HALVED_STEPS = {"q8": ("qkv", "attention_out")}  # sites whose weights are stored in two parts
HALVED_SHARE = 1 / 3
