"""Numbers that the Rust program must reproduce for preprocessing files: every filter, and whole recipes.

    pip install torch torchvision transformers timm pillow opencv-python-headless scikit-image
    python training/parity_recipes.py --out tests/data

All pictures are formulas, which `tests/recipes.rs` has too, so they need no file. Each library computes in its own way: nothing here
is computed by hand, but what a library has no word for (a letterbox, numpy's usual ways to 8 bits).
"""

import argparse
import json
import os

import cv2
import numpy as np
import PIL
import skimage
import skimage.transform
import timm
import torch
import torchvision
import torchvision.transforms.v2.functional as tvF
import transformers
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from transformers.models.bit.image_processing_bit import BitImageProcessor
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.convnext.image_processing_convnext import ConvNextImageProcessor
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.models.vit.image_processing_vit import ViTImageProcessor

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# Columns, rows and side of small pictures: smaller, to a half, to a third, larger, one axis each way, the same.
SMALL = [(13, 9, 5), (16, 16, 8), (12, 15, 3), (7, 5, 11), (5, 18, 9), (40, 31, 7), (9, 9, 9)]
# Columns and rows of pictures for whole recipes.
LARGE = [(301, 257), (190, 420), (97, 60)]
# Every so many values of a result are kept.
STEP = 997


def small(width, height):
    """A small picture of bytes, without any order that a filter would like."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    return ((x * x * 7 + y * 31 + x * y * 3) % 256).astype(np.uint8)


def large(width, height, bits=8):
    """A picture of whole numbers up to 2^bits - 1: smooth, with edges, neither all dark nor all bright."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    top = 2**bits - 1
    ramp = (x * 3 + y * 2) * top // (3 * width + 2 * height)
    edge = np.where((x * 7 // width + y * 5 // height) % 2 == 0, top // 5, 0)
    return np.minimum((ramp + edge + (x * y) % 17 * top // 255), top)


def colour(width, height):
    """The same in red, green and blue."""
    grey = large(width, height)
    return np.stack([(grey + 40 * channel) % 256 for channel in range(3)], axis=-1).astype(np.uint8)


PILLOW = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "hamming": Image.HAMMING, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
OPENCV = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}
TORCH = {"nearest": InterpolationMode.NEAREST, "nearest-exact": InterpolationMode.NEAREST_EXACT, "bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC, "lanczos": InterpolationMode.LANCZOS}


def resized(image, side, filter):
    """A picture of `side` x `side`, in the type that the library gives it."""
    if filter.startswith("skimage"):
        mode = {"mode": "constant"} if filter == "skimage-constant" else {}
        return skimage.transform.resize(image, (side, side), preserve_range=True, **mode)
    library, word = filter.split("-", 1)
    if library == "pillow":
        return np.asarray(Image.fromarray(image).resize((side, side), PILLOW[word]))
    if library == "opencv":
        return cv2.resize(image, (side, side), interpolation=OPENCV[word])
    image = torch.from_numpy(image)[None]
    return tvF.resize(image, [side, side], TORCH[word], antialias=library == "torchvision")[0].numpy()


FILTERS = [f"pillow-{word}" for word in PILLOW] + [f"torchvision-{word}" for word in ("bilinear", "bicubic", "lanczos")]
FILTERS += [f"torch-{word}" for word in ("nearest", "nearest-exact", "bilinear", "bicubic")] + [f"opencv-{word}" for word in OPENCV]
FILTERS += ["skimage", "skimage-constant"]


def filter_cases():
    for filter in FILTERS:
        for width, height, side in SMALL:
            image = small(width, height)
            for depth in ("bytes", "floats"):
                values = resized(image if depth == "bytes" else image.astype(np.float32) / np.float32(255), side, filter)
                values = [round(float(v), 7) for v in values.ravel()] if values.dtype != np.uint8 else values.ravel().tolist()
                yield {"filter": filter, "depth": depth, "width": width, "height": height, "side": side, "values": values}


def recipe(film, *steps):
    """The text of a preprocessing file."""
    lines = "".join(f"    {{ {step} }},\n" for step in steps)
    return f'preprocess = "recipe-1"\n[preprocessing]\nfilm = {{ {film} }}\nstep = [\n{lines}]\n'


PICTURE = 'values = "window", depth = "bytes", colour = "rgb", channels = 3'
GREY = 'values = "bit-depth", depth = "bytes", colour = "luma", channels = 1'
GREY_FLOATS = 'values = "bit-depth", depth = "floats", colour = "luma", channels = 1'
TO_TENSOR = 'do = "range", low = 0, high = 1'
IMAGENET = f'do = "normalise", mean = {MEAN}, deviation = {DEVIATION}'
RESCALE = f'do = "scale", times = {1 / 255!r}'
HALVES = 'do = "normalise", mean = [0.5, 0.5, 0.5], deviation = [0.5, 0.5, 0.5]'
CLIP_MEAN, CLIP_DEVIATION = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
CLIP = f'do = "normalise", mean = {CLIP_MEAN}, deviation = {CLIP_DEVIATION}'


def resize(filter, **side):
    keys = ", ".join(f"{key} = {value!r}".replace("'", '"') for key, value in side.items())
    return f'do = "resize", {keys}, filter = "{filter}"'


def crop(side, like="torchvision", fill=None):
    return f'do = "crop", centre = {side}, like = "{like}"' + (f", fill = {fill}" if fill else "")


def processed(processor, **keys):
    """What a processor of transformers makes of a picture."""
    made = processor(**keys)
    return lambda image: np.asarray(made(Image.fromarray(image), return_tensors="np")["pixel_values"][0])


def torchvision_chain(*chain):
    """What torchvision's transforms make of a Pillow image."""
    return lambda image: transforms.Compose(chain)(Image.fromarray(image)).numpy()


def timms(**keys):
    return lambda image: transforms_imagenet_eval(mean=MEAN, std=DEVIATION, **keys)(Image.fromarray(image)).numpy()


def planes(image):
    return np.moveaxis(image, -1, 0)


def letterbox(image, side):
    """The longer side to `side` by OpenCV, the picture in the middle of grey."""
    height, width = image.shape[:2]
    ratio = max(height, width) / side
    small = cv2.resize(image, (round(width / ratio), round(height / ratio)), interpolation=cv2.INTER_LINEAR)
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    canvas = np.full((side, side, 3), 114, np.uint8)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def standardised(image):
    image = image.astype(np.float64)
    return ((image - image.mean()) / image.std())[None]


def to_bytes(values):
    """The usual way to 8 bits in numpy: the whole range, rounded down."""
    values = values.astype(np.float64)
    return ((values - values.min()) / (values.max() - values.min()) * 255).astype(np.uint8)


NORMALIZE = transforms.Normalize(MEAN, DEVIATION)
# A name, the recipe, what is given (colour, grey, or grey of so many bits), and the program that the recipe stands for.
RECIPES = [
    ("ViTImageProcessorPil", recipe(PICTURE, resize("pillow-bilinear", size=224), RESCALE, HALVES), "colour", processed(ViTImageProcessorPil)),
    ("ViTImageProcessor", recipe(PICTURE, resize("torchvision-bilinear", size=224), RESCALE, HALVES), "colour", processed(ViTImageProcessor)),
    ("ViTImageProcessor, bicubic, 384", recipe(PICTURE, resize("torchvision-bicubic", size=384), RESCALE, HALVES), "colour", processed(ViTImageProcessor, resample=3, size={"height": 384, "width": 384})),
    ("ViTImageProcessor, nearest", recipe(PICTURE, resize("torch-nearest-exact", size=224), RESCALE, HALVES), "colour", processed(ViTImageProcessor, resample=0)),
    ("BitImageProcessor", recipe(PICTURE, resize("torchvision-bicubic", short=224), crop(224, "transformers"), RESCALE, CLIP), "colour", processed(BitImageProcessor)),
    ("BitImageProcessorPil", recipe(PICTURE, resize("pillow-bicubic", short=224), crop(224, "transformers-pil"), RESCALE, CLIP), "colour", processed(BitImageProcessorPil)),
    ("BitImageProcessor, a larger crop", recipe(PICTURE, resize("torchvision-bicubic", short=221), crop(224, "transformers"), RESCALE, CLIP), "colour", processed(BitImageProcessor, size={"shortest_edge": 221})),
    ("BitImageProcessorPil, a larger crop", recipe(PICTURE, resize("pillow-bicubic", short=221), crop(224, "transformers-pil"), RESCALE, CLIP), "colour", processed(BitImageProcessorPil, size={"shortest_edge": 221})),
    ("DeiTImageProcessorPil", recipe(PICTURE, resize("pillow-bicubic", size=256), crop(224, "transformers-pil"), RESCALE, HALVES), "colour", processed(DeiTImageProcessorPil)),
    ("ConvNextImageProcessor, 224", recipe(PICTURE, resize("torchvision-bicubic", short=256), crop(224, "transformers"), RESCALE, HALVES), "colour", processed(ConvNextImageProcessor, size={"shortest_edge": 224})),
    ("ConvNextImageProcessor, 384", recipe(PICTURE, resize("torchvision-bicubic", size=384), RESCALE, HALVES), "colour", processed(ConvNextImageProcessor)),
    ("EfficientNetImageProcessorPil", recipe(PICTURE, resize("pillow-bicubic", size=346), f"{RESCALE}, plus = -1", HALVES, 'do = "normalise", mean = [0], deviation = [0.5, 0.5, 0.5]'), "colour", processed(EfficientNetImageProcessorPil, rescale_offset=True)),
    ("timm, center", recipe(PICTURE, resize("pillow-bicubic", short=235), crop(224), TO_TENSOR, IMAGENET), "colour", timms(img_size=224, crop_pct=0.95, interpolation="bicubic")),
    ("timm, squash", recipe(PICTURE, resize("pillow-bilinear", size=256), crop(224), TO_TENSOR, IMAGENET), "colour", timms(img_size=224, crop_mode="squash")),
    ("timm, border", recipe(PICTURE, resize("pillow-bicubic", long=256, rounding="nearest"), crop(224, fill=[124, 116, 104]), TO_TENSOR, IMAGENET), "colour", timms(img_size=224, crop_mode="border", interpolation="bicubic")),
    ("torchvision on Pillow", recipe(PICTURE, resize("pillow-bilinear", short=256), crop(224), TO_TENSOR, IMAGENET), "colour", torchvision_chain(transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), NORMALIZE)),
    ("torchvision, a larger crop", recipe(PICTURE, resize("pillow-bilinear", short=219), crop(224), TO_TENSOR, IMAGENET), "colour", torchvision_chain(transforms.Resize(219), transforms.CenterCrop(224), transforms.ToTensor(), NORMALIZE)),
    ("torchvision, Grayscale(3)", recipe(PICTURE.replace("rgb", "luma"), resize("pillow-bilinear", size=224), TO_TENSOR, IMAGENET), "colour", torchvision_chain(transforms.Grayscale(3), transforms.Resize((224, 224)), transforms.ToTensor(), NORMALIZE)),
    ("torchvision on floats", recipe(PICTURE, TO_TENSOR, resize("torchvision-bilinear", short=256), crop(224), IMAGENET), "colour", torchvision_chain(transforms.ToTensor(), transforms.Resize(256, antialias=True), transforms.CenterCrop(224), NORMALIZE)),
    ("torchvision without antialias", recipe(PICTURE, TO_TENSOR, resize("torch-bilinear", size=224), IMAGENET), "colour", torchvision_chain(transforms.ToTensor(), transforms.Resize((224, 224), antialias=False), NORMALIZE)),
    ("torchvision, bytes without antialias", recipe(PICTURE, resize("torch-bicubic", size=224), TO_TENSOR), "colour", lambda image: tvF.resize(torch.from_numpy(planes(image).copy()), [224, 224], InterpolationMode.BICUBIC, antialias=False).numpy() / np.float32(255)),
    ("OpenCV, area, blue first", recipe(PICTURE.replace("rgb", "bgr"), resize("opencv-area", size=224), TO_TENSOR), "colour", lambda image: planes(cv2.resize(image[..., ::-1].copy(), (224, 224), interpolation=cv2.INTER_AREA)) / np.float32(255)),
    ("OpenCV, letterbox", recipe(PICTURE, resize("opencv-linear", long=224, rounding="nearest"), 'do = "pad", size = 224, at = "centre", fill = [114]', TO_TENSOR, IMAGENET), "colour", lambda image: planes((letterbox(image, 224) / np.float32(255) - np.float32(MEAN)) / np.float32(DEVIATION))),
    ("OpenCV, floats from 0 to 1", recipe(PICTURE, TO_TENSOR, resize("opencv-linear", size=224)), "colour", lambda image: planes(cv2.resize(image.astype(np.float32) / 255, (224, 224)))),
    ("scikit-image", recipe(GREY_FLOATS, resize("skimage", size=224)), 8, lambda image: skimage.transform.resize(image, (224, 224))[None]),
    ("scikit-image, the range kept", recipe(GREY, resize("skimage", size=224), TO_TENSOR), 8, lambda image: skimage.transform.resize(image, (224, 224), preserve_range=True)[None] / 255),
    ("its own mean and deviation", recipe(GREY, resize("pillow-box", size=128), 'do = "standardise"'), 8, lambda image: standardised(np.asarray(Image.fromarray(image).resize((128, 128), Image.BOX)))),
    ("its own percentiles", recipe(GREY, resize("pillow-lanczos", size=128), 'do = "stretch", from = 2, to = 98, low = 0, high = 1', 'do = "clip", low = 0, high = 1'), 8, lambda image: (lambda a: np.clip((a - np.percentile(a, 2)) / (np.percentile(a, 98) - np.percentile(a, 2)), 0, 1))(np.asarray(Image.fromarray(image).resize((128, 128), Image.LANCZOS)).astype(np.float64))[None]),
    ("12 bits, the whole range", recipe(GREY.replace("bit-depth", "whole-range").replace('"bytes"', '"bytes-down"'), resize("opencv-area", size=160), TO_TENSOR), 12, lambda values: cv2.resize(to_bytes(values + 70), (160, 160), interpolation=cv2.INTER_AREA)[None] / np.float32(255)),
]


def given(kind, width, height):
    """The picture that a recipe is given."""
    if kind == "colour":
        return colour(width, height)
    values = large(width, height, kind)
    return values.astype(np.uint8) if kind == 8 else values


def recipe_cases():
    for name, text, kind, program in RECIPES:
        pictures = []
        for width, height in LARGE:
            values = np.asarray(program(given(kind, width, height)), dtype=np.float64)
            assert values.ndim == 3 and values.shape[1] == values.shape[2], (name, values.shape)
            kept = values.ravel()[::STEP]
            pictures.append({"width": width, "height": height, "shape": list(values.shape), "values": [round(float(v), 6) for v in kept]})
        yield {"name": name, "recipe": text, "bits": 8 if kind == "colour" else kind, "colour": kind == "colour", "pictures": pictures}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data")
    arguments = parser.parse_args()
    modules = (cv2, np, PIL, skimage, timm, torch, torchvision, transformers)
    versions = {module.__name__: module.__version__ for module in modules}
    path = os.path.join(arguments.out, "parity_recipes.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"versions": versions, "step": STEP, "filters": list(filter_cases()), "recipes": list(recipe_cases())}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
