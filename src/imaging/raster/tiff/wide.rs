//! Converts whole numbers of more than 16 bits and floating point to single precision.

use super::kinds::Number;
use super::layout::TiffLayout;
use super::numbers::largest_whole;
use crate::domain::Rescale;
use crate::imaging::raster::alpha;
use crate::imaging::raster::channels::settle;
use crate::imaging::wide::{NOTHING, from_0_to_1, line};

/// Interleaved samples in a type that holds them without loss.
pub enum TiffSamples {
    /// Whole numbers; see [`whole`](super::numbers::whole).
    Whole(Vec<i64>),
    /// Floating point of up to 32 bits.
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// Samples of single precision, and the rescale from them to stored values.
pub type StoredSamples = (Vec<f32>, Rescale);

impl TiffSamples {
    /// The colours without alpha, and per cent of the pixels that are not opaque (see [`alpha::split`]).
    pub fn without_alpha(self, layout: &TiffLayout, channels: usize) -> (TiffSamples, Option<u8>) {
        match self {
            TiffSamples::Whole(v) => {
                let opaque = largest_whole(layout.number, layout.bits);
                let (v, share) = alpha::split(&v, channels, opaque);
                (TiffSamples::Whole(v), share)
            }
            TiffSamples::Single(v) => {
                let (v, share) = alpha::split(&v, channels, 1.0);
                (TiffSamples::Single(v), share)
            }
            TiffSamples::Double(v) => {
                let (v, share) = alpha::split(&v, channels, 1.0);
                (TiffSamples::Double(v), share)
            }
        }
    }

    /// Like [`single`](Self::single), but NaN becomes padding, which stays dark even if the film is
    /// inverted. Returns samples, rescale and padding.
    pub fn padded(self, layout: &TiffLayout) -> (Vec<f32>, Rescale, Option<(i32, i32)>) {
        let nans: Vec<usize> = match &self {
            TiffSamples::Whole(_) => Vec::new(),
            TiffSamples::Single(v) => positions(v, |v| v.is_nan()),
            TiffSamples::Double(v) => positions(v, |v| v.is_nan()),
        };
        let (mut values, stored) = self.single(layout);
        if nans.is_empty() {
            return (values, stored, None);
        }
        let (low, high) = reach(values.iter().map(|&v| v.into()), f64::MAX).unwrap_or((0.0, 0.0));
        let line = from_0_to_1(low, high - low);
        let sample = |v: f32| ((f64::from(v) - line.intercept) / line.slope) as f32;
        values.iter_mut().for_each(|v| *v = sample(*v));
        nans.iter().for_each(|&at| values[at] = NOTHING as f32);
        let stored = Rescale {
            slope: stored.slope * line.slope,
            intercept: stored.slope * line.intercept + stored.intercept,
        };
        (values, stored, Some((NOTHING, NOTHING)))
    }

    /// The samples in single precision. Where that could not represent their differences, a common
    /// offset and scale move into the rescale, so that values that differ in the file still differ.
    pub fn single(self, layout: &TiffLayout) -> StoredSamples {
        match self {
            TiffSamples::Whole(v) => {
                let is_lowered = (layout.number, layout.bits) == (Number::Unsigned, 64);
                of_whole(&v, is_lowered)
            }
            TiffSamples::Single(v) => of_singles(v),
            TiffSamples::Double(v) => of_doubles(&v),
        }
    }
}

/// Indices of the values for which `is_wanted` returns true.
fn positions<T>(values: &[T], is_wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    let wanted = values.iter().enumerate().filter(|(_, v)| is_wanted(v));
    wanted.map(|(at, _)| at).collect()
}

/// Whole numbers in single precision. Differences are computed before rounding, because double precision
/// has 53 bits and a number up to 64. If `is_lowered`, the numbers are 2^63 lower than the stored ones.
fn of_whole(values: &[i64], is_lowered: bool) -> StoredSamples {
    let real = |v: i64| {
        if is_lowered {
            v.wrapping_sub(i64::MIN) as u64 as f64
        } else {
            v as f64
        }
    };
    let low = values.iter().copied().min().unwrap_or(0);
    let high = values.iter().copied().max().unwrap_or(0);
    // In two's complement, the difference of any two numbers fits an unsigned one.
    let above = |v: i64| v.wrapping_sub(low) as u64;
    if line(real(low), above(high) as f64) == Rescale::default() {
        let values = values.iter().map(|&v| real(v) as f32);
        return (values.collect(), Rescale::default());
    }
    let stored = Rescale {
        slope: 1.0,
        intercept: real(low),
    };
    (values.iter().map(|&v| above(v) as f32).collect(), stored)
}

/// Single precision, rescaled where needed.
fn of_singles(mut values: Vec<f32>) -> StoredSamples {
    settle(&mut values);
    let (low, high) = reach(values.iter().map(|&v| f64::from(v)), f64::MAX).unwrap_or((0.0, 0.0));
    let stored = line(low, high - low);
    if stored != Rescale::default() {
        let sample = |v: f32| ((f64::from(v) - stored.intercept) / stored.slope) as f32;
        values.iter_mut().for_each(|v| *v = sample(*v));
    }
    (values, stored)
}

/// Double precision in single precision. NaN and infinity are replaced as in [`settle`]. Numbers beyond
/// the range of single precision count as infinite, unless no others differ.
fn of_doubles(values: &[f64]) -> StoredSamples {
    const INFINITE: f64 = 1e37;
    /// The difference of two numbers below this is finite.
    const FARTHEST: f64 = f64::MAX / 4.0;
    let within = |farthest| reach(values.iter().copied(), farthest);
    let near = within(INFINITE);
    let (low, high) = near
        .filter(|(low, high)| low < high)
        .or_else(|| within(FARTHEST))
        .unwrap_or((0.0, 0.0));
    let stored = line(low, high - low);
    let farthest = low.abs().max(high.abs());
    let sample = |v: f64| {
        let v = match v {
            v if v.abs() <= farthest => v,
            v if v > 0.0 => high,
            _ => low,
        };
        ((v - stored.intercept) / stored.slope) as f32
    };
    (values.iter().map(|&v| sample(v)).collect(), stored)
}

/// Lowest and highest of the numbers whose absolute value is below `farthest`; `None` if there are none.
fn reach(values: impl Iterator<Item = f64>, farthest: f64) -> Option<(f64, f64)> {
    let near = values.filter(|v| v.abs() < farthest);
    near.fold(None, |reach, v| {
        let (low, high) = reach.unwrap_or((v, v));
        Some((f64::min(low, v), f64::max(high, v)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_differences_of_whole_numbers_survive_any_offset() {
        for low in [i64::MIN, -(1 << 40), 1 << 31, i64::MAX - 3] {
            for is_lowered in [false, true] {
                let (values, stored) = of_whole(&[low, low + 1, low + 3], is_lowered);
                if !(is_lowered && low == i64::MIN) {
                    assert_eq!(values, [0.0, 1.0, 3.0], "{low} {is_lowered}");
                    continue;
                }
                // This stands for 0, so that no offset is needed.
                assert_eq!((values, stored), (vec![0.0, 1.0, 3.0], Rescale::default()));
            }
        }
        assert_eq!(of_whole(&[-5, 70_000], false).0, [-5.0, 70_000.0]);
        let ends = of_whole(&[i64::MIN, i64::MAX], false).0;
        let end = 2_f32.powi(63);
        assert_eq!(ends, [-end, end]);
    }

    #[test]
    fn floating_point_of_any_size_differs_as_it_is_stored() {
        for scale in [1e-60, 1e-320, 1.0, 1e60, 1e300] {
            let (values, stored) = of_doubles(&[0.0, scale, 3.0 * scale, f64::NAN, f64::INFINITY]);
            assert!(values[1] > values[0] && values[2] > values[1], "{scale}");
            assert_eq!((values[3], values[4]), (values[0], values[2]), "{scale}");
            let top = f64::from(values[2]) * stored.slope + stored.intercept;
            assert!((top / (3.0 * scale) - 1.0).abs() < 1e-3, "{scale}: {top}");
        }
        let (values, stored) = of_doubles(&[1e9, 1e9 + 16.0, 1e9 + 64.0, f64::MAX]);
        assert_eq!(values, [0.0, 0.25, 1.0, 1.0]);
        assert_eq!((stored.slope, stored.intercept), (64.0, 1e9));
        let (values, _) = of_singles(vec![1e-42, 3e-42, f32::NAN]);
        assert_eq!((values[0], values[1], values[2]), (0.0, 1.0, 0.0));
        assert_eq!(of_doubles(&[f64::NAN; 2]).0, [0.0; 2]);
    }
}
