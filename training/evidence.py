"""Further figures: severity, refusals, and controls for other explanations of the results."""

import json
import os

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from . import heads
from .labels import COVID, PNEUMONIA, UNKNOWN
from .measure import interval, measurement, weighted_auc

# Written by leave_one_out.py.
LOGS = ("leave_one_out.json", "blacked_out.json")
# Written by `cxr evaluate -m MANIFEST --split test --boxes-column rsna_boxes -o boxes`.
BOXES = "boxes/report.csv"
# Its figures of heat maps that the card has.
OF_HEAT_MAPS = ("pointing accuracy", "pointing accuracy, control: middle of each lung", "share of evidence in the boxes",
                "share of evidence in the lungs, median", "share of evidence in the lungs, 5th percentile")


def more_figures(data, rows, features, in_training, severity, inputs, log):
    """A list of figures, as measure.measurement makes them."""
    found = list(severity_figures(rows, severity)) + list(refusal_figures(inputs["refusals"]))
    found += brixia_figures(data, rows, features, severity)
    found += shortcut_figures(rows, features, in_training)
    found += pointing_figures(f"{log}/{BOXES}")
    for name in LOGS:
        if os.path.exists(f"{log}/{name}"):
            with open(f"{log}/{name}", encoding="utf-8") as file:
                found += json.load(file)
    return [figure for figure in found if figure]


def pointing_figures(path):
    """Where the heat map of Pneumonia looks, on films with boxes of radiologists."""
    if not os.path.exists(path):
        return
    table = pd.read_csv(path)
    for row in table[(table.group == "all") & table.statistic.isin(OF_HEAT_MAPS) & (table.question == "Pneumonia")].itertuples():
        figure = {"label": "Pneumonia", "on": "nih test split, radiologists' boxes", "statistic": row.statistic, "value": row.value}
        bounds = {} if pd.isna(row.low) else {"low": row.low, "high": row.high}
        yield figure | bounds | {"n": int(row.images), "patients": int(row.patients)}


def severity_figures(rows, severity):
    scored = rows[rows.geographic_extent.notna()]
    for index, name in enumerate(("geographic_extent", "opacity")):
        reference, predicted = scored[name].to_numpy(float), severity["predicted"][:, index]
        whole = {"n": severity["n"], "patients": severity["patients"]}
        on = "ieee8023, patient-grouped cross-validation"
        for statistic, value in (("MAE", weighted_mae), ("Pearson r", weighted_pearson)):
            bounds = interval_of(value, reference, predicted, scored.patient.to_numpy())
            yield {"label": name, "on": on, "statistic": statistic,
                   "value": value(reference, predicted, np.ones(len(reference)))} | bounds | whole


def brixia_figures(data, rows, features, severity):
    """Rank correlation with the Brixia score (Signoroni et al. 2021), the mean of two radiologists. Nothing is fitted to it.
    Images that the severity was fitted on have their prediction from cross-validation."""
    scores = pd.read_csv(f"{data}/brixia.csv").assign(brixia=lambda t: (t.reader_1_score + t.reader_2_score) / 2)
    predicted = heads.apply((severity["weight"], severity["bias"]), features)
    predicted[rows.geographic_extent.notna().to_numpy()] = severity["predicted"]
    own = rows[["path", "patient"]].assign(extent=predicted[:, 0], opacity=predicted[:, 1]).merge(scores, on="path")
    for name, column in (("geographic_extent", "extent"), ("opacity", "opacity")):
        reference, value = own.brixia.to_numpy(float), own[column].to_numpy()
        bounds = interval_of(spearman, reference, value, own.patient.to_numpy())
        yield {"label": name, "on": "ieee8023, Brixia score of two radiologists (0 to 18), for measuring only", "statistic": "Spearman rho",
               "value": spearman(reference, value, np.ones(len(own)))} | bounds | {"n": len(own), "patients": own.patient.nunique()}


def spearman(reference, predicted, weight):
    times = weight.astype(int)
    a, b = np.repeat(reference, times), np.repeat(predicted, times)
    return float(spearmanr(a, b).statistic)


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


def presence_aucs(rows, where):
    """AUC of Pneumonia, COVID-19, and COVID-19 among pneumonia; `rows` have the columns
    `score 0` and `score 1`."""
    pneumonia, covid = rows[rows.pneumonia != UNKNOWN], rows[rows.covid != UNKNOWN]
    other = covid[covid.pneumonia == 1]
    yield measurement("Pneumonia", where, "AUC", weighted_auc, pneumonia, f"score {PNEUMONIA}", pneumonia.pneumonia == 1)
    yield measurement("COVID-19", where, "AUC", weighted_auc, covid, f"score {COVID}", covid.covid == 1)
    yield measurement("COVID-19", f"{where}, against other pneumonia", "AUC", weighted_auc, other, f"score {COVID}",
                      other.covid == 1)
