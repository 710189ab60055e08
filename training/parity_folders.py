"""Folders as transformers saves models, tiny and with seeded random weights, and the scores that it gives with them.

    pip install transformers==4.57.3 torch torchvision pillow safetensors     # with OLD, and once more
    pip install transformers==5.24.0                                          # with NEW
    python training/parity_folders.py --samples samples --out tests/data/folders

Each run writes the folders whose recipe is of the version of transformers that is installed: before version 5 its
processors compute by Pillow, and since then by torchvision. `expected.json` keeps what the other version wrote.
"""

import argparse
import json
import pathlib
import shutil

import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

SEED = 20_261_018
FILES = ["clear_1.png", "pneumonia_1.png", "not_an_xray.png"]
MAIN = int(transformers.__version__.split(".")[0])


def labels(*names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: n for n, name in enumerate(names)}}


def vit(**more):
    small = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40)
    return transformers.ViTConfig(**small, image_size=32, patch_size=8, **more)


def processor(name, **settings):
    return getattr(transformers, name)(**settings)


HALVES = [0.5, 0.5, 0.5]
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SMALL = {"height": 32, "width": 32}


def old():
    """Folders of version 4."""
    yield "vit-pneumonia", vit(**labels("NORMAL", "PNEUMONIA"), problem_type="single_label_classification"), processor(
        "ViTImageProcessor", size=SMALL, image_mean=HALVES, image_std=HALVES
    ), {}
    swin = transformers.SwinConfig(
        image_size=56, patch_size=4, embed_dim=8, depths=[2, 1], num_heads=[2, 4], window_size=7,
        **labels("COVID", "Lung_Opacity", "NORMAL", "Viral Pneumonia"),
    )
    yield "swin-covid-bin", swin, processor(
        "ViTImageProcessor", size={"height": 56, "width": 56}, resample=3, **IMAGENET
    ), {"safe_serialization": False}
    dinov2 = transformers.Dinov2Config(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=70, patch_size=14,
        **labels("Cardiomegaly", "No Finding", "Pleural Effusion"), problem_type="multi_label_classification",
    )
    yield "dinov2-findings-parts", dinov2, processor(
        "BitImageProcessor", size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}
    ), {"max_shard_size": "20KB"}


def new():
    """Folders of version 5."""
    yield "vit-new", vit(**labels("Bacterial", "Viral", "Normal")), processor("ViTImageProcessor", size=SMALL), {}
    convnext = transformers.ConvNextConfig(
        hidden_sizes=[8, 12], depths=[1, 2], num_stages=2, image_size=64, **labels("TB", "healthy")
    )
    yield "convnext-tb", convnext, processor(
        "ConvNextImageProcessor", size={"shortest_edge": 64}, crop_pct=0.875, resample=3, **IMAGENET
    ), {}


def widened(model):
    """Weights so large that the scores differ between images; the last layer most of all."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = torch.randn(parameter.shape, generator=GENERATOR)
            is_norm = "norm" in name and name.endswith("weight")
            parameter.copy_(values * 0.2 + (1.0 if is_norm else 0.0))
            if name.startswith("classifier"):
                parameter.mul_(3.0)


def scored(folder, path):
    """The logits and the scores of a file, with what the folder holds alone."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        logits = model(pixels).logits[0]
    is_multi = model.config.problem_type == "multi_label_classification"
    scores = torch.sigmoid(logits) if is_multi else torch.softmax(logits, -1)
    names = [model.config.id2label[n] for n in range(len(logits))]
    return {
        "logits": logits.tolist(),
        "scores": dict(zip(names, scores.tolist())),
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--samples", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments = arguments.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    record = arguments.out / "expected.json"
    expected = json.loads(record.read_text()) if record.exists() else {}
    for name, config, processor, how in old() if MAIN < 5 else new():
        folder = arguments.out / name
        shutil.rmtree(folder, ignore_errors=True)
        GENERATOR.manual_seed(SEED)
        model = AutoModelForImageClassification.from_config(config).eval()
        widened(model)
        model.save_pretrained(folder, **how)
        processor.save_pretrained(folder)
        expected[name] = {
            "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0],
            "files": {file: scored(folder, arguments.samples / file) for file in FILES},
        }
    record.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


GENERATOR = torch.Generator()

if __name__ == "__main__":
    torch.use_deterministic_algorithms(True)
    main()
