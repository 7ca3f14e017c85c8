"""Fewer bits for weights, as pure functions on arrays. All are symmetric: 0 stays 0."""

import numpy as np

BLOCK = 32  # weights along the input axis that share a 4-bit scale
# the largest weight of a block becomes -8 (which +8 cannot), or less when that makes the others better
FOUR_BIT_LIMITS = (-8.0, -7.2, -6.8, 7.0, -8.6)
CHUNK = 256  # rows that are worked on at a time, so that they stay in the processor's cache


def int8_channels(weight, axis):
    """Values int8 and scales fp32, shaped to multiply: one scale per index of `axis`, the largest magnitude is 127."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scales = np.where(largest == 0, 1, largest / 127).astype(np.float32)
    return np.clip(np.rint(weight / scales), -127, 127).astype(np.int8), scales


def int8_blocks(weight, block):
    """[out, in] -> values int8 [out, in / block, block] and scales fp32 [out, in / block]."""
    blocks = np.ascontiguousarray(weight, np.float32).reshape(-1, block)
    values, scales = int8_channels(blocks, 0)
    return values.reshape(len(weight), -1, block), scales.reshape(len(weight), -1)


def in_chunks(rows_of, weight):
    """`rows_of` of a few rows at a time: tuples of arrays, joined."""
    parts = [rows_of(weight[at : at + CHUNK]) for at in range(0, len(weight), CHUNK)]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts))


def int8_parts(weight, counts):
    """[out, in], and how many parts each column is split into -> values int8 [out, parts], scales fp32 [out, 1].

    The parts of a column are as equal as integers can be, and their sum is the column.
    """
    return in_chunks(lambda rows: int8_part_rows(rows, counts), weight)


def int8_part_rows(weight, counts):
    """Of a few rows; see `int8_parts`."""
    scales = int8_channels(weight / counts, 0)[1]
    column = np.repeat(np.arange(len(counts)), counts)
    part = np.arange(len(column)) - (np.cumsum(counts) - counts)[column]
    limit = 127 * counts
    whole = np.clip(np.rint(weight / scales), -limit, limit).astype(np.int32)
    return ((whole[:, column] + part) // counts[column]).astype(np.int8), scales


def int4_rows(weight):
    """Of a few rows; see `int4_blocks`."""
    blocks = np.ascontiguousarray(weight, np.float32).reshape(len(weight), -1, BLOCK)
    place = np.abs(blocks).argmax(-1)[..., None]
    extreme = np.take_along_axis(blocks, place, -1)
    best, scales, values = None, None, None
    for limit in FOUR_BIT_LIMITS:
        scale = np.where(extreme == 0, np.float32(1), extreme / np.float32(limit))
        rounded = np.rint(blocks / scale)
        np.clip(rounded, -8, 7, out=rounded)
        error = np.square(rounded * scale - blocks).sum(-1, keepdims=True)
        if best is None:
            best, scales, values = error, scale, rounded
        else:
            better = error < best
            best, scales, values = np.where(better, error, best), np.where(better, scale, scales), np.where(better, rounded, values)
    return values.astype(np.int8), scales[..., 0]


def int4_blocks(weight):
    """[out, in] -> values int8 in -8..7 [out, in / 32, 32] and scales fp32 [out, in / 32], the least squares of a few."""
    return in_chunks(int4_rows, weight)


def pack_int4(values):
    """int8 in -8..7 [out, blocks, 32] -> uint8 [out, blocks, 16], zero at 8, the even one in the low bits."""
    unsigned = (values + 8).astype(np.uint8)
    return unsigned[..., 0::2] | (unsigned[..., 1::2] << 4)
