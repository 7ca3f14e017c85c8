"""Score the exported graphs on the held-out vendor, through the SDK's own path: 256 px PNG on white, Pillow bilinear
to 64, /255; 'a photo of a {}.' through both graphs in ONNX Runtime.

    python evaluate.py         # prints and writes eval.json
"""
import json

import numpy as np
from PIL import Image

from data import CACHE, FLAGS_GROUP, HELD_OUT, HERE, TRAIN_VENDORS, evaluation_concepts, load_concepts, name_tables, render, vendor_icons
from model import IMAGE_SIZE
from text import EVAL_TEMPLATE, NEUTRAL, tokenize

MODELS = {"fp32": CACHE, "w8": HERE.parents[1] / "packages/nano/models/clip"}


def pixel_values(pictures):
    """RGBA uint8 pictures -> float32 [n,3,64,64] exactly as the SDK prepares them."""
    out = []
    for picture in pictures:
        picture = Image.fromarray(picture)
        white = Image.new("RGBA", picture.size, "white")
        rgb = Image.alpha_composite(white, picture).convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.BILINEAR)
        out.append(np.asarray(rgb, np.float32).transpose(2, 0, 1) / 255)
    return np.stack(out)


def held_out_pictures(keys):
    """The held-out vendor's pictures at 256 px, cached."""
    path = CACHE / "held-out-256.npz"
    if not path.exists():
        concepts = load_concepts()
        data, icons = vendor_icons(HELD_OUT, *name_tables(concepts), {c["key"] for c in concepts})
        found = [key for key in sorted(icons)]
        np.savez_compressed(path, keys=np.array(found), pictures=np.stack([render(data, icons[k], 256) for k in found]))
    with np.load(path) as file:
        where = {key: i for i, key in enumerate(file["keys"].tolist())}
        return file["pictures"][[where[key] for key in keys]]


def embed(folder, dtype, pixels, texts):
    from export import session, unit
    vision, text = session(folder / f"vision.{dtype}.onnx"), session(folder / f"text.{dtype}.onnx")
    images = [vision.run(None, {"pixel_values": pixels[i:i + 64]})[0] for i in range(0, len(pixels), 64)]
    ids = np.asarray(tokenize(texts))
    words = [text.run(None, {"input_ids": ids[i:i + 64]})[0] for i in range(0, len(ids), 64)]
    return unit(np.concatenate(images)), unit(np.concatenate(words))


def accuracy(similarities, k=1):
    """Row i's right answer is column i."""
    own = np.diag(similarities)[:, None]
    return float(((similarities > own).sum(1) < k).mean())


def main():
    with np.load(CACHE / "pictures.npz") as file:
        concept, vendor = file["concept"], file["vendor"]
    concepts = json.loads((CACHE / "concepts.json").read_text())
    names = evaluation_concepts(concept, vendor, concepts)
    flags = sorted(int(c) for c in set(concept[vendor == len(TRAIN_VENDORS)]) & set(concept[vendor < len(TRAIN_VENDORS)])
                   if concepts[int(c)]["group"] == FLAGS_GROUP)
    labels = [concepts[c]["label"] for c in names]
    common = json.loads((HERE / "eval200.json").read_text())
    pixels = pixel_values(held_out_pictures([concepts[c]["key"] for c in [*names, *flags]]))
    groups = np.array([concepts[c]["group"] for c in names])
    group_names = json.loads((CACHE / "node_modules/emojibase-data/meta/groups.json").read_text())["groups"]
    results, n = {}, len(names)
    scale = json.loads((MODELS["w8"] / "mclip.json").read_text())["logitScale"]
    for dtype, folder in MODELS.items():
        every = [concepts[c]["label"] for c in [*names, *flags]]
        images, words = embed(folder, dtype, pixels, [EVAL_TEMPLATE.format(label) for label in every])
        bare = embed(folder, dtype, pixels[:1], labels)[1]
        null = embed(folder, dtype, pixels[:1], NEUTRAL)[1].mean(0)
        null /= np.linalg.norm(null)
        s = images[:n] @ words[:n].T
        pick = [labels.index(label) for label in common]
        small, small_bare = s[np.ix_(pick, pick)], images[pick] @ bare[pick].T
        right, neutral = np.diag(small), images[pick] @ null
        wrong = np.where(np.eye(len(pick), dtype=bool), -1, small)
        rng = np.random.RandomState(0)
        absent = np.mean([neutral[i] > small[i, rng.choice([j for j in range(len(pick)) if j != i], 10, replace=False)].max() for i in range(len(pick))])
        results[dtype] = {
            "names": n, "top1": accuracy(s), "top5": accuracy(s, 5), "top1_bare_name": accuracy(images[:n] @ bare.T),
            "common": len(pick), "common_top1": accuracy(small), "common_top5": accuracy(small, 5), "common_top1_bare_name": accuracy(small_bare),
            "with_flags": len(every), "with_flags_top1": accuracy(images @ words.T),
            "top1_by_group": {group_names[str(k)]: [int((groups == k).sum()), float(((s[groups == k] > np.diag(s)[groups == k][:, None]).sum(1) < 1).mean())]
                              for k in sorted(set(groups.tolist()))},
            "unknown": {"kept_when_label_is_present": float((right > neutral).mean()), "refused_when_it_is_not_among_10": float(absent)},
            "mean_cosine": {"right": float(right.mean()), "best_wrong": float(wrong.max(1).mean()), "neutral": float(neutral.mean())},
        }
        confidence = np.exp(scale * (small - small.max(1, keepdims=True)))
        results[dtype]["common_mean_top_score"] = float((confidence / confidence.sum(1, keepdims=True)).max(1).mean())
        if dtype == "fp32":  # the bare names are measured once
            del results[dtype]["top1_bare_name"], results[dtype]["common_top1_bare_name"]
        else:
            results[dtype]["common_mistakes"] = [f"{common[i]} -> {common[j]}" for i, j in enumerate(small.argmax(1)) if i != j]
    print(json.dumps(results, indent=1))
    (HERE / "eval.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
