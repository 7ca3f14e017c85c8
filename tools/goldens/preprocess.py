"""Goldens of `preprocess`: SHA-256 (first 32 hex digits) of the cropped bytes and of the float32 pixel values.

crop, squash: open_clip's own `image_transform_v2`.  pad: LLaVA's recipe (square canvas of the mean colour, picture
centred) in Pillow, then its resize, then torchvision.  Run: tools/.venv/bin/python tools/goldens/preprocess.py
"""

import json
import pathlib
import platform
import random

import numpy as np
import open_clip
import PIL
import torch
import torchvision
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor

from pictures import KINDS, picture, sha

OUT = pathlib.Path(__file__).parents[2] / "packages/core/test/fixtures/preprocess.json"
NONE = ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
CONFIGS = [  # fit, size, interpolation, mean and std
    ("crop", 256, "bilinear", NONE),
    ("crop", 224, "bilinear", NONE),
    ("crop", 224, "bicubic", CLIP),
    ("crop", 256, "bilinear", CLIP),
    ("crop", 63, "bicubic", NONE),
    ("squash", 256, "bilinear", NONE),
    ("squash", 65, "bicubic", CLIP),
    ("pad", 256, "bicubic", NONE),
    ("pad", 224, "bicubic", CLIP),
    ("pad", 97, "bilinear", CLIP),
]
SIZES = [(451, 300), (300, 451), (256, 256), (257, 256), (256, 259), (640, 480), (33, 21), (1, 1), (1, 9), (50, 1)]
RANDOM_CASES = 60


def expand_to_square(image: Image.Image, mean: list[float]) -> Image.Image:
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), tuple(int(value * 255) for value in mean))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def transform_of(fit: str, size: int, interpolation: str, mean: list[float], std: list[float]) -> Compose:
    if fit == "pad":
        steps = [lambda image: expand_to_square(image, mean), Resize((size, size), InterpolationMode(interpolation))]
        return Compose([*steps, ToTensor(), Normalize(mean, std)])
    mode = {"crop": "shortest", "squash": "squash"}[fit]
    config = PreprocessCfg(size=size, mean=mean, std=std, interpolation=interpolation, resize_mode=mode)
    return image_transform_v2(config, is_train=False)


def case(kind: str, seed: int, width: int, height: int, index: int) -> list:
    fit, size, interpolation, (mean, std) = CONFIGS[index]
    image = Image.fromarray(picture(kind, width, height, seed), "RGB")
    transform = transform_of(fit, size, interpolation, mean, std)
    values = transform(image).numpy()
    assert values.dtype == np.float32 and values.shape == (3, size, size)
    # the bytes before the tensor: all steps but the conversions
    for step in transform.transforms:
        if isinstance(step, ToTensor) or type(step).__name__ in ("MaybeConvertMode", "MaybeToTensor"):
            break
        image = step(image)
    assert image.size == (size, size)
    spots = [0, values.size // 3, values.size - 1]
    samples = [float(values.reshape(-1)[spot]) for spot in spots]
    return [kind, seed, width, height, index, sha(image.tobytes()), sha(values.tobytes()), *samples]


def main() -> None:
    rng = random.Random(21)
    jobs = [(*size, index) for index in range(len(CONFIGS)) for size in SIZES]
    for _ in range(RANDOM_CASES):
        jobs.append((round(2 ** rng.uniform(0, 10)), round(2 ** rng.uniform(0, 10)), rng.randrange(len(CONFIGS))))
    jobs += [(1600, 1200, 0), (1200, 1600, 2), (2016, 1512, 0), (1512, 2016, 7)]
    cases = [case(KINDS[i % len(KINDS)], i, *job) for i, job in enumerate(jobs)]
    configs = [
        {"fit": fit, "size": size, "interpolation": interpolation, "mean": mean, "std": std}
        for fit, size, interpolation, (mean, std) in CONFIGS
    ]
    versions = {
        "pillow": PIL.__version__,
        "torchvision": torchvision.__version__,
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
        "machine": platform.machine(),
    }
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases)
    head = json.dumps({"versions": versions, "configs": configs}, indent=1)
    OUT.write_text(f'{head[:-2]},\n "cases": [\n{rows}\n]}}\n')
    print(f"{OUT.name}: {len(cases)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
