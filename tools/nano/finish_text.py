"""Finish the text tower alone: pictures and prototypes stay as they are, captions learn to hit the prototypes.

A text step costs a fraction of a full one, and the text tower is behind the pictures at the end of a short run. The
loss is the cross-entropy against all prototypes plus the distance to the caption's own: nearest, and close.

    python finish_text.py --minutes 8        # .cache/nano.pt -> .cache/nano-text.pt
    python finish_text.py --go-on            # from nano-text.pt, for instance after a longer picture run
"""
import argparse
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

from data import CACHE, SEED, TRAIN_VENDORS
from model import NanoClip
from text import EVAL_TEMPLATE, Captions, pad
from train import smooth, soft_cross_entropy


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=8)
    options.add_argument("--lr", type=float, default=2e-3)
    options.add_argument("--captions", type=int, default=192, help="per step")
    options.add_argument("--pull", type=float, default=5.0, help="weight of the distance to the own prototype")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--go-on", action="store_true", help="start from nano-text.pt")
    options.add_argument("--checkpoint", default=str(CACHE / "nano.pt"))
    options.add_argument("--out", default=str(CACHE / "nano-text.pt"))
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    concepts = json.loads((CACHE / "concepts.json").read_text())
    with np.load(CACHE / "pictures.npz") as file:
        named = sorted(set(file["concept"][file["vendor"] < len(TRAIN_VENDORS)].tolist()))
    model = NanoClip(len(concepts))
    model.load_state_dict(torch.load(options.checkpoint, weights_only=True)["training"])
    if options.go_on:
        model.text.load_state_dict(torch.load(options.out, weights_only=True)["text"])
    targets = model.targets().detach()
    scale = model.logit_scale.exp().item()
    captions, rng = Captions(concepts, SEED + 7), np.random.RandomState(SEED + 7)
    optimizer = torch.optim.AdamW(model.text.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    begin, step, queue, losses = time.time(), 0, [], []
    while (progress := (time.time() - begin) / 60 / options.minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = options.lr * min(1, (step + 1) / 20) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        if len(queue) < options.captions:
            queue = list(rng.permutation(named))
        batch, queue = [int(c) for c in queue[:options.captions]], queue[options.captions:]
        ids, fits = captions.batch(batch, neutrals=4)
        words = model.words(ids)
        own = F.normalize(fits @ targets, dim=-1)
        nearest = soft_cross_entropy(scale * words @ targets.T, smooth(fits, 0.05))
        loss = nearest + options.pull * (1 - (words * own).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.text.parameters(), 2.0)
        optimizer.step()
        losses.append((loss.item(), nearest.item()))
        step += 1
        if step % 50 == 0:
            print(f"{step} {(time.time() - begin) / 60:.2f} min, loss and cross-entropy {np.mean(losses[-50:], 0).round(3)}", flush=True)
    torch.save({"text": model.text.state_dict(), "steps": step}, options.out)
    with torch.no_grad():
        words = torch.cat([model.words(pad([captions.ids(EVAL_TEMPLATE.format(concepts[c]["label"])) for c in named[i:i + 128]])) for i in range(0, len(named), 128)])
        hit = (words @ targets.T).argmax(1)
        print(f"cosine of names to their prototypes {(words * targets[named]).sum(1).mean():.3f}")
        print(f"{step} steps; names that hit their own prototype: {(hit == torch.tensor(named)).float().mean():.4f}", flush=True)


if __name__ == "__main__":
    main()
