"""Weights of a CLIP from files: Apple's own layout (MobileCLIP), open_clip's (MobileCLIP2), as .pt or .safetensors.

Files are published with all branches of their convolutions; those are merged here after loading. Files whose branches are
merged already load too.
"""

from pathlib import Path

import torch
from open_clip.convert import convert_state_dict
from open_clip.factory import load_state_dict

from .clip_models import ClipModel
from .clip_network import empty_network, reparameterized
from .convolutional_text_names import PREFIX, is_convolutional, text_weights
from .errors import ExportError

SHOWN = 4  # names in a message
# counters that say nothing, and buffers that some releases wrote and others do not know
IGNORED = ("num_batches_tracked", "position_ids", "attn_mask")
MERGED = "reparam_conv"


def weights_of(file: Path):
    """name -> tensor of a file, without saying what it is of."""
    if not file.is_file():
        raise ExportError(f"There is no checkpoint {file}.")
    try:
        state = load_state_dict(str(file))
    except Exception as error:  # a file may be anything, and torch's and safetensors' readers fail in as many ways
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(f"{file} cannot be read as .pt or .safetensors: {reason[0][:300]}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ExportError(f"{file} holds no weights by name; expected a state dict, or one below 'state_dict'.")
    return {name: value.float() for name, value in state.items() if not name.endswith(IGNORED)}


def in_our_names(network, state):
    """Apple's names in open_clip's; others as they are."""
    if not is_convolutional(state):
        return convert_state_dict(network, state)
    images = {name: value for name, value in state.items() if not name.startswith(PREFIX)}
    return convert_state_dict(network, images) | text_weights(state)


def listed(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more


def problems_of(network, state):
    """What stands between a state dict and a network, in words."""
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items() if not name.endswith(IGNORED)}
    missing, unknown = wanted.keys() - state.keys(), state.keys() - wanted.keys()
    other = [
        f"{name} {list(state[name].shape)} instead of {list(shape)}"
        for name, shape in wanted.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    kinds = (("missing", missing), ("unknown", unknown), ("of another shape", other))
    return "; ".join(f"{len(names)} {kind}: {listed(names)}" for kind, names in kinds if names)


def load_clip_checkpoint(model: ClipModel, file: Path):
    """The re-parameterised network with the weights of `file`; ExportError says what does not fit."""
    state = weights_of(file)
    network, merged = empty_network(model), any(MERGED in name for name in state)
    if merged:
        network = reparameterized(network)
    state = in_our_names(network, state)
    for name in ("logit_scale", "logit_bias"):
        own = getattr(network, name, None)
        if name in state and own is not None:
            state[name] = state[name].reshape(own.shape)
    problems = problems_of(network, state)
    if problems:
        raise ExportError(f"{file} is no checkpoint of {model.name}: {problems}.")
    network.load_state_dict(state, strict=False)
    return network if merged else reparameterized(network)
