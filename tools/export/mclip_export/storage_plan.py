"""How each weight of a `w8` file is stored, so that its output stays with fp32's.

1. Grouped convolutions (depthwise) are often the sensitive ones and cost nothing: 16 bits.
2. Dense products: 8 bits, rounded so that later weights make up for earlier ones (`compensated_rounding.py`).
3. A table of token rows: 8 bits; the rows that fill most places are made exact (`token_table.py`).
4. If the file's cosine is not good enough then, tables get scales per group too, and each product's part of the error is
   measured on the inputs that came off worst: one session has the weights as inputs with default values, so that each can
   be replaced in turn. Errors (1 - cosine) of different weights are nearly independent and add up, so weights are raised,
   those first that gain most per byte, from a scale per channel to scales per group of inputs, then to 16 bits, until the
   sum fits; then the file's cosine is measured again, and the plan tightened until it fits too.

What inputs the moments come from and what inputs the cosine is measured on are different ones; `verify` takes others still.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from .compensated_rounding import compensated_int8
from .input_moments import attribute, input_moments
from .onnx_session import cosines, make_session, passing_session
from .quantisation import int8_channels
from .token_table import table_constants
from .weight_storage import weight_axes, write_w8

ROUNDS, TIGHTER = 7, 0.55
LEAST_GAIN = 0.05  # of the error that is left: a round that takes away less is the last
MEASURED, FEWER, LARGE = 3, 1, 100e6  # inputs that single weights are judged on; fewer when there are so many numbers
GROUP, GROUP_GAIN = 32, 0.6  # inputs that share a scale; the share of a weight's error that this takes away
GROUP_BYTES = 2 / GROUP  # per weight
GROWTH = 0.25  # of all weights, in bytes beyond the depthwise ones; more is not what `w8` promises


@dataclass
class Plan:
    """`int8`: name -> values and scales. `constants`: name -> other fp32 numbers. `reached`: least cosine measured."""

    in_half: set = field(default_factory=set)
    int8: dict = field(default_factory=dict)
    constants: dict = field(default_factory=dict)
    reached: float = 0.0

    def write(self, source: Path, target: Path):
        write_w8(source, target, self.in_half, self.int8, self.constants)


def grouped(graph, names):
    """Those of `names` that grouped convolutions read."""
    convolutions = (node for node in graph.node if node.op_type == "Conv" and node.input[1] in names)
    return {node.input[1] for node in convolutions if attribute(node, "group", 1) > 1}


def run_each(session, inputs):
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: inputs[i : i + 1]})[0] for i in range(len(inputs))])


def rounded(weight, axis, moment, group=None):
    """Values and scales of a product's weight, as it lies in the graph; None if its inputs do not fall into groups."""
    rows = weight.reshape(len(weight), -1) if axis == 0 else np.ascontiguousarray(weight.T)
    if group and rows.shape[1] % group:
        return None
    values, scales = compensated_int8(rows, moment, group)
    if group:
        values = values.reshape(len(rows), -1, group)
        return (values, scales) if axis == 0 else tuple(np.ascontiguousarray(x.transpose(1, 2, 0)) for x in (values, scales))
    if axis == 0:
        return values.reshape(weight.shape), scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.ascontiguousarray(values.T), scales.T


def errors_of_weights(model, int8, inputs):
    """name -> mean 1 - cosine of the output's rows when only this weight is in int8."""
    session = passing_session(model, extra_inputs=int8)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer if tensor.name in int8}
    feeds = {model.graph.input[0].name: inputs}
    exact = session.run(None, feeds)[0]
    errors = {}
    for name, (values, scales) in int8.items():
        changed = session.run(None, {**feeds, name: (values * scales).reshape(shapes[name])})[0]
        errors[name] = float(1 - cosines(changed, exact).mean())
    return errors


def raises(errors, sizes, fine):
    """(name, gain, further bytes, whether to 16 bits) of everything that can be raised, best gain per byte first."""
    steps = []
    for name, error in errors.items():
        gain, size = GROUP_GAIN * error if name in fine else 0, sizes[name]
        if gain:
            steps.append((name, gain, size * GROUP_BYTES, False))
        steps.append((name, error - gain, size * (1 - GROUP_BYTES if gain else 1), True))
    return sorted(steps, key=lambda step: step[1] / step[2], reverse=True)


def raise_weights(plan: Plan, coarse, fine, errors, sizes, budget):
    """Puts into `plan` what leaves `budget` of the errors, as far as the file may grow; by how many bytes it grew."""
    left, spent, room = sum(errors.values()), 0, GROWTH * sum(sizes.values())
    plan.int8 |= coarse
    for name, gain, further, to_half in raises(errors, sizes, fine):
        if left <= budget:
            break
        if spent + further > room:
            continue
        left, spent = left - gain, spent + further
        if to_half:
            plan.in_half.add(name)
        else:
            plan.int8[name] = fine[name]
    return spent


def least_cosines(a, b):
    """Of every input, its worst output row's: a CLIP has one row per input, a FastVLM one per image token."""
    return cosines(a, b).reshape(len(a), -1).min(1)


def outputs_of(plan: Plan, source: Path, inputs):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "w8.onnx"
        plan.write(source, file)
        return run_each(make_session(file), inputs)


def plan_w8(source: Path, inputs, checks, target):
    """`inputs` [n, ...] for the moments, `checks` for the cosine, which shall be `target` for every output row."""
    model = onnx.load(source)
    axes = weight_axes(model.graph)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in axes}
    sizes = {name: int(np.prod(tensor.dims)) for name, tensor in tensors.items()}
    depthwise = grouped(model.graph, axes)
    plan, coarse, fine = Plan(in_half=set(depthwise)), {}, {}
    for name, moment in input_moments(model, axes.keys() - depthwise, inputs):
        weight = numpy_helper.to_array(tensors[name])
        coarse[name], fine[name] = (rounded(weight, axes[name], moment, group) for group in (None, GROUP))
    fine = {name: stored for name, stored in fine.items() if stored}
    tables, plan.constants = table_constants(model.graph)
    for name in axes.keys() - depthwise - tables.keys() - coarse.keys():
        coarse[name] = int8_channels(numpy_helper.to_array(tensors[name]), axes[name])
    plan.int8 = tables | coarse

    large = sum(sizes.values()) > LARGE
    every = checks if large else np.concatenate([checks, inputs])
    exact = run_each(make_session(source), every)
    similar = least_cosines(outputs_of(plan, source, every), exact)
    plan.reached = float(similar[: len(checks)].min())
    if plan.reached >= target:
        return plan
    tables, plan.constants = table_constants(model.graph, GROUP)
    plan.int8 |= tables
    errors = errors_of_weights(model, coarse, every[similar.argsort()[: FEWER if large else MEASURED]])
    del model, tensors
    budget, spent = 1 - target, 0
    for _ in range(ROUNDS):
        plan.in_half, before, had = set(depthwise), plan.reached, spent
        spent = raise_weights(plan, coarse, fine, errors, sizes, budget)
        plan.reached = float(least_cosines(outputs_of(plan, source, checks), exact[: len(checks)]).min())
        useless = 0 < had < spent and plan.reached - before < LEAST_GAIN * (1 - before)
        if plan.reached >= target or useless:
            break
        budget *= TIGHTER
    return plan
