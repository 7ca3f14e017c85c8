"""What made a file: recorded in manifests and fixtures."""

import platform
from importlib.metadata import version

from . import __version__

PACKAGES = ["torch", "timm", "transformers", "tokenizers", "open_clip_torch", "onnx", "onnxruntime", "numpy", "pillow"]


def tool_versions():
    return {"mclip_export": __version__, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
