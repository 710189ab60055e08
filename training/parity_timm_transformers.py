"""Folders as timm saves transformers, tiny and with seeded random weights, and the logits that timm gives with them.

    pip install timm==1.0.31 torch torchvision pillow safetensors
    python training/parity_timm_transformers.py --samples samples --out tests/data/folders
    pip install transformers==5.24.0
    python training/parity_timm_transformers.py --compare

The first writes the folders and `expected_timm.json`. The second fills networks of timm and torchvision with seeded weights,
gives their tensors the names of transformers, and compares the logits of its classes with theirs: what the Rust program does
in `src/inference/network/transformers/timm_names.rs`, `origins.rs` and `torchvision.rs` rests on it. No class of transformers
has the factors and the positions of DeiT-3 and of timm's DINOv2: `parity_origins.py` has their numbers.
"""

import argparse
import json
import pathlib
import re
import shutil
import tempfile

import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from timm.models import save_for_hf

SEED = 20_261_119
FILES = ["clear_1.png", "pneumonia_1.png", "not_an_xray.png"]

SMALL_VIT = dict(embed_dim=24, depth=2, num_heads=3, img_size=32, patch_size=8)
SMALL_SWIN = dict(embed_dim=8, depths=(2, 1), num_heads=(2, 4), img_size=32, window_size=4)
SMALL_CONVNEXT = dict(dims=(8, 8, 12, 12), depths=(1, 1, 2, 1))
# The folder, the network with its arguments, and the names of its outputs.
FOLDERS = {
    "timm-vit": ("vit_tiny_patch16_224", SMALL_VIT, ["normal", "pneumonia"]),
    "timm-deit-average": (
        "deit_tiny_patch16_224", {**SMALL_VIT, "global_pool": "avg", "in_chans": 1, "mlp_ratio": 2.5}, ["TB", "healthy"],
    ),
    "timm-deit3": ("deit3_small_patch16_224", SMALL_VIT, ["normal", "TB"]),
    "timm-dinov2": ("vit_small_patch14_dinov2", {**SMALL_VIT, "init_values": 0.1}, ["Effusion", "normal"]),
    "timm-swin": ("swin_tiny_patch4_window7_224", SMALL_SWIN, ["bacterial", "viral", "normal"]),
    "timm-convnext": ("convnext_tiny", SMALL_CONVNEXT, ["normal", "COVID"]),
    "timm-convnextv2": ("convnextv2_atto", SMALL_CONVNEXT, ["Effusion", "Edema", "normal"]),
}
# Networks of their usual sizes, for the comparison alone.
WHOLE = [
    "vit_tiny_patch16_224", "vit_small_patch32_384", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window12_384", "convnext_tiny", "convnext_atto", "convnextv2_atto", "convnextv2_tiny",
]
# Networks of torchvision, and sides of images. Of 256 pixels Swin pads its windows, and of 225 ConvNeXt leaves some out.
OF_TORCHVISION = [
    ("vit_b_16", 224), ("vit_b_32", 384), ("swin_t", 224), ("swin_t", 256), ("swin_s", 224), ("convnext_tiny", 225),
    ("convnext_small", 224),
]


# Normalisations that torchvision calls otherwise.
TORCHVISION_NORM = re.compile(r"(\bln(_\d)?|features\.0\.[12]|features\.[246]\.0|block\.2|classifier\.0)\.weight$")


def widened(model):
    """Weights so large that the scores differ between images; the last layer most of all."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = torch.randn(parameter.shape, generator=GENERATOR)
            is_norm = "norm" in name and name.endswith("weight") or name.endswith(("stem.1.weight", "downsample.0.weight"))
            is_norm = is_norm or TORCHVISION_NORM.search(name)
            scale = 0.2 if parameter.dim() < 2 else min(0.2, 1.5 * parameter[0].numel() ** -0.5)
            parameter.copy_(values * scale + (1.0 if is_norm else 0.0))
            if name.endswith(("gamma", "layer_scale")):
                parameter.add_(0.5)
            if name.startswith(("head", "classifier.2")) and "norm" not in name:
                parameter.mul_(3.0)


def made(name, arguments, outputs):
    GENERATOR.manual_seed(SEED)
    model = timm.create_model(name, num_classes=outputs, **arguments).eval()
    widened(model)
    return model


def scored(folder, path, channels):
    """The logits of a file, with what the folder holds alone."""
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = create_transform(**resolve_data_config({}, model=model), is_training=False)
    image = Image.open(path).convert("L" if channels == 1 else "RGB")
    with torch.no_grad():
        return model(transform(image)[None])[0].tolist()


def write(samples, out):
    expected = {"versions": {"timm": timm.__version__, "torch": torch.__version__.split("+")[0]}}
    for folder, (name, arguments, labels) in FOLDERS.items():
        place = out / folder
        shutil.rmtree(place, ignore_errors=True)
        size = arguments.get("img_size", 64)
        channels = arguments.get("in_chans", 3)
        model = made(name, arguments, len(labels))
        data = {"input_size": (channels, size, size)}
        save_for_hf(model, place, model_config={"label_names": labels}, safe_serialization=True, data_config=data)
        expected[folder] = {file: scored(place, samples / file, channels) for file in FILES}
        print(folder, expected[folder])
    text = json.dumps(expected, indent=1, sort_keys=True)
    (out / "expected_timm.json").write_text(text + "\n")


BLOCK = [
    ("norm1", "layernorm_before"), ("attn.proj", "attention.output.dense"), ("norm2", "layernorm_after"),
    ("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense"),
]
VIT = [
    (r"^cls_token", "vit.embeddings.cls_token"), (r"^pos_embed", "vit.embeddings.position_embeddings"),
    (r"^patch_embed.proj", "vit.embeddings.patch_embeddings.projection"), (r"^head", "classifier"),
    (r"^(fc_)?norm\.", "vit.layernorm."), (r"^blocks\.(\d+)", r"vit.encoder.layer.\1"),
    (r"attn.qkv", "attention.attention.qkv"), *BLOCK,
]
SWIN = [
    (r"^patch_embed.proj", "swin.embeddings.patch_embeddings.projection"), (r"^patch_embed.norm", "swin.embeddings.norm"),
    (r"^head.fc", "classifier"), (r"^norm\.", "swin.layernorm."),
    (r"^layers\.(\d+).downsample", lambda found: f"swin.encoder.layers.{int(found[1]) - 1}.downsample"),
    (r"^layers", "swin.encoder.layers"), (r"attn.qkv", "attention.self.qkv"), (r"attn.relative", "attention.self.relative"), *BLOCK,
]
TORCHVISION_VIT = [
    (r"^class_token", "vit.embeddings.cls_token"), (r"^encoder.pos_embedding", "vit.embeddings.position_embeddings"),
    (r"^conv_proj", "vit.embeddings.patch_embeddings.projection"), (r"^heads.head", "classifier"),
    (r"^encoder.ln", "vit.layernorm"), (r"^encoder.layers.encoder_layer_(\d+)", r"vit.encoder.layer.\1"),
    (r"self_attention.in_proj_", "attention.attention.qkv."), (r"self_attention.out_proj", "attention.output.dense"),
    (r"ln_1", "layernorm_before"), (r"ln_2", "layernorm_after"), (r"mlp.0", "intermediate.dense"), (r"mlp.3", "output.dense"),
]
TORCHVISION_SWIN = [
    (r"^features.0.0", "swin.embeddings.patch_embeddings.projection"), (r"^features.0.2", "swin.embeddings.norm"),
    (r"^head", "classifier"), (r"^norm\.", "swin.layernorm."),
    (r"^features\.([246])", lambda found: f"swin.encoder.layers.{int(found[1]) // 2 - 1}.downsample"),
    (r"^features\.([1357])", lambda found: f"swin.encoder.layers.{int(found[1]) // 2}.blocks"),
    (r"attn.qkv", "attention.self.qkv"), (r"attn.relative", "attention.self.relative"), (r"mlp.0", "mlp.fc1"),
    (r"mlp.3", "mlp.fc2"), *BLOCK,
]
TORCHVISION_CONVNEXT = [
    (r"^features.0.0", "convnext.embeddings.patch_embeddings"), (r"^features.0.1", "convnext.embeddings.layernorm"),
    (r"^classifier.0", "convnext.layernorm"), (r"^classifier.2", "classifier"),
    (r"^features\.([246])", lambda found: f"convnext.encoder.stages.{int(found[1]) // 2}.downsampling_layer"),
    (r"^features\.([1357])", lambda found: f"convnext.encoder.stages.{int(found[1]) // 2}.layers"),
    (r"block.0", "dwconv"), (r"block.2", "layernorm"), (r"block.3", "pwconv1"), (r"block.5", "pwconv2"),
    (r"layer_scale$", "layer_scale_parameter"),
]
CONVNEXT = [
    (r"^stem.0", "convnext.embeddings.patch_embeddings"), (r"^stem.1", "convnext.embeddings.layernorm"),
    (r"^head.norm", "convnext.layernorm"), (r"^head.fc", "classifier"), (r"^stages", "convnext.encoder.stages"),
    (r"downsample", "downsampling_layer"), (r"blocks\.(\d+)\.norm", r"blocks.\1.layernorm"), (r"blocks", "layers"),
    (r"conv_dw", "dwconv"), (r"mlp.fc", "pwconv"), (r"mlp.grn", "grn"), (r"gamma", "layer_scale_parameter"),
]


def renamed(state, table, prefix):
    """The tensors under the names of transformers."""
    here = {}
    for name, tensor in state.items():
        for pattern, words in table:
            name = re.sub(pattern, words, name)
        name = name.replace("convnext.", prefix + ".", 1) if prefix.startswith("convnext") else name
        if ".qkv." in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3)):
                here[name.replace("qkv", part)] = third
        elif ".pwconv" in name and tensor.dim() == 4:
            here[name] = tensor[:, :, 0, 0]
        elif ".grn." in name:
            here[name] = tensor[None, None, None]
        elif name.endswith("layer_scale_parameter"):
            here[name] = tensor.flatten()
        elif not name.endswith("relative_position_index"):
            here[name] = tensor
    return here


def theirs(name, model, size, channels):
    """The class of transformers with the sizes of a network of timm, and the table of names."""
    import transformers

    shared = dict(num_channels=channels, image_size=size, num_labels=model.num_classes)
    if name.startswith(("vit", "deit")):
        block = model.blocks[0]
        config = transformers.ViTConfig(
            hidden_size=model.embed_dim, num_hidden_layers=len(model.blocks), num_attention_heads=block.attn.num_heads,
            intermediate_size=block.mlp.fc1.out_features, patch_size=model.patch_embed.patch_size[0], layer_norm_eps=1e-6, **shared,
        )
        return transformers.ViTForImageClassification(config), VIT, "vit"
    if name.startswith("swin"):
        first = [stage.blocks[0].attn for stage in model.layers]
        config = transformers.SwinConfig(
            embed_dim=model.embed_dim, depths=[len(stage.blocks) for stage in model.layers], num_heads=[attn.num_heads for attn in first],
            window_size=first[0].window_size[0], layer_norm_eps=1e-5, **shared,
        )
        return transformers.SwinForImageClassification(config), SWIN, "swin"
    kind = "ConvNextV2" if "v2" in name else "ConvNext"
    widths = [stage.blocks[0].conv_dw.out_channels for stage in model.stages]
    depths = [len(stage.blocks) for stage in model.stages]
    config = getattr(transformers, f"{kind}Config")(hidden_sizes=widths, depths=depths, layer_norm_eps=1e-6, **shared)
    return getattr(transformers, f"{kind}ForImageClassification")(config), CONVNEXT, kind.lower()


def theirs_of_torchvision(name, model, size):
    """The same for a network of torchvision."""
    import transformers

    shared = dict(image_size=size, num_labels=3)
    if name.startswith("vit"):
        block = model.encoder.layers[0]
        config = transformers.ViTConfig(
            hidden_size=model.hidden_dim, num_hidden_layers=len(model.encoder.layers), patch_size=model.patch_size,
            num_attention_heads=block.num_heads, intermediate_size=model.mlp_dim, layer_norm_eps=1e-6, **shared,
        )
        return transformers.ViTForImageClassification(config), TORCHVISION_VIT, "vit"
    stages = list(model.features)[1::2]
    if name.startswith("swin"):
        config = transformers.SwinConfig(
            embed_dim=model.features[0][0].out_channels, depths=[len(stage) for stage in stages],
            num_heads=[stage[0].attn.num_heads for stage in stages], window_size=7, layer_norm_eps=1e-5, **shared,
        )
        return transformers.SwinForImageClassification(config), TORCHVISION_SWIN, "swin"
    widths = [stage[0].block[0].out_channels for stage in stages]
    config = transformers.ConvNextConfig(hidden_sizes=widths, depths=[len(stage) for stage in stages], layer_norm_eps=1e-6, **shared)
    return transformers.ConvNextForImageClassification(config), TORCHVISION_CONVNEXT, "convnext"


def loaded(other, tensors):
    """A network of transformers with these tensors, through a file: their names in memory are others since version 5."""
    with tempfile.TemporaryDirectory() as place:
        other.config.save_pretrained(place)
        whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        save_file(whole, pathlib.Path(place) / "model.safetensors", metadata={"format": "pt"})
        other, found = type(other).from_pretrained(place, output_loading_info=True)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), found
    return other.eval()


@torch.no_grad()
def compare():
    small = [(name, arguments) for name, arguments, _ in FOLDERS.values() if "deit3" not in name and "dinov2" not in name]
    for name, arguments in [*small, *((name, {}) for name in WHOLE)]:
        model = made(name, arguments, 3)
        size = arguments.get("img_size") or (384 if name.endswith("384") else 224 if not arguments else 64)
        channels = arguments.get("in_chans", 3)
        images = torch.randn(2, channels, size, size, generator=GENERATOR)
        ours = model(images)
        other, table, prefix = theirs(name, model, size, channels)
        other = loaded(other, renamed(model.state_dict(), table, prefix))
        if arguments.get("global_pool") == "avg":
            # transformers' class has no average; its parts give it.
            hidden = other.vit.embeddings(images)
            layers = other.vit.layers if hasattr(other.vit, "layers") else other.vit.encoder.layer
            for layer in layers:
                hidden = layer(hidden)
                hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            logits = other.classifier(other.vit.layernorm(hidden[:, 1:].mean(1)))
        else:
            logits = other(images).logits
        print(f"{name}: {(ours - logits).abs().max() / ours.abs().max():.1e} of {ours.abs().max():.1f}", flush=True)
    for name, size in OF_TORCHVISION:
        GENERATOR.manual_seed(SEED)
        sized = {"image_size": size} if name.startswith("vit") else {}
        model = getattr(torchvision.models, name)(num_classes=3, weights=None, **sized).eval()
        widened(model)
        images = torch.randn(2, 3, size, size, generator=GENERATOR)
        ours = model(images)
        other, table, prefix = theirs_of_torchvision(name, model, size)
        logits = loaded(other, renamed(model.state_dict(), table, prefix))(images).logits
        shown = f"torchvision's {name}, {size} pixels"
        print(f"{shown}: {(ours - logits).abs().max() / ours.abs().max():.1e} of {ours.abs().max():.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    if given.out:
        write(given.samples, given.out)
    if given.compare:
        compare()


GENERATOR = torch.Generator()

if __name__ == "__main__":
    torch.use_deterministic_algorithms(True)
    main()
