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


class ComputedInt8Linear:
    """`q8`: int8 weights per output channel times uint8 activations with a scale per token.

    The kernel knows one scale per matrix of activations. Each row is divided by its own largest magnitude before and
    multiplied by it after, so that the one scale fits every row.
    """

    def __call__(self, graph, value, weight, bias=None):
        values, scales = int8_channels(weight.T, 1)
        largest = graph.add("ReduceMax", graph.add("Abs", value), axes=[-1], keepdims=1)
        largest = graph.add("Max", largest, graph.constant(1e-30))
        product = graph.microsoft(
            "DynamicQuantizeMatMul", graph.add("Div", value, largest),
            graph.constant(values.view(np.uint8) ^ 128, np.uint8), graph.constant(scales[0]), graph.constant(np.full(len(weight), 128), np.uint8),
        )  # fmt: skip
        return with_bias(graph, graph.add("Mul", product, largest), bias)

    def dequantised(self, weight):
        values, scales = int8_channels(weight, 0)
        return values * scales


LINEAR_FORMS = {
    "fp32": PlainLinear(),
    "w8": StoredInt8Linear(),
    "q8": ComputedInt8Linear(),
    "q4": Int4Linear(),
    "q4f16": Int4Linear(),
}
