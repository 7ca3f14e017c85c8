"""Captions of a FastVLM folder through @mclip/node against ONNX Runtime in Python on the same files: the same greedy tokens.

    python check_captions.py FOLDER [--vision w8] [--decoder q4 q8 ...] [--tokens 6]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from mclip_export import qwen2_prompt, qwen2_tokenizer_file
from mclip_export.onnx_session import make_session
from mclip_export.pictures import canary_pixels

HERE = Path(__file__).parent


def rows_of(folder, manifest, ids):
    """fp32 [1, length, hidden], from the file of fp16 rows."""
    table = np.memmap(folder / manifest["embedding"]["files"]["fp16"]["file"], "<f2", "r")
    return table.reshape(-1, manifest["decoder"]["hidden"])[ids][None].astype(np.float32)


def prompt(folder, manifest, vision):
    """Embeddings of the canary's conversation up to the answer."""
    size = manifest["canary"]["size"]
    pixels = np.ascontiguousarray(canary_pixels(size).transpose(2, 0, 1)[None] / 255, np.float32)
    session = make_session(folder / manifest["graphs"]["vision"]["files"][vision]["file"])
    [features] = session.run(None, {"pixel_values": pixels})
    tokenizer = qwen2_tokenizer_file.load((folder / "tokenizer.json").read_text())
    ids = np.array(qwen2_prompt.ids_of(tokenizer, manifest["canary"]["question"], features.shape[1]))
    embeds = rows_of(folder, manifest, ids)
    embeds[0, ids == tokenizer.token_to_id(qwen2_tokenizer_file.IMAGE)] = features[0]
    return embeds


def greedy(folder, manifest, decoder, embeds, count):
    session = make_session(folder / manifest["graphs"]["decoder"]["files"][decoder]["file"])
    feeds, ids, length = {}, [], embeds.shape[1]
    for value in session.get_inputs()[2:]:
        kind = np.float16 if "float16" in value.type else np.float32
        feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), kind)
    while True:
        outputs = session.run(None, {**feeds, "inputs_embeds": embeds, "attention_mask": np.ones((1, length), np.int64)})
        named = dict(zip([output.name for output in session.get_outputs()], outputs))
        ids.append(int(named.pop("logits")[0, 0].argmax()))
        if len(ids) == count:
            return ids
        feeds = {name.replace("present", "past_key_values"): value for name, value in named.items()}
        embeds, length = rows_of(folder, manifest, ids[-1:]), length + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vision", default="w8")
    parser.add_argument("--decoder", nargs="+", default=["q8", "q4"])
    parser.add_argument("--tokens", type=int, default=6)
    options = parser.parse_args()
    folder = options.folder.absolute()
    manifest = json.loads((folder / "mclip.json").read_text())
    embeds = prompt(folder, manifest, options.vision)
    wrong = []
    for decoder in options.decoder:
        expected = greedy(folder, manifest, decoder, embeds, options.tokens)
        command = ["node", str(HERE / "caption_canary.mjs"), str(folder), options.vision, decoder, str(options.tokens)]
        said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[-1])
        same = said["tokens"] == expected
        print(json.dumps({"name": manifest["name"], "vision": options.vision, "decoder": decoder, "same": same, **said}), flush=True)
        if not same:
            print(f"ONNX Runtime in Python says {expected}")
            wrong.append(decoder)
    sys.exit(f"other tokens: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
