"""How each weight of a `w8` file is stored, so that its output stays with fp32's.

1. Grouped convolutions (depthwise) are often the sensitive ones and cost nothing: 16 bits.
2. Dense products: 8 bits, rounded so that later weights make up for earlier ones (`compensated_rounding.py`).
3. A table of token rows: 8 bits; the rows that fill most places are made exact (`token_table.py`).
4. If the file's cosine is not good enough then, each product's part of the error is measured: one session has the weights
   as inputs with default values, so that each can be replaced in turn. Errors (1 - cosine) of different weights are nearly
   independent and add up, so those that cost most error per byte go to 16 bits until the sum fits; then the file's cosine
   is measured again, and the plan tightened until it fits too.

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

ROUNDS, TIGHTER = 7, 0.6
MEASURED = 3  # inputs that single weights are judged on
HALF_SHARE = 0.1  # of all weights; more than this in 16 bits is not what `w8` promises


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


def rounded(weight, axis, moment):
    """Values and scales of a product's weight, as it lies in the graph."""
    if axis == 0:
        values, scales = compensated_int8(weight.reshape(len(weight), -1), moment)
        return values.reshape(weight.shape), scales.reshape(-1, *[1] * (weight.ndim - 1))
    values, scales = compensated_int8(np.ascontiguousarray(weight.T), moment)
    return np.ascontiguousarray(values.T), scales.T


def errors_of_weights(model, int8, inputs):
    """name -> mean 1 - cosine of the output's rows when only this weight is in int8."""
    session = passing_session(model, extra_inputs=int8)
    feeds = {model.graph.input[0].name: inputs}
    exact = session.run(None, feeds)[0]
    errors = {}
    for name, (values, scales) in int8.items():
        changed = session.run(None, {**feeds, name: values * scales})[0]
        errors[name] = float(1 - cosines(changed, exact).mean())
    return errors


def reached_by(plan: Plan, source: Path, inputs, exact):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "w8.onnx"
        plan.write(source, file)
        return float(cosines(run_each(make_session(file), inputs), exact).min())


def raise_to(target, plan: Plan, errors, sizes, measure):
    """Moves weights to 16 bits, the dearest first, until `measure` gives `target` or the file would be too large."""
    order = sorted(errors, key=lambda name: errors[name] / sizes[name], reverse=True)
    room = HALF_SHARE * sum(sizes.values())
    budget = 1 - target  # errors are means and the target is for the worst input: this is only where to start
    always = set(plan.in_half)
    for _ in range(ROUNDS):
        left, plan.in_half = sum(errors.values()), set(always)
        for name in order:
            if left <= budget:
                break
            if sum(sizes[other] for other in plan.in_half) + sizes[name] <= room:
                left -= errors[name]
                plan.in_half.add(name)
        plan.reached = measure()
        if plan.reached >= target:
            return
        budget *= TIGHTER


def plan_w8(source: Path, inputs, checks, target):
    """`inputs` [n, ...] for the moments, `checks` for the cosine, which shall be `target` for every output row."""
    model = onnx.load(source)
    axes = weight_axes(model.graph)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in axes}
    sizes = {name: int(np.prod(tensor.dims)) for name, tensor in tensors.items()}
    plan = Plan(in_half=grouped(model.graph, axes))
    dense = {}
    for name, moment in input_moments(model, axes.keys() - plan.in_half, inputs):
        dense[name] = rounded(numpy_helper.to_array(tensors[name]), axes[name], moment)
    plan.int8 |= dense
    tables, plan.constants = table_constants(model.graph)
    plan.int8 |= tables
    for name in axes.keys() - plan.in_half - plan.int8.keys():
        plan.int8[name] = int8_channels(numpy_helper.to_array(tensors[name]), axes[name])
    exact = run_each(make_session(source), checks)
    plan.reached = reached_by(plan, source, checks, exact)
    if plan.reached < target:
        errors = errors_of_weights(model, {name: plan.int8[name] for name in plan.int8.keys() - tables.keys()}, inputs[:MEASURED])
        del model, tensors
        raise_to(target, plan, errors, sizes, lambda: reached_by(plan, source, checks, exact))
    return plan
