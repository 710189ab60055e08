//! Statistics of a [`Sample`](super::Sample), each with a weight for every case, because a bootstrap
//! draws a case several times or not at all. All are undefined (`None`) where their denominator is 0.

mod agreement;
mod beta;
mod calibration;
mod ranking;
mod summary;
mod threshold;
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
pub use wilson::{Z_95, wilson, wilson_at};

/// `a / b`, if there is one.
fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}
