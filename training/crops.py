"""Radiographs in memory, cropped to their lungs with room for other crops around: `python -m training.crops --data DIR`.

They are decoded once, so that the cores train instead of decoding.
"""

import argparse
import multiprocessing
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from .data import read_grey
from .labels import read_manifest
from .lungs import student
from .preprocess import LEAST_CELLS, LUNG_SIDE, MARGIN, extent, lung_input, lung_parts

# Processes of one thread each: two threads of one process wait for each other at every small layer.
WORKERS = 2
# Side of a crop, and its margins as a share of the lungs' width and height.
CROP = 256
ROOM = 0.25
# Side of the maps of lungs and of radiologists' boxes.
COARSE = 64


@dataclass
class Crops:
    """One entry per row: pixels uint8 [n, 256, 256]; lungs and boxes uint8 [n, 64, 64], 255 where there are some; the box
    of the lungs in the crop, float32 [n, 4], as left, top, right and bottom from 0 to 1; whether lungs were found."""

    pixels: np.ndarray
    lungs: np.ndarray
    boxes: np.ndarray
    box: np.ndarray
    found: np.ndarray

    def of(self, chosen):
        return Crops(*(part[chosen] for part in (self.pixels, self.lungs, self.boxes, self.box, self.found)))


def make(data, weights, rows):
    model, n = student(f"{weights}/lungs.safetensors"), len(rows)
    crops = Crops(np.empty((n, CROP, CROP), np.uint8), np.empty((n, COARSE, COARSE), np.uint8),
                  np.zeros((n, COARSE, COARSE), np.uint8), np.empty((n, 4), np.float32), np.zeros(n, bool))
    for i, (path, boxes) in enumerate(zip(rows.path, rows.rsna_boxes)):
        pixels = read_grey(f"{data}/{path}")
        fields = fields_of(model, pixels)
        height, width = pixels.shape
        box = lung_box(fields)
        crops.found[i] = box is not None
        # Without lungs, the centre square, which gets no margin.
        square = min(width, height) / np.array([width, height]) / 2 / (1 + 2 * MARGIN / 100)
        x0, y0, x1, y1 = box if box is not None else (*(0.5 - square), *(0.5 + square))
        w, h = x1 - x0, y1 - y0
        out = np.clip([x0 - ROOM * w, y0 - ROOM * h, x1 + ROOM * w, y1 + ROOM * h], 0, 1)
        crops.pixels[i] = picture(pixels, out)
        crops.lungs[i] = resampled(fields * 255, out, COARSE).clip(0, 255).round()
        if isinstance(boxes, str):
            crops.boxes[i] = resampled(boxes_map(boxes), out, COARSE).clip(0, 255).round()
        size = np.array([out[2] - out[0], out[3] - out[1]] * 2)
        crops.box[i] = (np.array([x0, y0, x1, y1]) - out[[0, 1, 0, 1]]) / size
        if i % 1000 == 0:
            print(i, "of", n, flush=True)
    return crops


def lung_box(fields):
    """Left, top, right and bottom of both lungs without a margin, as shares of the film; None without two lungs."""
    parts = lung_parts(fields)
    if len(parts) < 2 or parts[1].sum() < LEAST_CELLS:
        return None
    both = parts[0] | parts[1]
    (left, right), (top, bottom) = extent(both.sum(0)), extent(both.sum(1))
    return np.array([left, top, right, bottom]) / LUNG_SIDE


@torch.no_grad()
def fields_of(model, pixels):
    """The lung fields, float32 [128, 128], of a film."""
    values = torch.from_numpy(lung_input(pixels))
    images = values[None, None].contiguous(memory_format=torch.channels_last)
    return torch.sigmoid(model(images))[0, 0].numpy()


def resampled(pixels, out, side):
    """The part `out` (shares of the film) of a picture, float32 [side, side]."""
    height, width = pixels.shape
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32), mode="F")
    scale = np.array([width, height] * 2)
    return np.asarray(image.resize((side, side), Image.BILINEAR, box=tuple(np.asarray(out) * scale)))


def picture(pixels, out):
    values = resampled(pixels, out, CROP)
    low, high = np.percentile(values, [1, 99])
    return (((values - low) / max(high - low, 1e-6)).clip(-0.2, 1.2) / 1.4 * 255 + 0.2 / 1.4 * 255).round().clip(0, 255)


def boxes_map(text, side=256):
    drawn = np.zeros((side, side), np.float32)
    for box in text.split(";"):
        x, y, w, h = (float(v) * side for v in box.split())
        drawn[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))] = 255
    return drawn


def save(crops, path):
    np.savez(path, **vars(crops))


def load(path):
    with np.load(path) as file:
        return Crops(**{name: file[name] for name in file})


def main():
    parser = argparse.ArgumentParser(prog="python -m training.crops", description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", default="weights", help="folder of lungs.safetensors")
    parser.add_argument("--log", default="training/log")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_manifest(given.data)
    halves = [(given.data, given.weights, rows.iloc[part]) for part in np.array_split(np.arange(len(rows)), WORKERS)]
    with multiprocessing.Pool(WORKERS) as pool:
        parts = pool.starmap(make, halves)
    whole = Crops(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])))
    print(f"{len(rows)} radiographs, lungs found in {whole.found.mean():.4f}")
    save(whole, f"{given.log}/crops.npz")


if __name__ == "__main__":
    main()
