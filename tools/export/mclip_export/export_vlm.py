"""From a network to a model folder: graphs, embedding rows, tokenizer, manifest."""

import json
from pathlib import Path

import numpy as np
import torch

from . import embedding_table, qwen2_prompt, qwen2_tokenizer_file, vision_graph
from .aligned_weights import align_weights
from .architectures import FastVlm
from .channel_scaling import scaled
from .decoder_calibration import linear_inputs
from .eight_bit_products import plan_q8
from .fastvlm_network import FastVlmNetwork
from .hub_config_files import write_config_files
from .model_folder import file_entry, model_folder, sha256, write_manifest
from .outlier_copies import copies
from .pictures import calibration_crops, canary_pixels, enlarged_pictures
from .qwen2_graph import DTYPES as DECODER_DTYPES
from .qwen2_graph import write_decoder
from .random_weights import CALIBRATION_SIZE
from .smoothing import smoothing_factors
from .storage_plan import plan_w8
from .tool_versions import tool_versions
from .weight_storage import write_half

VISION_DTYPES = ["fp32", "fp16", "w8", "q8"]
DTYPES = ["fp32", "fp16", "w8", "q8", "q4", "q4f16"]
PLAN_TARGET = 0.9993  # of every image token, on calibration pictures; the bound that `verify` checks is 0.999 on others
PLAN_PICTURES = 18  # the last two for the cosine, the others for the moments
# q8 rounds what a layer gets, too: more of that shows in smooth pictures than in rough ones, so these are looked at besides
Q8_TARGET, SMOOTH_PICTURES = 0.9992, 4
LARGEST_W8 = 100e6  # bytes of the decoder's weights in 8 bits; a w8 file takes four times as much memory
# the hub's suffixes, so that other runtimes find them; w8 is ours
SUFFIXES = {"fp32": "", "fp16": "_fp16", "w8": "_w8", "q8": "_quantized", "q4": "_q4", "q4f16": "_q4f16"}
SCALED = {"q8": copies, "q4": smoothing_factors, "q4f16": smoothing_factors}  # dtype -> how its channels are scaled
CANARY_VALUES = 8  # logits that the canary lists


def calibration_inputs(network, tokenizer):
    return linear_inputs(network, tokenizer, [tokenizer.token_to_id(token) for token in qwen2_tokenizer_file.STOP])


def planes(pictures):
    """uint8 [n, size, size, 3] -> fp32 [n, 3, size, size], 0 to 1"""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2) / 255, np.float32)


def write_graphs(network: FastVlmNetwork, tokenizer, folder: Path, dtypes):
    """Writes them; graph -> dtype -> file."""
    vlm = network.vlm
    vision = {dtype: folder / f"vision_encoder{SUFFIXES[dtype]}.onnx" for dtype in VISION_DTYPES if dtype in dtypes}
    plain = folder / "vision_encoder.onnx"
    vision_graph.write_vision(network.vision, vlm.sizes[0], plain)
    if "fp16" in vision:
        write_half(plain, vision["fp16"])
    pixels = planes(calibration_crops(CALIBRATION_SIZE, count=PLAN_PICTURES, seed=5))
    if "w8" in vision:
        plan = plan_w8(plain, pixels[:-2], pixels[-2:], PLAN_TARGET)
        plan.write(plain, vision["w8"])
        print(f"vision w8: {len(plan.in_half)} weights in fp16, cosine {plan.reached:.5f} on pictures of the plan", flush=True)
    if "q8" in vision:
        smooth = planes(enlarged_pictures(CALIBRATION_SIZE, count=SMOOTH_PICTURES, seed=5))
        in_8_bits, large, reached = plan_q8(plain, vision["q8"], np.concatenate([pixels[-2:], smooth]), Q8_TARGET)
        print(f"vision q8: {in_8_bits} of {large} large ConvFFNs in 8 bits, cosine {reached:.5f} on pictures of the plan", flush=True)
    if "fp32" not in vision:
        plain.unlink()
    weights = network.decoder_weights()
    small = sum(tensor.numel() for tensor in weights.values()) <= LARGEST_W8
    wanted = [dtype for dtype in DECODER_DTYPES if dtype in dtypes and (small or dtype != "w8")]
    decoder = {dtype: folder / f"decoder_model_merged{SUFFIXES[dtype]}.onnx" for dtype in wanted}
    inputs = calibration_inputs(network, tokenizer) if SCALED.keys() & decoder.keys() else {}
    for choose in (None, copies, smoothing_factors):
        files = {dtype: file for dtype, file in decoder.items() if SCALED.get(dtype) is choose}
        prepared = scaled(vlm.decoder, weights, inputs, choose) if choose and files else weights
        for dtype, file in files.items():
            write_decoder(vlm.decoder, prepared, dtype, file, prepared.columns if choose is copies else None)
    return {"vision": vision, "decoder": decoder}


def write_embeddings(network: FastVlmNetwork, folder: Path):
    table = network.embeddings.detach().float().numpy()
    rows = {"fp16": folder / "embed_tokens.fp16.bin", "q8": folder / "embed_tokens.q8.bin"}
    embedding_table.write_half_rows(table, rows["fp16"])
    embedding_table.write_int8_rows(table, rows["q8"])
    graph = folder / "embed_tokens_fp16.onnx"
    embedding_table.write_gather(table, graph)
    return rows, graph


@torch.no_grad()
def canary(network: FastVlmNetwork, tokenizer):
    """The generated picture 1 at the smallest size, fed as it is, with the default question: PyTorch's first logits."""
    vlm = network.vlm
    size = vlm.sizes[0]
    pixels = torch.from_numpy(canary_pixels(size)).permute(2, 0, 1)[None] / 255
    ids = qwen2_prompt.ids_of(tokenizer, qwen2_prompt.CAPTION, (size // vlm.patch) ** 2)
    embeds = network.prompt_embeds(ids, tokenizer.token_to_id(qwen2_tokenizer_file.IMAGE), pixels)
    logits = network.language(inputs_embeds=embeds).logits[0, -1].numpy()
    best = np.argsort(-logits, kind="stable")[:CANARY_VALUES]
    return {
        "pattern": 1,
        "size": size,
        "question": qwen2_prompt.CAPTION,
        "tokens": len(ids),
        "best": best.tolist(),
        "logits": [round(float(logits[i]), 5) for i in best],
    }


def manifest_of(vlm: FastVlm, files, rows, embed, tokenizer_file: Path, licence, source, canary):
    decoder = vlm.decoder
    return {
        "mclip": 1,
        "task": "vlm",
        "name": vlm.name,
        "licence": licence,
        "source": {**source, "tools": tool_versions()},
        "image": {
            "size": vlm.size,
            "sizes": list(vlm.sizes),
            "patch": vlm.patch,
            "fit": "pad",
            "interpolation": "bicubic",
            "mean": [0, 0, 0],
            "std": [1, 1, 1],
        },
        "text": {"tokenizer": {"file": tokenizer_file.name, "sha256": sha256(tokenizer_file)}},
        "prompt": {
            "format": "qwen2",
            "system": qwen2_prompt.SYSTEM,
            "caption": qwen2_prompt.CAPTION,
            "image": qwen2_tokenizer_file.IMAGE,
            "stop": qwen2_tokenizer_file.STOP,
        },
        "decoder": {
            "hidden": decoder.hidden,
            "layers": decoder.layers,
            "kvHeads": decoder.kv_heads,
            "headDim": decoder.head_dim,
            "contextLength": decoder.context,
            "logits": "last",
        },
        "embedding": {"rows": decoder.rows, "files": {dtype: file_entry(file) for dtype, file in rows.items()}},
        "graphs": {
            "vision": {
                "input": vision_graph.INPUT,
                "output": vision_graph.OUTPUT,
                "files": {dtype: file_entry(file) for dtype, file in files["vision"].items()},
            },
            "decoder": {"files": {dtype: file_entry(file) for dtype, file in files["decoder"].items()}},
            "embed": {
                "input": embedding_table.INPUT,
                "output": embedding_table.OUTPUT,
                "files": {"fp16": file_entry(embed)},
            },
        },
        "canary": canary,
    }


def export_vlm(network: FastVlmNetwork, tokenizer_json: str, out: Path, dtypes, licence, source):
    """Writes the folder `out`; returns its manifest."""
    with model_folder(out) as folder:
        tokenizer_file = folder / "tokenizer.json"
        tokenizer_file.write_text(tokenizer_json, encoding="utf-8")
        tokenizer = qwen2_tokenizer_file.load(tokenizer_json)
        write_config_files(network.vlm, tokenizer, folder)
        rows, embed = write_embeddings(network, folder)
        files = write_graphs(network, tokenizer, folder, dtypes)
        for file in [embed, *files["vision"].values(), *files["decoder"].values()]:
            align_weights(file)
        manifest = manifest_of(network.vlm, files, rows, embed, tokenizer_file, licence, source, canary(network, tokenizer))
        write_manifest(folder, manifest)
    return json.loads((out / "mclip.json").read_text())
