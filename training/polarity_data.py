"""The input of the polarity detector, and the examples that it learns from: films, spoiled films, and other pictures."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .negatives import drawn, faces, part, photographs, slices, turned

# Cells per side of the thumbnail, and sampled positions per side of each cell.
CELLS, LOOKS = 32, 4
GRID = CELLS * LOOKS
# A row or column is border if its greys span no more than this share of the span of the whole picture.
BORDER_SPAN = 0.04
# A film that is to be spoiled is first reduced to this shorter side, which is more than the thumbnail samples.
KEPT_SIDE = 144

PHOTOGRAPH_PARTS = 16
DRAWN = 2000
LIMBS = 5000
# One in KEPT_BACK of the pictures that are no films is kept back to choose the threshold on.
KEPT_BACK = 5


def grey_curve(values, rng):
    """Applies an increasing, invertible curve on 0-1: gamma e^±0.5, or a curve through random points."""
    if rng.random() < 0.5:
        return values ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    knots = np.linspace(0, 1, 6)
    steps = np.exp(rng.uniform(-0.8, 0.8, len(knots) - 1))
    heights = np.concatenate([[0], np.cumsum(steps) / steps.sum()])
    return np.interp(values, knots, heights).astype(np.float32)


def thumbnail(values):
    """The thumbnail of any grey float32 [h, w]: float32 [32, 32] from -1 to 1, the rank of each cell's mean among all cells.

    Ranks are the same after every increasing grey curve, and those of the negative are exactly the negative ranks. Cells
    of equal brightness share the mean of their ranks. Borders of one grey are left out. Only 128 × 128 pixels of a large
    film are sampled, once to find its borders and once within them.
    """
    (top, bottom), (left, right) = within_borders(looked_at(values))
    h, w = values.shape
    top, bottom = top * h // GRID, max(bottom * h // GRID, top * h // GRID + 1)
    left, right = left * w // GRID, max(right * w // GRID, left * w // GRID + 1)
    return ranks(looked_at(values[top:bottom, left:right]))


def looked_at(values):
    rows, columns = ((2 * np.arange(GRID) + 1) * side // (2 * GRID) for side in values.shape)
    return values[np.ix_(rows, columns)]


def within_borders(grid):
    """((top, bottom), (left, right)) without the outer rows and columns whose greys hardly differ."""
    little = BORDER_SPAN * (grid.max() - grid.min())
    rows = columns = (0, GRID)
    # Twice, because horizontal and vertical borders may have different greys.
    for _ in range(2):
        rows = spanning(grid[:, slice(*columns)], little)
        columns = spanning(grid[slice(*rows)].T, little)
    return rows, columns


def spanning(grid, little):
    """From the first to the last row whose greys differ by more than `little`; all rows if less than a quarter would be left."""
    kept = np.flatnonzero(grid.max(axis=1) - grid.min(axis=1) > little)
    if not len(kept) or kept[-1] + 1 - kept[0] < len(grid) // 4:
        return 0, len(grid)
    return int(kept[0]), int(kept[-1]) + 1


def ranks(grid):
    """The ranks, from -1 to 1, of the means of 32 × 32 cells."""
    means = grid.astype(np.float64).reshape(CELLS, LOOKS, CELLS, LOOKS).mean(axis=(1, 3)).ravel()
    _, which, counts = np.unique(means, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    middle = last - (counts - 1) / 2
    return (middle[which] * 2 / (means.size - 1) - 1).astype(np.float32).reshape(CELLS, CELLS)


def reduced(values):
    """The picture as uint8 from 0 to 255, with a shorter side of at most KEPT_SIDE."""
    low, high = float(values.min()), float(values.max())
    image = Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8))
    ratio = KEPT_SIDE / min(image.size)
    if ratio < 1:
        image = image.resize(tuple(max(1, round(side * ratio)) for side in image.size), Image.BOX)
    return np.asarray(image)


def spoiled(pixels, rng, turns=(0.7, 0.1, 0.1, 0.1)):
    """The thumbnail of a film, uint8 [h, w], after changes that other software may have made to it. Bone stays white.

    `turns` are the probabilities of 0, 90, 180 and 270 degrees.
    """
    image = Image.fromarray(np.rot90(pixels, rng.choice(4, p=turns)))
    if rng.random() < 0.5:
        image = image.rotate(rng.uniform(-12, 12), Image.BILINEAR, fillcolor=int(rng.choice([0, 0, 255])))
    grid = np.asarray(cropped(image, rng), dtype=np.float32) / 255
    if rng.random() < 0.5:
        grid = grid[:, ::-1].copy()
    if rng.random() < 0.2:
        grid = hazy(grid, rng)
    grid = windowed(grey_curve(grid, rng), rng)
    if rng.random() < 0.3:
        grid = grid + rng.standard_normal(grid.shape, dtype=np.float32) * rng.uniform(0.01, 0.1)
    return thumbnail(bordered(lettered(grid, rng), rng))


def cropped(image, rng):
    """A box of 50 to 100 % of each side, as the 128 × 128 sampled pixels."""
    width, height = image.size
    w, h = width * rng.uniform(0.5, 1), height * rng.uniform(0.5, 1)
    if rng.random() < 0.4:
        w, h = width, height
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return image.resize((GRID, GRID), Image.BILINEAR, box=(x, y, x + w, y + h))


def hazy(grid, rng):
    """Adds one or two white clouds, as in effusion and ARDS, of up to a whole lung."""
    y, x = np.mgrid[0:1:GRID * 1j, 0:1:GRID * 1j].astype(np.float32)
    for _ in range(int(rng.integers(1, 3))):
        cx, cy, sx, sy = rng.uniform(0.1, 0.9), rng.uniform(0.3, 1), rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.4)
        cloud = rng.uniform(0.3, 0.95) * np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)
        grid = grid + (rng.uniform(0.6, 0.95) - grid).clip(0) * cloud
    return grid


def windowed(grid, rng):
    """Clips by a window that is too narrow, or stores in few grey levels."""
    if rng.random() < 0.3:
        low, high = np.quantile(grid, [rng.uniform(0, 0.3), rng.uniform(0.7, 1)])
        grid = grid.clip(low, high)
    if rng.random() < 0.15:
        low, high = grid.min(), grid.max()
        levels = int(rng.integers(6, 32))
        grid = np.round((grid - low) / max(high - low, 1e-6) * levels) / levels
    return grid


def lettered(grid, rng):
    """Adds side markers, names and electrodes."""
    if rng.random() < 0.5:
        return grid
    grid = grid.copy()
    for _ in range(int(rng.integers(1, 5))):
        h, w = int(rng.integers(3, 16)), int(rng.integers(3, 40))
        y, x = int(rng.integers(0, GRID - h)), int(rng.integers(0, GRID - w))
        if rng.random() < 0.7:
            y = int(rng.choice([y // 8, GRID - h - y // 8]))
        block = grid[y : y + h, x : x + w]
        block[rng.random(block.shape) < rng.uniform(0.3, 1)] = rng.choice([grid.min(), grid.max()])
    return grid


def bordered(grid, rng):
    """Adds black, white or grey borders on any side, each up to a fifth wide."""
    if rng.random() < 0.5:
        return grid
    grid = grid.copy()
    low, high = grid.min(), grid.max()
    shade = rng.choice([low, high, rng.uniform(low, high)], p=[0.45, 0.45, 0.1])
    for side in rng.choice(4, size=int(rng.integers(1, 5)), replace=False):
        np.rot90(grid, side)[: int(GRID * rng.uniform(0, 0.2))] = shade
    return grid


def no_films(rng):
    """Thumbnails of pictures that are no frontal chest films: some to learn from, and some to choose the threshold on."""
    found = []
    for image in photographs():
        small = reduced(image).astype(np.float32)
        found += [small] + [turned(part(small, rng, 0.2, 1.0), rng) for _ in range(PHOTOGRAPH_PARTS)]
    found += [turned(image, rng) for image in (faces() + slices() * 6) * 2]
    found += [drawn(rng) for _ in range(DRAWN)]
    found += [limbs(rng) for _ in range(LIMBS)]
    seen = np.stack([thumbnail(np.rot90(image, int(rng.integers(4)))) for image in found])
    kept_back = np.arange(len(seen)) % KEPT_BACK == 0
    return seen[~kept_back], seen[kept_back]


def limbs(rng):
    """A drawn radiograph of another part of the body, float32 [128, 128]: limbs with bones, a hand, a skull, a trunk.

    The data have no radiographs of other parts of the body. Two legs beside each other are most similar to the negative of
    a chest: two bright fields on black.
    """
    image = Image.new("L", (GRID, GRID), int(rng.choice([0, 0, 0, 20, 60])))
    draw = ImageDraw.Draw(image)
    kind = rng.choice(["limbs", "hand", "skull", "trunk"], p=[0.5, 0.2, 0.15, 0.15])
    if kind == "limbs":
        count = int(rng.integers(1, 4))
        for i in range(count):
            centre = GRID * (i + 0.5) / count + rng.uniform(-6, 6)
            limb(draw, rng, (centre + rng.uniform(-20, 20), -20), (centre + rng.uniform(-20, 20), GRID + 20),
                 rng.uniform(0.3, 0.9) * GRID / count)
    elif kind == "hand":
        palm = GRID * rng.uniform(0.35, 0.65), GRID * rng.uniform(0.55, 0.8)
        for angle in np.linspace(-0.9, 0.9, 5) + rng.uniform(-0.2, 0.2):
            tip = palm[0] + np.sin(angle) * GRID * 0.6, palm[1] - np.cos(angle) * GRID * 0.6
            limb(draw, rng, palm, tip, GRID * rng.uniform(0.09, 0.15))
        limb(draw, rng, palm, (palm[0], GRID + 20), GRID * rng.uniform(0.2, 0.35))
    else:
        ovals(draw, rng, kind)
    values = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))), dtype=np.float32)
    shade = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.6, 1), GRID, dtype=np.float32)
    values = values * (shade if rng.random() < 0.5 else shade[:, None])
    values = values + rng.standard_normal(values.shape).astype(np.float32) * rng.uniform(0.5, 6)
    values = bordered(lettered(values, rng), rng).astype(np.float32)
    return -values if rng.random() < 0.25 else values


def limb(draw, rng, start, end, width):
    """Draws soft tissue from one point to another, and one or two bones along it."""
    tissue = int(rng.integers(60, 170))
    draw.line([start, end], fill=tissue, width=max(2, int(width)))
    bones = int(rng.integers(1, 3))
    for i in range(bones):
        aside = (i - (bones - 1) / 2) * width * 0.4
        draw.line([(start[0] + aside, start[1]), (end[0] + aside, end[1])],
                  fill=int(rng.integers(tissue + 20, 256)), width=max(1, int(width * rng.uniform(0.15, 0.35))))


def ovals(draw, rng, kind):
    """Draws a skull, or an abdomen, pelvis or spine: a large bright field with brighter and darker ovals in it."""
    size = rng.uniform(0.6, 0.95) if kind == "skull" else rng.uniform(1, 1.6)
    oval(draw, 0.5, 0.5, size * 0.5, size * rng.uniform(0.4, 0.6), int(rng.integers(90, 200)))
    for _ in range(int(rng.integers(2, 12))):
        oval(draw, *rng.uniform(0.2, 0.8, 2), *rng.uniform(0.03, 0.22, 2), int(rng.integers(20, 256)))
    if kind == "trunk":
        x, width = rng.uniform(0.45, 0.55) * GRID, rng.uniform(0.05, 0.14) * GRID
        draw.rectangle([x - width, 0, x + width, GRID], fill=int(rng.integers(180, 256)))


def oval(draw, cx, cy, rx, ry, fill):
    draw.ellipse([(cx - rx) * GRID, (cy - ry) * GRID, (cx + rx) * GRID, (cy + ry) * GRID], fill=fill)
