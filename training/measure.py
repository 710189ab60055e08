"""Figures on data that training never saw. Rows have the columns of reading.Reading.onto."""

from types import SimpleNamespace

import numpy as np
from sklearn.linear_model import LogisticRegression

from .labels import BACTERIAL, COVID, COVID_GIVEN, LABELS, PNEUMONIA, UNKNOWN, VIRAL
from .reading import calibrated, in_group

DRAWS = 2000
SEED = 7
BINS = 10


def weighted_auc(score, positive, weight):
    """The area under the ROC curve (Mann-Whitney, ties count a half) with a weight per image; None if undefined."""
    levels, level = np.unique(score, return_inverse=True)
    above = np.bincount(level, weight * positive, len(levels))
    below = np.bincount(level, weight * ~positive, len(levels))
    pairs = above.sum() * below.sum()
    if pairs == 0:
        return None
    return float((above * (np.cumsum(below) - below / 2)).sum() / pairs)


def fraction_above(threshold):
    """A statistic: the weighted share of the images that score at least `threshold`."""

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
    """A 95 % interval by percentile bootstrap, which draws patients with all their images; None if undefined."""
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
    # If all draws are alike, there are too few patients for a bootstrap.
    return (low, high) if low < high else None


def measurement(label, on, name, statistic, rows, column, positive):
    """One figure as a dictionary, or None if the statistic is undefined."""
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


def untrained_ieee8023(rows):
    """The rows of ieee8023 whose patients took no part in training or validation."""
    own = rows[rows.source == "ieee8023"]
    used = own[(own.licence_permissive == "yes") & (own.split != "test")]
    return own[~own.patient.isin(used.patient)]


def figures(test, ieee8023, reading):
    """Every figure of the card. `test` is the test split, `ieee8023` the rows of untrained_ieee8023."""
    found = list(presence("Pneumonia", PNEUMONIA, "pneumonia", reading, pneumonia_sets(test)))
    found += presence("COVID-19", COVID, "covid", reading, covid_sets(test, ieee8023))
    found += causes(test, ieee8023)
    found += coverage(test, reading)
    return [figure for figure in found if figure]


def group_figures(test, logits, reading):
    """Figures of Pneumonia in the groups that have a calibration of their own, by that calibration. `logits` are of `test`."""
    found = []
    for said, (archive, view), line, points in reading.groups:
        own = in_group(test, archive, view) & (test.pneumonia != UNKNOWN).to_numpy()
        scored = test[own].assign(**{f"score {PNEUMONIA}": calibrated(line, logits[own, PNEUMONIA])})
        of_group = SimpleNamespace(balanced={PNEUMONIA: points["balanced"]}, sensitive={PNEUMONIA: points["sensitive"]})
        name = ", ".join(f"{key} {value}" for key, value in said.items())
        on = f"{archive} test split, as {name}"
        found += presence("Pneumonia", PNEUMONIA, "pneumonia", of_group, [(on, scored)])
    return [figure for figure in found if figure]


def at_half(statistic):
    """A statistic at the prevalence that the card assumes: each class weighs a half. None if there is only one."""
    def value(p, positive, weight):
        ill, well = weight[positive].sum(), weight[~positive].sum()
        if min(ill, well) == 0:
            return None
        return statistic(p, positive, weight * np.where(positive, 0.5 / ill, 0.5 / well))

    return value


def brier(p, positive, weight):
    total = weight.sum()
    return float((weight * (p - positive) ** 2).sum() / total) if total > 0 else None


def expected_calibration_error(p, positive, weight):
    """The expected calibration error over BINS bins of equal width, weighted by their images (Guo et al. 2017)."""
    bin_of = np.minimum((p * BINS).astype(int), BINS - 1)
    total = np.bincount(bin_of, weight, BINS)
    if total.sum() == 0:
        return None
    gap = np.bincount(bin_of, weight * (p - positive), BINS)
    return float(np.abs(gap).sum() / total.sum())


def calibration_slope(p, positive, weight):
    """The slope of a logistic regression of the outcome on logit(p) (Cox 1958); None if there is only one class."""
    if len(set(positive[weight > 0])) < 2:
        return None
    odds = np.log(p / (1 - p)).clip(-20, 20)
    return float(LogisticRegression(C=1e6).fit(odds[:, None], positive, sample_weight=weight).coef_[0, 0])


def coverage(test, reading):
    """How often the 90 % set holds the reference standard's answer, for each class."""
    for index, answer, label in ((PNEUMONIA, "pneumonia", "Pneumonia"), (COVID, "covid", "COVID-19")):
        sets = reading.conformal[index]
        for value, word in ((1, "present"), (0, "absent")):
            for source in ("nih", "kermany"):
                rows = test[(test[answer] == value) & (test.group == source)]
                p = rows[f"score {index}"] if value else 1 - rows[f"score {index}"]
                rows = rows.assign(true=p)
                yield measurement(label, f"{source} test split, {word}", "coverage of the 90 % set",
                                  fraction_above(sets[word]), rows, "true", np.full(len(rows), value == 1))


def pneumonia_sets(test):
    known = test[test.pneumonia != UNKNOWN]
    yield "test split, all sources mixed", known
    for source in ("nih", "kermany", "ieee8023"):
        yield f"{source} test split", known[known.group == source]
    seen = known[known.rsna_class.isin(["Lung Opacity", "Normal"])]
    for view in ("AP", "PA"):
        yield f"nih test split, radiologists' labels within {view}", seen[seen["view"].str.startswith(view)]


def covid_sets(test, ieee8023):
    yield "test split, all sources mixed", test[test.covid != UNKNOWN]
    other = ieee8023[(ieee8023.covid != UNKNOWN) & (ieee8023.pneumonia == 1)]
    yield "ieee8023 not trained on, against other pneumonia", other


def presence(label, index, answer, reading, sets):
    """AUC, sensitivity and specificity at both operating points, calibration, on each of `sets`."""
    column = f"score {index}"
    for on, rows in sets:
        ill, well = rows[rows[answer] == 1], rows[rows[answer] == 0]
        reference = rows[answer] == 1
        yield measurement(label, on, "AUC", weighted_auc, rows, column, reference)
        for point, suffix in ((reading.balanced[index], ""), (reading.sensitive[index], ", 90 % sensitivity point")):
            yield measurement(label, on, f"sensitivity{suffix}", fraction_above(point), ill, column, ill[answer] == 1)
            yield measurement(label, on, f"specificity{suffix}", fraction_below(point), well, column, well[answer] == 1)
        for name, statistic in (("Brier", brier), ("ECE", expected_calibration_error)):
            yield measurement(label, on, f"{name}, half of them positive", at_half(statistic), rows, column, reference)
        slope = at_half(calibration_slope)(rows[column].to_numpy(), reference.to_numpy(), np.ones(len(rows))) if len(rows) else None
        if slope is not None:
            yield {"label": label, "on": on, "statistic": "calibration slope", "value": slope, "n": len(rows),
                   "positives": int(reference.sum()), "patients": rows.patient.nunique()}


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
