"""Changes radiographs so that they look as if they came from another hospital.

Geometry, grey curve, sharpness, compression, noise, borders, burnt-in marks and what lies outside the lungs differ much
more between archives than between healthy and ill patients. Random changes make them useless as a clue. The images are
a batch, float32 [n, 1, h, w] from 0 to 1.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .preprocess import CLIP

SIDE = 192
# Side of the maps of lungs and boxes, and of the network's last maps.
COARSE, CELLS = 48, 6
# Margins of the crop round the lungs. The finished program uses 0.08.
MARGINS = (-0.03, 0.20)


def augmented(crops, chosen, generator):
    """The network's input, float32 [n, 1, 192, 192], and the share of each cell that is lung and box, [n, 6, 6] each.

    `chosen` are the indices of the rows, `generator` a torch Generator.
    """
    pixels = torch.from_numpy(crops.pixels[chosen])[:, None].float() / 255 * 1.4 - 0.2
    maps = torch.from_numpy(np.stack([crops.lungs[chosen], crops.boxes[chosen]], 1)).float() / 255
    theta = crop(torch.from_numpy(crops.box[chosen]), generator)
    images = sampled(pixels, theta, SIDE, "border")
    maps = sampled(maps, theta, COARSE, "zeros")
    cells = F.adaptive_avg_pool2d(maps, CELLS)
    images = other_surroundings(images, maps[:, :1], generator)
    images = greys(images.clamp(-0.2, 1.2), generator)
    images = softened(images, generator)
    images = compressed(images, generator)
    images = images + torch.randn(images.shape, generator=generator) * uniform(len(images), 0, 0.05, generator)
    images = marks(images, generator)
    return erased(normalise(images), generator), cells[:, 0], cells[:, 1]


def uniform(n, low, high, generator):
    return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low


def crop(box, generator):
    """Affine maps [n, 2, 3]: a box round the lungs with a margin of its own on each side, turned, half of them mirrored."""
    n = len(box)
    margin = torch.rand(n, 4, generator=generator) * (MARGINS[1] - MARGINS[0]) + MARGINS[0]
    size = torch.stack([box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]], 1)
    low = (box[:, :2] - margin[:, :2] * size).clamp(0, 1)
    high = (box[:, 2:] + margin[:, 2:] * size).clamp(0, 1)
    centre, half = low + high - 1, high - low
    angle = (torch.rand(n, generator=generator) * 2 - 1) * 0.17 * (torch.rand(n, generator=generator) < 0.7)
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([
        torch.stack([mirror * cos * half[:, 0], -sin * half[:, 1], centre[:, 0]], 1),
        torch.stack([mirror * sin * half[:, 0], cos * half[:, 1], centre[:, 1]], 1),
    ], 1)


def sampled(images, theta, side, padding):
    grid = F.affine_grid(theta, (len(images), 1, side, side), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=padding, align_corners=False)


def other_surroundings(images, lungs, generator, chance=0.35):
    """Puts the lungs of some films into the surroundings of others, with a soft edge."""
    wide = F.max_pool2d(lungs, 7, 1, 3)
    soft = F.avg_pool2d(wide, 5, 1, 2)
    soft = F.interpolate(soft, size=images.shape[-1], mode="bilinear", align_corners=False)
    has = lungs.mean((1, 2, 3), keepdim=True) > 0.1
    chosen = (uniform(len(images), 0, 1, generator) < chance) & has
    soft = torch.where(chosen, soft, torch.ones_like(soft))
    other = torch.randperm(len(images), generator=generator)
    return images * soft + images[other] * (1 - soft)


def greys(images, generator):
    """Increasing curves: gamma, an S, a curve through random points, or equalised; a slope of brightness over the film."""
    n, side = len(images), images.shape[-1]
    low = images.amin((2, 3), keepdim=True)
    images = (images - low) / (images.amax((2, 3), keepdim=True) - low).clamp(min=1e-3)
    kind = torch.rand(n, generator=generator)
    out = images ** torch.exp(uniform(n, -0.5, 0.5, generator))
    for i in range(n):
        if kind[i] < 0.4:
            steps = torch.exp((torch.rand(6, generator=generator) * 2 - 1) * 0.8)
            out[i] = through(images[i], steps)
        elif kind[i] < 0.6:
            counts = torch.histc(images[i], 64, 0, 1)
            # Partly equalised, partly as it was.
            out[i] = through(images[i], counts / counts.sum() + 1 / 64 * torch.rand((), generator=generator))
    ramp = torch.linspace(-1, 1, side)
    return out + uniform(n, -0.12, 0.12, generator) * ramp + uniform(n, -0.12, 0.12, generator) * ramp[:, None]


def through(image, steps):
    """The increasing curve on 0-1 whose rises over equal parts are in proportion to `steps`."""
    heights = torch.cat([torch.zeros(1), torch.cumsum(steps, 0)]) / steps.sum()
    place = image.clamp(0, 1) * len(steps)
    first = place.long().clamp(max=len(steps) - 1)
    return heights[first] + (heights[first + 1] - heights[first]) * (place - first)


def softened(images, generator):
    """Every film loses resolution, because archives differ in it: reduced by a random filter, and enlarged again."""
    for i in range(len(images)):
        small = int(torch.randint(96, SIDE + 1, (1,), generator=generator))
        mode = ("area", "bilinear", "bicubic")[int(torch.randint(3, (1,), generator=generator))]
        extra = {} if mode == "area" else {"align_corners": False, "antialias": True}
        reduced = F.interpolate(images[i : i + 1], size=small, mode=mode, **extra)
        images[i] = F.interpolate(reduced, size=SIDE, mode="bilinear", align_corners=False)[0]
    return images


def compressed(images, generator, chance=0.6):
    for i in range(len(images)):
        if torch.rand((), generator=generator) < chance:
            stream = io.BytesIO()
            pixels = (images[i, 0].clamp(0, 1) * 255).round().byte().numpy()
            Image.fromarray(pixels).save(stream, "JPEG", quality=int(torch.randint(20, 91, (1,), generator=generator)))
            images[i, 0] = torch.from_numpy(np.array(Image.open(stream))).float() / 255
    return images


def marks(images, generator):
    """Black or bright borders, and a block of writing in a corner."""
    for image in images[:, 0]:
        if torch.rand((), generator=generator) < 0.25:
            edge = int(torch.randint(1, 16, (1,), generator=generator))
            shade = float(torch.rand((), generator=generator) < 0.15)
            for side in torch.randperm(4, generator=generator)[: int(torch.randint(1, 4, (1,), generator=generator))]:
                torch.rot90(image, int(side))[:edge] = shade
        if torch.rand((), generator=generator) < 0.3:
            h, w = torch.randint(5, 24, (2,), generator=generator).tolist()
            y, x = torch.randint(0, 30, (2,), generator=generator).tolist()
            block = torch.rot90(image, int(torch.randint(4, (1,), generator=generator)))[y : y + h, x : x + w]
            block[torch.rand(block.shape, generator=generator) < 0.6] = float(torch.rand((), generator=generator).round())
    return images


def normalise(images):
    """The 1st and 99th percentiles of each image become -1 and 1, clipped to ±1.4."""
    flat = images.flatten(1)[:, ::5]
    low, high = torch.quantile(flat, torch.tensor([0.01, 0.99]), dim=1)[:, :, None, None, None]
    return ((images - low) / (high - low).clamp(min=1e-4) * 2 - 1).clamp(-CLIP, CLIP)


def erased(images, generator):
    """Sets up to two squares to one grey, so that no single place decides."""
    for image in images[:, 0]:
        for _ in range(int(torch.randint(0, 3, (1,), generator=generator))):
            side = int(torch.randint(16, 48, (1,), generator=generator))
            y, x = torch.randint(0, SIDE - side, (2,), generator=generator).tolist()
            image[y : y + side, x : x + side] = float(torch.rand((), generator=generator) * 2 - 1)
    return images
