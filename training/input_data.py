"""Examples for the input head and the distance: images to accept, to refuse, and to test on."""

import numpy as np
import pandas as pd

from .data import read_grey
from .negatives import (
    FRONTAL, OTHER, SIDEWAYS, UPSIDE_DOWN, drawn, faces, part, photographs, pictures, slices, turned,
)

SEED = 11
CROPS = 20
DRAWN = 500
TURNED = 500


def odd_rows(data):
    """The rows of the manifest that are no frontal X-rays: CT slices and lateral views."""
    rows = pd.read_csv(f"{data}/manifest.csv", low_memory=False)
    return rows[(rows.modality != "X-ray") | (rows.view == "L")]


def spread(rows, count, rng):
    """`count` rows, drawn so that each source is equally likely."""
    weight = 1 / rows.groupby("source").path.transform("count").to_numpy()
    return rows.iloc[rng.choice(len(rows), count, p=weight / weight.sum())]


def to_refuse(data, rows, prepare):
    """Training examples that are not frontal chest radiographs: [(tensor, kind)]. `rows` are permissive training
    rows, and `prepare` makes the network's input of an image."""
    rng = np.random.default_rng(SEED)
    found = []
    for image in photographs():
        found.append(image)
        found += [turned(part(image, rng, 0.2, 1.0), rng) for _ in range(CROPS)]
    found += [turned(image, rng) for image in faces() + slices() * 3]
    found += [drawn(rng) for _ in range(DRAWN)]
    odd = odd_rows(data)
    for path in odd[odd.licence_permissive == "yes"].path:
        found += [turned(read_grey(f"{data}/{path}"), rng) for _ in range(3)]
    radiographs = [read_grey(f"{data}/{path}") for path in spread(rows, TURNED, rng).path]
    found += [part(image, rng, 0.1, 0.35) for image in radiographs]
    return [(prepare(image), OTHER) for image in found] + wrong_way(radiographs, rng, prepare)


def wrong_way(radiographs, rng, prepare):
    """Each radiograph upside down, and each on one of its sides, mirrored or not."""
    found = []
    for image in radiographs:
        found.append((prepare(np.rot90(image, 2)[:, :: rng.choice([1, -1])]), UPSIDE_DOWN))
        found.append((prepare(np.rot90(image, rng.choice([1, 3]))[:, :: rng.choice([1, -1])]), SIDEWAYS))
    return found


def tests(data, rows, pictures_of, prepare):
    """Held-out examples by name: {name: [tensor]}. `rows` are test rows, `pictures_of` files that were not trained on."""
    rng = np.random.default_rng(SEED + 1)
    odd = odd_rows(data)
    odd = odd[odd.licence_permissive != "yes"]
    photos = [crop for image in pictures(pictures_of) for crop in (image, *(part(image, rng, 0.3, 0.9) for _ in range(4)))]
    radiographs = [read_grey(f"{data}/{path}") for path in spread(rows, 300, rng).path]
    sets = {
        "CT slices": [read_grey(f"{data}/{path}") for path in odd[odd.modality == "CT"].path],
        "lateral radiographs": [read_grey(f"{data}/{path}") for path in odd[odd.modality == "X-ray"].path],
        "photographs in grey, and parts of them": photos,
        "drawn pictures": [drawn(rng) for _ in range(300)],
        "small parts of radiographs": [part(image, rng, 0.1, 0.35) for image in radiographs],
    }
    found = {name: [prepare(image) for image in images] for name, images in sets.items() if images}
    turned_ones = wrong_way(radiographs, rng, prepare)
    found["radiographs upside down"] = [t for t, kind in turned_ones if kind == UPSIDE_DOWN]
    found["radiographs on their side"] = [t for t, kind in turned_ones if kind == SIDEWAYS]
    return found


__all__ = ["FRONTAL", "OTHER", "to_refuse", "tests"]
