//! Samples that 16 bits do not hold, integers of 32 bits and floating point (PS3.3 C.7.6.24), as
//! single precision.

use crate::domain::{PixelTransform, Radiograph, Rescale, Samples};

/// Numbers farther out than this are taken for infinite, so that the distance of two is finite.
const FARTHEST: f64 = f64::MAX / 4.0;

/// Samples, and the line from them to what is stored.
pub(super) struct Wide {
    samples: Vec<f32>,
    stored: Rescale,
}

impl Wide {
    /// What is padding or no number becomes the darkest of the other values, which is the highest one
    /// where `high_is_dark`; infinities become the lowest and the highest.
    pub fn of(mut values: Vec<f64>, padding: Option<(f64, f64)>, high_is_dark: bool) -> Wide {
        if let Some((low, high)) = padding {
            let is_padding = |v: &&mut f64| (low..=high).contains(*v);
            values
                .iter_mut()
                .filter(is_padding)
                .for_each(|v| *v = f64::NAN);
        }
        let (low, high) = range(&values);
        let darkest = if high_is_dark { high } else { low };
        let line = line(low, high);
        let sample = |v: f64| {
            let v = if v.is_nan() {
                darkest
            } else {
                v.clamp(low, high)
            };
            ((v - line.intercept) / line.slope) as f32
        };
        Wide {
            samples: values.into_iter().map(sample).collect(),
            stored: line,
        }
    }

    pub fn samples(self) -> (Samples, Measured) {
        (Samples::GreyF32(self.samples), Measured(Some(self.stored)))
    }
}

/// What is to be said of samples that are not as they are stored.
pub(super) struct Measured(Option<Rescale>);

impl Measured {
    /// Samples are as stored.
    pub const AS_STORED: Measured = Measured(None);

    /// The radiograph whose transform leads from its samples to what the file's own leads to.
    pub fn of(self, radiograph: Radiograph) -> Radiograph {
        let (Some(stored), PixelTransform::Linear(file)) = (self.0, &radiograph.modality_transform)
        else {
            return radiograph;
        };
        let line = Rescale {
            slope: file.slope * stored.slope,
            intercept: file.slope * stored.intercept + file.intercept,
        };
        Radiograph {
            modality_transform: PixelTransform::Linear(line),
            // It has been replaced.
            padding: None,
            ..radiograph
        }
    }
}

/// Lowest and highest of the numbers among them; 0 where there are none.
fn range(values: &[f64]) -> (f64, f64) {
    let numbers = values.iter().copied().filter(|v| v.abs() <= FARTHEST);
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// None, if single precision holds the values and what differs between them; or else from the lowest
/// at 0 to the highest at 1.
fn line(low: f64, high: f64) -> Rescale {
    /// Of 24 bits that single precision has, the values are to differ in as many.
    const DIFFERING: f64 = (1 << 12) as f64;
    let (span, largest) = (high - low, low.abs().max(high.abs()));
    let tiny = f64::from(f32::MIN_POSITIVE) * DIFFERING;
    let fits = largest <= f64::from(f32::MAX)
        && (span == 0.0 || span >= tiny && span * DIFFERING >= largest);
    match fits {
        true => Rescale::default(),
        false => Rescale {
            slope: if span > 0.0 { span } else { 1.0 },
            intercept: low,
        },
    }
}
