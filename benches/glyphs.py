"""Measures how well half-blocks, quadrants and sextants show a radiograph in the same cells.

The reference picture of a file is what a terminal with pixels would show: the radiograph, reduced to the
pixels of the cells (10 by 20 each). The glyphs are drawn as a terminal would draw them, and compared with the
reference by structural similarity (Wang et al. 2004, Gaussian window of sigma 1.5).

- half-blocks: two pixels per cell, one above the other, as `src/tui/preview/blocks.rs` draws them;
- quadrants, sextants: two greys per cell, and the one of the 16 or 64 glyphs with the least squared error
  against the picture's 2 by 2 or 2 by 3 pixels of that cell (each grey is the mean of its part).

    python benches/glyphs.py COLUMNS ROWS FILE...

Needs numpy, scipy and Pillow.
"""

import sys

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

CELL = (10, 20)


def ssim(a, b):
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    blur = lambda x: gaussian_filter(x, 1.5)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    return (((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean()


def smaller(image, width, height):
    return np.asarray(image.resize((width, height), Image.BICUBIC), float)


def two_greys(pixels, across, down):
    """Draws each cell of `across` by `down` pixels in two greys, by the best split."""
    h, w = pixels.shape
    cells = pixels.reshape(h // down, down, w // across, across).transpose(0, 2, 1, 3)
    cells = cells.reshape(h // down, w // across, across * down)
    order = np.sort(cells, axis=2)
    best, cut = np.full(order.shape[:2], np.inf), np.zeros(order.shape[:2])
    low, high = order.mean(2), order.mean(2)
    for k in range(1, across * down):
        a, b = order[..., :k], order[..., k:]
        error = a.var(2) * k + b.var(2) * (across * down - k)
        better = error < best
        best = np.where(better, error, best)
        cut = np.where(better, (order[..., k - 1] + order[..., k]) / 2, cut)
        low, high = np.where(better, a.mean(2), low), np.where(better, b.mean(2), high)
    drawn = np.where(cells > cut[..., None], high[..., None], low[..., None])
    drawn = drawn.reshape(h // down, w // across, down, across).transpose(0, 2, 1, 3)
    return drawn.reshape(h, w)


def enlarged(pixels, width, height):
    ys = np.arange(height) * pixels.shape[0] // height
    xs = np.arange(width) * pixels.shape[1] // width
    return pixels[np.ix_(ys, xs)]


def main():
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    figures = []
    for name in sys.argv[3:]:
        image = Image.open(name).convert("L")
        scale = min(columns * CELL[0] / image.width, rows * CELL[1] / image.height)
        c = max(1, int(image.width * scale / CELL[0]))
        r = max(1, int(image.height * scale / CELL[1]))
        w, h = c * CELL[0], r * CELL[1]
        original = smaller(image, w, h)
        drawn = [
            smaller(image, c, 2 * r),
            two_greys(smaller(image, 2 * c, 2 * r), 2, 2),
            two_greys(smaller(image, 2 * c, 3 * r), 2, 3),
        ]
        figures.append([ssim(np.round(enlarged(d, w, h)), original) for d in drawn])
    figures = np.array(figures)
    print(f"{len(figures)} radiographs in {columns} x {rows} cells: mean (least to most), better than half-blocks in")
    for k, name in enumerate(["half-blocks", "quadrants", "sextants"]):
        f = figures[:, k]
        print(f"{name:12} {f.mean():.3f} ({f.min():.3f} to {f.max():.3f}) {(f > figures[:, 0]).sum()}")


if __name__ == "__main__":
    main()
