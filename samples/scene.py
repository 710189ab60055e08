"""A picture that nobody could take for a radiograph: a lake at sunset."""

import numpy as np


def sunset(height, width, seed):
    """RGB, uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / height
    shore = 0.62
    picture = sky(rows, columns)
    for distance, colour in ((0.0, (128, 84, 140)), (0.5, (84, 58, 120)), (1.0, (38, 46, 78))):
        ridge = shore - (0.30 - 0.11 * distance) * (0.45 + 0.55 * skyline(rng, width, 1 + 2 * distance))
        picture[rows > ridge] = colour
    picture = reflected(picture, rng, int(shore * height))
    meadow = rows > 0.90 + 0.05 * (skyline(rng, width, 4) - 0.5)
    blades = rng.uniform(0.7, 1.1, (height, width, 1))
    picture[meadow] = (np.array([62, 128, 48]) * blades)[meadow]
    return np.clip(picture, 0, 255).astype(np.uint8)


def sky(rows, columns):
    """Blue above, orange at the horizon, and the sun."""
    stops = np.array([[36, 82, 190], [120, 140, 214], [250, 166, 120], [255, 206, 92]], float)
    at = [0.0, 0.28, 0.5, 0.62]
    colours = np.stack([np.interp(rows, at, stops[:, c]) for c in range(3)], -1)
    far = np.hypot(rows - 0.40, columns - 0.86)
    glow = np.exp(-((far / 0.16) ** 2))[..., None]
    colours += glow * (np.array([255, 240, 190]) - colours) * 0.8
    colours[far < 0.055] = (255, 250, 220)
    return colours


def skyline(rng, width, roughness):
    """Heights 0 to 1 along the picture: sines an octave apart, each half as high."""
    x = np.linspace(0, 2 * np.pi, width)
    waves = [
        np.sin(roughness * 2**k * 0.7 * x + rng.uniform(0, 7)) / 2**k for k in range(7)
    ]
    heights = np.sum(waves, 0)
    return (heights - heights.min()) / np.ptp(heights)


def reflected(picture, rng, shore):
    """What lies above the shore again below it, darker, bluer, broken by ripples."""
    height, width, _ = picture.shape
    for row in range(shore, height):
        depth = row - shore
        source = max(shore - 1 - int(depth * 1.35 + rng.normal(0, 0.6 + depth / 40)), 0)
        shift = int(round(rng.normal(0, 1 + depth / 50)))
        picture[row] = np.roll(picture[source], shift, axis=0) * (0.66, 0.74, 0.86) + (4, 10, 26)
    return picture
