"""Two scores of clustered cases: the variance of Obuchowski 1997 (Biometrics 53:567) by its definition, comparing every
pair of images and summing within patients. Written for the test alone, with none of the program's short cuts.

    python tests/data/obuchowski.py > tests/data/obuchowski.json      (NumPy 2.4.6, SciPy 1.17.1)

`jackknife` is the standard error of the difference by leaving one patient out at a time, another way to the same number.
"""

import json

import numpy as np
from scipy.stats import norm

rng = np.random.default_rng(14)


def psi(x, y):
    return 1.0 if x > y else 0.5 if x == y else 0.0


def area(score, truth):
    pairs = [psi(x, y) for x in score[truth] for y in score[~truth]]
    return float(np.mean(pairs))


def covariance(scores, truth, patient):
    """[2, 2] of the areas of both scores."""
    people = sorted(set(patient.tolist()))
    m, n = truth.sum(), (~truth).sum()
    theta = [area(s, truth) for s in scores]
    x_sums, y_sums = np.zeros((2, len(people))), np.zeros((2, len(people)))
    for r, s in enumerate(scores):
        v10 = {i: np.mean([psi(s[i], s[k]) for k in np.flatnonzero(~truth)]) for i in np.flatnonzero(truth)}
        v01 = {k: np.mean([psi(s[i], s[k]) for i in np.flatnonzero(truth)]) for k in np.flatnonzero(~truth)}
        for at, who in enumerate(people):
            own = np.flatnonzero(patient == who)
            x_sums[r, at] = sum(v10[i] - theta[r] for i in own if truth[i])
            y_sums[r, at] = sum(v01[k] - theta[r] for k in own if not truth[k])
    i10 = len({p for p, t in zip(patient, truth) if t})
    i01 = len({p for p, t in zip(patient, truth) if not t})
    i = len(people)
    found = np.zeros((2, 2))
    for r in range(2):
        for s in range(2):
            s10 = i10 / ((i10 - 1) * m) * (x_sums[r] * x_sums[s]).sum()
            s01 = i01 / ((i01 - 1) * n) * (y_sums[r] * y_sums[s]).sum()
            s11 = i / (i - 1) * (x_sums[r] * y_sums[s]).sum()
            s11_turned = i / (i - 1) * (x_sums[s] * y_sums[r]).sum()
            found[r, s] = s10 / m + s01 / n + (s11 + s11_turned) / (m * n)
    return found


def jackknife(scores, truth, patient):
    people = sorted(set(patient.tolist()))
    without = []
    for who in people:
        keep = patient != who
        without.append(area(scores[0][keep], truth[keep]) - area(scores[1][keep], truth[keep]))
    count = len(people)
    return float(np.sqrt((count - 1) / count * ((np.array(without) - np.mean(without)) ** 2).sum()))


def case_set(name, people, images, shared, mixed, decimals=6):
    """`images`: of each patient; `shared`: deviation that a patient's images have in common; `mixed`: whether a patient
    has images of both kinds."""
    rows = []
    for who in range(people):
        own = rng.normal(scale=shared, size=2)
        ill = rng.random() < 0.5
        for _ in range(rng.integers(1, images + 1)):
            truth = rng.random() < 0.5 if mixed else ill
            signal = rng.normal()
            rows.append((own[0] + 1.4 * truth + signal, own[1] + 0.8 * truth + signal + rng.normal(), truth, who))
    first, second = (np.round(1 / (1 + np.exp(-np.array([row[k] for row in rows]))), decimals) for k in (0, 1))
    truth, patient = np.array([row[2] for row in rows]), np.array([row[3] for row in rows])
    cov = covariance((first, second), truth, patient)
    difference = area(first, truth) - area(second, truth)
    z = difference / np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    return {"name": name, "first": first.tolist(), "second": second.tolist(), "truth": truth.astype(int).tolist(),
            "patient": patient.tolist(), "difference": float(difference), "z": float(z), "p": float(2 * norm.sf(abs(z))),
            "jackknife": jackknife((first, second), truth, patient)}


if __name__ == "__main__":
    sets = [
        case_set("one kind a patient", 60, 5, 1.0, mixed=False),
        case_set("both kinds in a patient", 50, 6, 1.0, mixed=True),
        case_set("ties", 40, 4, 0.7, mixed=True, decimals=1),
        case_set("one image a patient", 90, 1, 0.5, mixed=False),
    ]
    print(json.dumps({"sets": sets}))
