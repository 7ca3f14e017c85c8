"""ONNX files: export of one tower, 8-bit weight storage, sessions."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import nn


def export(tower, example, input_name, output_name, file: Path):
    """Writes `tower` for any batch size; the example only gives shapes."""
    tower.eval()  # the exporter puts back the mode it found, down to the batch norms
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower, (example,), str(file), dynamo=False, opset_version=17,
            input_names=[input_name], output_names=[output_name],
            dynamic_axes={input_name: {0: "batch"}, output_name: {0: "batch"}},
        )  # fmt: skip


def channel_scales(weight, axis):
    """One scale per index of `axis`, shaped to multiply `weight`: the largest magnitude becomes 127."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    return np.where(largest == 0, 1, largest / 127).astype(np.float32)


def to_int8(weight, scales):
    return np.clip(np.rint(weight / scales), -127, 127).astype(np.int8)


def weight_axes(graph):
    """name -> axis of the output channels (of the rows, for embedding tables) of every weight worth storing in 8 bits."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    axes = {}
    for node in graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = 1
        elif node.op_type == "Gemm":
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
        elif node.op_type == "Gather":
            axes[node.input[0]] = 0
    return {name: axis for name, axis in axes.items() if len(shapes.get(name, [])) >= 2}


def write_w8(source: Path, target: Path):
    """Stores weights as int8 with one fp32 scale per output channel.

    `Cast` and `Mul` bring them back to fp32; ONNX Runtime folds both into a constant when it makes the session, so the
    file is a quarter as large and the arithmetic stays fp32.
    """
    model = onnx.load(source)
    graph = model.graph
    axes = weight_axes(graph)
    nodes = []
    for tensor in [tensor for tensor in graph.initializer if tensor.name in axes]:
        name = tensor.name
        weight = numpy_helper.to_array(tensor)
        scales = channel_scales(weight, axes[name])
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(to_int8(weight, scales), f"{name}/int8"))
        graph.initializer.append(numpy_helper.from_array(scales, f"{name}/scales"))
        nodes.append(helper.make_node("Cast", [f"{name}/int8"], [f"{name}/cast"], to=onnx.TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}/cast", f"{name}/scales"], [name]))
    for node in reversed(nodes):
        graph.node.insert(0, node)
    onnx.checker.check_model(model)
    onnx.save(model, target)


@torch.no_grad()
def round_weights(model):
    """Gives the PyTorch model the weights that a w8 file stands for: the reference for such files.

    Folding a batch norm scales whole output channels, which changes the scales but not the 8-bit numbers; so it makes
    no difference that the exporter folds first and this function rounds first.
    """

    def rounded(parameter, axis):
        weight = parameter.numpy()
        scales = channel_scales(weight, axis)
        parameter.copy_(torch.from_numpy(to_int8(weight, scales) * scales))

    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding)):
            rounded(module.weight, 0)
        elif isinstance(module, nn.MultiheadAttention):
            rounded(module.in_proj_weight, 0)
    rounded(model.text.text_projection, 1)


class Session:
    """An ONNX Runtime session of a graph with one input and one output."""

    def __init__(self, file: Path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, value):
        return self.session.run(None, {self.input: value})[0]
