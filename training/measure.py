"""Operating points from the validation split, then figures on data that training never saw."""

import numpy as np
import torch

from .data import inputs
from .labels import BACTERIAL, COVID, COVID_GIVEN, LABELS, PNEUMONIA, UNKNOWN, VIRAL
from .network import scores

DRAWS = 2000
SEED = 7
FORWARD = 16


@torch.no_grad()
def logits(model, data, paths):
    """float32 [n, 5], in the order of `paths`."""
    parts = []
    for start in range(0, len(paths), FORWARD):
        batch = torch.from_numpy(inputs(data, paths[start : start + FORWARD]))
        parts.append(model(batch.to(memory_format=torch.channels_last)))
    return torch.cat(parts)


def with_scores(model, data, rows):
    """The rows with a column `score 0` to `score 4`, and `odds`: log-odds of bacterial against viral."""
    raw = logits(model, data, list(rows.path))
    rows = rows.assign(**{f"score {i}": column for i, column in enumerate(scores(raw).T.double().numpy())})
    return rows.assign(odds=(raw[:, 2 + BACTERIAL] - raw[:, 2 + VIRAL]).double().numpy())


def weighted_auc(score, positive, weight):
    """Area under the ROC curve (Mann-Whitney, ties a half) with a weight per image; None if undefined."""
    levels, level = np.unique(score, return_inverse=True)
    above = np.bincount(level, weight * positive, len(levels))
    below = np.bincount(level, weight * ~positive, len(levels))
    pairs = above.sum() * below.sum()
    if pairs == 0:
        return None
    return float((above * (np.cumsum(below) - below / 2)).sum() / pairs)


def fraction_above(threshold):
    """Statistic: the weighted share of the images with a score of at least `threshold`."""

    def share(score, _positive, weight):
        total = weight.sum()
        return float((weight * (score >= threshold)).sum() / total) if total > 0 else None

    return share


def fraction_below(threshold):
    share = fraction_above(threshold)

    def rest(score, positive, weight):
        above = share(score, positive, weight)
        return None if above is None else 1 - above

    return rest


def interval(statistic, score, positive, patient):
    """95 % percentile bootstrap, drawing patients with all their images; None where undefined."""
    rng = np.random.default_rng(SEED)
    _, owner = np.unique(patient, return_inverse=True)
    people = owner.max() + 1
    values = []
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(0, people, people), minlength=people)
        values.append(statistic(score, positive, times[owner].astype(float)))
    values = [value for value in values if value is not None]
    if not values:
        return None
    low, high = (float(v) for v in np.percentile(values, [2.5, 97.5]))
    # All draws alike: too few patients for a bootstrap to say anything.
    return (low, high) if low < high else None


def measurement(label, on, name, statistic, rows, column, positive):
    """One figure as a dictionary, or None where the statistic is undefined."""
    if len(rows) == 0:
        return None
    score, positive = rows[column].to_numpy(), np.asarray(positive, dtype=bool)
    value = statistic(score, positive, np.ones(len(rows)))
    if value is None:
        return None
    bounds = interval(statistic, score, positive, rows.patient.to_numpy())
    figure = {"label": label, "on": on, "statistic": name, "value": value}
    if bounds:
        figure["low"], figure["high"] = bounds
    return figure | {"n": len(rows), "positives": int(positive.sum()), "patients": rows.patient.nunique()}


def youden(rows, column, answer):
    """Threshold that maximises sensitivity + specificity, halfway between two neighbouring scores.

    Only sources that hold both classes count, if there are any, for otherwise the threshold would tell
    hospitals apart; within a class each source weighs the same, whatever its number of images.
    """
    rows = rows[rows[answer] != UNKNOWN]
    both = rows.groupby("source")[answer].nunique() == 2
    if both.any():
        rows = rows[rows.source.isin(both[both].index)]
    size = rows.groupby([answer, "source"]).path.transform("count")
    sources = rows.groupby(answer).source.transform("nunique")
    gain = (1 / (size * sources)).to_numpy() * np.where(rows[answer] == 1, 1, -1)
    score = rows[column].to_numpy()
    order = np.argsort(-score)
    best = int(np.argmax(np.cumsum(gain[order])))
    following = score[order[best + 1]] if best + 1 < len(order) else 0.0
    return float((score[order[best]] + following) / 2)


def operating_points(validation):
    """Label index to threshold, from the permissive validation rows."""
    return {i: youden(validation, f"score {i}", name) for i, name in ((PNEUMONIA, "pneumonia"), (COVID, "covid"))}


def untrained_ieee8023(rows):
    """Rows of ieee8023 that took no part in training or validation, nor did another image of the patient."""
    own = rows[rows.source == "ieee8023"]
    used = own[(own.licence_permissive == "yes") & (own.split != "test")]
    return own[~own.patient.isin(used.patient)]


def figures(test, ieee8023, points):
    """Every figure of the card. `test` is the test split, `ieee8023` the rows of untrained_ieee8023."""
    found = list(presence("Pneumonia", PNEUMONIA, "pneumonia", points, pneumonia_sets(test)))
    found += presence("COVID-19", COVID, "covid", points, covid_sets(test, ieee8023))
    found += causes(test, ieee8023)
    return [figure for figure in found if figure]


def pneumonia_sets(test):
    known = test[test.pneumonia != UNKNOWN]
    yield "test split, all sources mixed", known
    for source in ("nih", "kermany", "ieee8023"):
        yield f"{source} test split", known[known.source == source]


def covid_sets(test, ieee8023):
    yield "test split, all sources mixed", test[test.covid != UNKNOWN]
    other = ieee8023[(ieee8023.covid != UNKNOWN) & (ieee8023.pneumonia == 1)]
    yield "ieee8023 not trained on, against other pneumonia", other


def presence(label, index, answer, points, sets):
    """AUC, sensitivity and specificity at the operating point, on each of `sets`."""
    column, threshold = f"score {index}", points[index]
    for on, rows in sets:
        ill, well = rows[rows[answer] == 1], rows[rows[answer] == 0]
        yield measurement(label, on, "AUC", weighted_auc, rows, column, rows[answer] == 1)
        yield measurement(label, on, "sensitivity", fraction_above(threshold), ill, column, ill[answer] == 1)
        yield measurement(label, on, "specificity", fraction_below(threshold), well, column, well[answer] == 1)


def causes(test, ieee8023):
    """The softmax over causes: bacterial against viral, and COVID-19 against both."""
    for on, rows in (("kermany test split", test[test.source == "kermany"]),
                     ("ieee8023 not trained on", ieee8023)):
        two = rows[rows.cause.isin([BACTERIAL, VIRAL])]
        yield measurement("Bacterial", on, "AUC against Viral", weighted_auc, two, "odds", two.cause == BACTERIAL)
    last = LABELS[-1]
    for on, rows in (("test split, all sources mixed", test), ("ieee8023 not trained on", ieee8023)):
        known = rows[rows.cause != UNKNOWN]
        yield measurement(last, on, "AUC against Bacterial and Viral", weighted_auc, known, "score 4",
                          known.cause == COVID_GIVEN)
