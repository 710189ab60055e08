"""The network that finds the lung fields: `python -m training.lungs --data DIR` makes weights/lungs.safetensors.

Only 85 films with a permissive licence have a mask of their lungs, all of one collection. So there are two networks. The
teacher is EfficientNet-Lite0 from ImageNet with a decoder, learns from those masks, and is too slow to give away. The
student is small, and learns what the teacher draws on thousands of films of every source, changed at random.
"""

import argparse
import json
import os
import time

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

from .data import read_grey
from .negatives import drawn, faces, photographs
from .network import from_imagenet

# The whole film, of any aspect, becomes a square of this side.
TEACHER_SIDE = 192
SIDE = 128
# The student's maps have this side; each of their cells holds PATCH × PATCH pixels of the mask as channels.
CELLS = 16
PATCH = SIDE // CELLS
WIDTHS = (16, 32, 64)
BLOCKS = (1, 4)
SEED = 31
FOLDS = 3


def manifest(data):
    rows = pd.read_csv(f"{data}/manifest.csv", low_memory=False)
    return rows[rows.duplicate_of.isna()]


def frontal(rows):
    return rows[(rows.modality == "X-ray") & rows["view"].isin(["PA", "AP", "AP Supine"])]


def squashed(pixels, side):
    """float32 [side, side] from 0 to 1: the whole film, its 1st and 99th percentiles at 0 and 1."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32), mode="F").resize((side, side), Image.BILINEAR)
    values = np.asarray(image)
    low, high = np.percentile(values, [1, 99])
    return ((values - low) / max(high - low, 1e-6)).clip(-0.2, 1.2).astype(np.float32)


def films(data, paths, side=256):
    """uint8 [n, side, side]."""
    stack = np.empty((len(paths), side, side), np.uint8)
    for i, path in enumerate(paths):
        stack[i] = ((squashed(read_grey(f"{data}/{path}"), side) + 0.2) / 1.4 * 255).round()
    return stack


def values_of(stack):
    """The network's scale: −1 and 1 are the percentiles."""
    return (stack.float() / 255 * 1.4 - 0.2) * 2 - 1


def masks(data, paths, side=256):
    return np.stack([
        (np.asarray(Image.open(f"{data}/{path}").convert("L").resize((side, side), Image.BILINEAR)) > 127).astype(np.uint8)
        for path in paths
    ])


# ---- changes -----------------------------------------------------------------------------------


def moved(images, masks, side, generator, strength=1.0):
    """The same random rotation, crop, stretch, shear and mirroring of images and masks, [n, 1, side, side] each."""
    n = len(images)

    def uniform(low, high):
        return torch.rand(n, generator=generator) * (high - low) + low

    angle = uniform(-0.25, 0.25) * strength
    scale = torch.exp(uniform(-0.35, 0.2) * strength)
    stretch = torch.exp(uniform(-0.2, 0.2) * strength)
    shear = uniform(-0.1, 0.1) * strength
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    x, y = uniform(-0.15, 0.15) * strength, uniform(-0.15, 0.15) * strength
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack([
        torch.stack([mirror * scale * stretch * cos, scale * (shear * cos - sin), x], 1),
        torch.stack([mirror * scale * stretch * sin, scale * (shear * sin + cos) / stretch, y], 1),
    ], 1)
    grid = F.affine_grid(theta, (n, 1, side, side), align_corners=False)
    both = torch.cat([images, masks], 1)
    both = F.grid_sample(both, grid, padding_mode="zeros", align_corners=False)
    return both[:, :1], both[:, 1:]


def recoloured(images, generator):
    """Other grey curves, sharpness, noise, borders and writing. Images are [n, 1, h, w] from 0 to 1."""
    n = len(images)

    def uniform(low, high):
        return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low

    images = images.clamp(0, 1)
    images = images ** torch.exp(uniform(-0.9, 0.9))
    # A slope of brightness across the film, and a wave in its curve.
    side = images.shape[-1]
    ramp = torch.linspace(-1, 1, side)
    images = images + uniform(-0.2, 0.2) * ramp[None, None, None] + uniform(-0.2, 0.2) * ramp[None, None, :, None]
    images = images + uniform(-0.06, 0.06) * torch.sin(images * 6.28 + uniform(0, 6.28))
    small = F.interpolate(images, size=int(torch.randint(side // 4, side, (1,), generator=generator)), mode="area")
    coarse = F.interpolate(small, size=side, mode="bilinear", align_corners=False)
    images = torch.where(uniform(0, 1) < 0.4, coarse, images)
    images = images + torch.randn(images.shape, generator=generator) * uniform(0, 0.08)
    for i in range(n):
        if torch.rand((), generator=generator) < 0.4:
            w, h = torch.randint(6, side // 4, (2,), generator=generator).tolist()
            left, top = torch.randint(0, side - max(w, h), (2,), generator=generator).tolist()
            images[i, :, top : top + h, left : left + w] = torch.rand((), generator=generator).round()
    flat = images.flatten(1)[:, ::7]
    low, high = torch.quantile(flat, torch.tensor([0.01, 0.99]), dim=1)[:, :, None, None, None]
    return (((images - low) / (high - low).clamp(min=1e-3)).clamp(-0.2, 1.2)) * 2 - 1


# ---- networks ----------------------------------------------------------------------------------


class Teacher(torch.nn.Module):
    """EfficientNet-Lite0 and a pyramid (Lin et al. 2017, arXiv:1612.03144) over its maps, to half the input's side."""

    TAPS = (0, 2, 4, 10, 15)  # The last blocks with maps of 1/2, 1/4, 1/8, 1/16 and 1/32.
    MAPS = (16, 24, 40, 112, 320)
    WIDTH = 48

    def __init__(self):
        super().__init__()
        self.trunk = from_imagenet(1)
        conv = torch.nn.Conv2d
        self.lateral = torch.nn.ModuleList(conv(c, self.WIDTH, 1) for c in self.MAPS)
        self.smooth = torch.nn.ModuleList(
            torch.nn.Sequential(conv(self.WIDTH, self.WIDTH, 3, padding=1), torch.nn.GroupNorm(8, self.WIDTH), torch.nn.ReLU())
            for _ in self.MAPS
        )
        self.last = conv(self.WIDTH, 1, 1)

    def forward(self, x):
        """Logits [n, 1, h / 2, w / 2]."""
        net, taps = self.trunk, []
        x = net._swish(net._bn0(net._conv_stem(x)))
        for index, block in enumerate(net._blocks):
            x = block(x)
            if index in self.TAPS:
                taps.append(x)
        top = None
        for tap, lateral, smooth in reversed(list(zip(taps, self.lateral, self.smooth))):
            here = lateral(tap)
            if top is not None:
                here = here + F.interpolate(top, size=here.shape[-2:], mode="nearest")
            top = smooth(here)
        return self.last(top)


class Student(torch.nn.Module):
    """A residual network (He et al. 2016, arXiv:1512.03385) whose last channels are the pixels of each cell: a sub-pixel
    convolution (Shi et al. 2016, arXiv:1609.05158)."""

    def __init__(self):
        super().__init__()
        a, b, c = WIDTHS
        self.stem = conv_norm(1, a, 2)
        self.down1 = conv_norm(a, b, 2)
        self.stage1 = torch.nn.ModuleList(BasicBlock(b) for _ in range(BLOCKS[0]))
        self.down2 = conv_norm(b, c, 2)
        self.stage2 = torch.nn.ModuleList(BasicBlock(c) for _ in range(BLOCKS[1]))
        self.last = conv_norm(c, PATCH * PATCH, 1, kernel=1)

    def forward(self, x):
        """Logits [n, 1, 128, 128]."""
        x = F.relu(self.stem(x))
        x = F.relu(self.down1(x))
        for block in self.stage1:
            x = block(x)
        x = F.relu(self.down2(x))
        for block in self.stage2:
            x = block(x)
        return F.pixel_shuffle(self.last(x), PATCH)


def student(path):
    """The network in weights/lungs.safetensors."""
    # The other tensors belong to lung_sides.py.
    return loaded({name: value.float() for name, value in load_file(path).items() if not name.startswith("side.")})


def loaded(state):
    """The network with these tensors, rounded as in the file."""
    model = Student()
    state = {name: value.half().float() if value.dim() == 4 else value for name, value in state.items()}
    absent, unknown = model.load_state_dict(state, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in absent), (absent, unknown)
    # Otherwise convolutions are many times slower.
    return model.to(memory_format=torch.channels_last).eval()


def conv_norm(inputs, outputs, stride, kernel=3):
    conv = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(outputs))


class BasicBlock(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = conv_norm(width, width, 1), conv_norm(width, width, 1)

    def forward(self, x):
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


# ---- training ----------------------------------------------------------------------------------


def loss_of(logits, target):
    """Cross entropy and 1 − Dice (Milletari et al. 2016), the mean over images."""
    p = torch.sigmoid(logits)
    overlap = (p * target).sum((1, 2, 3))
    dice = (2 * overlap + 10) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 10)
    return F.binary_cross_entropy_with_logits(logits, target) + (1 - dice).mean()


def fit(model, draw, steps, rate, log=50):
    """Trains with AdamW and one cycle; returns the average (0.99) of the weights in the last steps."""
    # Otherwise depthwise convolutions are some twenty times slower.
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps, pct_start=0.2)
    average, started, running = None, time.time(), []
    for step in range(steps):
        images, target = draw()
        logits = model(images.contiguous(memory_format=torch.channels_last))
        if logits.shape[-1] != target.shape[-1]:
            target = F.interpolate(target, size=logits.shape[-1], mode="area")
        value = loss_of(logits, target)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        running.append(value.item())
        state = model.state_dict()
        if average is None:
            average = {name: v.clone() for name, v in state.items()}
        keep = min(0.99, (1 + step) / (10 + step))
        for name, v in state.items():
            if v.is_floating_point():
                average[name].lerp_(v, 1 - keep)
            else:
                average[name] = v.clone()
        if (step + 1) % log == 0:
            print(json.dumps({"step": step + 1, "loss": round(float(np.mean(running)), 4), "seconds": round(time.time() - started)}), flush=True)
            running = []
    model.load_state_dict(average)
    return model.eval()


@torch.no_grad()
def masks_of(model, stack, side, batch=32):
    """Probabilities, float32 [n, side, side], of uint8 films: the mean over the film and its mirror image."""
    found = []
    for start in range(0, len(stack), batch):
        part = torch.from_numpy(stack[start : start + batch])[:, None]
        part = values_of(F.interpolate(part.float(), size=side, mode="area")).contiguous(memory_format=torch.channels_last)
        p = torch.sigmoid(model(part))
        mirrored = part.flip(3).contiguous(memory_format=torch.channels_last)
        p = (p + torch.sigmoid(model(mirrored)).flip(3)) / 2
        found.append(F.interpolate(p, size=side, mode="bilinear", align_corners=False)[:, 0].numpy())
    return np.concatenate(found)


def dice(found, reference):
    """Dice coefficients [n] of masks at 256 pixels; `found` are probabilities of any side."""
    p = F.interpolate(torch.from_numpy(found)[:, None], size=reference.shape[-1], mode="bilinear", align_corners=False)[:, 0].numpy() > 0.5
    both = (p & (reference > 0)).sum((1, 2))
    return 2 * both / (p.sum((1, 2)) + (reference > 0).sum((1, 2)))


def teacher_draws(images, target, generator, batch=12):
    images, target = torch.from_numpy(images)[:, None].float() / 255 * 1.4 - 0.2, torch.from_numpy(target)[:, None].float()

    def draw():
        chosen = torch.randint(len(images), (batch,), generator=generator)
        a, b = images[chosen], target[chosen]
        a, b = moved(a, b, TEACHER_SIDE, generator)
        return recoloured(a, generator), b

    return draw


def train_teacher(data, out, steps):
    torch.manual_seed(SEED)
    rows = frontal(manifest(data))
    rows = rows[rows.lung_mask.notna()]
    own, rest = rows[rows.licence_permissive == "yes"], rows[rows.licence_permissive != "yes"]
    images, target = films(data, own.path), masks(data, own.lung_mask)
    generator = torch.Generator().manual_seed(SEED)
    model = fit(Teacher().train(), teacher_draws(images, target, generator), steps, 1e-3)
    torch.save(model.state_dict(), f"{out}/lung_teacher.pt")
    report(model, TEACHER_SIDE, data, rest, "teacher")
    return model


def report(model, side, data, rows, name):
    found = dice(masks_of(model, films(data, rows.path), side), masks(data, rows.lung_mask))
    print(json.dumps({"model": name, "n": len(rows), "dice": float(found.mean()), "median": float(np.median(found)),
                      "p5": float(np.percentile(found, 5)), "min": float(found.min())}), flush=True)
    return found


def no_lungs(rng):
    """Pictures without lungs, uint8 [n, 256, 256]."""
    pictures = photographs() + faces() + [drawn(rng) for _ in range(300)]
    return np.stack([((squashed(p, 256) + 0.2) / 1.4 * 255).round().astype(np.uint8) for p in pictures])


def train_student(data, out, steps):
    torch.manual_seed(SEED + 1)
    teacher = Teacher()
    teacher.load_state_dict(torch.load(f"{out}/lung_teacher.pt"))
    teacher = teacher.to(memory_format=torch.channels_last).eval()
    rows = frontal(manifest(data))
    own = rows[(rows.licence_permissive == "yes") & (rows.split == "train")]
    # At most 1,500 of each source.
    own = own.groupby("source", group_keys=False).sample(frac=1, random_state=SEED).groupby("source").head(1500)
    stack = films(data, own.path)
    target = masks_of(teacher, stack, TEACHER_SIDE)
    target = (F.interpolate(torch.from_numpy(target)[:, None], size=256, mode="bilinear")[:, 0] * 255).round().byte().numpy()
    has = own.lung_mask.notna().to_numpy()
    target[has] = masks(data, own.lung_mask[has]) * 255
    odd = no_lungs(np.random.default_rng(SEED))
    stack, target = np.concatenate([stack, odd]), np.concatenate([target, np.zeros_like(odd)])
    chance = torch.ones(len(stack))
    chance[: len(own)] = torch.from_numpy(own.groupby("source").path.transform("count").to_numpy() ** -0.5 * np.where(has, 3, 1))
    chance[len(own) :] = chance[: len(own)].sum() * 0.06 / len(odd)
    generator = torch.Generator().manual_seed(SEED + 1)
    images, target = torch.from_numpy(stack), torch.from_numpy(target)

    def draw(batch=48):
        chosen = torch.multinomial(chance, batch, replacement=True, generator=generator)
        a = images[chosen][:, None].float() / 255 * 1.4 - 0.2
        b = target[chosen][:, None].float() / 255
        a, b = moved(a, b, SIDE, generator)
        return recoloured(a, generator), b

    model = fit(Student().train(), draw, steps, 4e-3)
    torch.save(model.state_dict(), f"{out}/lung_student.pt")
    rest = rows[rows.lung_mask.notna() & (rows.licence_permissive != "yes")]
    report(model, SIDE, data, rest, "student")
    return model


def main():
    parser = argparse.ArgumentParser(prog="python -m training.lungs", description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--log", default="training/log")
    parser.add_argument("--teacher-steps", type=int, default=700)
    parser.add_argument("--student-steps", type=int, default=4000)
    parser.add_argument("--only", choices=["teacher", "student"])
    given = parser.parse_args()
    os.makedirs(given.log, exist_ok=True)
    torch.set_num_threads(2)
    if given.only != "student":
        train_teacher(given.data, given.log, given.teacher_steps)
    if given.only != "teacher":
        train_student(given.data, given.log, given.student_steps)


if __name__ == "__main__":
    main()
