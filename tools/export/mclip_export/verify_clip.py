"""The rows of `verify` for a CLIP."""

import gc
from pathlib import Path

import numpy as np
import open_clip
import torch

from .clip_inputs import canary_inputs, normalised_pixels
from .clip_network import TextTower, VisionTower
from .clip_source import clip_network
from .export_clip import TENSORS
from .file_weights import take_weights
from .folded_norms import fold_norms
from .onnx_session import cosines, make_session
from .pictures import calibration_crops
from .verify import COSINE_BOUNDS, DIFFERENCE_BOUND, Row, largest_cosine, median_milliseconds

PICTURES, SEED = 8, 11  # not among those that weights or storage were chosen on
TEXTS = [
    "a photo of a mountain lake.", "a photo of a chess board.", "cup of coffee", "Crème brûlée à la façon de Zoë",
    "city at night, seen from a bridge", "東京", "", "1234567890",
]  # fmt: skip
LABELS = 1000
MODULES = {"vision": VisionTower, "text": TextTower}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def one_by_one(session, name, inputs):
    return unit(np.concatenate([session.run(None, {name: inputs[i : i + 1]})[0] for i in range(len(inputs))]))


def best_labels(embeddings):
    """Index of the nearest of 1,000 seeded directions, per row."""
    labels = np.random.default_rng(SEED).standard_normal((LABELS, embeddings.shape[1]))
    return (embeddings @ unit(labels).T).argmax(1)


@torch.no_grad()
def by_torch(module, inputs):
    return unit(torch.cat([module(inputs[i : i + 1]) for i in range(len(inputs))]).numpy())


@torch.no_grad()
def by_torch_on(module, inputs, plain: Path, file: Path):
    """PyTorch's embeddings on the weights that `file` stands for, None if not all of them were found in the module."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    original = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    _, lost = take_weights(module, plain, file)
    embeddings = by_torch(module, inputs) if lost == 0 else None
    for name, tensor in tensors.items():
        tensor.copy_(original[name])
    return embeddings


def tower_row(tower, dtype, file: Path, inputs, expected, exact):
    session, name = make_session(file), TENSORS[tower][0]
    got = one_by_one(session, name, inputs)
    return Row(
        tower, dtype, file.stat().st_size / 1e6, median_milliseconds(lambda: session.run(None, {name: inputs[:1]})),
        None if expected is None else float(np.abs(got - expected).max()), DIFFERENCE_BOUND,
        float(cosines(got, exact).min()), COSINE_BOUNDS[dtype],
        float((best_labels(got) == best_labels(exact)).mean()), largest_cosine(got),
    )  # fmt: skip


def clip_rows(folder: Path, manifest, checkpoint, seed):
    model, network, _ = clip_network(manifest["source"]["architecture"], checkpoint, seed, manifest["source"].get("tag"))
    config = model.preprocessing()
    inputs = {
        "vision": normalised_pixels(calibration_crops(config["size"], PICTURES, seed=SEED), config),
        "text": open_clip.get_tokenizer(model.architecture)(TEXTS),
    }
    inputs = {tower: torch.cat([unseen, canary_inputs(model)[tower]]) for tower, unseen in inputs.items()}
    # fp32 files against the network as it was made, the others, whose constants are parameters, with its norms folded
    unfolded = {tower: by_torch(module(network), inputs[tower]) for tower, module in MODULES.items()}
    fold_norms(network)
    rows = []
    for tower, module in MODULES.items():
        files = {dtype: folder / entry["file"] for dtype, entry in manifest["graphs"][tower]["files"].items()}
        if "fp32" not in files:
            continue
        feed = inputs[tower].numpy()
        exact = one_by_one(make_session(files["fp32"]), TENSORS[tower][0], feed)
        for dtype, file in files.items():
            plain = dtype == "fp32"
            expected = unfolded[tower] if plain else by_torch_on(module(network), inputs[tower], files["fp32"], file)
            rows.append(tower_row(tower, dtype, file, feed, expected, exact))
            gc.collect()
    return rows
