"""Batch norms folded into the convolutions before them, so that every constant of an exported graph is a parameter's."""

from torch import nn

# as timm, the convolutional text tower and open_clip's ResNet call a convolution and the norm after it
PAIRS = (("conv", "bn"), ("conv", "norm"), ("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1"))


def rest_of(norm):
    """What a norm does besides normalising: timm's carry drop-out and activation."""
    return nn.Sequential(*(getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)))


def fold_norms(network: nn.Module):
    """In place; `network` must be in evaluation mode."""
    for module in network.modules():
        for before, after in PAIRS:
            conv, norm = getattr(module, before, None), getattr(module, after, None)
            if isinstance(conv, (nn.Conv1d, nn.Conv2d)) and isinstance(norm, nn.modules.batchnorm._BatchNorm):
                setattr(module, before, nn.utils.fuse_conv_bn_eval(conv, norm))
                setattr(module, after, rest_of(norm))
    return network
