"""The frozen network as a function from images to features."""

import multiprocessing

import numpy as np
import torch

from .crops import fields_of
from .data import read_grey
from .preprocess import cxr2

FORWARD = 32
# Processes of one thread each.
WORKERS = 2


@torch.no_grad()
def of_tensors(model, tensors):
    """Features, float64 [n, 1280], of network inputs: an iterable of float32 [side, side]."""
    parts, batch = [], []
    for tensor in tensors:
        batch.append(tensor[None])
        if len(batch) == FORWARD:
            parts.append(pooled(model, batch))
            batch = []
    if batch:
        parts.append(pooled(model, batch))
    return np.concatenate(parts).astype(np.float64)


def pooled(model, batch):
    maps = model.extract_features(torch.from_numpy(np.stack(batch)).to(memory_format=torch.channels_last))
    return maps.mean((2, 3)).numpy()


def of_files(model, lungs, data, paths):
    """Features, float64 [n, 1280], of files, preprocessed as in the finished program. `lungs` is the network of the lungs."""
    parts = [(model, lungs, data, list(part)) for part in np.array_split(np.asarray(paths, dtype=object), WORKERS)]
    with multiprocessing.Pool(WORKERS) as pool:
        return np.concatenate(pool.starmap(of_part, parts))


def of_part(model, lungs, data, paths):
    torch.set_num_threads(1)
    model, lungs = (part.to(memory_format=torch.channels_last) for part in (model, lungs))
    return of_tensors(model, (prepared(lungs, read_grey(f"{data}/{path}")) for path in paths))


def prepared(lungs, pixels):
    """The network's input for one picture."""
    return cxr2(pixels, fields_of(lungs, pixels))


def logits(model, features):
    """Logits, float64 [n, outputs]."""
    return features @ model._fc.weight.detach().numpy().T.astype(np.float64) + model._fc.bias.detach().numpy()
