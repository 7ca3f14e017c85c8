"""Greedy answers by PyTorch: to watch training, and as reference for the exported graphs."""
from dataclasses import dataclass

import torch

from vlm.decoder import causal_bias
from vlm.vision import PLACES


@dataclass
class Answer:
    ids: list                     # the new tokens without <|im_end|>
    text: str
    first_logits: torch.Tensor    # after the prompt, [rows]
    smallest_lead: float          # least distance between the best and the second logit on the way


@torch.no_grad()
def greedy(model, prompt, places, question, limit=24):
    """One question about each picture; places [n,16,192] -> n Answers."""
    decoder, n, ids = model.decoder, len(places), prompt.full(question)
    at = ids.index(prompt.image)
    embedded = decoder.embedding(torch.tensor([ids])).repeat(n, 1, 1)
    embedded[:, at:at + PLACES] = model.vision.project(places)
    hidden, past = decoder(embedded, torch.arange(len(ids))[None].expand(n, -1), causal_bias(len(ids)))
    logits = decoder.logits(hidden[:, -1])
    answers = [Answer([], "", row, float("inf")) for row in logits]
    done = torch.zeros(n, dtype=torch.bool)
    for length in range(len(ids), len(ids) + limit):
        best = logits.topk(2)
        token = best.indices[:, 0]
        for i in (~done).nonzero().flatten().tolist():
            answers[i].smallest_lead = min(answers[i].smallest_lead, (best.values[i, 0] - best.values[i, 1]).item())
            if token[i] != prompt.end:
                answers[i].ids.append(token[i].item())
        done |= token == prompt.end
        if done.all():
            break
        bias = torch.zeros(1, 1, 1, length + 1)
        hidden, past = decoder(decoder.embedding(token)[:, None], torch.full((n, 1), length), bias, past)
        logits = decoder.logits(hidden[:, -1])
    for answer in answers:
        answer.text = prompt.tokenizer.decode(answer.ids)
    return answers
