"""python -m training.leave_one_out --data DIR --crops FILE: a shorter training without each archive, measured on all of it.

An archive that took no part stands for a hospital that the model has never seen. nih and rsna are one archive. A further
training has the lungs blacked out and is measured as the model is. It shows how well the questions can be answered
without the lungs.
"""

import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

from . import features as frozen
from .crops import CROP
from .evidence import presence_aucs
from .finish import load
from .heads import distance_model, distances
from .input_data import spread
from .labels import COVID, PNEUMONIA, UNKNOWN, read_manifest
from .lungs import student
from .measure import at_half, expected_calibration_error, fraction_above, measurement
from .reading import read_from, unlike_from
from .train import SEED, train, training_rows

# A quarter of the bundled model's steps, so that four trainings are affordable.
STEPS = 800
ARCHIVES = ("nih", "ieee8023", "kermany")
SHOWN = 1500
# Training films that the distance is fitted on.
DISTANCE_FROM = 2000


def main():
    parser = argparse.ArgumentParser(prog="python -m training.leave_one_out", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of manifest.csv")
    parser.add_argument("--log", default="training/log")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=[*ARCHIVES, "blacked-out"], action="append")
    parser.add_argument("--measure", action="store_true", help="measure the checkpoints in --log, train nothing")
    given = parser.parse_args()
    chosen, crops = given.only or [*ARCHIVES, "blacked-out"], f"{given.log}/crops.npz"
    for archive in [archive for archive in ARCHIVES if archive in chosen]:
        work = f"{given.log}/without_{archive}_{given.seed}"
        if not given.measure:
            train(given.data, crops, work, given.steps, leave_out=archive, seed=given.seed)
        keep(given.log, "leave_one_out.json", without(given, work, archive))
    if "blacked-out" in chosen:
        work = f"{given.log}/blacked_out"
        if not given.measure:
            train(given.data, crops, work, given.steps, change=lambda _, crops: blacked(crops), seed=given.seed)
        keep(given.log, "blacked_out.json", blind(given, work))


def keep(log, name, figures):
    """Writes figures to a log file, in place of earlier figures of the same data."""
    path = f"{log}/{name}"
    old = json.load(open(path, encoding="utf-8")) if os.path.exists(path) else []
    new = {figure["on"] for figure in figures}
    with open(path, "w", encoding="utf-8") as file:
        json.dump([figure for figure in old if figure["on"] not in new] + figures, file, indent=1)
    for figure in figures:
        print(figure, flush=True)


def measured(rows, work, given, where, change=None):
    """AUC of each question, and what is called what at the operating points of validation films of the other archives.
    `change` gives other pixels for a film and its lung fields."""
    torch.set_num_threads(1)
    model, lungs = load(torch.load(f"{work}/checkpoint.pt")), student("weights/lungs.safetensors")
    every = read_manifest(given.data)
    other = every[(every.licence_permissive == "yes") & ~every.group.isin(rows.group if change is None else [])]
    validation = other[(other.split == "val") & (other[["pneumonia", "covid", "cause"]] != UNKNOWN).any(axis=1)]
    trained = spread(training_rows(other), DISTANCE_FROM, np.random.default_rng(SEED))
    seen = [features_of(model, lungs, given.data, part, change) for part in (rows, validation, trained)]
    reading = read_from(validation.reset_index(drop=True), frozen.logits(model, seen[1]))
    distance = distance_model(seen[2])
    unlike = distances(distance, seen[0]) > unlike_from(validation, distance, seen[1])
    scored = reading.onto(rows, frozen.logits(model, seen[0])).assign(unlike=unlike)
    return [figure for figure in figures_of(scored, reading, where) if figure]


def features_of(model, lungs, data, rows, change):
    if change is None:
        return frozen.of_files(model, lungs, data, rows.path).features
    images = (frozen.read_grey(f"{data}/{path}") for path in rows.path)
    return frozen.of_images(model, lungs, (change(pixels, frozen.fields_of(lungs, pixels)) for pixels in images)).features


def figures_of(rows, reading, where):
    yield from presence_aucs(rows, where)
    for view in ("AP", "PA"):
        own = rows[rows["view"].fillna("").str.startswith(view) & (rows.rsna_class.isin(["Lung Opacity", "Normal"]))]
        yield from (figure for figure in presence_aucs(own, f"{where}, radiologists' labels within {view}")
                    if figure and figure["label"] == "Pneumonia")
    known = rows[rows.pneumonia != UNKNOWN]
    yield measurement("Pneumonia", where, "ECE, half of them positive", at_half(expected_calibration_error), known, "score 0",
                      known.pneumonia == 1)
    ill = rows[rows.covid == 1]
    for index, label in ((PNEUMONIA, "Pneumonia"), (COVID, "COVID-19")):
        point = fraction_above(reading.balanced[index])
        for kind, own in (("healthy films", rows[rows.pneumonia == 0]), ("COVID-19 films", ill)):
            yield measurement(label, where, f"share of {kind} called it", point, own, f"score {index}", own.covid == 1)
    # A withheld answer is none.
    healthy = rows[rows.pneumonia == 0]
    said = healthy.assign(said=np.where(healthy.unlike, 0.0, healthy[f"score {COVID}"]))
    yield measurement("COVID-19", where, "share of healthy films called it, if films unlike those of training get no answer",
                      fraction_above(reading.balanced[COVID]), said, "said", said.covid == 1)
    yield measurement("COVID-19", where, "share of films that get no answer", fraction_above(0.5),
                      rows.assign(none=rows.unlike.astype(float)), "none", rows.covid == 1)


def without(given, work, archive):
    """Figures on an archive that took no part in training: all splits and licences, at most SHOWN images."""
    rows = read_manifest(given.data)
    rows = rows[(rows.group == archive) & (rows[["pneumonia", "covid"]] != UNKNOWN).any(axis=1)]
    if archive == "nih":
        rows = rows[rows.pneumonia != UNKNOWN]
    rows = rows.sample(min(len(rows), SHOWN), random_state=SEED)
    return measured(rows, work, given, f"{archive}, left out of training ({given.steps} steps, seed {given.seed})")


def blacked(crops):
    """Crops whose lungs are black, with some cells around them."""
    for start in range(0, len(crops.pixels), 256):
        part = slice(start, start + 256)
        lungs = torch.from_numpy(crops.lungs[part])[:, None].float() / 255
        lungs = F.interpolate(F.max_pool2d(lungs, 5, 1, 2), size=CROP, mode="bilinear")[:, 0].numpy() > 0.3
        crops.pixels[part][lungs] = 0
    return crops


def without_lungs(pixels, fields):
    """A film whose lungs are as dark as its darkest pixel."""
    height, width = pixels.shape
    lungs = F.max_pool2d(torch.from_numpy(fields)[None, None], 5, 1, 2)
    lungs = F.interpolate(lungs, size=(height, width), mode="bilinear")[0, 0].numpy() > 0.3
    return np.where(lungs, pixels.min(), pixels).astype(np.float32)


def blind(given, work):
    rows = read_manifest(given.data)
    rows = rows[rows.split == "test"]
    found = []
    sets = [("test split, all sources mixed", rows), *((f"{s} test split", rows[rows.group == s]) for s in ("nih", "kermany"))]
    for on, own in sets:
        where = f"{on}, lungs blacked out in training and test ({given.steps} steps)"
        found += measured(own, work, given, where, without_lungs)
    return found


if __name__ == "__main__":
    main()
