"""Parity of imported models with their original code, from the files of real radiographs to the logits.

    pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0 safetensors==0.8.0 pillow==12.3.0
    pip install pydicom==3.0.2 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2
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
are apart in the reference, beside the largest difference to cxr.

Films are drawn by a seed, in turn from each kind of file in each folder; files that are named are always among them. A
picture of 8 bits is what Pillow's `convert("RGB")` makes of it. DICOM files and deeper pictures have no one reading in these
libraries. They are developed as docs/src/preprocessing.md says: through pydicom's `apply_voi_lut`, or without a window from
the 0.5th to the 99.5th percentile.
"""

import argparse
import collections
import copy
import hashlib
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
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from torch import nn

SEED = 20_261_128
LABELS = ["Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Nodule"]
ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".dcm")
# The criterion: pixels as a share of their range, and logits.
MOST_PIXEL, MOST_LOGIT = 1e-5, 1e-4
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
IMAGENET = {"image_mean": MEAN, "image_std": DEVIATION}
BICUBIC = {"resample": 3}


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


def fill(module):
    """Random weights of a size that keeps the variance of what they read; norms and factors near their usual values."""
    generator = torch.Generator().manual_seed(SEED)
    for name, parameter in sorted(module.named_parameters()):
        z = torch.randn(parameter.shape, generator=generator)
        last = name.split(".")[-1]
        if last == "relative_position_bias_table":
            values = z
        elif ".grn." in name or last.endswith(("_token", "_tokens", "_embeddings")):
            values = 0.5 * z
        elif last in ("lambda1", "layer_scale_parameter"):
            values = 0.5 + 0.2 * z
        elif parameter.ndim > 1:
            values = z * (parameter.ndim // 2 / parameter[0].numel()) ** 0.5
        else:
            values = 0.1 * z if last == "bias" else 1.0 + 0.2 * z
        parameter.copy_(values)


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
        logits_of(module, torch.cat(pixels[:8]))
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


# The libraries. Each gives a network and what is done to a picture, saves them, and loads what was saved.


class Transformers:
    """A folder of `save_pretrained`."""

    library = f"transformers {transformers.__version__}"

    def __init__(self, name, family, processor, shape, **settings):
        self.name, self.family, self.shape = name, family, shape
        self.processor, self.settings = processor, settings

    def make(self):
        labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}
        config = getattr(transformers, f"{self.family}Config")(
            **self.shape, **labels, problem_type="multi_label_classification"
        )
        self.made = getattr(transformers, f"{self.processor}ImageProcessor")(**self.settings)
        return getattr(transformers, f"{self.family}ForImageClassification")(config), self.pixels(self.made)

    def pixels(self, processor):
        return lambda image: torch.from_numpy(np.asarray(processor(image, return_tensors="np")["pixel_values"]))

    def save(self, module, place):
        module.save_pretrained(place / "net")
        self.made.save_pretrained(place / "net")
        return [place / "net"]

    def load(self, place):
        processor = transformers.AutoImageProcessor.from_pretrained(place / "net")
        module = transformers.AutoModelForImageClassification.from_pretrained(place / "net").eval()
        return module, self.pixels(processor)


class Timm:
    """A folder of timm's `save_for_hf`."""

    def __init__(self, name, **data):
        import timm

        self.name, self.data = name, data
        self.library = f"timm {timm.__version__}"

    def make(self):
        import timm

        module = timm.create_model(self.name, num_classes=len(LABELS), pretrained=False)
        module.pretrained_cfg = {**module.pretrained_cfg, **self.data}
        return module, self.pixels(module)

    def pixels(self, module):
        import timm

        transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=module))
        return lambda image: transform(image)[None]

    def save(self, module, place):
        import timm

        timm.models.save_for_hf(module, place / "net", model_config={"label_names": LABELS}, safe_serialization=True)
        return [place / "net", "--scores", "sigmoid"]

    def load(self, place):
        import timm

        module = timm.create_model(f"local-dir:{place / 'net'}", pretrained=True).eval()
        return module, self.pixels(module)


RECIPE = """preprocess = "recipe-1"

[preprocessing]
film = {{ values = "window", depth = "bytes", colour = "rgb", channels = 3 }}
step = [
    {{ do = "resize", {to} = {resize}, filter = "{filter}" }},{crop}
    {{ do = "range", low = 0, high = 1 }},
    {{ do = "normalise", mean = [0.485, 0.456, 0.406], deviation = [0.229, 0.224, 0.225] }},
]
"""
CROP = '\n    {{ do = "crop", centre = {side}, like = "torchvision" }},'


class Torchvision:
    """torchvision's network and its `ImageClassification`, with a card of cxr beside the weights."""

    def __init__(self, name, side=224, resize=256):
        import torchvision

        self.name, self.side, self.resize = name, side, resize
        self.library = f"torchvision {torchvision.__version__.split('+')[0]}"

    def module(self):
        import torchvision

        return getattr(torchvision.models, self.name)(num_classes=len(LABELS), weights=None)

    def pixels(self):
        from torchvision.transforms._presets import ImageClassification

        transform = ImageClassification(crop_size=self.side, resize_size=self.resize)
        return lambda image: transform(image)[None]

    def make(self):
        return self.module(), self.pixels()

    def recipe(self):
        return RECIPE.format(to="short", resize=self.resize, filter="pillow-bilinear", crop=CROP.format(side=self.side))

    def save(self, module, place):
        weights = place / "net.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, weights)
        first, rest = self.recipe().split("\n", 1)
        architecture = {"mobilenet_v2": "mobilenet-v2"}.get(self.name, self.name)
        words = {"name": "net", "version": "0", "architecture": architecture, "input_size": self.side, "licence": "none"}
        words |= {"pretrained": "random", "training_data": "none", "limits": []}
        words["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        lines = [first, *(f"{key} = {json.dumps(value)}" for key, value in words.items()), rest]
        lines += [f'[[label]]\nname = "{label}"\nquestion = "presence"\n' for label in LABELS]
        weights.with_suffix(".toml").write_text("\n".join(lines))
        return [weights]

    def load(self, place):
        module = self.module().eval()
        module.load_state_dict(load_file(place / "net.safetensors"))
        return module, self.pixels()


class Onnx:
    """An ONNX file of another library's network, by one of PyTorch's two exporters, in ONNX Runtime."""

    def __init__(self, inner, exporter, opset):
        import onnxruntime

        self.inner, self.exporter, self.opset = inner, exporter, opset
        self.name = f"{inner.name}, {exporter}, opset {opset}"
        self.library = f"ONNX Runtime {onnxruntime.__version__}, {inner.library}"

    def make(self):
        module = self.inner.make()[0]
        return module, self.pixels()

    def pixels(self):
        from torchvision.transforms import v2

        steps = [v2.PILToTensor(), v2.Resize((224, 224), antialias=True), v2.ToDtype(torch.float32, scale=True)]
        transform = v2.Compose([*steps, v2.Normalize(MEAN, DEVIATION)])
        return lambda image: transform(image)[None]

    def save(self, module, place):
        given = torch.zeros(1, 3, 224, 224)
        names = {"input_names": ["pixels"], "output_names": ["logits"], "opset_version": self.opset}
        if self.exporter == "dynamo":
            names["dynamo"], names["dynamic_shapes"] = True, {next(iter(parameters(module))): {0: "batch"}}
            names["external_data"] = False
        else:
            names["dynamo"], names["dynamic_axes"] = False, {"pixels": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(module, (given,), place / "net.onnx", verbose=False, **names)
        text = RECIPE.format(to="size", resize=224, filter="torchvision-bilinear", crop="")
        (place / "square.toml").write_text(text)
        options = ["--preprocess", place / "square.toml", "--labels", ",".join(LABELS), "--scores", "sigmoid"]
        return [place / "net.onnx", *options]

    def load(self, place):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(place / "net.onnx", options, providers=["CPUExecutionProvider"])
        return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0]), self.pixels()


def parameters(module):
    import inspect

    return inspect.signature(module.forward).parameters


SQUARE, SHORT = {"size": {"height": 224, "width": 224}}, {"size": {"shortest_edge": 224}}
SMALL_VIT = dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536)
SMALL_DINO = dict(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
DINO_CROP = {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, **BICUBIC, **IMAGENET}
RAD_DINO = {"size": {"shortest_edge": 518}, "crop_size": {"height": 518, "width": 518}, **BICUBIC}
RAD_DINO |= {"image_mean": [0.5307] * 3, "image_std": [0.2583] * 3}
BASIC = dict(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512])
CROPPED = {**SHORT, "crop_pct": 0.875, **BICUBIC, **IMAGENET}


def cases():
    """All networks."""
    yield Transformers("ViT-B/16", "ViT", "ViT", {}, **SQUARE, **HALVES)
    yield Transformers("ViT-S/32, 384", "ViT", "ViT", {**SMALL_VIT, "image_size": 384, "patch_size": 32}, size={"height": 384, "width": 384}, **HALVES, **BICUBIC)
    yield Transformers("DeiT-S/16", "DeiT", "DeiT", SMALL_VIT, **IMAGENET)
    yield Transformers("DINOv2-S/14", "Dinov2", "Bit", SMALL_DINO, **DINO_CROP)
    yield Transformers("DINOv2-S/14, 518", "Dinov2", "Bit", SMALL_DINO, **RAD_DINO)
    yield Transformers("DINOv2-S/14, 4 registers", "Dinov2WithRegisters", "Bit", SMALL_DINO, **DINO_CROP)
    yield Transformers("Swin-T", "Swin", "ViT", {}, **SQUARE, **BICUBIC, **IMAGENET)
    yield Transformers("ConvNeXt-T", "ConvNext", "ConvNext", {}, **CROPPED)
    yield Transformers("ConvNeXt V2-T", "ConvNextV2", "ConvNext", {}, **CROPPED)
    yield Transformers("ResNet-18", "ResNet", "ConvNext", BASIC, **CROPPED)
    yield Transformers("ResNet-50", "ResNet", "ConvNext", {}, **CROPPED)
    small = dict(width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, image_size=224)
    yield Transformers("EfficientNet-B0", "EfficientNet", "EfficientNet", small, **SQUARE, **IMAGENET)
    yield Transformers("MobileNetV2", "MobileNetV2", "MobileNetV2", {})
    for name in ("densenet121", "densenet169", "resnet18", "resnet50", "resnet101", "efficientnet_b0", "efficientnet_b4"):
        yield Timm(name)
    yield Timm("tf_efficientnet_b1", crop_mode="squash")
    yield Timm("mobilenetv3_large_100", crop_mode="border")
    yield Timm("tf_mobilenetv3_small_100")
    yield Timm("mobilenetv2_100")
    for name in ("resnet34", "densenet169", "mobilenet_v2", "mobilenet_v3_small"):
        yield Torchvision(name)
    yield Torchvision("efficientnet_b2", 288, 288)
    for inner in (Torchvision("resnet18"), Torchvision("densenet121"), Timm("efficientnet_b0"), Timm("mobilenetv3_large_100")):
        yield Onnx(inner, "TorchScript", 13)
        yield Onnx(inner, "dynamo", 18)


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
        row = re.match(r"(\d\d)\.\w+: ", line)
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
    fit(module, [pixels_of(picture(film)).float() for film in films])
    imported = case.save(module, place)
    found["parameters"] = sum(parameter.numel() for parameter in module.parameters())
    del module
    logits, ranges = reference(case, films, place)
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


HEAD = """| network | original | films | pixels: share of range | pixels: absolute | logits: difference | logits: deviation over films | largest logit | |
|---|---|---|---|---|---|---|---|---|"""


def line(found):
    start = f"| {found['network']} | {found['library']} | {found['films']} |"
    if "fault" in found:
        return f"{start} fails: {found['fault'].splitlines()[0]} |"
    numbers = [f"{found[key]:.1e}" for key in ("pixel_share", "pixel", "logit")]
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
        films = [folder / f"{number:02}{path.suffix}" for number, path in enumerate(sources)]
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
