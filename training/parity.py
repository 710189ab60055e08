"""Numbers that the Rust program must reproduce, computed by the exported model in PyTorch.

    python -m training.parity --data ../shared/data --weights weights --out tests/data

`parity_real.json` holds the logits of files of the data folder, `parity_formula.json` those of formulas, which need no data.
`lungs_parity.json` holds the lung fields of a film by a formula.
"""

import argparse
import json
import os

import numpy as np
import pydicom
import torch
from PIL import Image
from safetensors.torch import load_file

from . import lung_sides
from .data import read_grey
from .export import NAME
from .features import prepared
from .finish import load
from .labels import OUTPUTS, read_manifest
from .lung_limits import student
from .preprocess import lung_box, lung_input
from .trace import formula_cases

SEED = 11
PER_SOURCE = 5
DETAILED = 3
SAMPLED = range(500, 36864, 2400)
LUNG_CELLS = range(7, 128 * 128, 97)
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp")


def exported(folder):
    """The network in the file, without the heads on its features, which only the Rust program reads."""
    state = {name: value.float() for name, value in load_file(f"{folder}/{NAME}.safetensors").items()}
    return load({name: value for name, value in state.items() if not name.startswith(("severity.", "input.", "distance.", "prognosis."))})


def chosen(data):
    """Paths below the data folder: test radiographs of every source, oblong ones first, and all full-size and DICOM files."""
    rows = read_manifest(f"{data}/cxr")
    rows = rows[rows.split == "test"].sample(frac=1, random_state=SEED)
    rows = rows.assign(square=[is_square(f"{data}/cxr/{path}") for path in rows.path])
    small = [f"cxr/{path}" for source in sorted(rows.source.unique()) for path in some(rows[rows.source == source])]
    whole = [f"fullres/{name}" for name in sorted(os.listdir(f"{data}/fullres")) if name.endswith(SUFFIXES)]
    dicom = [f"dicom/{name}" for name in sorted(os.listdir(f"{data}/dicom"))]
    return small + whole + dicom


def is_square(path):
    with Image.open(path) as image:
        return image.width == image.height


def some(rows):
    """PER_SOURCE paths: up to three oblong images, then square ones, then further oblong ones."""
    oblong, square = list(rows[~rows.square].path), list(rows[rows.square].path)
    return (oblong[:3] + square + oblong[3:])[:PER_SOURCE]


def pixels(path):
    """Reads a file as float32 [h, w]. MONOCHROME1 (high is dark) is inverted."""
    if not path.endswith(".dcm"):
        return read_grey(path)
    dataset = pydicom.dcmread(path)
    # Other plugins round differently. Pillow's libjpeg-turbo also reads the rest of the data.
    dataset.pixel_array_options(decoding_plugin="pillow")
    values = dataset.pixel_array.astype(np.float32)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 2**dataset.BitsStored - 1 - values
    return values


@torch.no_grad()
def real_case(model, lungs, data, path, detailed):
    """The logits of one file and, if `detailed`, a summary of the network's input."""
    tensor = prepared(lungs, pixels(f"{data}/{path}"))
    case = {"path": path, "logits": model(torch.from_numpy(tensor)[None, None])[0].tolist()}
    if detailed:
        case["tensor"] = {
            "mean": float(tensor.mean(dtype=np.float64)),
            "std": float(tensor.std(dtype=np.float64)),
            "values": {str(i): float(tensor.flat[i]) for i in SAMPLED},
        }
    return case


def lung_film():
    """A trunk with two dark lungs, ribs, a spine and a heart, in whole numbers: float32 [260, 300]."""
    y, x = np.mgrid[:260, :300]
    aside = abs(x - 150)
    is_lung = ((2 * (aside - 66)) ** 2 + (y - 130) ** 2 < 8100) & (y < 200)
    is_heart = 2 * (x - 165) ** 2 + (y - 165) ** 2 < 3600
    lung = 100 + np.where((3 * y + aside) % 36 < 12, 25, 0)
    trunk = np.where(aside <= 14, 190, 160 + 20 * (y > 200))
    grey = np.where(is_heart, 175, np.where(is_lung, lung, np.where(aside <= 132, trunk, 30)))
    return (grey + (x * 7 + y * 13) % 11).astype(np.float32)


@torch.no_grad()
def lung_case(folder):
    """Some cells of the lung fields of that film, by their index, the box around the lungs (left, top, width, height), and the
    score of the side of the heart."""
    film = lung_film()
    fields = torch.sigmoid(student(f"{folder}/lungs.safetensors")(torch.from_numpy(lung_input(film))[None, None]))[0, 0].numpy()
    box = lung_box(fields, film.shape[1], film.shape[0])
    if box is not None:
        left, top, right, bottom = box
        box = [left, top, right - left, bottom - top]
    weights = load_file(f"{folder}/lungs.safetensors")["side.weight"].numpy().astype(np.float64)
    side = float(lung_sides.differences(lung_input(film), fields) @ weights.ravel())
    return {"cells": {str(i): float(fields.flat[i]) for i in LUNG_CELLS}, "box": box, "side": side}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder that holds cxr, fullres and dicom")
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--out", default="tests/data")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, lungs = exported(given.weights), student(f"{given.weights}/lungs.safetensors")
    paths = chosen(given.data)
    spread = set(paths[:: len(paths) // DETAILED][:DETAILED])
    cases = [real_case(model, lungs, given.data, path, path in spread) for path in paths]
    os.makedirs(given.out, exist_ok=True)
    write(f"{given.out}/parity_real.json", {"labels": OUTPUTS, "preprocess": "cxr-2", "cases": cases})
    write(f"{given.out}/parity_formula.json", formula_cases(model))
    write(f"{given.out}/lungs_parity.json", lung_case(given.weights))


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
