"""The frozen networks as functions of images."""

import multiprocessing
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from .crops import fields_of
from .data import read_grey
from .lung_limits import shape
from .preprocess import cxr2

FORWARD = 32
# Processes of one thread each.
WORKERS = 2


@dataclass
class Seen:
    """What the networks see of n images: features, float64 [n, 1280], and the measures of the lungs' shape, n rows."""

    features: np.ndarray
    shapes: pd.DataFrame

    def of(self, chosen):
        """Those of a mask or of indices."""
        return Seen(self.features[chosen], self.shapes.iloc[np.arange(len(self.shapes))[chosen]])


@torch.no_grad()
def of_images(model, lungs, images):
    """A Seen of an iterable of grey float32 [h, w], preprocessed as in the finished program."""
    parts, shapes, batch = [], [], []
    for pixels in images:
        pixels = np.ascontiguousarray(pixels, dtype=np.float32)
        fields = fields_of(lungs, pixels)
        shapes.append(shape(fields))
        batch.append(cxr2(pixels, fields)[None])
        if len(batch) == FORWARD:
            parts.append(pooled(model, batch))
            batch = []
    if batch:
        parts.append(pooled(model, batch))
    return Seen(np.concatenate(parts).astype(np.float64), pd.DataFrame(shapes))


def pooled(model, batch):
    maps = model.extract_features(torch.from_numpy(np.stack(batch)).to(memory_format=torch.channels_last))
    return maps.mean((2, 3)).numpy()


def of_files(model, lungs, data, paths):
    """A Seen of files."""
    parts = [(model, lungs, data, list(part)) for part in np.array_split(np.asarray(paths, dtype=object), WORKERS)]
    with multiprocessing.Pool(WORKERS) as pool:
        seen = pool.starmap(of_part, parts)
    return Seen(np.concatenate([part.features for part in seen]), pd.concat([part.shapes for part in seen], ignore_index=True))


def of_part(model, lungs, data, paths):
    torch.set_num_threads(1)
    model, lungs = (part.to(memory_format=torch.channels_last) for part in (model, lungs))
    return of_images(model, lungs, (read_grey(f"{data}/{path}") for path in paths))


def prepared(lungs, pixels):
    """The network's input for one picture."""
    return cxr2(pixels, fields_of(lungs, pixels))


def logits(model, features):
    """Logits, float64 [n, outputs]."""
    return features @ model._fc.weight.detach().numpy().T.astype(np.float64) + model._fc.bias.detach().numpy()
