"""Sixteen held-out pictures for the demo, chosen by name before any result was seen.

    python demo_images.py      # writes examples/node-classify/images/*.png (256 px, transparent)
"""
from PIL import Image

from data import HELD_OUT, HERE, load_concepts, name_tables, render, vendor_icons

OUT = HERE.parents[1] / "examples/node-classify/images"
NAMES = {  # file name -> CLDR label
    "dog": "dog face", "cat": "cat face", "pizza": "pizza", "bicycle": "bicycle", "guitar": "guitar", "rocket": "rocket",
    "rose": "rose", "penguin": "penguin", "hamburger": "hamburger", "umbrella": "umbrella", "airplane": "airplane",
    "football": "soccer ball", "owl": "owl", "strawberry": "strawberry", "train": "locomotive", "crab": "crab",
}

if __name__ == "__main__":
    concepts = load_concepts()
    keys = {c["label"]: c["key"] for c in concepts}
    data, icons = vendor_icons(HELD_OUT, *name_tables(concepts), {c["key"] for c in concepts})
    OUT.mkdir(parents=True, exist_ok=True)
    for file, label in NAMES.items():
        Image.fromarray(render(data, icons[keys[label]], 256)).save(OUT / f"{file}.png", optimize=True)
