"""Golden token ids: nasty strings through open_clip's SimpleTokenizer (clean='lower').

    tools/.venv/bin/python tools/goldens/tokens.py                      # the committed fixture
    tools/.venv/bin/python tools/goldens/tokens.py --count 200000 --seed 7 --out /tmp/tokens.json.gz
    tools/.venv/bin/python tools/goldens/tokens.py --code-points --out /tmp/code-points.json.gz

Seeded. Strings that ftfy's mojibake repair changes are left out and counted (the TypeScript tokenizer has no such repair).
`ids` are the ids of the text alone, never cut; that open_clip's padded row follows from them is asserted here.
"""

import argparse
import gzip
import html.entities
import json
import platform
import random
import unicodedata
from importlib.metadata import version
from pathlib import Path

import ftfy
from open_clip.tokenizer import SimpleTokenizer
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

FIXTURE = Path(__file__).parents[2] / "packages/core/test/fixtures/tokens.json.gz"

SENTENCES = """The quick brown fox jumps over the lazy dog|Größe, Maße und Straße in Österreich|L’été, où est l’œuvre naïve?|¿Dónde está el niño?
Привет, мир! Съешь ещё этих булок|Γειά σου Κόσμε|ΟΔΥΣΣΕΥΣ ΚΑΙ ΣΙΣΥΦΟΣ|Ὀδυσσεὺς ἄνδρα μοι ἔννεπε|שלום עולם|مرحبا بالعالم ١٢٣|فارسی ۴۵۶|नमस्ते दुनिया १२३|বাংলা লেখা
ਪੰਜਾਬੀ|ગુજરાતી|தமிழ் மொழி|తెలుగు|ಕನ್ನಡ|മലയാളം|සිංහල|ภาษาไทย ๑๒๓|ລາວ|བོད་ཡིག|မြန်မာ|ქართული ᲥᲐᲠᲗᲣᲚᲘ|Հայերեն|አማርኛ|ខ្មែរ|ᠮᠣᠩᠭᠣᠯ|ᏣᎳᎩ ꮳꮃꭹ
こんにちは世界|カタカナ|漢字かな交じり文|ﾊﾝｶｸ ｶﾀｶﾅ ｶﾞｷﾞｸﾞ ﾊﾟ|ＦＵＬＬ　ＷＩＤＴＨ　１２３！？|안녕하세요 세계|ﾡﾢﾣ ￡￦￥|中文字符，标点。|𠀀𠮷野家 𪜀|𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛|𐐀𐐁 𐐨𐐩|𞤀𞤁𞤢|Diyarbakır İSTANBUL ISPARTA ığdır
Tiếng Việt|Ấn Độ|Łódź|Ĳsland ŉ Ǆ ǅ ǆ Ǉ ǲ|ﬁne ﬂuﬃ ﬀ ﬄ ﬅ ﬆ|ſuch ſtrange|Kelvin K Å Ω|Ⅷ ⅷ ½ ² ₃ ① ㊿ Ⓐⓩ|ª º µ ß ẞ ŉ ǰ ΐ""".replace("\n", "|").split("|")
EMOJI = "😀 😂 ❤️ 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 🇺🇳 1️⃣ #️⃣ 👩🏿‍🚀 🧑🏻‍❤️‍💋‍🧑🏽 🏴󠁧󠁢󠁷󠁬󠁳󠁿 ☺︎ ☺️ ™ © ♀ 🫠 🪿 ⌚ 🅰️ ㊗️".split(" ")
QUOTES = list("'\"‘’‚‛“”„‟ʼ`´«»‹›′″＇＂…–—―")
SPACES = ["\t", "\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000", "\u2003",
          "\u2009", "\u200a", "\u200b", "\u200c", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff", "  ", " \n "]
CONTROLS = [chr(c) for c in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xAD, 0xFEFF, *range(0xFFF9, 0x10000), 0x1D173, 0xE0001, 0xE0041]]
ESCAPES = ["\x1b[0m", "\x1b[1;31m", "\x1b[36;44m", "\x1b[2J", "\x1b[K", "\x1b[;;m", "\x1b[", "\x1b[12", "\x1b]0;title\x07", "\x1b[?25h", "\x1b［３１ｍ", "\x1b[٣m", "\x1b[&#49;m", "\x1b[&amp;#49;m"]
CONTRACTIONS = ["'s", "'S", "'T", "'re", "'RE", "'Ve", "'m", "'LL", "'ll", "'d", "'D", "'ſ", "’S", "’ll", "&#39;s", "'", "''s", "'x", "'lL", "'r", "'v", "'l", "n't", "&rsquo;ve", "ʼs"]
SPECIALS = ["<start_of_text>", "<end_of_text>", "<START_OF_TEXT>", "<End_Of_Text>", "<ſtart_of_text>", "<|startoftext|>", "<|endoftext|>", "<start_of_text", "start_of_text>",
            "!<end_of_text>", "<end_of_text>!", "&lt;end_of_text&gt;", "<end_of_text></w>", "</w>", "<mask>"]
MARKS = [chr(c) for c in [0x300, 0x301, 0x302, 0x303, 0x304, 0x308, 0x30A, 0x323, 0x327, 0x328, 0x338, 0x345, 0x653, 0x654, 0x655, 0x3099, 0x309A, 0x1161, 0x11A8, 0x20DD, 0xFE0F, 0x5B0, 0x94D, 0x9BE]]
BASES = list("aAeEiIoOuUnNcCsSzZyYkK=<>αΑιΙωΩαΗηιカハウかはう각하각ক<") + ["\u1100", "\uac00", "\u0627", "\u2126", "\u212b", "\u212a", "\u1e9b\u0323", "\u0344", "\u1fef", "\u037e", "\u2329", "\uf900", "\U0002f800"]
SIGMA = ["Σ", "ΑΣ", "ΑΣ.", "ΑΣ.Β", "ΣΑΣ", "Α'Σ", "ΑΣ\u0301", "ΑΣ\u00ad", "aΣ", "aΣb", "ΑΣ1", "1Σ", "ΑΣ\u200b", "ΑΣ:Α", "Α\u0345Σ", "ΑΣ\u0345", "ΣΣ", "ΟΔΟΣ ΟΔΟΣ", "ΑΣ😀", "ΑΣ\U00010400", "\U00010400Σ", "ΑΣ\u1c89", "ΑΣ\u088f"]
TURKISH = ["İ", "I", "ı", "i̇", "İİ", "Iİıi", "İ\u0301", "Ì\u0307", "J\u030c", "Į̀"]
NAMES = sorted(html.entities.html5)


def entity(rng: random.Random) -> str:
    name = rng.choice(NAMES)
    form = rng.randrange(14)
    if form < 4:
        return "&" + name
    if form == 4:
        return "&" + name.rstrip(";")
    if form == 5:
        return "&" + name.upper()
    if form == 6:
        return "&" + name.rstrip(";") + rng.choice(["x", "amp;", " ", "=", "1", ";;", "é", "<", "&"])
    if form == 7:
        return "&" + "amp;" * rng.randint(1, 4) + name
    if form == 8:
        return rng.choice(["&amp;lt;b&amp;gt;", "&AMP;AMP;", "&#38;#38;lt;", "&#x26;eacute;", "&am&#112;;lt;", "＆ａｍｐ；lt；", "&#xFF06;amp;", "&lt&#x37e;", "&#59;", "&amp;#59", "&notit;", "&notin;", "&copy2024", "&am\x01p;lt;"])
    code = rng.choice([rng.randrange(0x180), rng.randrange(0x110100), rng.choice([0, 0x0D, 0x80, 0x85, 0x9F, 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF, 0x1FFFF, 0x10FFFF, 0x110000, 10**12])])
    number = rng.choice([f"#{code}", f"#x{code:x}", f"#X{code:X}", f"#0{code}", f"#x000{code:x}"])
    return "&" + number + rng.choice([";", ";", ";", "", " ", "z", "g;"])


def assigned(rng: random.Random) -> str:
    low, high = rng.choice([(0x20, 0x250), (0x250, 0x800), (0x800, 0x2000), (0x2000, 0x3000), (0x3000, 0xFFFE), (0x10000, 0x1FFFF), (0x20000, 0x32000), (0xE0000, 0xE01F0), (0, 0x110000)])
    while True:
        char = chr(rng.randrange(low, high))
        if unicodedata.category(char) not in ("Cn", "Cs", "Co") or rng.random() < 0.02:
            return char


def made_up_word(rng: random.Random) -> str:
    word = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiouy") for _ in range(rng.randint(1, 5)))
    return rng.choice([word, word, word.capitalize(), word.upper()])


FRAGMENTS = {
    "sentence": lambda r: r.choice(SENTENCES),
    "words": lambda r: " ".join(made_up_word(r) for _ in range(r.randint(1, 6))),
    "emoji": lambda r: "".join(r.choice(EMOJI) for _ in range(r.randint(1, 4))),
    "entity": entity,
    "quoted": lambda r: r.choice(QUOTES) + made_up_word(r) + r.choice(QUOTES),
    "space": lambda r: r.choice(SPACES),
    "control": lambda r: r.choice(CONTROLS),
    "escape": lambda r: r.choice(ESCAPES) + made_up_word(r),
    "contraction": lambda r: made_up_word(r) + r.choice(CONTRACTIONS),
    "special": lambda r: r.choice(SPECIALS),
    "marks": lambda r: "".join(r.choice(BASES) + "".join(r.choice(MARKS) for _ in range(r.randint(0, 3))) for _ in range(r.randint(1, 4))),
    "sigma": lambda r: r.choice(SIGMA),
    "turkish": lambda r: r.choice(TURKISH),
    "surrogate": lambda r: "".join(chr(r.randrange(0xD800, 0xE000)) for _ in range(r.randint(1, 3))),
    "width": lambda r: "".join(chr(r.randrange(0xFF01, 0xFFF0)) for _ in range(r.randint(1, 6))),
    "unicode": lambda r: "".join(assigned(r) for _ in range(r.randint(1, 8))),
    "latin1": lambda r: "".join(chr(r.randrange(0x100)) for _ in range(r.randint(1, 8))),
    "utf8 noise": lambda r: bytes(r.randrange(0x100) for _ in range(r.randint(1, 10))).decode("utf-8", "replace"),
    "ascii": lambda r: "".join(chr(r.randrange(0x20, 0x7F)) for _ in range(r.randint(1, 20))),
    "punctuation": lambda r: "".join(r.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ a1") for _ in range(r.randint(1, 12))),
    "number": lambda r: r.choice([str(r.randrange(10**9)), f"{r.random():.4f}", f"{r.randrange(9999):,}", f"{r.randrange(99)}%", "1e-5", "٣٤٥", "x²", "Ⅻ", "½"]),
    "label": lambda r: r.choice(OPENAI_IMAGENET_TEMPLATES)(r.choice(IMAGENET_CLASSNAMES)),
    "added": lambda r: "".join(chr(r.choice([0x1C89, 0xA7CB, 0xA7DA, 0x10D50, 0x16D68, 0x105C9, 0x2EBF0, 0x323B0, 0x88F, 0x1CCF0, 0x113C5, 0x10EFC, 0x897])) for _ in range(r.randint(1, 3))),
}
WEIGHTS = [6, 6, 4, 10, 3, 4, 3, 3, 4, 3, 4, 2, 2, 2, 2, 8, 3, 3, 4, 3, 3, 6, 1]


def long_text(rng: random.Random) -> str:
    return rng.choice([" ", "", "\n", ", "]).join(fragment(rng) for _ in range(rng.randint(25, 60)))


def fragment(rng: random.Random) -> str:
    return FRAGMENTS[rng.choices(list(FRAGMENTS), WEIGHTS)[0]](rng)


def mixed(rng: random.Random) -> str:
    if rng.random() < 0.008:
        return long_text(rng)
    count = rng.choices([1, 2, 3, 4, 6], [5, 5, 4, 3, 2])[0]
    return rng.choice([" ", " ", "", "", "\n"]).join(fragment(rng) for _ in range(count))


def fixed_strings() -> list[str]:
    """Every single value of the short lists, and shapes that random choice may miss."""
    lists = [SENTENCES, EMOJI, QUOTES, SPACES, CONTROLS, ESCAPES, CONTRACTIONS, SPECIALS, SIGMA, TURKISH]
    singles = [text for values in lists for text in values]
    shapes = ["", " ", "a", "A", "!", "0", "a" * 100, "ab" * 400, "x " * 200, "supercalifragilistic" * 30, "é" * 200, "😀" * 60, "1" * 80, "- " * 80,
              "a <b> &amp; c", "a &amp; c\n<b> &amp; d\n&amp; e", "&amp;\n<", "<\n&eacute;", "\u0345", "x\u0345y", "\u0301", "\ud83d\ude00", "\ude00\ud83d", "\ud83d&#1;\ude00", "\ud83d&amp;#1;\ude00",
              "a" * 75, "a " * 75, "a " * 76, "a " * 77, "cat " * 74 + "supercalifragilisticexpialidocious"]
    entities = ["x &" + name + " y" for name in NAMES[::7]]
    return singles + ["a" + text + "b" for text in singles] + shapes + entities


def code_points() -> list[str]:
    return [f"x{chr(code)}y" for code in range(0x110000)]


def pieces_in_javascript(text: str) -> str:
    """JavaScript cannot hold two halves of a pair apart, so neither may the reference's input."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def expected(tokenizer: SimpleTokenizer, text: str) -> list[int]:
    ids = tokenizer.encode(text)
    start, end = tokenizer.sot_token_id, tokenizer.eot_token_id
    row = [start, *ids[:75], end]
    assert tokenizer(text)[0].tolist() == row + [0] * (77 - len(row))
    return ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=6_600)
    parser.add_argument("--seed", type=int, default=20_261)
    parser.add_argument("--code-points", action="store_true", help="every code point between x and y instead")
    parser.add_argument("--out", type=Path, default=FIXTURE)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    texts = code_points() if options.code_points else fixed_strings()
    while len(texts) < options.count:
        texts.append(mixed(rng))
    texts = list(dict.fromkeys(pieces_in_javascript(text) for text in texts))

    tokenizer = SimpleTokenizer()
    cases, excluded = [], 0
    for text in texts:
        if ftfy.fix_text(text) != ftfy.fix_text(text, fix_encoding=False):
            excluded += 1
        else:
            cases.append([text, expected(tokenizer, text)])
            if len(tokenizer.cache) > 1_000_000:
                tokenizer = SimpleTokenizer()
    packages = {name: version(name) for name in ("open_clip_torch", "ftfy", "regex")}
    fixture = {
        "versions": {**packages, "python": platform.python_version(), "unicodedata": unicodedata.unidata_version},
        "seed": options.seed,
        "excludedByMojibakeRepair": excluded,
        "cases": cases,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    data = gzip.compress(json.dumps(fixture, separators=(",", ":")).encode(), 9, mtime=0)
    options.out.write_bytes(data)
    print(f"{len(cases):,} strings, {excluded:,} excluded, {len(data):,} bytes: {options.out}")


if __name__ == "__main__":
    main()
