"""Weights in fewer bits: what comes back, and what a graph computes with them."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mclip_export.embedding_table import write_half_rows, write_int8_rows
from mclip_export.graph_writer import GraphWriter
from mclip_export.linear_forms import DynamicInt8Linear, FineInt8Linear, Int4Linear, PlainLinear, RowInt8Linear, StoredInt8Linear
from mclip_export.quantisation import int4_blocks, int8_channels, pack_int4

RNG = np.random.default_rng(0)


def test_int8_keeps_the_largest_of_each_channel():
    weight = RNG.standard_normal((8, 32)).astype(np.float32)
    values, scales = int8_channels(weight, 0)
    assert np.abs(values).max(1).tolist() == [127] * 8
    assert np.abs(values * scales - weight).max() <= scales.max() / 2 + 1e-7


def test_a_channel_of_zeros_stays_zero():
    values, scales = int8_channels(np.zeros((2, 4), np.float32), 0)
    assert not values.any() and np.isfinite(scales).all()
    values, scales = int4_blocks(np.zeros((2, 32), np.float32))
    assert not values.any() and np.isfinite(scales).all()


def test_int4_packs_the_even_value_low():
    packed = pack_int4(np.arange(-8, 8, dtype=np.int8).repeat(2).reshape(1, 1, 32))
    assert packed[0, 0].tolist() == [value * 17 for value in range(16)]


@pytest.mark.parametrize(
    ("form", "bound"),
    [
        (PlainLinear(), 1e-5),
        (StoredInt8Linear(), 1e-5),
        (FineInt8Linear(), 1e-4),
        (RowInt8Linear(), 0.015),
        (DynamicInt8Linear(), 0.05),
        (Int4Linear(), 0.015),
    ],  # adding the bias rounds, so not 1e-7
)
@pytest.mark.parametrize("rows", [1, 7])
def test_a_graph_computes_the_product_of_its_dequantised_weight(tmp_path, form, bound, rows):
    weight, bias = RNG.standard_normal((48, 64)).astype(np.float32), RNG.standard_normal(48).astype(np.float32)
    x = (RNG.standard_normal((1, rows, 64)) * 3.0 ** np.arange(rows)[None, :, None] / 3.0 ** (rows - 1)).astype(np.float32)
    graph = GraphWriter(tmp_path / "product.onnx")
    graph.input("x", TensorProto.FLOAT, ["batch", "sequence", 64])
    graph.output(form(graph, "x", weight, bias), "y", TensorProto.FLOAT, ["batch", "sequence", 48])
    graph.save("product")
    got = onnxruntime.InferenceSession(tmp_path / "product.onnx").run(None, {"x": x})[0] - bias
    expected = x @ form.dequantised(weight).T
    error = np.linalg.norm(got - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    if isinstance(form, DynamicInt8Linear) and type(form) is DynamicInt8Linear and rows > 1:
        assert error[0, -1] < bound < error[0, 0]  # one scale for all rows: small rows suffer
    else:
        assert error.max() < bound


def test_row_files_have_the_documented_layout(tmp_path):
    table = RNG.standard_normal((5, 6)).astype(np.float32)
    write_half_rows(table, tmp_path / "half")
    assert np.array_equal(np.fromfile(tmp_path / "half", "<f2").reshape(5, 6), table.astype(np.float16))
    write_int8_rows(table, tmp_path / "int8")
    content = (tmp_path / "int8").read_bytes()
    assert len(content) == 5 * (4 + 6)
    scale, values = np.frombuffer(content[10:14], "<f4")[0], np.frombuffer(content[14:20], np.int8)
    assert np.abs(values * scale - table[1]).max() <= scale / 2 + 1e-7
