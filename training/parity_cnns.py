"""Numbers that the convolutional networks of the Rust program must reproduce, as torchvision, timm and transformers
compute them.

    pip install torch torchvision timm transformers
    python training/parity_cnns.py --out tests/data

The weights are too large to keep, so they are computed here and, by the same formula, in
`src/inference/network/cnn/tests/parity.rs`. All tensors of the module but the counters, in the order of their names in that
library, form one sequence. Its value i is

    z = splitmix64(seed + (i + 1) * 0x9E3779B97F4A7C15),  u = (z >> 40) / 2^23 - 1,  from -1 to 1,

and `scaled` brings u to a scale at which values neither grow nor vanish. The inputs are formulas, too. Since the
sequence follows the names, and the hash of all names and shapes is kept, a wrong name gives other numbers.
"""

import argparse
import hashlib
import json
import math
import os

import numpy as np
import timm
import torch
import torchvision
import transformers

SEED = 20_250_607
GAMMA = np.uint64(0x9E3779B97F4A7C15)
LABELS = 5
# Sides of the input. With 75, strides leave odd sizes, where the paddings of the libraries differ most.
SIDES = (64, 75)


def of_torchvision(name):
    return getattr(torchvision.models, name)(num_classes=LABELS, weights=None)


def of_timm(name):
    return timm.create_model(name, num_classes=LABELS, pretrained=False)


def efficientnet(width, depth, padding):
    """transformers' EfficientNet: `hidden_dim` is what width makes of 1280."""
    hidden = {1.0: 1280, 1.1: 1408}[width]
    config = transformers.EfficientNetConfig(
        width_coefficient=width, depth_coefficient=depth, hidden_dim=hidden, depthwise_padding=padding, num_labels=LABELS
    )
    return transformers.EfficientNetForImageClassification(config)


def resnet(kind, depths, sizes, **more):
    config = transformers.ResNetConfig(layer_type=kind, depths=depths, hidden_sizes=sizes, num_labels=LABELS, **more)
    return transformers.ResNetForImageClassification(config)


def mobilenet_v2(**more):
    return transformers.MobileNetV2ForImageClassification(transformers.MobileNetV2Config(num_labels=LABELS, **more))


BASIC, WIDE = [64, 128, 256, 512], [256, 512, 1024, 2048]
# (library, architecture on a card, settings on a card, module).
CASES = (
    ("torchvision", "densenet169", {}, lambda: of_torchvision("densenet169")),
    ("torchvision", "efficientnet_b0", {}, lambda: of_torchvision("efficientnet_b0")),
    ("torchvision", "efficientnet_b2", {}, lambda: of_torchvision("efficientnet_b2")),
    ("torchvision", "efficientnet_b5", {}, lambda: of_torchvision("efficientnet_b5")),
    ("torchvision", "mobilenet-v2", {}, lambda: of_torchvision("mobilenet_v2")),
    ("torchvision", "mobilenet_v3_large", {}, lambda: of_torchvision("mobilenet_v3_large")),
    ("torchvision", "mobilenet_v3_small", {}, lambda: of_torchvision("mobilenet_v3_small")),
    ("torchvision", "resnet18", {}, lambda: of_torchvision("resnet18")),
    ("torchvision", "resnet34", {}, lambda: of_torchvision("resnet34")),
    ("torchvision", "resnet101", {}, lambda: of_torchvision("resnet101")),
    ("timm", "densenet121", "densenet121", lambda: of_timm("densenet121")),
    ("timm", "efficientnet_b0", "efficientnet_b0", lambda: of_timm("efficientnet_b0")),
    ("timm", "efficientnet_b1", "tf_efficientnet_b1", lambda: of_timm("tf_efficientnet_b1")),
    ("timm", "efficientnet_b4", "efficientnet_b4", lambda: of_timm("efficientnet_b4")),
    ("timm", "mobilenet-v2", "mobilenetv2_100", lambda: of_timm("mobilenetv2_100")),
    ("timm", "mobilenet_v3_large", "mobilenetv3_large_100", lambda: of_timm("mobilenetv3_large_100")),
    ("timm", "mobilenet_v3_small", "tf_mobilenetv3_small_100", lambda: of_timm("tf_mobilenetv3_small_100")),
    ("timm", "resnet50", "resnet50", lambda: of_timm("resnet50")),
    ("transformers", "efficientnet_b0", {}, lambda: efficientnet(1.0, 1.0, [])),
    ("transformers", "efficientnet_b2", {"depthwise_padding": [5, 8, 16]}, lambda: efficientnet(1.1, 1.2, [5, 8, 16])),
    ("transformers", "mobilenet-v2", {}, mobilenet_v2),
    ("transformers", "mobilenet-v2", {"tf_padding": False, "layer_norm_eps": 1e-5}, lambda: mobilenet_v2(tf_padding=False, layer_norm_eps=1e-5)),
    ("transformers", "resnet34", {}, lambda: resnet("basic", [3, 4, 6, 3], BASIC)),
    ("transformers", "resnet50", {}, lambda: resnet("bottleneck", [3, 4, 6, 3], WIDE)),
    ("transformers", "resnet50", {"downsample_in_bottleneck": True}, lambda: resnet("bottleneck", [3, 4, 6, 3], WIDE, downsample_in_bottleneck=True)),
)


def uniform(start, count):
    """Values u from `start` to `start + count`, float64 from -1 to 1."""
    with np.errstate(over="ignore"):
        z = np.uint64(SEED) + (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * GAMMA
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def variance(architecture):
    """The variance of a normalisation: sums over residual blocks would grow with 1, and others vanish with 2."""
    if architecture.startswith("resnet"):
        return 2.0
    others = {"efficientnet_b1": 1.125, "efficientnet_b5": 1.25, "mobilenet-v2": 1.25, "mobilenet_v3_large": 1.25}
    return others.get(architecture, 1.0)


def scaled(name, shape, u, spread):
    """Kaiming's bound for weights, and statistics of a normalisation near 0 and `spread`."""
    if len(shape) > 1:
        return u * math.sqrt(6.0 / math.prod(shape[1:]))
    if name.endswith("running_var"):
        return (1.0 + 0.5 * u) * spread
    if name.endswith(("running_mean", "bias")):
        return 0.1 * u
    return 1.0 + 0.5 * u


def fill(module, spread):
    """Fills the module with made weights, in place. Returns the names and shapes, one per line, in order."""
    state = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    start, lines = 0, []
    for name in sorted(state):
        tensor = state[name]
        values = scaled(name, tensor.shape, uniform(start, tensor.numel()), spread)
        tensor.copy_(torch.from_numpy(values.astype(np.float32).reshape(tensor.shape)))
        start += tensor.numel()
        lines.append(f"{name} {list(tensor.shape)}")
    return lines


def wave(side):
    """An input by a formula, [1, 3, side, side]. Each channel has another phase."""
    c, y, x = np.mgrid[0:3, 0:side, 0:side].astype(np.float64)
    values = 2.0 * np.sin(0.2 * y + 0.5 * c) * np.cos(0.11 * x + 1.0)
    return torch.from_numpy(values.astype(np.float32))[None]


def logits(module, side):
    made = module(wave(side))
    made = made.logits if hasattr(made, "logits") else made
    return [round(value, 6) for value in made[0].tolist()]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data")
    given = parser.parse_args()
    cases = []
    for library, architecture, settings, make in CASES:
        module = make().eval()
        spread = variance(architecture)
        lines = fill(module, spread)
        case = {"library": library, "architecture": architecture, "variance": spread}
        case |= {"timm": settings} if library == "timm" else {"settings": settings}
        case["tensors"] = len(lines)
        case["names_sha256"] = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        case["logits"] = {str(side): logits(module, side) for side in SIDES}
        cases.append(case)
        print(library, architecture, case["logits"])
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, timm, transformers)}
    with open(os.path.join(given.out, "parity_cnns.json"), "w", encoding="utf-8") as file:
        json.dump({"versions": versions, "seed": SEED, "cases": cases}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
