"""The weights and the tokenizer of a FastVLM: from a checkpoint folder or from a seed."""

from dataclasses import replace
from pathlib import Path

from . import qwen2_tokenizer_file
from .architectures import VLMS
from .errors import ExportError

CACHE = Path(__file__).parents[3] / ".cache/qwen2"


def known_vlm(name: str):
    if name not in VLMS:
        raise ExportError(f"Unknown model '{name}'. Known: {', '.join(VLMS)}.")
    return VLMS[name]


def tokenizer_of(vlm):
    """For random weights."""
    return qwen2_tokenizer_file.tiny_tokenizer() if vlm.tokenizer == "tiny" else qwen2_tokenizer_file.qwen2_tokenizer(CACHE)


def at_resolution(vlm, resolution: int | None):
    """The same network meant for pictures of another largest side."""
    if resolution is None:
        return vlm
    if resolution % vlm.patch or resolution <= 0:
        raise ExportError(f"A resolution of {resolution} cannot be; it must be a multiple of {vlm.patch}, such as {vlm.size}.")
    return replace(vlm, sizes=(*(size for size in vlm.sizes if size < resolution), resolution))


def vlm_network(name: str, checkpoint: Path | None, seed: int | None, resolution: int | None = None):
    """The network, its tokenizer.json, and what the manifest records of their source."""
    vlm = at_resolution(known_vlm(name), resolution)
    if checkpoint is None:
        from .random_weights import random_network

        tokenizer = tokenizer_of(vlm)
        image_id = qwen2_tokenizer_file.load(tokenizer).token_to_id(qwen2_tokenizer_file.IMAGE)
        return random_network(vlm, seed, text_tokens=image_id), tokenizer, {"architecture": name, "randomWeights": seed}
    from .vlm_checkpoint import load_vlm_checkpoint

    tokenizer = qwen2_tokenizer_file.checkpoint_tokenizer(checkpoint) if checkpoint.is_dir() else ""
    network, digest = load_vlm_checkpoint(vlm, checkpoint)
    return network, tokenizer, {"architecture": name, "checkpoint": checkpoint.name, "checkpointSha256": digest}
