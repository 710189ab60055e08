"""Parity of imported models with their original code, from the files of real radiographs to the logits.

    pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0 pillow==12.3.0 pydicom==3.0.2
    pip install onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2
    cargo build --release
    python training/parity_real_films.py --cxr target/release/cxr --json parity.json --films FOLDER FOLDER FILE ...

Each network has the size that the hub has it in, and seeded random weights. It is saved as its library saves it, imported
by `cxr models import`, and loaded by its library from what was saved alone. For each film the reference has the pixels that
the network is given and the logits. `cxr models check NAME --against reference.csv --logits` compares them. The program
prints a table and ends with 1 if anything differs. With another version of transformers, `--only transformers` compares
the folders of that version.

A deep network with random weights gives nearly the same logits for every film, which would make any comparison agree. So
batch normalisations get the statistics of the films, and the last layer is turned and scaled so that every logit has mean 0
and deviation 1 over the films. It reads those features in which the films differ most. The table says how far the logits
are apart in the reference, beside the largest difference to cxr, and how far the original's own 32 bits are from 64.

Films are drawn by a seed, in turn from each kind of file in each folder; files that are named are always among them. A
picture of 8 bits is what Pillow's `convert("RGB")` makes of it. DICOM files and deeper pictures have no one reading in these
libraries. They are developed as docs/src/preprocessing.md says: through pydicom's `apply_voi_lut`, or without a window from
the 0.5th to the 99.5th percentile.
"""

import argparse
import collections
import copy
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import torch
import transformers
from parity_originals import LABELS, cases
from PIL import Image, ImageOps
from torch import nn

SEED = 20_261_128
ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".dcm")
# The criterion: pixels as a share of their range, and logits.
MOST_PIXEL, MOST_LOGIT = 1e-5, 1e-4


# Films.


def drawn(places, count):
    """This many files: those that are named, and then in turn one of each kind in each folder."""
    files = [place for place in places if place.is_file()]
    kinds = collections.defaultdict(list)
    for place in places:
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            if path.suffix in ENDINGS:
                kinds[place, path.suffix].append(path)
    chance = random.Random(SEED)
    for paths in kinds.values():
        chance.shuffle(paths)
    while len(files) < count and any(kinds.values()):
        files += [paths.pop() for paths in kinds.values() if paths]
    return files[:count]


def picture(path):
    """The picture in red, green and blue that the original code is given."""
    if path.suffix == ".dcm":
        return Image.fromarray(developed(path)).convert("RGB")
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        image = Image.fromarray(to_bytes(np.asarray(image).astype(np.float64)))
    return image.convert("RGB")


def developed(path):
    """The bytes of a DICOM file of one grey frame."""
    import pydicom
    from pydicom.pixels import apply_voi_lut

    data = pydicom.dcmread(path)
    stored = data.pixel_array
    if data.get("RescaleSlope", 1) != 1 or data.get("RescaleIntercept", 0) != 0:
        raise ValueError(f"{path.name} has a rescale, and this program has none")
    if "WindowCenter" in data or "VOILUTSequence" in data:
        values = apply_voi_lut(stored, data, prefer_lut=True) / (2.0**data.BitsStored - 1)
        grey = np.floor(values * 255 + 0.5).astype(np.uint8)
    else:
        grey = stored if data.BitsStored == 8 else to_bytes(stored.astype(np.float64))
    return 255 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey


def to_bytes(values):
    """Whole numbers, from the 0.5th percentile (black) to the 99.5th."""
    few = np.sort(values.ravel()[:: (values.size // 100_000) | 1])
    low, high = (few[round(share * (few.size - 1))] for share in (0.005, 0.995))
    return np.floor(np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)


# Weights.


# What is smaller, or else rounding would grow from block to block, as it does not in trained networks: the normalisations
# of ResNet's branches, which add less than what goes around them, and what squeeze-and-excitation multiplies by.
SMALLER = re.compile(
    r"(layer\d\.\d+\.bn\d|.*\.layer\.\d\.normalization|.*\.(se|squeeze_excite)\.\w+|.*\.block\.\d\.fc[12])\.weight$"
)


def fill(module):
    """Random weights of a size that keeps the variance of what they read; norms and factors near their usual values."""
    generator = torch.Generator().manual_seed(SEED)
    for name, parameter in sorted(module.named_parameters()):
        z = torch.randn(parameter.shape, generator=generator)
        last = name.split(".")[-1]
        if last == "relative_position_bias_table":
            values = z
        elif ".grn." in name or last.endswith(("_token", "_tokens", "_embeddings", "_embed", "_embedding")):
            values = 0.5 * z
        elif last in ("lambda1", "layer_scale_parameter", "layer_scale") or re.search(r"\.ls[12]\.gamma$", name):
            values = 0.5 + 0.2 * z
        elif parameter.ndim > 1:
            values = z * (parameter.ndim // 2 / parameter[0].numel()) ** 0.5
        else:
            values = 0.1 * z if last.endswith("bias") else 1.0 + 0.2 * z
        parameter.copy_(values * 0.3 if SMALLER.match(name) else values)


def logits_of(module, pixels):
    made = module(pixels)
    return made.logits if hasattr(made, "logits") else made


def fit(module, pixels):
    """Statistics of the films for batch normalisations, and a last layer in whose outputs the films differ."""
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        logits_of(module, torch.cat(pixels))
    module.eval()
    last = [part for part in module.modules() if isinstance(part, nn.Linear) and part.out_features == len(LABELS)][-1]
    seen = []
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0].reshape(1, -1)))
    for one in pixels:
        logits_of(module, one)
    hook.remove()
    features = torch.cat(seen).double()
    mean = features.mean(0)
    _, sizes, ways = torch.linalg.svd(features - mean, full_matrices=False)
    ways = ways[: len(LABELS)] / sizes[: len(LABELS), None] * len(pixels) ** 0.5
    turn = torch.linalg.qr(torch.randn(len(LABELS), len(LABELS), generator=torch.Generator().manual_seed(SEED)).double())[0]
    last.weight.copy_(turn @ ways)
    last.bias.copy_(-(turn @ ways) @ mean)


# cxr.


class Cxr:
    """The program, with a library of models of its own."""

    def __init__(self, program, home):
        self.program = str(pathlib.Path(program).resolve())
        homes = {f"XDG_{kind}_HOME": str(home / kind) for kind in ("DATA", "CONFIG", "CACHE", "STATE")}
        self.environment = {**os.environ, **homes}

    def run(self, *words):
        command = [self.program, *map(str, words)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


NUMBER = r"(-?[\d.]+(?:e-?\d+)?|NaN|-?inf)"
CLOSE = re.compile(rf"agrees?, to {NUMBER}")
FAR = re.compile(rf"differs: .* {NUMBER} here, {NUMBER} in the reference")
PIXEL = re.compile(rf"they part at step .*: {NUMBER} here, {NUMBER} in the reference")


def parsed(text, count):
    """For each film |Δlogit|, |Δpixel|, and what cxr says, if nothing is close enough for it."""
    told = collections.defaultdict(str)
    for line in text.splitlines():
        row = re.match(r"(\d+)\.\w+: ", line)
        if row:
            film = int(row[1])
        elif not line.startswith("    "):
            continue
        told[film] += line + "\n"
    return [differences(told[film]) for film in range(count)]


def differences(text):
    close, far, pixel = CLOSE.search(text), FAR.search(text), PIXEL.search(text)
    logit = float(close[1]) if close else abs(float(far[1]) - float(far[2])) if far else None
    apart = abs(float(pixel[1]) - float(pixel[2])) if pixel else 0.0
    known = logit is not None and not ("they part" in text and pixel is None)
    return {"logit": logit, "pixel": apart if known else None, "words": text.strip()}


def reference(case, films, place):
    """Writes the numbers and pixels of the original code. Returns logits and the range of the pixels of each film."""
    module, pixels_of = case.load(place)
    rows, ranges = [], []
    lines = [",".join(["path", *LABELS, "input"])]
    for film in films:
        pixels = pixels_of(picture(film)).float()
        logits = logits_of(module, pixels)[0].double().tolist()
        np.save(place / f"{film.stem}.npy", pixels[0].numpy())
        rows.append(logits)
        ranges.append(float(pixels.max() - pixels.min()))
        lines.append(",".join([film.name, *(repr(logit) for logit in logits), str(place / f"{film.stem}.npy")]))
    (place / "reference.csv").write_text("\n".join(lines) + "\n")
    return np.array(rows), ranges


def compared(case, films, program, place):
    """What one network gives."""
    torch.manual_seed(SEED)
    found = {"network": case.name, "library": case.library, "films": len(films)}
    module, pixels_of = case.make()
    module.eval()
    fill(module)
    pixels = [pixels_of(picture(film)).float() for film in films]
    fit(module, pixels)
    imported = case.save(module, place)
    found["parameters"] = sum(parameter.numel() for parameter in module.parameters())
    module = module.double()
    exact = torch.cat([logits_of(module, one.double()) for one in pixels]).numpy()
    del module, pixels
    logits, ranges = reference(case, films, place)
    found["rounding"] = float(np.abs(logits - exact).max())
    found["spread"] = float(logits.std(0).min())
    found["largest_logit"] = float(np.abs(logits).max())
    cxr = Cxr(program, place)
    made = cxr.run("models", "import", *imported, "--name", "parity")
    if made.returncode != 0:
        return {**found, "fault": f"import: {(made.stderr or made.stdout).strip()}"}
    check = ["models", "check", "parity", "--against", place / "reference.csv", "--root", films[0].parent, "--logits"]
    # With no tolerance at all it says the largest difference of a pixel; with its own, whether cxr is content.
    told = cxr.run(*check, "--step-tolerance", "0")
    rows = parsed(told.stdout, len(films))
    judged = cxr.run(*check)
    found["exit_status"], found["summary"] = judged.returncode, judged.stdout.strip().split("\n")[-1]
    if any(row["logit"] is None or row["pixel"] is None for row in rows):
        return {**found, "fault": told.stdout.strip() + told.stderr.strip()}
    shares = [row["pixel"] / width for row, width in zip(rows, ranges)]
    found["pixel"], found["pixel_share"] = max(row["pixel"] for row in rows), max(shares)
    found["logit"] = max(row["logit"] for row in rows)
    found["passes"] = judged.returncode == 0 and found["pixel_share"] <= MOST_PIXEL and found["logit"] <= MOST_LOGIT
    found["far"] = [row["words"] for row, share in zip(rows, shares) if share > MOST_PIXEL or row["logit"] > MOST_LOGIT]
    return found


HEAD = """| network | original | films | pixels: share of range | pixels: absolute | logits: difference | the same, of the original to itself in 64 bits | logits: deviation over films | largest logit | |
|---|---|---|---|---|---|---|---|---|---|"""


def line(found):
    start = f"| {found['network']} | {found['library']} | {found['films']} |"
    if "fault" in found:
        return f"{start} fails: {found['fault'].splitlines()[0]} |"
    numbers = [f"{found[key]:.1e}" for key in ("pixel_share", "pixel", "logit", "rounding")]
    numbers += [f"{found[key]:.2f}" for key in ("spread", "largest_logit")]
    return f"{start} {' | '.join(numbers)} | {'passes' if found['passes'] else 'FAILS'} |"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cxr", required=True, help="release binary")
    parser.add_argument("--films", type=pathlib.Path, nargs="+", required=True, help="folders to draw from, and files to take")
    parser.add_argument("--count", type=int, default=30, help="how many films")
    parser.add_argument("--json", type=pathlib.Path, required=True, help="where the numbers are written")
    parser.add_argument("--only", nargs="*", default=[""], help="only networks whose library or name has one of these words in it")
    return parser.parse_args()


@torch.no_grad()
def main():
    given = arguments()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    sources = drawn(given.films, given.count)
    names = [f"{path.parent.name}/{path.name}" for path in sources]
    rows = []
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        films = [folder / f"{number:03}{path.suffix}" for number, path in enumerate(sources)]
        for film, path in zip(films, sources):
            shutil.copy(path, film)
        for case in cases():
            if not any(word in f"{case.library} {case.name}" for word in given.only):
                continue
            start = time.monotonic()
            with tempfile.TemporaryDirectory(dir=folder) as place:
                try:
                    found = compared(copy.copy(case), films, given.cxr, pathlib.Path(place))
                except Exception as error:
                    found = {"network": case.name, "library": case.library, "films": len(films), "fault": repr(error)}
            rows.append({**found, "seconds": round(time.monotonic() - start, 1)})
            print(line(found), flush=True)
            written = {"seed": SEED, "films": names, "networks": rows}
            given.json.write_text(json.dumps(written, indent=1) + "\n")
    sys.exit(0 if all(row.get("passes") for row in rows) else 1)


if __name__ == "__main__":
    main()
