"""Scaling channels of activations; the function stays the same.

Channels of a linear layer's input are divided by factors that the producer absorbs (a norm's gain, the rows of v_proj or
of up_proj) and the layer's columns are multiplied by. What the factors are for is the caller's business: `smoothing.py`
spends the precision of 4-bit weights on channels that matter, `outlier_copies.py` splits outliers for 8-bit arithmetic.
"""

import torch

from .architectures import Qwen2


class ScaledWeights:
    """Weights by name, computed when they are asked for: a second copy of a large network would not fit into memory."""

    def __init__(self, weights):
        self.weights, self.columns, self.rows = weights, {}, {}

    def __getitem__(self, name):
        tensor = self.weights[name].float()
        if name in self.columns:
            tensor = tensor * self.columns[name]
        if name in self.rows:
            factor = self.rows[name]
            tensor = tensor / (factor if tensor.ndim == 1 else factor[:, None])
        return tensor


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
def scaled(config: Qwen2, weights, inputs, choose):
    """Weights of the same function. `inputs`: name of a linear layer -> [rows, in].

    `choose(x, weight, groups)` gives the factor of every input channel of `weight` [out, in] for activations `x` [rows,
    in]; channels of one group share theirs.
    """
    result = ScaledWeights(weights)

    def move(readers, producers, groups=None, produced=None):
        """`producers`: tensors whose leading axis is divided; `produced`: factor per group in their order."""
        weight = torch.cat([weights[f"{name}.weight"].float() for name in readers])
        factor = choose(inputs[readers[0]], weight, groups if groups is not None else torch.arange(weight.shape[1]))
        for name in readers:
            result.columns[f"{name}.weight"] = factor
        for name in producers:
            result.rows[name] = factor if produced is None else factor[produced]

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
    return result
