"""ONNX Runtime on the CPU: the runtime that exported graphs are proven with."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from .data_file import data_file


def make_session(model, threads=0):
    """`model`: a file, or the bytes of one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    if isinstance(model, Path) and data_file(model).exists():
        options.add_session_config_entry("session.disable_prepacking", "1")  # it would copy what the system only maps
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


def passing_session(model, extra_outputs=(), extra_inputs=()):
    """A session of a loaded model that also gives the values `extra_outputs`, and takes constants as inputs with defaults.

    Through a file, as the bytes of a large model would be in memory twice; `model` is left as it was.
    """
    inputs, outputs = len(model.graph.input), len(model.graph.output)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in extra_outputs)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name in extra_inputs:
        model.graph.input.append(helper.make_tensor_value_info(name, tensors[name].data_type, list(tensors[name].dims)))
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "passing.onnx"
            onnx.save(model, file)
            return make_session(file)
    finally:
        del model.graph.input[inputs:], model.graph.output[outputs:]


def cosines(a, b):
    """Per row of the last axis, [rows]."""
    a, b = (np.asarray(x, np.float64).reshape(-1, np.shape(x)[-1]) for x in (a, b))
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-300)
