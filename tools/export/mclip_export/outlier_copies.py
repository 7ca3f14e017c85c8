"""Factors for 8-bit arithmetic: a channel far larger than the others is computed in several equal parts.

With one scale for a row of activations, an outlier takes the precision of all others. Divided by n, and with n columns of
weights in place of one, the product is the same; the parts of a weight may differ by one step, so that the channel that
matters most also has the finest weights. (Outlier channel splitting, arXiv:1901.09504.) Networks without outliers get no
copies.
"""

import torch

from .smoothing import largest_per_group

LIMIT = 3.0  # medians of all channels' largest magnitudes; what is larger is split
MOST = 1 / 14  # columns that may be added, of all


def copies(x, weight, groups):
    """How many parts each input channel of `weight` [out, in] gets, for activations `x` [rows, in]."""
    largest = largest_per_group(x.abs().amax(0), groups).clamp(min=1e-6)
    low, high = float(LIMIT * largest.median()), float(largest.max())

    def parts(limit):
        return torch.ceil(largest / limit).clamp(min=1)[groups]

    def fits(limit):
        return parts(limit).sum() <= (1 + MOST) * weight.shape[1]

    if high <= low or fits(low):
        return parts(low)
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return parts(high)
