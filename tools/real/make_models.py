"""Makes the real-architecture test models and what PyTorch says about them.

    python tools/real/make_models.py [--models MobileCLIP2-S0 MobileCLIP-S0 MobileCLIP-B] [--seed 0]

Writes tools/real/models/images/*, and per model a folder with graphs, mclip.json and reference.json; see README.md.
"""

import argparse
import copy
import gc
import hashlib
import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import open_clip
import torch

import graphs
import networks
import pictures
import reference

HERE = Path(__file__).parent
MODELS = HERE / "models"
PACKAGES = ["torch", "torchvision", "open_clip_torch", "timm", "onnx", "onnxruntime", "numpy", "pillow"]
ORT_BOUND = 1e-5  # PyTorch against ONNX Runtime, unit vectors
SPREAD_BOUND = 0.9  # no two test inputs may be closer than this


def versions():
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def sources_sha256():
    """Fingerprint of everything that decides what is made; setup.mjs computes the same."""
    digest = hashlib.sha256()
    for file in sorted([*HERE.glob("*.py"), HERE / "requirements.txt"], key=lambda file: file.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def file_entry(file: Path):
    return {"file": file.name, "bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def milliseconds(session, value, runs=5):
    session(value)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        session(value)
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[runs // 2]


def make(name, seed, described):
    """One model folder; returns the rows of the printed table."""
    variant = networks.VARIANTS[name]
    folder = MODELS / variant.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reference.json").unlink(missing_ok=True)  # an interrupted run must not look complete
    config = networks.preprocessing(variant)

    model = networks.build(variant, seed)
    inputs = reference.Inputs(config, open_clip.get_tokenizer(variant.architecture), MODELS / "images", described)
    body, images, texts = reference.make_reference(model, config, inputs)
    expected = {("vision", "fp32"): images, ("text", "fp32"): texts}
    canary = {
        "pattern": 1,
        "vision": reference.encode(reference.embed_images(model, inputs.canary_pixels)[0]),
        "text": {
            "inputText": reference.CANARY_TEXT,
            "embedding": reference.encode(reference.embed_texts(model, inputs.canary_ids)[0]),
        },
    }

    files = {tower: {"fp32": folder / f"{tower}.fp32.onnx"} for tower in ("vision", "text")}
    graphs.export(networks.VisionTower(model), inputs.pixels[:2], "pixel_values", "image_embeds", files["vision"]["fp32"])
    graphs.export(networks.TextTower(model), inputs.ids[:2], "input_ids", "text_embeds", files["text"]["fp32"])
    if variant.w8:
        rounded = copy.deepcopy(model)
        graphs.round_weights(rounded)
        expected["vision", "w8"] = reference.embed_images(rounded, inputs.pixels)
        expected["text", "w8"] = reference.embed_texts(rounded, inputs.ids)
        for tower in files:
            files[tower]["w8"] = folder / f"{tower}.w8.onnx"
            graphs.write_w8(files[tower]["fp32"], files[tower]["w8"])
        body["w8"] = {
            "images": {p["name"]: reference.encode(e) for p, e in zip(described, expected["vision", "w8"])},
            "texts": [reference.encode(e) for e in expected["text", "w8"]],
        }
        del rounded
    dim = images.shape[1]
    del model
    gc.collect()

    feeds = {"vision": inputs.pixels.numpy(), "text": inputs.ids.numpy()}
    rows = []
    for tower, dtypes in files.items():
        for dtype, file in dtypes.items():
            session = graphs.Session(file)
            feed, right = feeds[tower], expected[tower, dtype]
            one_by_one = unit(np.concatenate([session(feed[i : i + 1]) for i in range(len(feed))]))
            batch = unit(session(feed[:3]))
            rows.append({
                "model": variant.folder,
                "graph": f"{tower}.{dtype}",
                "MB": file.stat().st_size / 1e6,
                "ms": milliseconds(session, feed[:1]),
                "largest cosine": reference.largest_cosine(right[: len(body["images"])] if tower == "vision" else right),
                "ORT - PyTorch": float(max(np.abs(one_by_one - right).max(), np.abs(batch - right[:3]).max())),
                "least cosine to fp32": float((right * expected[tower, "fp32"]).sum(1).min()),
            })
            del session

    manifest = {
        "mclip": 1,
        "task": "clip",
        "name": f"{variant.folder}-random",
        "dim": dim,
        "licence": {"id": "MIT", "notice": "random weights, for tests"},
        "source": {"architecture": name, "seed": seed, "tools": versions()},
        "image": {
            "size": config["size"],
            "fit": "crop",
            "interpolation": config["interpolation"],
            "mean": list(config["mean"]),
            "std": list(config["std"]),
        },
        "text": {"tokenizer": "clip", "contextLength": 77, "padId": 0},
        "logitScale": 100.0,
        "scores": "softmax",
        "graphs": {
            tower: {
                "input": {"vision": "pixel_values", "text": "input_ids"}[tower],
                "output": {"vision": "image_embeds", "text": "text_embeds"}[tower],
                "files": {dtype: file_entry(file) for dtype, file in dtypes.items()},
            }
            for tower, dtypes in files.items()
        },
        "canary": canary,
    }
    head = {
        "reference": 1,
        "name": manifest["name"],
        "architecture": name,
        "seed": seed,
        "versions": versions(),
        "dim": dim,
        "bound": 1e-4,
        "causalText": name.endswith("-B"),
    }
    (folder / "mclip.json").write_text(json.dumps(manifest, indent=2) + "\n")
    (folder / "reference.json").write_text(json.dumps(head | body, indent=1, ensure_ascii=False) + "\n")
    print_mutations(variant.folder, body["mutations"])
    return rows


def print_mutations(folder, mutations):
    print(f"\n{folder}: what a mistake does to an embedding (largest absolute difference; the bound is 1e-4)")
    for kind in dict.fromkeys(one["kind"] for one in mutations):
        diffs = [one["maxAbsDiff"] for one in mutations if one["kind"] == kind]
        felt = [diff for diff in diffs if diff > 1e-3]
        print(f"  {kind:14} {len(felt):2} of {len(diffs):2} inputs by {min(felt, default=0):.1e} ... {max(felt, default=0):.1e}", end="")
        print(f"; the others at most {max((diff for diff in diffs if diff <= 1e-3), default=0):.0e}")


def print_table(rows):
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(value if isinstance(value, str) else f"{value:.3g}" for value in row.values()))


def check(rows):
    """Ends the program if a graph is not what PyTorch computes, or if test inputs are too alike to test anything."""
    for row in rows:
        for what, bound in (("ORT - PyTorch", ORT_BOUND), ("largest cosine", SPREAD_BOUND)):
            if row[what] > bound:
                sys.exit(f"{row['model']} {row['graph']}: {what} is {row[what]:.3g}, more than {bound}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=networks.DEFAULTS, choices=list(networks.VARIANTS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.time()
    stamp = MODELS / "stamp.json"
    fingerprint = sources_sha256()
    made = json.loads(stamp.read_text()) if stamp.exists() else {}
    done = set(made["models"]) if made.get("sources") == fingerprint else set()

    described = pictures.write_pictures(MODELS / "images")
    print(f"pictures: {time.time() - start:.0f} s", flush=True)
    for name in options.models:
        began = time.time()
        rows = make(name, options.seed, described)
        print_table(rows)
        check(rows)
        done.add(name)
        stamp.write_text(json.dumps({"sources": fingerprint, "models": sorted(done)}) + "\n")
        print(f"{name}: within bounds, {time.time() - began:.0f} s", flush=True)
    print(f"\nall within bounds, {time.time() - start:.0f} s; {', '.join(f'{k} {v}' for k, v in versions().items())}")


if __name__ == "__main__":
    main()
