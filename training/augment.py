"""Changes a radiograph so that it looks as if it came from another hospital.

Geometry, grey curve, sharpness, compression, noise, borders and burnt-in marks differ much more between
archives than between healthy and ill patients. Random changes make them useless as a clue.
"""

import io

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from .preprocess import TRAINED_SIZE, normalise


def augmented(pixels, rng):
    """The network's training input, float32 [192, 192], from uint8 [h, w]; `rng` is a numpy Generator."""
    image = geometry(Image.fromarray(pixels), rng)
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    if rng.random() < 0.3:
        image = ImageOps.equalize(image)
    if rng.random() < 0.4:
        image = softened(image, rng)
    if rng.random() < 0.3:
        image = compressed(image, int(rng.integers(20, 81)))
    values = grey_curve(np.asarray(image, dtype=np.float32) / 255, rng)
    if rng.random() < 0.5:
        values += rng.standard_normal(values.shape, dtype=np.float32) * rng.uniform(0.01, 0.06)
    values = marks(values, rng)
    return erased(normalise(values), rng)


def geometry(image, rng):
    """Rotates, then cuts a box near the centre: 75-100 % of the square, with an aspect of up to 20 % from 1."""
    if rng.random() < 0.7:
        image = image.rotate(rng.uniform(-10, 10), Image.BILINEAR)
    width, height = image.size
    side = min(width, height) * rng.uniform(0.75, 1.0)
    stretch = np.exp(rng.uniform(-0.1, 0.1))
    w, h = min(side * stretch, width), min(side / stretch, height)
    x = off_centre(width, w, height, rng)
    y = off_centre(height, h, width, rng)
    return image.resize((TRAINED_SIZE, TRAINED_SIZE), Image.BILINEAR, box=(x, y, x + w, y + h))


def off_centre(length, part, other, rng):
    """The start of a box of length `part`, along an axis of `length` beside one of `other`, within the centre square."""
    slack = max(min(length, other) - part, 0)
    return float(np.clip((length - part) / 2 + rng.uniform(-0.5, 0.5) * slack, 0, length - part))


def softened(image, rng):
    """Blurs, or reduces and enlarges again, because archives differ in resolution."""
    if rng.random() < 0.5:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    small = int(TRAINED_SIZE * rng.uniform(0.45, 0.9))
    return image.resize((small, small), Image.BILINEAR).resize((TRAINED_SIZE, TRAINED_SIZE), Image.BICUBIC)


def compressed(image, quality):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("L")


def grey_curve(values, rng):
    """Applies an increasing, invertible curve on 0-1: gamma e^±0.5, or a curve through random points."""
    if rng.random() < 0.5:
        return values ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    knots = np.linspace(0, 1, 6)
    steps = np.exp(rng.uniform(-0.8, 0.8, len(knots) - 1))
    heights = np.concatenate([[0], np.cumsum(steps) / steps.sum()])
    return np.interp(values, knots, heights).astype(np.float32)


def marks(values, rng):
    """Adds black or bright borders, and a block of writing in a corner."""
    if rng.random() < 0.25:
        edge = int(rng.integers(1, 16))
        shade = rng.choice([0.0, values.min(), 1.0], p=[0.7, 0.2, 0.1])
        for side in rng.choice(4, size=int(rng.integers(1, 5)), replace=False):
            np.rot90(values, side)[:edge] = shade
    if rng.random() < 0.25:
        corner = np.rot90(values, int(rng.integers(4)))
        h, w = int(rng.integers(6, 22)), int(rng.integers(8, 45))
        y, x = int(rng.integers(0, 24)), int(rng.integers(0, 24))
        block = corner[y : y + h, x : x + w]
        writing = rng.random(block.shape) < rng.uniform(0.2, 1.0)
        block[writing] = rng.choice([0.0, 1.0])
    return values


def erased(values, rng):
    """Sets up to two squares to one grey, so that no single place decides."""
    for _ in range(int(rng.integers(0, 3))):
        side = int(rng.integers(16, 56))
        y, x = rng.integers(0, TRAINED_SIZE - side, 2)
        values[y : y + side, x : x + side] = rng.uniform(-1, 1)
    return values
