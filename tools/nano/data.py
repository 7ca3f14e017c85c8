"""Emoji pictures and their names: npm packages -> named RGBA rasters.

A *concept* is one emoji without its skin-tone variants, keyed by hexcode (variation selectors
dropped). Every vendor draws a concept at most once. `twemoji` is held out: it is rasterised only
for evaluation and its names take no part in mapping the training vendors.

    python data.py        # downloads (pinned), rasterises, writes .cache/pictures.npz and eval200.json
"""
import base64
import io
import json
import random
import re
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
TRAIN_VENDORS = ["noto", "noto-v1", "fluent-emoji", "fluent-emoji-flat", "fxemoji", "emojione"]
HELD_OUT = "twemoji"
PIXELS = 128
SEED = 0
FLAGS_GROUP = 9
COMPONENT_GROUP = 2


def install_packages():
    """Fetch the pinned packages into the ignored cache."""
    versions = json.loads((HERE / "package-versions.json").read_text())
    CACHE.mkdir(exist_ok=True)
    specs = [f"{name}@{version}" for name, version in versions.items()]
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), *specs], check=True)


def read_package(name, file):
    path = CACHE / "node_modules" / name / file
    return json.loads(path.read_text()) if path.exists() else {}


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def hex_key(hexcode):
    return "-".join(part for part in hexcode.upper().split("-") if part != "FE0F")


def load_concepts():
    """[{key, label, group, subgroup, tags, aliases}], skin tones, components and regional letters left out."""
    shortcodes = [read_package("emojibase-data", f"en/shortcodes/{s}.json") for s in ("cldr", "emojibase", "iamcal", "github")]
    concepts = []
    for entry in read_package("emojibase-data", "en/data.json"):
        if entry.get("group") in (None, COMPONENT_GROUP):
            continue
        codes = []
        for table in shortcodes:
            found = table.get(entry["hexcode"], [])
            codes += [found] if isinstance(found, str) else found
        concepts.append({
            "key": hex_key(entry["hexcode"]),
            "label": entry["label"].replace("flag: ", "flag of "),
            "group": entry["group"],
            "subgroup": entry.get("subgroup"),
            "version": entry["version"],
            "tags": entry.get("tags", []),
            "aliases": sorted({code.replace("_", " ").replace("-", " ") for code in codes if not code.startswith("+")}),
        })
    return concepts


def name_tables(concepts):
    """slug -> key from CLDR labels, training vendors' character maps, Unicode names, shortcodes (first wins)."""
    keys = {concept["key"] for concept in concepts}
    names = {}
    def add(name, key):
        if key in keys and name:
            names.setdefault(slug(name), key)
    for concept in concepts:
        add(concept["label"], concept["key"])
        if concept["group"] == FLAGS_GROUP:
            add(concept["label"].replace("flag of ", "flag for "), concept["key"])
    for vendor in ("noto", "fluent-emoji-flat"):
        for hexcode, name in read_package(f"@iconify-json/{vendor}", "chars.json").items():
            add(name, hex_key(hexcode))
    for hexcode, name in read_package("emojibase-data", "meta/unicode-names.json").items():
        add(name, hex_key(hexcode))
    for concept in concepts:
        for alias in concept["aliases"]:
            add(alias, concept["key"])
    compact = {}
    for name, key in names.items():
        compact.setdefault(name.replace("-", ""), key)
    return names, compact


def vendor_icons(vendor, names, compact, keys):
    """key -> icon name in this vendor's set."""
    data = read_package(f"@iconify-json/{vendor}", "icons.json")
    icons = {}
    for hexcode, name in read_package(f"@iconify-json/{vendor}", "chars.json").items():
        if hex_key(hexcode) in keys and name in data["icons"]:
            icons.setdefault(hex_key(hexcode), name)
    if vendor == HELD_OUT:
        return data, icons
    for name in data["icons"]:
        key = names.get(name) or (compact.get(name.replace("-", "")) if vendor == "fxemoji" else None)
        if key:
            icons.setdefault(key, name)
    for alias, target in data.get("aliases", {}).items():
        if alias in names and len(target) == 1 and target["parent"] in data["icons"]:
            icons.setdefault(names[alias], target["parent"])
    return data, icons


def render(data, name, pixels=PIXELS):
    """One icon as an RGBA uint8 array, aspect kept, centred on transparent."""
    import resvg_py
    icon = data["icons"][name]
    width, height = icon.get("width", data.get("width", 16)), icon.get("height", data.get("height", 16))
    left, top = icon.get("left", data.get("left", 0)), icon.get("top", data.get("top", 0))
    side = max(width, height)
    box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
           f'viewBox="{box}" width="{pixels}" height="{pixels}">{icon["body"]}</svg>')
    png = resvg_py.svg_to_bytes(svg_string=svg)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def rasterise():
    """.cache/pictures.npz: pictures [n,P,P,4], concept [n], vendor [n]; .cache/concepts.json."""
    concepts = load_concepts()
    names, compact = name_tables(concepts)
    index = {concept["key"]: i for i, concept in enumerate(concepts)}
    pictures, concept_of, vendor_of = [], [], []
    for v, vendor in enumerate([*TRAIN_VENDORS, HELD_OUT]):
        data, icons = vendor_icons(vendor, names, compact, index.keys())
        failed = 0
        for key, name in sorted(icons.items()):
            try:
                picture = render(data, name)
            except Exception:
                failed += 1
                continue
            if picture[..., 3].max() == 0:
                failed += 1
                continue
            pictures.append(picture)
            concept_of.append(index[key])
            vendor_of.append(v)
        print(f"{vendor}: {len(icons) - failed} concepts of {len(data['icons'])} icons, {failed} not drawn")
    np.savez(CACHE / "pictures.npz", pictures=np.stack(pictures),
             concept=np.array(concept_of), vendor=np.array(vendor_of))
    (CACHE / "concepts.json").write_text(json.dumps(concepts))


def load_pictures():
    """(pictures, concept, vendor) arrays and the list of concepts."""
    with np.load(CACHE / "pictures.npz") as file:
        return file["pictures"], file["concept"], file["vendor"], json.loads((CACHE / "concepts.json").read_text())


def evaluation_concepts(concept, vendor, concepts):
    """Every concept drawn by the held-out vendor and by at least one training vendor, country flags left out
    (a single training vendor draws them)."""
    held = set(concept[vendor == len(TRAIN_VENDORS)])
    trained = set(concept[vendor < len(TRAIN_VENDORS)])
    return sorted(int(c) for c in held & trained if concepts[c]["group"] != FLAGS_GROUP)


def choose_200(concept, vendor, concepts):
    """200 common things fixed by seed: 60 animals, 60 foods, 80 objects/activities/vehicles. Common = names of one or
    two words, Emoji version at most 11, drawn by at least four training vendors; no two chosen names share a word."""
    counts = np.bincount(concept[vendor < len(TRAIN_VENDORS)], minlength=len(concepts))
    order = evaluation_concepts(concept, vendor, concepts)
    random.Random(SEED).shuffle(order)
    subgroups = read_package("emojibase-data", "meta/groups.json")["subgroups"]
    kind = {}
    for number, name in subgroups.items():
        if name.startswith("animal"):
            kind[int(number)] = "animal"
        elif name.startswith("food") or name in ("drink",):
            kind[int(number)] = "food"
        elif name in ("plant-flower", "transport-ground", "transport-water", "transport-air", "sport", "game", "clothing",
                      "music", "musical-instrument", "computer", "light-video", "book-paper", "tool", "household",
                      "phone", "office", "medical", "science", "sky-weather", "event", "arts-crafts", "lock", "time"):
            kind[int(number)] = "object"
    quota, used, chosen = {"animal": 60, "food": 60, "object": 80}, set(), []
    for c in order:
        words = re.findall(r"[a-z]+", concepts[c]["label"].lower())
        of = kind.get(concepts[c]["subgroup"])
        if (of and quota[of] and len(words) <= 2 and counts[c] >= 4 and concepts[c]["version"] <= 11
                and not used & set(words) and not re.search(r"\d|clock|thirty|button", concepts[c]["label"])):
            quota[of] -= 1
            used |= set(words)
            chosen.append(concepts[c]["label"])
    for of in quota:  # a short kind is filled up from the next
        print(of, "missing", quota[of])
    if sum(quota.values()):
        for c in order:
            words = set(re.findall(r"[a-z]+", concepts[c]["label"].lower()))
            if len(chosen) < 200 and kind.get(concepts[c]["subgroup"]) and len(words) <= 2 and counts[c] >= 3 \
                    and not used & words and not re.search(r"\d|clock|thirty|button", concepts[c]["label"]):
                used |= words
                chosen.append(concepts[c]["label"])
    return sorted(chosen)


if __name__ == "__main__":
    install_packages()
    rasterise()
    pictures, concept, vendor, concepts = load_pictures()
    print("evaluated names:", len(evaluation_concepts(concept, vendor, concepts)))
    chosen = choose_200(concept, vendor, concepts)
    print(len(chosen), "common names:", ", ".join(chosen))
    (HERE / "eval200.json").write_text(json.dumps(chosen, indent=1) + "\n")
