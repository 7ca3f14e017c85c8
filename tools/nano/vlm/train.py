"""Train nano-vlm: first the projector and the decoder on nano-clip's frozen trunk, then all together.

Two one-thread processes share each batch, as for nano-clip. The schedule follows the clock alone, so that a run ends when
it was told to.

    python -m vlm.train --minutes 35       # writes .cache/vlm/nano-vlm.pt and vlm/training-log.csv
"""
import argparse
import csv
import json
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
import torch.nn.functional as F

from augment import training_levels
from data import CACHE, SEED, TRAIN_VENDORS, load_pictures
from muon import Muon
from train import mirrorable, validation_rows
from vlm.decoder import causal_bias
from vlm.greedy import greedy
from vlm.nano_vlm import CHECKPOINT, NanoVlm
from vlm.phrases import spoken, with_article
from vlm.pictures import prepared, training_batch
from vlm.prompt import Prompt, pack
from vlm.questions import SYSTEMS, Questions
from vlm.sampler import PictureSampler, concept_weights
from vlm.tokenizer import load as load_tokenizer
from vlm.vision import PLACES, clip_trunk

def answer_loss(model, prompt, places, conversations, system, smoothing):
    """Cross-entropy of the answers' tokens, and the share of tokens that are right."""
    decoder = model.decoder
    prefix = prompt.prefix(system)
    ids, positions, bias, learned = pack(prompt, conversations, len(prefix))
    embedded = torch.cat([model.vision.project(places), decoder.embedding(ids[:, PLACES:])], 1)
    # the prefix is the same for all: computed once
    start = torch.arange(len(prefix))[None]
    _, past = decoder(decoder.embedding(torch.tensor([prefix])), start, causal_bias(len(prefix)))
    past = [[t.expand(len(ids), -1, -1, -1) for t in pair] for pair in past]
    before = F.pad(learned[:, 1:], (0, 1))                 # the places whose next token is to be learned
    hidden, _ = decoder(embedded, positions, bias, past, before)
    targets = ids[learned]
    logits = decoder.logits(hidden)
    return F.cross_entropy(logits, targets, label_smoothing=smoothing), (logits.argmax(-1) == targets).float().mean()


def reduce_gradients(parameters, world):
    """Mean over the processes, as one message."""
    if world == 1:
        return
    flat = torch.cat([p.grad.reshape(-1) for p in parameters])
    dist.all_reduce(flat)
    flat /= world
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad.copy_(part.view_as(p))


def worker(rank, options, rendezvous):
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=options.processes)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(SEED)
    order = np.random.RandomState(SEED)                    # the same in all processes: they split each batch
    g = torch.Generator().manual_seed(SEED + rank)
    first = rank == 0

    with np.load(CACHE / "pictures.npz") as file:
        concept, vendor = file["concept"], file["vendor"]
    concepts = json.loads((CACHE / "concepts.json").read_text())
    subgroups = json.loads((CACHE / "node_modules/emojibase-data/meta/groups.json").read_text())["subgroups"]
    validation = validation_rows(concept, vendor, concepts)
    rows = np.array([r for r in np.where(vendor < len(TRAIN_VENDORS))[0] if r not in set(validation)])
    assert (vendor[:rows.max() + 1] < len(TRAIN_VENDORS)).all()    # the held-out vendor comes last in the file
    level = training_levels(lambda: load_pictures()[0][vendor < len(TRAIN_VENDORS)], CACHE)[64]
    if first:
        pictures = load_pictures()[0][validation]
        valid_pixels = torch.from_numpy(np.stack([prepared(p) for p in pictures]).transpose(0, 3, 1, 2) / np.float32(255))
        valid_names = [with_article(spoken(concepts[c]["label"])) for c in concept[validation]]
    flip = torch.tensor([mirrorable(c) for c in concepts])
    sampler = PictureSampler(concept, rows, concept_weights(concepts, subgroups), order)
    questions = Questions(concepts, SEED + rank)
    questions.trained = sampler.keys.tolist()
    tokenizer = load_tokenizer()
    prompt = Prompt(tokenizer)

    model = NanoVlm(tokenizer.get_vocab_size(), clip_trunk(options.clip))
    if options.resume:
        model.load_state_dict(torch.load(options.resume, weights_only=True)["model"])
    trunk = list(model.vision.trunk.parameters())
    own = [p for n, p in model.named_parameters() if not n.startswith("vision.trunk.")]
    matrices = [p for n, p in model.named_parameters() if n.startswith("decoder.layers") and p.ndim == 2]
    kept = {id(p) for p in matrices}
    optimizer = torch.optim.AdamW([
        {"params": [p for p in own if id(p) not in kept and p.ndim > 1], "weight_decay": 0.02, "times": 1},
        {"params": [p for p in own if id(p) not in kept and p.ndim == 1], "weight_decay": 0, "times": 1},
        {"params": [p for p in trunk if p.ndim == 1], "weight_decay": 0, "times": options.trunk},
    ], lr=options.lr, betas=(0.9, 0.98), fused=True)
    muon = Muon(matrices, rank, options.processes)
    trunk_muon = Muon([p for p in trunk if p.ndim == 4], rank, options.processes)
    share = slice(rank * options.pictures // options.processes, (rank + 1) * options.pictures // options.processes)
    if first:
        Path(options.out).parent.mkdir(parents=True, exist_ok=True)
        log = csv.writer(open(options.log, "w", newline="", buffering=1))
        log.writerow(["step", "minutes", "trunk", "lr", "loss", "tokens_right", "valid_named"])
        print(f"{len(rows)} pictures of {len(sampler.keys)} concepts; parameters: vision {sum(p.numel() for p in model.vision.parameters()):,} "
              f"decoder {sum(p.numel() for p in model.decoder.parameters()):,}", flush=True)
    begin, sums, seen, step, saved_at, lr = time.time(), np.zeros(2), 0, 0, 0.0, 0.0
    while True:
        clock = torch.tensor([time.time() - begin]) / 60
        dist.broadcast(clock, 0)                           # all processes follow one clock
        minutes = clock.item()
        progress = options.start + (1 - options.start) * minutes / options.minutes
        done = progress >= 1
        joint = progress >= options.joint
        if first and step and (step % 50 == 0 or done):
            save = minutes - saved_at > 3 or done
            named = None
            if save:
                saved_at = minutes
                model.eval()
                with torch.no_grad():
                    answers = greedy(model, prompt, model.vision.map(valid_pixels), "What is this?")
                named = np.mean([answer.text == name for answer, name in zip(answers, valid_names)])
                torch.save({"model": model.state_dict(), "step": step, "minutes": minutes}, options.out + ".part")
                os.replace(options.out + ".part", options.out)
            row = [step, f"{minutes:.2f}", "trained" if joint else "frozen", f"{lr:.2e}", *(f"{v:.4f}" for v in sums / max(seen, 1)),
                   "" if named is None else f"{named:.4f}"]
            log.writerow(row)
            print(*row, flush=True)
            sums, seen = np.zeros(2), 0
        if done:
            break
        model.train()
        lr = options.lr * min(1, (step + 1) / 60) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = lr * group["times"] if joint or group["times"] == 1 else 0.0
        concept_ids, picture_rows = sampler.batch(options.pictures)
        system = SYSTEMS[order.randint(len(SYSTEMS))]
        concept_ids, picture_rows = concept_ids[share], picture_rows[share]
        pixels, colours = training_batch(torch.from_numpy(level[picture_rows]), flip[concept_ids], g, options.strength)
        conversations = [questions.conversations(int(c), names, options.questions) for c, names in zip(concept_ids, colours)]
        with torch.set_grad_enabled(joint):
            places = model.vision.map(pixels.contiguous(memory_format=torch.channels_last), styled=True)
        loss, right = answer_loss(model, prompt, places, conversations, system, options.smoothing)
        changing = own + trunk if joint else own
        model.zero_grad(set_to_none=False)
        loss.backward()
        reduce_gradients(changing, options.processes)
        torch.nn.utils.clip_grad_norm_(changing, 1.0)
        optimizer.step()
        muon.step(lr)
        if joint:
            trunk_muon.step(lr * options.trunk)
        sums += [loss.item(), right.item()]
        seen += 1
        step += 1
    dist.destroy_process_group()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=35)
    options.add_argument("--joint", type=float, default=0.5, help="where in the schedule (0 to 1) the trunk begins to be trained too")
    options.add_argument("--trunk", type=float, default=0.15, help="the trunk's learning rate over the decoder's")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--pictures", type=int, default=48, help="per batch, over all processes")
    options.add_argument("--questions", type=int, default=4, help="about each picture")
    options.add_argument("--lr", type=float, default=2e-3)
    options.add_argument("--strength", type=float, default=0.5, help="of the augmentation")
    options.add_argument("--smoothing", type=float, default=0.05)
    options.add_argument("--clip", default=str(CACHE / "nano.pt"), help="nano-clip's checkpoint, for the trunk")
    options.add_argument("--resume", help="a checkpoint to go on from (weights only)")
    options.add_argument("--start", type=float, default=0.0, help="where in the schedule this run begins")
    options.add_argument("--out", default=str(CHECKPOINT))
    options.add_argument("--log", default=str(Path(__file__).parent / "training-log.csv"))
    options = options.parse_args()
    rendezvous = tempfile.mktemp(prefix="nano-vlm-")
    processes.spawn(worker, (options, rendezvous), options.processes)


if __name__ == "__main__":
    main()
