"""Numbers that the Rust program must reproduce, computed by the exported model in PyTorch.

    python -m training.parity --data ../shared/data --weights weights --out tests/data

`parity_real.json` holds the logits of files of the data folder, `parity_formula.json` those of formulas, which need no data.
"""

import argparse
import json
import os

import numpy as np
import pydicom
import torch
from PIL import Image
from safetensors.torch import load_file

from .data import read_grey
from .export import NAME
from .finish import load
from .labels import LABELS, read_manifest
from .preprocess import cxr1
from .trace import formula_cases

SEED = 11
PER_SOURCE = 5
DETAILED = 3
SAMPLED = range(500, 36864, 2400)
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp")


def exported(folder):
    """The network in the file, without the heads on its features, which only the Rust program reads."""
    state = {name: value.float() for name, value in load_file(f"{folder}/{NAME}.safetensors").items()}
    return load({name: value for name, value in state.items() if not name.startswith(("severity.", "input.", "distance."))})


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
def real_case(model, data, path, detailed):
    """The logits of one file and, if `detailed`, a summary of the network's input."""
    tensor = cxr1(pixels(f"{data}/{path}"))
    case = {"path": path, "logits": model(torch.from_numpy(tensor)[None, None])[0].tolist()}
    if detailed:
        case["tensor"] = {
            "mean": float(tensor.mean(dtype=np.float64)),
            "std": float(tensor.std(dtype=np.float64)),
            "values": {str(i): float(tensor.flat[i]) for i in SAMPLED},
        }
    return case


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder that holds cxr, fullres and dicom")
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--out", default="tests/data")
    given = parser.parse_args()
    model = exported(given.weights)
    paths = chosen(given.data)
    spread = set(paths[:: len(paths) // DETAILED][:DETAILED])
    cases = [real_case(model, given.data, path, path in spread) for path in paths]
    os.makedirs(given.out, exist_ok=True)
    write(f"{given.out}/parity_real.json", {"labels": LABELS, "preprocess": "cxr-1", "cases": cases})
    write(f"{given.out}/parity_formula.json", formula_cases(model))


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
