"""Exports a FastVLM at real size from checkpoint folders of both layouts, and proves the result.

    python prove_vlm_checkpoints.py [--model fastvlm-0.5b] [--layout apple transformers] [--folder DIR]

Random weights (seed 5) are written as a checkpoint folder, exported with --checkpoint and verified with it, which proves the
files against the network that was loaded. That this is the network that was written is seen from its outputs on a picture.
"""

import argparse
import gc
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from mclip_export import qwen2_tokenizer_file
from mclip_export.architectures import VLMS
from mclip_export.onnx_session import make_session
from mclip_export.pictures import calibration_crops
from mclip_export.random_weights import random_network, unmerged_network
from mclip_export.vlm_source import tokenizer_of
from vlm_layouts import LAYOUTS, write_checkpoint

HERE = Path(__file__).parent
SEED, BOUND = 5, 1e-4


@torch.no_grad()
def write(vlm, layout, folder: Path, pixels):
    """What the network says: features of the picture, logits after a few tokens."""
    tokenizer = tokenizer_of(vlm)
    image_id = qwen2_tokenizer_file.load(tokenizer).token_to_id(qwen2_tokenizer_file.IMAGE)
    network = (unmerged_network if layout == "apple" else random_network)(vlm, SEED, image_id)
    write_checkpoint(network, tokenizer, layout, folder)
    embeds = network.embeddings[torch.tensor([[3, 1, 4, 1, 5]])].clone()
    return network.vision(torch.from_numpy(pixels)).numpy(), embeds.numpy(), network.language(inputs_embeds=embeds).logits[:, -1:].numpy()


def difference(got, expected):
    return float(np.abs(got - expected).max() / np.linalg.norm(expected, axis=-1).max())


def prove(vlm, layout, folder: Path):
    checkpoint, out = folder / f"{vlm.name}-{layout}", folder / f"{vlm.name}-from-{layout}"
    size = vlm.sizes[0]
    pixels = np.ascontiguousarray(calibration_crops(size, 2, seed=3).transpose(0, 3, 1, 2) / 255, np.float32)
    features, embeds, logits = write(vlm, layout, checkpoint, pixels)
    gc.collect()
    tool = [sys.executable, "-W", "ignore", "-m", "mclip_export"]
    given = ["--checkpoint", str(checkpoint)]
    subprocess.run([*tool, "vlm", "--model", vlm.name, *given, "--out", str(out), "--dtype", "fp32,w8,q8"], cwd=HERE, check=True)
    verified = subprocess.run([*tool, "verify", str(out), *given], cwd=HERE).returncode == 0  # it says what is not
    vision, decoder = (make_session(out / f"{name}.onnx") for name in ("vision_encoder", "decoder_model_merged"))
    empty = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in decoder.get_inputs()[2:]}
    found = decoder.run(["logits"], {"inputs_embeds": embeds, "attention_mask": np.ones(embeds.shape[:2], np.int64), **empty})[0]
    differences = {
        "features": difference(vision.run(None, {"pixel_values": pixels})[0], features),
        "logits": difference(found, logits),
    }
    print(json.dumps({"model": vlm.name, "layout": layout, **differences}), flush=True)
    for written in (checkpoint, out):
        shutil.rmtree(written)
    return verified and max(differences.values()) <= BOUND


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fastvlm-0.5b", choices=list(VLMS))
    parser.add_argument("--layout", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS))
    parser.add_argument("--folder", type=Path, default=HERE / "out")
    options = parser.parse_args()
    failed = [layout for layout in options.layout if not prove(VLMS[options.model], layout, options.folder.absolute())]
    sys.exit(f"not proven: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
