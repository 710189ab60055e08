//! Statistics of a [`Sample`](super::Sample), each with a weight for every case, because a bootstrap
//! draws a case several times or not at all. All are undefined (`None`) where their denominator is 0.
//!
//! And statistics of reader studies, whose results say with a reason ([`Undefined`]) why they are absent:
//!
//! ```text
//! mrmc            several readers and cases: areas, sensitivity, specificity    raters        κ, AC₁, α of raters
//! froc            marks on lesions, for mrmc                                    intraclass    severity
//! paired_calls    two calls of the same images                                  bland_altman  limits of agreement
//! call_changes    helped, misled, automation bias                               reading_time  unaided and aided
//! holm            several questions                                             sample_size   readers and cases
//! ```

mod agreement;
mod beta;
pub mod bland_altman;
mod calibration;
pub mod call_changes;
pub mod distributions;
pub mod froc;
pub mod holm;
pub mod intraclass;
pub mod mrmc;
pub mod paired_calls;
mod ranking;
pub mod raters;
pub mod reading_time;
pub mod sample_size;
mod summary;
mod threshold;
mod undefined;
mod wilson;

pub use agreement::{RatingPair, cohens_kappa, mean_absolute_error, observed_agreement, pearson};
pub use beta::beta_interval;
pub use calibration::{
    Bin, CalibrationLine, ECE_BINS, NewtonStep, RegressionCase, brier, calibration_line,
    expected_calibration_error, newton_step, regression_loss, reliability,
};
pub use ranking::{area_under_roc, average_precision, precision_recall_curve, roc_curve};
pub use summary::{weighted_mean, weighted_quantile};
pub use threshold::Confusion;
pub use undefined::Undefined;
pub use wilson::{Z_95, wilson, wilson_at};

/// `a / b`, if there is one.
fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}
