"""From logits to the numbers that are shown. All parameters are fixed on the validation split before the test split is read."""

import math
from dataclasses import dataclass

import numpy as np

from .heads import FEWEST, conformal, even_weights, platt, sensitive_point, temperature
from .labels import CAUSES, COVID, LABELS, PNEUMONIA, UNKNOWN
from .measure import youden

# Validation images are drawn so that each class weighs a half.
PREVALENCE = 0.5
ANSWERS = {PNEUMONIA: "pneumonia", COVID: "covid"}


@dataclass
class Reading:
    """The parameters of the card. The keys of the dictionaries are indices of LABELS."""

    calibration: dict
    balanced: dict
    sensitive: dict
    conformal: dict
    temperature: float

    def scores(self, logits):
        """The scores [n, 5] of logits [n, 5]: two calibrated probabilities, then the causes."""
        columns = []
        for index in (PNEUMONIA, COVID):
            slope, intercept = self.calibration[index]
            columns.append(1 / (1 + np.exp(-(slope * logits[:, index] + intercept))))
        causes = logits[:, CAUSES] / self.temperature
        causes = np.exp(causes - causes.max(1, keepdims=True))
        return np.column_stack([*columns, causes / causes.sum(1, keepdims=True)])

    def onto(self, rows, logits):
        """The rows with columns `score 0` to `score 4`, `logit 0` …, and `odds` of bacterial against viral."""
        found = self.scores(logits)
        extra = {f"score {i}": found[:, i] for i in range(len(LABELS))}
        extra |= {f"logit {i}": logits[:, i] for i in range(len(LABELS))}
        return rows.assign(**extra, odds=logits[:, 2] - logits[:, 3])


def read_from(validation, logits):
    """A Reading from the permissive validation rows and their logits.

    Pneumonia is fitted on the sources that hold both classes: otherwise it would separate hospitals. The numbers are
    rounded as the card writes them.
    """
    calibration, balanced, sensitive, sets = {}, {}, {}, {}
    for index, answer in ANSWERS.items():
        chosen = usable(validation, answer)
        rows, logit = validation[chosen], logits[chosen, index]
        positive, weight = (rows[answer] == 1).to_numpy(), even_weights(rows, answer)
        slope, intercept = (round(v, 4) for v in platt(logit, positive, weight))
        p = 1 / (1 + np.exp(-(slope * logit + intercept)))
        calibration[index] = slope, intercept
        balanced[index] = round(youden(rows.assign(p=p), "p", answer), 4)
        sensitive[index] = sensitive_everywhere(p, positive, rows.source.to_numpy(), balanced[index])
        sets[index] = {"present": round(conformal(p[positive], weight[positive]), 4),
                       "absent": round(conformal(1 - p[~positive], weight[~positive]), 4)}
    heat, causes = causes_from(validation, logits)
    return Reading(calibration, balanced, sensitive, sets | causes, heat)


def sensitive_everywhere(p, positive, source, balanced):
    """The highest threshold with four decimals that finds 90 % of the positives of all sources together and 90 % of those
    of every source with at least FEWEST of them, and that is not above the balanced point.

    With all sources together alone, easy hospitals would hide the misses in difficult ones. And if the balanced point
    already finds more than 90 %, a higher point would be the less sensitive of the two.
    """
    groups = [positive] + [positive & (source == name) for name in sorted(set(source))]
    lines = [sensitive_point(p[own], positive[own], np.ones(own.sum()))
             for at, own in enumerate(groups) if at == 0 or own.sum() >= FEWEST]
    # Rounded up, it might miss the image that determined it.
    return min(math.floor(min(lines) * 1e4) / 1e4, balanced)


def usable(rows, answer):
    """A mask of the rows that answer. For Pneumonia, only sources that hold both classes count."""
    known = rows[answer] != UNKNOWN
    if answer == "pneumonia":
        both = rows[known].groupby("source")[answer].nunique() == 2
        known &= rows.source.isin(both[both].index)
    return known.to_numpy()


def causes_from(validation, logits):
    """The temperature of the causes, and for each cause the least probability with which it enters the set."""
    known = (validation.cause != UNKNOWN).to_numpy()
    rows, values = validation[known], logits[known][:, CAUSES]
    cause = rows.cause.to_numpy()
    weight = 1 / rows.groupby(["cause", "source"]).path.transform("count").to_numpy()
    heat = round(temperature(values, cause, weight / weight.sum()), 3)
    scaled = np.exp((values - values.max(1, keepdims=True)) / heat)
    p = scaled / scaled.sum(1, keepdims=True)
    return heat, {2 + c: {"present": round(conformal(p[cause == c, c]), 4)} for c in range(3)}
