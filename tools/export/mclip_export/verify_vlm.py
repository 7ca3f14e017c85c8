"""The rows of `verify` for a FastVLM: vision per image token, decoders by teacher-forced logits."""

import gc
from pathlib import Path

import numpy as np
import torch

from . import qwen2_prompt, qwen2_tokenizer_file
from .data_file import size_of
from .file_weights import take_decoder, take_weights
from .onnx_session import cosines, make_session
from .pictures import calibration_crops, enlarged_pictures
from .verify import COSINE_BOUNDS, DIFFERENCE_BOUND, Row, largest_cosine, median_milliseconds
from .vlm_source import vlm_network

PICTURES, SEED, TOKENS = 2, 11, 16  # pictures of either kind
QUESTION = "What is in this picture, and where is it?"
# 8-bit activations differ from fp32 arithmetic by design: teacher-forced logits against PyTorch on the same weights
ARITHMETIC_BOUND = 0.999
DECODER_BOUNDS = {"fp32": 0.999999, "w8": 0.999, "q8": 0.999, "q4": None, "q4f16": None}  # 4 bits: reported, not bounded


def vision_rows(folder, manifest, network, pixels):
    files = {dtype: folder / entry["file"] for dtype, entry in manifest["graphs"]["vision"]["files"].items()}
    exact = make_session(files["fp32"]).run(None, {"pixel_values": pixels})[0]
    original = {key: value.detach().clone() for key, value in network.vision.state_dict().items()}
    rows = []
    for dtype, file in files.items():
        lost = take_weights(network.vision, files["fp32"], file)[1] if dtype != "fp32" else 0
        bound = 1 - ARITHMETIC_BOUND if dtype == "q8" else DIFFERENCE_BOUND
        with torch.no_grad():
            expected = network.vision(torch.from_numpy(pixels)).numpy()
        session = make_session(file)
        got = session.run(None, {"pixel_values": pixels})[0]
        scale = np.linalg.norm(expected, axis=-1, keepdims=True)  # unit vectors, as for embeddings
        error = (1 - cosines(got, expected)).max() if dtype == "q8" else np.abs((got - expected) / scale).max()
        rows.append(Row(
            "vision", dtype, file.stat().st_size / 1e6,
            median_milliseconds(lambda run=session.run: run(None, {"pixel_values": pixels[:1]})),
            float(error) if lost == 0 else None, bound,
            float(cosines(got, exact).min()), COSINE_BOUNDS[dtype],
            float((got.argmax(-1) == exact.argmax(-1)).mean()), largest_cosine(got.reshape(len(got), -1)),
        ))  # fmt: skip
        network.vision.load_state_dict(original)
    return rows


def teacher_forced(session, prompt, answer):
    """Logits of every step [len(answer) + 1, rows], the prompt at once and then token by token; and the time of a step."""
    feeds = {"attention_mask": np.ones((1, prompt.shape[1]), np.int64), "inputs_embeds": prompt}
    for value in session.get_inputs():
        if value.name.startswith("past_key_values"):
            kind = np.float16 if "float16" in value.type else np.float32
            feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), kind)
    names = [output.name for output in session.get_outputs()]
    logits = []
    for step in range(len(answer) + 1):
        outputs = dict(zip(names, session.run(None, feeds)))
        logits.append(outputs.pop("logits")[0, 0])
        if step == len(answer):
            break
        feeds = {name.replace("present", "past_key_values"): value for name, value in outputs.items()}
        feeds["inputs_embeds"] = answer[None, step : step + 1]
        feeds["attention_mask"] = np.ones((1, prompt.shape[1] + step + 1), np.int64)
    return np.stack(logits), median_milliseconds(lambda: session.run(None, feeds))


@torch.no_grad()
def torch_logits(language, prompt, answer):
    embeds = torch.from_numpy(np.concatenate([prompt, answer[None]], 1))
    return language(inputs_embeds=embeds, logits_to_keep=len(answer) + 1).logits[0].numpy()


def decoder_rows(folder, manifest, network, conversations):
    rows, exact = [], None
    files = manifest["graphs"]["decoder"]["files"]
    for dtype in sorted(files, key=lambda dtype: dtype != "fp32"):  # first what the others are compared with
        entry = files[dtype]
        file = folder / entry["file"]
        take_decoder(network.language, file, network.vlm.decoder)
        expected = np.concatenate([torch_logits(network.language, *one) for one in conversations])
        session = make_session(file)
        results = [teacher_forced(session, *one) for one in conversations]
        got = np.concatenate([logits for logits, _ in results])
        exact = got if dtype == "fp32" else exact
        bound = {"fp32": DIFFERENCE_BOUND, "w8": DIFFERENCE_BOUND}.get(dtype, 1 - ARITHMETIC_BOUND)
        scale = np.linalg.norm(expected, axis=1, keepdims=True)
        error = float(np.abs((got - expected) / scale).max()) if bound == DIFFERENCE_BOUND else float((1 - cosines(got, expected)).max())
        rows.append(Row(
            "decoder", dtype, size_of(file) / 1e6, results[0][1], error, bound,
            float(cosines(got, exact).min()), DECODER_BOUNDS[dtype], float((got.argmax(1) == exact.argmax(1)).mean()),
        ))  # fmt: skip
        del session
        gc.collect()
    return rows


def vlm_rows(folder: Path, manifest, checkpoint, seed):
    network, tokenizer_json, _ = vlm_network(manifest["source"]["architecture"], checkpoint, seed)
    vlm = network.vlm
    tokenizer = qwen2_tokenizer_file.load(tokenizer_json)
    size = vlm.sizes[0]
    pictures = np.concatenate([calibration_crops(size, PICTURES, seed=SEED), enlarged_pictures(size, PICTURES, seed=SEED)])
    pixels = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2) / 255, np.float32)
    ids = qwen2_prompt.ids_of(tokenizer, QUESTION, (size // vlm.patch) ** 2)
    stop_ids = [tokenizer.token_to_id(token) for token in qwen2_tokenizer_file.STOP]
    conversations = []
    for one in pixels:
        prompt = network.prompt_embeds(ids, tokenizer.token_to_id("<image>"), torch.from_numpy(one[None]))
        answer = network.greedy(prompt, TOKENS, stop_ids)
        conversations.append((prompt.numpy(), network.embeddings[torch.tensor(answer)].detach().numpy()))
    return vision_rows(folder, manifest, network, pixels) + decoder_rows(folder, manifest, network, conversations)
