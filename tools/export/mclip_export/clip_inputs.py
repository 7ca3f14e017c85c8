"""Inputs that a CLIP's `w8` files are planned on: pictures and texts, in two sets that `verify` uses neither of."""

import numpy as np
import open_clip
import torch

from .clip_models import ClipModel
from .pictures import calibration_crops, canary_pixels

PICTURES, CHECKED = 16, 8
PICTURE_SEED, CHECK_SEED = 5, 7  # 1: batch norms of random weights; 11: `verify`
TEXTS = [
    *(f"a photo of a {noun}." for noun in ["bridge", "lemon", "tiger", "guitar", "teapot", "lighthouse", "bicycle", "tractor"]),
    "a blurry photo of the large wardrobe", "graffiti of many owls on a brick wall, at dusk", "itap of my breakfast",
    "El perro duerme en la alfombra", "Ein rotes Fahrrad lehnt an der Mauer des alten Bahnhofs", "猫が好きです", "привет, мир",
    "sale -50% !!!", "https://example.com/pictures/17.jpg", "zebra", "rain", "A black-and-white portrait of an elderly woman.",
    "screenshot of a spreadsheet with 12 columns and a pie chart", "two dogs chasing a frisbee while a child looks on from "
    "the steps of a wooden house painted in bright yellow, with mountains and heavy clouds in the far background",
    "🍕 pizza night 🎉", "an aerial view of fields",
]  # fmt: skip
CHECK_TEXTS = [
    "a photo of a waterfall.", "a bad photo of a toaster", "ship", "Grüße aus München", "42", "大きな木",
    "a close-up of the worn wooden handle of a hammer lying on a workbench among nails, screws and curls of wood", "?",
]  # fmt: skip
CANARY_TEXT = "a photo of a cat."


def normalised_pixels(images, config):
    """uint8 [n, size, size, 3] -> float32 [n, 3, size, size]"""
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std


def canary_inputs(model: ClipModel):
    """Of the manifest's canary: the generated picture 1 and a fixed text, [1, ...] each."""
    config = model.preprocessing()
    pixels = normalised_pixels(canary_pixels(config["size"])[None], config)
    return {"vision": pixels, "text": open_clip.get_tokenizer(model.architecture)([CANARY_TEXT])}


def planning_inputs(model: ClipModel, tower):
    """float32 [n, 3, size, size] or int64 [n, 77], twice: for moments and for checks, the canary among them."""
    if tower == "text":
        tokenizer = open_clip.get_tokenizer(model.architecture)
        seen, checks = tokenizer(TEXTS), tokenizer(CHECK_TEXTS)
    else:
        config = model.preprocessing()
        sets = ((PICTURES, PICTURE_SEED), (CHECKED, CHECK_SEED))
        seen, checks = (normalised_pixels(calibration_crops(config["size"], count, seed=seed), config) for count, seed in sets)
    return seen.numpy(), np.concatenate([checks.numpy(), canary_inputs(model)[tower].numpy()])
