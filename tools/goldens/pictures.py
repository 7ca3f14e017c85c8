"""Seeded test pictures from 32-bit integer arithmetic; packages/core/test/image/picture.ts makes the same bytes."""

import hashlib

import numpy as np

KINDS = ["noise", "extreme", "checker", "smooth", "blocks"]


def noise(count: int, seed: int) -> np.ndarray:
    """One 32-bit hash per index."""
    x = np.arange(count, dtype=np.uint32) + np.uint32((seed * 0x9E3779B9) & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x735A2D97)
    x ^= x >> np.uint32(15)
    return x


def picture(kind: str, width: int, height: int, seed: int) -> np.ndarray:
    """uint8 [height, width, 3]"""
    if kind == "noise":
        values = noise(width * height * 3, seed) >> 24
    elif kind == "extreme":  # 0 or 255: bicubic overshoot is clipped
        values = (noise(width * height * 3, seed) >> 31) * 255
    elif kind == "blocks":  # flat 8x8 blocks with hard edges
        y, x, c = np.ogrid[:height, :width, :3]
        index = ((y >> 3) * ((width + 7) >> 3) + (x >> 3)) * 3 + c
        values = (noise(int(index.max()) + 1, seed) >> 24)[index]
    elif kind == "checker":
        y, x, c = np.ogrid[:height, :width, :3]
        values = ((x + y + (seed & c)) & 1) * 255
    elif kind == "smooth":  # slow ramps, another slope per channel, folded back at the ends
        y, x, c = np.ogrid[:height, :width, :3]
        ramp = ((x * (3 + c) + y * (5 - c) + seed * 31) >> 1) & 511
        values = np.where(ramp < 256, ramp, 511 - ramp)
    else:
        raise ValueError(kind)
    return np.broadcast_to(np.asarray(values).reshape((height, width, 3)), (height, width, 3)).astype(np.uint8)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
