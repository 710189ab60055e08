//! The fits, and how each compares with the old model on the same images.

use anyhow::Result;

use super::labels_that;
use super::study::{AdaptationStudy, FitPlan};
use crate::adaptation::{
    AdaptationError, Adapted, AdaptedCauses, Count, FEW_PATIENTS, FOLDS, FitMethod, FitProgress,
    LabelCases, adapt, adapt_causes, expected_coverage, expected_sensitivity,
};
use crate::commands::shared::Usage;
use crate::domain::Question;
use crate::evaluation::Sample;
use crate::evaluation::measure::{difference_within, figures, in_parallel};
use crate::evaluation::report::{CaseGroup, Estimate, NamedThreshold, Statistic};
use crate::inference::HeadRow;

/// The figures of a label before and after its fit.
pub struct BeforeAndAfter {
    /// The label, by its place on the card.
    pub label: usize,
    pub positive: Count,
    pub negative: Count,
    pub before: Vec<Estimate>,
    /// Figures out of fold.
    pub after: Vec<Estimate>,
    /// AUC after minus AUC before, and its interval. Only pairs of images in one fold count, since scores of
    /// different fits cannot be compared. `None` for a cause.
    pub gain: Option<(f64, Option<(f64, f64)>)>,
}

/// A label that was fitted.
pub struct LabelFit {
    pub adapted: Adapted,
    pub comparison: BeforeAndAfter,
}

/// The causes, if they were fitted.
pub struct CausesFit {
    pub adapted: AdaptedCauses,
    /// One for each cause, in the card's order.
    pub comparisons: Vec<BeforeAndAfter>,
}

/// All fits.
pub struct Fits {
    pub labels: Vec<LabelFit>,
    pub causes: Option<CausesFit>,
    /// Why others stay as they were, a sentence each.
    pub kept: Vec<String>,
}

impl Fits {
    /// Each comparison with the fit of its label; a cause has none of its own.
    pub fn with_fits(&self) -> impl Iterator<Item = (&BeforeAndAfter, Option<&Adapted>)> {
        let causes = self.causes.iter().flat_map(|causes| &causes.comparisons);
        let labels = self.labels.iter();
        let labels = labels.map(|fit| (&fit.comparison, Some(&fit.adapted)));
        labels.chain(causes.map(|comparison| (comparison, None)))
    }

    /// The comparisons of labels, then those of causes.
    pub fn comparisons(&self) -> impl Iterator<Item = &BeforeAndAfter> {
        let causes = self.causes.iter().flat_map(|causes| &causes.comparisons);
        self.labels.iter().map(|fit| &fit.comparison).chain(causes)
    }
}

impl LabelFit {
    /// The new row of the last layer, if it was fitted.
    pub fn row(&self) -> Option<HeadRow> {
        let correction = self.adapted.correction.as_ref()?;
        Some(HeadRow {
            label: self.comparison.label,
            scale: correction.scale,
            weight: correction.weight.clone(),
            bias: correction.bias,
        })
    }
}

/// Fits the labels of the plan.
///
/// # Errors
/// [`Usage`], if nothing could be fitted; [`AdaptationError::Stopped`] after a signal.
pub fn fit(
    study: &AdaptationStudy,
    plan: FitPlan,
    method: FitMethod,
    work: &FitProgress,
) -> Result<Fits> {
    let mut kept = plan.kept;
    let mut left = |label: &str, error: AdaptationError| match error {
        AdaptationError::Stopped => Err(error),
        reason => {
            kept.push(format!("{label} stays as it was: {reason}."));
            Ok(())
        }
    };
    let mut fitted = Vec::new();
    for label in plan.labels {
        let (cases, _) = study.cases_of(label);
        match adapt(&cases, method, work) {
            Ok(adapted) => fitted.push((label, adapted)),
            Err(error) => left(&study.card.labels[label].name, error)?,
        }
    }
    let causes = labels_that(study.card, Question::GivenPneumonia);
    let mut of_causes = None;
    if plan.causes {
        let (cases, places) = study.cases_of_causes(&causes);
        match adapt_causes(&cases) {
            Ok(adapted) => of_causes = Some((adapted, places, cases)),
            Err(error) => left("What tells the causes apart", error)?,
        }
    }
    if fitted.is_empty() && of_causes.is_none() {
        return Err(Usage::error(format!(
            "nothing was fitted: {}",
            kept.join(" ")
        )));
    }
    let labels = in_parallel(work.jobs, &fitted, |(label, adapted)| {
        study.compared(*label, adapted, method)
    });
    let labels = fitted.into_iter().zip(labels);
    Ok(Fits {
        labels: labels
            .map(|((_, adapted), comparison)| LabelFit {
                adapted,
                comparison,
            })
            .collect(),
        causes: of_causes.map(|(adapted, places, cases)| {
            let each: Vec<usize> = (0..causes.len()).collect();
            let comparisons = in_parallel(work.jobs, &each, |&place| {
                let row = |n: usize| {
                    let before = study.read[places[n]].as_ref();
                    let score = before.map_or(f32::NAN, |read| read.scores[causes[place]]);
                    (score, adapted.shares[n][place], cases.cause[n] == place)
                };
                let rows: Vec<_> = (0..places.len()).map(row).collect();
                compared_cause(study, causes[place], &rows, &cases.patients)
            });
            CausesFit {
                adapted,
                comparisons,
            }
        }),
        kept,
    })
}

/// The threshold for calls that each fold has made with its own threshold.
const CALLED: f64 = 0.5;

impl AdaptationStudy<'_> {
    fn compared(&self, label: usize, adapted: &Adapted, method: FitMethod) -> BeforeAndAfter {
        let card = &self.card.labels[label];
        let (cases, places) = self.cases_of(label);
        let score = |n: usize| {
            self.read[places[n]]
                .as_ref()
                .map_or(f32::NAN, |r| r.scores[label])
        };
        let before = sample(&cases, |n| score(n).into());
        let after = sample(&cases, |n| adapted.answers[n].probability.into());
        let called = sample(&cases, |n| {
            f64::from(u8::from(adapted.answers[n].is_called))
        });

        let points: Vec<_> = card.operating_point.map(point).into_iter().collect();
        let figures_before = figures(&card.name, &CaseGroup::all(), &before, &points);
        let mut figures_after = figures(&card.name, &CaseGroup::all(), &after, &[]);
        if method == FitMethod::Recalibrate {
            // One slope for all images keeps their order. The slopes of the folds differ a little, and would
            // change the AUC.
            figures_after.retain(|figure| figure.statistic != Statistic::Auc);
            let auc = figures_before
                .iter()
                .find(|f| f.statistic == Statistic::Auc);
            figures_after.extend(auc.cloned());
        }
        let at_half = NamedThreshold {
            threshold: CALLED,
            ..point(adapted.reading.balanced)
        };
        let rates = figures(&card.name, &CaseGroup::all(), &called, &[at_half]).into_iter();
        figures_after.extend(rates.filter(|figure| figure.operating_point.is_some()).map(
            |figure| Estimate {
                // Each fold has its own point; the card gets the one of all cases.
                operating_point: Some(point(adapted.reading.balanced)),
                ..figure
            },
        ));
        let [positive, negative] = cases.counts();
        BeforeAndAfter {
            label,
            positive,
            negative,
            gain: self.gain(label, adapted),
            before: figures_before,
            after: figures_after,
        }
    }

    fn gain(&self, label: usize, adapted: &Adapted) -> Option<(f64, Option<(f64, f64)>)> {
        let (cases, places) = self.cases_of(label);
        let of_fold = |fold: usize, score: &dyn Fn(usize) -> f32| {
            let rows = (0..places.len()).filter(|&n| adapted.answers[n].fold == fold);
            Sample::new(rows.map(|n| (f64::from(score(n)), cases.positive[n], cases.patients[n])))
        };
        let score = |n: usize| {
            self.read[places[n]]
                .as_ref()
                .map_or(f32::NAN, |r| r.scores[label])
        };
        let strata: Vec<_> = (0..FOLDS)
            .map(|fold| {
                let after = of_fold(fold, &|n| adapted.answers[n].probability);
                (after, of_fold(fold, &score))
            })
            .collect();
        difference_within(&strata)
    }
}

fn point(threshold: f32) -> NamedThreshold {
    NamedThreshold {
        name: "balanced".to_owned(),
        threshold: threshold.into(),
    }
}

fn sample(cases: &LabelCases, score: impl Fn(usize) -> f64) -> Sample {
    let rows = 0..cases.positive.len();
    Sample::new(rows.map(|n| (score(n), cases.positive[n], cases.patients[n])))
}

/// Compares a cause. `rows` have the score before, the share after, and whether it was this cause.
fn compared_cause(
    study: &AdaptationStudy,
    label: usize,
    rows: &[(f32, f32, bool)],
    patients: &[&str],
) -> BeforeAndAfter {
    let name = &study.card.labels[label].name;
    let sample = |score: fn(&(f32, f32, bool)) -> f32| {
        let rows = rows.iter().zip(patients);
        Sample::new(rows.map(|(row, who)| (f64::from(score(row)), row.2, *who)))
    };
    let (before, after) = (sample(|row| row.0), sample(|row| row.1));
    let [figures_before, figures_after] =
        [&before, &after].map(|sample| figures(name, &CaseGroup::all(), sample, &[]));
    let count = |class: bool| Count::of(patients, |at| rows[at].2 == class);
    BeforeAndAfter {
        label,
        positive: count(true),
        negative: count(false),
        gain: None,
        before: figures_before,
        after: figures_after,
    }
}

impl BeforeAndAfter {
    /// Whether there are too few cases to fix a threshold, by any rule of thumb.
    pub fn is_of_few(&self) -> bool {
        let patients = self.positive.patients.min(self.negative.patients);
        patients < FEW_PATIENTS
    }
}

/// What thresholds that were fixed on the cases of a comparison will do for patients like these, in words:
/// 95 % intervals of the shares that they will find or hold. `fit` is `None` for a cause, whose set has
/// one side.
pub fn expected(comparison: &BeforeAndAfter, fit: Option<&Adapted>) -> Vec<(&'static str, String)> {
    let BeforeAndAfter {
        positive, negative, ..
    } = comparison;
    let point = fit.map(|fit| {
        let found = expected_sensitivity(fit.reading.found, *positive);
        ("90 % point finds", found)
    });
    let absent = fit.map(|_| ("90 % set, absent, holds", expected_coverage(*negative)));
    let present = Some(("90 % set, present, holds", expected_coverage(*positive)));
    let all = [point, present, absent].into_iter().flatten();
    all.map(|(what, interval)| (what, interval.map_or_else(|| "all".to_owned(), percent)))
        .collect()
}

/// `68 to 97 %`: whole percents, and never 100 %.
fn percent((low, high): (f64, f64)) -> String {
    let high = match 100.0 * high {
        high if high >= 99.5 => "> 99".to_owned(),
        high => format!("{high:.0}"),
    };
    format!("{:.0} to {high} %", 100.0 * low)
}

/// The figure of a statistic.
pub fn value(figures: &[Estimate], statistic: Statistic) -> Option<&Estimate> {
    figures.iter().find(|figure| figure.statistic == statistic)
}
