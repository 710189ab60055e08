use serde::Deserialize;

use super::folds::folds;
use super::logistic::Problem;
use super::platt::platt;
use super::refit::Refit;
use super::*;

/// Results of scikit-learn 1.x. The file says how they were made.
#[derive(Deserialize)]
struct Reference {
    features: Vec<Vec<f32>>,
    positive: Vec<bool>,
    fits: Vec<Fit>,
    platt: Vec<PlattFit>,
}

#[derive(Deserialize)]
struct Fit {
    shrinkage: f64,
    weight: Vec<f64>,
    bias: f64,
}

#[derive(Deserialize)]
struct PlattFit {
    logit: Vec<f64>,
    positive: Vec<bool>,
    slope: f64,
    intercept: f64,
}

fn reference() -> Reference {
    let text = include_str!("../../tests/data/adaptation_scikit_learn.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn logistic_regression_is_scikit_learns() {
    let Reference {
        features,
        positive,
        fits,
        ..
    } = reference();
    let rows = features.iter().zip(&positive);
    let problem = Problem::new(rows.map(|(row, p)| (row.as_slice(), *p, 0.0)));
    let mut start = problem.start();
    for fit in fits {
        start = problem.solve(fit.shrinkage, start);
        let found = problem.linear(&start);
        let expected = fit.weight.iter().chain([&fit.bias]);
        for (value, expected) in found.weight.iter().chain([&found.bias]).zip(expected) {
            // The features are read as `f32`.
            let close = 2e-6 * (1.0 + expected.abs());
            assert!((value - expected).abs() < close, "{value} {expected}");
        }
    }
}

#[test]
fn platt_scaling_is_scikit_learns() {
    for fit in reference().platt {
        let line = platt(&fit.logit, &fit.positive).unwrap();
        assert!((line.slope - fit.slope).abs() < 1e-6, "{line:?}");
        assert!((line.intercept - fit.intercept).abs() < 1e-6, "{line:?}");
    }
}

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

/// 160 images of 80 patients. The network's logit is mostly noise, and the third of six features is more
/// informative.
struct Hospital {
    features: Vec<Vec<f32>>,
    logits: Vec<f64>,
    positive: Vec<bool>,
    names: Vec<String>,
}

impl Hospital {
    fn new(seed: u64, information: f64) -> Self {
        let mut random = noise(seed);
        let mut hospital = Hospital {
            features: Vec::new(),
            logits: Vec::new(),
            positive: Vec::new(),
            names: Vec::new(),
        };
        for n in 0..160 {
            let patient = n / 2;
            let positive = patient % 5 < 2;
            let sign = if positive { 1.0 } else { -1.0 };
            let mut features: Vec<f32> = (0..6).map(|_| random() as f32).collect();
            features[2] += (sign * information) as f32;
            hospital.features.push(features);
            hospital.logits.push(3.0 * random() + sign + 2.0);
            hospital.positive.push(positive);
            hospital.names.push(format!("p{patient}"));
        }
        hospital
    }

    fn cases(&self) -> LabelCases<'_> {
        LabelCases {
            features: self.features.iter().map(Vec::as_slice).collect(),
            logits: self.logits.clone(),
            positive: self.positive.clone(),
            patients: self.names.iter().map(String::as_str).collect(),
            sources: Vec::new(),
        }
    }
}

static GO_ON: AtomicBool = AtomicBool::new(false);

const WORK: FitProgress = FitProgress {
    jobs: 2,
    stop: &GO_ON,
    advance: &|| {},
};

/// The share of pairs of a positive and a negative case in which the positive one has the higher score.
fn auc(scores: &[f64], positive: &[bool]) -> f64 {
    let of = |class: bool| {
        let cases = scores.iter().zip(positive);
        cases
            .filter(move |case| *case.1 == class)
            .map(|case| *case.0)
    };
    let (mut right, mut all) = (0.0, 0.0);
    for high in of(true) {
        for low in of(false) {
            all += 1.0;
            right += if high > low { 1.0 } else { 0.0 };
        }
    }
    right / all
}

fn probabilities(adapted: &Adapted) -> Vec<f64> {
    let answers = adapted.answers.iter();
    answers.map(|answer| answer.probability.into()).collect()
}

#[test]
fn a_refit_uses_informative_features_and_a_recalibration_does_not() {
    let hospital = Hospital::new(3, 0.8);
    let cases = hospital.cases();
    let before = auc(&cases.logits, &cases.positive);
    let again = adapt(&cases, FitMethod::Recalibrate, &WORK).unwrap();
    let refit = adapt(&cases, FitMethod::Refit, &WORK).unwrap();
    let [again_auc, refit_auc] =
        [&again, &refit].map(|adapted| auc(&probabilities(adapted), &cases.positive));
    assert!((again_auc - before).abs() < 0.03, "{before} {again_auc}");
    assert!(refit_auc > before + 0.1, "{before} {refit_auc}");
    assert!(again.correction.is_none());
    let weight = refit.correction.unwrap().weight;
    assert!(weight.iter().all(|w| *w <= weight[2]), "{weight:?}");
}

/// A single hospital may seem to gain or to lose by chance, so the mean of eight is tested.
#[test]
fn uninformative_features_gain_nothing() {
    let gain = |seed: u64| {
        let hospital = Hospital::new(seed, 0.0);
        let cases = hospital.cases();
        let [refit, again] = [FitMethod::Refit, FitMethod::Recalibrate].map(|method| {
            let adapted = adapt(&cases, method, &WORK).unwrap();
            auc(&probabilities(&adapted), &cases.positive)
        });
        refit - again
    };
    let mean = (0..8).map(gain).sum::<f64>() / 8.0;
    assert!((-0.05..0.02).contains(&mean), "{mean}");
}

/// The score of a case out of fold does not change with its own class.
#[test]
fn no_held_out_score_depends_on_its_own_class() {
    let mut hospital = Hospital::new(5, 0.5);
    let fold = {
        let cases = hospital.cases();
        let classes: Vec<usize> = cases.positive.iter().map(|&p| usize::from(p)).collect();
        folds(&cases.patients, &classes)
    };
    let of_fold = |hospital: &Hospital, left_out: usize| -> Vec<f64> {
        let cases = hospital.cases();
        let refit = Refit::new(&cases, &fold, &WORK).unwrap();
        let logits = refit.logits(Some(left_out));
        let reading = CardReading::fit(
            &select(&logits, |at| fold[at] != left_out),
            &select(&cases.positive, |at| fold[at] != left_out),
            &[],
        );
        let own = select(&logits, |at| fold[at] == left_out);
        let read = |logit: &f64| reading.unwrap().probability(*logit).into();
        own.iter().map(read).collect()
    };
    let before = of_fold(&hospital, 2);
    for at in (0..fold.len()).filter(|&at| fold[at] == 2) {
        hospital.positive[at] = !hospital.positive[at];
    }
    assert_eq!(of_fold(&hospital, 2), before);
    assert_ne!(of_fold(&hospital, 1), {
        hospital.positive[fold.iter().position(|&f| f == 3).unwrap()] ^= true;
        of_fold(&hospital, 1)
    });
}

fn select<T: Clone>(values: &[T], is_wanted: impl Fn(usize) -> bool) -> Vec<T> {
    let wanted = (0..values.len()).filter(|&at| is_wanted(at));
    wanted.map(|at| values[at].clone()).collect()
}

#[test]
fn every_fit_is_counted_and_the_number_of_threads_changes_nothing() {
    let hospital = Hospital::new(7, 0.5);
    let cases = hospital.cases();
    let counted = std::sync::atomic::AtomicUsize::new(0);
    let advance = || {
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let work = FitProgress {
        jobs: 1,
        advance: &advance,
        ..WORK
    };
    let one = adapt(&cases, FitMethod::Refit, &work).unwrap();
    assert_eq!(counted.into_inner(), FITS);
    assert_eq!(one, adapt(&cases, FitMethod::Refit, &WORK).unwrap());
}

#[test]
fn a_failed_fit_has_a_reason() {
    let mut hospital = Hospital::new(3, 0.5);
    let stop = AtomicBool::new(true);
    let stopped = FitProgress {
        stop: &stop,
        ..WORK
    };
    for method in [FitMethod::Recalibrate, FitMethod::Refit] {
        let error = adapt(&hospital.cases(), method, &stopped).unwrap_err();
        assert_eq!(error, AdaptationError::Stopped);
    }
    for (logit, positive) in hospital.logits.iter_mut().zip(&hospital.positive) {
        *logit = if *positive { -*logit } else { *logit };
    }
    let error = adapt(&hospital.cases(), FitMethod::Recalibrate, &WORK).unwrap_err();
    assert!(error.to_string().contains("does not rise"), "{error}");
    hospital.logits.fill(1.0);
    let error = adapt(&hospital.cases(), FitMethod::Recalibrate, &WORK).unwrap_err();
    assert_eq!(error, AdaptationError::AllAlike);
}

#[test]
fn both_images_and_patients_must_be_enough() {
    let cases = Hospital::new(1, 0.0);
    let [positive, negative] = cases.cases().counts();
    assert_eq!((positive.images, positive.patients), (64, 32));
    assert_eq!((negative.images, negative.patients), (96, 48));
    for (images, patients, is_enough) in [(20, 10, true), (19, 19, false), (90, 9, false)] {
        let count = Count { images, patients };
        assert_eq!(count.is_enough(), is_enough, "{count}");
    }
    let one = Count {
        images: 1,
        patients: 1,
    };
    assert_eq!(one.to_string(), "1 image of 1 patient");
}
