"""The weights of a CLIP: from a checkpoint or from a seed."""

from pathlib import Path

from .clip_models import clip_model
from .model_folder import sha256


def clip_network(name: str, checkpoint: Path | None, seed: int | None, tag: str | None = None):
    """The model's entry, the network, and what the manifest records of their source."""
    model = clip_model(name, tag, of_checkpoint=checkpoint is not None)
    source = {"architecture": model.name} if model.apple else {"architecture": model.name, "tag": model.tag}
    if checkpoint is None:
        from .clip_random_weights import random_clip

        return model, random_clip(model, seed), {**source, "randomWeights": seed}
    from .clip_checkpoint import load_clip_checkpoint

    network = load_clip_checkpoint(model, checkpoint)
    return model, network, {**source, "checkpoint": checkpoint.name, "checkpointSha256": sha256(checkpoint)}
