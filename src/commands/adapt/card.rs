//! The card of the new model.

use super::fit::{BeforeAndAfter, Fits, expected};
use super::labels_that;
use super::study::AdaptationStudy;
use crate::adaptation::{FEW_PATIENTS, FitMethod};
use crate::domain::{
    Adaptation, CausesCard, ConformalThresholds, Measurement, ModelCard, Question,
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

/// The old card, with the new values of the labels that were fitted.
pub fn adapted(study: &AdaptationStudy, fits: &Fits, about: &AdaptationRecord) -> ModelCard {
    let mut card = study.card.clone();
    for fit in &fits.labels {
        let (label, reading) = (&mut card.labels[fit.comparison.label], &fit.adapted.reading);
        label.calibration = Some(reading.calibration);
        label.operating_point = Some(reading.balanced);
        label.sensitive_point = Some(reading.sensitive);
        label.conformal = Some(reading.conformal);
    }
    if let Some(causes) = &fits.causes {
        card.causes = Some(CausesCard {
            temperature: causes.adapted.temperature,
            calibrated: true,
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
    card.measurements.retain(|m| !names.contains(&m.label));
    let on = format!("{}, out of fold", about.manifest);
    let measured = comparisons.iter().flat_map(|c| measurements(study, c, &on));
    card.measurements.extend(measured);
    let adaptation = Adaptation {
        method: word(about.method).to_owned(),
        manifest: about.manifest.clone(),
        date: about.date.clone(),
        labels: names,
        images: study.images.scored,
        patients: study.patients(),
        from_sha256: card.sha256.clone(),
    };
    card.limits.push(limit(&adaptation));
    let thresholds = fits.with_fits().map(|(comparison, fit)| {
        let name = &study.card.labels[comparison.label].name;
        thresholds(name, comparison, &expected(comparison, fit))
    });
    card.limits.extend(thresholds);
    card.adaptations.push(adaptation);
    let base = card.version.split('+').next().unwrap_or_default();
    card.version = format!("{base}+{}", word(about.method));
    card.name.clone_from(&about.name);
    card
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
