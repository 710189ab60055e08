use std::sync::atomic::AtomicBool;

use super::*;

static GO_ON: AtomicBool = AtomicBool::new(false);

const WORK: FitProgress = FitProgress {
    jobs: 2,
    stop: &GO_ON,
    advance: &|| {},
};

/// Numbers from −1 to 1 that look random and are the same each time (Knuth's MMIX generator).
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// 180 films of 90 patients with twelve features. The first four have much spread, and the second of them tells the
/// outcome as far as `features` says; the severity is the last feature, and tells it as far as `severity` says.
struct Ward {
    features: Vec<Vec<f32>>,
    views: Vec<ViewPosition>,
    positive: Vec<bool>,
    names: Vec<String>,
}

impl Ward {
    fn new(seed: u64, features: f64, severity: f64, views: bool) -> Self {
        let mut random = noise(seed);
        let mut ward = Ward {
            features: Vec::new(),
            views: Vec::new(),
            positive: Vec::new(),
            names: Vec::new(),
        };
        for n in 0..180 {
            let patient = n / 2;
            let is_positive = patient % 3 == 0;
            let sign = if is_positive { 1.0 } else { -1.0 };
            let mut numbers: Vec<f64> = (0..12)
                .map(|at| random() * if at < 4 { 3.0 } else { 0.5 })
                .collect();
            numbers[1] += sign * features;
            numbers[11] += sign * severity;
            let is_ap = if views {
                is_positive != (random() > 0.7)
            } else {
                random() > 0.0
            };
            ward.features
                .push(numbers.iter().map(|x| *x as f32).collect());
            let view = if is_ap {
                ViewPosition::Ap
            } else {
                ViewPosition::Pa
            };
            ward.views.push(view);
            ward.positive.push(is_positive);
            ward.names.push(format!("p{patient}"));
        }
        ward
    }

    fn cases(&self) -> OutcomeCases<'_> {
        OutcomeCases {
            features: self.features.iter().map(Vec::as_slice).collect(),
            views: self.views.clone(),
            positive: self.positive.clone(),
            patients: self.names.iter().map(String::as_str).collect(),
        }
    }
}

/// The last feature.
fn severity() -> Vec<LinearModel> {
    let mut weight = vec![0.0; 12];
    weight[11] = 2.0;
    vec![LinearModel { weight, bias: 0.5 }]
}

fn adapted(ward: &Ward) -> AdaptedOutcome {
    adapt_outcome(&ward.cases(), &severity(), &WORK).unwrap()
}

fn bears_a_number(found: &AdaptedOutcome) -> bool {
    let low = found.area.interval.0;
    low > 0.5 && low > found.control.auc
}

/// ```python
/// x = np.array([[(i * i * 7 + j * 3 + i * j * j) % 11 / 10 for j in range(6)] for i in range(24)], np.float32).astype(float)
/// y = np.array([i * 5 % 7 < 3 for i in range(24)])
/// z = x - x.mean(0); u, s, v = np.linalg.svd(z, full_matrices=False)
/// severity = np.column_stack([.5 * x[:, 0] - x[:, 3] + 1, x[:, 5]])
/// numbers = np.column_stack([severity, z @ (v[:2] / (s[:2, None] / np.sqrt(24))).T])
/// numbers = StandardScaler().fit_transform(numbers)
/// LogisticRegression(C=1 / (.3 * 24), tol=1e-12).fit(numbers, y).decision_function(numbers)[[0, 7, 23]]
/// ```
#[test]
fn a_fit_is_scikit_learns_and_is_one_function_of_the_features() {
    let value = |i: usize, j: usize| ((i * i * 7 + j * 3 + i * j * j) % 11) as f32 / 10.0;
    let features: Vec<Vec<f32>> = (0..24)
        .map(|i| (0..6).map(|j| value(i, j)).collect())
        .collect();
    let names: Vec<String> = (0..24).map(|n| n.to_string()).collect();
    let cases = OutcomeCases {
        features: features.iter().map(Vec::as_slice).collect(),
        views: vec![ViewPosition::Pa; 24],
        positive: (0..24).map(|i| i * 5 % 7 < 3).collect(),
        patients: names.iter().map(String::as_str).collect(),
    };
    let severity = [
        LinearModel {
            weight: vec![0.5, 0.0, 0.0, -1.0, 0.0, 0.0],
            bias: 1.0,
        },
        LinearModel {
            weight: vec![0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            bias: 0.0,
        },
    ];
    let study = OutcomeStudy {
        cases: &cases,
        severity: cases.features.iter().map(|f| on(&severity, f)).collect(),
        fold: &[0; 24],
    };
    let basis = Directions::of(&cases.features, MOST);
    let numbers: Vec<Vec<f32>> = (0..24)
        .map(|at| {
            let along = basis.along(cases.features[at]).into_iter();
            let severity = study.severity[at].iter().copied();
            severity.chain(along.map(|x| x as f32)).collect()
        })
        .collect();
    let shrinkage = SHRINKAGES.iter().position(|s| *s == 0.3).unwrap();
    let setting = FitSetting {
        width: 4,
        shrinkage,
    };
    let linear = study.path(&numbers, setting, |_| true).pop().unwrap();
    let fit = OutcomeFit {
        logits: logits(&linear, &numbers),
        basis,
        setting,
        linear,
    };
    let folded = fit.folded(&severity, 6);
    for (at, expected) in [(0, -0.868_950_6), (7, -0.625_699_73), (23, -1.009_849_58)] {
        let found = [fit.logits[at], folded.apply(cases.features[at])];
        for logit in found {
            assert!((logit - expected).abs() < 1e-5, "{logit} {expected}");
        }
    }
}

#[test]
fn an_outcome_that_the_features_tell_beats_the_control_and_has_evidence() {
    let found = adapted(&Ward::new(3, 2.0, 0.0, false));
    assert!(found.area.auc > 0.8, "{found:?}");
    assert!(found.control.auc < 0.65, "{found:?}");
    assert!(bears_a_number(&found), "{found:?}");
    let (low, high) = found.area.interval;
    assert!(low < found.area.auc && found.area.auc < high);
    assert_eq!(found.linear.weight.len(), 12);
}

/// The features hold the severity too, and nothing else that tells the outcome.
#[test]
fn what_severity_alone_tells_is_no_evidence() {
    let found = adapted(&Ward::new(5, 0.0, 0.4, false));
    assert!(found.control.auc > 0.7, "{found:?}");
    assert!(!bears_a_number(&found), "{found:?}");
}

#[test]
fn what_the_view_alone_tells_is_no_evidence() {
    let found = adapted(&Ward::new(7, 0.0, 0.0, true));
    assert!(found.control.auc > 0.7, "{found:?}");
    assert!(!bears_a_number(&found), "{found:?}");
}

/// A single ward may seem to tell something by chance.
#[test]
fn features_that_tell_nothing_rarely_have_evidence() {
    let found: Vec<AdaptedOutcome> = (0..8)
        .map(|seed| adapted(&Ward::new(20 + seed, 0.0, 0.0, false)))
        .collect();
    let mean = found.iter().map(|f| f.area.auc).sum::<f64>() / 8.0;
    assert!((0.4..0.6).contains(&mean), "{mean}");
    assert!(found.iter().filter(|f| bears_a_number(f)).count() <= 1);
}

#[test]
fn no_held_out_score_depends_on_its_own_outcome() {
    let mut ward = Ward::new(9, 1.0, 0.2, true);
    let classes: Vec<usize> = ward.positive.iter().map(|&p| usize::from(p)).collect();
    let fold = folds(&ward.cases().patients, &classes);
    let held_out = |ward: &Ward| -> Vec<f64> {
        let cases = ward.cases();
        let study = OutcomeStudy {
            severity: cases.features.iter().map(|f| on(&severity(), f)).collect(),
            cases: &cases,
            fold: &fold,
        };
        let (fit, control) = study.both(Some(2), &WORK).unwrap();
        let own = (0..fold.len()).filter(|&at| fold[at] == 2);
        own.flat_map(|at| [fit.logits[at], control[at]]).collect()
    };
    let before = held_out(&ward);
    for at in (0..fold.len()).filter(|&at| fold[at] == 2) {
        ward.positive[at] = !ward.positive[at];
    }
    assert_eq!(held_out(&ward), before);
    let other = fold.iter().position(|&f| f == 3).unwrap();
    ward.positive[other] = !ward.positive[other];
    assert_ne!(held_out(&ward), before);
}

#[test]
fn every_fit_is_counted_and_the_number_of_threads_changes_nothing() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let ward = Ward::new(3, 1.0, 0.0, false);
    let counted = AtomicUsize::new(0);
    let advance = || {
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let work = FitProgress {
        jobs: 1,
        advance: &advance,
        ..WORK
    };
    let one = adapt_outcome(&ward.cases(), &severity(), &work).unwrap();
    assert_eq!(counted.into_inner(), OUTCOME_FITS);
    assert_eq!(one, adapted(&ward));
    let stop = AtomicBool::new(true);
    let stopped = FitProgress {
        stop: &stop,
        ..WORK
    };
    let error = adapt_outcome(&ward.cases(), &severity(), &stopped).unwrap_err();
    assert_eq!(error, AdaptationError::Stopped);
}

#[test]
fn a_model_without_severity_has_a_control_of_the_view_alone() {
    let ward = Ward::new(3, 2.0, 0.0, false);
    let found = adapt_outcome(&ward.cases(), &[], &WORK).unwrap();
    assert!(found.area.auc > 0.8 && found.directions >= 2, "{found:?}");
    let mut alike = ward;
    for features in &mut alike.features {
        features.fill(1.0);
    }
    alike.views.fill(ViewPosition::Unknown);
    let error = adapt_outcome(&alike.cases(), &[], &WORK).unwrap_err();
    assert_eq!(error, AdaptationError::NoInterval, "every draw is one half");
}
