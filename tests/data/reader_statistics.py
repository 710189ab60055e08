"""Reference numbers for statistics of reader studies, by their definitions and with none of the program's short cuts.

    python tests/data/reader_statistics.py > tests/data/reader_statistics.json
    (NumPy 1.26.4, SciPy 1.17.1, pandas 2.3.3, irrCAC 0.4.4, krippendorff 0.9.0)

The data are made up here. Moments of U-statistics are means over all their tuples (Gallas 2006, table 1; iMRMC goes
through matrices instead); jackknife figures are computed anew without each patient; DeLong's covariances are those of
their paper's formula. AC1, AC2 and alpha are from the packages named.
`reader_statistics.R` adds what R's lme4 and psych say.
"""

import itertools
import json

import numpy as np
from scipy import stats

rng = np.random.default_rng(23)


def win(high, low):
    return 1.0 if high > low else 0.5 if high == low else 0.0


def auc(ratings, truth):
    """`ratings`: None where not read."""
    pairs = [(h, l) for h, t in zip(ratings, truth) if t and h is not None for l, u in zip(ratings, truth) if not u and l is not None]
    return float(np.mean([win(h, l) for h, l in pairs])) if pairs else float("nan")


def share(ratings, truth, positive):
    own = [r if positive else 1 - r for r, t in zip(ratings, truth) if t == positive and r is not None]
    return float(np.mean(own)) if own else float("nan")


# --- data --------------------------------------------------------------------------------------------------------------


def study(name, readers, cases, images=1, levels=None, missing=None):
    """Roe and Metz 1997: a rating is the sum of effects of case, reader by case, mode by case and rest."""
    patients = np.repeat(np.arange(cases), images)
    truth = np.repeat(np.arange(cases) % 5 < 2, images)
    n = len(truth)
    c = np.repeat(rng.normal(size=cases), images) * 0.8 + rng.normal(size=n) * 0.2
    ratings = []
    for mode in range(2):
        mc = rng.normal(size=n) * 0.4
        rows = []
        for _ in range(readers):
            shift = (1.0 + 0.4 * mode + 0.3 * rng.normal()) * truth
            row = shift + c + mc + 0.5 * rng.normal(size=n)
            if levels:
                row = np.clip(np.round(row), -levels, levels)
            rows.append([round(float(v), 4) for v in row])
        ratings.append(rows)
    if missing:
        for mode, reader, case in itertools.product(range(2), range(readers), range(n)):
            if missing(mode, reader, case):
                ratings[mode][reader][case] = None
    return {"name": name, "truth": truth.tolist(), "patient": [f"p{p}" for p in patients], "ratings": ratings}


# --- U-statistics --------------------------------------------------------------------------------------------------------


def u_moments(a, b, truth):
    """Sum and number of products of wins for each of the eight moments, of modes `a` and `b`."""
    pos, neg = [i for i, t in enumerate(truth) if t], [i for i, t in enumerate(truth) if not t]
    R = len(a)

    def matrix(row):
        m = np.full((len(neg), len(pos)), np.nan)
        for x, i in enumerate(neg):
            for y, j in enumerate(pos):
                if row[i] is not None and row[j] is not None:
                    m[x, y] = win(row[j], row[i])
        return m

    A, B = [matrix(r) for r in a], [matrix(r) for r in b]
    sums, counts = np.zeros(8), np.zeros(8)
    for r, s in itertools.product(range(R), range(R)):
        x, y = A[r], B[s]
        for (i, k) in itertools.product(range(len(neg)), repeat=2):
            products = np.outer(x[i], y[k])
            known = ~np.isnan(products)
            same = np.eye(len(pos), dtype=bool)
            for both, of_positive in ((same, True), (~same, False)):
                use = known & both
                at = (0 if r == s else 4) + (0 if i == k and of_positive else 1 if of_positive else 2 if i == k else 3)
                sums[at] += products[use].sum()
                counts[at] += use.sum()
    areas = [np.nansum([np.nansum(m) for m in M]) / sum((~np.isnan(m)).sum() for m in M) for M in (A, B)]
    return sums, counts, areas


def u_analysis(sums, counts):
    """Variance, components of negative cases, positive cases and readers (biased) and their degrees of freedom."""
    unbiased = [s / c if c else None for s, c in zip(sums, counts)]
    coefficient = counts / counts.sum()
    coefficient[7] -= 1
    variance = sum(c * m for c, m in zip(coefficient, unbiased) if m is not None)

    def biased(*same):
        """Mean over tuples that agree in `same`, whether they agree elsewhere or not."""
        # bit 0: same reader, bit 1: same negative case, bit 2: same positive case, by number of the moment
        agree = [{"r", "n", "p"}, {"r", "p"}, {"r", "n"}, {"r"}, {"n", "p"}, {"p"}, {"n"}, set()]
        at = [k for k in range(8) if set(same) <= agree[k]]
        return sum(sums[k] for k in at) / sum(counts[k] for k in at)

    components = [biased(x) - biased() for x in "npr"]
    agree = [{"r", "n", "p"}, {"r", "p"}, {"r", "n"}, {"r"}, {"n", "p"}, {"p"}, {"n"}, set()]
    df = [round(1 / sum(counts[k] / counts.sum() for k in range(8) if x in agree[k]) - 1) for x in "npr"]
    return variance, np.array(components), np.array(df, float), unbiased, coefficient


def satterthwaite(variance, components, df):
    return max(variance**2 / (components**2 / df**3).sum(), df.min())


def t_test(value, variance, df):
    e = np.sqrt(variance)
    if df > 50:
        q, p = stats.norm.ppf(0.975), 2 * stats.norm.sf(abs(value / e))
    else:
        q, p = stats.t.ppf(0.975, np.floor(df)), 2 * stats.t.sf(abs(value / e), np.floor(df))
    return [value - q * e, value + q * e], p


def u_statistics(data):
    truth, (one, two) = data["truth"], data["ratings"]
    found = {}
    parts = {}
    for name, a, b in (("first", one, one), ("second", two, two), ("both", one, two)):
        sums, counts, areas = u_moments(a, b, truth)
        parts[name] = (*u_analysis(sums, counts), areas)
    for name in ("first", "second"):
        variance, components, df, moments, coefficients, areas = parts[name]
        dof = satterthwaite(variance, components, df)
        interval, _ = t_test(areas[0], variance, dof)
        found[name] = {"value": areas[0], "variance": variance, "df": dof, "interval": interval,
                       "moments": moments, "coefficients": list(coefficients)}
    variance = parts["first"][0] + parts["second"][0] - 2 * parts["both"][0]
    components = parts["first"][1] + parts["second"][1] - 2 * parts["both"][1]
    dof = satterthwaite(variance, components, np.minimum(parts["first"][2], parts["second"][2]))
    value = found["first"]["value"] - found["second"]["value"]
    interval, p = t_test(value, variance, dof)
    found["difference"] = {"value": value, "variance": variance, "df": dof, "interval": interval, "p": p}
    return found


def proportions(data, positive, threshold):
    """By the area of a study whose other class are identical cases that every case beats or loses to: iMRMC's way."""
    truth = data["truth"]
    calls = [[[None if v is None else float(v >= threshold) for v in row] for row in mode] for mode in data["ratings"]]
    own = [i for i, t in enumerate(truth) if t == positive]
    made = {"truth": [True] * len(own) + [False] * 400, "ratings": [
        [[(row[i] if positive else 1 - row[i]) if row[i] is not None else None for i in own] + [0.5] * 400 for row in mode]
        for mode in calls]}
    # Sums by hand: wins do not depend on the negative case, so that the sums over pairs of them are multiples.
    def moments(a, b):
        sums, counts = np.zeros(4), np.zeros(4)
        for r, s in itertools.product(range(len(a)), repeat=2):
            for i, j in itertools.product(range(len(own)), repeat=2):
                if a[r][i] is None or b[s][j] is None:
                    continue
                at = (0 if r == s else 2) + (0 if i == j else 1)
                sums[at] += a[r][i] * b[s][j]
                counts[at] += 1
        return sums, counts

    def analysis(sums, counts):
        m = [s / c if c else 0 for s, c in zip(sums, counts)]
        coefficient = counts / counts.sum()
        variance = float(coefficient @ m - m[3])
        mean = lambda at: sums[at].sum() / counts[at].sum()
        everything = sums.sum() / counts.sum()
        components = np.array([mean([0, 2]) - everything, mean([0, 1]) - everything])
        df = np.array([round(1 / coefficient[[0, 2]].sum() - 1), round(1 / coefficient[[0, 1]].sum() - 1)], float)
        return variance, components, df

    rows = [[row[: len(own)] for row in mode] for mode in made["ratings"]]
    parts = [analysis(*moments(rows[a], rows[b])) for a, b in ((0, 0), (1, 1), (0, 1))]
    value = [float(np.mean([v for row in mode for v in row if v is not None])) for mode in rows]
    dof = satterthwaite(parts[0][0], parts[0][1], parts[0][2])
    variance = parts[0][0] + parts[1][0] - 2 * parts[2][0]
    df = satterthwaite(variance, parts[0][1] + parts[1][1] - 2 * parts[2][1], np.minimum(parts[0][2], parts[1][2]))
    interval, p = t_test(value[0] - value[1], variance, df)
    return {"threshold": threshold, "first": {"value": value[0], "variance": parts[0][0], "df": dof},
            "difference": {"value": value[0] - value[1], "variance": variance, "df": df, "interval": interval, "p": p}}


# --- Obuchowski and Rockette -----------------------------------------------------------------------------------------------


def jackknife(data, figure, cases):
    truth, patient = data["truth"], data["patient"]
    people = list(dict.fromkeys(p for p, c in zip(patient, cases) if c))
    cells = [row for mode in data["ratings"] for row in mode]
    without = np.array([[figure([None if q == who else v for v, q in zip(row, patient)], truth) for who in people] for row in cells])
    centred = without - without.mean(axis=1, keepdims=True)
    covariance = (len(people) - 1) / len(people) * centred @ centred.T
    for a, b in itertools.combinations(range(len(cells)), 2):
        if not any(x is not None and y is not None and c for x, y, c in zip(cells[a], cells[b], cases)):
            covariance[a, b] = covariance[b, a] = 0
    return covariance


def delong(data):
    truth = np.array(data["truth"])
    cells = [np.array(row) for mode in data["ratings"] for row in mode]
    v10 = np.array([[np.mean([win(x, y) for y in row[~truth]]) for x in row[truth]] for row in cells])
    v01 = np.array([[np.mean([win(x, y) for x in row[truth]]) for y in row[~truth]] for row in cells])
    return np.cov(v10) / truth.sum() + np.cov(v01) / (~truth).sum()


def unbiased(data):
    truth = data["truth"]
    cells = [row for mode in data["ratings"] for row in mode]
    size = len(cells)
    covariance = np.zeros((size, size))
    for a in range(size):
        for b in range(size):
            sums, counts, _ = u_moments([cells[a]], [cells[b]], truth)
            sums, counts = sums[:4], counts[:4]
            coefficient = counts / counts.sum()
            coefficient[3] -= 1
            covariance[a, b] = sum(c * s / n for c, s, n in zip(coefficient, sums, counts) if n)
    return covariance


def obuchowski_rockette(theta, covariance):
    """`theta`: modes by readers."""
    t, r = theta.shape
    grand = theta.mean()
    ms_t = r * ((theta.mean(1) - grand) ** 2).sum() / (t - 1)
    ms_r = t * ((theta.mean(0) - grand) ** 2).sum() / (r - 1)
    rest = theta - theta.mean(1, keepdims=True) - theta.mean(0, keepdims=True) + grand
    ms_tr = (rest**2).sum() / ((t - 1) * (r - 1))
    cov = covariance.reshape(t, r, t, r)
    pick = lambda f: np.mean([cov[i, j, k, l] for i, j, k, l in itertools.product(range(t), range(r), range(t), range(r)) if f(i, j, k, l)])
    error = pick(lambda i, j, k, l: i == k and j == l)
    cov1 = pick(lambda i, j, k, l: i != k and j == l)
    cov2 = pick(lambda i, j, k, l: i == k and j != l)
    cov3 = pick(lambda i, j, k, l: i != k and j != l)
    found = {"ms": [ms_t, ms_r, ms_tr], "error": error, "cov": [cov1, cov2, cov3]}
    value = theta[0].mean() - theta[1].mean()
    between = ms_tr + r * max(cov2 - cov3, 0)
    df2 = between**2 / (ms_tr**2 / ((t - 1) * (r - 1)))
    se = np.sqrt(2 / r * between)
    q = stats.t.ppf(0.975, df2)
    found["random"] = {"F": ms_t / between, "df2": df2, "p": stats.f.sf(ms_t / between, t - 1, df2), "value": value,
                       "interval": [value - q * se, value + q * se]}
    fixed = error - cov1 + (r - 1) * (cov2 - cov3)
    z = value / np.sqrt(2 / r * fixed)
    found["fixed_readers"] = {"p": 2 * stats.norm.sf(abs(z)), "z": z}
    found["fixed_cases"] = {"F": ms_t / ms_tr, "p": stats.f.sf(ms_t / ms_tr, t - 1, (t - 1) * (r - 1))}
    return found


def analyses(data, crossed):
    truth = np.array(data["truth"])
    cells = lambda figure: np.array([[figure(row, data["truth"]) for row in mode] for mode in data["ratings"]])
    everyone = [True] * len(truth)
    found = {"auc": cells(auc).tolist()}
    theta = np.array(found["auc"])
    found["jackknife"] = obuchowski_rockette(theta, jackknife(data, auc, everyone))
    if crossed:
        found["delong"] = obuchowski_rockette(theta, delong(data))
    found["unbiased"] = obuchowski_rockette(theta, unbiased(data))
    called = {**data, "ratings": [[[None if v is None else float(v >= 0.5) for v in row] for row in mode] for mode in data["ratings"]]}
    for name, positive in (("sensitivity", True), ("specificity", False)):
        figure = lambda row, truth: share(row, truth, positive)
        theta = np.array([[figure(row, data["truth"]) for row in mode] for mode in called["ratings"]])
        found[name] = obuchowski_rockette(theta, jackknife(called, figure, (truth == positive).tolist()))
        found[name]["theta"] = theta.tolist()
        found["u_" + name] = proportions(data, positive, 0.5)
    found["u"] = u_statistics(data)
    return found


# --- free response -----------------------------------------------------------------------------------------------------------


def froc_study(readers, cases):
    lesions = [[round(float(w), 2) for w in rng.uniform(0.2, 1, size=rng.integers(1, 4))] if c % 2 else [] for c in range(cases)]
    marks = []
    for mode in range(2):
        rows = []
        for _ in range(readers):
            row = []
            for own in lesions:
                hit = [int(rng.integers(2, 6)) if rng.random() < 0.6 + 0.15 * mode else None for _ in own]
                false = [int(v) for v in rng.integers(1, 4, size=rng.poisson(0.5))]
                row.append({"lesions": hit, "false": false})
            rows.append(row)
        marks.append(rows)
    return {"lesions": lesions, "marks": marks}


def froc_figure(lesions, row, weighted, left_out=None):
    normal = [max(m["false"], default=-np.inf) for k, (l, m) in enumerate(zip(lesions, row)) if not l and k != left_out]
    per_case = []
    for k, (l, m) in enumerate(zip(lesions, row)):
        if l and k != left_out:
            per_case.append([(w / sum(l), -np.inf if hit is None else hit) for w, hit in zip(l, m["lesions"])])
    total, units = 0.0, 0.0
    for case in per_case:
        for weight, rating in case:
            w = weight if weighted else 1.0
            total += w * np.mean([win(rating, n) for n in normal])
        units += 1 if weighted else len(case)
    return total / units


def froc(data):
    found = {}
    for name, weighted in (("afroc", False), ("wafroc", True)):
        cells = [row for mode in data["marks"] for row in mode]
        theta = np.array([froc_figure(data["lesions"], row, weighted) for row in cells])
        n = len(data["lesions"])
        without = np.array([[froc_figure(data["lesions"], row, weighted, k) for k in range(n)] for row in cells])
        centred = without - without.mean(1, keepdims=True)
        found[name] = obuchowski_rockette(theta.reshape(2, -1), (n - 1) / n * centred @ centred.T)
        found[name]["theta"] = theta.tolist()
    return found


# --- raters ------------------------------------------------------------------------------------------------------------------


def raters():
    import krippendorff
    import pandas as pd
    from irrCAC.raw import CAC

    sets = []
    for name, missing in (("whole", 0.0), ("with gaps", 0.25)):
        latent = rng.normal(size=40)
        rows = []
        for v in latent:
            row = [int(np.clip(np.round(2.5 + v + 0.7 * rng.normal()), 1, 4)) for _ in range(4)]
            rows.append([None if rng.random() < missing else r for r in row])
        frame = pd.DataFrame([[np.nan if v is None else v for v in row] for row in rows])
        cac = lambda weights: CAC(frame, weights=weights, digits=12)
        table = frame.to_numpy(float).T
        alpha = lambda level: float(krippendorff.alpha(table, level_of_measurement=level))
        found = {"ac1": cac("identity").gwet()["est"]["coefficient_value"],
                 "ac2_linear": cac("linear").gwet()["est"]["coefficient_value"],
                 "ac2_quadratic": cac("quadratic").gwet()["est"]["coefficient_value"],
                 "alpha": {level: alpha(level) for level in ("nominal", "ordinal", "interval")}}
        if not missing:
            found["fleiss"] = cac("identity").fleiss()["est"]["coefficient_value"]
        sets.append({"name": name, "rows": rows, **found})
    return sets


# --- reading times -------------------------------------------------------------------------------------------------------------


def times():
    sets = []
    for name, counts in (("balanced", lambda r, m: 12), ("unbalanced", lambda r, m: 4 + (7 * r + 5 * m) % 11), ("no reader by mode", lambda r, m: 6)):
        rows = []
        for r in range(5):
            u = 0.3 * rng.normal()
            for m in range(2):
                w = (0.0 if name.startswith("no") else 0.15) * rng.normal()
                for _ in range(counts(r, m)):
                    rows.append([r, m, round(float(np.exp(3.2 - 0.2 * m + u + w + 0.4 * rng.normal())), 3)])
        sets.append({"name": name, "rows": rows})
    return sets


if __name__ == "__main__":
    studies = [
        (study("fully crossed", 4, 40), True),
        (study("ties", 3, 30, levels=2), True),
        (study("images of patients", 3, 20, images=2), True),
        (study("split-plot", 4, 40, missing=lambda m, r, c: (c % 20 < 10) != (r < 2)), False),
        (study("gaps", 3, 30, missing=lambda m, r, c: (7 * c + 3 * r + m) % 11 == 0), False),
    ]
    json.dump({
        "studies": [{**data, "found": analyses(data, crossed)} for data, crossed in studies],
        "froc": (lambda data: {**data, "found": froc(data)})(froc_study(3, 30)),
        "raters": raters(),
        "times": times(),
    }, __import__("sys").stdout, default=float)
    print()
