"""The real architectures with seeded random weights that make the output depend on the input.

As created, these networks say the same about everything: layer scales start at 1e-5, batch norms are uncalibrated and
the residual stream drowns its blocks. So every weight is drawn anew at a scale that keeps variance, batch norms are
calibrated on pictures, and the last bias takes the mean away.
"""

import logging
from dataclasses import dataclass

import open_clip
import timm.utils
import torch
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import image_transform
from torch import nn

from mct import MctTextTower
from pictures import calibration_crops

logging.getLogger().setLevel(logging.ERROR)  # open_clip warns that the weights are random: they are meant to be
torch.backends.mha.set_fastpath_enabled(False)  # one arithmetic for the reference and for the exported graph


@dataclass(frozen=True)
class Variant:
    folder: str
    architecture: str  # in open_clip
    pretrained: tuple[str, str]  # whose preprocessing in open_clip's table
    mct: bool = False  # replace the text tower by MobileCLIP-S0's
    w8: bool = False  # also write 8-bit weights


VARIANTS = {
    "MobileCLIP2-S0": Variant("mobileclip2-s0", "MobileCLIP2-S0", ("MobileCLIP2-S0", "dfndr2b"), w8=True),
    # not in open_clip: the image tower is that of MobileCLIP2-S0, the text tower is in mct.py, the preprocessing as S1
    "MobileCLIP-S0": Variant("mobileclip-s0", "MobileCLIP2-S0", ("MobileCLIP-S1", "datacompdr"), mct=True),
    "MobileCLIP-B": Variant("mobileclip-b", "MobileCLIP-B", ("MobileCLIP-B", "datacompdr")),
    "MobileCLIP-S1": Variant("mobileclip-s1", "MobileCLIP-S1", ("MobileCLIP-S1", "datacompdr")),
    "MobileCLIP2-S3": Variant("mobileclip2-s3", "MobileCLIP2-S3", ("MobileCLIP2-S3", "dfndr2b")),
}
DEFAULTS = ["MobileCLIP2-S0", "MobileCLIP-S0", "MobileCLIP-B"]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
CALIBRATION_TEXTS = [  # none of the tests' texts
    *(f"a photo of a {noun}." for noun in "river bottle parrot engine violin glacier spider castle".split()),
    "mushroom", "laptop and helicopter", "Où est la gare ?", "three old sandwiches, seen from above: blurred, 1987!",
    "🚀", "雪の山", "the quick brown fox jumps over the lazy dog and runs away through the dark wet forest", "x",
]  # fmt: skip
STRONG = 6  # how many principal directions are flattened


def preprocessing(variant):
    """size, mean, std, interpolation as open_clip's table of pretrained models says."""
    table = get_pretrained_cfg(*variant.pretrained)
    assert table["resize_mode"] == "shortest"
    size = open_clip.get_model_config(variant.architecture)["vision_cfg"]["image_size"]
    return {"size": size, **{key: table[key] for key in ("mean", "std", "interpolation")}}


def transform(config, **changes):
    """open_clip's own evaluation transform."""
    config = {**config, **changes}
    return image_transform(
        config["size"], is_train=False, mean=config["mean"], std=config["std"],
        interpolation=config["interpolation"], resize_mode="shortest",
    )


def draw_weights(model):
    """Draws every weight anew: variance is kept, layer scales come from U(0.1, 0.5), norms get an affine part."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=1.2 * fan_in**-0.5)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.normal_(module.in_proj_weight, std=1.2 * module.embed_dim**-0.5)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
        elif isinstance(module, NORMS):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, std=0.2)
    for name, parameter in model.named_parameters():
        if name.endswith("gamma"):
            nn.init.uniform_(parameter, 0.1, 0.5)
        elif name.endswith("positional_embedding"):
            nn.init.normal_(parameter, std=0.3)


def flattening(features):
    """A matrix that brings the strongest principal directions of `features` down to the next one's strength."""
    _, strength, directions = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    cut = (1 - strength[STRONG] / strength[:STRONG])[:, None] * directions[:STRONG]
    return torch.eye(features.shape[1]) - directions[:STRONG].T @ cut


def outputs_of(module, run):
    """What `module` puts out while `run` runs."""
    seen = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    run()
    hook.remove()
    return seen[0]


@torch.no_grad()
def calibrate(model, pixels, ids):
    """Train-mode pass for the batch norms; then both last layers are set so that calibration inputs spread around 0."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the running statistics become those of this very pass
        norm.train()
    head = model.visual.trunk.get_classifier()
    model.visual(pixels)
    model.text(ids)
    model.eval()

    features = outputs_of(model.visual, lambda: model.visual(pixels))
    head.weight.copy_(flattening(features) @ head.weight)
    head.bias.copy_(flattening(features) @ (head.bias - features.mean(0)))

    norm = model.text.ln_final
    features = outputs_of(norm, lambda: model.text(ids))[torch.arange(len(ids)), ids.argmax(-1)]
    norm.bias -= features.mean(0)
    model.text.text_projection.copy_(flattening(features) @ model.text.text_projection)


def build(variant, seed=0):
    """The network in evaluation mode, re-parameterised as for deployment."""
    torch.manual_seed(seed)
    model = open_clip.create_model(variant.architecture, pretrained=None)
    if variant.mct:
        model.text = MctTextTower()
    draw_weights(model)

    config = preprocessing(variant)
    crops = torch.from_numpy(calibration_crops(config["size"])).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    calibrate(model, (crops - mean) / std, open_clip.get_tokenizer(variant.architecture)(CALIBRATION_TEXTS))
    model.visual = timm.utils.reparameterize_model(model.visual)
    return model.eval()


class VisionTower(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model.encode_image(pixel_values)


class TextTower(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model.encode_text(input_ids)
