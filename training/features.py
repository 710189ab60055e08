"""The frozen network as a function from images to features."""

import numpy as np
import torch

from .data import read_grey
from .preprocess import cxr1

FORWARD = 32


@torch.no_grad()
def of_tensors(model, tensors):
    """Features, float64 [n, 1280], of network inputs: an iterable of float32 [224, 224]."""
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


def of_files(model, data, paths):
    """Features, float64 [n, 1280], of files, preprocessed as in the finished program."""
    return of_tensors(model, (cxr1(read_grey(f"{data}/{path}")) for path in paths))


def logits(model, features):
    """Logits, float64 [n, outputs]."""
    return features @ model._fc.weight.detach().numpy().T.astype(np.float64) + model._fc.bias.detach().numpy()
