"""The parts that are fitted on frozen features, after the network: calibration, points, sets, and three small heads.

`features` are float64 [n, 1280], the average of the network's last maps. `rows` are the manifest's rows in the same order.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold

from .labels import NOT_COVID, UNKNOWN
from .negatives import OTHER, SIDEWAYS, UPSIDE_DOWN

COVERAGE = 0.9
SENSITIVITY = 0.9
# Numbers of feature directions that severity may use: 47 labelled images support no more.
DIRECTIONS = (2, 4, 8, 16)
SHRINKAGE = (0.1, 1.0, 10.0, 100.0)
COMPONENTS = 64
FOLDS = 5
# The fewest images of one kind that a conclusion may rest on.
FEWEST = 20


def even_weights(rows, answer):
    """Each class weighs a half. Within a class each source with at least FEWEST images weighs the same, others less."""
    size = rows.groupby([answer, "source"]).path.transform("count")
    weight = 1 / size.clip(lower=FEWEST)
    return (weight / weight.groupby(rows[answer]).transform("sum") / 2).to_numpy()


def platt(logit, positive, weight):
    """The slope and intercept of p = sigmoid(slope · logit + intercept) (Platt 1999), by weighted maximum likelihood."""
    fit = LogisticRegression(C=1e6).fit(logit[:, None], positive, sample_weight=weight * len(logit))
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def temperature(logits, cause, weight):
    """T in softmax(logits / T) (Guo et al. 2017): the best value of a fine grid by weighted log loss."""
    grid = np.exp(np.linspace(np.log(0.25), np.log(8), 141))

    def cost(t):
        scaled = logits / t
        scaled = scaled - scaled.max(1, keepdims=True)
        log = scaled - np.log(np.exp(scaled).sum(1, keepdims=True))
        own = log[np.arange(len(cause)), np.minimum(cause, 2)]
        other = np.log(np.exp(log[:, :2]).sum(1))
        return -(weight * np.where(cause == NOT_COVID, other, own)).sum()

    return float(min(grid, key=cost))


def sensitive_point(p, positive, weight):
    """The highest threshold that finds SENSITIVITY of the positives, by weight."""
    order = np.argsort(-p[positive])
    found = np.cumsum(weight[positive][order]) / weight[positive].sum()
    return float(p[positive][order][np.searchsorted(found, SENSITIVITY - 1e-12)])


def youden(rows, column, answer):
    """The threshold that maximises sensitivity + specificity, halfway between two neighbouring scores.

    If there are sources that hold both classes, only they count: otherwise the threshold would separate hospitals.
    Within a class each source weighs the same, however many images it has.
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


def conformal(p, weight=None):
    """The least probability with which a class enters the set: class-conditional split conformal (Vovk 2012).

    `p` are the probabilities that this class got on calibration images of this class, counted by `weight`.
    """
    weight = np.ones(len(p)) if weight is None else weight
    effective = weight.sum() ** 2 / (weight**2).sum()
    share = np.floor((effective + 1) * (1 - COVERAGE)) / effective
    order = np.argsort(p)
    below = np.cumsum(weight[order]) / weight.sum()
    return float(p[order][np.searchsorted(below, share - 1e-12)]) if share > 0 else 0.0


def directions(features, count):
    """The mean [C], and the first `count` principal directions [count, C] with their variances."""
    mean = features.mean(0)
    centred = features - mean
    variances, columns = np.linalg.eigh(centred.T @ centred / len(features))
    rows = np.ascontiguousarray(columns.T[::-1][:count])
    return mean, rows, np.maximum(variances[::-1][:count], 0)


def severity(features, targets, groups, basis):
    """A linear regression in a few principal directions of the training features (`basis`: mean, rows, variances).

    Returns {"weight" [2, C], "bias" [2], "mae" [2], "pearson" [2], "n", "patients", "predicted" [n, 2]}. The figures come
    from patient-grouped cross-validation in which the number of directions and the shrinkage are chosen inside each fold.
    """
    predicted = np.zeros_like(targets)
    for train, test in GroupKFold(min(10, len(set(groups)))).split(features, groups=groups):
        model = chosen(features[train], targets[train], groups[train], basis)
        predicted[test] = apply(model, features[test])
    weight, bias = chosen(features, targets, groups, basis)
    mae = np.abs(predicted - targets).mean(0)
    pearson = [float(np.corrcoef(predicted[:, i], targets[:, i])[0, 1]) for i in range(2)]
    return {"weight": weight, "bias": bias, "mae": mae.tolist(), "pearson": pearson, "n": len(targets),
            "patients": len(set(groups)), "predicted": predicted}


def apply(model, features):
    weight, bias = model
    return np.clip(features @ weight.T + bias, 0, [8, 6])


def chosen(features, targets, groups, basis):
    """The regression with the count of directions and the shrinkage that had the least error in an inner cross-validation."""
    def error(setting):
        gaps = []
        for train, test in GroupKFold(FOLDS).split(features, groups=groups):
            model = ridge(features[train], targets[train], basis, *setting)
            gaps.append(np.abs(apply(model, features[test]) - targets[test]).mean(1))
        return np.concatenate(gaps).mean()

    best = min(((d, a) for d in DIRECTIONS for a in SHRINKAGE), key=error)
    return ridge(features, targets, basis, *best)


def ridge(features, targets, basis, count, shrinkage):
    """The weight [2, C] and bias [2] of a ridge regression on `count` whitened directions."""
    mean, rows, variances = basis
    project = rows[:count] / np.sqrt(variances[:count, None])
    fit = Ridge(alpha=shrinkage).fit((features - mean) @ project.T, targets)
    weight = fit.coef_ @ project
    return weight, fit.intercept_ - weight @ mean


def input_head(features, kind):
    """A softmax regression over the classes of negatives.py, on standardised features: weight [4, C], bias [4]."""
    mean, spread = features.mean(0), features.std(0) + 1e-3
    counts = np.bincount(kind, minlength=4)
    weight = 1 / counts[kind]
    fit = LogisticRegression(C=0.003, max_iter=120).fit((features - mean) / spread, kind, sample_weight=weight * len(kind) / 4)
    scaled = fit.coef_ / spread
    return scaled, fit.intercept_ - scaled @ mean


def kinds(head, features):
    """The probabilities [n, 4] of the input head."""
    weight, bias = head
    z = features @ weight.T + bias
    z = np.exp(z - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


def distance_model(features):
    """Shrunk Mahalanobis distance (Lee et al. 2018): mean [C], components [k, C], precision [k + 1]."""
    mean, rows, variances = directions(features, COMPONENTS)
    residual = (features.var(0).sum() - variances.sum()) / (features.shape[1] - COMPONENTS)
    # Small variances are estimated worst, so none may be below the mean of the rest.
    variances = np.maximum(variances, residual)
    return mean, rows, 1 / np.concatenate([variances, [residual]])


def distances(model, features):
    """The distances [n]. Their average is 1 on the data that the model was fitted on."""
    mean, rows, precision = model
    z = features - mean
    along = (z @ rows.T) ** 2
    rest = np.maximum((z**2).sum(1) - along.sum(1), 0)
    return np.sqrt((along @ precision[:-1] + rest * precision[-1]) / features.shape[1])


def refusal_rates(p, d, lungs, limits):
    """The shares that are refused and doubted, by the card's four `limits` and by the lungs' shape. `lungs` are two masks,
    of films whose lungs are refused and of those whose lungs are doubted. An odd film with a second doubt is refused. A film
    that lies on its side or upside down is refused only if it is plainly something else."""
    absent, unusual = lungs
    odd, distant = p[:, OTHER] >= limits["caution"], d >= limits["distant"]
    turned = (p[:, UPSIDE_DOWN] >= limits["caution"]) | (p[:, SIDEWAYS] >= limits["caution"])
    refused = ~turned & ((d >= limits["far"]) | absent | (odd & (distant | unusual)))
    refused |= p[:, OTHER] >= limits["refuse"]
    cautioned = ~refused & (odd | distant | turned | absent | unusual)
    return {"n": len(p), "refused": float(refused.mean()), "caution": float(cautioned.mean())}
