"""Prompts and answers as token ids, in FastVLM's (Qwen2's) chat format, and as packed training sequences.

    <|im_start|>system\\n…<|im_end|>\\n<|im_start|>user\\n  <image> x 16  \\n{question}<|im_end|>\\n<|im_start|>assistant\\n  {answer}<|im_end|>
    prefix, the same for a whole batch                     picture       a branch

Training puts several conversations about one picture behind it as *branches*: each sees the prefix, the picture and
itself, not the others, at positions as if it were alone.
"""
import torch

from vlm.questions import SYSTEM
from vlm.vision import PLACES


class Prompt:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.end = tokenizer.token_to_id("<|im_end|>")
        self.image = tokenizer.token_to_id("<image>")
        self.cache = {}

    def ids(self, text):
        if text not in self.cache:
            self.cache[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.cache[text]

    def prefix(self, system=SYSTEM):
        start = f"<|im_start|>system\n{system}<|im_end|>\n" if system is not None else ""
        return self.ids(start + "<|im_start|>user\n")

    def full(self, question, system=SYSTEM):
        """The whole prompt of a first question."""
        return self.ids(f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n" + "<image>" * PLACES
                        + f"\n{question}<|im_end|>\n<|im_start|>assistant\n")

    def branch(self, turns):
        """Ids of a conversation behind the picture, and which of them are to be learned (the answers and their ends)."""
        ids, learned = [], []
        for i, (question, answer) in enumerate(turns):
            asked = self.ids(f"\n{question}<|im_end|>\n<|im_start|>assistant\n") if i == 0 else \
                self.ids(f"\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")
            said = [*self.ids(answer), self.end]
            ids += [*asked, *said]
            learned += [False] * len(asked) + [True] * len(said)
        return ids, learned


def pack(prompt, conversations, prefix_length):
    """For each picture a list of conversations -> ids [n,t], positions [n,t], bias [n,1,t,prefix+t], learned (row, column) pairs.

    The first 16 ids of a row stand for the picture. `learned` are the columns of answer tokens; each is predicted by the
    state one column earlier.
    """
    rows = []
    for of_one in conversations:
        ids, positions, branch, learned = [prompt.image] * PLACES, list(range(PLACES)), [0] * PLACES, [False] * PLACES
        for number, turns in enumerate(of_one):
            more, which = prompt.branch(turns)
            ids += more
            positions += range(PLACES, PLACES + len(more))
            branch += [number + 1] * len(more)
            learned += which
        rows.append((ids, positions, branch, learned))
    n, t = len(rows), max(len(row[0]) for row in rows)
    ids, positions = torch.zeros(n, t, dtype=torch.long), torch.zeros(n, t, dtype=torch.long)
    branch, learned = torch.full((n, t), -1), torch.zeros(n, t, dtype=torch.bool)
    for i, row in enumerate(rows):
        for target, values in zip((ids, positions, branch, learned), row):
            target[i, :len(values)] = torch.tensor(values)
    seen = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)
    seen &= torch.ones(t, t, dtype=torch.bool).tril()
    bias = torch.zeros(n, 1, t, prefix_length + t)
    bias[:, 0, :, prefix_length:] = (~seen).float() * -1e4
    return ids, positions + prefix_length, bias, learned
