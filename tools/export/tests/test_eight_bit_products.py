"""The `q8` form of a vision graph: what it computes is what its weights stand for, in the order of the picture."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mclip_export.architectures import VLMS
from mclip_export.eight_bit_products import EightBitWriter, Products, plan_q8, restored
from mclip_export.onnx_session import cosines, make_session
from mclip_export.random_weights import random_network
from mclip_export.vision_graph import write_vision
from mclip_export.weight_storage import write_half

RNG = np.random.default_rng(3)
STRIPS = [16, 8, 4, 2, 1]  # of the ConvFFNs of every stage
PIXELS = RNG.random((1, 3, 128, 256), dtype=np.float32)  # wide: a swap of height and width shows


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    file = tmp_path_factory.mktemp("vision") / "plain.onnx"
    write_vision(random_network(VLMS["tiny"], 0, text_tokens=511).vision, 128, file)
    return file


def features(file, pixels=PIXELS):
    return make_session(file).run(None, {"pixel_values": pixels})[0]


def operators(file):
    kinds = [node.op_type for node in onnx.load(file).graph.node]
    return {kind: kinds.count(kind) for kind in kinds}


def test_products_are_the_large_ones(plain):
    products = Products(onnx.load(plain).graph)
    shapes = [[products.shape(node) for node in (ffn.first, ffn.second)] for ffn in products.ffns]
    wide = [[[2 * width, width, 1, 1], [width, 2 * width, 1, 1]] for width in (32, 32, 64)]
    assert shapes == wide  # of stages 2 to 4
    assert [ffn.scale.op_type for ffn in products.ffns] == ["Mul"] * 3
    assert [ffn.strips for ffn in products.every] == STRIPS and [len(ffn.gelu) for ffn in products.every] == [5] * 5


def test_a_file_computes_what_its_weights_stand_for(plain, tmp_path):
    stored, exact = tmp_path / "q8.onnx", tmp_path / "exact.onnx"
    EightBitWriter(plain).write(stored, skipped=0)
    model = onnx.load(plain)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = dict(restored(plain, stored))
    assert len(weights) >= 8
    assert operators(stored)["MatMulNBits"] == len(weights) + 2 * sum(strips - 1 for strips in STRIPS[2:])
    for name, weight in weights.items():
        original = numpy_helper.to_array(tensors[name])
        assert 0 < np.abs(weight - original).max() < 0.0041 * np.abs(original).max()  # half a step of 127
        tensors[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weight, np.float32), name))
    onnx.save(model, exact)
    assert cosines(features(stored), features(exact)).min() > 0.999
    other = np.ascontiguousarray(PIXELS[..., ::-1])
    assert cosines(features(stored), features(stored, other)).min() < 0.99


def test_strips_change_no_number(plain, tmp_path):
    """With nothing in 8 bits, what is left are fp16 weights and strips."""
    strips, half = tmp_path / "strips.onnx", tmp_path / "half.onnx"
    writer = EightBitWriter(plain)
    writer.products.matrices = []
    writer.write(strips, skipped=3)
    write_half(plain, half)
    found = operators(strips)
    assert "MatMulNBits" not in found and found["Conv"] == operators(plain)["Conv"] + 2 * sum(strips - 1 for strips in STRIPS)
    for size in (64, 192):
        pixels = np.ascontiguousarray(np.resize(PIXELS, (1, 3, size, 256)))
        expected = features(half, pixels)
        assert np.abs(features(strips, pixels) - expected).max() < 1e-5 * np.abs(expected).max()


def test_as_many_conv_ffns_are_given_up_as_the_cosine_asks_for(plain, tmp_path):
    file = tmp_path / "q8.onnx"
    assert plan_q8(plain, file, PIXELS, 0.99)[:2] == (3, 3)
    most = operators(file)["MatMulNBits"]
    left, large, reached = plan_q8(plain, file, PIXELS, 2)
    assert (left, large) == (0, 3) and reached < 1
    assert operators(file)["MatMulNBits"] == most - 2 * sum(STRIPS[2:])
