"""Examples for the input head and the distance: images to accept, to refuse, and to test on."""

import numpy as np
import pandas as pd

from .data import read_grey
from .negatives import (
    OTHER, SIDEWAYS, UPSIDE_DOWN, drawn, faces, part, photographs, pictures, slices, turned,
)

SEED = 11
CROPS = 20
DRAWN = 500
TURNED = 500
# Changed copies of each CT slice and lateral view.
CHANGED = 8


def odd_rows(data):
    """The rows of the manifest that are no frontal X-rays: CT slices and lateral views."""
    rows = pd.read_csv(f"{data}/manifest.csv", low_memory=False)
    return rows[(rows.modality != "X-ray") | (rows.view == "L")]


def spread(rows, count, rng):
    """`count` rows, drawn so that each source is equally likely."""
    weight = 1 / rows.groupby("source").path.transform("count").to_numpy()
    return rows.iloc[rng.choice(len(rows), count, p=weight / weight.sum())]


def to_refuse(data, rows):
    """Training examples that are not frontal chest radiographs: (pixels, kind) one by one, without those of odd_examples.
    `rows` are permissive training rows."""
    rng = np.random.default_rng(SEED)
    for image in photographs():
        yield image, OTHER
        for _ in range(CROPS):
            yield turned(part(image, rng, 0.2, 1.0), rng), OTHER
    for image in faces() + slices() * 3:
        yield turned(image, rng), OTHER
    for _ in range(DRAWN):
        yield drawn(rng), OTHER
    for path in spread(rows, TURNED, rng).path:
        image = read_grey(f"{data}/{path}")
        yield part(image, rng, 0.1, 0.35), OTHER
        yield from wrong_way(image, rng)


def odd_examples(data):
    """Every CT slice and lateral view of the manifest as it is and changed, of any licence: (pixels, row) one by one. The
    row is that of odd_rows, and each begins with the image as it is. Only a small head on frozen features learns them."""
    rng = np.random.default_rng(SEED + 2)
    for row, path in enumerate(odd_rows(data).path):
        image = read_grey(f"{data}/{path}")
        yield image, row
        for _ in range(CHANGED):
            yield turned(part(image, rng, 0.6, 1.0), rng), row


def wrong_way(image, rng):
    """A radiograph upside down, and on one of its sides, mirrored or not."""
    yield np.rot90(image, 2)[:, :: rng.choice([1, -1])], UPSIDE_DOWN
    yield np.rot90(image, rng.choice([1, 3]))[:, :: rng.choice([1, -1])], SIDEWAYS


def tests(data, rows, pictures_of):
    """Held-out examples by name: {name: [pixels]}. `rows` are test rows, `pictures_of` files that were not trained on."""
    rng = np.random.default_rng(SEED + 1)
    photos = [crop for image in pictures(pictures_of) for crop in (image, *(part(image, rng, 0.3, 0.9) for _ in range(4)))]
    radiographs = [read_grey(f"{data}/{path}") for path in spread(rows, 300, rng).path]
    turned_ones = [example for image in radiographs for example in wrong_way(image, rng)]
    sets = {
        "photographs in grey, and parts of them": photos,
        "drawn pictures": [drawn(rng) for _ in range(300)],
        "small parts of radiographs": [part(image, rng, 0.1, 0.35) for image in radiographs],
        "radiographs upside down": [image for image, kind in turned_ones if kind == UPSIDE_DOWN],
        "radiographs on their side": [image for image, kind in turned_ones if kind == SIDEWAYS],
    }
    return {name: images for name, images in sets.items() if images}
