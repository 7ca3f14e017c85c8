"""Seeded weights that make a FastVLM's output depend on its input.

As created, layer scales are 1e-5 and norms are uncalibrated: every picture gets the same features, and a test against
such a network passes whatever the code does. So: layer scales from U(0.1, 0.5), matrices at a scale that keeps
variance, norms with an affine part, batch norms calibrated in one train-mode pass over picture-like crops, and a
projector that removes what pictures share.
"""

import torch
from torch import nn

from .architectures import VLMS, FastVlm
from .fastvlm_network import FastVlmNetwork, VisionEncoder, language_model
from .pictures import calibration_crops, enlarged_pictures

CALIBRATION_SIZE = 256
LARGEST_CALIBRATION = 512  # of enlarged pictures; they look alike to the trunk at any size beyond


def draw_vision_weights(module: nn.Module):
    """Every weight anew: variance is kept, layer scales come from U(0.1, 0.5), norms get an affine part."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            nn.init.normal_(part.weight, std=1.2 * part.weight[0].numel() ** -0.5)
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.1)
        elif isinstance(part, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(part.weight, 0.6, 1.4)
            nn.init.normal_(part.bias, std=0.2)
    for name, parameter in module.named_parameters():
        if name.endswith("gamma"):
            nn.init.uniform_(parameter, 0.1, 0.5)


def flattening(features, strong):
    """[channels, channels]: brings the `strong` strongest principal directions of `features` [n, channels] down to the next."""
    _, strength, directions = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    cut = (1 - strength[strong] / strength[:strong])[:, None] * directions[:strong]
    return torch.eye(features.shape[1]) - directions[:strong].T @ cut


def calibrate_vision(vision: VisionEncoder, seed: int):
    """Batch norms from one train-mode pass; then a projector whose features spread around 0 with variance 1."""
    crops = torch.from_numpy(calibration_crops(CALIBRATION_SIZE, seed=seed + 1)).permute(0, 3, 1, 2) / 255
    for part in vision.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # the running statistics become those of this very pass
            part.train()
    vision.trunk_features(crops)
    vision.eval()
    # enlarged pictures are the more alike ones: what they share must go
    pictures = enlarged_pictures(min(VLMS[vision.name].size, LARGEST_CALIBRATION), seed=seed + 1)
    pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    features = torch.cat([vision.trunk_features(picture[None]) for picture in pictures])  # [16, tokens, channels]
    first, _, second = vision.projector
    pooled = features.mean(1)
    first.weight.copy_(first.weight @ flattening(pooled, vision.flattened))
    spread = (features.flatten(0, 1) @ first.weight.T).std()
    first.weight /= spread
    first.bias.copy_(-(features.flatten(0, 1) @ first.weight.T).mean(0) + first.bias)
    projected = vision.projector(features).flatten(0, 1)
    second.weight *= 1.5 / projected.std(0).mean()
    second.bias -= vision.projector(features).flatten(0, 1).mean(0)


def draw_decoder_weights(model, text_tokens: int):
    """`text_tokens`: ids below it may be answered; rows of the head beyond are zero, as in files that were padded."""
    config = model.config
    depth = (2 * config.num_hidden_layers) ** -0.5
    for name, parameter in model.named_parameters():
        kind = name.split(".")[-2]
        if kind == "embed_tokens":
            nn.init.normal_(parameter)
            parameter.copy_(parameter.half().float())  # checkpoints hold them in 16 bits; so does the row file
        elif "norm" in kind:
            nn.init.uniform_(parameter, 0.6, 1.4)
        elif name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
        else:
            # every layer adds to the residual about as much as there was
            gain = {"o_proj": 3 * depth, "down_proj": 3 * depth}.get(kind, 1.2)
            nn.init.normal_(parameter, std=gain * parameter.shape[1] ** -0.5)
    model.lm_head.weight[text_tokens:] = 0


@torch.no_grad()
def unmerged_network(vlm: FastVlm, seed: int, text_tokens: int):
    """With all branches of the vision tower, as Apple's checkpoints are published."""
    torch.manual_seed(seed)
    vision = VisionEncoder(vlm)
    draw_vision_weights(vision)
    calibrate_vision(vision, seed)
    language = language_model(vlm)
    draw_decoder_weights(language, text_tokens)
    return FastVlmNetwork(vlm, vision, language)


def random_network(vlm: FastVlm, seed: int, text_tokens: int):
    network = unmerged_network(vlm, seed, text_tokens)
    network.vision.reparameterize()
    return network
