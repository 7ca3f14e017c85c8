"""Fewer bits for weights, as pure functions on arrays. All are symmetric: 0 stays 0."""

import numpy as np

BLOCK = 32  # weights along the input axis that share a 4-bit scale
# the largest weight of a block becomes -8 (which +8 cannot), or less when that makes the others better
FOUR_BIT_LIMITS = (-8.0, -7.6, -7.2, -6.8, 7.0, -8.4, 7.5)


def int8_channels(weight, axis):
    """Values int8 and scales fp32, shaped to multiply: one scale per index of `axis`, the largest magnitude is 127."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scales = np.where(largest == 0, 1, largest / 127).astype(np.float32)
    return np.clip(np.rint(weight / scales), -127, 127).astype(np.int8), scales


def int4_blocks(weight):
    """[out, in] -> values int8 in -8..7 [out, in / 32, 32] and scales fp32 [out, in / 32], the least squares of a few."""
    blocks = np.ascontiguousarray(weight, np.float32).reshape(len(weight), -1, BLOCK)
    place = np.abs(blocks).argmax(-1)[..., None]
    extreme = np.take_along_axis(blocks, place, -1)[..., 0]
    best, scales = None, None
    for limit in FOUR_BIT_LIMITS:
        scale = np.where(extreme == 0, 1, extreme / limit).astype(np.float32)
        error = np.square(np.clip(np.rint(blocks / scale[..., None]), -8, 7) * scale[..., None] - blocks).sum(-1)
        if best is None:
            best, scales = error, scale
        else:
            scales = np.where(error < best, scale, scales)
            best = np.minimum(error, best)
    return np.clip(np.rint(blocks / scales[..., None]), -8, 7).astype(np.int8), scales


def pack_int4(values):
    """int8 in -8..7 [out, blocks, 32] -> uint8 [out, blocks, 16], zero at 8, the even one in the low bits."""
    unsigned = (values + 8).astype(np.uint8)
    return unsigned[..., 0::2] | (unsigned[..., 1::2] << 4)
