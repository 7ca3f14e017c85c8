"""Second moments of what flows into the weights of an exported graph, from a few calibration inputs."""

import numpy as np
import torch
from onnx import helper

from .onnx_session import passing_session

AT_ONCE = 1 << 28  # numbers of moments held at a time


def attribute(node, name, default):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def dense_products(graph, names):
    """weight's name -> the node that multiplies by it, without grouped convolutions and look-ups."""
    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    products = {}
    for node in graph.node:
        dense = node.op_type in ("MatMul", "Gemm") or (node.op_type == "Conv" and attribute(node, "group", 1) == 1)
        if dense and node.input[1] in names and ranks[node.input[1]] == (4 if node.op_type == "Conv" else 2):
            products[node.input[1]] = node
    return products


def columns(node, kernel, inputs):
    """What a weight multiplies, float32 [samples, in]; `kernel`: height and width of a convolution's."""
    if node.op_type != "Conv":
        return inputs.reshape(-1, inputs.shape[-1])
    x = torch.from_numpy(inputs)
    top, left, *_ = attribute(node, "pads", [0, 0, 0, 0])
    x = torch.nn.functional.unfold(x, tuple(kernel), padding=(top, left), stride=tuple(attribute(node, "strides", [1, 1])))
    return x.transpose(1, 2).reshape(-1, x.shape[1]).numpy()


def in_groups(widths):
    """Names in lists whose moments fit in memory together."""
    group, held = [], 0
    for name, width in widths.items():
        if group and held + width * width > AT_ONCE:
            yield group
            group, held = [], 0
        group.append(name)
        held += width * width
    if group:
        yield group


def input_moments(model, weights, inputs):
    """Yields (name, moment float32 [in, in]) for those of `weights` that dense products multiply by.

    `inputs` [n, ...] are run one at a time. What counts is a network's relative error, so an input whose output is small
    counts for more.
    """
    output = model.graph.output[0].name
    products = dense_products(model.graph, weights)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer if tensor.name in products}

    def width(name):
        along_rows = products[name].op_type == "Conv" or attribute(products[name], "transB", 0)
        return int(np.prod(shapes[name][1:])) if along_rows else shapes[name][0]

    widths = {name: width(name) for name in products}
    for group in in_groups(widths):
        wanted = list(dict.fromkeys(products[name].input[0] for name in group))
        session = passing_session(model, extra_outputs=wanted)
        moments = {name: np.zeros((widths[name], widths[name]), np.float32) for name in group}
        for index in range(len(inputs)):
            values = session.run([*wanted, output], {model.graph.input[0].name: inputs[index : index + 1]})
            seen, importance = dict(zip(wanted, values)), 1 / np.square(values[-1]).mean()
            for name in group:
                x = columns(products[name], shapes[name][2:], seen[products[name].input[0]])
                moments[name] += x.T @ x * np.float32(importance / (len(x) * len(inputs)))
        del session, seen, values
        for name in group:
            yield name, moments.pop(name)
