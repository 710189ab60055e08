"""Numbers that the Rust program must reproduce, for networks that others publish.

    pip install torchxrayvision==1.5.7 torchvision scikit-image pydicom pillow
    python training/parity_checkpoints.py --samples samples --data ../shared/data --out tests/data

The weights are too large to keep, so they are computed here and, by the same formula, in `tests/checkpoints.rs`. All
tensors of the module but the counters and `op_threshs`, in the order of their names, form one sequence. Its value i is

    z = splitmix64(seed + (i + 1) * 0x9E3779B97F4A7C15),  u = (z >> 40) / 2^23 - 1,  from -1 to 1,

and `scaled` brings u to a scale like that of a trained network. Further inputs are formulas, so they need no file.
"""

import argparse
import hashlib
import json
import math
import os
import sys
import types

import numpy as np
import torch
import torchvision
from PIL import Image

# torchxrayvision imports `requests` to download weights, which this script never does.
sys.modules.setdefault("requests", types.ModuleType("requests"))
import pydicom
import skimage
import torchxrayvision as xrv

SEED = 20_240_613
GAMMA = np.uint64(0x9E3779B97F4A7C15)
# The scale of the stem's input: values from -1024 to 1024, or of about 1.
RANGE = {"xrv-densenet121": 500.0, "xrv-resnet50-512": 500.0, "chexnet": 1.0}
# Without these factors, sums over residual blocks would grow too large.
RESIDUAL = {"bn3.weight": 0.3, "downsample.1.weight": 0.5}
IMAGENET = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
# Columns, rows and bits of made images: square, wide, tall, smaller than the input, larger, with more bits.
MADE = [(224, 224, 8), (300, 300, 8), (701, 503, 8), (480, 611, 8), (190, 203, 8), (640, 640, 12), (533, 702, 12), (1201, 1400, 16)]


def uniform(start, count):
    """Values u from `start` to `start + count`, float64 from -1 to 1."""
    with np.errstate(over="ignore"):
        z = np.uint64(SEED) + (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * GAMMA
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def scaled(name, shape, u, stem_range):
    """Kaiming's bound for weights; statistics of a normalisation near 0 and 1, for the stem times the scale of its input."""
    is_stem = name in ("features.norm0.running_mean", "features.norm0.running_var", "bn1.running_mean", "bn1.running_var")
    spread = stem_range if is_stem else 1.0
    if len(shape) > 1:
        return u * math.sqrt(6.0 / math.prod(shape[1:]))
    if name.endswith("running_var"):
        return (1.0 + 0.5 * u) * spread * spread
    if name.endswith("running_mean"):
        return 0.3 * u * spread
    if name.endswith("bias"):
        return 0.2 * u
    return (1.0 + 0.5 * u) * RESIDUAL.get(".".join(name.split(".")[2:]), 1.0)


def fill(module, stem_range):
    """Fills the module with made weights, in place. Returns the names and shapes, one per line, in order."""
    state = {n: t for n, t in module.state_dict().items() if not n.endswith("num_batches_tracked") and n != "op_threshs"}
    start, lines = 0, []
    for name in sorted(state):
        tensor = state[name]
        values = scaled(name, tensor.shape, uniform(start, tensor.numel()), stem_range)
        tensor.copy_(torch.from_numpy(values.astype(np.float32).reshape(tensor.shape)))
        start += tensor.numel()
        lines.append(f"{name} {list(tensor.shape)}")
    return lines


def xrv_densenet():
    return xrv.models.DenseNet(num_classes=18, in_channels=1)


def xrv_resnet():
    """The module inside `torchxrayvision.models.ResNet`, built as there, without the download."""
    model = torchvision.models.resnet50(num_classes=18, weights=None)
    model.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return model


def chexnet():
    """torchvision's DenseNet-121 with 14 outputs, without CheXNet's sigmoid."""
    return torchvision.models.densenet121(num_classes=14, weights=None)


def wave(channels, side, row, column, phase, size):
    """An input by a formula, [1, channels, side, side]. Each channel has another phase."""
    c, y, x = np.mgrid[0:channels, 0:side, 0:side].astype(np.float64)
    values = size * np.sin(row * y + 0.5 * c) * np.cos(column * x + phase)
    return torch.from_numpy(values.astype(np.float32))[None]


def made_image(width, height, bits):
    """An image of whole numbers up to 2^bits - 1: smooth, with edges, neither all dark nor all bright."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    top = 2**bits - 1
    ramp = (x * 3 + y * 2) * top // (3 * width + 2 * height)
    edge = np.where((x * 7 // width + y * 5 // height) % 2 == 0, top // 5, 0)
    return np.minimum((ramp + edge + (x * y) % 17 * top // 255), top)


def to_xrv(values, top, side):
    """The transform of torchxrayvision's own examples: [1, 1, side, side]."""
    image = xrv.utils.normalize(values, top)
    image = image[:, :, 0] if image.ndim > 2 else image
    transform = torchvision.transforms.Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(side)])
    return torch.from_numpy(transform(image[None]))[None]


def to_chexnet(image):
    """CheXNet's transform with one crop: [1, 3, 224, 224]."""
    transform = torchvision.transforms.Compose([
        torchvision.transforms.Resize(256),
        torchvision.transforms.CenterCrop(224),
        torchvision.transforms.ToTensor(),
        IMAGENET,
    ])
    return transform(image.convert("RGB"))[None]


def eight_bits(values, top):
    """cxr's own rule for files of more than 8 bits, for which CheXNet has none. In float32; halves round away from 0."""
    part = values.astype(np.float32) / np.float32(top) * np.float32(255)
    return Image.fromarray(np.floor(part + np.float32(0.5)).astype(np.uint8))


def read(path):
    """The values and the largest possible value. DICOM is read as by `xrv.utils.read_xray_dcm`."""
    if path.endswith(".dcm"):
        dataset = pydicom.dcmread(path)
        top, values = 2**dataset.BitsStored - 1, dataset.pixel_array
        return (top - values if dataset.PhotometricInterpretation == "MONOCHROME1" else values), top
    values = skimage.io.imread(path)
    return values, np.iinfo(values.dtype).max


def file_inputs(path, side):
    values, top = read(path)
    is_plain = top == 255 and not path.endswith(".dcm")
    return {
        "xrv": lambda: to_xrv(values, top, side),
        "chexnet": lambda: to_chexnet(Image.open(path) if is_plain else eight_bits(values, top)),
    }


def pictures(samples, data, step):
    """Files as (root, folder, name): all samples, every `step`-th full-size radiograph, all DICOM files."""
    names = [name for name in sorted(os.listdir(samples)) if name.endswith((".png", ".jpg", ".jfif", ".webp", ".dcm"))]
    for name in names:
        if name not in ("not_an_xray.png", "truncated.dcm"):
            yield "samples", samples, name
    for folder in ("fullres", "dicom"):
        place = os.path.join(data, folder)
        found = sorted(os.listdir(place)) if os.path.isdir(place) else []
        found = [name for name in found if name.endswith((".png", ".jpg", ".jpeg", ".jfif", ".webp", ".dcm"))]
        for name in found[:: step if folder == "fullres" else 1]:
            yield "data", data, f"{folder}/{name}"


def cases(family, model, given):
    side = 512 if family == "xrv-resnet50-512" else 224
    channels = 3 if family == "chexnet" else 1
    kind = "chexnet" if family == "chexnet" else "xrv"
    logits = lambda tensor: [round(v, 6) for v in model(tensor)[0].tolist()]
    size = 1000.0 if kind == "xrv" else 2.0
    waves = [{"row": r, "column": c, "phase": p, "size": size} for r, c, p in ((0.03, 0.05, 0.0), (0.2, 0.01, 1.0), (0.7, 0.9, 2.0))]
    for case in waves:
        case["logits"] = logits(wave(channels, side, **case))
    made = []
    for width, height, bits in MADE:
        values, top = made_image(width, height, bits), 2**bits - 1
        image = Image.fromarray(values.astype(np.uint8)) if bits == 8 else eight_bits(values, top)
        tensor = to_xrv(values, top, side) if kind == "xrv" else to_chexnet(image)
        made.append({"width": width, "height": height, "bits": bits, "logits": logits(tensor)})
    files = []
    for root, place, name in pictures(given.samples, given.data, given.step):
        path = os.path.join(place, name)
        try:
            tensor = file_inputs(path, side)[kind]()
        except Exception as reason:  # Python's pipeline cannot read it, so there is no reference.
            print(f"{family}: {name}: left out, {reason}", file=sys.stderr)
            continue
        digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
        files.append({"root": root, "path": name, "sha256": digest, "logits": logits(tensor)})
    return {"waves": waves, "made": made, "files": files}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="samples")
    parser.add_argument("--data", default="../shared/data", help="folder that holds fullres and dicom; may be absent")
    parser.add_argument("--out", default="tests/data")
    parser.add_argument("--step", type=int, default=6, help="take every STEP-th file of fullres; 1 takes all")
    parser.add_argument("--family", action="append", help="renew the numbers of this family only; may be repeated")
    given = parser.parse_args()
    path = os.path.join(given.out, "parity_checkpoints.json")
    families = json.load(open(path, encoding="utf-8"))["families"] if given.family else {}
    for family, module in (("xrv-densenet121", xrv_densenet), ("xrv-resnet50-512", xrv_resnet), ("chexnet", chexnet)):
        if given.family and family not in given.family:
            continue
        model = module().eval()
        lines = fill(model, RANGE[family])
        names = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        families[family] = {"tensors": len(lines), "names_sha256": names, "stem_range": RANGE[family], **cases(family, model, given)}
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "torchxrayvision": xrv.__version__, "scikit-image": skimage.__version__}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"versions": versions, "seed": SEED, "families": families}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
