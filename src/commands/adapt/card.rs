//! The card of the new model.

use super::fit::{BeforeAndAfter, Fits, expected};
use super::labels_that;
use super::outcomes;
use super::products::fitted_factors;
use super::study::{AdaptationStudy, products};
use crate::adaptation::{FEW_PATIENTS, FitMethod, ScorePoints};
use crate::domain::{
    Adaptation, CausesCard, ConformalThresholds, LabelCard, Measurement, ModelCard, Question,
};
use crate::evaluation::report::Statistic;

/// How the new model was made, for its card.
pub struct AdaptationRecord {
    /// The name of the new model.
    pub name: String,
    /// The name of the table of cases.
    pub manifest: String,
    pub date: String,
    pub method: FitMethod,
}

/// The statistics of a comparison that go on the card.
const MEASURED: [Statistic; 7] = [
    Statistic::Auc,
    Statistic::Sensitivity,
    Statistic::Specificity,
    Statistic::Brier,
    Statistic::CalibrationError,
    Statistic::CalibrationIntercept,
    Statistic::CalibrationSlope,
];

/// The old card, with the new values of the labels and outcomes that were fitted.
pub fn adapted(study: &AdaptationStudy, fits: &Fits, about: &AdaptationRecord) -> ModelCard {
    let mut card = study.card.clone();
    let mut no_longer_normalised = Vec::new();
    for fit in &fits.labels {
        let (label, reading) = (&mut card.labels[fit.comparison.label], &fit.adapted.reading);
        label.calibration = Some(reading.calibration);
        // The fit is one for all films, and is right for cases like these.
        label.calibration_for.clear();
        label.is_probability = true;
        // The new points are on the scale of probabilities.
        if label.op_threshold.take().is_some() {
            no_longer_normalised.push(label.name.clone());
        }
        set_points(label, Some(&reading.points));
    }
    for fit in &fits.products {
        set_points(&mut card.labels[fit.comparison.label], Some(&fit.points));
    }
    for &label in &fits.dropped {
        set_points(&mut card.labels[label], None);
    }
    for label in products(study.card) {
        let are_both_new = fitted_factors(study.card, fits, label) == [true; 2];
        card.labels[label].is_probability |= are_both_new;
    }
    if let Some(causes) = &fits.causes {
        card.causes = Some(CausesCard {
            temperature: causes.adapted.temperature,
            calibrated: true,
            unlike: card.causes.and_then(|causes| causes.unlike),
        });
        let labels = labels_that(&card, Question::GivenPneumonia);
        for (label, &present) in labels.into_iter().zip(&causes.adapted.thresholds) {
            card.labels[label].conformal = Some(ConformalThresholds {
                present,
                absent: None,
            });
        }
    }
    let comparisons: Vec<&BeforeAndAfter> = fits.comparisons().collect();
    let names = comparisons
        .iter()
        .map(|c| card.labels[c.label].name.clone());
    let names: Vec<String> = names.collect();
    let dropped = fits.dropped.iter().map(|&label| &card.labels[label].name);
    let changed: Vec<String> = names.iter().chain(dropped).cloned().collect();
    card.measurements.retain(|m| !changed.contains(&m.label));
    let on = format!("{}, out of fold", about.manifest);
    let measured = comparisons.iter().flat_map(|c| measurements(study, c, &on));
    card.measurements.extend(measured);
    let has_labels = !names.is_empty();
    let adaptation = Adaptation {
        method: word(about.method).to_owned(),
        manifest: about.manifest.clone(),
        date: about.date.clone(),
        labels: names,
        images: study.images.scored,
        patients: study.patients(),
        from_sha256: card.sha256.clone(),
    };
    if has_labels {
        card.limits.push(limit(&adaptation));
        card.adaptations.push(adaptation.clone());
    }
    let thresholds = fits.with_fits().map(|(comparison, fit)| {
        let name = &study.card.labels[comparison.label].name;
        thresholds(name, comparison, &expected(comparison, fit))
    });
    card.limits.extend(thresholds);
    if !no_longer_normalised.is_empty() {
        card.limits.push(format!(
            "No longer operating-point-normalised: {}. Their scores are probabilities, and the operating points of the \
             authors (op_threshs) do not apply to them.",
            no_longer_normalised.join(", ")
        ));
    }
    outcomes::put_on(&mut card, &fits.outcomes, &adaptation);
    let of_labels = has_labels.then(|| word(about.method));
    let of_outcomes = (!fits.outcomes.is_empty()).then_some(outcomes::METHOD);
    let methods: Vec<&str> = of_labels.into_iter().chain(of_outcomes).collect();
    let base = card.version.split('+').next().unwrap_or_default();
    card.version = format!("{base}+{}", methods.join("."));
    card.name.clone_from(&about.name);
    card
}

/// The thresholds of a label; `None` takes them away.
fn set_points(label: &mut LabelCard, points: Option<&ScorePoints>) {
    label.operating_point = points.map(|points| points.balanced);
    label.sensitive_point = points.map(|points| points.sensitive);
    label.conformal = points.map(|points| points.conformal);
}

fn word(method: FitMethod) -> &'static str {
    match method {
        FitMethod::Recalibrate => "recalibrate",
        FitMethod::Refit => "refit",
    }
}

fn limit(adaptation: &Adaptation) -> String {
    let what = match adaptation.method.as_str() {
        "refit" => "Refitted and recalibrated",
        _ => "Recalibrated",
    };
    format!(
        "{what} for {} on {} images of {} patients ({}, {}): the lines above on their calibration \
         and operating points no longer apply. How the model scores images of any other place or time is \
         not known.",
        adaptation.labels.join(", "),
        adaptation.images,
        adaptation.patients,
        adaptation.manifest,
        adaptation.date
    )
}

/// How many cases the new thresholds of a label rest on, and what to expect of them.
fn thresholds(name: &str, comparison: &BeforeAndAfter, expected: &[(&str, String)]) -> String {
    let expected: Vec<String> = expected
        .iter()
        .map(|(what, share)| format!("{what} {share}"))
        .collect();
    let few = if comparison.is_of_few() {
        format!(" Fewer than {FEW_PATIENTS} patients of either are too few.")
    } else {
        String::new()
    };
    format!(
        "{name}: its thresholds rest on {} with it and {} without; of patients like these (95 %): {}.{few}",
        comparison.positive,
        comparison.negative,
        expected.join("; ")
    )
}

fn measurements(
    study: &AdaptationStudy,
    comparison: &BeforeAndAfter,
    on: &str,
) -> Vec<Measurement> {
    let label = &study.card.labels[comparison.label].name;
    let figures = comparison.after.iter();
    let figures = figures.filter(|figure| MEASURED.contains(&figure.statistic));
    figures
        .filter_map(|figure| {
            Some(Measurement {
                label: label.clone(),
                on: on.to_owned(),
                statistic: figure.statistic.name().to_owned(),
                value: figure.value?,
                interval: figure
                    .interval
                    .map(|interval| (interval.low, interval.high)),
                n: figure.n,
                positives: figure.positives,
                patients: Some(figure.patients),
            })
        })
        .collect()
}
