"""Radiographs in memory. They are decoded once, so that the cores train instead of decoding."""

import numpy as np
from PIL import Image

from .preprocess import grey

# Shorter side of the cached copy. The smallest training crop, 75 % of it, still fills the network's input.
CACHED_SIDE = 256


def read_grey(path):
    """Reads an image file as float32 [h, w]."""
    with Image.open(path) as image:
        return grey(image)


def cached(path):
    """Reads an image file as uint8 [h, w], reduced to a shorter side of at most CACHED_SIDE."""
    image = Image.fromarray(read_grey(path).clip(0, 255).round().astype(np.uint8))
    ratio = CACHED_SIDE / min(image.size)
    if ratio < 1:
        size = tuple(max(CACHED_SIDE, round(side * ratio)) for side in image.size)
        image = image.resize(size, Image.BILINEAR)
    return np.asarray(image)

