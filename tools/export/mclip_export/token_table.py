"""A table of token rows in 8 bits, exact where it matters most.

A text of 8 words fills 77 places with 10 tokens and 67 times the padding: the rounding error of that one row, the same at
67 places, is most of what 8 bits do to a text tower. It is moved into the positions: they get what the padding lacks, and
every other row is rounded to what it should be less that. Nothing is added to the graph.

The row of the start token, always at the first place, is made exact in the same way there.
"""

import numpy as np
from onnx import numpy_helper

from .compensated_rounding import grouped_scales
from .quantisation import int8_channels
from .weight_storage import looked_up

PADDING, START = 0, 49406  # as the CLIP tokenizer has them


def positions_of(graph, table):
    """The constant of one row per place that is added to the looked-up rows: its name, or None."""
    width = list(table.dims)[1]
    found = [t.name for t in graph.initializer if len(t.dims) == 2 and t.dims[1] == width and t.dims[0] == 77]
    return found[0] if len(found) == 1 else None


def int8_rows(table, group):
    """Values and scales, a scale per row or, with `group`, per so many numbers of a row: [rows, groups, group]."""
    if group is None or table.shape[1] % group:
        return int8_channels(table, 0)
    parts = table.reshape(len(table), -1, group)
    scales = grouped_scales(table, group)
    return np.clip(np.rint(parts / scales.astype(np.float32)), -127, 127).astype(np.int8), scales


def row_of(values, scales, index):
    return (values[index] * scales[index].astype(np.float32)).reshape(-1)


def balanced(table, positions, group):
    """Values int8, scales, and the positions that go with them."""
    values, scales = int8_rows(table, group)
    lacking = table[PADDING] - row_of(values, scales, PADDING)
    others, steps = int8_rows(table - lacking, group)
    others[PADDING], steps[PADDING] = values[PADDING], scales[PADDING]
    shifted = positions + lacking
    if len(table) > START:
        shifted[0] = positions[0] + table[START] - row_of(others, steps, START)
    return others, steps, shifted


def table_constants(graph, group=None):
    """name -> values and scales of the tables in `graph`, and name -> the constants to write with them."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    int8, constants = {}, {}
    for name in looked_up(graph):
        positions = positions_of(graph, tensors[name])
        table = numpy_helper.to_array(tensors[name])
        if positions is None:
            int8[name] = int8_rows(table, group)
            continue
        values, scales, shifted = balanced(table, numpy_helper.to_array(tensors[positions]), group)
        int8[name], constants[positions] = (values, scales), shifted.astype(np.float32)
    return int8, constants
