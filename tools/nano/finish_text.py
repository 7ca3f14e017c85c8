"""Finish the text tower alone: pictures and prototypes stay as they are, captions learn to hit the prototypes.

A text step costs a tenth of a full one, and the text tower is behind the pictures at the end of a short run.

    python finish_text.py --minutes 6        # .cache/nano.pt -> .cache/nano-text.pt
"""
import argparse
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

from data import CACHE, SEED, TRAIN_VENDORS
from model import NanoClip
from text import EVAL_TEMPLATE, Captions, pad
from train import smooth, soft_cross_entropy

CAPTIONS = 96


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=6)
    options.add_argument("--lr", type=float, default=1e-3)
    options.add_argument("--align", action="store_true", help="go on from nano-text.pt, pulling captions onto their prototypes")
    options = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    import json
    concepts = json.loads((CACHE / "concepts.json").read_text())
    with np.load(CACHE / "pictures.npz") as file:
        named = sorted(set(file["concept"][file["vendor"] < len(TRAIN_VENDORS)].tolist()))
    saved = torch.load(CACHE / "nano.pt", weights_only=True)["training"]
    model = NanoClip(len(concepts))
    model.load_state_dict(saved)
    if options.align:
        model.text.load_state_dict(torch.load(CACHE / "nano-text.pt", weights_only=True)["text"])
    prototypes = F.normalize(model.prototypes.detach(), dim=-1)
    scale = model.logit_scale.exp().item()
    captions, rng = Captions(concepts, SEED + 7), np.random.RandomState(SEED + 7)
    optimizer = torch.optim.AdamW(model.text.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    begin, step, queue, losses = time.time(), 0, [], []
    while True:
        progress = (time.time() - begin) / 60 / options.minutes
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = options.lr * min(1, (step + 1) / 20) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        if len(queue) < CAPTIONS:
            queue = list(rng.permutation(named))
        batch, queue = [int(c) for c in queue[:CAPTIONS]], queue[CAPTIONS:]
        ids, fits, _ = captions.batch(batch, with_neutral=True)
        words = model.words(ids)
        if options.align:  # on top of the last finish: not only nearest, but close
            target = F.normalize(fits @ prototypes, dim=-1)
            loss = 10 * (1 - (words * target).sum(-1)).mean()
        else:
            loss = soft_cross_entropy(scale * words @ prototypes.T, smooth(fits, 0.05))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.text.parameters(), 2.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % 20 == 0:
            print(f"{step} {(time.time() - begin) / 60:.2f} min, loss {np.mean(losses[-20:]):.3f}", flush=True)
    torch.save({"text": model.text.state_dict(), "steps": step}, CACHE / "nano-text.pt")
    with torch.no_grad():
        words = torch.cat([model.words(pad([captions.ids(EVAL_TEMPLATE.format(concepts[c]["label"])) for c in named[i:i + 128]])) for i in range(0, len(named), 128)])
        hit = (words @ prototypes.T).argmax(1)
        print(f"cosine of names to their prototypes {(words * prototypes[named]).sum(1).mean():.3f}")
        print(f"{step} steps; names that hit their own prototype: {(hit == torch.tensor(named)).float().mean():.4f}", flush=True)


if __name__ == "__main__":
    main()
