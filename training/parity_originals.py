"""The networks of `parity_real_films.py`, each as its library makes, saves and loads it."""

import inspect

import numpy as np
import torch
import transformers

LABELS = ["Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Nodule"]
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
IMAGENET = {"image_mean": MEAN, "image_std": DEVIATION}
BICUBIC = {"resample": 3}


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


def told(recipe, place):
    """What a file without its own words needs."""
    (place / "recipe.toml").write_text(recipe)
    return ["--preprocess", place / "recipe.toml", "--labels", ",".join(LABELS), "--scores", "sigmoid"]


class Torchvision:
    """A state dict of torchvision's network, and its `ImageClassification`. With `last`, the name of its last layer, that
    layer is behind a dropout in a `Sequential`."""

    def __init__(self, network, side=224, resize=256, resample="bilinear", last=None):
        import torchvision

        self.network, self.side, self.resize, self.resample, self.last = network, side, resize, resample, last
        self.name = network + (f", {side}" if side != 224 else "") + (", dropout and linear" if last else "")
        self.library = f"torchvision {torchvision.__version__.split('+')[0]}"

    def module(self):
        import torchvision

        sized = {"image_size": self.side} if self.network.startswith("vit_") else {}
        module = getattr(torchvision.models, self.network)(num_classes=len(LABELS), weights=None, **sized)
        if self.last:
            parent, _, name = self.last.rpartition(".")
            parent = module.get_submodule(parent)
            setattr(parent, name, torch.nn.Sequential(torch.nn.Dropout(0.3), getattr(parent, name)))
        return module

    def pixels(self):
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms._presets import ImageClassification

        transform = ImageClassification(
            crop_size=self.side, resize_size=self.resize, interpolation=InterpolationMode(self.resample)
        )
        return lambda image: transform(image)[None]

    def make(self):
        return self.module(), self.pixels()

    def save(self, module, place):
        torch.save(module.state_dict(), place / "net.pth")
        crop = CROP.format(side=self.side)
        recipe = RECIPE.format(to="short", resize=self.resize, filter=f"pillow-{self.resample}", crop=crop)
        return [place / "net.pth", "--as", self.network, *told(recipe, place)]

    def load(self, place):
        module = self.module().eval()
        module.load_state_dict(torch.load(place / "net.pth", weights_only=True))
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
            names["dynamo"], names["dynamic_shapes"] = True, {next(iter(inspect.signature(module.forward).parameters)): {0: "batch"}}
            names["external_data"] = False
        else:
            names["dynamo"], names["dynamic_axes"] = False, {"pixels": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(module, (given,), place / "net.onnx", verbose=False, **names)
        recipe = RECIPE.format(to="size", resize=224, filter="torchvision-bilinear", crop="")
        return [place / "net.onnx", *told(recipe, place)]

    def load(self, place):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(place / "net.onnx", options, providers=["CPUExecutionProvider"])
        return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0]), self.pixels()


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
    for name in ("vit_small_patch16_224", "deit_small_patch16_224", "swin_tiny_patch4_window7_224", "convnext_tiny", "convnextv2_nano"):
        yield Timm(name)
    for name in ("resnet34", "densenet169", "mobilenet_v2", "mobilenet_v3_small"):
        yield Torchvision(name)
    yield Torchvision("efficientnet_b2", 288, 288)
    for name in ("deit3_small_patch16_224", "vit_small_patch14_dinov2"):
        yield Timm(name)
    for name in ("vit_b_16", "vit_b_32"):
        yield Torchvision(name)
    # Of 256 pixels windows are padded.
    for name, side, resize in (("swin_t", 224, 232), ("swin_t", 256, 256), ("swin_s", 224, 246), ("swin_b", 224, 238)):
        yield Torchvision(name, side, resize, resample="bicubic")
    yield Torchvision("convnext_tiny", resize=236)
    yield Torchvision("convnext_small", resize=230)
    yield Torchvision("convnext_base", resize=232)
    for name, last in (("resnet18", "fc"), ("densenet121", "classifier"), ("vit_b_16", "heads.head")):
        yield Torchvision(name, last=last)
    for inner in (Torchvision("resnet18"), Torchvision("densenet121"), Timm("efficientnet_b0"), Timm("mobilenetv3_large_100")):
        yield Onnx(inner, "TorchScript", 13)
        yield Onnx(inner, "dynamo", 18)
    yield Onnx(Timm("vit_small_patch16_224"), "dynamo", 18)
    yield Onnx(Timm("swin_tiny_patch4_window7_224"), "TorchScript", 17)
