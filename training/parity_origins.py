"""Logits that cxr must reproduce for networks of torchvision and timm which have the steps of a network of transformers,
by the classes of torchvision and timm themselves.

    pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0 safetensors==0.8.0
    python training/parity_origins.py --out tests/data

It writes `tests/data/parity_origins.json`: small networks, with the names and shapes of all tensors of their state dicts.
Weights and inputs are by the formulas of `parity_transformers.py`, over the names that the library has, and again in
`src/inference/network/token_trunk/tests/origins.rs`. Indices that are computed keep their values.
"""

import argparse
import json
import os
import re

import numpy as np
import timm
import torch
import torchvision
from parity_transformers import SEED, WAVES, scaled, uniform, wave
from timm.models.vision_transformer import VisionTransformer
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionVit

LABELS = 3
# A buffer that is computed.
UNREAD = "relative_position_index"
# Sizes in the words of cards.
VIT = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, patch_size=8, layer_norm_eps=1e-6)
SWIN = dict(embed_dim=12, depths=[2, 2, 1], num_heads=[2, 3, 4], window_size=3, patch_size=2, layer_norm_eps=1e-5)
CONVNEXT = dict(hidden_sizes=[8, 20, 12], depths=[1, 2, 1], num_stages=3, layer_norm_eps=1e-6)


def torchvision_vit():
    return TorchvisionVit(image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=96, num_classes=LABELS)


def torchvision_swin():
    return SwinTransformer([2, 2], 12, [2, 2, 1], [2, 3, 4], [3, 3], num_classes=LABELS)


def torchvision_convnext():
    stages = [CNBlockConfig(8, 20, 1), CNBlockConfig(20, 12, 2), CNBlockConfig(12, None, 1)]
    return ConvNeXt(stages, num_classes=LABELS)


def timm_vit(**more):
    shape = dict(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=LABELS)
    return VisionTransformer(**{**shape, **more})


# What is shown by a network, its library, its architecture on a card, the side of its images, its settings, its module.
SMALL = [
    ("ViT", "torchvision", "vit", 32, {**VIT, "image_size": 32}, torchvision_vit),
    ("Swin, windows that are padded", "torchvision", "swin", 32, SWIN, torchvision_swin),
    ("Swin, odd maps", "torchvision", "swin", 26, SWIN, torchvision_swin),
    ("ConvNeXt, rows that are left out", "torchvision", "convnext", 37, CONVNEXT, torchvision_convnext),
    (
        "ViT of DINOv2", "timm", "vit", 32, {**VIT, "image_size": 32, "layer_scale_init_value": 1e-5},
        lambda: timm_vit(init_values=1e-5),
    ),
    (
        "DeiT-3", "timm", "vit", 32, {**VIT, "image_size": 32, "layer_scale_init_value": 1e-6, "no_embed_class": True},
        lambda: timm_vit(init_values=1e-6, no_embed_class=True),
    ),
    (
        "DeiT-3 that ends in an average", "timm", "vit-average", 32,
        {**VIT, "image_size": 32, "layer_scale_init_value": 1e-6, "no_embed_class": True},
        lambda: timm_vit(init_values=1e-6, no_embed_class=True, global_pool="avg"),
    ),
]


def fill(module):
    """Fills the module with made weights, in place. Returns the names and shapes of its state dict."""
    state = module.state_dict()
    start = 0
    for name in sorted(name for name in state if not name.endswith(UNREAD)):
        tensor = state[name]
        values = scaled(name, tensor.shape, uniform(start, tensor.numel()))
        tensor.copy_(torch.from_numpy(values.astype(np.float32).reshape(tensor.shape)))
        start += tensor.numel()
    return {name: list(state[name].shape) for name in sorted(state)}


def case(shown, library, architecture, side, settings, make):
    module = make().eval()
    tensors = fill(module)
    waves = []
    for row, column, phase, size in WAVES:
        seen = dict(row=row, column=column, phase=phase, size=size)
        seen["logits"] = [round(value, 6) for value in module(wave(3, side, **seen))[0].tolist()]
        waves.append(seen)
    return {
        "shown": shown, "library": library, "architecture": architecture, "side": side, "channels": 3, "settings": settings,
        "tensors": tensors, "waves": waves,
    }


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data", help="folder of parity_origins.json")
    given = parser.parse_args()
    networks = [case(*network) for network in SMALL]
    versions = {m.__name__: m.__version__.split("+")[0] for m in (torch, torchvision, timm)}
    text = json.dumps({"versions": versions, "seed": SEED, "networks": networks}, indent=1)
    # Lists of numbers in one line.
    text = re.sub(r"\[[\s\d.,-]+\]", lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"), text)
    with open(os.path.join(given.out, "parity_origins.json"), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    for network in networks:
        print(network["library"], network["shown"], [wave["logits"] for wave in network["waves"]])


if __name__ == "__main__":
    main()
