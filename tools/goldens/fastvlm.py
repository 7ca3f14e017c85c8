"""What transformers says about a FastVLM with seeded random weights: prompt ids, pixels, first logits, greedy tokens.

    tools/.venv/bin/python tools/goldens/fastvlm.py                                   # the committed fixture of `tiny`
    tools/.venv/bin/python tools/goldens/fastvlm.py --model fastvlm-0.5b --out tools/real/models/fastvlm-0.5b/reference.json

The network is drawn by tools/export from the seed, as the model folder was, and its weights are copied into transformers'
FastVlmForConditionalGeneration, whose `generate` gives the tokens. Pixels: `pad` is LLaVA's expand2square before
CLIPImageProcessor, `crop` is CLIPImageProcessor alone. Prompts are tokenized as LLaVA does, piece by piece around <image>.
Pictures are those of pictures.py; packages/core/test/image/picture.ts makes the same bytes.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import FastVlmConfig, FastVlmForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pictures import picture, sha

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/export"))
from mclip_export import qwen2_tokenizer_file  # noqa: E402
from mclip_export.architectures import VLMS  # noqa: E402
from mclip_export.fastvlm_network import qwen2_config  # noqa: E402
from mclip_export.random_weights import random_network  # noqa: E402

PICTURES = [("noise", 1, 300, 200), ("blocks", 2, 170, 260), ("smooth", 3, 256, 256), ("extreme", 4, 65, 33), ("checker", 5, 90, 140)]
QUESTIONS = ["Describe the image in one sentence.", "Is there a dog? Answer yes or no."]
SYSTEM = "You are a helpful assistant."
TOKENS = 32
LOGITS = 8  # the largest of the first step, by id
PACKAGES = ["torch", "transformers", "timm", "tokenizers", "pillow", "numpy"]


def reference_model(network, image_id, size):
    """transformers' own class with the weights of `network`."""
    vlm = network.vlm
    vision = {
        "model_type": "timm_wrapper", "architecture": "fastvit_mci3", "do_pooling": True, "global_pool": "avg",
        "hidden_size": network.vision.trunk.num_features, "model_args": {"inference_mode": True, **vlm.vision_arguments},
    }  # fmt: skip
    config = FastVlmConfig(
        vision_config=vision, text_config=qwen2_config(vlm).to_dict(), image_token_index=image_id,
        image_seq_length=(size // vlm.patch) ** 2,
    )  # fmt: skip
    model = FastVlmForConditionalGeneration(config).eval()
    first, _, second = network.vision.projector
    state = {f"model.language_model.{k.removeprefix('model.')}": v for k, v in network.language.model.state_dict().items()}
    state |= {f"model.vision_tower.timm_model.{k}": v for k, v in network.vision.trunk.state_dict().items()}
    state |= {f"model.multi_modal_projector.linear_1.{k}": v for k, v in first.state_dict().items()}
    state |= {f"model.multi_modal_projector.linear_2.{k}": v for k, v in second.state_dict().items()}
    state["lm_head.weight"] = network.language.lm_head.weight
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return model


def expand_to_square(image):
    """LLaVA's, with the mean colour of FastVLM, which is black."""
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), (0, 0, 0))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def pixel_values(image, fit, size):
    """float32 [1, 3, size, size]"""
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, image_mean=[0, 0, 0], image_std=[1, 1, 1]
    )
    return processor(expand_to_square(image) if fit == "pad" else image, return_tensors="pt").pixel_values


def first_ids(tokenizer, question, image_id, image_tokens):
    """Ids of the prompt up to the answer."""
    text = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<image>\n{question}<|im_end|>\n<|im_start|>assistant\n"
    before, after = (tokenizer.encode(piece).ids for piece in text.split("<image>"))
    return before + [image_id] * image_tokens + after


def later_ids(tokenizer, question):
    """What follows the ids of an answer that did not end itself, up to the next answer."""
    return tokenizer.encode(f"<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids


class Reference:
    def __init__(self, vlm, seed, tokenizer_json):
        self.vlm = vlm
        self.tokenizer = qwen2_tokenizer_file.load(tokenizer_json)
        self.image_id = self.tokenizer.token_to_id("<image>")
        self.stop_ids = [self.tokenizer.token_to_id(token) for token in qwen2_tokenizer_file.STOP]
        self.model = reference_model(random_network(vlm, seed, self.image_id), self.image_id, vlm.size)

    def whole_ids(self, case):
        """The ids of a case, with <image> as often as the picture has tokens."""
        tokens = (case["size"] // self.vlm.patch) ** 2
        return [i for token in case["ids"] for i in [token] * (tokens if token == self.image_id else 1)]

    @torch.no_grad()
    def case(self, index, fit, size, question, followed=None):
        """`followed`: an earlier case with the same picture, whose conversation this question goes on with."""
        kind, seed, width, height = PICTURES[index]
        pixels = pixel_values(Image.fromarray(picture(kind, width, height, seed), "RGB"), fit, size)
        tokens = (size // self.vlm.patch) ** 2
        if followed is None:
            ids = first_ids(self.tokenizer, question, self.image_id, tokens)
        else:
            ids = self.whole_ids(followed) + followed["answer"] + later_ids(self.tokenizer, question)
        inputs = {"input_ids": torch.tensor([ids]), "pixel_values": pixels, "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        features = self.model.get_image_features(pixel_values=pixels).pooler_output[0]
        generated = self.model.generate(
            **inputs, max_new_tokens=TOKENS, do_sample=False, eos_token_id=self.stop_ids, pad_token_id=self.stop_ids[0],
            return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
        answer = generated.sequences[0, len(ids) :].tolist()
        first = generated.logits[0][0].numpy()
        best = np.argsort(-first, kind="stable")[:LOGITS]
        steps = np.stack([step[0].numpy() for step in generated.logits])
        ranked = np.sort(steps, axis=1)
        text = [token for token in answer if token not in self.stop_ids]
        return {
            "picture": index,
            "fit": fit,
            "size": size,
            **({} if followed is None else {"after": followed["question"]}),
            "question": question,
            "pixelsSha256": sha(pixels.numpy().tobytes()),
            "features": [round(float(v), 5) for v in (features[0, 0], features[-1, -1], features.mean(), features.std())],
            "ids": ids[: ids.index(self.image_id)] + [self.image_id] + ids[ids.index(self.image_id) + tokens :],
            "logits": {int(i): round(float(first[i]), 5) for i in best},
            "answer": answer,
            "text": self.tokenizer.decode(text, skip_special_tokens=False),
            "margin": round(float((ranked[:, -1] - ranked[:, -2]).min()), 5),
        }, features


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tiny", choices=list(VLMS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="+", help="default: all the model has")
    parser.add_argument("--out", type=Path, default=ROOT / "packages/node/test/fixtures/tiny-vlm-reference.json")
    options = parser.parse_args()
    vlm = VLMS[options.model]
    tokenizer = qwen2_tokenizer_file.tiny_tokenizer() if vlm.tokenizer == "tiny" else qwen2_tokenizer_file.qwen2_tokenizer(ROOT / ".cache/qwen2")
    reference = Reference(vlm, options.seed, tokenizer)

    sizes = options.sizes or vlm.sizes
    cases, features = [], []
    for index in range(len(PICTURES)):
        for question in QUESTIONS:
            case, seen = reference.case(index, "pad", max(sizes), question)
            cases.append(case)
        features.append(seen.mean(0))
    for index, fit, size in [(0, "crop", max(sizes)), (1, "crop", min(sizes)), (3, "pad", min(sizes))]:
        cases.append(reference.case(index, fit, size, QUESTIONS[0])[0])
    followed = next(case for case in cases if len(case["answer"]) == TOKENS)
    cases.append(reference.case(*(followed[key] for key in ("picture", "fit", "size")), QUESTIONS[1], followed)[0])
    unit = torch.nn.functional.normalize(torch.stack(features), dim=1)
    cosines = (unit @ unit.T)[~torch.eye(len(unit), dtype=torch.bool)]
    answers = [tuple(case["answer"]) for case in cases[: 2 * len(PICTURES)]]
    fixture = {
        "versions": {name: version(name) for name in PACKAGES},
        "model": vlm.name,
        "seed": options.seed,
        "system": SYSTEM,
        "imageId": reference.image_id,
        "stopIds": reference.stop_ids,
        "pictures": [{"kind": k, "seed": s, "width": w, "height": h} for k, s, w, h in PICTURES],
        "largestCosine": round(float(cosines.max()), 4),
    }
    rows = ",\n".join(json.dumps(case, separators=(",", ":"), ensure_ascii=False) for case in cases)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(f'{json.dumps(fixture, indent=1)[:-2]},\n "cases": [\n{rows}\n]}}\n')
    print(f"{len(cases)} cases, {len(set(answers))} of {len(answers)} answers differ, least margin {min(case['margin'] for case in cases)}, "
          f"largest cosine of two pictures {cosines.max():.3f}: {options.out}")


if __name__ == "__main__":
    main()
