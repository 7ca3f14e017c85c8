"""nano-vlm's tokenizer: a byte-level BPE in the form of Qwen2's tokenizer.json, trained on what is asked and answered.

    python -m vlm.tokenizer        # writes packages/nano/models/vlm/tokenizer.json
"""
import json
from collections import Counter

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from data import CACHE, HERE, SEED
from vlm.colours import NAMES
from vlm.phrases import with_article, spoken
from vlm.questions import SYSTEMS, Questions

OUT = HERE.parents[1] / "packages/nano/models/vlm"
SIZE = 2000
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"]
# Qwen2's split pattern, with the case-insensitive contractions written as in its own file
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def corpus(concepts):
    """Twenty rounds of conversations about every concept, so that a word counts as often as it will be used."""
    questions = Questions(concepts, SEED)
    for round_ in range(20):
        for c, concept in enumerate(concepts):
            weight = 1 if concept["subgroup"] == 98 else 3
            for i in range(weight):
                yield with_article(spoken(concept["label"]))
            colours = [NAMES[questions.rng.randint(len(NAMES))] for _ in range(2)]
            for turns in questions.conversations(c, colours, 4):
                for question, answer in turns:
                    yield "\n" + question
                    yield "assistant\n" + answer
        for system in SYSTEMS:
            yield from ("system\n", system or "", "user\n")


def train(concepts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=SIZE - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus(concepts), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    assert tokenizer.get_vocab_size() == SIZE, tokenizer.get_vocab_size()
    return tokenizer


def load():
    return Tokenizer.from_file(str(OUT / "tokenizer.json"))


def main():
    concepts = json.loads((CACHE / "concepts.json").read_text())
    tokenizer = train(concepts)
    OUT.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(OUT / "tokenizer.json"), pretty=False)
    lengths = Counter(len(tokenizer.encode(with_article(spoken(c["label"]))).ids) for c in concepts)
    print("tokens of a name:", sorted(lengths.items()))
    print((OUT / "tokenizer.json").stat().st_size, "bytes;", tokenizer.encode("a brown and white dog face<|im_end|>").tokens)


if __name__ == "__main__":
    main()
