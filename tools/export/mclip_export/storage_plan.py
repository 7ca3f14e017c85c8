"""Which weights of a `w8` file must stay in 16 bits: chosen by measuring each one's part of the error.

Small weights (depthwise and first convolutions) are often the sensitive ones and cost nothing, so they go first. If that
is not enough, the others are measured: one session has all of them as inputs with default values, so that each can be
replaced in turn without making a session. Errors (1 - cosine) of different weights are nearly independent and add up, so
those that cost the most error per byte go first until the sum fits; then the file's own cosine is measured, and the plan
tightened until that fits too.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .onnx_session import cosines, make_session
from .quantisation import int8_channels
from .weight_storage import weight_axes, write_w8

ROUNDS = 6
SMALL_SHARE = 0.02  # of all weights; the smallest tensors up to this are in 16 bits without being measured


def replaceable(model, names):
    """Bytes of the same model with `names` as inputs that have defaults."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    shapes = {tensor.name: (tensor.data_type, list(tensor.dims)) for tensor in copy.graph.initializer}
    copy.graph.input.extend(helper.make_tensor_value_info(name, *shapes[name]) for name in names)
    return copy.SerializeToString()


def smallest(source: Path):
    """Names of the smallest weights, together up to a share of all."""
    graph = onnx.load(source).graph
    axes = weight_axes(graph)
    sizes = sorted((int(np.prod(t.dims)), t.name) for t in graph.initializer if t.name in axes)
    sums = np.cumsum([size for size, _ in sizes])
    return [name for (_, name), total in zip(sizes, sums) if total <= SMALL_SHARE * sums[-1]]


def errors_of_weights(source: Path, feeds, without):
    """name -> largest 1 - cosine over the outputs' rows when only this weight is in int8; and each one's size."""
    model = onnx.load(source)
    axes = weight_axes(model.graph)
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if t.name in axes and t.name not in without}
    session = make_session(replaceable(model, list(arrays)))
    exact = session.run(None, feeds)[0]
    errors = {}
    for name, weight in arrays.items():
        values, scales = int8_channels(weight, axes[name])
        changed = session.run(None, {**feeds, name: values * scales})[0]
        errors[name] = float(1 - cosines(changed, exact).min())
    return errors, {name: weight.size for name, weight in arrays.items()}


def cosine_of_file(source: Path, feeds, in_half):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "w8.onnx"
        write_w8(source, file, in_half)
        changed = make_session(file).run(None, feeds)[0]
    return float(cosines(changed, make_session(source).run(None, feeds)[0]).min())


def weights_in_half(source: Path, feeds, target):
    """Names of weights to keep in fp16 so that every output row has a cosine of `target` or more; and the cosine reached."""
    small = smallest(source)
    reached = cosine_of_file(source, feeds, small)
    if reached >= target:
        return small, reached
    errors, sizes = errors_of_weights(source, feeds, set(small))
    order = sorted(errors, key=lambda name: errors[name] / sizes[name], reverse=True)
    budget = 1 - target
    in_half = small
    for _ in range(ROUNDS):
        left, in_half = sum(errors.values()), list(small)
        for name in order:
            if left <= budget:
                break
            left -= errors[name]
            in_half.append(name)
        reached = cosine_of_file(source, feeds, in_half)
        if reached >= target:
            break
        budget *= 0.75
    return in_half, reached


def half_bytes(source: Path, in_half):
    """How much larger the file is for them."""
    return sum(int(np.prod(t.dims)) for t in onnx.load(source).graph.initializer if t.name in set(in_half))
