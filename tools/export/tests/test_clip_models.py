"""What the manifest says of each published model, against the facts of its paper and repository; and inputs that follow it."""

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize, to_tensor

from mclip_export.clip_inputs import canary_inputs, normalised_pixels, planning_inputs
from mclip_export.clip_models import CLIPS

PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
PREPROCESSING = {
    **dict.fromkeys(("MobileCLIP-S0", "MobileCLIP-S1", "MobileCLIP-S2", "MobileCLIP2-S0", "MobileCLIP2-S2"), (256, "bilinear", *PLAIN)),
    **dict.fromkeys(("MobileCLIP-B", "MobileCLIP-B-LT", "MobileCLIP2-B"), (224, "bilinear", *PLAIN)),
    **dict.fromkeys(("MobileCLIP2-S3", "MobileCLIP2-S4"), (256, "bilinear", *OPENAI)),
    "MobileCLIP2-L-14": (224, "bicubic", *OPENAI),
}
CANARY_IDS = [49406, 320, 1125, 539, 320, 2368, 269, 49407]  # a photo of a cat.


@pytest.mark.parametrize("name", [name for name, model in CLIPS.items() if model.released])
def test_preprocessing_is_each_models_own(name):
    config = CLIPS[name].preprocessing()
    assert (config["size"], config["interpolation"], config["mean"], config["std"]) == PREPROCESSING[name]


def test_pixels_are_normalised_as_by_torchvision():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    expected = torch.stack([normalize(to_tensor(image), *OPENAI) for image in images])
    assert torch.allclose(normalised_pixels(images, {"mean": OPENAI[0], "std": OPENAI[1]}), expected, atol=1e-6)


def test_texts_are_padded_with_zeros_to_77():
    [ids] = canary_inputs(CLIPS["tiny-clip"])["text"].tolist()
    assert ids == CANARY_IDS + [0] * (77 - len(CANARY_IDS))


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_a_plan_is_checked_on_inputs_that_it_was_not_made_of(tower):
    seen, checks = planning_inputs(CLIPS["tiny-clip"], tower)
    assert not any(np.array_equal(one, other) for one in seen for other in checks)
