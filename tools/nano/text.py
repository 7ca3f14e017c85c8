"""Captions: what a concept may be called, in which sentences, and which concepts a phrase fits.

A phrase is a CLDR label, a vendor-neutral alias (emoji short codes) or a CLDR keyword. A keyword may fit several
concepts, so every phrase carries a distribution over concepts, used as soft target instead of calling the other
concepts wrong.
"""
from collections import defaultdict

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

EVAL_TEMPLATE = "a photo of a {}."
OWN_TEMPLATES = ["a photo of a {}.", "a photo of a {}", "a photo of {}.", "{}", "a {}", "an emoji of a {}", "an emoji of {}",
                 "emoji {}", "a picture of a {}.", "a picture of {}", "an image of a {}", "an icon of a {}", "this is a photo of {}",
                 "a drawing of a {}.", "{}.", "a photo of the {}.", "a cartoon of a {}", "clip art of a {}", "the {}"]
OPENAI_TEMPLATES = [template("{}") for template in OPENAI_IMAGENET_TEMPLATES]
NEUTRAL = ["a photo", "a photo.", "a picture", "a picture.", "an image", "an image of something", "a picture of an object",
           "a photo of a thing", "a photo of something.", "a photo of a thing.", "a drawing", "something", "a photo of an object.",
           "an icon", "an emoji", "a picture of something", "an object", "a thing", "a photo of anything", "an image."]
MAX_KEYWORD_CONCEPTS = 12


class Captions:
    """Draws tokenised captions for concepts, with the distribution of concepts each one fits."""

    def __init__(self, concepts, seed):
        self.rng = np.random.RandomState(seed)
        self.tokenizer = SimpleTokenizer()
        self.count = len(concepts)
        labels, fitting = {}, defaultdict(set)
        for i, concept in enumerate(concepts):
            labels.setdefault(concept["label"].lower(), i)
            for tag in concept["tags"]:
                fitting[tag.lower()].add(i)
        self.aliases, self.keywords = [], []
        for i, concept in enumerate(concepts):
            aliases = [a for a in concept["aliases"] if a != concept["label"].lower() and len(a) > 2]
            for alias in aliases:
                fitting[alias].add(i)
            self.aliases.append(aliases)
        self.phrases = {}  # phrase -> (concepts, weights)
        for phrase, found in fitting.items():
            if len(found) <= MAX_KEYWORD_CONCEPTS or phrase in labels:
                found = sorted(found - {labels.get(phrase)}) if len(found) <= MAX_KEYWORD_CONCEPTS else []
                owner = labels.get(phrase)
                if owner is None:
                    self.phrases[phrase] = (found, [1 / len(found)] * len(found))
                elif found:
                    self.phrases[phrase] = ([owner, *found], [0.7] + [0.3 / len(found)] * len(found))
        for label, i in labels.items():
            self.phrases.setdefault(label, ([i], [1.0]))
        for i, concept in enumerate(concepts):  # labels that differ only in case share the first one's phrase
            self.phrases.setdefault(concept["label"].lower(), ([i], [1.0]))
        for i, concept in enumerate(concepts):
            known = [t.lower() for t in concept["tags"] if t.lower() in self.phrases and i in self.phrases[t.lower()][0]]
            self.keywords.append((known, np.array([len(self.phrases[t][0]) ** -0.75 for t in known])))
        self.labels = [concept["label"] for concept in concepts]
        self.cache = {}

    def ids(self, text):
        if text not in self.cache:
            self.cache[text] = self.tokenizer.encode(text)
        return self.cache[text]

    def phrase(self, c):
        draw = self.rng.rand()
        known, weights = self.keywords[c]
        if draw < 0.22 and known:
            return known[self.rng.choice(len(known), p=weights / weights.sum())]
        if draw < 0.32 and self.aliases[c]:
            return self.aliases[c][self.rng.randint(len(self.aliases[c]))]
        return self.labels[c]

    def fill(self, phrase):
        draw = self.rng.rand()
        if draw < 0.25:
            template = EVAL_TEMPLATE
        elif draw < 0.40:
            template = "{}"
        elif draw < 0.75:
            template = OWN_TEMPLATES[self.rng.randint(len(OWN_TEMPLATES))]
        else:
            template = OPENAI_TEMPLATES[self.rng.randint(len(OPENAI_TEMPLATES))]
        return template.format(phrase)

    def batch(self, concepts, neutrals=0):
        """ids [n, longest] and fits [n, all concepts + 1]; some captions may be neutral ones, which fit the null class."""
        texts, fits = [], torch.zeros(len(concepts), self.count + 1)
        neutral = set(self.rng.permutation(len(concepts))[:neutrals].tolist())
        for row, c in enumerate(concepts):
            if row in neutral:
                texts.append(NEUTRAL[self.rng.randint(len(NEUTRAL))])
                fits[row, -1] = 1
                continue
            phrase = self.phrase(c)
            found, weights = self.phrases.get(phrase.lower(), ([c], [1.0]))
            if c not in found:
                found, weights = [c], [1.0]
            fits[row, found] = torch.tensor(weights)
            texts.append(self.fill(phrase))
        return pad([self.ids(t) for t in texts]), fits


def pad(token_lists, longest=None):
    """[SOT]+tokens+[EOT], zeros up to the longest (or to `longest`)."""
    rows = [[49406, *tokens[:75], 49407] for tokens in token_lists]
    out = torch.zeros(len(rows), longest or max(map(len, rows)), dtype=torch.long)
    for i, row in enumerate(rows):
        out[i, :len(row)] = torch.tensor(row)
    return out


def tokenize(texts):
    """open_clip's own call: int64 [n, 77]."""
    return SimpleTokenizer()(texts)
