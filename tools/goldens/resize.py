"""Goldens of `resize` and `rgbFromPixels`: sizes, seeds and SHA-256 of Pillow's bytes (the first 32 hex digits).

Pictures come from an integer hash that packages/core/test/image/picture.ts repeats, so no pixels are stored except
a few small outputs in full.  Run: tools/.venv/bin/python tools/goldens/resize.py
"""

import json
import pathlib
import platform
import random

import numpy as np
import PIL
from PIL import Image

from pictures import KINDS, picture, sha

OUT = pathlib.Path(__file__).parents[2] / "packages/core/test/fixtures/resize.json"
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
RANDOM_PAIRS = 640
EDGES = [  # width, height -> width, height
    (1, 1, 1, 1), (1, 1, 7, 5), (1, 1, 100, 1), (1, 17, 1, 5), (1, 17, 4, 40), (17, 1, 5, 1), (17, 1, 40, 4),
    (300, 1, 3, 1), (1, 300, 1, 3), (64, 48, 1, 1), (64, 48, 1, 48), (64, 48, 64, 1), (64, 48, 64, 48),
    (64, 48, 64, 20), (64, 48, 20, 48), (64, 48, 64, 90), (64, 48, 90, 48), (2, 2, 3, 3), (3, 3, 2, 2), (2, 1, 1, 2),
    (97, 89, 53, 61), (53, 61, 97, 89), (251, 127, 83, 241), (1000, 3, 3, 1000), (3, 1000, 1000, 3),
    (1000, 40, 3, 3), (40, 1000, 3, 3), (3, 3, 1000, 40), (3, 3, 40, 1000), (2000, 5, 1, 1), (5, 2000, 1, 1),
    (256, 256, 255, 257), (257, 255, 256, 256), (512, 384, 256, 192), (451, 300, 384, 256), (600, 450, 341, 256),
    (5, 4, 1280, 9), (1600, 1200, 341, 256), (4032, 20, 341, 30),
    (1080, 2400, 256, 568), (300, 451, 256, 384), (90, 84, 344, 14), (100, 200, 80, 160), (100, 200, 80, 159),
]  # fmt: skip
FULL = [(5, 4, 3, 2, "noise"), (4, 3, 7, 6, "extreme"), (9, 2, 4, 5, "smooth")]


def resized(kind: str, seed: int, sizes: tuple[int, int, int, int], name: str) -> bytes:
    width, height, to_width, to_height = sizes
    image = Image.fromarray(picture(kind, width, height, seed), "RGB")
    return image.resize((to_width, to_height), FILTERS[name], reducing_gap=None).tobytes()


def side(rng: random.Random) -> int:
    """Log-uniform: small sizes, where edges matter, as often as large ones."""
    return max(1, round(2 ** rng.uniform(0, 9)))


def alpha_goldens() -> dict:
    """Every value under every alpha, composited on opaque white by Pillow."""
    value, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    rgba = np.stack([value, 255 - value, value ^ 85, alpha], axis=-1)
    image = Image.fromarray(rgba, "RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    composited = Image.alpha_composite(white, image).convert("RGB").tobytes()
    pasted = Image.new("RGB", image.size, (255, 255, 255))
    pasted.paste(image.convert("RGB"), mask=image.getchannel("A"))
    assert composited == pasted.tobytes(), "alpha_composite and paste differ"
    return {"onWhite": sha(composited), "grey": sha(Image.fromarray(value, "L").convert("RGB").tobytes())}


def main() -> None:
    rng = random.Random(20)
    jobs = [(kind, sizes) for i, sizes in enumerate(EDGES) for kind in (KINDS[i % len(KINDS)], "extreme")]
    jobs += [(KINDS[i % len(KINDS)], (side(rng), side(rng), side(rng), side(rng))) for i in range(RANDOM_PAIRS)]
    cases = [
        [kind, seed, *sizes, *(sha(resized(kind, seed, sizes, name)) for name in FILTERS)]
        for seed, (kind, sizes) in enumerate(jobs)
    ]
    full = [
        {"kind": kind, "seed": 7, "sizes": sizes, "filter": name, "data": resized(kind, 7, tuple(sizes), name).hex()}
        for *sizes, kind in FULL
        for name in FILTERS
    ]
    versions = {"pillow": PIL.__version__, "numpy": np.__version__, "machine": platform.machine()}
    rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    head = json.dumps({"versions": versions, "alpha": alpha_goldens(), "full": full}, indent=1)
    OUT.write_text(f'{head[:-2]},\n "cases": [\n{rows}\n]}}\n')
    print(f"{OUT.name}: {len(cases)} size pairs x {len(FILTERS)} filters, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
