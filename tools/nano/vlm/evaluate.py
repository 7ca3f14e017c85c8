"""Score the exported files on the held-out vendor: 256 px pictures on white, prepared as the SDK does, greedy answers.

What counts as the right name was fixed before the first result: the CLDR label or a *synonym*, that is one of the short
codes, or a CLDR keyword that at most three concepts have (`puppy`, not `animal`). Case, article, punctuation and, in
captions, the colours at the front do not count.

    python -m vlm.evaluate           # prints and writes vlm/eval.json
"""
import argparse
import json
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from data import CACHE, HERE, TRAIN_VENDORS, evaluation_concepts
from evaluate import held_out_pictures
from vlm.colours import NAMES, main_colours
from vlm.onnx_vlm import OnnxVlm
from vlm.pictures import prepared
from vlm.phrases import bare, spoken
from vlm.prompt import Prompt
from vlm.questions import DEFAULT_PROMPT, Questions
from vlm.tokenizer import OUT, load as load_tokenizer

MAX_KEYWORD_CONCEPTS = 3
SEED = 1


def plain(text):
    return re.sub(r"[^a-z0-9]+", " ", bare(spoken(text).lower())).strip()


def accepted_names(concepts):
    """For each concept its label, and the synonyms."""
    uses = Counter(plain(tag) for c in concepts for tag in set(c["tags"]))
    labels = [plain(c["label"]) for c in concepts]
    taken = set(labels)
    synonyms = [{plain(a) for a in c["aliases"]} | {t for t in map(plain, c["tags"]) if uses[t] <= MAX_KEYWORD_CONCEPTS and t not in taken}
                for c in concepts]
    return labels, synonyms


def without_colours(text):
    """A caption without its colours: 'a brown and white dog' -> 'dog'."""
    colour = "|".join(NAMES)
    return re.sub(rf"^({colour})( and ({colour}))? ", "", bare(text))


def held_out(pictures):
    """pixel_values [n,3,64,64] and colour names of RGBA pictures."""
    bytes_ = np.stack([prepared(p) for p in pictures])
    pixels = (bytes_.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
    alpha = torch.from_numpy(pictures[:, ::4, ::4, 3:].transpose(0, 3, 1, 2) / np.float32(255))
    return pixels, main_colours(torch.from_numpy(pixels), alpha)


def measure(vlm, prompt, concepts, names, common, pixels, colours):
    features = np.concatenate([vlm.features(pixels[i:i + 64]) for i in range(0, len(pixels), 64)])
    questions = Questions(concepts, SEED)
    labels, synonyms = accepted_names(concepts)
    at_common = [i for i, c in enumerate(names) if concepts[c]["label"] in common]

    def ask(texts):
        return vlm.answers(features, [prompt.full(t) for t in texts])

    def share(flags):
        return {"all": float(np.mean(flags)), "common": float(np.mean([flags[i] for i in at_common]))}
    result, examples = {}, {}
    for title, question, strip in (("name", "What is this?", bare), ("caption", DEFAULT_PROMPT, without_colours)):
        answers = ask([question] * len(names))
        said = [plain(strip(a)) for a in answers]
        exact = [s == labels[c] or plain(a) == labels[c] for s, a, c in zip(said, answers, names)]
        right = [e or s in synonyms[c] or plain(a) in synonyms[c] for e, s, a, c in zip(exact, said, answers, names)]
        result[title] = {"exact": share(exact), "exact_or_synonym": share(right)}
        examples[title] = [f"{concepts[names[i]]['label']} -> {answers[i]}" for i in at_common]
    asked = {}
    for title, draw in (("yes_no_category", questions.is_category), ("yes_no_name", questions.is_name)):
        flags, said_yes, odd = [], 0, 0
        per = {True: [], False: []}
        for yes in (True, False):
            turns = [draw(c, None, yes) for c in names]
            answers = ask([q for q, _ in turns])
            per[yes] = [a == t[1] for a, t in zip(answers, turns)]
            said_yes += sum(a == "yes" for a in answers)
            odd += sum(a not in ("yes", "no") for a in answers)
            asked.setdefault(title, []).extend(f"{concepts[c]['label']}: {q} -> {a}" for c, (q, _), a in list(zip(names, turns, answers))[:20])
        flags = [(a + b) / 2 for a, b in zip(per[True], per[False])]
        result[title] = {**share(flags), "yes_questions": share(per[True]), "no_questions": share(per[False]),
                         "said_yes": said_yes / (2 * len(names)), "neither": odd}
    answers = ask(["What color is it?"] * len(names))
    result["colour"] = {"same": share([a == " and ".join(c) for a, c in zip(answers, colours)]),
                        "main_colour_first": share([a.split(" and ")[0] == c[0] for a, c in zip(answers, colours)])}
    known = [questions.kinds[c] is not None for c in names]
    answers = ask(["What kind of thing is this?"] * len(names))
    flags = [a == questions.kinds[c] for a, c in zip(answers, names)]
    result["kind"] = {"all": float(np.mean([f for f, k in zip(flags, known) if k])),
                      "common": float(np.mean([flags[i] for i in at_common if known[i]]))}
    return result, examples, asked


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only-common", action="store_true", help="the 200 alone, quicker; writes nothing")
    options = options.parse_args()
    with np.load(CACHE / "pictures.npz") as file:
        concept, vendor = file["concept"], file["vendor"]
    concepts = json.loads((CACHE / "concepts.json").read_text())
    common = set(json.loads((HERE / "eval200.json").read_text()))
    names = evaluation_concepts(concept, vendor, concepts)
    if options.only_common:
        names = [c for c in names if concepts[c]["label"] in common]
    pixels, colours = held_out(held_out_pictures([concepts[c]["key"] for c in names]))
    tokenizer = load_tokenizer()
    prompt, results = Prompt(tokenizer), {"names": len(names), "common": len(common), "trained_on": TRAIN_VENDORS}
    for dtype, folder in (("w8", OUT), ("fp32", CACHE / "vlm"))[:1 if options.only_common else 2]:
        begin = time.time()
        results[dtype], examples, asked = measure(OnnxVlm(folder, dtype, tokenizer), prompt, concepts, names, common, pixels, colours)
        print(dtype, f"{time.time() - begin:.0f} s", json.dumps(results[dtype], indent=1), flush=True)
        if dtype == "w8":
            results["answers"], results["asked"] = examples, asked
    if options.only_common:
        print(json.dumps([examples, asked], indent=0)[:6000])
    else:
        (Path(__file__).parent / "eval.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
