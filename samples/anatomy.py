"""A statistical model of the frontal chest radiograph, and draws from it.

Radiographs are aligned to one another without landmarks, by diffeomorphism-like "demons"
(Thirion, Medical Image Analysis 1998) towards a mean that sharpens as they align. In that frame
appearance and shape are each close to a linear-Gaussian model, as in active appearance models
(Cootes, Edwards and Taylor, PAMI 2001):

    appearance = mean + components · z + sigma(x) · texture        z ~ N(0, temperature²)
    shape      = mean + components · z

What the components leave over is drawn as Gaussian noise that has the size (at each place) and
the spectrum of what was left, as in probabilistic PCA (Tipping and Bishop, JRSS B 1999).

Images are float32, 0 (air) to 1 (bone), SIDE × SIDE; displacements are [2, n, n], rows first, in
pixels of their own grid, and `aligned(x) = image(x + displacement(x))`.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 384
# Grid, window of local normalisation, iterations, smoothing, rounds. Coarse to fine; a round is
# a new mean.
LEVELS = [(48, 8.0, 30, 2.0, 4), (96, 8.0, 25, 2.2, 3), (192, 10.0, 12, 2.5, 2)]


# ---- reading ---------------------------------------------------------------------------------


def rows(data):
    """Manifest rows that may be learnt from: permissive, training split, frontal, no duplicates."""
    with open(Path(data) / "manifest.csv", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["licence_permissive"] == "yes"
            and row["split"] == "train"
            and not row["duplicate_of"]
            and row["modality"] == "X-ray"
            and row["view"] not in ("L", "Axial", "Coronal")
        ]


def one_per_patient(chosen):
    """The first row of each patient, so that nobody weighs twice."""
    return list({row["patient"]: row for row in reversed(chosen)}.values())[::-1]


def load(data, row):
    """Central square of one image, its 2nd and 98th percentiles (border left out) at 0 and 1."""
    pixels = square(Path(data) / row["path"])
    border = SIDE // 16
    low, high = np.percentile(pixels[border:-border, border:-border], (2, 98))
    return np.clip((pixels - low) / (high - low + 1e-3), -0.15, 1.15)


def square(path):
    """Central square of a grey image at the model's size, 0 to 255."""
    image = Image.open(path).convert("L")
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.LANCZOS)
    return np.asarray(image, np.float32)


def typical(images, drop):
    """Leaves out the share `drop` of images least like the mean: rotated, cropped, inverted."""
    small = unit(images[:, ::8, ::8].reshape(len(images), -1))
    likeness = small @ unit(small.mean(0))
    return images[likeness > np.quantile(likeness, drop)]


def unit(vectors):
    """Mean 0 and length 1 along the last axis, so that a dot product is a correlation."""
    vectors = vectors - vectors.mean(-1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


# ---- alignment -------------------------------------------------------------------------------


def shrink(image, side):
    block = SIDE // side
    return image.reshape(side, block, side, block).mean((1, 3))


def local_contrast(image, width):
    """Local mean 0, local spread about 1: alignment should follow edges, not exposure."""
    detail = image - ndimage.gaussian_filter(image, width)
    spread = np.sqrt(ndimage.gaussian_filter(detail * detail, width))
    return detail / (spread + 0.04)


def warp(image, displacement, order=1):
    grid = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return ndimage.map_coordinates(image, grid + displacement, order=order, mode="nearest")


def enlarge(displacement, side):
    """The same displacement on a finer grid, in that grid's pixels."""
    factor = side / displacement.shape[1]
    return np.stack([ndimage.zoom(c, factor, order=1) * factor for c in displacement]).astype(np.float32)


def demons(target, moving, displacement, iterations, smoothing):
    """Moves `displacement` so that `warp(moving, displacement)` resembles `target`."""
    target_slope = np.stack(np.gradient(target))
    for _ in range(iterations):
        warped = warp(moving, displacement)
        difference = warped - target
        slope = (np.stack(np.gradient(warped)) + target_slope) / 2
        size = (slope**2).sum(0) + 0.25 * difference**2 + 1e-3
        displacement = displacement - np.clip(difference * slope / size, -1.5, 1.5)
        displacement = np.stack([ndimage.gaussian_filter(c, smoothing) for c in displacement])
    return displacement.astype(np.float32)


def align(images, templates=None):
    """Aligns images to each other, or to the `templates` (one a level) of an earlier alignment.

    Returns aligned images, displacements [n, 2, 192, 192], and the templates.
    """
    moved = np.zeros((len(images), 2, LEVELS[0][0], LEVELS[0][0]), np.float32)
    means = []
    for level, (side, width, iterations, smoothing, rounds) in enumerate(LEVELS):
        small = [local_contrast(shrink(image, side), width) for image in images]
        if moved.shape[-1] != side:
            moved = np.stack([enlarge(d, side) for d in moved])
        for _ in range(rounds):
            if templates is None:
                mean = np.mean([warp(s, d) for s, d in zip(small, moved)], 0)
                # A mean is paler than what it is the mean of.
                target = mean * (np.std(small) / mean.std())
            else:
                target = templates[level]
            moved = np.stack([demons(target, s, d, iterations, smoothing) for s, d in zip(small, moved)])
            if templates is None:
                moved -= moved.mean(0)
        means.append(target)
    aligned = np.stack([warp(image, enlarge(d, SIDE)) for image, d in zip(images, moved)])
    return aligned, moved, means


def without_rarities(aligned):
    """Fine detail held to what is usual at each place.

    Laterality markers, dates burnt into the film, leads and buttons belong to one image, and a
    linear model would hand them on as faint ghosts.
    """
    coarse = np.stack([ndimage.gaussian_filter(image, 6) for image in aligned])
    fine = aligned - coarse
    middle = np.median(fine, 0)
    spread = 1.48 * np.median(np.abs(fine - middle), 0)
    return coarse + np.clip(fine, middle - 2 * spread, middle + 2 * spread)


# ---- the model -------------------------------------------------------------------------------


@dataclass
class Gaussian:
    """mean + z · components, the components scaled so that z is standard normal."""

    mean: np.ndarray
    components: np.ndarray
    shape: tuple

    @classmethod
    def fit(cls, examples, count):
        flat = examples.reshape(len(examples), -1)
        mean = flat.mean(0)
        centred = flat - mean
        # The Gram matrix is small where examples are few and pixels many.
        values, vectors = np.linalg.eigh(centred @ centred.T)
        vectors = vectors[:, ::-1][:, :count] / np.sqrt(len(flat))
        # An eigenvector's sign is the library's whim; ours is that its largest entry is positive.
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), range(vectors.shape[1])])
        return cls(mean, vectors.T @ centred, examples.shape[1:])

    def draw(self, rng, temperature):
        z = np.clip(rng.standard_normal(len(self.components)), -2.5, 2.5)
        return (self.mean + temperature * (z @ self.components)).reshape(self.shape).astype(np.float32)

    def left_over(self, examples):
        """What the components do not explain of the examples."""
        centred = examples.reshape(len(examples), -1) - self.mean
        basis = self.components / np.linalg.norm(self.components, axis=1, keepdims=True)
        return (centred - (centred @ basis.T) @ basis).reshape(examples.shape)


@dataclass
class Texture:
    """Gaussian noise with the size and spectrum of what a `Gaussian` left over."""

    size: np.ndarray  # standard deviation at each place, SIDE × SIDE
    power: np.ndarray  # mean power at whole frequencies, cycles a side, 0 to SIDE/2

    @classmethod
    def fit(cls, residual):
        size = np.sqrt((residual**2).mean(0)) + 1e-3
        spectrum = np.mean([np.abs(np.fft.fft2(r / size)) ** 2 for r in residual], 0)
        radius = frequencies(SIDE).round().astype(int)
        total = np.bincount(radius.ravel(), spectrum.ravel())
        power = (total / np.bincount(radius.ravel()))[: SIDE // 2 + 1]
        return cls(ndimage.gaussian_filter(size, 3), power)

    def draw(self, rng, side):
        """Noise of `side` × `side` for the whole field, spread 1 at the model's own resolution.

        Frequencies beyond the model's follow the power law of its last octave.
        """
        last = SIDE // 2
        falls = np.log(self.power[last] / self.power[last // 2]) / np.log(2)
        radius = frequencies(side)
        inside = np.interp(radius, np.arange(last + 1), self.power)
        beyond = self.power[last] * (np.maximum(radius, last) / last) ** falls
        power = np.where(radius <= last, inside, beyond)
        # Coarse leftovers are anatomy, which noise cannot imitate; fine ones are grain.
        power *= 1 / (1 + (36 / np.maximum(radius, 1)) ** 4)
        noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) * np.sqrt(power)).real
        return (noise / np.sqrt(power[radius <= last].sum() / side**2)).astype(np.float32)


def frequencies(side):
    """Length of the frequency of every cell of an FFT of `side` × `side`, in cycles a side."""
    axis = np.fft.fftfreq(side, 1 / side)
    return np.hypot(axis[:, None], axis)


@dataclass
class Anatomy:
    """Everything that is drawn from, in the aligned frame."""

    appearance: Gaussian
    texture: Texture
    shape: Gaussian
    lungs: np.ndarray  # 0 to 1
    opacities: dict  # name → Gaussian of what a disease adds inside the lungs
    templates: list  # what other images are aligned to
    learnt: np.ndarray  # every radiograph learnt from, aligned, float16, for the check against copying

    @classmethod
    def learn(cls, data, say):
        permitted = rows(data)
        adult = [r for r in permitted if r["source"] == "nih" and float(r["age"] or 0) >= 18]
        clear = one_per_patient([r for r in adult if r["finding"] == "No Finding"])
        groups = {
            "pneumonia": [r for r in adult if {"Pneumonia", "Consolidation"} & set(r["finding"].split("|"))],
            "covid": [r for r in permitted if r["source"] in ("hannover", "cxnet") and "COVID" in r["finding"]],
        }
        images = typical(np.stack([load(data, row) for row in clear]), 0.25)
        say(f"clear: {len(images)} of {len(clear)} patients")
        aligned, moved, templates = align(images)
        learnt = [aligned.astype(np.float16)]
        aligned = without_rarities(aligned)
        appearance = Gaussian.fit(aligned, 150)
        lungs = mean_lungs(data, [row for row in permitted if row["lung_mask"]], templates)
        opacities = {}
        for name, members in groups.items():
            members = one_per_patient(members)
            images = typical(np.stack([load(data, row) for row in members]), 0.25)
            say(f"{name}: {len(images)} of {len(members)} patients")
            diseased, _, _ = align(images, templates)
            learnt.append(diseased.astype(np.float16))
            added = [ndimage.gaussian_filter(d, 5) * lungs for d in diseased - aligned.mean(0)]
            opacities[name] = Gaussian.fit(np.stack(added), 60)
        return cls(
            appearance,
            Texture.fit(appearance.left_over(aligned)),
            Gaussian.fit(moved, 30),
            lungs,
            opacities,
            templates,
            np.concatenate(learnt),
        )


def mean_lungs(data, outlined, templates):
    """Where the lungs are in the aligned frame, 0 to 1: the mean of rows' own lung outlines."""
    _, moved, _ = align(np.stack([load(data, row) for row in outlined]), templates)
    outlines = [
        warp(square(Path(data) / row["lung_mask"]) / 255, enlarge(d, SIDE)) for row, d in zip(outlined, moved)
    ]
    share = ndimage.gaussian_filter(np.mean(outlines, 0), 3)
    return np.clip((share - 0.25) / 0.5, 0, 1)
