"""python -m training.leave_one_out --data DIR: a shorter training without each source, measured on all of that source.

A further training has the lungs blacked out and is measured as the model is. It shows how well the questions can be
answered without the lungs.
"""

import argparse
import json
import os

import numpy as np
import torch
from PIL import Image

from . import features as frozen
from .data import read_grey
from .evidence import presence_aucs
from .finish import load
from .labels import read_manifest
from .preprocess import centre_square, cxr1, resize
from .train import train

# An eighth of the bundled model's steps, so that four trainings are affordable.
STEPS = 300
SOURCES = ("nih", "ieee8023", "kermany")
SHOWN = 1500
SEED = 3


def main():
    parser = argparse.ArgumentParser(prog="python -m training.leave_one_out", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of manifest.csv")
    parser.add_argument("--log", default="training/log")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", choices=[*SOURCES, "blacked-out"], action="append")
    parser.add_argument("--measure", action="store_true", help="measure the checkpoints in --log, train nothing")
    given = parser.parse_args()
    chosen = given.only or [*SOURCES, "blacked-out"]
    for source in [source for source in SOURCES if source in chosen]:
        work = f"{given.log}/without_{source}"
        if not given.measure:
            train(given.data, work, given.steps, leave_out=source)
        keep(given.log, "leave_one_out.json", without(given.data, work, source, given.steps))
    if "blacked-out" in chosen:
        mask = lungs(given.data)
        work = f"{given.log}/blacked_out"
        if not given.measure:
            train(given.data, work, given.steps, change=lambda _, images: [blacked(image, mask) for image in images])
        keep(given.log, "blacked_out.json", blind(given.data, work, mask, given.steps))


def keep(log, name, figures):
    """Writes figures to a log file, in place of earlier figures of the same data."""
    path = f"{log}/{name}"
    old = json.load(open(path, encoding="utf-8")) if os.path.exists(path) else []
    new = {figure["on"] for figure in figures}
    with open(path, "w", encoding="utf-8") as file:
        json.dump([figure for figure in old if figure["on"] not in new] + figures, file, indent=1)
    for figure in figures:
        print(figure, flush=True)


def measured(rows, work, tensors, where):
    torch.set_num_threads(2)
    model = load(torch.load(f"{work}/checkpoint.pt"))
    logits = frozen.logits(model, frozen.of_tensors(model, tensors))
    rows = rows.assign(**{"logit 0": logits[:, 0], "logit 1": logits[:, 1]})
    return [figure for figure in presence_aucs(rows, where) if figure]


def without(data, work, source, steps):
    """Figures on a source that took no part in training: all splits and licences, at most SHOWN images."""
    rows = read_manifest(data)
    rows = rows[rows.source == source]
    rows = rows.sample(min(len(rows), SHOWN), random_state=SEED)
    tensors = (cxr1(read_grey(f"{data}/{path}")) for path in rows.path)
    return measured(rows, work, tensors, f"{source}, left out of training ({steps} steps)")


def lungs(data):
    """The usual place of the lungs, bool [64, 64] over the centre square: inside at least a fifth of the manifest's masks."""
    rows = read_manifest(data)
    masks = [resize(centre_square(read_grey(f"{data}/{path}"))) > 127 for path in rows.lung_mask.dropna()]
    mean = Image.fromarray(np.mean(masks, axis=0).astype(np.float32), mode="F")
    return np.asarray(mean.resize((64, 64), Image.BILINEAR)) > 0.2


def blacked(image, mask):
    """A copy in which the usual place of the lungs is 0."""
    image = np.array(image)
    square = centre_square(image)
    side = square.shape[0]
    where = np.asarray(Image.fromarray(mask).resize((side, side), Image.NEAREST))
    square[where] = 0
    return image


def blind(data, work, mask, steps):
    rows = read_manifest(data)
    rows = rows[rows.split == "test"]
    found = []
    for on, own in [("test split, all sources mixed", rows), *((f"{s} test split", rows[rows.source == s]) for s in ("nih", "kermany"))]:
        tensors = (cxr1(blacked(read_grey(f"{data}/{path}"), mask)) for path in own.path)
        found += measured(own, work, tensors, f"{on}, lungs blacked out in training and test ({steps} steps)")
    return found


if __name__ == "__main__":
    main()
