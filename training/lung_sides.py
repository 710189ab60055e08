"""Which side the heart is on: a film that was mirrored shows it on the other one.

A film is cut into 16 × 16 cells over the box around its lungs. The differences between cells that mirror each other are
weighed by a logistic regression without a constant, so a mirrored film gets the opposite score. `side.rs` in the program
does the same.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from .preprocess import LUNG_SIDE, lung_box

GRID = 16
SHRINKAGE = 1.0
# The share of films that are doubted though they are not mirrored, in every source of validation, at most.
DOUBTED = 0.003
FEWEST = 20


def differences(picture, fields):
    """float64 [128], from the film as the network of the lungs sees it and the lung fields; nan without two lungs."""
    box = lung_box(fields, LUNG_SIDE, LUNG_SIDE)
    if box is None or box[2] - box[0] < GRID or box[3] - box[1] < GRID:
        return np.full(GRID * GRID // 2, np.nan)
    left, top, right, bottom = box
    rows, columns = edges(top, bottom), edges(left, right)
    cells = np.array([[picture[y0:y1, x0:x1].mean(dtype=np.float64) for x0, x1 in zip(columns, columns[1:])]
                      for y0, y1 in zip(rows, rows[1:])])
    spread = cells.std()
    if spread == 0:
        return np.full(GRID * GRID // 2, np.nan)
    return ((cells - cells[:, ::-1])[:, : GRID // 2] / spread).ravel()


def edges(first, last):
    """The borders of the cells, which mirror each other."""
    ends = [i * (last - first) // GRID for i in range(GRID // 2 + 1)]
    return [first + end for end in ends] + [last - end for end in ends[-2::-1]]


def fitted(differences, source):
    """The weights, float64 [128]. Each source counts the same."""
    known = ~np.isnan(differences[:, 0])
    x, source = differences[known], pd.Series(source[known])
    weight = (1 / source.groupby(source).transform("count")).to_numpy()
    weight = np.tile(weight / weight.mean(), 2)
    mirrored = np.repeat([False, True], len(x))
    fit = LogisticRegression(C=1 / SHRINKAGE, fit_intercept=False, max_iter=500)
    return fit.fit(np.concatenate([x, -x]), mirrored, sample_weight=weight).coef_[0]


def limit(scores, source):
    """The score from which a film is doubted."""
    known = ~np.isnan(scores)
    lines = [np.quantile(scores[known & (source == name)], 1 - DOUBTED) for name in sorted(set(source))
             if (known & (source == name)).sum() >= FEWEST]
    return round(float(np.median(lines)), 4)


def figures(differences, rows, train, validation):
    """(on, statistic, value, n) of test films by weights of all sources, and of whole sources by weights of the others."""
    source = rows.source.to_numpy()
    whole = fitted(differences[train], source[train])
    at = limit(differences[validation] @ whole, source[validation])
    test = (rows.split == "test").to_numpy()
    for name in sorted(set(source)):
        yield from rates(f"{name}, test split", differences[test & (source == name)] @ whole, at)
    archive = rows.source.replace({"rsna": "nih"}).to_numpy()
    for name in sorted(set(archive)):
        other = archive != name
        weights = fitted(differences[train & other], source[train & other])
        line = limit(differences[validation & other] @ weights, source[validation & other])
        yield from rates(f"{name}, left out of its fit", differences[~other] @ weights, line)


def rates(on, scores, at):
    scores = scores[~np.isnan(scores)]
    yield f"frontal radiographs, {on}", "doubted", (scores >= at).mean(), len(scores)
    yield f"frontal radiographs mirrored, {on}", "doubted", (-scores >= at).mean(), len(scores)
