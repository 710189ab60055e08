"""Logits and attention that cxr's transformers must reproduce, by the classes of transformers themselves.

    pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0
    python training/parity_transformers.py --out tests/data
    python training/parity_transformers.py --folders /tmp/networks        # whole networks, as the hub has them

The first writes `tests/data/parity_transformers.json`: small networks of each kind, with the switches that configs have.
Their weights are computed here and, by the same formula, in `src/inference/network/token_trunk/tests.rs`. All tensors
that a network reads, in the order of their names, form one sequence. Its value i is

    z = splitmix64(seed + (i + 1) * 0x9E3779B97F4A7C15),  u = (z >> 40) / 2^23 - 1,  from -1 to 1,

and `scaled` brings u to a scale like that of a trained network. Inputs are formulas, too. transformers 4.57.1 gives the
same numbers.

The second fills networks of the usual sizes in the same way, and saves them with `save_pretrained`.
"""

import argparse
import hashlib
import json
import math
import os
import tempfile

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

SEED = 20_260_117
GAMMA = np.uint64(0x9E3779B97F4A7C15)
# Tensors that no answer depends on: a token for training, a buffer that is computed.
UNREAD = ("mask_token", "relative_position_index")
# The keys of a config that say how a network computes.
KEYS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps",
    "image_size", "patch_size", "num_channels", "qkv_bias", "mlp_ratio", "use_swiglu_ffn", "num_register_tokens",
    "embed_dim", "depths", "num_heads", "window_size", "use_absolute_embeddings", "num_stages", "hidden_sizes",
    "layer_scale_init_value",
)
CLASSES = {
    "vit": (transformers.ViTConfig, transformers.ViTForImageClassification),
    "deit": (transformers.DeiTConfig, transformers.DeiTForImageClassification),
    "dinov2": (transformers.Dinov2Config, transformers.Dinov2ForImageClassification),
    "dinov2-registers": (transformers.Dinov2WithRegistersConfig, transformers.Dinov2WithRegistersForImageClassification),
    "swin": (transformers.SwinConfig, transformers.SwinForImageClassification),
    "convnext": (transformers.ConvNextConfig, transformers.ConvNextForImageClassification),
    "convnextv2": (transformers.ConvNextV2Config, transformers.ConvNextV2ForImageClassification),
}
VIT = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, image_size=32, patch_size=8)
DINO = dict(hidden_size=20, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=7)
SWIN = dict(embed_dim=12, depths=[2, 2, 1], num_heads=[2, 3, 4], image_size=32, patch_size=2, window_size=3)
CONVNEXT = dict(hidden_sizes=[8, 20, 12], depths=[1, 2, 1], num_stages=3)
# What is shown by a network, its architecture on a card, the side of its images, and its config.
SMALL = [
    ("as it is", "vit", 32, VIT),
    ("without biases, of another size", "vit", 43, {**VIT, "qkv_bias": False, "hidden_act": "gelu_new", "layer_norm_eps": 1e-6}),
    ("one channel, quick GELU", "vit", 32, {**VIT, "num_channels": 1, "hidden_act": "quick_gelu"}),
    ("two tokens before the image", "deit", 32, VIT),
    ("two tokens, of another size", "deit", 24, {**VIT, "hidden_act": "relu"}),
    ("of its own size", "dinov2", 28, DINO),
    ("of a larger size", "dinov2", 38, DINO),
    ("SwiGLU", "dinov2", 28, {**DINO, "use_swiglu_ffn": True}),
    ("of its own size", "dinov2-registers", 28, {**DINO, "num_register_tokens": 3}),
    ("of a smaller size", "dinov2-registers", 21, {**DINO, "image_size": 35, "mlp_ratio": 3}),
    ("of a larger size", "dinov2-registers", 35, DINO),
    ("windows that are padded", "swin", 32, SWIN),
    ("windows as large as the last map", "swin", 32, {**SWIN, "window_size": 4, "mlp_ratio": 2.5, "qkv_bias": False}),
    ("squares that are padded, odd maps", "swin", 27, {**SWIN, "patch_size": 2, "window_size": 3, "layer_norm_eps": 1e-3}),
    ("rows that are left out", "convnext", 37, CONVNEXT),
    ("without factors", "convnext", 32, {**CONVNEXT, "layer_scale_init_value": 0.0, "hidden_act": "silu", "patch_size": 2}),
    ("one channel", "convnextv2", 40, {**CONVNEXT, "num_channels": 1, "layer_norm_eps": 1e-6}),
]
# Networks of the usual sizes, by the names that the hub has for them.
WHOLE = [
    ("vit-base-patch16-224", "vit", 224, {}),
    ("deit-small-patch16-224", "deit", 224, dict(hidden_size=384, num_attention_heads=6, intermediate_size=1536)),
    ("dinov2-base", "dinov2", 224, dict(image_size=518)),
    ("dinov2-with-registers-base", "dinov2-registers", 224, dict(image_size=518, patch_size=14)),
    ("swin-tiny-patch4-window7-224", "swin", 224, {}),
    ("convnext-tiny-224", "convnext", 224, {}),
    ("convnextv2-tiny-1k-224", "convnextv2", 224, {}),
]
WAVES = ((0.11, 0.07, 0.0, 1.5), (0.9, 0.31, 1.0, 1.0))


def uniform(start, count):
    """Values u from `start` to `start + count`, float64 from -1 to 1."""
    with np.errstate(over="ignore"):
        z = np.uint64(SEED) + (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * GAMMA
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def scaled(name, shape, u):
    """Weights that keep the variance of what they read; factors and norms near their usual values; the rest near 0."""
    last = name.split(".")[-1]
    if last == "relative_position_bias_table":
        return u
    if ".grn." in name or last.endswith(("_token", "_tokens", "_embeddings")):
        return 0.5 * u
    if last in ("lambda1", "layer_scale_parameter"):
        return 0.5 + 0.3 * u
    if len(shape) > 1:
        return u * math.sqrt(3.0 / math.prod(shape[1:]))
    return 0.2 * u if last == "bias" else 1.0 + 0.5 * u


def fill(place):
    """Fills the saved file with made weights. Returns the names and shapes, one per line, in order."""
    path = os.path.join(place, "model.safetensors")
    stored = load_file(path)
    start, lines = 0, []
    for name in sorted(name for name in stored if not name.endswith(UNREAD)):
        shape = stored[name].shape
        values = scaled(name, shape, uniform(start, stored[name].numel()))
        stored[name] = torch.from_numpy(values.astype(np.float32).reshape(shape))
        start += stored[name].numel()
        lines.append(f"{name} {list(shape)}")
    save_file(stored, path, metadata={"format": "pt"})
    return lines


def wave(channels, side, row, column, phase, size):
    """An input by a formula, [1, channels, side, side]. Each channel has another phase."""
    c, y, x = np.mgrid[0:channels, 0:side, 0:side].astype(np.float64)
    values = size * np.sin(row * y + 0.5 * c) * np.cos(column * x + phase)
    return torch.from_numpy(values.astype(np.float32))[None]


def rollout(attentions, architecture, cells):
    """Attention rollout (Abnar & Zuidema 2020) over the tokens of the image, with an average of 1."""
    layers = [layer[0].mean(0).double() for layer in attentions]
    tokens = layers[0].shape[0]
    flow = torch.zeros(tokens, dtype=torch.float64)
    flow[0] = 1.0
    if architecture.startswith("dinov2"):
        # Half of the features are the class token, and half the average of the tokens of the image.
        flow[0] = 0.5
        flow[tokens - cells:] = 0.5 / cells
    for layer in reversed(layers):
        flow = flow @ (layer + torch.eye(tokens, dtype=torch.float64)) / 2
    flow = flow[tokens - cells:]
    return (flow / flow.mean()).tolist()


def save(place, architecture, settings):
    """Saves a network with made weights, as the hub has it. Returns the names and shapes of its tensors."""
    config_class, model_class = CLASSES[architecture]
    labels = {0: "NORMAL", 1: "PNEUMONIA", 2: "COVID-19"}
    model_class(config_class(**settings, id2label=labels)).save_pretrained(place)
    return fill(place)


@torch.no_grad()
def case(shown, architecture, side, settings):
    is_attentive = architecture in ("vit", "deit", "dinov2", "dinov2-registers")
    with tempfile.TemporaryDirectory() as place:
        lines = save(place, architecture, settings)
        model = CLASSES[architecture][1].from_pretrained(place, attn_implementation="eager" if is_attentive else None).eval()
    config = model.config.to_dict()
    switches = {"output_attentions": True} if is_attentive else {}
    if architecture in ("vit", "deit"):
        switches["interpolate_pos_encoding"] = side != model.config.image_size
    waves = []
    for row, column, phase, size in WAVES:
        seen = dict(row=row, column=column, phase=phase, size=size)
        out = model(wave(model.config.num_channels, side, **seen), **switches)
        seen["logits"] = [round(value, 6) for value in out.logits[0].tolist()]
        if is_attentive:
            cells = (side // model.config.patch_size) ** 2
            seen["attention"] = [round(value, 5) for value in rollout(out.attentions, architecture, cells)]
        waves.append(seen)
    return {
        "shown": shown, "architecture": architecture, "side": side, "channels": model.config.num_channels,
        "settings": {key: config[key] for key in KEYS if key in config},
        "tensors": len(lines),
        "names_sha256": hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest(),
        "waves": waves,
    }


def write_folder(place, architecture, side, settings):
    """A folder as the hub has it. The processor is ViT's: a bilinear square, and values from -1 to 1."""
    save(place, architecture, settings)
    processor = {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": side, "width": side}, "resample": 2,
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }
    with open(os.path.join(place, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(processor, file, indent=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="folder of parity_transformers.json")
    parser.add_argument("--folders", help="folder of whole networks")
    given = parser.parse_args()
    if given.out:
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        networks = [case(*network) for network in SMALL]
        with open(os.path.join(given.out, "parity_transformers.json"), "w", encoding="utf-8") as file:
            json.dump({"versions": versions, "seed": SEED, "networks": networks}, file, indent=1)
            file.write("\n")
    for name, architecture, side, settings in WHOLE if given.folders else []:
        write_folder(os.path.join(given.folders, name), architecture, side, settings)


if __name__ == "__main__":
    main()
