//! The fits, and how each compares with the old model on the same images.

use anyhow::Result;

use super::labels_that;
use super::outcomes::FittedOutcome;
use super::study::{AdaptationStudy, FitPlan};
use crate::adaptation::{
    AdaptationError, Adapted, AdaptedCauses, Count, FEW_PATIENTS, FOLDS, FitMethod, FitProgress,
    HeldOutScore, LabelCases, ScorePoints, adapt, adapt_causes, expected_coverage,
    expected_sensitivity,
};
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
    /// different fits cannot be compared. `None` for a cause and for a product.
    pub gain: Option<(f64, Option<(f64, f64)>)>,
}

/// A label that was fitted.
pub struct LabelFit {
    pub adapted: Adapted,
    pub comparison: BeforeAndAfter,
}

/// A product whose thresholds were fixed anew.
pub struct ProductFit {
    pub points: ScorePoints,
    pub comparison: BeforeAndAfter,
}

/// The causes, if they were fitted.
pub struct CausesFit {
    pub adapted: AdaptedCauses,
    /// One for each cause, in the card's order.
    pub comparisons: Vec<BeforeAndAfter>,
}

/// What was fixed for the label of a comparison.
#[derive(Clone, Copy)]
pub enum Fixed<'a> {
    Label(&'a Adapted),
    Product(&'a ScorePoints),
    /// A cause has no points.
    Cause,
}

impl<'a> Fixed<'a> {
    /// The thresholds; `None` for a cause.
    pub fn points(self) -> Option<&'a ScorePoints> {
        match self {
            Fixed::Label(adapted) => Some(&adapted.reading.points),
            Fixed::Product(points) => Some(points),
            Fixed::Cause => None,
        }
    }
}

/// All fits.
pub struct Fits {
    pub labels: Vec<LabelFit>,
    pub causes: Option<CausesFit>,
    /// Products whose thresholds were fixed anew.
    pub products: Vec<ProductFit>,
    /// Products without thresholds from now on, by their places on the card.
    pub dropped: Vec<usize>,
    /// Outcomes that were fitted.
    pub outcomes: Vec<FittedOutcome>,
    /// Why others stay as they were, a sentence each.
    pub kept: Vec<String>,
}

impl Fits {
    /// Each comparison with what was fixed: of labels, then of products, then of causes.
    pub fn with_fits(&self) -> impl Iterator<Item = (&BeforeAndAfter, Fixed<'_>)> {
        let causes = self.causes.iter().flat_map(|causes| &causes.comparisons);
        let labels = self.labels.iter();
        let labels = labels.map(|fit| (&fit.comparison, Fixed::Label(&fit.adapted)));
        let products = self.products.iter();
        let products = products.map(|fit| (&fit.comparison, Fixed::Product(&fit.points)));
        let causes = causes.map(|comparison| (comparison, Fixed::Cause));
        labels.chain(products).chain(causes)
    }

    /// The comparisons of labels, then those of products, then those of causes.
    pub fn comparisons(&self) -> impl Iterator<Item = &BeforeAndAfter> {
        self.with_fits().map(|(comparison, _)| comparison)
    }

    pub fn is_empty(&self) -> bool {
        let has_no_label = self.labels.is_empty() && self.products.is_empty();
        has_no_label && self.causes.is_none() && self.outcomes.is_empty()
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

/// Fits the labels of the plan, without its products and without outcomes.
///
/// # Errors
/// [`AdaptationError::Stopped`] after a signal.
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
    let labels = in_parallel(work.jobs, &fitted, |(label, adapted)| {
        study.compared_label(*label, adapted, method)
    });
    let labels = fitted.into_iter().zip(labels);
    Ok(Fits {
        products: Vec::new(),
        dropped: Vec::new(),
        outcomes: Vec::new(),
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
                    let score = study.score(places[n], causes[place]);
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
    /// The old score of a case; not a number if it has none.
    fn score(&self, at: usize, label: usize) -> f32 {
        let read = self.read[at].as_ref();
        let score = read.and_then(|read| read.scores[label]);
        score.unwrap_or(f32::NAN)
    }

    fn compared_label(&self, label: usize, adapted: &Adapted, method: FitMethod) -> BeforeAndAfter {
        let balanced = adapted.reading.points.balanced;
        let mut compared = self.compared(label, &adapted.answers, balanced);
        if method == FitMethod::Recalibrate && self.card.labels[label].calibration_for.is_empty() {
            // One slope for all images keeps their order. The slopes of the folds differ a little, and would
            // change the AUC.
            let is_auc = |figure: &Estimate| figure.statistic == Statistic::Auc;
            compared.after.retain(|figure| !is_auc(figure));
            let auc = compared
                .before
                .iter()
                .find(|figure| is_auc(figure))
                .cloned();
            compared.after.extend(auc);
        }
        compared.gain = self.gain(label, adapted);
        compared
    }

    /// The figures of a label that is present or absent, or a product, before and after. `answers` are those out of fold,
    /// one for each case of the label, and `balanced` is the new point of all cases.
    pub fn compared(
        &self,
        label: usize,
        answers: &[HeldOutScore],
        balanced: f32,
    ) -> BeforeAndAfter {
        let card = &self.card.labels[label];
        let (cases, places) = self.cases_of(label);
        let before = sample(&cases, |n| self.score(places[n], label).into());
        let after = sample(&cases, |n| answers[n].probability.into());
        let called = sample(&cases, |n| f64::from(u8::from(answers[n].is_called)));

        let points: Vec<_> = card.operating_point.map(point).into_iter().collect();
        let figures_before = figures(&card.name, &CaseGroup::all(), &before, &points);
        let mut figures_after = figures(&card.name, &CaseGroup::all(), &after, &[]);
        let at_half = NamedThreshold {
            threshold: CALLED,
            ..point(balanced)
        };
        let rates = figures(&card.name, &CaseGroup::all(), &called, &[at_half]).into_iter();
        figures_after.extend(rates.filter(|figure| figure.operating_point.is_some()).map(
            |figure| Estimate {
                // Each fold has its own point; the card gets the one of all cases.
                operating_point: Some(point(balanced)),
                ..figure
            },
        ));
        let [positive, negative] = cases.counts();
        BeforeAndAfter {
            label,
            positive,
            negative,
            gain: None,
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
        let score = |n: usize| self.score(places[n], label);
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
/// 95 % intervals of the shares that they will find or hold. The set of a cause has one side.
pub fn expected(comparison: &BeforeAndAfter, fixed: Fixed) -> Vec<(&'static str, String)> {
    let BeforeAndAfter {
        positive, negative, ..
    } = comparison;
    let points = fixed.points();
    let point = points.map(|points| {
        let found = expected_sensitivity(points.found, *positive);
        ("90 % point finds", found)
    });
    let absent = points.map(|_| ("90 % set, absent, holds", expected_coverage(*negative)));
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
