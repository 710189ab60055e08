//! Samples that 16 bits do not hold, integers of 32 bits and floating point (PS3.3 C.7.6.24), as
//! single precision.

use crate::domain::{PixelTransform, Radiograph, Rescale, Samples};
use crate::imaging::wide::{NOTHING, from_0_to_1, line};

/// Numbers farther out than this are taken for infinite, so that the distance of two is finite.
const FARTHEST: f64 = f64::MAX / 4.0;

/// Samples, and the line from them to what is stored.
pub(super) struct WideSamples {
    samples: Vec<f32>,
    stored: Rescale,
    padding: Option<(i32, i32)>,
}

impl WideSamples {
    /// What is no number becomes padding; infinities become the lowest and the highest.
    pub fn of(mut values: Vec<f64>, padding: Option<(f64, f64)>) -> WideSamples {
        if let Some((low, high)) = padding {
            let is_padding = |v: &&mut f64| (low..=high).contains(*v);
            values
                .iter_mut()
                .filter(is_padding)
                .for_each(|v| *v = f64::NAN);
        }
        let is_padded = values.iter().any(|v| v.is_nan());
        let (low, high) = range(&values);
        let line = if is_padded {
            from_0_to_1(low, high - low)
        } else {
            line(low, high - low)
        };
        let sample = |v: f64| match v.is_nan() {
            true => NOTHING as f32,
            false => ((v.clamp(low, high) - line.intercept) / line.slope) as f32,
        };
        WideSamples {
            samples: values.into_iter().map(sample).collect(),
            stored: line,
            padding: is_padded.then_some((NOTHING, NOTHING)),
        }
    }

    pub fn samples(self) -> (Samples, WideRange) {
        let measured = WideRange(Some((self.stored, self.padding)));
        (Samples::GreyF32(self.samples), measured)
    }
}

/// What is to be said of samples that are not as they are stored.
pub(super) struct WideRange(Option<(Rescale, Option<(i32, i32)>)>);

impl WideRange {
    /// Samples are as stored.
    pub const AS_STORED: WideRange = WideRange(None);

    /// The radiograph whose transform leads from its samples to what the file's own leads to.
    pub fn of(self, radiograph: Radiograph) -> Radiograph {
        let Some((stored, padding)) = self.0 else {
            return radiograph;
        };
        let file = match radiograph.modality_transform {
            PixelTransform::Linear(file) => file,
            // Its inputs have 16 bits (PS3.3 C.11.1.1.1): it is for other samples.
            PixelTransform::Table(_) => Rescale::default(),
        };
        let line = Rescale {
            slope: file.slope * stored.slope,
            intercept: file.slope * stored.intercept + file.intercept,
        };
        Radiograph {
            modality_transform: PixelTransform::Linear(line),
            padding,
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
