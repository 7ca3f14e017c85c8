"""Large weights of an exported file lie where they can be mapped, and it is the same model."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mclip_export.aligned_weights import ALIGNMENT, align_weights

RNG = np.random.default_rng(7)
SHAPES = {"a": (33, 65), "small": (3, 5), "b": (64, 64), "c": (41, 129)}


def model(first_bytes=0):
    """With weights of several types; `first_bytes` of another weight move them all."""
    arrays = [RNG.normal(size=shape).astype(np.float32) for shape in SHAPES.values()]
    arrays += [RNG.integers(-128, 128, 5001).astype(np.int8), RNG.normal(size=3333).astype(np.float16)]
    tensors = [numpy_helper.from_array(array, name) for array, name in zip(arrays, [*SHAPES, "d", "e"], strict=True)]
    tensors.insert(0, numpy_helper.from_array(RNG.integers(0, 9, first_bytes).astype(np.uint8), "first"))
    tensors[2].doc_string = "of someone"
    node = helper.make_node("MatMul", ["x", "b"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 64]) for name in "xy")
    return helper.make_model(helper.make_graph([node], "any", [x], [y], tensors))


def places(file, of):
    """Where the large weights of a model begin in a file."""
    content = file.read_bytes()
    return [content.index(tensor.raw_data) for tensor in of.graph.initializer if len(tensor.raw_data) >= 4096]


def without_comments(of):
    for tensor in of.graph.initializer:
        tensor.ClearField("doc_string")
    return of


# the last but one: comments make the length of the graph one byte longer
@pytest.mark.parametrize("first_bytes", [0, 1, 17, 5000, 2**21 - 58_300, 2**21 - 58_100, 2**21 - 58_000])
def test_large_weights_are_aligned_and_nothing_else_changes(tmp_path, first_bytes):
    original, file = model(first_bytes), tmp_path / "any.onnx"
    onnx.save(original, file)
    before = places(file, original)
    assert any(place % ALIGNMENT for place in before)
    align_weights(file)
    after = places(file, original)
    assert len(after) == len(before) >= 5 and all(place % ALIGNMENT == 0 for place in after)
    onnx.checker.check_model(file)
    assert without_comments(onnx.load(file)) == without_comments(original)
    content = file.read_bytes()
    align_weights(file)
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]
