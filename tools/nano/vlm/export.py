"""Checkpoint -> packages/nano/models/vlm: two w8 graphs, the embedding table and mclip.json (fp32 graphs go to .cache/vlm).

    python -m vlm.export
"""
import argparse
import copy
import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import tokenizers
import torch
from torch import nn

from data import CACHE, HERE, SEED
from export import NOTICE, pattern_1
from graphs import quantise
from vlm.canary import canary
from vlm.decoder import CONTEXT, HEAD_DIM, HIDDEN, KV_HEADS, LAYERS
from vlm.graphs import decoder_graph, vision_graph
from vlm.greedy import greedy
from vlm.nano_vlm import CHECKPOINT, load_vlm
from vlm.onnx_vlm import OnnxVlm
from vlm.pictures import SIZE
from vlm.prompt import Prompt
from vlm.questions import DEFAULT_PROMPT, SYSTEM
from vlm.tokenizer import OUT, load as load_tokenizer

MAX_BYTES = 8_000_000
TABLE = "embed_tokens.fp16.bin"


def round_(weight):
    integers, scale = quantise(weight.numpy(), 0)
    return torch.from_numpy(integers.astype(np.float32) * scale)


class Dequantised(nn.Module):
    """Exactly the numbers that the shipped files unfold to: int8 weights, and two copies of the embedding table, fp16 for
    looking up and int8 as output projection."""

    def __init__(self, model):
        super().__init__()
        model = copy.deepcopy(model)
        for part in model.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                part.weight.copy_(round_(part.weight))
        rows = model.decoder.embedding.weight.clone()
        model.decoder.embedding.weight.copy_(rows.half().float())
        head = round_(rows)
        model.decoder.logits = lambda hidden: hidden @ head.T
        self.vision, self.decoder = model.vision, model.decoder


def entry(name):
    data = (OUT / name).read_bytes()
    return {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@torch.no_grad()
def main():
    options = argparse.ArgumentParser()
    options.add_argument("--checkpoint", default=str(CHECKPOINT))
    options = options.parse_args()
    torch.set_num_threads(2)
    OUT.mkdir(parents=True, exist_ok=True)
    model = load_vlm(options.checkpoint)
    rounded = Dequantised(model)
    for w8, folder in ((False, CACHE / "vlm"), (True, OUT)):
        dtype = "w8" if w8 else "fp32"
        onnx.save(vision_graph(model.vision, w8), folder / f"vision_encoder.{dtype}.onnx")
        onnx.save(decoder_graph(model.decoder, w8), folder / f"decoder_model_merged.{dtype}.onnx")
    model.decoder.embedding.weight.numpy().astype("<f2").tofile(OUT / TABLE)

    # ONNX Runtime against PyTorch on the same numbers: features and a greedy answer
    tokenizer = load_tokenizer()
    pixels = (pattern_1(SIZE).transpose(2, 0, 1)[None] / 255).astype(np.float32)
    shipped = OnnxVlm(OUT, "w8", tokenizer)
    features = rounded.vision(torch.from_numpy(pixels)).numpy()
    difference = np.abs(shipped.features(pixels) - features).max()
    prompt = Prompt(tokenizer)
    theirs = greedy(rounded, prompt, rounded.vision.map(torch.from_numpy(pixels)), DEFAULT_PROMPT)[0].text
    answer = shipped.answer(pixels, prompt.full(DEFAULT_PROMPT))
    print(f"features: onnxruntime against torch {difference:.1e}; answers {theirs!r} and {answer!r}")
    assert difference < 1e-4 and theirs == answer

    graphs = {
        "vision": {"input": "pixel_values", "output": "image_features", "files": {"w8": entry("vision_encoder.w8.onnx")}},
        "decoder": {"files": {"w8": entry("decoder_model_merged.w8.onnx")}},
    }
    vocabulary = entry("tokenizer.json")
    manifest = {
        "mclip": 1, "task": "vlm", "name": "nano-vlm",
        "licence": {"id": "MIT", "notice": NOTICE},
        "source": {"trainedBy": "tools/nano/vlm", "seed": SEED,
                   "tools": {"python": platform.python_version(), "torch": torch.__version__, "tokenizers": tokenizers.__version__,
                             "onnx": onnx.__version__, "onnxruntime": ort.__version__},
                   "data": json.loads((HERE / "package-versions.json").read_text())},
        "image": {"size": SIZE, "sizes": [SIZE], "patch": 16, "fit": "pad", "interpolation": "bicubic", "mean": [0, 0, 0], "std": [1, 1, 1]},
        "text": {"tokenizer": {"file": vocabulary["file"], "sha256": vocabulary["sha256"]}},
        "prompt": {"format": "qwen2", "system": SYSTEM, "image": "<image>", "stop": ["<|im_end|>", "<|endoftext|>"]},
        "decoder": {"hidden": HIDDEN, "layers": LAYERS, "kvHeads": KV_HEADS, "headDim": HEAD_DIM, "contextLength": CONTEXT,
                    "logits": "last"},
        "embedding": {"rows": len(model.decoder.embedding.weight), "files": {"fp16": entry(TABLE)}},
        "graphs": graphs,
        "canary": canary(rounded, tokenizer),
    }
    (OUT / "mclip.json").write_text(json.dumps(manifest, indent=2) + "\n")
    sizes = {p.name: p.stat().st_size for p in sorted(Path(OUT).iterdir()) if p.suffix in (".onnx", ".bin", ".json")}
    print(sizes, "together", sum(sizes.values()))
    assert sum(sizes.values()) <= MAX_BYTES


if __name__ == "__main__":
    main()
