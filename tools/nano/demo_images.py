"""Sixteen held-out pictures for the demo, chosen by name before any result was seen, and its labels: the pictures' Unicode
names and others drawn by lot from the list of 200.

    python demo_images.py      # writes examples/node-classify/images/*.png (256 px, transparent) and labels.mjs
"""
import json
import random

from PIL import Image

from data import HELD_OUT, HERE, SEED, load_concepts, name_tables, render, vendor_icons

EXAMPLE = HERE.parents[1] / "examples/node-classify"
OUT = EXAMPLE / "images"
LABELS = 60
NAMES = {  # file name -> CLDR label
    "dog": "dog face", "cat": "cat face", "pizza": "pizza", "bicycle": "bicycle", "guitar": "guitar", "rocket": "rocket",
    "rose": "rose", "penguin": "penguin", "hamburger": "hamburger", "umbrella": "umbrella", "airplane": "airplane",
    "football": "soccer ball", "owl": "owl", "strawberry": "strawberry", "train": "locomotive", "crab": "crab",
}


def write_labels():
    common = [name for name in json.loads((HERE / "eval200.json").read_text()) if name not in NAMES.values()]
    drawn = random.Random(SEED).sample(common, LABELS - len(NAMES))
    lines = ["/** Made by tools/nano/demo_images.py. What each picture shows, by its Unicode name. */", "export const shown = {"]
    lines += [f"  {file}: '{label}'," for file, label in sorted(NAMES.items())]
    lines += ["};", "", "/** Candidates: the names of the pictures, and others drawn by lot. */", "export const labels = ["]
    lines += [f"  '{label}'," for label in sorted([*NAMES.values(), *drawn])]
    (EXAMPLE / "labels.mjs").write_text("\n".join([*lines, "];", ""]))


if __name__ == "__main__":
    write_labels()
    concepts = load_concepts()
    keys = {c["label"]: c["key"] for c in concepts}
    data, icons = vendor_icons(HELD_OUT, *name_tables(concepts), {c["key"] for c in concepts})
    OUT.mkdir(parents=True, exist_ok=True)
    for file, label in NAMES.items():
        Image.fromarray(render(data, icons[keys[label]], 256)).save(OUT / f"{file}.png", optimize=True)
