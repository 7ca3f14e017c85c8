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


def grouped_scales(weight, group):
    """Scales fp16 [out, in / group, 1]: the largest magnitude of each group is 127."""
    largest = np.abs(weight.reshape(len(weight), -1, group)).max(-1, keepdims=True)
    rounded_up = np.nextafter((largest / 127).astype(np.float16), np.float16(np.inf))
    return np.where(largest == 0, np.float16(1), rounded_up)


def compensated_int8(weight, moment, group=None):
    """[out, in] and the second moment of the inputs [in, in] -> values int8 [out, in] and scales.

    Scales are fp32 [out, 1], or, with `group` inputs sharing one, fp16 [out, in / group, 1].
    """
    scales = grouped_scales(weight, group) if group else int8_channels(weight, 0)[1]
    shared = scales.reshape(len(weight), -1, 1).astype(np.float32)
    steps = np.broadcast_to(shared, (len(weight), shared.shape[1], weight.shape[1] // shared.shape[1]))
    moment = torch.from_numpy(moment)
    order = moment.diagonal().argsort(descending=True)  # the strongest first: the most are left to make up for them
    upper = factor(moment[order][:, order])
    # [in, out], as columns are worked on
    exact, steps = (torch.from_numpy(np.ascontiguousarray(x.reshape(weight.shape).T[order.numpy()])) for x in (weight, steps))
    values, errors = torch.empty_like(exact), torch.empty_like(exact)
    for start in range(0, len(exact), BLOCK):
        block = slice(start, min(start + BLOCK, len(exact)))
        owed = upper[:start, block].T @ errors[:start]  # [block, out]
        for index in range(block.start, block.stop):
            within = upper[start:index, index] @ errors[start:index]
            wanted = exact[index] + (owed[index - start] + within) / upper[index, index]
            values[index] = (wanted / steps[index]).round().clamp(-127, 127)
            errors[index] = exact[index] - values[index] * steps[index]
    restored = torch.empty_like(values)
    restored[order] = values
    return np.ascontiguousarray(restored.T.numpy().astype(np.int8)), scales
