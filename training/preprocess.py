"""Preprocessing `cxr-1`: from a grey image to the network's input. The Rust program does the same."""

import numpy as np
from PIL import Image

# Training sees boxes of 75-100 % of the square at TRAINED_SIZE, in which structures are about 1.15 times as large as in the
# whole square at that size. SIZE compensates for this (Touvron et al. 2019, arXiv:1906.06423). On every source that was left
# out of training, the AUC at 224 is as good as at 192 or better.
TRAINED_SIZE = 192
SIZE = 224
CLIP = 1.4
FLAT = 1e-6


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


def resize(pixels):
    """Resizes by an antialiased triangle filter in float, without rounding to 8 bits."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32), mode="F")
    return np.asarray(image.resize((SIZE, SIZE), Image.BILINEAR), dtype=np.float32)


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
