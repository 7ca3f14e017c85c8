"""Checkpoint -> packages/nano/models/clip: two w8 graphs and mclip.json (fp32 graphs go to .cache for comparison).

    python export.py
"""
import base64
import hashlib
import json
import platform

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import nn

from data import CACHE, HERE, SEED, TRAIN_VENDORS, load_pictures
from graphs import quantise, text_graph, vision_graph
from model import DIM, IMAGE_SIZE, NanoClip, fold_batch_norms
from text import EVAL_TEMPLATE, SimpleTokenizer, pad, tokenize

OUT = HERE.parents[1] / "packages/nano/models/clip"
CANARY_TEXT = "a photo of a cat."
NOTICE = ("Weights trained by the mclip project (tools/nano, MIT) on pictures of Noto Emoji (Google, Apache-2.0), Noto Emoji v1 (Google, "
          "Apache-2.0), Fluent Emoji and Fluent Emoji Flat (Microsoft, MIT), FxEmojis (Mozilla, Apache-2.0) and EmojiOne 2 (Emoji One, "
          "CC-BY 4.0), with names and keywords of Unicode CLDR through emojibase-data (MIT; CLDR under Unicode-3.0). No picture is contained in the files.")


def load_model(path=CACHE / "nano.pt"):
    """The trained model, its text tower finished (finish_text.py), with batch norms folded."""
    weights = torch.load(path, weights_only=True)["training"]
    model = NanoClip(len(weights["prototypes"])).eval()
    model.load_state_dict(weights)
    if (CACHE / "nano-text.pt").exists():
        model.text.load_state_dict(torch.load(CACHE / "nano-text.pt", weights_only=True)["text"])
    model.vision = fold_batch_norms(model.vision).to(memory_format=torch.contiguous_format)
    return model.requires_grad_(False)


@torch.no_grad()
def dequantised(model):
    """A copy holding exactly the values that the w8 graphs unfold to."""
    import copy
    model = copy.deepcopy(model)
    for part in [*model.vision.modules(), *model.text.modules()]:
        if isinstance(part, (nn.Conv2d, nn.Linear, nn.Embedding)):
            integers, scale = quantise(part.weight.numpy(), 0)
            part.weight.copy_(torch.from_numpy(integers.astype(np.float32) * scale))
    return model


def pattern_1(size):
    """The canary picture: integers only, RGB bytes [size,size,3]."""
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    return (((x * x * (c + 1) + y * y * (3 - c) + x * y * 2) >> 3) & 255).astype(np.uint8)


def to_base64(vector):
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def validation(model, concepts):
    """Unit vectors of the pictures kept out of a training vendor, and of all names; which name is right. No null class yet."""
    from evaluate import pixel_values
    from train import validation_rows
    pictures, concept, vendor, _ = load_pictures()
    rows = validation_rows(concept, vendor, concepts)
    images = model.image(torch.from_numpy(pixel_values(pictures[rows])))
    named = sorted(set(concept[vendor < len(TRAIN_VENDORS)].tolist()))
    tokens = SimpleTokenizer()
    ids = pad([tokens.encode(EVAL_TEMPLATE.format(concepts[c]["label"])) for c in named])  # cut short: positions after EOT are masked
    words = torch.cat([model.words(part) for part in ids.split(128)])
    return images, words, torch.tensor([named.index(c) for c in concept[rows]])


def fit_null(cosines, truth, offered=10):
    """The null component that best parts pictures whose name is offered from those whose name is not: among `offered` names, by
    the mean of the two shares that are told rightly."""
    rng = np.random.RandomState(SEED)
    right, wrong = [], []
    for picture, name in enumerate(truth.tolist()):
        for _ in range(20):
            others = rng.choice([c for c in range(cosines.shape[1]) if c != name], offered, replace=False)
            wrong.append(cosines[picture, others].max().item())
            right.append(max(cosines[picture, name].item(), cosines[picture, others[1:]].max().item()))
    nulls = np.arange(0.02, 0.9, 0.01)
    def told(null):
        names = (1 - null * null) ** 0.5
        return (np.mean(np.array(right) * names > null) + np.mean(np.array(wrong) * names < null)) / 2
    shares = [told(null) for null in nulls]
    null = float(nulls[int(np.argmax(shares))])
    print(f"null component {null:.2f}: {max(shares):.3f} of both told rightly on the validation slice")
    return round(null, 2)


def fit_scale(cosines, truth, learned):
    """The logit scale that makes softmax probabilities honest (least cross-entropy)."""
    scales = np.arange(5, 100.5, 0.5)
    losses = [F.cross_entropy(cosines * s, truth).item() for s in scales]
    best = scales[np.argmin(losses)]
    print(f"validation top-1 {(cosines.argmax(1) == truth).float().mean():.3f}, learned scale {learned:.2f}, fitted {best}")
    return float(best)


@torch.no_grad()
def main():
    torch.set_num_threads(2)
    OUT.mkdir(parents=True, exist_ok=True)
    model = load_model()
    rounded = dequantised(model)
    concepts = json.loads((CACHE / "concepts.json").read_text())
    images, words, truth = validation(rounded, concepts)
    cosines = images @ words.T
    null = fit_null(cosines, truth)
    scale = fit_scale(cosines * (1 - null * null) ** 0.5, truth, model.logit_scale.exp())
    for w8, folder in ((False, CACHE), (True, OUT)):
        dtype = "w8" if w8 else "fp32"
        onnx.save(vision_graph(model.vision, w8, null), folder / f"vision.{dtype}.onnx")
        onnx.save(text_graph(model.text, w8), folder / f"text.{dtype}.onnx")

    # ONNX Runtime against PyTorch on the same (de-quantised) weights, and w8 against fp32
    texts = [CANARY_TEXT, *(EVAL_TEMPLATE.format(c["label"]) for c in concepts[::24])]
    ids = np.asarray(tokenize(texts))
    canary = (pattern_1(IMAGE_SIZE).transpose(2, 0, 1)[None] / 255).astype(np.float32)
    pictures, _, vendor, _ = load_pictures()
    from evaluate import pixel_values
    pixels = np.concatenate([canary, pixel_values(pictures[vendor < len(TRAIN_VENDORS)][::80])])
    def run(folder, dtype):
        return (unit(session(folder / f"vision.{dtype}.onnx").run(["image_embeds"], {"pixel_values": pixels})[0]),
                unit(session(folder / f"text.{dtype}.onnx").run(["text_embeds"], {"input_ids": ids})[0]))
    w8, fp32 = run(OUT, "w8"), run(CACHE, "fp32")
    torch_w8 = (rounded.image(torch.from_numpy(pixels), null).numpy(), rounded.words(torch.from_numpy(ids)).numpy())
    for name, a, b, c in zip(("vision", "text"), w8, fp32, torch_w8):
        cosine = (a * b).sum(1)
        print(f"{name}: w8 against fp32 cosine min {cosine.min():.5f} mean {cosine.mean():.5f}; onnxruntime against torch max {np.abs(a - c).max():.1e}")
        assert np.abs(a - c).max() < 1e-5, name

    def entry(name):
        data = (OUT / name).read_bytes()
        return {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "mclip": 1, "task": "clip", "name": "nano-clip", "dim": DIM,
        "licence": {"id": "MIT", "notice": NOTICE},
        "source": {"trainedBy": "tools/nano", "seed": SEED,
                   "tools": {"python": platform.python_version(), "torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": ort.__version__},
                   "data": json.loads((HERE / "package-versions.json").read_text())},
        "image": {"size": IMAGE_SIZE, "fit": "crop", "interpolation": "bilinear", "mean": [0, 0, 0], "std": [1, 1, 1]},
        "text": {"tokenizer": "clip", "contextLength": 77, "padId": 0},
        "logitScale": scale, "scores": "softmax",
        "graphs": {
            "vision": {"input": "pixel_values", "output": "image_embeds", "files": {"w8": entry("vision.w8.onnx")}},
            "text": {"input": "input_ids", "output": "text_embeds", "files": {"w8": entry("text.w8.onnx")}},
        },
        "canary": {"pattern": 1, "vision": to_base64(torch_w8[0][0]), "text": {"inputText": CANARY_TEXT, "embedding": to_base64(torch_w8[1][0])}},
    }
    (OUT / "mclip.json").write_text(json.dumps(manifest, indent=2) + "\n")
    sizes = [f["files"]["w8"]["bytes"] for f in manifest["graphs"].values()]
    print("bytes:", sizes, "together", sum(sizes))
    assert sum(sizes) <= 8_000_000


if __name__ == "__main__":
    main()
