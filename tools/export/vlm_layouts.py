"""Networks written as checkpoint folders, in Apple's layout and in transformers': for tests and proofs without checkpoints."""

import json
from pathlib import Path

from safetensors.torch import save_file

from mclip_export.fastvlm_network import FastVlmNetwork
from mclip_export.vlm_checkpoint import NETWORK, RENAMED

# prefixes of the vision tower, the projector's layers and the language model; the projector's layers 0 and 2
LAYOUTS = {
    "apple": ("model.vision_tower.vision_tower.model.", "model.mm_projector.", "model.", ("0", "2")),
    "transformers": ("model.vision_tower.timm_model.", "model.multi_modal_projector.linear_", "model.language_model.", ("1", "2")),
}


def apple_vision_name(name):
    """timm's name -> Apple's; the converse of vlm_checkpoint.timm_name, from the same tables."""
    for index, place in enumerate(NETWORK):
        if name.startswith(f"{place}."):
            name = f"network.{index}.{name[len(place) + 1 :]}"
    for theirs, ours in RENAMED:
        name = name.replace(ours, theirs)
    return name.removesuffix(".gamma")


def state_of(network: FastVlmNetwork, layout):
    """name -> tensor"""
    tower, projector, language, layers = LAYOUTS[layout]
    state = {}
    for name, tensor in network.vision.trunk.state_dict().items():
        state[tower + (apple_vision_name(name) if layout == "apple" else name)] = tensor
    for place, layer in zip((0, 2), layers):
        for name, tensor in network.vision.projector[place].state_dict().items():
            state[f"{projector}{layer}.{name}"] = tensor
    for name, tensor in network.language.state_dict().items():
        state[language + name.removeprefix("model.") if name.startswith("model.") else name] = tensor
    return state


def write_checkpoint(network: FastVlmNetwork, tokenizer_json, layout, folder: Path):
    """Two shards, config.json, tokenizer.json."""
    folder.mkdir(parents=True)
    state = state_of(network, layout)
    names = sorted(state)
    for shard, some in enumerate((names[::2], names[1::2]), 1):
        save_file({name: state[name].contiguous() for name in some}, folder / f"model-0000{shard}-of-00002.safetensors")
    decoder = network.vlm.decoder
    sizes = {"hidden_size": decoder.hidden, "num_hidden_layers": decoder.layers}
    config = {"model_type": "llava_qwen2", **sizes} if layout == "apple" else {"model_type": "fast_vlm", "text_config": sizes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer_json)
