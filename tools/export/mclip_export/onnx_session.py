"""ONNX Runtime on the CPU: the runtime that exported graphs are proven with."""

import numpy as np
import onnxruntime


def make_session(model, threads=0):
    """`model`: a file, or the bytes of one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


def cosines(a, b):
    """Per row of the last axis, [rows]."""
    a, b = (np.asarray(x, np.float64).reshape(-1, np.shape(x)[-1]) for x in (a, b))
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-300)
