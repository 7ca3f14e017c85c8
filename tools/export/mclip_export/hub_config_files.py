"""The configuration files of the hub's FastVLM repositories, so that transformers.js loads a folder's graphs, too.

The graphs have the hub's names, but lie beside these files and not in `onnx/`: pass `subfolder: ''`.
"""

import json
from pathlib import Path

from . import qwen2_tokenizer_file
from .architectures import FastVlm


def config(vlm: FastVlm, tokenizer):
    decoder = vlm.decoder
    image_id = tokenizer.token_to_id(qwen2_tokenizer_file.IMAGE)
    return {
        "architectures": ["LlavaQwen2ForCausalLM"],
        "model_type": "llava_qwen2",
        "image_token_index": image_id,
        "image_token_id": image_id,
        "hidden_size": decoder.hidden,
        "intermediate_size": decoder.intermediate,
        "num_hidden_layers": decoder.layers,
        "num_attention_heads": decoder.heads,
        "num_key_value_heads": decoder.kv_heads,
        "max_position_embeddings": decoder.context,
        "rope_theta": decoder.theta,
        "rms_norm_eps": decoder.epsilon,
        "vocab_size": decoder.rows,
        "bos_token_id": tokenizer.token_to_id(qwen2_tokenizer_file.SPECIAL[0]),
        "eos_token_id": tokenizer.token_to_id(qwen2_tokenizer_file.STOP[0]),
    }


def files_of(vlm: FastVlm, tokenizer):
    """Name -> content."""
    stop = [tokenizer.token_to_id(token) for token in qwen2_tokenizer_file.STOP]
    return {
        "config.json": config(vlm, tokenizer),
        "generation_config.json": {"bos_token_id": stop[1], "eos_token_id": stop, "pad_token_id": stop[1], "do_sample": False},
        "preprocessor_config.json": {
            "image_processor_type": "CLIPImageProcessor",
            "processor_class": "LlavaProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"shortest_edge": vlm.size},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": vlm.size, "width": vlm.size},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": False,
            "image_mean": [0, 0, 0],
            "image_std": [1, 1, 1],
        },
        "processor_config.json": {
            "processor_class": "LlavaProcessor",
            "image_token": qwen2_tokenizer_file.IMAGE,
            "patch_size": vlm.patch,
            "num_additional_image_tokens": 0,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": qwen2_tokenizer_file.STOP[0],
            "pad_token": qwen2_tokenizer_file.STOP[1],
        },
    }


def write_config_files(vlm: FastVlm, tokenizer, folder: Path):
    for name, content in files_of(vlm, tokenizer).items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
