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
from .crops import load as load_crops
from .labels import (
    AUXILIARY, NOT_COVID, OUTPUT_CAUSES, OUTPUTS, PNEUMONIA, UNKNOWN, auxiliary, pneumonia_weights, read_manifest,
    sampling_weights,
)
from .network import FROZEN_BLOCKS, LATER_FROZEN_BLOCKS, activation, freeze_start, from_imagenet, training_forward

SEED = 20
WORKERS = 2
BATCH = 32
# The highest rates of the trunk and the head, of a run that starts from ImageNet and of one that continues another.
RATES = (6e-4, 3e-3)
LATER_RATES = (3e-4, 1e-3)
WEIGHT_DECAY = 0.01
AVERAGE = 0.997
SMOOTHING = 0.02
AUXILIARY_WEIGHT = 0.5
# Where it looks: cells inside and outside of radiologists' boxes, and evidence outside of the lungs.
BOXES_WEIGHT = 0.5
OUTSIDE_WEIGHT = 0.3
# A cell is in a box, or outside of the lungs, from this share of its area.
IN_BOX = 0.3
IN_LUNGS = 0.05
REPORT_EVERY = 20
KEEP_EVERY = 500


class Cases:
    """The rows of training in memory, with their answers and weights."""

    def __init__(self, crops, rows):
        self.crops = crops
        self.pneumonia = torch.from_numpy(rows.pneumonia.to_numpy())
        self.cause = torch.from_numpy(rows.cause.to_numpy())
        self.auxiliary = torch.from_numpy(auxiliary(rows))
        self.weight = torch.from_numpy(pneumonia_weights(rows))
        self.has_boxes = torch.from_numpy(rows.rsna_boxes.notna().to_numpy())
        self.chance = torch.from_numpy(sampling_weights(rows))

    def draw(self, generator, count):
        """A batch of augmented images, float32 [count, 1, 192, 192], the shares of lung and box of its cells, and the
        indices of its rows."""
        chosen = torch.multinomial(self.chance, count, replacement=True, generator=generator)
        images, lungs, boxes = augmented(self.crops, chosen.numpy(), generator)
        return images.contiguous(memory_format=torch.channels_last), lungs, boxes, chosen

    def loss(self, logits, map, place, lungs, boxes, chosen):
        """The sum of masked means. A question that no row of the batch answers adds nothing. `map` is the class activation
        map of Pneumonia, `place` the scale and shift from it to the logit of a cell."""
        answer = self.pneumonia[chosen]
        total = logits.sum() * 0 + presence(logits[:, PNEUMONIA], answer, self.weight[chosen])
        total = total + cause_loss(logits[:, OUTPUT_CAUSES], self.cause[chosen])
        beside = self.auxiliary[chosen]
        known = beside[:, 0] != UNKNOWN
        if known.any():
            total = total + AUXILIARY_WEIGHT * F.binary_cross_entropy_with_logits(
                logits[known, len(OUTPUTS) :], beside[known].float()
            )
        total = total + BOXES_WEIGHT * self.boxes_loss(map * place[0] + place[1], answer, lungs, boxes, chosen)
        return total + OUTSIDE_WEIGHT * outside_share(map, answer, lungs)

    def boxes_loss(self, cells, answer, lungs, boxes, chosen):
        """Every cell of a healthy film is negative, and every cell of an ill one is positive in a box and negative outside.
        Without boxes, only the cells outside of the lungs are known."""
        target = (boxes > IN_BOX).float()
        boxed = (self.has_boxes[chosen] & (answer == 1))[:, None, None]
        known = boxed | (answer == 0)[:, None, None] | (lungs < IN_LUNGS)
        each = F.binary_cross_entropy_with_logits(cells, target, reduction="none")
        return (each * known).sum() / known.sum().clamp(min=1)


def cause_loss(logits, cause):
    """Cross entropy of the causes [n, 3]; NOT_COVID is the sum of bacterial and viral."""
    known = cause != UNKNOWN
    if not known.any():
        return 0
    log, cause = F.log_softmax(logits[known], 1), cause[known]
    other = torch.logsumexp(log[:, :2], 1)
    exact = log.gather(1, cause.clamp(max=2)[:, None])[:, 0]
    each = torch.where(cause == NOT_COVID, other, exact)
    return -((1 - 3 * SMOOTHING) * each + SMOOTHING * log.sum(1)).mean()


def outside_share(map, answer, lungs):
    """The mean share of the positive evidence of ill films that lies outside of the lungs."""
    ill = answer == 1
    if not ill.any():
        return 0
    positive = F.relu(map[ill])
    return ((positive * (lungs[ill] < IN_LUNGS)).sum((1, 2)) / (positive.sum((1, 2)) + 1e-3)).mean()


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


def worker(rank, steps, cases, out, seed, start):
    """Runs one of WORKERS processes. The first writes the log and `out`/checkpoint.pt."""
    port = 29500 + os.getppid() % 400
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=WORKERS)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = from_imagenet(len(OUTPUTS) + len(AUXILIARY)).to(memory_format=torch.channels_last).train()
    if start:
        continue_from(model, start)
    freeze_start(model, LATER_FROZEN_BLOCKS if start else FROZEN_BLOCKS)
    model.place = torch.nn.Parameter(torch.tensor([1.0, 0.0]))
    average = copy.deepcopy(model)
    torch.manual_seed(seed + 1 + rank)
    generator = torch.Generator().manual_seed(seed * 100 + rank)
    optimiser, schedule = optimiser_for(model, steps, LATER_RATES if start else RATES)
    started, running = time.time(), []
    for step in range(steps):
        batch, lungs, boxes, chosen = cases.draw(generator, BATCH // WORKERS)
        logits, maps = training_forward(model, batch)
        value = cases.loss(logits, activation(model, maps, PNEUMONIA), model.place, lungs, boxes, chosen)
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
        if rank == 0 and (step + 1) % KEEP_EVERY == 0:
            torch.save(shipped(average.state_dict()), f"{out}/checkpoint.pt")
    share_statistics(average)
    if rank == 0:
        torch.save(shipped(average.state_dict()), f"{out}/checkpoint.pt")
    dist.destroy_process_group()


def shipped(state):
    """The weights without the rows of the last layer for the auxiliary findings."""
    kept = {name: value.clone() for name, value in state.items() if name != "place"}
    return kept | {name: state[name][: len(OUTPUTS)].clone() for name in ("_fc.weight", "_fc.bias")}


def continue_from(model, path):
    """Loads the weights of an earlier run. Those of the auxiliary findings were not kept, and begin anew."""
    earlier, own = torch.load(path), model.state_dict()
    for name, value in earlier.items():
        if value.dim():
            own[name][: len(value)] = value


def optimiser_for(model, steps, rates):
    """AdamW and a one-cycle schedule. The head learns faster than the trunk."""
    head = [*model._fc.parameters(), model.place]
    trunk = [p for name, p in model.named_parameters()
             if not name.startswith("_fc.") and name != "place" and p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": trunk}, {"params": head}], lr=rates[0], weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=list(rates), total_steps=steps, pct_start=0.25
    )
    return optimiser, schedule


def report(out, step, value, seconds):
    line = {"step": step, "images": step * BATCH, "loss": round(float(value), 4), "seconds": round(seconds)}
    print(json.dumps(line), flush=True)
    with open(f"{out}/train.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def train(data, crops, out, steps, leave_out=None, change=None, seed=SEED, start=None):
    """Writes `out`/checkpoint.pt (the averaged weights, float32) and `out`/train.jsonl.

    `crops` is the file that crops.py wrote. `leave_out` names an archive that takes no part. `change` gives other crops for
    the rows, for the controls. `start` is the checkpoint of an earlier run, which this one continues.
    """
    os.makedirs(out, exist_ok=True)
    open(f"{out}/train.jsonl", "w", encoding="utf-8").close()
    every = read_manifest(data)
    rows = training_rows(every, leave_out)
    own = load_crops(crops).of(np.flatnonzero(every.path.isin(rows.path)))
    if change:
        own = change(rows, own)
    print(f"{len(rows)} radiographs of {rows.patient.nunique()} patients cached", flush=True)
    mp.start_processes(worker, (steps, Cases(own, rows), out, seed, start), nprocs=WORKERS, start_method="fork")


def training_rows(rows, leave_out=None):
    """The rows that training draws from, in the manifest's order."""
    rows = rows[(rows.licence_permissive == "yes") & (rows.split == "train") & (rows.group != leave_out)]
    known = (rows[["pneumonia", "cause"]] != UNKNOWN).any(axis=1) | (rows.source == "nih")
    return rows[known].reset_index(drop=True)
