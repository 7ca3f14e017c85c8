"""The vision graph of a FastVLM: any batch, any height and width that the patch divides."""

import warnings
from pathlib import Path

import torch

from .fastvlm_network import VisionEncoder
from .graph_writer import OPSET

INPUT, OUTPUT = "pixel_values", "image_features"


def write_vision(vision: VisionEncoder, size: int, file: Path):
    """fp32; `size` only gives the tracer a shape."""
    vision.eval()  # the exporter puts back the mode it found, down to the batch norms
    axes = {INPUT: {0: "batch", 2: "height", 3: "width"}, OUTPUT: {0: "batch", 1: "tokens"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            vision, (torch.zeros(2, 3, size, size),), str(file), dynamo=False, opset_version=OPSET,
            input_names=[INPUT], output_names=[OUTPUT], dynamic_axes=axes,
        )  # fmt: skip
