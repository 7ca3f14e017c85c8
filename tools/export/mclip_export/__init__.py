"""Checkpoints of MobileCLIP and FastVLM to ONNX model folders for the mclip SDK."""

__version__ = "0.1.0"
