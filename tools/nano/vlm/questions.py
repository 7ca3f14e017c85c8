"""Questions about a picture and their answers: what the model is taught to say.

A *turn* is (question, answer); a *conversation* one or two turns about the same picture. The wording of a question varies,
the style of an answer follows from the kind of question, so that greedy decoding has one best answer.
"""
import re

import numpy as np

from vlm.categories import kinds_and_categories
from vlm.colours import NAMES as COLOUR_NAMES
from vlm.phrases import caption, spoken, with_article

DEFAULT_PROMPT = "Describe the image in one sentence."
SYSTEM = "You are a helpful assistant."
SYSTEMS = [SYSTEM] * 17 + [None, None, "You are a helpful vision assistant. Answer briefly."]

DESCRIBE = ["Describe the image.", "Describe this image.", "Describe this picture.", "Describe the picture in one sentence.",
            "Caption this image.", "Write a caption for this picture.", "What does the picture show?", "What do you see?",
            "What can you see in this image?", "What is in the image?", "What is in this picture?", "Describe the image in English.",
            "Write alt text for this image.", "Describe what you see.", "What does this image show?"]
NAME = ["What is this?", "What is this?", "What is this?", "What is it?", "What's this?", "What is that?", "What object is this?",
        "What is shown here?", "Tell me what this is.", "Which thing is this?", "What am I looking at?", "What are these?"]
BARE_NAME = ["Name this.", "Name the object.", "Name the thing in the picture.", "What is this called?", "What is the name of this?",
             "Give me its name."]
COLOUR = ["What color is it?", "What color is this?", "What colour is it?", "What colour is this?", "What is the color?",
          "Which color does it have?", "What is its main color?", "What are the main colors?", "Name the colors.", "What colors do you see?",
          "What colours are in the picture?", "What color is the object?"]
KIND = ["What kind of thing is this?", "What kind of thing is it?", "What kind of object is this?", "What type of thing is this?",
        "What category does it belong to?", "What sort of thing is this?", "Which category is this?", "Classify this.",
        "Is this an animal, food or an object?"]
IS_THIS = ["Is this {}?", "Is this {}?", "Is this {}?", "Is it {}?", "Is that {}?", "Is {} shown here?", "Is the thing in the picture {}?",
           "Does the image show {}?", "Does this picture show {}?", "Can you see {}?", "Do you see {}?", "Is there {} in the image?",
           "Would you say this is {}?", "Yes or no: is this {}?"]
IS_COLOUR = ["Is it {}?", "Is this {}?", "Is the object {}?", "Is its main color {}?"]
OTHER_WORDS = {"food": ["food", "food", "something to eat", "some food"], "a drink": ["a drink", "a drink", "something to drink"],
               "clothing": ["clothing", "clothing", "something to wear"], "a vehicle": ["a vehicle", "a vehicle", "a means of transport"],
               "sky or weather": ["sky or weather", "the weather", "something in the sky"], "a bug": ["a bug", "an insect or bug"],
               "electronic": ["electronic", "an electronic device"], "a person": ["a person", "a person", "a human"],
               "a symbol": ["a symbol", "a sign", "a symbol"], "a sweet": ["a sweet", "something sweet"]}
LETTER = re.compile(r"[a-z]+")


class Questions:
    """Draws conversations about concepts."""

    def __init__(self, concepts, seed):
        self.rng = np.random.RandomState(seed)
        self.concepts = concepts
        self.kinds, self.categories, self.others = kinds_and_categories(concepts)
        count = {}
        for mine in self.categories:
            for c in mine:
                count[c] = count.get(c, 0) + 1 / len(mine)
        # a category is denied as often as it is affirmed, so that the question alone says nothing about the answer
        self.other_weights = [np.array([count[c] for c in others]) for others in self.others]
        self.words = [set(LETTER.findall(" ".join([c["label"], *c["aliases"], *c["tags"]]).lower())) for c in concepts]
        self.label_words = [set(LETTER.findall(c["label"].lower())) for c in concepts]
        self.in_subgroup = {}
        for i, concept in enumerate(concepts):
            self.in_subgroup.setdefault(concept["subgroup"], []).append(i)
        self.trained = list(range(len(concepts)))

    def one_of(self, list_):
        return list_[self.rng.randint(len(list_))]

    def describe(self, c, colours):
        question = DEFAULT_PROMPT if self.rng.rand() < 0.6 else self.one_of(DESCRIBE)
        return question, caption(self.concepts[c], colours)

    def name(self, c, colours):
        words = spoken(self.concepts[c]["label"])
        return (self.one_of(NAME), with_article(words)) if self.rng.rand() < 0.75 else (self.one_of(BARE_NAME), words)

    def colour(self, c, colours):
        if self.rng.rand() < 0.25:
            return self.is_colour(c, colours)
        return self.one_of(COLOUR), " and ".join(colours)

    def is_colour(self, c, colours):
        yes = self.rng.rand() < 0.5
        colour = colours[0] if yes else self.one_of([n for n in COLOUR_NAMES if n not in colours])
        return self.one_of(IS_COLOUR).format(colour), "yes" if yes else "no"

    def kind(self, c, colours):
        if self.kinds[c] is None:
            return self.name(c, colours)
        return self.one_of(KIND), self.kinds[c]

    def is_category(self, c, colours, yes=None):
        yes = self.rng.rand() < 0.5 if yes is None else yes
        if yes and self.categories[c]:
            category = self.one_of(self.categories[c])
        elif not yes and self.others[c]:
            weights = self.other_weights[c]
            category = self.others[c][self.rng.choice(len(weights), p=weights / weights.sum())]
        else:
            return self.is_name(c, colours, yes)
        phrase = self.one_of(OTHER_WORDS.get(category, [category]))
        template = self.one_of(IS_THIS) if phrase != "electronic" else "Is this {}?"
        return template.format(phrase), "yes" if yes else "no"

    def is_name(self, c, colours, yes=None):
        yes = self.rng.rand() < 0.5 if yes is None else yes
        if yes:
            aliases = [a for a in self.concepts[c]["aliases"] if a.isascii() and len(a) > 2]
            words = self.one_of(aliases) if aliases and self.rng.rand() < 0.25 else self.concepts[c]["label"]
        else:
            words = self.concepts[self.other_concept(c)]["label"]
        return self.one_of(IS_THIS).format(with_article(spoken(words))), "yes" if yes else "no"

    def other_concept(self, c):
        """A concept that this one surely is not: no word of its label names or describes this one; often of the same subgroup."""
        near = self.in_subgroup[self.concepts[c]["subgroup"]]
        for _ in range(20):
            other = self.one_of(near if self.rng.rand() < 0.4 else self.trained)
            if not self.label_words[other] & self.words[c]:
                return other
        return self.one_of(self.trained)

    def conversations(self, c, colours, count):
        """The caption, the name, and others; now and then two turns in one conversation."""
        others = [self.colour, self.kind, self.is_category, self.is_category, self.is_name]
        turns = [self.describe(c, colours), self.name(c, colours)]
        turns += [others[i](c, colours) for i in self.rng.permutation(len(others))[:count - 2]]
        conversations = [[turn] for turn in turns]
        if self.rng.rand() < 0.35:
            last = conversations.pop()
            conversations[self.rng.randint(len(conversations))].extend(last)
        return conversations
