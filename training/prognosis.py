"""Outcomes, foretold from few numbers on frozen features: severity, and at most eight principal directions.

Two sources have outcomes: ieee8023 (intensive care, intubation, supplemental oxygen, survival) and hannover (intensive
care, death). An outcome that both have is fitted on one and judged on the other, in both ways; one that only ieee8023 has
is judged by patient-grouped cross-validation. All figures are within one view, because patients who are badly off are
radiographed lying down, and stand beside a control that knows only the view and the severity. The program shows a number
only where the lower end of the interval is above 0.5 and above the control. The card has the figure of an outcome that is
farthest from that, so that there is a number only where every figure bears one. The rows are of any licence, and the row of
the card is fitted to all of them.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from .heads import FOLDS
from .measure import measurement, weighted_auc

# Numbers of directions that a fit may use, and the λ of its penalty, the same as in `cxr adapt --outcome-column`.
DIRECTIONS = (2, 4, 8)
SHRINKAGE = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
VIEWS = ("AP", "PA")
# The fewest patients with an outcome, and without it, in a view that a figure may rest on.
FEWEST_PATIENTS = 5
UNKNOWN = np.nan
CONTROL = "AUC, control: view and severity"


def answers(rows):
    """Each outcome with its answers, float [n]: 1, 0, or nan where it is not known."""
    ieee8023, hannover = (rows.source == "ieee8023").to_numpy(), (rows.source == "hannover").to_numpy()

    def of(column, yes, offset=None):
        known = rows[column].isin(["Y", "N"]).to_numpy() & ieee8023
        answer = np.where(known, (rows[column] == yes).to_numpy(float), UNKNOWN)
        return answer if offset is None else np.where(hannover, rows[offset].notna().to_numpy(float), answer)

    return {
        "admission to intensive care": of("went_icu", "Y", "icu_admission_offset"),
        "intubation": of("intubated", "Y"),
        "supplemental oxygen": of("needed_supplemental_O2", "Y"),
        "death": of("survival", "N", "death_offset"),
    }


def fitted(rows, features, severity, basis):
    """The outcomes for the model file and its card.

    `severity` is (weight [2, C], bias [2]) and `basis` is heads.directions of at least max(DIRECTIONS) directions.
    Returns {"weight" [K, C], "bias" [K], "sections": a dictionary for each, "figures": all, also of outcomes without a
    section}.
    """
    view = rows["view"].fillna("").str[:2].to_numpy()
    control = np.column_stack([features @ severity[0].T + severity[1], view == "AP", view == "PA"]).astype(float)
    weights, biases, sections, figures = [], [], [], []
    for outcome, answer in answers(rows).items():
        known = ~np.isnan(answer)
        own = rows[known].assign(outcome=answer[known] == 1, within=view[known]).reset_index(drop=True)
        numbers = along(features[known], severity, basis)
        found = list(judged(outcome, own, numbers, control[known]))
        figures += [figure for pair in found for figure in pair]
        if not found:
            continue
        sections.append(section(*min(found, key=margin)))
        count, shrinkage = chosen(numbers, own.outcome.to_numpy(), own.patient.to_numpy(), widths(numbers))
        fit = logistic(numbers[:, :count], own.outcome.to_numpy(), shrinkage)
        weight, bias = folded(fit, severity, basis)
        weights.append(weight)
        biases.append(bias)
    empty = np.zeros((0, features.shape[1]))
    return {"weight": np.array(weights) if weights else empty, "bias": np.array(biases), "sections": sections,
            "figures": figures}


def along(features, severity, basis):
    """The numbers of each image: the severity, then the positions along the directions in units of their spread."""
    mean, directions, variances = basis
    project = directions[:max(DIRECTIONS)] / np.sqrt(variances[:max(DIRECTIONS), None])
    return np.column_stack([features @ severity[0].T + severity[1], (features - mean) @ project.T])


def widths(numbers):
    """How many of the numbers a fit may use: the severity and some directions."""
    return [2 + count for count in DIRECTIONS if 2 + count <= numbers.shape[1]]


def judged(outcome, own, numbers, control):
    """Pairs of figures, of the fit and of its control, one for each way of judging and view with enough patients."""
    for on, test, risk, control_risk in ways(own, numbers, control):
        for view in VIEWS:
            rows = own.assign(risk=risk, control=control_risk)[test & (own.within == view).to_numpy()]
            if fewest(rows) < FEWEST_PATIENTS:
                continue
            where = f"{on}, within {view}"
            figure = measurement(outcome, where, "AUC", weighted_auc, rows, "risk", rows.outcome)
            beside = measurement(outcome, where, CONTROL, weighted_auc, rows, "control", rows.outcome)
            if figure and beside and "low" in figure:
                yield figure, beside


def margin(pair):
    """How far the lower end of the interval is above chance and above the control."""
    figure, beside = pair
    return figure["low"] - max(0.5, beside["value"])


def fewest(rows):
    """The number of patients with the outcome, or of those without it: the smaller one."""
    return min(rows[rows.outcome == came].patient.nunique() for came in (True, False))


def ways(own, numbers, control):
    """(where, rows that are judged, the fit's logits, the control's logits) of each way of judging."""
    outcome, patient = own.outcome.to_numpy(), own.patient.to_numpy()
    sources = [source for source in sorted(set(own.source)) if both(outcome[(own.source == source).to_numpy()])]
    if len(sources) > 1:
        for train in sources:
            for test in sources:
                if test != train:
                    seen, new = (own.source == train).to_numpy(), (own.source == test).to_numpy()
                    yield (f"{test}, fitted on {train}", new, unseen(numbers, outcome, patient, seen, widths(numbers)),
                           unseen(control, outcome, patient, seen, [control.shape[1]]))
    elif sources:
        risk, control_risk = np.zeros(len(own)), np.zeros(len(own))
        for train, test in GroupKFold(min(10, len(set(patient)))).split(numbers, groups=patient):
            seen = np.isin(np.arange(len(own)), train)
            risk[test] = unseen(numbers, outcome, patient, seen, widths(numbers))[test]
            control_risk[test] = unseen(control, outcome, patient, seen, [control.shape[1]])[test]
        yield f"{sources[0]}, patient-grouped cross-validation", np.ones(len(own), bool), risk, control_risk


def both(outcome):
    return len(set(outcome)) == 2


def unseen(numbers, outcome, patient, seen, may_use):
    """The logits of all rows by a fit to those that are `seen`. The choices are made among these alone."""
    count, shrinkage = chosen(numbers[seen], outcome[seen], patient[seen], may_use)
    weight, bias = logistic(numbers[seen, :count], outcome[seen], shrinkage)
    return numbers[:, :count] @ weight + bias


def chosen(numbers, outcome, patient, may_use):
    """The count of numbers and the λ with the least log loss in patient-grouped cross-validation."""
    folds = list(GroupKFold(min(FOLDS, len(set(patient)))).split(numbers, groups=patient))

    def loss(setting):
        count, shrinkage = setting
        total = 0.0
        for train, test in folds:
            if both(outcome[train]):
                weight, bias = logistic(numbers[train, :count], outcome[train], shrinkage)
                z = numbers[test, :count] @ weight + bias
                total += np.logaddexp(0, np.where(outcome[test], -z, z)).sum()
        return total

    return min(((count, shrinkage) for count in may_use for shrinkage in SHRINKAGE), key=loss)


def logistic(numbers, outcome, shrinkage):
    """The weight and bias of a logistic regression on standardised numbers, for the numbers as they are."""
    mean, spread = numbers.mean(0), numbers.std(0)
    spread = np.where(spread > 1e-7 * np.abs(mean) + 1e-12, spread, np.inf)
    fit = LogisticRegression(C=1 / (shrinkage * len(outcome)), max_iter=1000).fit((numbers - mean) / spread, outcome)
    weight = fit.coef_[0] / spread
    return weight, float(fit.intercept_[0] - weight @ mean)


def folded(fit, severity, basis):
    """A fit as one function of the features: weight [C] and bias."""
    weight, bias = fit
    mean, directions, variances = basis
    count = len(weight) - 2
    project = weight[2:] @ (directions[:count] / np.sqrt(variances[:count, None]))
    return weight[:2] @ severity[0] + project, float(bias + weight[:2] @ severity[1] - project @ mean)


def section(figure, beside):
    """A figure and its control as a section of the card."""
    return {"outcome": figure["label"], "on": figure["on"], "auc": figure["value"], "low": figure["low"],
            "high": figure["high"], "control_auc": beside["value"], "n": figure["n"], "patients": figure["patients"]}
