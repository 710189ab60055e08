"""From an anatomy to the picture of one made-up patient."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from anatomy import SIDE, enlarge

# The outermost pixels of the model are the borders of the films it was learnt from.
MARGIN = 16


@dataclass
class Lesion:
    """A patch of airspace opacity: centre and radii as shares of the field, density 0 to 1."""

    row: float
    column: float
    height: float
    width: float
    density: float


@dataclass
class Patient:
    """What a drawing needs to know."""

    seed: int
    disease: str | None = None  # a key of Anatomy.opacities
    severity: float = 0.0  # how much of the disease's own haze, 1 as learnt
    lesions: tuple = ()
    temperature: float = 0.75


def expose(anatomy, patient, height, width, marker="L"):
    """Draws one patient's radiograph, `height` × `width` float32, 0 (black) to 1 (white)."""
    rng = np.random.default_rng(patient.seed)
    body = anatomy.appearance.draw(rng, patient.temperature)
    posture = enlarge(anatomy.shape.draw(rng, patient.temperature), SIDE) * taper()
    body = with_opacities(anatomy, patient, body, rng)
    rows, columns = field(height, width)
    back = inverse(posture)
    places = [
        grid + ndimage.map_coordinates(shift, (rows, columns), order=1, mode="nearest")
        for grid, shift in zip((rows, columns), back)
    ]
    body = ndimage.map_coordinates(body, places, order=3, mode="nearest")
    size = ndimage.map_coordinates(anatomy.texture.size, places, order=1, mode="nearest")
    zoom = (rows[1, 0] - rows[0, 0]) ** -1
    whole = int(np.ceil(SIDE * zoom))
    grain = anatomy.texture.draw(rng, whole)[:height, :width]
    film = body + 0.7 * size * grain
    # The edge enhancement of every digital radiography system, fine and coarse.
    film += sum(gain * (film - ndimage.gaussian_filter(film, width * zoom)) for gain, width in ((0.3, 1.1), (0.45, 6)))
    film = np.clip((film + 0.05) / 1.13, 0, 1)
    film = ndimage.gaussian_filter(film, 0.5) + 0.004 * rng.standard_normal(film.shape)
    return stamp(np.clip(film, 0, 1).astype(np.float32), marker)


def field(height, width):
    """Where the pixels of the film lie on the model's grid: the middle of it, undistorted."""
    reach = (SIDE - 2 * MARGIN) / max(height, width)
    centre = (SIDE - 1) / 2
    rows = centre + (np.arange(height) - (height - 1) / 2) * reach
    columns = centre + (np.arange(width) - (width - 1) / 2) * reach
    return np.meshgrid(rows, columns, indexing="ij")


def taper():
    """1 inside, falling to 0 at the edge: a patient may move, the film does not."""
    distance = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / 48
    ramp = np.clip(distance, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return ramp[:, None] * ramp


def inverse(displacement):
    """The displacement that undoes another, by fixed-point iteration."""
    grid = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    back = -displacement
    for _ in range(10):
        back = -np.stack([ndimage.map_coordinates(c, grid + back, order=1, mode="nearest") for c in displacement])
    return back


def with_opacities(anatomy, patient, body, rng):
    """Adds the disease's own haze, then the lesions, inside the lungs."""
    if patient.disease:
        body = body + patient.severity * anatomy.opacities[patient.disease].draw(rng, 0.7)
    # Air replaced by water: towards the grey of the heart, less contrast, never quite solid.
    for lesion in patient.lesions:
        cover = lesion.density * patch(lesion, rng) * anatomy.lungs
        body = body + cover * np.maximum(0.75 - body, 0)
    return body


def patch(lesion, rng):
    """A cloud with ragged edges and air left in it, 0 to 1."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    distance = ((rows - lesion.row) / lesion.height) ** 2 + ((columns - lesion.column) / lesion.width) ** 2
    cloud = 0.6 * clouds(rng, 18) + 0.4 * clouds(rng, 8)
    cover = 1 / (1 + np.exp(4 * np.clip(distance - 0.9 + 0.6 * cloud, -9, 9)))
    return ndimage.gaussian_filter(cover, 3) * np.clip(0.85 + 0.1 * clouds(rng, 5), 0, 1)


def clouds(rng, width):
    """Smooth noise of spread 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), width)
    return noise / noise.std()


def stamp(film, letter):
    """A lead letter, a little askew, beside the patient's left or right shoulder."""
    height, width = film.shape
    size = max(height, width) // 22
    plate = Image.new("L", (2 * size, 2 * size))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(plate).text((size, size), letter, 255, font, anchor="mm")
    lead = np.asarray(plate.rotate(-4, Image.BICUBIC), np.float32) / 255
    top = size
    left = width - 3 * size if letter == "L" else size
    under = film[top : top + 2 * size, left : left + 2 * size]
    under += lead * (0.97 - under)
    return film
