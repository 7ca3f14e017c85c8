"""Golden answers for the SDK's tests: greedy tokens of five held-out pictures x three prompts, by PyTorch on the de-quantised
numbers of the shipped files. The pictures are in it as RGB bytes at 64 x 64, already prepared.

    python -m vlm.fixture            # writes packages/node/test/fixtures/nano-vlm-greedy.json
"""
import base64
import json

import numpy as np
import onnxruntime as ort
import torch

from data import CACHE, HELD_OUT, HERE
from evaluate import held_out_pictures
from vlm.export import Dequantised, entry
from vlm.greedy import greedy
from vlm.nano_vlm import load_vlm
from vlm.onnx_vlm import OnnxVlm
from vlm.pictures import SIZE, prepared
from vlm.prompt import Prompt
from vlm.questions import DEFAULT_PROMPT
from vlm.tokenizer import OUT, load as load_tokenizer

FILE = HERE.parents[1] / "packages/node/test/fixtures/nano-vlm-greedy.json"
PICTURES = ["dog face", "pizza", "rocket", "strawberry", "owl"]      # chosen before any result was seen
PROMPTS = [DEFAULT_PROMPT, "What color is it?", "Is this an animal?"]
LIMIT = 24


def main():
    torch.set_num_threads(1)
    model = Dequantised(load_vlm()).eval().requires_grad_(False)
    tokenizer = load_tokenizer()
    prompt, shipped = Prompt(tokenizer), OnnxVlm(OUT, "w8", tokenizer)
    concepts = json.loads((CACHE / "concepts.json").read_text())
    keys = {c["label"]: c["key"] for c in concepts}
    pictures, cases = [], []
    for picture, label in zip(held_out_pictures([keys[label] for label in PICTURES]), PICTURES):
        rgb = prepared(picture)
        pictures.append({"label": label, "rgb": base64.b64encode(rgb.tobytes()).decode()})
        pixels = (rgb.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
        for question in PROMPTS:
            answer = greedy(model, prompt, model.vision.map(torch.from_numpy(pixels)), question, LIMIT)[0]
            assert shipped.generate(shipped.features(pixels), [prompt.full(question)], LIMIT)[0] == answer.ids, (label, question)
            cases.append({"picture": label, "prompt": question, "promptIds": prompt.full(question), "ids": answer.ids, "text": answer.text,
                          "smallestLead": round(answer.smallest_lead, 4), "firstLogits": [round(v, 5) for v in answer.first_logits[:8].tolist()]})
            print(f"{label} | {question} -> {answer.text} (lead {answer.smallest_lead:.3f})")
    FILE.parent.mkdir(parents=True, exist_ok=True)
    files = ("vision_encoder.w8.onnx", "decoder_model_merged.w8.onnx", "embed_tokens.fp16.bin", "tokenizer.json")
    FILE.write_text(json.dumps({
        "about": "Greedy answers of nano-vlm by PyTorch on the numbers that the w8 files unfold to (tools/nano/vlm/fixture.py). `ids` are the new "
                 "tokens without <|im_end|>; `smallestLead` is the least distance between the best and the second logit on the way; "
                 "`firstLogits` are the first eight of those after the prompt.",
        "pixels": f"`rgb`: base64 of {SIZE}x{SIZE} RGB bytes, row by row, to be divided by 255: a 256 px {HELD_OUT} picture on white, "
                  "resized with Pillow's bicubic filter.",
        "tools": {"torch": torch.__version__, "onnxruntime": ort.__version__},
        "files": {name: entry(name)["sha256"] for name in files},
        "size": SIZE, "maxNewTokens": LIMIT, "pictures": pictures, "cases": cases,
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
