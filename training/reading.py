"""From logits to the numbers that are shown. All parameters are fixed on the validation split before the test split is read."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .heads import FEWEST, conformal, distances, even_weights, platt, sensitive_point, temperature, youden
from .labels import COVID, COVID_GIVEN, LABELS, OUTPUT_CAUSES, PNEUMONIA, UNKNOWN

# Validation images are drawn so that each class weighs a half.
PREVALENCE = 0.5
ANSWERS = {PNEUMONIA: "pneumonia", COVID: "covid"}
# A film that is not COVID-19 is called so no more often than this, in every archive.
COVID_ALARMS = 0.02
# A film is unlike those of training from the distance that this share of the pneumonias of validation exceed, in the archive
# that is farthest away.
UNLIKE = 0.05
# Films with a calibration of their own: what the card says of them, the archive that it is fitted on, and its view.
GROUPS = (({"age": [0.0, 6.0]}, "kermany", None), ({"view": "AP"}, "nih", "AP"), ({"view": "PA"}, "nih", "PA"))


@dataclass
class Reading:
    """The parameters of the card. The keys of the dictionaries are indices of LABELS. Only Pneumonia has a calibration."""

    calibration: tuple
    balanced: dict
    sensitive: dict
    conformal: dict
    temperature: float
    groups: list = field(default_factory=list)

    def scores(self, logits):
        """The scores [n, 5] of logits [n, 4]: pneumonia, COVID-19 as a product, then the causes."""
        pneumonia = calibrated(self.calibration, logits[:, PNEUMONIA])
        causes = shares(logits[:, OUTPUT_CAUSES], self.temperature)
        return np.column_stack([pneumonia, pneumonia * causes[:, COVID_GIVEN], causes])

    def onto(self, rows, logits):
        """The rows with columns `score 0` to `score 4`, and `odds` of bacterial against viral."""
        found = self.scores(logits)
        extra = {f"score {i}": found[:, i] for i in range(len(LABELS))}
        return rows.assign(**extra, odds=logits[:, 1] - logits[:, 2])


def calibrated(line, logit):
    """The probability of a logit by a (slope, intercept)."""
    slope, intercept = line
    return 1 / (1 + np.exp(-(slope * logit + intercept)))


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
    calibration = line_of(validation[chosen], logits[chosen, PNEUMONIA])
    heat, causes = causes_from(validation, logits)
    reading = Reading(calibration, {}, {}, causes, heat)
    scores = reading.scores(logits)
    for index, answer in ANSWERS.items():
        chosen = usable(validation, answer)
        rows, p = validation[chosen], scores[chosen, index]
        points = points_of(rows, p, answer)
        if index == COVID:
            points["balanced"] = max(points["balanced"], specific_everywhere(p, (rows.covid == 0).to_numpy(), rows.group.to_numpy()))
        reading.balanced[index], reading.sensitive[index] = points["balanced"], min(points["sensitive"], points["balanced"])
        reading.conformal[index] = points["conformal"]
    reading.groups = list(groups_from(validation, logits[:, PNEUMONIA]))
    return reading


def line_of(rows, logit):
    """The calibration of Pneumonia on these rows."""
    fitted = platt(logit, (rows.pneumonia == 1).to_numpy(), even_weights(rows, "pneumonia"))
    return tuple(round(v, 4) for v in fitted)


def points_of(rows, p, answer):
    """The points and the set of these rows' probabilities `p`."""
    positive, weight = (rows[answer] == 1).to_numpy(), even_weights(rows, answer)
    balanced = round(youden(rows.assign(p=p), "p", answer), 4)
    return {"balanced": balanced, "sensitive": sensitive_everywhere(p, positive, rows.source.to_numpy(), balanced),
            "conformal": {"present": round(conformal(p[positive], weight[positive]), 4),
                          "absent": round(conformal(1 - p[~positive], weight[~positive]), 4)}}


def groups_from(validation, logit):
    """The calibration and the points of Pneumonia in each of GROUPS with FEWEST films of each class: what the card says of
    the group, its archive and view, its line, and its points."""
    for said, archive, view in GROUPS:
        chosen = in_group(validation, archive, view) & (validation.pneumonia != UNKNOWN).to_numpy()
        rows = validation[chosen]
        if min((rows.pneumonia == value).sum() for value in (0, 1)) >= FEWEST:
            line = line_of(rows, logit[chosen])
            yield said, (archive, view), line, points_of(rows, calibrated(line, logit[chosen]), "pneumonia")


def in_group(rows, archive, view):
    """A mask of the rows of an archive and a view; a view of None is any."""
    own = (rows.group == archive).to_numpy()
    return own if view is None else own & rows["view"].fillna("").str.startswith(view).to_numpy()


def unlike_from(validation, distance_model, features):
    """The distance from which a film is unlike those that the causes were learned from."""
    ill = (validation.pneumonia == 1).to_numpy()
    far = pd.Series(distances(distance_model, features[ill])).groupby(validation.group[ill].to_numpy())
    enough = far.count() >= FEWEST
    return round(float(far.quantile(1 - UNLIKE)[enough].max()), 4)


def specific_everywhere(p, negative, archive):
    """The least threshold with four decimals that COVID_ALARMS of the negatives of any archive reach, at most."""
    groups = (negative & (archive == name) for name in sorted(set(archive)))
    lines = [np.quantile(p[own], 1 - COVID_ALARMS) for own in groups if own.sum() >= FEWEST]
    return math.ceil(max(lines) * 1e4) / 1e4


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
