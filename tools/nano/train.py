"""Train nano-clip.

Each batch holds distinct concepts, two pictures of each (two vendors where there are two). The loss is
CLIP's (pictures x captions, targets softened where a keyword fits several concepts), plus both towers against one
learned prototype per concept, so that every picture is compared with every name at every step.

    python train.py --minutes 70 --steps 4500      # writes .cache/nano.pt and training-log.csv
"""
import argparse
import csv
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from augment import augment, pyramid
from data import CACHE, SEED, TRAIN_VENDORS, choose_200, load_pictures
from model import NanoClip
from text import EVAL_TEMPLATE, Captions, pad

CONCEPTS_PER_BATCH = 80
DIRECTED = ("left", "right", "clockwise", "clock", "arrow", "facing")


def mirrorable(concept):
    """Letters, signs, flags and anything whose name has a direction must not be mirrored."""
    return concept["group"] not in (8, 9) and not any(w in concept["label"] for w in DIRECTED) and "thirty" not in concept["label"]


def validation_rows(concept, vendor, concepts):
    """A slice of one *training* vendor (emojione) kept out of training to watch progress: 150 concepts that at least
    two other vendors draw. The held-out vendor is never looked at here."""
    rows = np.where(vendor == TRAIN_VENDORS.index("emojione"))[0]
    counts = np.bincount(concept[vendor < len(TRAIN_VENDORS)], minlength=len(concepts))
    rows = [r for r in rows if counts[concept[r]] >= 3 and concepts[concept[r]]["group"] != 9]
    return np.array(sorted(random.Random(SEED).sample(rows, 150)))


class Sampler:
    """Distinct concepts per batch, each seen once per pass; then two pictures of each."""

    def __init__(self, concept, rows, rng):
        self.rng, self.queue = rng, []
        self.rows = {}
        for r in rows:
            self.rows.setdefault(int(concept[r]), []).append(int(r))
        self.keys = sorted(self.rows)

    def batch(self, count):
        if len(self.queue) < count:
            fresh = list(self.rng.permutation(self.keys))
            held = set(self.queue)
            self.queue += [k for k in fresh if k not in held] if self.queue else fresh
        chosen, self.queue = self.queue[:count], self.queue[count:]
        first, second = [], []
        for c in chosen:
            rows = self.rows[int(c)]
            pick = self.rng.permutation(len(rows))
            first.append(rows[pick[0]])
            second.append(rows[pick[1 % len(rows)]])
        return [int(c) for c in chosen], first + second


def soft_cross_entropy(logits, targets):
    return -(targets * F.log_softmax(logits, -1)).sum(-1).mean()


def smooth(targets, amount):
    targets = targets / targets.sum(-1, keepdim=True)
    return targets * (1 - amount) + amount / targets.shape[-1]


def loss_of(model, pixels, concept_ids, ids, fits, neutral, smoothing):
    images, words = model.image(pixels), model.words(ids)
    prototypes = F.normalize(model.prototypes, dim=-1)
    scale = model.logit_scale.exp().clamp(max=100)
    which = torch.tensor(concept_ids).repeat(2)
    logits = scale * images @ words.T                      # [2n, n]
    matches = fits[:, which].T.clone()                     # how well caption j fits picture i
    own = torch.arange(len(concept_ids)).repeat(2)
    matches[:, neutral] = (own == neutral).float() * 0.5   # the neutral caption belongs to its own picture only
    clip = (soft_cross_entropy(logits, smooth(matches, smoothing / 2))
            + soft_cross_entropy(logits.T, smooth(matches.T, smoothing / 2))) / 2
    one_hot = smooth(F.one_hot(which, len(prototypes)).float(), smoothing)
    image_class = soft_cross_entropy(scale * images @ prototypes.T, one_hot)
    text_class = soft_cross_entropy(scale * words @ prototypes.T, smooth(fits, smoothing))
    correct = (logits.argmax(1) == own).float().mean()
    return clip + image_class + 0.5 * text_class, clip, image_class, text_class, correct


class Average:
    """Exponential moving average of weights; batch-norm statistics are copied along."""

    def __init__(self, model, decay):
        import copy
        self.model, self.decay = copy.deepcopy(model).eval(), decay

    @torch.no_grad()
    def update(self, model, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


@torch.no_grad()
def top1(model, pixels, truth, caption_ids, concept_of_caption):
    model.eval()
    words = torch.cat([model.words(part) for part in caption_ids.split(256)])
    images = model.image(pixels)
    best = (images @ words.T).argmax(1)
    return (concept_of_caption[best] == truth).float().mean().item()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=70, help="wall-clock ceiling; the schedule follows whichever is further, steps or time")
    options.add_argument("--steps", type=int, default=4500)
    options.add_argument("--lr", type=float, default=1.6e-3)
    options.add_argument("--small-until", type=float, default=0.6, help="fraction of the run at 48 px")
    options.add_argument("--smoothing", type=float, default=0.1)
    options.add_argument("--out", default=str(CACHE / "nano.pt"))
    options.add_argument("--log", default=str(Path(__file__).parent / "training-log.csv"))
    options = options.parse_args()
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    torch.manual_seed(SEED)
    rng, g = np.random.RandomState(SEED), torch.Generator().manual_seed(SEED)

    pictures, concept, vendor, concepts = load_pictures()
    validation = validation_rows(concept, vendor, concepts)
    rows = np.array([r for r in np.where(vendor < len(TRAIN_VENDORS))[0] if r not in set(validation)])
    sampler, captions = Sampler(concept, rows, rng), Captions(concepts, SEED)
    training = pictures[vendor < len(TRAIN_VENDORS)]       # the held-out vendor comes last in the file
    assert (vendor[:len(training)] < len(TRAIN_VENDORS)).all()
    levels = {48: pyramid(training, 64), 64: pyramid(training, 88)}
    valid_pixels = pyramid(training[validation], 64).float() / 255
    valid_pixels = valid_pixels[:, :3] + 1 - valid_pixels[:, 3:]
    del pictures
    flip = torch.tensor([mirrorable(c) for c in concepts])
    named = sorted(sampler.keys)
    all_captions = pad([captions.ids(EVAL_TEMPLATE.format(concepts[c]["label"])) for c in named])
    named, valid_truth = torch.tensor(named), torch.tensor(concept[validation])
    print(f"{len(rows)} training pictures of {len(sampler.keys)} concepts, {len(validation)} validation pictures", flush=True)

    model = NanoClip(len(concepts)).to(memory_format=torch.channels_last)
    print(f"vision {sum(p.numel() for p in model.vision.parameters()):,} text {sum(p.numel() for p in model.text.parameters()):,} parameters", flush=True)
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and n != "prototypes"]
    plain = [p for n, p in model.named_parameters() if p.ndim <= 1 or n == "prototypes"]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0}],
                                  lr=options.lr, betas=(0.9, 0.98), fused=True)
    average = Average(model, 0.998)
    log = csv.writer(open(options.log, "w", newline=""))
    log.writerow(["step", "minutes", "size", "lr", "loss", "clip", "image_class", "text_class", "batch_top1", "scale", "valid_top1"])
    begin, sums, seen = time.time(), np.zeros(5), 0
    step = 0
    while True:
        progress = max(step / options.steps, (time.time() - begin) / 60 / options.minutes)
        done = progress >= 1
        if step and (step % 100 == 0 or done):
            valid = top1(average.model, valid_pixels, valid_truth, all_captions, named) if step % 300 == 0 or done else ""
            row = [step, f"{(time.time() - begin) / 60:.2f}", size, f"{lr:.2e}", *(f"{v:.4f}" for v in sums / max(seen, 1)),
                   f"{model.logit_scale.exp().item():.2f}", valid and f"{valid:.4f}"]
            log.writerow(row)
            print(*row, flush=True)
            sums, seen = np.zeros(5), 0
            if step % 300 == 0 or done:
                torch.save({"model": average.model.state_dict(), "step": step, "minutes": (time.time() - begin) / 60}, options.out)
        if done:
            break
        size = 48 if progress < options.small_until else 64
        lr = options.lr * min(1, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = lr
        concept_ids, picture_rows = sampler.batch(CONCEPTS_PER_BATCH)
        pixels = augment(levels[size][picture_rows], size, flip[concept_ids].repeat(2), g)
        ids, fits, neutral = captions.batch(concept_ids)
        model.train()
        losses = loss_of(model, pixels.contiguous(memory_format=torch.channels_last), concept_ids, ids, fits, neutral, options.smoothing)
        optimizer.zero_grad(set_to_none=True)
        losses[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        average.update(model, step)
        sums += [v.item() for v in losses]
        seen += 1
        step += 1


if __name__ == "__main__":
    main()
