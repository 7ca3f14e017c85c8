"""The parts of the MobileCLIPs at a size for tests: a FastViT and a ViT with a convolutional stem, known to timm and open_clip."""

from pathlib import Path

import open_clip
from timm.models import register_model
from timm.models.fastvit import fastvit_mci0
from timm.models.vision_transformer_hybrid import ConvStem, _create_vision_transformer_hybrid
from torch import nn


@register_model
def fastvit_mclip_tiny(pretrained=False, **arguments):
    return fastvit_mci0(layers=(1, 1, 1, 1), embed_dims=(8, 16, 32, 64), mlp_ratios=(2, 2, 2, 2), **arguments)


@register_model
def vit_mclip_tiny(pretrained=False, **arguments):
    stem = ConvStem(channels=(12, 12, 48), stride=(4, 2, 2), kernel_size=(4, 2, 2), padding=0, act_layer=nn.GELU)
    return _create_vision_transformer_hybrid(
        "vit_base_mci_224", backbone=stem, embed_args={"proj": False},
        img_size=64, embed_dim=48, depth=2, num_heads=3, no_embed_class=True, **arguments,
    )  # fmt: skip


open_clip.add_model_config(Path(__file__).with_name("tiny_configs"))
