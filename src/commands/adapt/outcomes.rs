//! Outcomes that are fitted to the user's own cases: `--outcome-column`.

use std::fmt::Write;

use anyhow::Result;

use super::study::AdaptationStudy;
use crate::adaptation::{
    AdaptationError, AdaptedOutcome, Count, ENOUGH_IMAGES, ENOUGH_PATIENTS, FEW_PATIENTS,
    FitProgress, HeldOutArea, LinearModel, OutcomeCases, adapt_outcome,
};
use crate::cli;
use crate::commands::shared::Usage;
use crate::domain::text::clean;
use crate::domain::{
    Adaptation, Measurement, ModelCard, PrognosisCard, PrognosisEvidence, ViewPosition,
};
use crate::evaluation::manifest::LabelColumn;
use crate::evaluation::report::{Interval, IntervalMethod, Statistic};
use crate::evaluation::{Case, tables};
use crate::inference::{Classifier, FeatureRow, PrognosisRow};

/// The word of such a fit in the history of a card.
pub const METHOD: &str = "outcome";

/// Decimals of an area on the card, as those of the bundled model have.
const DECIMALS: f64 = 1e4;

/// Widths of a name, and of a value with its interval, as for labels.
const NAME: usize = 24;

/// An outcome that was fitted.
pub struct FittedOutcome {
    /// As `--outcome-column` names it.
    pub name: String,
    pub positive: Count,
    pub negative: Count,
    /// Images that were scored, and whose outcome is not known.
    pub unknown: usize,
    /// Patients of those with an answer.
    patients: usize,
    pub adapted: AdaptedOutcome,
}

/// The outcomes that the options ask for, and their columns.
///
/// # Errors
/// [`Usage`], if one has no name or no column, or two have the same name.
pub fn columns(arguments: &cli::Adapt) -> Result<Vec<LabelColumn>> {
    let mut columns: Vec<LabelColumn> = Vec::new();
    for text in &arguments.outcome_column {
        let fail = |reason: &str| Usage::error(format!("--outcome-column {text}: {reason}"));
        let (name, column) = text
            .split_once('=')
            .ok_or_else(|| fail("write NAME=COLUMN, as in icu=went_icu"))?;
        let (name, column) = (clean(name), column.trim().to_owned());
        if name.is_empty() || column.is_empty() {
            return Err(fail("write NAME=COLUMN, as in icu=went_icu"));
        }
        if columns.iter().any(|other| other.label == name) {
            return Err(fail("there is an outcome of that name before it"));
        }
        columns.push(LabelColumn {
            label: name,
            column,
        });
    }
    Ok(columns)
}

/// Refuses what can be known before the images are read: a model without features, and too few cases.
///
/// # Errors
/// [`Usage`], with the counts.
pub fn refuse(
    columns: &[LabelColumn],
    card: &ModelCard,
    cases: &[Case],
    is_in: impl Fn(usize) -> bool,
) -> Result<()> {
    if columns.is_empty() {
        return Ok(());
    }
    if !card.has_heat_maps() {
        return Err(Usage::error(format!(
            "--outcome-column: {} has no features that an outcome could be fitted to ({})",
            card.name, card.architecture
        )));
    }
    let is_label = |column: &&LabelColumn| {
        let mut labels = card.labels.iter();
        labels.any(|label| label.name == column.label)
    };
    if let Some(column) = columns.iter().find(is_label) {
        return Err(Usage::error(format!(
            "--outcome-column {}={}: that is a label of the model; --label-column fits it",
            column.label, column.column
        )));
    }
    let names: Vec<&str> = cases.iter().map(|case| case.patient.as_str()).collect();
    let mut short = Vec::new();
    for LabelColumn { label, .. } in columns {
        let count = |class: bool| {
            let is = |at: usize| is_in(at) && cases[at].outcomes.get(label) == Some(&class);
            Count::of(&names, is)
        };
        let (positive, negative) = (count(true), count(false));
        if !(positive.is_enough() && negative.is_enough()) {
            short.push(format!(
                "{label} (with it {positive}, without it {negative})"
            ));
        }
    }
    if short.is_empty() {
        return Ok(());
    }
    Err(Usage::error(format!(
        "too few cases for an outcome: {}. It takes {ENOUGH_IMAGES} images of {ENOUGH_PATIENTS} patients, with it \
         and without it",
        short.join("; ")
    )))
}

/// Fits each outcome.
///
/// # Errors
/// [`Usage`], if one cannot be fitted; [`AdaptationError::Stopped`] after a signal.
pub fn fit(
    columns: &[LabelColumn],
    study: &AdaptationStudy,
    classifier: &Classifier,
    work: &FitProgress,
) -> Result<Vec<FittedOutcome>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let severity = classifier.severity_rows()?.into_iter();
    let severity: Vec<LinearModel> = severity
        .map(|FeatureRow { weight, bias }| LinearModel { weight, bias })
        .collect();
    let one = |column: &LabelColumn| {
        let name = &column.label;
        let (cases, unknown) = study.cases_of_outcome(name);
        let adapted = adapt_outcome(&cases, &severity, work).map_err(|error| match error {
            AdaptationError::Stopped => error.into(),
            reason => Usage::error(format!("the outcome {name} cannot be fitted: {reason}")),
        })?;
        let [positive, negative] = cases.counts();
        Ok(FittedOutcome {
            name: name.clone(),
            positive,
            negative,
            unknown,
            patients: Count::of(&cases.patients, |_| true).patients,
            adapted,
        })
    };
    columns.iter().map(one).collect()
}

impl AdaptationStudy<'_> {
    /// The scored cases whose outcome is known, and the number of those whose outcome is not.
    fn cases_of_outcome(&self, name: &str) -> (OutcomeCases<'_>, usize) {
        let (mut cases, mut unknown) = (OutcomeCases::default(), 0);
        for (read, case) in self.read.iter().zip(self.cases) {
            let Some(read) = read else { continue };
            let Some(&positive) = case.outcomes.get(name) else {
                unknown += 1;
                continue;
            };
            cases.features.push(&read.features);
            // The table of cases knows it of files that do not say it.
            cases.views.push(match case.view {
                ViewPosition::Unknown => read.view,
                view => view,
            });
            cases.positive.push(positive);
            cases.patients.push(&case.patient);
        }
        (cases, unknown)
    }
}

impl FittedOutcome {
    /// Images with an answer.
    fn images(&self) -> usize {
        self.positive.images + self.negative.images
    }

    /// The evidence for the card, of data of this name.
    fn evidence(&self, on: &str) -> PrognosisEvidence {
        let rounded = |area: f64| (area * DECIMALS).round() / DECIMALS;
        let HeldOutArea {
            auc,
            interval: (low, high),
        } = self.adapted.area;
        PrognosisEvidence {
            on: on.to_owned(),
            auc: rounded(auc),
            interval: (rounded(low), rounded(high)),
            control_auc: rounded(self.adapted.control.auc),
            n: self.images(),
            patients: self.patients,
        }
    }

    /// The row of the outcome in the new model.
    pub fn row(&self) -> PrognosisRow {
        let LinearModel { weight, bias } = self.adapted.linear.clone();
        PrognosisRow {
            outcome: self.name.clone(),
            row: FeatureRow { weight, bias },
        }
    }

    fn measurements(&self, on: &str) -> [Measurement; 2] {
        let auc = Statistic::Auc.name();
        let of = |statistic: String, area: HeldOutArea| Measurement {
            label: self.name.clone(),
            on: on.to_owned(),
            statistic,
            value: area.auc,
            interval: Some(area.interval),
            n: self.images(),
            positives: Some(self.positive.images),
            patients: Some(self.patients),
        };
        [
            of(auc.to_owned(), self.adapted.area),
            of(
                format!("{auc}, control: view and severity"),
                self.adapted.control,
            ),
        ]
    }
}

/// Puts the outcomes on a card, in place of those of the same names. `adaptation` describes the cases.
pub fn put_on(card: &mut ModelCard, outcomes: &[FittedOutcome], adaptation: &Adaptation) {
    if outcomes.is_empty() {
        return;
    }
    let on = format!("{}, out of fold", adaptation.manifest);
    for outcome in outcomes {
        let new = PrognosisCard {
            outcome: outcome.name.clone(),
            evidence: outcome.evidence(&on),
        };
        let mut old = card.prognoses.iter_mut();
        match old.find(|old| old.outcome == new.outcome) {
            Some(old) => *old = new,
            None => card.prognoses.push(new),
        }
        card.measurements.retain(|m| m.label != outcome.name);
        card.measurements.extend(outcome.measurements(&on));
        card.limits.push(limit(outcome, adaptation));
    }
    card.adaptations.push(Adaptation {
        method: METHOD.to_owned(),
        labels: outcomes
            .iter()
            .map(|outcome| outcome.name.clone())
            .collect(),
        ..adaptation.clone()
    });
}

fn limit(outcome: &FittedOutcome, adaptation: &Adaptation) -> String {
    format!(
        "{}: a score and no probability, fitted to {} with it and {} without ({}, {}). How it does at any other \
         place or time is not known.{}",
        outcome.name,
        outcome.positive,
        outcome.negative,
        adaptation.manifest,
        adaptation.date,
        few(outcome)
    )
}

/// A warning where few patients had the outcome, or few had not.
fn few(outcome: &FittedOutcome) -> String {
    let patients = outcome.positive.patients.min(outcome.negative.patients);
    if patients < FEW_PATIENTS {
        format!(" Fewer than {FEW_PATIENTS} patients of either are too few.")
    } else {
        String::new()
    }
}

/// The figures of an outcome, for a terminal.
pub fn block(outcome: &FittedOutcome, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{}: with it {}, without it {}",
        outcome.name, outcome.positive, outcome.negative
    );
    let adapted = &outcome.adapted;
    let evidence = outcome.evidence("");
    let shown = if evidence.bears_a_number() {
        "a score".to_owned()
    } else {
        evidence.absence_words()
    };
    let left_out = match outcome.unknown {
        0 => "none".to_owned(),
        images => format!("{} without an answer", tables::counted(images, "image")),
    };
    for (name, value) in [
        ("", "out of fold".to_owned()),
        ("AUC", area(adapted.area)),
        ("AUC of the control", area(adapted.control)),
        ("directions", adapted.directions.to_string()),
        ("shrinkage λ", adapted.shrinkage.to_string()),
        ("left out", left_out),
        ("--prognosis shows", shown),
    ] {
        let _ = writeln!(text, "  {name:NAME$}{value}");
    }
}

fn area(area: HeldOutArea) -> String {
    let (low, high) = area.interval;
    let interval = Interval {
        low,
        high,
        method: IntervalMethod::Bootstrap,
    };
    tables::share_with_interval(area.auc, Some(interval), 3)
}

/// What the figures of outcomes mean.
pub fn notes(outcomes: &[FittedOutcome]) -> Vec<String> {
    if outcomes.is_empty() {
        return Vec::new();
    }
    let mut notes = vec![
        "Outcomes: areas over pairs of images that one of five fits has scored and not seen, with directions and \
         shrinkage chosen inside each. The control knows only the severity and the view. Shown is a score, and no \
         probability, where the lower end of the interval is above 0.5 and above the control."
            .to_owned(),
    ];
    let few: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !few(outcome).is_empty())
        .map(|outcome| outcome.name.as_str())
        .collect();
    if !few.is_empty() {
        notes.push(format!(
            "TOO FEW CASES to foretell by: {}. Fewer than {FEW_PATIENTS} patients with it, or without it.",
            few.join(", ")
        ));
    }
    notes
}
