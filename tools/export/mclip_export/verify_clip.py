"""The rows of `verify` for a CLIP."""

import gc
from pathlib import Path

import numpy as np
import open_clip
import torch

from .clip_network import TextTower, VisionTower
from .clip_source import clip_network
from .export_clip import TENSORS, normalised_pixels
from .file_weights import take_weights
from .onnx_session import cosines, make_session
from .pictures import calibration_crops
from .verify import COSINE_BOUNDS, DIFFERENCE_BOUND, Row, largest_cosine, median_milliseconds

PICTURES, SEED = 8, 11  # not among those that weights or storage were chosen on
TEXTS = [
    "a photo of a mountain lake.", "a photo of a chess board.", "cup of coffee", "Crème brûlée à la façon de Zoë",
    "city at night, seen from a bridge", "東京", "", "1234567890",
]  # fmt: skip
LABELS = 1000


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


def clip_rows(folder: Path, manifest, checkpoint, seed):
    model, network, _ = clip_network(manifest["source"]["architecture"], checkpoint, seed)
    config = model.preprocessing()
    inputs = {
        "vision": normalised_pixels(calibration_crops(config["size"], PICTURES, seed=SEED), config),
        "text": open_clip.get_tokenizer(model.architecture)(TEXTS),
    }
    rows = []
    for tower, module in (("vision", VisionTower(network)), ("text", TextTower(network))):
        files = {dtype: folder / entry["file"] for dtype, entry in manifest["graphs"][tower]["files"].items()}
        if "fp32" not in files:
            continue
        name, feed = TENSORS[tower][0], inputs[tower].numpy()
        exact = one_by_one(make_session(files["fp32"]), name, feed)
        original = {key: parameter.detach().clone() for key, parameter in module.named_parameters()}
        for dtype, file in files.items():
            lost = 0
            if dtype != "fp32":
                _, lost = take_weights(module, files["fp32"], file)
            expected = by_torch(module, inputs[tower])
            session = make_session(file)
            got = one_by_one(session, name, feed)
            rows.append(Row(
                tower, dtype, file.stat().st_size / 1e6,
                median_milliseconds(lambda run=session.run, one={name: feed[:1]}: run(None, one)),
                float(np.abs(got - expected).max()) if lost == 0 else None, DIFFERENCE_BOUND,
                float(cosines(got, exact).min()), COSINE_BOUNDS[dtype],
                float((best_labels(got) == best_labels(exact)).mean()), largest_cosine(got),
            ))  # fmt: skip
            with torch.no_grad():
                for key, parameter in module.named_parameters():
                    parameter.copy_(original[key])
            del session
        del original
        gc.collect()
    return rows
