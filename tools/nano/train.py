"""Train nano-clip.

Each batch holds distinct concepts, two pictures of each (two vendors where there are two) and captions for half of them. The loss is
CLIP's (pictures x captions, targets softened where a keyword fits several concepts), plus both towers against one
learned prototype per concept, so that every picture is compared with every name at every step.

Two one-thread processes share every batch and sum their gradients once a step: on a busy two-core machine this loses far
less time than two threads that meet after every operation.

    python train.py --minutes 60 --steps 6000      # writes .cache/nano.pt and training-log.csv
"""
import argparse
import csv
import math
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
import torch.nn.functional as F

from augment import augment, erase, pyramid, swap_parts, training_levels
from data import CACHE, SEED, TRAIN_VENDORS, choose_200, load_pictures
from model import NanoClip
from muon import Muon
from text import Captions

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


def loss_of(model, pixels, concept_ids, ids, fits, smoothing):
    """pixels: the pictures of all concepts, twice; ids, fits: captions of the first concepts only."""
    images, words = model.image(pixels), model.words(ids)
    targets = model.targets()
    names = targets[:-1]
    scale = model.logit_scale.exp().clamp(max=100)
    which, own = torch.tensor(concept_ids).repeat(2), torch.arange(len(concept_ids)).repeat(2)
    logits = scale * images @ words.T                      # [2n, captions]
    matches = fits[:, which].T                             # how well caption j fits picture i
    named = own < len(words)                               # pictures with a caption in this batch
    clip = (soft_cross_entropy(logits[named], smooth(matches[named], smoothing / 2))
            + soft_cross_entropy(logits.T, smooth(matches.T, smoothing / 2))) / 2
    one_hot = smooth(F.one_hot(which, len(names)).float(), smoothing)
    image_class = soft_cross_entropy(scale * images @ names.T, one_hot)
    text_class = soft_cross_entropy(scale * words @ targets.T, smooth(fits, smoothing))
    correct = (logits[named].argmax(1) == own[named]).float().mean()
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
def top1(model, pixels, truth, named):
    """Share of the pictures that are nearest to their own prototype."""
    model.eval()
    best = (model.image(pixels) @ model.targets()[named].T).argmax(1)
    return (named[best] == truth).float().mean().item()


def picture_size(progress):
    """Coarse first: 32, then 48, then 64 pixels."""
    return 32 if progress < 0.3 else 48 if progress < 0.6 else 64


def sum_gradients(parameters):
    """Mean of the gradients over the processes, as one flat message."""
    flat = torch.cat([p.grad.reshape(-1) for p in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for p in parameters:
        p.grad.copy_(flat[at:at + p.numel()].view_as(p.grad))
        at += p.numel()


def worker(rank, options, rendezvous):
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=options.processes)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(SEED)
    order = np.random.RandomState(SEED)                    # the same in all processes: they split each batch
    g = torch.Generator().manual_seed(SEED + rank)
    first = rank == 0

    pictures, concept, vendor, concepts = load_pictures()
    validation = validation_rows(concept, vendor, concepts)
    rows = np.array([r for r in np.where(vendor < len(TRAIN_VENDORS))[0] if r not in set(validation)])
    sampler, captions = Sampler(concept, rows, order), Captions(concepts, SEED + rank)
    assert (vendor[:rows.max() + 1] < len(TRAIN_VENDORS)).all()    # the held-out vendor comes last in the file
    levels = training_levels(lambda: pictures[vendor < len(TRAIN_VENDORS)], CACHE)
    valid_pixels = pyramid(pictures[validation], 64).float() / 255
    valid_pixels = valid_pixels[:, :3] + 1 - valid_pixels[:, 3:]
    del pictures
    flip = torch.tensor([mirrorable(c) for c in concepts])
    named = sorted(sampler.keys)
    named, valid_truth = torch.tensor(named), torch.tensor(concept[validation])

    model = NanoClip(len(concepts)).to(memory_format=torch.channels_last)
    parameters = list(model.parameters())
    convolutions = [p for p in parameters if p.ndim == 4]
    decayed = [p for n, p in model.named_parameters() if p.ndim in (2, 3) and n != "prototypes"]
    plain = [p for n, p in model.named_parameters() if (p.ndim <= 1 or n == "prototypes") and n != "logit_scale"]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05, "times": 1}, {"params": plain, "weight_decay": 0, "times": 1},
                                   {"params": [model.logit_scale], "weight_decay": 0, "times": 3}],
                                  lr=options.lr, betas=(0.9, 0.98), fused=True)
    muon = Muon(convolutions, rank, options.processes)
    average = Average(model, options.average)
    if first:
        print(f"{len(rows)} training pictures of {len(sampler.keys)} concepts, {len(validation)} validation pictures; parameters: vision "
              f"{sum(p.numel() for p in model.vision.parameters()):,} text {sum(p.numel() for p in model.text.parameters()):,}", flush=True)
        log = csv.writer(open(options.log, "a" if options.resume else "w", newline="", buffering=1))
        if not options.resume:
            log.writerow(["step", "minutes", "size", "lr", "loss", "clip", "image_class", "text_class", "batch_top1", "scale", "valid_top1"])
    first_step = 0
    if options.resume:
        saved = torch.load(options.resume, weights_only=True)
        first_step = saved["step"]
        model.load_state_dict(saved.get("training", saved["model"]))
        average.model.load_state_dict(saved["model"])
        if "optimizer" in saved:
            optimizer.load_state_dict(saved["optimizer"])
            muon.buffers = saved["muon"]
        order.seed(SEED + first_step)
        captions.rng.seed(SEED + rank + first_step)
        g.manual_seed(SEED + rank + first_step)
    begin, sums, seen, step = time.time(), np.zeros(5), 0, first_step
    share = slice(rank * options.concepts // options.processes, (rank + 1) * options.concepts // options.processes)
    while True:
        clock = torch.tensor([time.time() - begin]) / 60
        dist.broadcast(clock, 0)                           # all processes follow one clock
        minutes = clock.item()
        progress = options.start + (1 - options.start) * max((step - first_step) / options.steps, minutes / options.minutes)
        done = progress >= 1
        if first and step > first_step and (step % 50 == 0 or done):
            save = step % 200 == 0 or done
            valid = top1(average.model, valid_pixels, valid_truth, named) if save else None
            row = [step, f"{minutes:.2f}", size, f"{lr:.2e}", *(f"{v:.4f}" for v in sums / max(seen, 1)),
                   f"{model.logit_scale.exp().item():.2f}", "" if valid is None else f"{valid:.4f}"]
            log.writerow(row)
            print(*row, flush=True)
            sums, seen = np.zeros(5), 0
            if save:
                torch.save({"model": average.model.state_dict(), "step": step, "minutes": minutes, "training": model.state_dict(),
                            "optimizer": optimizer.state_dict(), "muon": muon.buffers}, options.out + ".part")
                os.replace(options.out + ".part", options.out)
        if done:
            break
        size = picture_size(progress)
        lr = options.lr * min(1, (step - first_step + 1) / (30 if options.resume else 100)) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = lr * group["times"]
        concept_ids, picture_rows = sampler.batch(options.concepts)
        half = len(concept_ids)
        concept_ids, picture_rows = concept_ids[share], picture_rows[:half][share] + picture_rows[half:][share]
        pixels = augment(torch.from_numpy(levels[size][picture_rows]), size, flip[concept_ids].repeat(2), g, options.strength)
        pixels = erase(swap_parts(pixels, g), g)
        ids, fits = captions.batch(concept_ids[:len(concept_ids) // 2])
        model.train()
        losses = loss_of(model, pixels.contiguous(memory_format=torch.channels_last), concept_ids, ids, fits, options.smoothing)
        model.zero_grad(set_to_none=False)
        losses[0].backward()
        sum_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        muon.step(lr)
        if first:
            average.update(model, step)
        sums += [v.item() for v in losses]
        seen += 1
        step += 1
    dist.destroy_process_group()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=60, help="wall-clock ceiling; the schedule follows whichever is further, steps or time")
    options.add_argument("--steps", type=int, default=6000)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--concepts", type=int, default=96, help="distinct concepts per batch over all processes, two pictures each")
    options.add_argument("--lr", type=float, default=2e-3)
    options.add_argument("--strength", type=float, default=0.5, help="of the augmentation")
    options.add_argument("--resume", help="a checkpoint to go on from")
    options.add_argument("--start", type=float, default=0.0, help="where in the schedule (0 to 1) this run begins, for --resume")
    options.add_argument("--average", type=float, default=0.998, help="decay of the averaged weights")
    options.add_argument("--smoothing", type=float, default=0.1)
    options.add_argument("--out", default=str(CACHE / "nano.pt"))
    options.add_argument("--log", default=str(Path(__file__).parent / "training-log.csv"))
    options = options.parse_args()
    rendezvous = tempfile.mktemp(prefix="nano-")
    processes.spawn(worker, (options, rendezvous), options.processes)


if __name__ == "__main__":
    main()
