"""What may be drawn after a prompt, and how likely, as transformers' `generate` decides it.

    python sampling.py      # writes packages/core/test/fixtures/sampling.json
"""
import json
from pathlib import Path

import torch
import transformers
from transformers import (LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper,
                          TopKLogitsWarper, TopPLogitsWarper)

OUT = Path(__file__).parents[2] / "packages/core/test/fixtures/sampling.json"
CASES = [
    {}, {"temperature": 0.5}, {"temperature": 2.5}, {"topK": 1}, {"topK": 5}, {"topK": 1000}, {"topP": 0.05}, {"topP": 0.5},
    {"topP": 0.95}, {"topP": 0.999}, {"minP": 0.02}, {"minP": 0.5}, {"minP": 1.0}, {"repetitionPenalty": 1.3},
    {"repetitionPenalty": 0.7}, {"temperature": 0.7, "topK": 12, "topP": 0.99, "minP": 0.01, "repetitionPenalty": 1.2},
    {"temperature": 3.0, "topK": 30, "topP": 0.6}, {"temperature": 1.5, "topP": 0.8, "minP": 0.2},
]


def warpers(case):
    """In the order of `generate`."""
    steps = LogitsProcessorList()
    if "repetitionPenalty" in case:
        steps.append(RepetitionPenaltyLogitsProcessor(case["repetitionPenalty"]))
    if "temperature" in case:
        steps.append(TemperatureLogitsWarper(case["temperature"]))
    if "topK" in case:
        steps.append(TopKLogitsWarper(case["topK"]))
    if "topP" in case:
        steps.append(TopPLogitsWarper(case["topP"]))
    if "minP" in case:
        steps.append(MinPLogitsWarper(case["minP"]))
    return steps


def main():
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(60, generator=generator) * spread for spread in (1, 4, 30)]
    rows = [torch.tensor([round(v, 4) for v in row.tolist()]) for row in rows]     # as they are written
    cases = []
    for row in rows:
        for case in CASES:
            logits = row.clone()
            if "topK" in case and "topP" not in case:
                logits[[7, 11, 13]] = logits.max() + 1     # ties at the top; which of them top-p keeps is the sort's chance
            seen = [3, 7, 7, 59, int(logits.argmax())]
            scores = warpers(case)(torch.tensor([seen]), logits.clone()[None])
            probabilities = scores.double().softmax(-1)[0]
            cases.append({"logits": [round(v, 4) for v in logits.tolist()], "seen": seen, "options": case,
                          "allowed": {str(i): float(f"{p:.5g}") for i, p in enumerate(probabilities.tolist())
                                      if torch.isfinite(scores[0, i])}})
    OUT.write_text(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
