"""Inputs that need no data, and the means of the network's layers, for the tests of the Rust network."""

import numpy as np
import torch

from .labels import OUTPUTS
from .preprocess import SIZE

# (row frequency, column frequency, phase) of each made input.
WAVES = [(0.05, 0.03, 0.0), (0.11, 0.02, 1.0), (0.31, 0.17, 2.0), (0.013, 0.41, 3.0)]


def wave(row, column, phase):
    """An input, float32 [1, 1, 224, 224]: sin(row·y)·cos(column·x + phase), computed in float64 and rounded once."""
    y = np.arange(SIZE, dtype=np.float64)[:, None]
    x = np.arange(SIZE, dtype=np.float64)[None, :]
    values = np.sin(row * y) * np.cos(column * x + phase)
    return torch.from_numpy(values.astype(np.float32))[None, None]


@torch.no_grad()
def trace(model, batch):
    """(logits [4], [{"after", "shape", "mean", "mean_abs"}]) for a batch of one."""
    steps = []

    def note(where, value):
        wide = value.double()
        steps.append({"after": where, "shape": list(value.shape), "mean": wide.mean().item(),
                      "mean_abs": wide.abs().mean().item()})
        return value

    x = note("stem", model._swish(model._bn0(model._conv_stem(batch))))
    for index, block in enumerate(model._blocks):
        x = note(f"block {index}", block(x))
    x = note("head", model._swish(model._bn1(model._conv_head(x))))
    logits = model._fc(x.mean((2, 3)))
    torch.testing.assert_close(logits, model(batch), rtol=1e-5, atol=1e-5)
    return logits[0].tolist(), steps


def formula_cases(model):
    """One case per wave, ready for JSON."""
    cases = []
    for row, column, phase in WAVES:
        logits, steps = trace(model, wave(row, column, phase))
        cases.append({"row": row, "column": column, "phase": phase, "logits": logits, "trace": steps})
    return {"input": "value(y, x) = sin(row*y) * cos(column*x + phase), y and x from 0 to 223, in f64, then f32",
            "labels_order": ", ".join(OUTPUTS), "cases": cases}
