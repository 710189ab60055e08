//! Numbers that single precision may not hold: large ones that differ by little, and those beyond
//! its range.

use crate::domain::Rescale;

/// What stands for padding and for what is no number among samples from 0 to 1.
pub(super) const NOTHING: i32 = -1;

/// From samples of single precision to values between `low` and `low + span`: none, if it holds
/// them and what differs between them; or else from the lowest at 0 to the highest at 1.
pub(super) fn line(low: f64, span: f64) -> Rescale {
    /// Of 24 bits that single precision has, the values are to differ in as many.
    const DIFFERING: f64 = (1 << 12) as f64;
    let largest = low.abs().max((low + span).abs());
    let tiny = f64::from(f32::MIN_POSITIVE) * DIFFERING;
    let fits = largest <= f64::from(f32::MAX)
        && (span == 0.0 || span >= tiny && span * DIFFERING >= largest);
    match fits {
        true => Rescale::default(),
        false => from_0_to_1(low, span),
    }
}

/// From the lowest at 0 to the highest at 1; from 0 alone, if there is one value.
pub(super) fn from_0_to_1(low: f64, span: f64) -> Rescale {
    Rescale {
        slope: if span > 0.0 { span } else { 1.0 },
        intercept: low,
    }
}
