"""Fine-tuning. Two processes of one thread each share every step: on two cores that other programs
also use, this is steadier than one process of two threads, which waits at each of its many barriers.
"""

import copy
import json
import os
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from .augment import augmented
from .data import cached
from .labels import COVID, PNEUMONIA, UNKNOWN, read_manifest, sampling_weights
from .network import from_imagenet

SEED = 20
WORKERS = 2
BATCH = 32
TRUNK_RATE, HEAD_RATE = 6e-4, 3e-3
WEIGHT_DECAY = 0.01
AVERAGE = 0.995
SMOOTHING = 0.02
REPORT_EVERY = 20


def loss(logits, answers):
    """Sum of three masked means; a question that no row of the batch answers adds nothing.

    `answers` int64 [n, 3]: pneumonia, covid, cause; -1 where unknown.
    """
    total = logits.sum() * 0
    for column in (PNEUMONIA, COVID):
        known = answers[:, column] != UNKNOWN
        if known.any():
            target = answers[known, column].float() * (1 - 2 * SMOOTHING) + SMOOTHING
            total = total + F.binary_cross_entropy_with_logits(logits[known, column], target)
    cause = answers[:, 2]
    if (cause != UNKNOWN).any():
        total = total + F.cross_entropy(
            logits[:, 2:], cause, ignore_index=UNKNOWN, label_smoothing=1.5 * SMOOTHING
        )
    return total


def draw(pixels, answers, weight, rng, count):
    """A batch of `count` augmented images: float32 [count, 1, 192, 192] and answers [count, 3]."""
    chosen = rng.choice(len(pixels), count, p=weight)
    batch = np.stack([augmented(pixels[i], rng)[None] for i in chosen])
    batch = torch.from_numpy(batch).to(memory_format=torch.channels_last)
    return batch, torch.from_numpy(answers[chosen])


def share_gradients(model):
    """Mean of the gradients over the processes, in one message."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def follow(average, model, step):
    """Exponential average of weights and of batch-norm statistics; short at first, so that it warms up."""
    keep = min(AVERAGE, (1 + step) / (10 + step))
    for mean, new in zip(average.state_dict().values(), model.state_dict().values()):
        if mean.is_floating_point():
            mean.lerp_(new, 1 - keep)


def share_statistics(model):
    """Each process saw its own half of every batch: the mean of their batch-norm statistics."""
    for buffer in model.buffers():
        if buffer.is_floating_point():
            dist.all_reduce(buffer)
            buffer /= dist.get_world_size()


def worker(rank, steps, pixels, answers, weight, out):
    """One of WORKERS processes; the first keeps the log and the average and writes `out`/checkpoint.pt."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511", GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=WORKERS)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = from_imagenet().to(memory_format=torch.channels_last).train()
    average = copy.deepcopy(model)
    torch.manual_seed(SEED + 1 + rank)
    rng = np.random.default_rng([SEED, rank])
    optimiser, schedule = optimiser_for(model, steps)
    started, running = time.time(), []
    for step in range(steps):
        batch, known = draw(pixels, answers, weight, rng, BATCH // WORKERS)
        value = loss(model(batch), known)
        optimiser.zero_grad()
        value.backward()
        share_gradients(model)
        optimiser.step()
        schedule.step()
        follow(average, model, step)
        running.append(value.item())
        if rank == 0 and (step + 1) % REPORT_EVERY == 0:
            report(out, step + 1, np.mean(running), time.time() - started)
            running = []
    share_statistics(average)
    if rank == 0:
        torch.save(average.state_dict(), f"{out}/checkpoint.pt")
    dist.destroy_process_group()


def optimiser_for(model, steps):
    """AdamW and a one-cycle schedule; the new head learns five times as fast as the trunk."""
    head = list(model._fc.parameters())
    trunk = [p for name, p in model.named_parameters() if not name.startswith("_fc.")]
    optimiser = torch.optim.AdamW(
        [{"params": trunk}, {"params": head}], lr=TRUNK_RATE, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[TRUNK_RATE, HEAD_RATE], total_steps=steps, pct_start=0.25
    )
    return optimiser, schedule


def report(out, step, value, seconds):
    line = {"step": step, "images": step * BATCH, "loss": round(float(value), 4), "seconds": round(seconds)}
    print(json.dumps(line), flush=True)
    with open(f"{out}/train.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def train(data, out, steps):
    """Writes `out`/checkpoint.pt (the averaged weights, float32) and `out`/train.jsonl."""
    os.makedirs(out, exist_ok=True)
    open(f"{out}/train.jsonl", "w", encoding="utf-8").close()
    rows = read_manifest(data)
    rows = rows[(rows.licence_permissive == "yes") & (rows.split == "train")]
    rows = rows[(rows[["pneumonia", "covid", "cause"]] != UNKNOWN).any(axis=1)]
    pixels = [cached(f"{data}/{path}") for path in rows.path]
    print(f"{len(pixels)} radiographs of {rows.patient.nunique()} patients cached", flush=True)
    answers = rows[["pneumonia", "covid", "cause"]].to_numpy()
    work = (steps, pixels, answers, sampling_weights(rows), out)
    mp.start_processes(worker, work, nprocs=WORKERS, start_method="fork")
