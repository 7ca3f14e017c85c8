"""What PyTorch says: the expected embeddings, and what each plausible mistake would give instead."""

import base64

import numpy as np
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from PIL import Image
from torch.nn.functional import normalize

from networks import transform
from pictures import canary_pixels

TEMPLATE = "a photo of a {}."
LABELS = ["mountain lake", "flower meadow", "tower block", "chess board", "woven fabric", "city at night", "cat", "cup of coffee"]
TEXTS = [
    *(TEMPLATE.format(label) for label in LABELS),
    "Crème brûlée à la façon de Zoë",
    "😀🎉 happy birthday!!! 🏳️‍🌈",
    "ΟΔΥΣΣΕΥΣ, 東京 и Москва",
    "  Fish &amp; chips,\n\t UPPER case — “curly” ﬁgures…  ",
    "",
    "a very long sentence about nothing in particular, " * 12,
    "1234567890",
]
CANARY_TEXT = "a photo of a cat."
END = 49407


def encode(embedding):
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode()


@torch.no_grad()
def embed_images(model, pixels):
    return torch.cat([normalize(model.encode_image(one[None]), dim=-1) for one in pixels]).numpy()


@torch.no_grad()
def embed_texts(model, ids):
    return torch.cat([normalize(model.encode_text(one[None]), dim=-1) for one in ids]).numpy()


def largest_cosine(embeddings):
    cosines = embeddings @ embeddings.T
    return float(cosines[~np.eye(len(cosines), dtype=bool)].max())


def shrunk_by_picking(image, side):
    """Shortest edge to `side` without a filter, as a resizer does that does not antialias."""
    scale = side / min(image.size)
    return image.resize([max(side, int(edge * scale)) for edge in image.size], Image.Resampling.NEAREST)


def image_mutations(config):
    """name -> function from PIL image to pixel values, each wrong in one way."""
    unit = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    clip = {"mean": OPENAI_DATASET_MEAN, "std": OPENAI_DATASET_STD}
    side = config["size"]
    right = transform(config)
    return {
        "bgr": lambda image: right(Image.merge("RGB", image.split()[::-1])),
        "meanStd": transform(config, **(clip if config["mean"] == unit["mean"] else unit)),
        "interpolation": transform(config, interpolation="bicubic" if config["interpolation"] == "bilinear" else "bilinear"),
        "noAntialias": lambda image: right(shrunk_by_picking(image, side)),
        "squash": lambda image: right(image.resize((side, side), Image.Resampling.BILINEAR)),
    }


def padded_with_end(ids):
    """The ids as Hugging Face's default pads them: with end-of-text."""
    wrong = ids.clone()
    for row in wrong:
        row[row.argmax() + 1 :] = END
    return wrong


def mutation(kind, wrong, right, name):
    return {
        "kind": kind,
        "of": name,
        "maxAbsDiff": float(np.abs(wrong - right).max()),
        "cosine": float(wrong @ right),
        "embedding": encode(wrong),
    }


class Inputs:
    """Everything that is embedded, as tensors."""

    def __init__(self, config, tokenizer, folder, pictures):
        self.pictures = pictures
        self.images = [Image.open(folder / picture["file"]).convert("RGB") for picture in pictures]
        self.pixels = torch.stack([transform(config)(image) for image in self.images])
        self.ids = tokenizer(TEXTS)
        self.canary_ids = tokenizer([CANARY_TEXT])
        canary = torch.from_numpy(canary_pixels(config["size"])).permute(2, 0, 1)[None] / 255
        mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
        self.canary_pixels = (canary - mean) / std


def rankings(images, texts, names):
    """For each picture the labels, best first, as the softmax of 100 times the cosine."""
    cosines = images.astype(np.float64) @ texts[: len(LABELS)].astype(np.float64).T
    scores = np.exp(100 * (cosines - cosines.max(1, keepdims=True)))
    scores /= scores.sum(1, keepdims=True)
    return {
        name: [
            {"label": LABELS[i], "index": int(i), "similarity": float(cosines[row, i]), "score": float(scores[row, i])}
            for i in np.argsort(-cosines[row])
        ]
        for row, name in enumerate(names)
    }


def make_reference(model, config, inputs):
    """The body of reference.json, and the embeddings as arrays."""
    images, texts = embed_images(model, inputs.pixels), embed_texts(model, inputs.ids)
    png = [i for i, picture in enumerate(inputs.pictures) if picture["file"].endswith(".png")]
    jpeg = [i for i in range(len(inputs.pictures)) if i not in png]

    mutations = []
    for kind, wrong_pixels in image_mutations(config).items():
        wrong = embed_images(model, torch.stack([wrong_pixels(inputs.images[i]) for i in png]))
        mutations += [mutation(kind, wrong[row], images[i], inputs.pictures[i]["name"]) for row, i in enumerate(png)]
    wrong = embed_texts(model, padded_with_end(inputs.ids))
    mutations += [mutation("padId", wrong[i], texts[i], text) for i, text in enumerate(TEXTS)]

    def described(i):
        picture = inputs.pictures[i]
        return {**picture, "file": f"../images/{picture['file']}", "embedding": encode(images[i])}

    body = {
        "images": [described(i) for i in png],
        "jpegs": [described(i) for i in jpeg],
        "texts": [
            {"text": text, "ids": ids.tolist(), "embedding": encode(embedding)}
            for text, ids, embedding in zip(TEXTS, inputs.ids, texts)
        ],
        "largestCosine": {"images": largest_cosine(images[png]), "texts": largest_cosine(texts)},
        "classification": {
            "template": TEMPLATE,
            "labels": LABELS,
            "logitScale": 100,
            "ranked": rankings(images[png], texts, [inputs.pictures[i]["name"] for i in png]),
        },
        "mutations": mutations,
    }
    return body, images, texts
