//! The figures before and after, for a terminal of a hundred columns.

use std::fmt::Write;

use super::fit::{BeforeAndAfter, Fits, Fixed, expected, value};
use super::method;
use super::outcomes;
use super::study::AdaptationStudy;
use crate::adaptation::{FEW_PATIENTS, FOLDS, FitMethod};
use crate::cli;
use crate::commands::shared::cases::without_patients;
use crate::domain::LabelCard;
use crate::evaluation::report::{ReportScope, Statistic};
use crate::evaluation::{Manifest, bootstrap, tables};
use crate::export::path_text;

/// Widths of a statistic's name, and of a value with its interval.
const NAME: usize = 24;
const VALUE: usize = 26;

const STATISTICS: [(Statistic, &str); 7] = [
    (Statistic::Auc, "AUC"),
    (Statistic::Brier, "Brier"),
    (Statistic::CalibrationError, "ECE"),
    (Statistic::CalibrationIntercept, "calibration intercept"),
    (Statistic::CalibrationSlope, "calibration slope"),
    (Statistic::Sensitivity, "sensitivity"),
    (Statistic::Specificity, "specificity"),
];

/// In place of an undefined value.
const UNDEFINED: &str = "n/a";

/// The whole report; each line ends with a line feed.
pub fn terminal(
    arguments: &cli::Adapt,
    study: &AdaptationStudy,
    manifest: &Manifest,
    fits: &Fits,
) -> String {
    let about = ReportScope {
        model: format!("{} {}", study.card.name, study.card.version),
        model_sha256: study.card.sha256.clone(),
        manifest: path_text(&arguments.cases.manifest),
        rows: manifest.rows,
        skipped: manifest.skipped.clone(),
        images: study.images,
        patients: study.patients(),
        bootstrap_draws: bootstrap::DRAWS,
        bootstrap_seed: bootstrap::SEED,
        notes: notes(method(arguments), study, manifest, fits),
        ..ReportScope::default()
    };
    let mut text = tables::head(&about);
    for (comparison, fixed) in fits.with_fits() {
        block(study, comparison, fixed, &mut text);
    }
    for outcome in &fits.outcomes {
        outcomes::block(outcome, &mut text);
    }
    text.push('\n');
    text + &tables::foot(&about)
}

/// A label: each statistic, and each value of the card, before and after.
fn block(study: &AdaptationStudy, comparison: &BeforeAndAfter, fixed: Fixed, text: &mut String) {
    let label = &study.card.labels[comparison.label];
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{}: positive {}, negative {}",
        label.name, comparison.positive, comparison.negative
    );
    let _ = writeln!(text, "  {:NAME$}{:VALUE$}after, out of fold", "", "before");
    for (statistic, name) in STATISTICS {
        let [before, after] = [&comparison.before, &comparison.after].map(|figures| {
            value(figures, statistic).map_or_else(|| UNDEFINED.to_owned(), tables::cell)
        });
        // A cause has no operating points.
        if fixed.points().is_some() || before != UNDEFINED || after != UNDEFINED {
            row(name, &before, &after, text);
        }
    }
    for (name, before, after) in settings(label, fixed) {
        row(name, &before, &after, text);
    }
    for (name, share) in expected(comparison, fixed) {
        row(name, "", &share, text);
    }
}

fn row(name: &str, before: &str, after: &str, text: &mut String) {
    let _ = writeln!(text, "  {name:NAME$}{before:VALUE$}{after}");
}

/// The values of the card for a label, before and after; none for a cause.
fn settings(label: &LabelCard, fixed: Fixed) -> Vec<(&'static str, String, String)> {
    let words = |point: Option<f32>| {
        point.map_or_else(|| UNDEFINED.to_owned(), |point| format!("{point:.4}"))
    };
    let Some(points) = fixed.points() else {
        return Vec::new();
    };
    let mut settings = vec![
        (
            "balanced point",
            words(label.operating_point),
            words(Some(points.balanced)),
        ),
        (
            "90 % sensitivity point",
            words(label.sensitive_point),
            words(Some(points.sensitive)),
        ),
    ];
    if let Fixed::Label(adapted) = fixed {
        let before = label.calibration.map(|before| before.prevalence);
        settings.push((
            "prevalence",
            before.map_or_else(|| UNDEFINED.to_owned(), |p| p.to_string()),
            adapted.reading.calibration.prevalence.to_string(),
        ));
        settings.extend(adapted.correction.as_ref().map(|correction| {
            let chosen = correction.shrinkage.to_string();
            ("shrinkage λ", UNDEFINED.to_owned(), chosen)
        }));
    }
    settings
}

/// The limitations of the figures.
fn notes(
    method: FitMethod,
    study: &AdaptationStudy,
    manifest: &Manifest,
    fits: &Fits,
) -> Vec<String> {
    let mut notes = vec![format!(
        "After: the answers for a fifth of the patients by fits to the other four fifths, for each of \
         {FOLDS} folds; the rows of points and prevalence are those on the new card, from all cases. \
         Other hospitals and later years were not tested."
    )];
    notes.push(
        "\"Finds\" and \"holds\" say what to expect of the new thresholds, fixed on this many cases, for \
         patients like these: 95 % intervals, by the order of the cases alone (beta distribution; Vovk \
         2012), counted by patients."
            .to_owned(),
    );
    if fits.comparisons().next().is_none() {
        // No label was fitted.
        notes = vec!["Other hospitals and later years were not tested.".to_owned()];
    }
    notes.extend(outcomes::notes(&fits.outcomes));
    notes.extend(few(study, fits));
    let mut note = |applies: bool, text: &str| notes.extend(applies.then(|| text.to_owned()));
    note(
        method == FitMethod::Recalibrate && !fits.labels.is_empty(),
        "Recalibrating does not change the order of images, and so not the AUC of a label.",
    );
    note(
        method == FitMethod::Refit,
        "The AUC after pools the answers of five fits, which makes it slightly too low. The causes are not \
         refitted: their rows of the last layer stay as they were.",
    );
    note(
        !fits.products.is_empty(),
        "A label that is the product of two is not fitted itself. Its points and its 90 % set are fixed again on \
         its scores by fits that have not seen the patient.",
    );
    let withheld = study.withheld();
    if withheld > 0 {
        notes.push(format!(
            "{withheld} of {} scored images are unlike those that the causes were learned from: the causes, and \
             products of one, have no number there before or after, and were not fitted to them.",
            study.images.scored
        ));
    }
    notes.extend(without_patients(
        manifest,
        "both the figures and their intervals are too good",
    ));
    let mut note = |applies: bool, text: &str| notes.extend(applies.then(|| text.to_owned()));
    note(
        manifest.is_every_split,
        "The cases include rows of every split. On images that the model was trained on, the figures \
         before and after are both too good; --split selects one split.",
    );
    if method == FitMethod::Refit {
        let comparisons = fits.labels.iter().map(|fit| &fit.comparison);
        notes.extend(comparisons.filter_map(|comparison| verdict(study, comparison)));
    }
    if let Some(causes) = &fits.causes {
        let before = study.card.causes.map_or(1.0, |causes| causes.temperature);
        notes.push(format!(
            "Causes: temperature {before:.2} before, {:.2} after.",
            causes.adapted.temperature
        ));
    }
    notes.extend(fits.kept.iter().cloned());
    notes
}

/// A warning for the labels that were fitted to few patients; `None` if there are none.
fn few(study: &AdaptationStudy, fits: &Fits) -> Option<String> {
    let few = fits
        .comparisons()
        .filter(|comparison| comparison.is_of_few());
    let names: Vec<&str> = few
        .map(|comparison| study.card.labels[comparison.label].name.as_str())
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "TOO FEW CASES to fix a threshold or a calibration by: {}. Fewer than {FEW_PATIENTS} \
             patients with it, or without it, are too few by any rule of thumb, and more than that \
             may be needed (Snell et al. 2021, doi:10.1016/j.jclinepi.2021.02.011; Riley et al. 2024, \
             doi:10.1136/bmj-2023-074821).",
            names.join(", ")
        )
    })
}

/// Whether a refit is better; `None` if that is not known.
fn verdict(study: &AdaptationStudy, comparison: &BeforeAndAfter) -> Option<String> {
    let (gain, interval) = comparison.gain?;
    let name = &study.card.labels[comparison.label].name;
    let range = interval.map_or_else(String::new, |(low, high)| {
        format!(" ({low:+.3} to {high:+.3})")
    });
    let change = format!("within folds the AUC changes by {gain:+.3}{range}");
    Some(match interval {
        Some((low, _)) if low > 0.0 => {
            format!("{name}: the refit separates the cases better than before: {change}.")
        }
        _ if gain > 0.0 => format!(
            "{name}: the refit is not shown to be better than before: {change}. --method \
             recalibrate changes less."
        ),
        _ => format!(
            "{name}: THE REFIT IS NOT BETTER than before: {change}. Use --method recalibrate."
        ),
    })
}
