"""Models of open_clip by their names there, as far as mclip can feed them: CLIP's tokenizer, 77 tokens, square pictures."""

import json
from functools import cache

import open_clip
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from .errors import ExportError

LENGTH, VOCABULARY = 77, 49408
# of a model without published weights: what open_clip assumes
ASSUMED = {
    "mean": open_clip.OPENAI_DATASET_MEAN,
    "std": open_clip.OPENAI_DATASET_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
RECIPE = (*ASSUMED, "quick_gelu")


@cache
def names():
    """Lower case -> as open_clip writes it."""
    from . import tiny_clips  # noqa: F401  (makes them known to open_clip)

    return {name.lower(): name for name in open_clip.list_models()}


def obstacle(name):
    """Why mclip cannot feed this model, None if it can."""
    config = open_clip.get_model_config(name)
    text, side = config["text_cfg"], config["vision_cfg"].get("image_size", 224)
    tokenizer = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    if "multimodal_cfg" in config:
        return "it is a CoCa, which writes captions from text and picture at once"
    if tokenizer:
        family = "SigLIP's models are trained with it" if "siglip" in name.lower() else "it is not CLIP's"
        return f"its texts need the tokenizer {tokenizer}, which mclip does not have ({family})"
    if text.get("tokenizer_kwargs"):
        return f"its tokenizer is set up otherwise than CLIP's: {json.dumps(text['tokenizer_kwargs'])}"
    length, vocabulary = text.get("context_length", LENGTH), text.get("vocab_size", VOCABULARY)
    if (length, vocabulary) != (LENGTH, VOCABULARY):
        return f"its texts have {length} of {vocabulary:,} tokens, where mclip gives {LENGTH} of {VOCABULARY:,}"
    if not isinstance(side, int):
        return f"its pictures are {side} pixels, not square"
    return None


def recipe(name, tag):
    """How pictures are prepared and whether GELU is the quick one, by whose weights they are (`tag`)."""
    found = get_pretrained_cfg(name, tag) if tag else {}
    return {key: found.get(key) or ASSUMED.get(key, False) for key in RECIPE}


def tags(name):
    return list_pretrained_tags_by_model(name)


def is_settled(name):
    """All published weights of a model are fed alike."""
    return len({json.dumps(recipe(name, tag)) for tag in tags(name)}) < 2


def checked_tag(name, tag, must_be_settled):
    """The tag whose recipe holds, or None for open_clip's own assumptions."""
    if tag is None and must_be_settled and not is_settled(name):
        raise ExportError(f"Weights of {name} are fed in several ways; say by --tag whose yours are: {', '.join(tags(name))}.")
    if tag is not None and tag not in tags(name):
        raise ExportError(f"Unknown tag '{tag}' of {name}. Known: {', '.join(tags(name)) or 'none'}.")
    return tag or next(iter(tags(name)), None) if is_settled(name) else tag
