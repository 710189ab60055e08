//! Samples that do not fit into 16 bits, as single precision: integers of 32 bits and floating point
//! (PS3.3 C.7.6.24).

use crate::domain::{PixelTransform, Radiograph, Rescale, Samples};
use crate::imaging::wide::{NOTHING, from_0_to_1, line};

/// Larger numbers count as infinite, so that the difference of any two is finite.
const FARTHEST: f64 = f64::MAX / 4.0;

/// Samples, and the line from them to the stored values.
pub(super) struct WideSamples {
    samples: Vec<f32>,
    stored: Rescale,
    padding: Option<(i32, i32)>,
}

impl WideSamples {
    /// NaN becomes padding; infinities become the lowest and the highest value. `padding` is the
    /// lowest and the highest padding value.
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
        let sample = |v: f64| {
            if v.is_nan() {
                NOTHING as f32
            } else {
                ((v.clamp(low, high) - line.intercept) / line.slope) as f32
            }
        };
        WideSamples {
            samples: values.into_iter().map(sample).collect(),
            stored: line,
            padding: is_padded.then_some((NOTHING, NOTHING)),
        }
    }

    /// The samples, and how to get back to the stored values.
    pub fn samples(self) -> (Samples, WideRange) {
        let measured = WideRange(Some((self.stored, self.padding)));
        (Samples::GreyF32(self.samples), measured)
    }
}

/// The line from samples to stored values, and the padding among the samples. `None` inside if the
/// samples are the stored values.
pub(super) struct WideRange(Option<(Rescale, Option<(i32, i32)>)>);

impl WideRange {
    /// For samples that are the stored values.
    pub const AS_STORED: WideRange = WideRange(None);

    /// The radiograph with a transform that leads from its samples to the same values as the file's
    /// transform does from the stored ones.
    pub fn of(self, radiograph: Radiograph) -> Radiograph {
        let Some((stored, padding)) = self.0 else {
            return radiograph;
        };
        let file = match radiograph.modality_transform {
            PixelTransform::Linear(file) => file,
            // Its inputs have 16 bits (PS3.3 C.11.1.1.1), so it can't be for these samples.
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

/// The lowest and the highest finite value; 0 where there is none.
fn range(values: &[f64]) -> (f64, f64) {
    let numbers = values.iter().copied().filter(|v| v.abs() <= FARTHEST);
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low <= high { (low, high) } else { (0.0, 0.0) }
}
