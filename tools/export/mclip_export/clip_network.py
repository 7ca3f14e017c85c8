"""A CLIP as PyTorch modules: both towers with raw embeddings, in evaluation mode and re-parameterised."""

import logging
from pathlib import Path

import open_clip
import timm.utils
import torch
from torch import nn

from .clip_models import ClipModel
from .convolutional_text import ConvolutionalTextTower
from .errors import ExportError

logging.getLogger().setLevel(logging.ERROR)  # open_clip warns of weights that it did not load: that is done here
torch.backends.mha.set_fastpath_enabled(False)  # one arithmetic for the reference and for the exported graph


class VisionTower(nn.Module):
    """pixel_values [batch, 3, size, size] -> [batch, dim]"""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model.encode_image(pixel_values)


class TextTower(nn.Module):
    """input_ids [batch, 77] -> [batch, dim]"""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model.encode_text(input_ids)


def empty_network(model: ClipModel):
    """The architecture as created, before weights are drawn or loaded."""
    network = open_clip.create_model(model.architecture, pretrained=None)
    if model.convolutional_text:
        network.text = ConvolutionalTextTower()
    return network


def reparameterized(network):
    network.visual = timm.utils.reparameterize_model(network.visual)
    return network.eval()


def load_clip_checkpoint(model: ClipModel, file: Path):
    """Apple's files (v1 and 2) and open_clip's, as .pt or .safetensors."""
    if not file.is_file():
        raise ExportError(f"There is no checkpoint {file}.")
    network = empty_network(model)
    try:
        open_clip.load_checkpoint(network, str(file), strict=True)
    except Exception as error:  # what torch, safetensors and open_clip raise for files that do not fit
        reason = str(error).strip().splitlines()
        shown = "; ".join(line.strip() for line in reason[:3])[:600]
        raise ExportError(f"{file} is no checkpoint of {model.name}: {shown or type(error).__name__}") from error
    return reparameterized(network)
