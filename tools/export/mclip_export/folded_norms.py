"""Batch norms folded into the convolutions before them, so that every constant of an exported graph is a parameter's."""

from torch import nn

AFTER = ("bn", "norm")  # as timm and the convolutional text tower call the norm after `conv`


def rest_of(norm):
    """What a norm does besides normalising: timm's carry drop-out and activation."""
    return nn.Sequential(*(getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)))


def fold_norms(network: nn.Module):
    """In place; `network` must be in evaluation mode."""
    for module in network.modules():
        conv = getattr(module, "conv", None)
        for name in AFTER:
            norm = getattr(module, name, None)
            if isinstance(conv, (nn.Conv1d, nn.Conv2d)) and isinstance(norm, nn.modules.batchnorm._BatchNorm):
                module.conv = nn.utils.fuse_conv_bn_eval(conv, norm)
                setattr(module, name, rest_of(norm))
    return network
