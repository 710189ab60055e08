"""Further figures: severity, prognosis, refusals, and controls for other explanations of the results."""

import json
import os

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from . import heads
from .labels import COVID, PNEUMONIA, UNKNOWN
from .measure import interval, measurement, weighted_auc

PROGNOSIS_DIRECTIONS = 8
# Written by leave_one_out.py.
LOGS = ("leave_one_out.json", "blacked_out.json")


def more_figures(rows, features, in_training, lungs, inputs, log):
    """A list of figures, as measure.measurement makes them."""
    found = list(severity_figures(rows, lungs)) + list(refusal_figures(inputs["refusals"]))
    found += shortcut_figures(rows, features, in_training)
    found += prognosis_figures(rows, features, features[in_training])
    for name in LOGS:
        if os.path.exists(f"{log}/{name}"):
            with open(f"{log}/{name}", encoding="utf-8") as file:
                found += json.load(file)
    return [figure for figure in found if figure]


def severity_figures(rows, lungs):
    scored = rows[rows.geographic_extent.notna()]
    for index, name in enumerate(("geographic_extent", "opacity")):
        reference, predicted = scored[name].to_numpy(float), lungs["predicted"][:, index]
        whole = {"n": lungs["n"], "patients": lungs["patients"]}
        on = "ieee8023, patient-grouped cross-validation"
        for statistic, value in (("MAE", weighted_mae), ("Pearson r", weighted_pearson)):
            bounds = interval_of(value, reference, predicted, scored.patient.to_numpy())
            yield {"label": name, "on": on, "statistic": statistic,
                   "value": value(reference, predicted, np.ones(len(reference)))} | bounds | whole


def weighted_mae(reference, predicted, weight):
    return float((weight * np.abs(reference - predicted)).sum() / weight.sum())


def weighted_pearson(reference, predicted, weight):
    covariance = np.cov(reference, predicted, aweights=weight)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def interval_of(statistic, reference, predicted, patient):
    bounds = interval(statistic, reference, predicted, patient)
    return dict(zip(("low", "high"), bounds)) if bounds else {}


def refusal_figures(refusals):
    for name, rates in refusals.items():
        for what in ("refused", "caution"):
            yield {"label": "Input check", "on": name, "statistic": f"share {what}", "value": rates[what], "n": rates["n"]}


def shortcut_figures(rows, features, in_training):
    """How well the source, the view, or age and sex alone answer the questions."""
    test = (rows.split == "test").to_numpy()
    deviation = features[in_training].std(0) + 1e-3
    whose = LogisticRegression(C=0.01, max_iter=200).fit(features[in_training] / deviation, rows.source[in_training])
    right = whose.predict(features[test] / deviation) == rows.source[test]
    yield {"label": "control", "on": "test split, all sources mixed", "statistic": "accuracy of the source from the features",
           "value": float(right.mean()), "n": int(test.sum()), "patients": rows[test].patient.nunique()}
    for answer, label in (("pneumonia", "Pneumonia"), ("covid", "COVID-19")):
        yield control(rows, test, in_training, label, answer, "source only", pd.get_dummies(rows.source), None)
        yield control(rows, test, in_training, label, answer, "view only", pd.get_dummies(rows["view"].fillna("?")), None)
    adults = rows.source == "nih"
    facts = pd.DataFrame({"age": rows.age.fillna(rows.age.median()), "male": rows.sex == "M"})
    yield control(rows, test, in_training, "Pneumonia", "pneumonia", "age and sex only", facts, adults)
    yield control(rows, test, in_training, "Pneumonia", "pneumonia", "view only",
                  pd.get_dummies(rows["view"].fillna("?")), adults)


def control(rows, test, in_training, label, answer, name, facts, where):
    """AUC of a logistic regression on `facts`, fitted on training rows; `where` selects rows, or is None for all."""
    known = rows[answer] != UNKNOWN
    if where is not None:
        known &= where
    x = facts.astype(float)
    fit = LogisticRegression(max_iter=1000).fit(x[known & in_training], rows[answer][known & in_training])
    chosen = rows[known & test].assign(control=fit.predict_proba(x[known & test])[:, 1])
    on = "test split, all sources mixed" if where is None else "nih test split"
    return measurement(label, on, f"AUC, control: {name}", weighted_auc, chosen, "control", chosen[answer] == 1)


def prognosis_figures(rows, features, trained):
    """AUC of admission to intensive care inside hannover, by patient-grouped cross-validation."""
    own = rows[(rows.source == "hannover")]
    admitted = own.icu_admission_offset.notna().to_numpy()
    mean, directions, variances = heads.directions(trained, PROGNOSIS_DIRECTIONS)
    x = (features[own.index] - mean) @ (directions / np.sqrt(variances[:, None])).T
    risk = np.zeros(len(own))
    for train, test in GroupKFold(10).split(x, groups=own.patient):
        risk[test] = LogisticRegression(C=0.1).fit(x[train], admitted[train]).predict_proba(x[test])[:, 1]
    on = "hannover, patient-grouped cross-validation; not shown by the program"
    yield measurement("admission to intensive care", on, "AUC", weighted_auc, own.assign(risk=risk), "risk", admitted)
    # Patients in intensive care are radiographed lying down, so the view alone may predict the admission.
    yield measurement("admission to intensive care", on, "AUC, control: view only", weighted_auc,
                      own.assign(risk=(own["view"] == "AP").astype(float)), "risk", admitted)


def presence_aucs(rows, where):
    """AUC of Pneumonia, COVID-19, and COVID-19 among pneumonia; `rows` have the columns `logit 0` and `logit 1`."""
    pneumonia, covid = rows[rows.pneumonia != UNKNOWN], rows[rows.covid != UNKNOWN]
    other = covid[covid.pneumonia == 1]
    yield measurement("Pneumonia", where, "AUC", weighted_auc, pneumonia, f"logit {PNEUMONIA}", pneumonia.pneumonia == 1)
    yield measurement("COVID-19", where, "AUC", weighted_auc, covid, f"logit {COVID}", covid.covid == 1)
    yield measurement("COVID-19", f"{where}, against other pneumonia", "AUC", weighted_auc, other, f"logit {COVID}",
                      other.covid == 1)
