//! Numbers that single precision may not represent: large ones that differ by little, and ones beyond
//! its range.

use crate::domain::Rescale;

/// The value for padding and for NaN among samples from 0 to 1.
pub(super) const NOTHING: i32 = -1;

/// The line from samples in single precision to values between `low` and `low + span`. It is the
/// identity if single precision keeps the values and their differences. Otherwise it leads from 0 to
/// the lowest value and from 1 to the highest.
pub(super) fn line(low: f64, span: f64) -> Rescale {
    /// The values must span this part of the largest, so that at least 12 of the 24 bits of single
    /// precision are left for their differences.
    const DIFFERING: f64 = (1 << 12) as f64;
    let largest = low.abs().max((low + span).abs());
    let tiny = f64::from(f32::MIN_POSITIVE) * DIFFERING;
    let fits = largest <= f64::from(f32::MAX)
        && (span == 0.0 || span >= tiny && span * DIFFERING >= largest);
    if fits {
        Rescale::default()
    } else {
        from_0_to_1(low, span)
    }
}

/// The line from 0 to the lowest value and from 1 to the highest. If there is one value only, 0 leads
/// to it.
pub(super) fn from_0_to_1(low: f64, span: f64) -> Rescale {
    Rescale {
        slope: if span > 0.0 { span } else { 1.0 },
        intercept: low,
    }
}
