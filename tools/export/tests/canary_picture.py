"""The manifest's picture 1 once more, one number at a time, for tests of what was computed from it."""

import numpy as np


def canary_picture(size):
    """float32 [1, 3, size, size], 0..1"""
    channels = [
        [[((x * x * (c + 1) + y * y * (3 - c) + x * y * 2) >> 3) % 256 for x in range(size)] for y in range(size)] for c in range(3)
    ]
    return np.array([channels], np.float32) / 255
