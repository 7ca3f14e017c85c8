"""What made a file: recorded in manifests and fixtures."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from . import __version__

PACKAGES = ["torch", "timm", "transformers", "tokenizers", "open_clip_torch", "onnx", "onnxruntime", "numpy", "pillow"]


def tool_versions():
    return {"mclip_export": __version__, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def machine():
    """Processor, cores and system of the measuring machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(terse=True)}
