"""Rounding to 8 bits that lets later weights make up for the errors of earlier ones.

A layer's error is not how far its weights are off but how far its outputs are: for a row of weights off by d that is
d H d', where H is the second moment of the layer's inputs. Inputs are far from independent, so weights are rounded one
after the other, each to whatever makes the output right again after what the ones before did to it (Babai's nearest
plane, which GPTQ and OBQ are forms of). Same bytes, several times less error than nearest rounding.
"""

import numpy as np
import torch

from .quantisation import int8_channels

BLOCK = 128  # columns between two large products
DAMPING = 0.01  # of the mean square of an input: what calibration inputs did not show is not free


def factor(moment):
    """Upper triangular V, V V' = the damped moment."""
    damped = moment + (DAMPING * moment.diagonal().mean() + 1e-12) * torch.eye(len(moment), dtype=moment.dtype)
    return torch.linalg.cholesky(damped.flip(0, 1)).flip(0, 1)


def compensated_int8(weight, moment):
    """[out, in] and the second moment of the inputs [in, in] -> values int8 [out, in] and scales fp32 [out, 1]."""
    scales = int8_channels(weight, 0)[1]
    moment = torch.from_numpy(moment)
    order = moment.diagonal().argsort(descending=True)  # the strongest first: the most are left to make up for them
    upper = factor(moment[order][:, order])
    exact = torch.from_numpy(weight)[:, order].T.to(moment.dtype).contiguous()  # [in, out], as columns are worked on
    steps = torch.from_numpy(scales[:, 0]).to(moment.dtype)
    values, errors = torch.empty_like(exact), torch.empty_like(exact)
    for start in range(0, len(exact), BLOCK):
        block = slice(start, min(start + BLOCK, len(exact)))
        owed = upper[:start, block].T @ errors[:start]  # [block, out]
        for index in range(block.start, block.stop):
            row = index - start
            within = upper[start:index, index] @ errors[start:index]
            wanted = exact[index] + (owed[row] + within) / upper[index, index]
            values[index] = (wanted / steps).round().clamp(-127, 127)
            errors[index] = exact[index] - values[index] * steps
    restored = torch.empty_like(values)
    restored[order] = values
    return np.ascontiguousarray(restored.T.numpy().astype(np.int8)), scales
