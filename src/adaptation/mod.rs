//! Fitting a model to local cases, from the outputs of its network for them. Numbers in, numbers out: no
//! image is read here and no network runs.
//!
//! ```text
//! Cases { features, logits, positive, patients, sources } ─ folds, by patient
//!     │                                              │
//!     ├─ refit: logistic regression ─► logits by heads that have not seen the patient
//!     └─ recalibrate: the logits ──────┤
//!                                      └─ reading: Platt, operating points, conformal ─► Adapted
//!                                             product of two: operating points, conformal ─► AdaptedProduct
//!
//! OutcomeCases { features, views, positive, patients } ─ directions ─ logistic regression ─► AdaptedOutcome
//! ```
//!
//! Every fit is made twice: once to all cases, for the card, and once for each fold to the other folds, for
//! the figures. So the figures describe the procedure, on patients that it has not seen.

mod directions;
mod folds;
mod label;
mod logistic;
mod outcome;
mod platt;
mod product;
mod reading;
mod refit;
mod temperature;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

pub use folds::FOLDS;
pub use label::{Adapted, FitMethod, HeldOutScore, adapt};
pub use logistic::LinearModel;
pub use outcome::{AdaptedOutcome, HeldOutArea, OUTCOME_FITS, OutcomeCases, adapt_outcome};
pub use product::{AdaptedProduct, adapt_product};
pub use reading::{CardReading, ScorePoints, expected_coverage, expected_sensitivity};
pub use refit::{Correction, FITS};
pub use temperature::{AdaptedCauses, CauseCases, adapt_causes};

/// The fewest images of each class. With fewer, a threshold with a sensitivity of 90 % depends on one or two
/// images.
pub const ENOUGH_IMAGES: usize = 20;
/// The fewest patients of each class.
pub const ENOUGH_PATIENTS: usize = 10;

/// With fewer patients of a class, a threshold or a calibration is a guess by any rule of thumb (Collins,
/// Ogundimu and Altman 2016, doi:10.1002/sim.6787). More may be needed: Snell et al. 2021,
/// doi:10.1016/j.jclinepi.2021.02.011; Riley et al. 2024, doi:10.1136/bmj-2023-074821.
pub const FEW_PATIENTS: usize = 100;

/// The reason why a label stays as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdaptationError {
    #[error("the work was stopped")]
    Stopped,
    #[error("its score is the same for all of these cases")]
    AllAlike,
    #[error(
        "its score does not rise with the reference standard in these cases (slope {slope:.2})"
    )]
    NotRising { slope: f64 },
    #[error("its AUC has no interval, so that how well it is foretold is not known")]
    NoInterval,
    #[error("its causes are not told apart in these cases: no temperature fits")]
    NoTemperature,
}

/// The cases to which one label is fitted. All fields have one element for each case.
#[derive(Debug, Clone, Default)]
pub struct LabelCases<'a> {
    /// `[C]` each: the average of the network's last feature maps.
    pub features: Vec<&'a [f32]>,
    /// The network's own outputs.
    pub logits: Vec<f64>,
    pub positive: Vec<bool>,
    pub patients: Vec<&'a str>,
    /// The hospital or collection of each case; empty if they are not known.
    pub sources: Vec<&'a str>,
}

/// The number of cases of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub images: usize,
    pub patients: usize,
}

impl Count {
    /// Counts the cases for which `have` is true.
    pub fn of<'a>(patients: &[&'a str], have: impl Fn(usize) -> bool) -> Self {
        let with: Vec<&'a str> = (0..patients.len())
            .filter(|&at| have(at))
            .map(|at| patients[at])
            .collect();
        Count {
            images: with.len(),
            patients: with.iter().collect::<HashSet<_>>().len(),
        }
    }

    pub fn is_enough(self) -> bool {
        self.images >= ENOUGH_IMAGES && self.patients >= ENOUGH_PATIENTS
    }
}

/// `12 images of 8 patients`
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n| if n == 1 { "" } else { "s" };
        let Count { images, patients } = self;
        write!(
            f,
            "{images} image{} of {patients} patient{}",
            plural(*images),
            plural(*patients)
        )
    }
}

impl LabelCases<'_> {
    /// The positive and the negative cases.
    pub fn counts(&self) -> [Count; 2] {
        [true, false].map(|class| Count::of(&self.patients, |at| self.positive[at] == class))
    }

    fn folds(&self) -> Vec<usize> {
        let classes: Vec<usize> = self.positive.iter().map(|&p| usize::from(p)).collect();
        folds::folds(&self.patients, &classes)
    }
}

/// Threads, progress and cancellation of a fit. The result does not depend on them.
#[derive(Clone, Copy)]
pub struct FitProgress<'a> {
    /// Threads to use.
    pub jobs: usize,
    /// Set to stop the fit.
    pub stop: &'a AtomicBool,
    /// Called after each of [`FITS`].
    pub advance: &'a (dyn Fn() + Sync),
}

impl FitProgress<'_> {
    fn go_on(&self) -> Result<(), AdaptationError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(AdaptationError::Stopped);
        }
        Ok(())
    }
}
