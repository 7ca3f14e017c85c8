"""The files beside the graphs that other runtimes look for, with the names and fields that the hub's repositories have.

tokenizer.json is CLIP's as Hugging Face writes it: the same ids for ordinary text. It lacks open_clip's mending of broken
Unicode and HTML entities, which its format has no word for; mclip has its own tokenizer and does not read this file.
"""

import json
from pathlib import Path

import open_clip

from .clip_models import ClipModel

START, END, PADDING = "<|startoftext|>", "<|endoftext|>", "!"
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def config(model: ClipModel, dim, size):
    text = open_clip.get_model_config(model.architecture)["text_cfg"]
    return {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": dim,
        "text_config": {
            "model_type": "clip_text_model", "hidden_size": text["width"], "max_position_embeddings": text["context_length"],
            "vocab_size": text["vocab_size"], "projection_dim": dim, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 0,
        },
        "vision_config": {"model_type": "clip_vision_model", "image_size": size, "projection_dim": dim},
    }  # fmt: skip


def preprocessor_config(image):
    size = image["size"]
    resized = {"shortest_edge": size} if image["fit"] == "crop" else {"height": size, "width": size}
    return {
        "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": resized,
        "resample": {"bilinear": 2, "bicubic": 3}[image["interpolation"]], "do_center_crop": True,
        "crop_size": {"height": size, "width": size}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": list(image["mean"]), "image_std": list(image["std"]),
    }  # fmt: skip


def special(index, content):
    return {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def tokenizer_json():
    source = open_clip.tokenizer.SimpleTokenizer()
    vocabulary = dict(source.encoder)
    for ours, theirs in (("<start_of_text>", START), ("<end_of_text>", END)):
        vocabulary[theirs] = vocabulary.pop(ours)
    merges = [" ".join(pair) for pair, _ in sorted(source.bpe_ranks.items(), key=lambda item: item[1])]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(vocabulary[token], token) for token in (START, END)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [END, vocabulary[END]],
            "cls": [START, vocabulary[START]],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": END, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
            "fuse_unk": False, "vocab": vocabulary, "merges": merges,
        },
    }  # fmt: skip


def tokenizer_config():
    return {
        "tokenizer_class": "CLIPTokenizer", "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": PADDING,
        "model_max_length": 77, "do_lower_case": True, "clean_up_tokenization_spaces": True,
    }  # fmt: skip


def write_hub_files(folder: Path, model: ClipModel, dim, image):
    files = {
        "config.json": config(model, dim, image["size"]),
        "preprocessor_config.json": preprocessor_config(image),
        "tokenizer.json": tokenizer_json(),
        "tokenizer_config.json": tokenizer_config(),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=None if name == "tokenizer.json" else 2) + "\n", "utf-8")
