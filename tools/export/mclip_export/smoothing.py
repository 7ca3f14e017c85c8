"""Scaling channels so that fewer bits suffice; the function stays the same.

Channels of a linear layer's input are divided by factors that the producer absorbs (a norm's gain, the rows of v_proj or
of up_proj) and the layer's columns are multiplied by. With 8-bit arithmetic this moves outliers of activations into
weights (SmoothQuant, arXiv:2211.10438), with 4-bit weights it spends precision on the channels that matter (AWQ,
arXiv:2306.00978). How much is moved is chosen per layer: the exponent whose simulated product is closest to the exact one
on calibration activations.
"""

import torch

from .architectures import Qwen2
from .quantisation import BLOCK

EXPONENTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ROWS, OUTPUTS = 256, 1024  # calibration rows and output channels that the search looks at


def rounded_rows(x):
    """What 8 bits with one scale per row make of activations; the range includes 0, as the kernel's does."""
    low, high = x.amin(-1, keepdim=True).clamp(max=0), x.amax(-1, keepdim=True).clamp(min=0)
    scale = ((high - low) / 255).clamp(min=1e-30)
    zero = torch.round(-low / scale)
    return (torch.clamp(torch.round(x / scale) + zero, 0, 255) - zero) * scale


def rounded_columns(weight):
    """int8 with one scale per output channel; [out, in]"""
    scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
    return torch.round(weight / scale).clamp(-127, 127) * scale


def rounded_blocks(weight):
    """About what 4-bit blocks along the input make of a weight; without the finer search of scales."""
    blocks = weight.unflatten(1, (-1, BLOCK))
    place = blocks.abs().argmax(-1, keepdim=True)
    scale = blocks.gather(-1, place) / -8
    scale = torch.where(scale == 0, 1, scale)
    return (torch.round(blocks / scale).clamp(-8, 7) * scale).flatten(1)


# storage -> what becomes of activations and of weights
ROUNDING = {"q8": (rounded_rows, rounded_columns), "q4": (lambda x: x, rounded_blocks)}


def grouped(values, groups):
    """Largest magnitude per channel, of the channels that share a factor: `groups` gives each channel's."""
    out = torch.zeros(int(groups.max()) + 1)
    return out.scatter_reduce(0, groups, values, "amax")


def evenly(matrix, count):
    """About `count` rows, evenly spaced."""
    return matrix if len(matrix) <= count else matrix[torch.linspace(0, len(matrix) - 1, count).long()]


def factors(x, weight, storage, groups=None):
    """Per input channel, what to divide activations `x` [rows, in] by; `weight` [out, in]."""
    round_rows, round_weight = ROUNDING[storage]
    groups = torch.arange(x.shape[1]) if groups is None else groups
    largest = grouped(x.abs().amax(0), groups).clamp(min=1e-6)
    columns = grouped(weight.abs().amax(0), groups).clamp(min=1e-6)
    rows, weight = evenly(x, ROWS), evenly(weight, OUTPUTS)
    exact = rows @ weight.T
    best, chosen = None, None
    for exponent in EXPONENTS:
        factor = (largest**exponent / columns ** (1 - exponent))[groups] if exponent else torch.ones(x.shape[1])
        factor = factor / factor.log().mean().exp()
        error = (round_rows(rows / factor) @ round_weight(weight * factor).T - exact).square().mean()
        if best is None or error < best:
            best, chosen = error, factor
    return chosen


class LinearInputs:
    """Collects what the linear layers of a language model are given, [rows, in] by name."""

    def __init__(self, model):
        self.seen = {}
        self.hooks = [
            module.register_forward_pre_hook(self.keep(name.removeprefix("model.")))
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear)
        ]

    def keep(self, name):
        def hook(_module, inputs):
            self.seen.setdefault(name, []).append(inputs[0].detach().flatten(0, -2).clone())

        return hook

    def close(self):
        for hook in self.hooks:
            hook.remove()
        return {name: torch.cat(rows) for name, rows in self.seen.items()}


@torch.no_grad()
def smoothed(config: Qwen2, weights, inputs, storage):
    """New weights of the same function for `storage`. `inputs`: name of a linear layer -> [rows, in]."""
    weights = {name: tensor.float().clone() for name, tensor in weights.items()}

    def move(readers, producers, groups=None, produced=None):
        """`producers`: tensors whose leading axis is divided; `produced`: factor per group in their order."""
        x = inputs[readers[0]]
        factor = factors(x, torch.cat([weights[f"{name}.weight"] for name in readers]), storage, groups)
        for name in readers:
            weights[f"{name}.weight"] *= factor
        own = factor if produced is None else factor[produced]
        for name in producers:
            weights[name] /= own if weights[name].ndim == 1 else own[:, None]

    per_group = config.heads // config.kv_heads
    head, place = torch.meshgrid(torch.arange(config.heads), torch.arange(config.head_dim), indexing="ij")
    groups = ((head // per_group) * config.head_dim + place).flatten()  # of an attention output, its value's channel
    kv, place = torch.meshgrid(torch.arange(config.kv_heads), torch.arange(config.head_dim), indexing="ij")
    first_of_group = (kv * per_group * config.head_dim + place).flatten()
    for layer in range(config.layers):
        attention, mlp = f"layers.{layer}.self_attn", f"layers.{layer}.mlp"
        move([f"{attention}.{part}_proj" for part in "qkv"], [f"layers.{layer}.input_layernorm.weight"])
        value = [f"{attention}.v_proj.weight", f"{attention}.v_proj.bias"]
        move([f"{attention}.o_proj"], value, groups, first_of_group)
        move([f"{mlp}.gate_proj", f"{mlp}.up_proj"], [f"layers.{layer}.post_attention_layernorm.weight"])
        move([f"{mlp}.down_proj"], [f"{mlp}.up_proj.weight"])
    move(["lm_head"], ["norm.weight"])
    return weights
