"""Preprocessing `cxr-1` and `cxr-2`: from a grey image to the network's input. The Rust program does the same."""

import numpy as np
import scipy.ndimage
from PIL import Image

# Training sees boxes of 75-100 % of the square at TRAINED_SIZE, in which structures are about 1.15 times as large as in the
# whole square at that size. SIZE compensates for this (Touvron et al. 2019, arXiv:1906.06423). On every source that was left
# out of training, the AUC at 224 is as good as at 192 or better.
TRAINED_SIZE = 192
SIZE = 224
CLIP = 1.4
FLAT = 1e-6
# The lungs are found in a square of this side, which holds the whole film, of any aspect.
LUNG_SIDE = 128
# A cell of the lung fields is lung from this probability on.
IS_LUNG = 0.5
# Cells of the smallest part of the lung fields that counts as a lung: 1 % of the film.
LEAST_CELLS = LUNG_SIDE * LUNG_SIDE // 100
# One of this number of cells may lie beyond each edge of the lungs' box: 0.5 %.
TRIMMED = 200
# The box is widened by this many per cent of its size on each side.
MARGIN = 8


def grey(image):
    """The image as float32 [h, w]: colour by Rec. 601 luma, transparency ignored, 16-bit samples kept."""
    if image.mode in ("L", "F", "I", "I;16", "I;16B", "I;16L"):
        return np.asarray(image, dtype=np.float32)
    if image.mode in ("1", "LA"):
        return np.asarray(image.convert("L"), dtype=np.float32)
    rgb = np.asarray(image.convert("RGB"), dtype=np.float32)
    return rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def centre_square(pixels):
    height, width = pixels.shape
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2
    return pixels[y : y + side, x : x + side]


def resize(pixels, size=SIZE):
    """Resizes by an antialiased triangle filter in float, without rounding to 8 bits."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32), mode="F")
    return np.asarray(image.resize((size, size), Image.BILINEAR), dtype=np.float32)


def normalise(pixels):
    """The 1st and 99th percentiles become -1 and 1; a flat image becomes zeros."""
    low, high = np.percentile(pixels, [1, 99])
    if high - low < FLAT:
        return np.zeros_like(pixels, dtype=np.float32)
    scaled = (pixels - low) / (high - low) * 2 - 1
    return np.clip(scaled, -CLIP, CLIP).astype(np.float32)


def cxr1(pixels):
    """The network's input, float32 [224, 224], from any grey float32 [h, w]."""
    return normalise(resize(centre_square(pixels)))


def lung_input(pixels):
    """The input of the network that finds the lungs, float32 [128, 128]: the whole film."""
    return normalise(resize(pixels, LUNG_SIDE))


def lung_parts(fields):
    """The two largest connected parts of lung fields [128, 128], the larger one first: up to two masks."""
    labels, count = scipy.ndimage.label(fields >= np.float32(IS_LUNG))
    cells = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    largest = np.argsort(-cells, kind="stable")[:2]
    return [labels == index + 1 for index in largest]


def extent(counts):
    """First and last index, exclusive, of the range with all but 0.5 % of the counts at each end."""
    total, run = counts.sum(), np.cumsum(counts)
    back = np.cumsum(counts[::-1])
    return int((TRIMMED * run > total).argmax()), len(counts) - int((TRIMMED * back > total).argmax())


def widened(first, last, length):
    """A range of cells, wider by MARGIN, as a range of the `length` pixels of a side."""
    more = MARGIN * (last - first)
    whole = 100 * LUNG_SIDE
    start, end = max(100 * first - more, 0), min(100 * last + more, whole)
    return start * length // whole, -(-end * length // whole)


def lung_box(fields, width, height):
    """Left, top, right and bottom, in pixels, of the box around both lungs. None if there are no two lungs."""
    parts = lung_parts(fields)
    if len(parts) < 2 or parts[1].sum() < LEAST_CELLS:
        return None
    both = parts[0] | parts[1]
    left, right = widened(*extent(both.sum(0)), width)
    top, bottom = widened(*extent(both.sum(1)), height)
    return left, top, right, bottom


def cxr2(pixels, fields):
    """The network's input, float32 [224, 224], from any grey float32 [h, w] and its lung fields [128, 128]."""
    height, width = pixels.shape
    box = lung_box(fields, width, height)
    if box is None:
        return cxr1(pixels)
    left, top, right, bottom = box
    return normalise(resize(pixels[top:bottom, left:right]))
