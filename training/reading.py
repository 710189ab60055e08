"""From logits to the numbers that are shown. All parameters are fixed on the validation split before the test split is read."""

import math
from dataclasses import dataclass

import numpy as np

from .heads import FEWEST, conformal, even_weights, platt, sensitive_point, temperature
from .labels import COVID, COVID_GIVEN, LABELS, OUTPUT_CAUSES, PNEUMONIA, UNKNOWN
from .measure import youden

# Validation images are drawn so that each class weighs a half.
PREVALENCE = 0.5
ANSWERS = {PNEUMONIA: "pneumonia", COVID: "covid"}


@dataclass
class Reading:
    """The parameters of the card. The keys of the dictionaries are indices of LABELS. Only Pneumonia has a calibration."""

    calibration: tuple
    balanced: dict
    sensitive: dict
    conformal: dict
    temperature: float

    def scores(self, logits):
        """The scores [n, 5] of logits [n, 4]: pneumonia, COVID-19 as a product, then the causes."""
        slope, intercept = self.calibration
        pneumonia = 1 / (1 + np.exp(-(slope * logits[:, PNEUMONIA] + intercept)))
        causes = shares(logits[:, OUTPUT_CAUSES], self.temperature)
        return np.column_stack([pneumonia, pneumonia * causes[:, COVID_GIVEN], causes])

    def onto(self, rows, logits):
        """The rows with columns `score 0` to `score 4`, and `odds` of bacterial against viral."""
        found = self.scores(logits)
        extra = {f"score {i}": found[:, i] for i in range(len(LABELS))}
        return rows.assign(**extra, odds=logits[:, 1] - logits[:, 2])


def shares(logits, temperature):
    """The shares of the causes [n, 3]."""
    scaled = logits / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def read_from(validation, logits):
    """A Reading from the permissive validation rows and their logits.

    Pneumonia is fitted on the sources that hold both classes: otherwise it would separate hospitals. The numbers are
    rounded as the card writes them.
    """
    chosen = usable(validation, "pneumonia")
    rows, logit = validation[chosen], logits[chosen, PNEUMONIA]
    fitted = platt(logit, (rows.pneumonia == 1).to_numpy(), even_weights(rows, "pneumonia"))
    calibration = tuple(round(v, 4) for v in fitted)
    heat, causes = causes_from(validation, logits)
    reading = Reading(calibration, {}, {}, causes, heat)
    scores = reading.scores(logits)
    for index, answer in ANSWERS.items():
        chosen = usable(validation, answer)
        rows, p = validation[chosen], scores[chosen, index]
        positive, weight = (rows[answer] == 1).to_numpy(), even_weights(rows, answer)
        reading.balanced[index] = round(youden(rows.assign(p=p), "p", answer), 4)
        reading.sensitive[index] = sensitive_everywhere(p, positive, rows.source.to_numpy(), reading.balanced[index])
        reading.conformal[index] = {"present": round(conformal(p[positive], weight[positive]), 4),
                                    "absent": round(conformal(1 - p[~positive], weight[~positive]), 4)}
    return reading


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
    """A mask of the rows that answer. For Pneumonia, only archives that hold both classes count."""
    known = rows[answer] != UNKNOWN
    if answer == "pneumonia":
        both = rows[known].groupby("group")[answer].nunique() == 2
        known &= rows.group.isin(both[both].index)
    return known.to_numpy()


def causes_from(validation, logits):
    """The temperature of the causes, and for each cause the least share with which it enters the set. Rows whose cause is
    only known not to be COVID-19 count for the temperature, with the sum of the other two."""
    known = (validation.cause != UNKNOWN).to_numpy()
    rows, values = validation[known], logits[known][:, OUTPUT_CAUSES]
    cause = rows.cause.to_numpy()
    weight = 1 / rows.groupby(["cause", "group"]).path.transform("count").to_numpy()
    heat = round(temperature(values, cause, weight / weight.sum()), 3)
    p = shares(values, heat)
    sets = {2 + c: {"present": round(conformal(p[cause == c, c]), 4)} for c in range(3)}
    return heat, sets
