"""FastVLM checkpoints: Apple's folders (LLaVA's `llava_qwen2`) and transformers' (`fast_vlm`).

Apple's vision tower has the stages in one list, with the branches of its convolutions joined or not; transformers stores
timm's names. Sources: apple/ml-fastvlm (llava/model/multimodal_encoder/mobileclip/mci.py), transformers' fast_vlm.
"""

import hashlib
import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file

from .architectures import FastVlm
from .errors import ExportError
from .fastvlm_network import FastVlmNetwork, VisionEncoder, language_model
from .model_folder import sha256

APPLE_VISION, TIMM_VISION = "model.vision_tower.vision_tower.model.", "model.vision_tower.timm_model."
# Apple's list `network`: what is where in timm; a stage is preceded by its downsampling and by its position encoding
NETWORK = [
    "stages.0.blocks", "stages.1.downsample", "stages.1.blocks", "stages.2.downsample", "stages.2.blocks",
    "stages.3.downsample", "stages.3.pos_emb", "stages.3.blocks",
    "stages.4.downsample", "stages.4.pos_emb", "stages.4.blocks",
]  # fmt: skip
RENAMED = [
    ("patch_embed.", "stem."), ("conv_exp.", "final_conv."), ("lkb_reparam.", "reparam_conv."), ("convffn.", "mlp."),
    ("se.reduce.", "se.fc1."), ("se.expand.", "se.fc2."), ("rbr_conv.", "conv_kxk."), ("rbr_scale.", "conv_scale."),
    ("rbr_skip.", "identity."), ("lkb_origin.", "large_conv."),
]  # fmt: skip


def timm_name(name: str):
    """Apple's name of a vision tensor -> timm's; None for the classifier, which FastVLM does not use."""
    if name.startswith("head."):
        return None
    index = re.match(r"network\.(\d+)\.", name)
    if index:
        name = NETWORK[int(index[1])] + "." + name[index.end() :]
    for theirs, ours in RENAMED:
        name = name.replace(theirs, ours)
    return re.sub(r"(layer_scale(_\d)?)$", r"\1.gamma", name)


def read_tensors(folder: Path):
    """name -> tensor of all weight files; and their hash, of all bytes in the order of names."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise ExportError(f"{folder} has no *.safetensors and no pytorch_model*.bin.")
    tensors, digest = {}, hashlib.sha256()
    for file in files:
        try:
            tensors |= load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
        except Exception as error:
            raise ExportError(f"{file} cannot be read as weights: {error}") from error
        digest.update(bytes.fromhex(sha256(file)))
    return tensors, digest.hexdigest()


def parts_of(tensors):
    """trunk, projector, language: name -> tensor, in this package's names."""
    trunk, projector, language = {}, {}, {}
    for name, tensor in tensors.items():
        if name.startswith(APPLE_VISION):
            target = timm_name(name.removeprefix(APPLE_VISION))
            if target:
                trunk[target] = tensor
        elif name.startswith(TIMM_VISION):
            trunk[name.removeprefix(TIMM_VISION)] = tensor
        elif name.startswith("model.mm_projector."):
            projector[name.removeprefix("model.mm_projector.")] = tensor
        elif name.startswith("model.multi_modal_projector."):
            layer, kind = name.split(".")[-2:]
            projector[f"{ {'linear_1': 0, 'linear_2': 2}[layer] }.{kind}"] = tensor
        elif name.startswith("model.language_model."):
            language["model." + name.removeprefix("model.language_model.")] = tensor
        else:
            language[name] = tensor
    if "lm_head.weight" not in language and "model.embed_tokens.weight" in language:
        language["lm_head.weight"] = language["model.embed_tokens.weight"]  # tied
    return trunk, projector, language


def fill(module, tensors, what, origin):
    """Copies into `module`; every tensor must be there and of the right size."""
    state = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    missing, unexpected = sorted(state.keys() - tensors.keys()), sorted(tensors.keys() - state.keys())
    if missing or unexpected:
        raise ExportError(
            f"{origin} does not hold the {what}: {len(missing)} tensors are missing ({', '.join(missing[:3]) or 'none'}), "
            f"{len(unexpected)} are unknown ({', '.join(unexpected[:3]) or 'none'})."
        )
    for name, tensor in tensors.items():
        if tensor.numel() != state[name].numel():
            raise ExportError(f"{origin}: {what} {name} has shape {list(tensor.shape)}, expected {list(state[name].shape)}.")
        state[name].copy_(tensor.reshape(state[name].shape))


def check_config(folder: Path, vlm: FastVlm):
    """A clear word before loading gigabytes of another size."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder} is no checkpoint folder: its config.json cannot be read ({error}).") from error
    text = config.get("text_config", config)
    found = (text.get("hidden_size"), text.get("num_hidden_layers"))
    if found != (vlm.decoder.hidden, vlm.decoder.layers):
        raise ExportError(
            f"{folder} is a {config.get('model_type')} {found[0]} wide with {found[1]} layers; "
            f"{vlm.name} is {vlm.decoder.hidden} wide with {vlm.decoder.layers}. Choose another --model."
        )


@torch.no_grad()
def load_vlm_checkpoint(vlm: FastVlm, folder: Path):
    """The network, and the hash of the weight files."""
    if not folder.is_dir():
        raise ExportError(f"There is no checkpoint folder {folder}.")
    check_config(folder, vlm)
    tensors, digest = read_tensors(folder)
    trunk, projector, language_tensors = parts_of(tensors)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        if name in language_tensors:  # rows beyond the tokenizer are padding
            language_tensors[name] = language_tensors[name][: vlm.decoder.rows]
    deployed = "stem.0.reparam_conv.weight" in trunk
    vision = VisionEncoder(vlm, deployed=deployed)
    fill(vision.trunk, trunk, "vision tower", folder)
    fill(vision.projector, projector, "projector", folder)
    language = language_model(vlm)
    fill(language, language_tensors, "language model", folder)
    return FastVlmNetwork(vlm, vision.eval() if deployed else vision.reparameterize(), language), digest
