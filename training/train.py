"""Fine-tuning. Two processes of one thread each share every step. On two cores that other programs also
use, this is steadier than one process of two threads, which waits at each of its many barriers.
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
from .labels import (
    AUXILIARY, COVID, LABELS, PNEUMONIA, UNKNOWN, auxiliary, pneumonia_weights, read_manifest, sampling_weights,
)
from .network import freeze_start, from_imagenet, training_forward

SEED = 20
WORKERS = 2
BATCH = 32
TRUNK_RATE, HEAD_RATE = 6e-4, 3e-3
WEIGHT_DECAY = 0.01
AVERAGE = 0.997
SMOOTHING = 0.02
AUXILIARY_WEIGHT = 1.0
LABELS_END = len(LABELS)
REPORT_EVERY = 20


class Cases:
    """The rows of training in memory: `pixels`, each uint8 [h, w], with their answers and weights."""

    def __init__(self, data, rows):
        self.pixels = [cached(f"{data}/{path}") for path in rows.path]
        self.answers = rows[["pneumonia", "covid", "cause"]].to_numpy()
        self.auxiliary = auxiliary(rows)
        self.weight = pneumonia_weights(rows)
        self.chance = sampling_weights(rows)

    def draw(self, rng, count):
        """A batch of augmented images, float32 [count, 1, 192, 192], and the indices of their rows."""
        chosen = rng.choice(len(self.pixels), count, p=self.chance)
        batch = np.stack([augmented(self.pixels[i], rng)[None] for i in chosen])
        return torch.from_numpy(batch).to(memory_format=torch.channels_last), chosen

    def loss(self, logits, chosen):
        """The sum of masked means. A question that no row of the batch answers adds nothing."""
        answers = torch.from_numpy(self.answers[chosen])
        pneumonia = presence(logits[:, PNEUMONIA], answers[:, PNEUMONIA], torch.from_numpy(self.weight[chosen]))
        covid = presence(logits[:, COVID], answers[:, COVID], torch.ones(len(chosen)))
        cause, total = answers[:, 2], logits.sum() * 0 + pneumonia + covid
        if (cause != UNKNOWN).any():
            total = total + F.cross_entropy(
                logits[:, 2:LABELS_END], cause, ignore_index=UNKNOWN, label_smoothing=1.5 * SMOOTHING
            )
        beside = torch.from_numpy(self.auxiliary[chosen])
        known = beside[:, 0] != UNKNOWN
        if known.any():
            total = total + AUXILIARY_WEIGHT * F.binary_cross_entropy_with_logits(
                logits[known, LABELS_END:], beside[known].float()
            )
        return total


def presence(logit, answer, weight):
    """The weighted mean of the smoothed binary cross entropy over the rows that answer; 0 if none does."""
    known = answer != UNKNOWN
    if not known.any():
        return 0
    target = answer[known].float() * (1 - 2 * SMOOTHING) + SMOOTHING
    each = F.binary_cross_entropy_with_logits(logit[known], target, reduction="none")
    return (each * weight[known]).sum() / weight[known].sum()


def share_gradients(model):
    """Averages the gradients over the processes, in one message."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def follow(average, model, step):
    """Updates the exponential average of weights and batch-norm statistics. It is short at first, to warm up."""
    keep = min(AVERAGE, (1 + step) / (10 + step))
    for mean, new in zip(average.state_dict().values(), model.state_dict().values()):
        if mean.is_floating_point():
            mean.lerp_(new, 1 - keep)


def share_statistics(model):
    """Averages the batch-norm statistics of the processes, each of which saw half of every batch."""
    for buffer in model.buffers():
        if buffer.is_floating_point():
            dist.all_reduce(buffer)
            buffer /= dist.get_world_size()


def worker(rank, steps, cases, out):
    """Runs one of WORKERS processes. The first writes the log and `out`/checkpoint.pt."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511", GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=WORKERS)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = from_imagenet(LABELS_END + len(AUXILIARY)).to(memory_format=torch.channels_last).train()
    freeze_start(model)
    average = copy.deepcopy(model)
    torch.manual_seed(SEED + 1 + rank)
    rng = np.random.default_rng([SEED, rank])
    optimiser, schedule = optimiser_for(model, steps)
    started, running = time.time(), []
    for step in range(steps):
        batch, chosen = cases.draw(rng, BATCH // WORKERS)
        value = cases.loss(training_forward(model, batch), chosen)
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
        torch.save(shipped(average.state_dict()), f"{out}/checkpoint.pt")
    dist.destroy_process_group()


def shipped(state):
    """The weights without the rows of the last layer for the auxiliary findings."""
    return state | {name: state[name][:LABELS_END].clone() for name in ("_fc.weight", "_fc.bias")}


def optimiser_for(model, steps):
    """AdamW and a one-cycle schedule. The new head learns five times as fast as the trunk."""
    head = list(model._fc.parameters())
    trunk = [p for name, p in model.named_parameters() if not name.startswith("_fc.") and p.requires_grad]
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


def train(data, out, steps, leave_out=None, change=None):
    """Writes `out`/checkpoint.pt (the averaged weights, float32) and `out`/train.jsonl.

    `leave_out` names a source that takes no part. `change` gives other images for the rows, for the controls.
    """
    os.makedirs(out, exist_ok=True)
    open(f"{out}/train.jsonl", "w", encoding="utf-8").close()
    rows = training_rows(read_manifest(data), leave_out)
    cases = Cases(data, rows)
    if change:
        cases.pixels = change(rows, cases.pixels)
    print(f"{len(rows)} radiographs of {rows.patient.nunique()} patients cached", flush=True)
    mp.start_processes(worker, (steps, cases, out), nprocs=WORKERS, start_method="fork")


def training_rows(rows, leave_out=None):
    """The rows that training draws from."""
    rows = rows[(rows.licence_permissive == "yes") & (rows.split == "train") & (rows.source != leave_out)]
    return rows[(rows[["pneumonia", "covid", "cause"]] != UNKNOWN).any(axis=1)].reset_index(drop=True)
