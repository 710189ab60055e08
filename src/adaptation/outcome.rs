//! A clinical outcome that is foretold from few numbers: the severity, and the position of the features in at most eight of
//! their principal directions. Few cases have an outcome, so that more numbers would fit noise.
//!
//! Beside it stands a control that knows only the severity and the view: patients who are badly off are radiographed lying
//! down, so that the view alone foretells much. Both are judged on the same patients, whom their fits have not seen.
//!
//! ```text
//! for each fold:  directions of the other folds ─► numbers ─ logistic regression ─► score of the fold's own cases
//!                                                              └ directions and λ chosen within the other folds
//! ```

use super::directions::Directions;
use super::folds::folds;
use super::logistic::{LinearModel, Problem, log_loss};
use super::refit::SHRINKAGES;
use super::{AdaptationError, Count, FOLDS, FitProgress};
use crate::domain::ViewPosition;
use crate::domain::prevalence::probability;
use crate::evaluation::Sample;
use crate::evaluation::measure::{area_within, in_parallel};

/// The numbers of directions that a fit may use.
const DIRECTIONS: [usize; 3] = [2, 4, 8];
/// The most of them.
const MOST: usize = DIRECTIONS[DIRECTIONS.len() - 1];

/// Number of fits for one outcome, as [`FitProgress::advance`] counts them: one without each fold, and one to all cases.
pub const OUTCOME_FITS: usize = FOLDS + 1;

/// The cases to which one outcome is fitted. All fields have one element for each case.
#[derive(Debug, Clone, Default)]
pub struct OutcomeCases<'a> {
    /// `[C]` each: the average of the network's last feature maps.
    pub features: Vec<&'a [f32]>,
    /// The projections.
    pub views: Vec<ViewPosition>,
    /// Whether the outcome came.
    pub positive: Vec<bool>,
    /// Names; images of one patient are kept together.
    pub patients: Vec<&'a str>,
}

impl OutcomeCases<'_> {
    /// The cases with the outcome and those without it.
    pub fn counts(&self) -> [Count; 2] {
        [true, false].map(|class| Count::of(&self.patients, |at| self.positive[at] == class))
    }
}

/// An area under the ROC curve over pairs of cases that one fit has scored, and that it has not seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOutArea {
    /// From 0 to 1.
    pub auc: f64,
    /// 95 %, by bootstrap over patients.
    pub interval: (f64, f64),
}

/// An outcome after its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedOutcome {
    /// Fitted to all cases. The score is its sigmoid.
    pub linear: LinearModel,
    /// Number of directions that were chosen.
    pub directions: usize,
    /// The λ that was chosen.
    pub shrinkage: f64,
    /// Of fits that have not seen the patient.
    pub area: HeldOutArea,
    /// Of the control, in the same folds.
    pub control: HeldOutArea,
}

/// Fits an outcome to all cases, and for each fold to the other folds. `severity` are functions of the features; there may
/// be none.
///
/// # Errors
/// If an area or its interval is not defined for these cases, or the fit was stopped.
pub fn adapt_outcome(
    cases: &OutcomeCases,
    severity: &[LinearModel],
    work: &FitProgress,
) -> Result<AdaptedOutcome, AdaptationError> {
    let classes: Vec<usize> = cases.positive.iter().map(|&p| usize::from(p)).collect();
    let fold = folds(&cases.patients, &classes);
    let study = OutcomeStudy {
        cases,
        severity: cases.features.iter().map(|f| on(severity, f)).collect(),
        fold: &fold,
    };
    let all: Vec<Option<usize>> = (0..FOLDS).map(Some).chain([None]).collect();
    let fits = in_parallel(work.jobs, &all, |&without| study.both(without, work));
    let mut fits: Vec<(OutcomeFit, Vec<f64>)> = fits.into_iter().collect::<Result<_, _>>()?;
    let (whole, _) = fits.pop().ok_or(AdaptationError::AllAlike)?;
    let area = study.area(|at| fits[fold[at]].0.logits[at])?;
    let control = study.area(|at| fits[fold[at]].1[at])?;
    Ok(AdaptedOutcome {
        linear: whole.folded(severity, cases.features.first().map_or(0, |f| f.len())),
        directions: whole.setting.width.saturating_sub(severity.len()),
        shrinkage: SHRINKAGES[whole.setting.shrinkage],
        area,
        control,
    })
}

/// The values of some functions of the features.
fn on(functions: &[LinearModel], features: &[f32]) -> Vec<f32> {
    let values = functions.iter().map(|function| function.apply(features));
    values.map(|value| value as f32).collect()
}

/// The cases, and what every fit to them needs.
struct OutcomeStudy<'a> {
    cases: &'a OutcomeCases<'a>,
    /// The severity of each case.
    severity: Vec<Vec<f32>>,
    fold: &'a [usize],
}

/// The choices of one fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FitSetting {
    /// How many of a case's numbers are used.
    width: usize,
    /// The index of λ.
    shrinkage: usize,
}

/// A fit without a fold, or to all cases.
struct OutcomeFit {
    basis: Directions,
    setting: FitSetting,
    /// Of a case's numbers: the severity, then the directions.
    linear: LinearModel,
    /// For every case, also those that the fit has seen.
    logits: Vec<f64>,
}

impl OutcomeStudy<'_> {
    /// The fit without a fold, and the logits of the control without it.
    fn both(
        &self,
        without: Option<usize>,
        work: &FitProgress,
    ) -> Result<(OutcomeFit, Vec<f64>), AdaptationError> {
        work.go_on()?;
        let fit = (self.fit(without), self.control(without));
        (work.advance)();
        Ok(fit)
    }

    fn fit(&self, without: Option<usize>) -> OutcomeFit {
        let seen: Vec<&[f32]> = self
            .others(without)
            .map(|at| self.cases.features[at])
            .collect();
        let basis = Directions::of(&seen, MOST);
        let severity = self.severity.iter();
        let numbers = severity.zip(&self.cases.features).map(|(severity, f)| {
            let along = basis.along(f).into_iter().map(|value| value as f32);
            severity.iter().copied().chain(along).collect()
        });
        let numbers: Vec<Vec<f32>> = numbers.collect();
        let known = self.severity.first().map_or(0, Vec::len);
        let mut widths = DIRECTIONS
            .map(|count| known + count.min(basis.count()))
            .to_vec();
        widths.dedup();
        let (setting, linear) = self.chosen(&numbers, &widths, without);
        OutcomeFit {
            logits: logits(&linear, &numbers),
            basis,
            setting,
            linear,
        }
    }

    /// The logits of a fit that knows only the severity and the view.
    fn control(&self, without: Option<usize>) -> Vec<f64> {
        let severity = self.severity.iter();
        let numbers = severity.zip(&self.cases.views).map(|(severity, &view)| {
            let is = |of: ViewPosition| f32::from(u8::from(view == of));
            let views = [is(ViewPosition::Ap), is(ViewPosition::Pa)];
            severity.iter().copied().chain(views).collect()
        });
        let numbers: Vec<Vec<f32>> = numbers.collect();
        let width = numbers.first().map_or(0, Vec::len);
        let (_, linear) = self.chosen(&numbers, &[width], without);
        logits(&linear, &numbers)
    }

    /// The cases of all folds but one.
    fn others(&self, without: Option<usize>) -> impl Iterator<Item = usize> {
        let fold = self.fold;
        (0..fold.len()).filter(move |&at| Some(fold[at]) != without)
    }

    /// The setting with the least loss on folds that its fits have not seen, and the fit with it to all of them: none
    /// of them sees the fold that is left out. Among equals the fewest numbers and the greatest λ.
    fn chosen(
        &self,
        numbers: &[Vec<f32>],
        widths: &[usize],
        without: Option<usize>,
    ) -> (FitSetting, LinearModel) {
        let mut best = (
            f64::INFINITY,
            FitSetting {
                width: 0,
                shrinkage: 0,
            },
        );
        for &width in widths {
            for (shrinkage, loss) in self.losses(numbers, width, without).into_iter().enumerate() {
                if loss < best.0 {
                    best = (loss, FitSetting { width, shrinkage });
                }
            }
        }
        let (_, setting) = best;
        let mut path = self.path(numbers, setting, |at| Some(self.fold[at]) != without);
        let linear = path.pop().unwrap_or(LinearModel {
            weight: vec![0.0; setting.width],
            bias: 0.0,
        });
        (setting, linear)
    }

    /// The loss at each λ, summed over the folds but one, each scored by the fit to the others.
    fn losses(&self, numbers: &[Vec<f32>], width: usize, without: Option<usize>) -> Vec<f64> {
        let mut losses = vec![0.0; SHRINKAGES.len()];
        let last = FitSetting {
            width,
            shrinkage: SHRINKAGES.len() - 1,
        };
        for inner in (0..FOLDS).filter(|&inner| Some(inner) != without) {
            let is_in = |at: usize| Some(self.fold[at]) != without && self.fold[at] != inner;
            let path = self.path(numbers, last, is_in);
            for (loss, linear) in losses.iter_mut().zip(&path) {
                let own = (0..self.fold.len()).filter(|&at| self.fold[at] == inner);
                let of = |at: usize| {
                    let logit = linear.apply(&numbers[at][..width]);
                    log_loss(logit, self.cases.positive[at])
                };
                *loss += own.map(of).sum::<f64>();
            }
        }
        losses
    }

    /// The fits at each λ down to that of the setting. Each starts at the solution before.
    fn path(
        &self,
        numbers: &[Vec<f32>],
        setting: FitSetting,
        is_in: impl Fn(usize) -> bool,
    ) -> Vec<LinearModel> {
        let rows = (0..numbers.len()).filter(|&at| is_in(at));
        let problem = Problem::new(rows.map(|at| {
            let row = &numbers[at][..setting.width];
            (row, self.cases.positive[at], 0.0)
        }));
        let mut at = problem.start();
        let mut path = Vec::new();
        for shrinkage in &SHRINKAGES[..=setting.shrinkage] {
            at = problem.solve(*shrinkage, at);
            path.push(problem.linear(&at));
        }
        path
    }

    /// The area within folds: scores of different fits cannot be compared.
    fn area(&self, logit: impl Fn(usize) -> f64) -> Result<HeldOutArea, AdaptationError> {
        let strata: Vec<Sample> = (0..FOLDS)
            .map(|own| {
                let rows = (0..self.fold.len()).filter(|&at| self.fold[at] == own);
                Sample::new(rows.map(|at| {
                    let OutcomeCases {
                        positive, patients, ..
                    } = self.cases;
                    (probability(logit(at)), positive[at], patients[at])
                }))
            })
            .collect();
        let (auc, interval) = area_within(&strata).ok_or(AdaptationError::NoInterval)?;
        Ok(HeldOutArea {
            auc,
            interval: interval.ok_or(AdaptationError::NoInterval)?,
        })
    }
}

fn logits(linear: &LinearModel, numbers: &[Vec<f32>]) -> Vec<f64> {
    let width = linear.weight.len();
    let rows = numbers.iter();
    rows.map(|row| linear.apply(&row[..width])).collect()
}

impl OutcomeFit {
    /// The fit as one function of the features, of which there are `channels`.
    fn folded(&self, severity: &[LinearModel], channels: usize) -> LinearModel {
        let mut sum = LinearModel {
            weight: vec![0.0; channels],
            bias: self.linear.bias,
        };
        let weights = &self.linear.weight;
        let (of_severity, of_directions) = weights.split_at(severity.len().min(weights.len()));
        for (row, weight) in severity.iter().zip(of_severity) {
            for (sum, value) in sum.weight.iter_mut().zip(&row.weight) {
                *sum += weight * value;
            }
            sum.bias += weight * row.bias;
        }
        self.basis.add_to(&mut sum, of_directions);
        sum
    }
}

#[cfg(test)]
mod tests;
