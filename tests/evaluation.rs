//! The statistics against scikit-learn and SciPy on the same scores, and the rows of the shared data
//! against the rules that training reads them by.

mod skip;

use cxr::evaluation::delong::{Paired, compare};
use cxr::evaluation::question::Cause;
use cxr::evaluation::statistics::{
    CalibrationLine, Confusion, RatingPair, area_under_roc, average_precision, brier,
    calibration_line, expected_calibration_error, mean_absolute_error, pearson,
};
use cxr::evaluation::{Manifest, ManifestColumns, Sample};
use serde_json::Value;

// tests/data/scikit_learn.json, with scikit-learn 1.9.1, SciPy 1.17.1 and NumPy 2.4.6:
//
// import json
// import numpy as np
// from scipy.stats import norm, pearsonr
// from sklearn.linear_model import LogisticRegression
// from sklearn.metrics import (average_precision_score, brier_score_loss, confusion_matrix,
//                              mean_absolute_error, roc_auc_score)
//
// rng = np.random.default_rng(20)
//
//
// def case_set(name, scores, answers, threshold, second=None):
//     s, y = np.round(scores, 6), np.asarray(answers, dtype=int)
//     tn, fp, fn, tp = confusion_matrix(y, s >= threshold, labels=[0, 1]).ravel()
//     x = np.log(np.clip(s, 1e-6, 1 - 1e-6) / (1 - np.clip(s, 1e-6, 1 - 1e-6)))
//     fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(x[:, None], y)
//     found = {
//         "name": name, "scores": s.tolist(), "answers": y.tolist(), "threshold": threshold,
//         "auc": roc_auc_score(y, s), "average_precision": average_precision_score(y, s),
//         "brier": brier_score_loss(y, s), "confusion": [int(tp), int(fp), int(fn), int(tn)],
//         "intercept": float(fit.intercept_[0]), "slope": float(fit.coef_[0, 0]),
//         "ece": ece(s, y),
//     }
//     if second is not None:
//         t = np.round(second, 6)
//         found |= {"second": t.tolist(), **delong(y, s, t)}
//     return found
//
//
// def ece(s, y):
//     """Guo et al. 2017, as in their code: bins (low, high]; here the first holds 0 as well."""
//     edges, total = np.linspace(0, 1, 11), 0.0
//     for low, high in zip(edges[:-1], edges[1:]):
//         inside = (s > low) & (s <= high) if low > 0 else s <= high
//         if inside.any():
//             total += inside.mean() * abs(s[inside].mean() - y[inside].mean())
//     return float(total)
//
//
// def delong(y, s, t):
//     """The structural components as DeLong et al. define them, by comparing every pair."""
//     v10, v01 = [], []
//     for z in (s, t):
//         above = z[y == 1][:, None] - z[y == 0][None, :]
//         psi = (above > 0) + 0.5 * (above == 0)
//         v10.append(psi.mean(axis=1))
//         v01.append(psi.mean(axis=0))
//     cov = np.cov(v10) / (y == 1).sum() + np.cov(v01) / (y == 0).sum()
//     difference = roc_auc_score(y, s) - roc_auc_score(y, t)
//     z = difference / np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
//     return {"difference": difference, "z": float(z), "p": float(2 * norm.sf(abs(z)))}
//
//
// def drawn(n, share, separation):
//     y = rng.random(n) < share
//     y[:2] = [True, False]
//     return 1 / (1 + np.exp(-(rng.normal(size=n) + separation * (y - 0.5) + np.log(share / (1 - share))))), y
//
//
// sets = []
// s, y = drawn(300, 0.4, 2.0)
// sets.append(case_set("plain", s, y, 0.5, np.clip(s + rng.normal(scale=0.2, size=300), 0, 1)))
// s, y = drawn(250, 0.5, 1.0)
// sets.append(case_set("ties", np.round(s, 1), y, 0.5, np.round(s + rng.normal(scale=0.3, size=250), 1).clip(0, 1)))
// s, y = drawn(400, 0.02, 1.5)
// sets.append(case_set("rare", s, y, 0.1, np.roll(s, 1)))
// s, y = drawn(200, 0.95, 2.5)
// sets.append(case_set("common", s, y, 0.9))
// s, y = drawn(150, 0.5, 0.0)
// sets.append(case_set("chance, with zeros and ones", np.where(s < 0.15, 0, np.where(s > 0.9, 1, s)), y, 1.0))
// s, y = drawn(120, 0.5, 1.5)
// sets.append(case_set("worse than chance", 1 - s, y, 0.25))
// sets.append(case_set("five cases", np.array([0.9, 0.6, 0.6, 0.4, 0.1]), [1, 0, 1, 1, 0], 0.6))
// a, b = rng.uniform(0, 8, 60), rng.normal(size=60)
// b = np.clip(a + b, 0, 8)
// severity = {"predicted": np.round(a, 4).tolist(), "truth": np.round(b, 4).tolist()}
// severity["mae"] = float(mean_absolute_error(severity["truth"], severity["predicted"]))
// severity["pearson"] = float(pearsonr(severity["truth"], severity["predicted"]).statistic)
// json.dump({"sets": sets, "severity": severity}, open("tests/data/scikit_learn.json", "w"), indent=None, separators=(",", ":"))

/// Closer than this is the same number.
const SAME: f64 = 1e-9;

fn reference() -> Value {
    serde_json::from_str(include_str!("data/scikit_learn.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

fn assert_same(found: Option<f64>, expected: &Value, what: &str) {
    let (found, expected) = (found.expect(what), expected.as_f64().expect(what));
    assert!(
        (found - expected).abs() <= SAME,
        "{what}: {found}, not {expected}"
    );
}

#[test]
fn scikit_learn_agrees() {
    let reference = reference();
    let sets = reference["sets"].as_array().unwrap();
    assert!(sets.len() >= 7);
    for set in sets {
        let name = set["name"].as_str().unwrap();
        let scores = numbers(&set["scores"]);
        let answers: Vec<bool> = numbers(&set["answers"]).iter().map(|&a| a == 1.0).collect();
        let names: Vec<String> = (0..scores.len()).map(|n| n.to_string()).collect();
        let rows = scores.iter().zip(&answers).zip(&names);
        let sample = Sample::new(rows.map(|((&s, &a), name)| (s, a, name.as_str())));
        let once = sample.once();
        let same = |found, key: &str| assert_same(found, &set[key], &format!("{name}, {key}"));
        same(area_under_roc(&sample, &once), "auc");
        same(average_precision(&sample, &once), "average_precision");
        same(brier(&sample, &once), "brier");
        same(expected_calibration_error(&sample, &once), "ece");
        let line = calibration_line(&sample, &once, CalibrationLine::default()).unwrap();
        same(Some(line.intercept), "intercept");
        same(Some(line.slope), "slope");
        let table = Confusion::at(set["threshold"].as_f64().unwrap(), &sample, &once);
        let cells = [
            table.true_positive,
            table.false_positive,
            table.false_negative,
            table.true_negative,
        ];
        assert_eq!(cells.to_vec(), numbers(&set["confusion"]), "{name}");
    }
}

#[test]
fn delongs_test_is_that_of_the_definition() {
    let reference = reference();
    let mut compared = 0;
    for set in reference["sets"].as_array().unwrap() {
        let Some(second) = set.get("second") else {
            continue;
        };
        let (first, second) = (numbers(&set["scores"]), numbers(second));
        let rows = first.into_iter().zip(second).zip(numbers(&set["answers"]));
        let pairs = rows
            .enumerate()
            .map(|(n, ((first, second), answer))| Paired {
                first,
                second,
                positive: answer == 1.0,
                patient: n,
            });
        let found = compare(&pairs.collect::<Vec<_>>()).unwrap();
        let name = set["name"].as_str().unwrap();
        assert_same(Some(found.difference), &set["difference"], name);
        assert_same(found.z, &set["z"], name);
        assert_same(found.p, &set["p"], name);
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn images_of_one_patient_are_one_cluster_as_obuchowski_defines_it() {
    let text = include_str!("data/obuchowski.json");
    let reference: Value = serde_json::from_str(text).unwrap();
    let sets = reference["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 4);
    for set in sets {
        let name = set["name"].as_str().unwrap();
        let [first, second, truth, patient] =
            ["first", "second", "truth", "patient"].map(|key| numbers(&set[key]));
        let of = |patient: &dyn Fn(usize) -> usize| {
            let pairs = (0..first.len()).map(|at| Paired {
                first: first[at],
                second: second[at],
                positive: truth[at] == 1.0,
                patient: patient(at),
            });
            compare(&pairs.collect::<Vec<_>>()).unwrap()
        };
        let found = of(&|at| patient[at] as usize);
        assert_same(Some(found.difference), &set["difference"], name);
        assert_same(found.z, &set["z"], name);
        assert_same(found.p, &set["p"], name);
        // Leaving a patient out at a time is another way to nearly the same error.
        let error = found.difference / found.z.unwrap();
        let jackknife = set["jackknife"].as_f64().unwrap();
        assert!(
            (error / jackknife - 1.0).abs() < 0.1,
            "{name}: {error} {jackknife}"
        );
        // And taking each image for a patient of its own is the same only where it is.
        let alone = of(&|at| at);
        let is_same = (alone.z.unwrap() - found.z.unwrap()).abs() < 1e-9;
        assert_eq!(is_same, name == "one image a patient", "{name}");
    }
}

#[test]
fn scipy_agrees_on_severity() {
    let reference = reference();
    let severity = &reference["severity"];
    let rows = numbers(&severity["predicted"])
        .into_iter()
        .zip(numbers(&severity["truth"]));
    let pairs: Vec<_> = rows
        .map(|(predicted, truth)| RatingPair { predicted, truth })
        .collect();
    let once = vec![1.0; pairs.len()];
    assert_same(mean_absolute_error(&pairs, &once), &severity["mae"], "MAE");
    assert_same(pearson(&pairs, &once), &severity["pearson"], "Pearson");
}

/// Source; pneumonia no, yes; COVID-19 no, yes; bacterial, viral, COVID-19 as the cause.
type Answers = (&'static str, [usize; 7]);

/// What `read_manifest` of training/labels.py makes of the shared data, 8,645 rows.
const TRAINING: [Answers; 5] = [
    ("cxnet", [0, 658, 0, 658, 0, 0, 658]),
    ("hannover", [0, 243, 0, 243, 0, 0, 243]),
    ("ieee8023", [14, 303, 54, 256, 11, 20, 256]),
    ("kermany", [1579, 4244, 5823, 0, 2760, 1484, 0]),
    ("nih", [599, 516, 1604, 0, 0, 0, 0]),
];

#[test]
fn rows_answer_as_training_reads_them() {
    let Some(data) = skip::private_data("cxr/manifest.csv") else {
        return;
    };
    let bytes = std::fs::read(data.join("cxr/manifest.csv")).unwrap();
    let manifest = Manifest::parse(&bytes, &ManifestColumns::default()).unwrap();
    // Training leaves out what came after the bundled model.
    let is_later = |case: &&cxr::evaluation::Case| case.groups[0] == "rsna";
    let later = manifest.cases.iter().filter(is_later).count();
    assert_eq!(manifest.cases.len() - later, 8645);
    assert_eq!(manifest.group_columns, ["source"]);
    for (source, expected) in TRAINING {
        let cases = manifest
            .cases
            .iter()
            .filter(|case| case.groups[0] == source);
        let truths: Vec<_> = cases.map(|case| &case.truth).collect();
        let count = |is: &dyn Fn(&cxr::evaluation::question::ReferenceStandard) -> bool| {
            truths.iter().filter(|truth| is(truth)).count()
        };
        let found = [
            count(&|truth| truth.pneumonia == Some(false)),
            count(&|truth| truth.pneumonia == Some(true)),
            count(&|truth| truth.covid == Some(false)),
            count(&|truth| truth.covid == Some(true)),
            count(&|truth| truth.cause == Some(Cause::Bacterial)),
            count(&|truth| truth.cause == Some(Cause::Viral)),
            count(&|truth| truth.cause == Some(Cause::Covid19)),
        ];
        assert_eq!(found, expected, "{source}");
    }
    let severity = manifest
        .cases
        .iter()
        .filter(|case| case.truth.opacity.is_some());
    assert!(severity.count() > 40);
}
