"""Factors for 4-bit weights: precision goes to the channels that matter (AWQ, arXiv:2306.00978).

How much is moved is chosen per layer: the exponent whose simulated product is closest to the exact one on calibration
activations.
"""

import torch

from .quantisation import BLOCK

EXPONENTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ROWS, OUTPUTS = 256, 1024  # calibration rows and output channels that the search looks at


def rounded_blocks(weight):
    """About what 4-bit blocks along the input make of a weight; without the finer search of scales."""
    blocks = weight.unflatten(1, (-1, BLOCK))
    place = blocks.abs().argmax(-1, keepdim=True)
    scale = blocks.gather(-1, place) / -8
    scale = torch.where(scale == 0, 1, scale)
    return (torch.round(blocks / scale).clamp(-8, 7) * scale).flatten(1)


def largest_per_group(values, groups):
    """Of the channels that share a factor: `groups` gives each channel's."""
    return torch.zeros(int(groups.max()) + 1).scatter_reduce(0, groups, values, "amax")


def evenly(matrix, count):
    """About `count` rows, evenly spaced."""
    return matrix if len(matrix) <= count else matrix[torch.linspace(0, len(matrix) - 1, count).long()]


def smoothing_factors(x, weight, groups):
    """Per input channel, what to divide activations `x` [rows, in] by; `weight` [out, in]."""
    largest = largest_per_group(x.abs().amax(0), groups).clamp(min=1e-6)
    columns = largest_per_group(weight.abs().amax(0), groups).clamp(min=1e-6)
    rows, weight = evenly(x, ROWS), evenly(weight, OUTPUTS)
    exact = rows @ weight.T
    best, chosen = None, None
    for exponent in EXPONENTS:
        factor = (largest**exponent / columns ** (1 - exponent))[groups] if exponent else torch.ones(x.shape[1])
        factor = factor / factor.log().mean().exp()
        error = ((rows / factor) @ rounded_blocks(weight * factor).T - exact).square().mean()
        if best is None or error < best:
            best, chosen = error, factor
    return chosen
