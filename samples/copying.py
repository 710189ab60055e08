"""Is there a patient in it? How like a sample is to the radiographs that were learnt from.

Every image is aligned to the same frame and reduced to the fine detail of its lungs that the mean
has not: ribs, vessels, lesions, where one person differs from the next. The correlation of two such
fingerprints is near 1 for copies. Three yardsticks stand beside the samples: two copies of one
radiograph, two radiographs of one person, and each radiograph's nearest among other people's.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from anatomy import SIDE, align, load, local_contrast, one_per_patient, rows, shrink, unit

PAIRS = 40


def report(anatomy, films, data):
    """A Markdown table."""
    learnt = fingerprints(anatomy, anatomy.learnt.astype(np.float32))
    centre = learnt.mean(0)
    learnt = unit(learnt - centre)

    def prints(images):
        aligned, _, _ = align(np.stack(images), anatomy.templates)
        return unit(fingerprints(anatomy, aligned) - centre)

    def between(pairs):
        first, second = (prints([load(data, row) for row in side]) for side in zip(*pairs))
        return (first * second).sum(1)

    others = learnt @ learnt.T
    np.fill_diagonal(others, -1)
    nearest = (prints([as_learnt(film) for film in films.values()]) @ learnt.T).max(1)
    lines = ["| what | n | median | lowest | highest |", "|---|---|---|---|---|"]
    for what, values in (
        ("near-duplicates in the data, the two of a pair", between(near_duplicates(data))),
        ("two radiographs of one patient", between(same_patient(data))),
        ("a learnt radiograph and its nearest of another patient", others.max(1)),
        ("a sample and its nearest learnt radiograph", nearest),
    ):
        numbers = " | ".join(f"{v:.2f}" for v in (np.median(values), values.min(), values.max()))
        lines.append(f"| {what} | {len(values)} | {numbers} |")
    lines += ["", "| sample | correlation with its nearest learnt radiograph |", "|---|---|"]
    lines += [f"| {stem} | {value:.2f} |" for stem, value in zip(films, nearest)]
    return "\n".join(lines)


def fingerprints(anatomy, aligned):
    """[n, pixels in the lungs], fine detail at half the model's resolution."""
    lungs = shrink(anatomy.lungs, SIDE // 2) > 0.5
    return np.stack([local_contrast(shrink(image, SIDE // 2), 5)[lungs] for image in aligned])


def as_learnt(film):
    """A film as if it had been loaded from the data: its central square at the model's size."""
    side = min(film.shape)
    top, left = (film.shape[0] - side) // 2, (film.shape[1] - side) // 2
    square = Image.fromarray(film[top : top + side, left : left + side])
    return np.asarray(square.resize((SIDE, SIDE), Image.LANCZOS))


def near_duplicates(data):
    """Pairs of rows that the manifest calls near-duplicates, frontal, from adult sources."""
    with open(Path(data) / "manifest.csv", newline="") as file:
        every = {row["path"]: row for row in csv.DictReader(file)}
    pairs = [(row, every[row["duplicate_of"]]) for row in every.values() if row["duplicate_of"] in every]
    return [p for p in pairs if p[0]["source"] != "kermany" and p[0]["modality"] == "X-ray"][:PAIRS]


def same_patient(data):
    """Two radiographs each of the first patients of the NIH who have two of the same view."""
    chosen = [row for row in rows(data) if row["source"] == "nih"]
    first = {row["patient"]: row for row in one_per_patient(chosen)}
    pairs = {}
    for row in chosen:
        other = first[row["patient"]]
        if row is not other and row["view"] == other["view"]:
            pairs.setdefault(row["patient"], (other, row))
    return list(pairs.values())[:PAIRS]
