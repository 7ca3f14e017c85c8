"""Apple's names and layout of MobileCLIP-S0's text tower -> `convolutional_text.py`'s.

The names follow apple/ml-mobileclip (mobileclip/text_encoder.py and modules/text/repmixer.py). There the token mixer has two
branches on a scaled residual, x + scale (skip norm + convolution with norm - norm), which are one convolution here.
"""


from contextlib import suppress

PREFIX = "text_encoder."
EPSILON = 1e-5  # of the batch norms
LAYER = {  # of an ordinary transformer layer
    "pre_norm_mha.0": "norm1",
    "pre_norm_mha.1.qkv_proj.": "self_attn.in_proj_",
    "pre_norm_mha.1.out_proj": "self_attn.out_proj",
    "pre_norm_ffn.0": "norm2",
    "pre_norm_ffn.1": "linear1",
    "pre_norm_ffn.4": "linear2",
}
CONVOLUTION = {"convffn.conv.conv": "conv", "convffn.conv.bn": "norm", "convffn.fc1": "expand", "convffn.fc2": "shrink"}


def is_convolutional(state):
    return any(name.startswith(f"{PREFIX}transformer.0.token_mixer.") for name in state)


def affine(state, name):
    """Factor and offset of a batch norm in evaluation mode, [channels] each."""
    factor = state[f"{name}.weight"] / (state[f"{name}.running_var"] + EPSILON).sqrt()
    return factor, state[f"{name}.bias"] - state[f"{name}.running_mean"] * factor


def mixer_weights(state, name):
    """Weight [channels, 1, kernel] and bias [channels] of a token mixer."""
    if f"{name}.reparam_conv.weight" in state:
        return state[f"{name}.reparam_conv.weight"].squeeze(2), state[f"{name}.reparam_conv.bias"]
    skip, skip_offset = affine(state, f"{name}.mixer.rbr_skip")
    norm, norm_offset = affine(state, f"{name}.norm.rbr_skip")
    factor, offset = affine(state, f"{name}.mixer.rbr_conv.0.bn")
    scale = state[f"{name}.layer_scale"].flatten()
    weight = state[f"{name}.mixer.rbr_conv.0.conv.weight"].squeeze(2) * (scale * factor)[:, None, None]
    weight[:, :, weight.shape[-1] // 2] += (1 + scale * (skip - norm))[:, None]
    return weight, scale * (skip_offset + offset - norm_offset)


def renamed(state, prefix, names):
    """name -> tensor of what lies below `prefix`, for those beginnings that `names` knows."""
    found = {}
    for name, value in state.items():
        rest = name.removeprefix(prefix)
        old = next((old for old in names if name.startswith(prefix) and rest.startswith(old)), None)
        if old is not None:
            found[names[old] + rest.removeprefix(old)] = value
    return found


def text_weights(state):
    """Those of the text tower in our names, below `text.`; keys that are missing stay missing."""
    out = renamed(state, PREFIX, {
        "embedding_layer": "token_embedding", "final_layer_norm": "ln_final", "projection_layer": "text_projection",
    })  # fmt: skip
    positions = state.get(f"{PREFIX}positional_embedding.pos_embed.pos_embed")
    if positions is not None:
        out["positional_embedding"] = positions.reshape(positions.shape[-2:])
    indices = {int(name.removeprefix(f"{PREFIX}transformer.").split(".")[0]) for name in state if name.startswith(f"{PREFIX}transformer.")}
    for index in sorted(indices):
        prefix = f"{PREFIX}transformer.{index}."
        found = renamed(state, prefix, LAYER)
        if not found:
            found = {name: value.squeeze(2) if value.ndim == 4 else value for name, value in renamed(state, prefix, CONVOLUTION).items()}
            if f"{prefix}layer_scale" in state:
                found["gamma"] = state[f"{prefix}layer_scale"].flatten(1)
            with suppress(KeyError):  # reported as a missing mixer
                found["mixer.weight"], found["mixer.bias"] = mixer_weights(state, f"{prefix}token_mixer")
        out |= {f"blocks.{index}.{name}": value for name, value in found.items()}
    return {f"text.{name}": value for name, value in out.items()}
