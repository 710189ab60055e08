"""Images that are not upright frontal chest radiographs, for the input head.

Photographs come from scikit-image and gradio (both permissive), faces from scikit-image's part of LFW, and slices of CT
and MR from pydicom's test files and the manifest. Everything else is drawn here. None of it enters the repository.
"""

import glob
import os

import gradio
import numpy as np
import pydicom
import skimage
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from .preprocess import grey

SIDE = 256
# Classes of the input head.
FRONTAL, OTHER, UPSIDE_DOWN, SIDEWAYS = range(4)


def photographs():
    """The pictures in the packages, in grey float32: photographs, textures, pages of text, drawings."""
    folders = [f"{os.path.dirname(skimage.__file__)}/data/*", f"{os.path.dirname(gradio.__file__)}/media_assets/images/*",
               f"{os.path.dirname(gradio.__file__)}/test_data/*"]
    return pictures(sorted(path for folder in folders for path in glob.glob(folder)))


def pictures(paths):
    """The pictures among `paths`, chosen by file extension, in grey, at most 1,024 pixels a side."""
    found = []
    for path in paths:
        if path.lower().endswith((".png", ".jpg", ".jpeg", ".webp")):
            with Image.open(path) as image:
                image.thumbnail((1024, 1024))
                found.append(grey(image.convert("RGB")))
    return found


def faces():
    stack = np.load(f"{os.path.dirname(skimage.__file__)}/data/lfw_subset.npy")
    return [np.asarray(face, dtype=np.float32) * 255 for face in stack[:100]]


def slices():
    """The first frames of pydicom's test files that are neither blank nor small."""
    folder = f"{os.path.dirname(pydicom.__file__)}/data/test_files"
    found = []
    for path in sorted(glob.glob(f"{folder}/*.dcm")):
        try:
            values = pydicom.dcmread(path).pixel_array
        except Exception:  # Many are malformed on purpose.
            continue
        while values.ndim > 2:
            values = values[..., 0] if values.shape[-1] in (3, 4) else values[0]
        if values.ndim == 2 and min(values.shape) >= 64 and np.ptp(values) > 0:
            found.append(values.astype(np.float32))
    return found


def drawn(rng):
    """A drawn picture, float32 [256, 256]: noise, clouds, shapes, writing, a ramp, or blurred blobs."""
    kinds = (noise, clouds, shapes, writing, ramp, blobs)
    return kinds[int(rng.integers(len(kinds)))](rng).astype(np.float32)


def noise(rng):
    coarse = int(2 ** rng.integers(0, 6))
    small = rng.random((SIDE // coarse, SIDE // coarse)) * 255
    return np.asarray(Image.fromarray(small.astype(np.float32)).resize((SIDE, SIDE), Image.BICUBIC))


def clouds(rng):
    """Noise whose power falls with frequency, as it does in photographs and in radiographs."""
    spectrum = np.fft.fft2(rng.standard_normal((SIDE, SIDE)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = 1
    return np.real(np.fft.ifft2(spectrum / frequency ** rng.uniform(0.5, 2)))


def shapes(rng):
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 12))):
        x, y = np.sort(rng.integers(0, SIDE, (2, 2)), axis=1)
        kind = (draw.ellipse, draw.rectangle)[int(rng.integers(2))]
        kind([x[0], y[0], x[1], y[1]], fill=int(rng.integers(256)))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(int(rng.choice([0, 2, 6])))))


def writing(rng):
    """Text, as on a page, a slide or a terminal."""
    paper, ink = (255, 0) if rng.random() < 0.6 else (0, 230)
    image = Image.new("L", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(image)
    step = int(rng.integers(9, 24))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz      0123456789"))
    for y in range(int(rng.integers(4, 30)), SIDE, step):
        draw.text((int(rng.integers(4, 20)), y), "".join(rng.choice(letters, int(rng.integers(5, 44)))), fill=ink)
    return np.asarray(image)


def ramp(rng):
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    angle = rng.uniform(0, 2 * np.pi)
    base = x * np.cos(angle) + y * np.sin(angle)
    wave = np.sin(base * rng.uniform(2, 40)) if rng.random() < 0.5 else base
    return wave + rng.standard_normal(x.shape) * rng.choice([0, 0.05, 0.3])


def blobs(rng):
    """Smooth bright and dark patches, as vague as a chest."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    values = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 6))):
        cx, cy, w, h = *rng.uniform(-0.8, 0.8, 2), *rng.uniform(0.1, 0.7, 2)
        values += rng.uniform(-1, 1) * np.exp(-(((x - cx) / w) ** 2) - ((y - cy) / h) ** 2)
    return values + rng.standard_normal(x.shape) * 0.02


def part(values, rng, low, high):
    """A random box whose sides are `low` to `high` of those of `values`."""
    h, w = values.shape
    share = rng.uniform(low, high)
    bh, bw = max(int(h * share), 16), max(int(w * share), 16)
    y, x = int(rng.integers(0, max(h - bh, 0) + 1)), int(rng.integers(0, max(w - bw, 0) + 1))
    return values[y : y + bh, x : x + bw]


def turned(values, rng):
    """Mirrors and inverts at random. Neither makes a radiograph of a photograph."""
    if rng.random() < 0.5:
        values = values[:, ::-1]
    return -values if rng.random() < 0.3 else values


def equalised(values):
    """Stretches the values to the whole range of uint8."""
    low, high = values.min(), values.max()
    return ImageOps.autocontrast(Image.fromarray(((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8)))
