"""A CLIP as PyTorch modules: both towers with raw embeddings, in evaluation mode and re-parameterised."""

import logging

import open_clip
import timm.utils
import torch
from torch import nn

from .clip_models import ClipModel
from .convolutional_text import ConvolutionalTextTower

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
    from . import tiny_clips  # noqa: F401  (makes them known to open_clip)

    network = open_clip.create_model(model.architecture, pretrained=None, force_quick_gelu=model.quick_gelu)
    if model.convolutional_text:
        shape = open_clip.get_model_config(model.architecture)
        text = shape["text_cfg"]
        layers = text["layers"] if not model.released else 4
        network.text = ConvolutionalTextTower(shape["embed_dim"], text["width"], text["heads"], layers)
    return network


def reparameterized(network):
    network.visual = timm.utils.reparameterize_model(network.visual)
    return network.eval()
