//! Stored samples and the range that their bit depth gives them, as torchxrayvision reads them
//! (`utils.normalize`, `utils.read_xray_dcm`): no rescale, no lookup table, no window, no padding
//! rule. A DICOM file and a PNG of the same samples give the same values.
//!
//! Two cases go beyond the Python code. A file that asks for inversion is inverted, by MONOCHROME1 (as `fix_monochrome`
//! does) and also by its Presentation LUT Shape, because these networks were trained on white bones only. Signed samples
//! are shifted by half their range.

use crate::domain::{Radiograph, Samples};

/// Values from 0 to `max`, one for each pixel and channel. Bones are white.
pub struct StoredValues {
    pub values: Vec<f32>,
    pub max: f32,
}

impl StoredValues {
    /// One channel. From a colour picture it is the red one, as in `utils.load_image`.
    pub fn first_channel(r: &Radiograph) -> Self {
        match &r.samples {
            Samples::Rgb8(v) => {
                let red = v.iter().step_by(3).map(|&s| f32::from(s));
                StoredValues::new(red, 255.0, r.inverted)
            }
            _ => StoredValues::all_channels(r),
        }
    }

    /// All channels of the file, interleaved.
    pub fn all_channels(r: &Radiograph) -> Self {
        let inverted = r.inverted;
        match &r.samples {
            Samples::Grey8(v) => {
                StoredValues::new(v.iter().map(|&s| s.into()), largest(r, 8), inverted)
            }
            Samples::Rgb8(v) => StoredValues::new(v.iter().map(|&s| s.into()), 255.0, inverted),
            Samples::Grey16(v) => {
                StoredValues::new(v.iter().map(|&s| s.into()), largest(r, 16), inverted)
            }
            Samples::GreySigned16(v) => {
                let max = largest(r, 16);
                let half = (max + 1.0) / 2.0;
                StoredValues::new(v.iter().map(|&s| f32::from(s) + half), max, inverted)
            }
            Samples::GreyF32(v) => StoredValues::stretched(v, inverted),
        }
    }

    fn new(values: impl Iterator<Item = f32>, max: f32, inverted: bool) -> Self {
        let values = values.map(|v| if inverted { max - v } else { v });
        StoredValues {
            values: values.collect(),
            max,
        }
    }

    /// Floating point has no bit depth, so that its range is from the darkest to the brightest value.
    fn stretched(values: &[f32], inverted: bool) -> Self {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = high - low;
        let part = |v: &f32| if range > 0.0 { (v - low) / range } else { 0.0 };
        StoredValues::new(values.iter().map(part), 1.0, inverted)
    }
}

/// 2^bits − 1.
fn largest(r: &Radiograph, container: u8) -> f32 {
    ((1_u32 << r.bits_stored.clamp(1, container)) - 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(samples: Samples, bits_stored: u8, inverted: bool) -> (Vec<f32>, f32) {
        let pixels = samples.pixels();
        let radiograph = Radiograph {
            bits_stored,
            inverted,
            ..Radiograph::plain(pixels, 1, samples, "test")
        };
        let StoredValues { values, max } = StoredValues::first_channel(&radiograph);
        (values, max)
    }

    #[test]
    fn the_range_comes_from_the_bit_depth_and_not_from_the_values() {
        let twelve = Samples::Grey16(vec![0, 100, 4095]);
        assert_eq!(
            stored(twelve.clone(), 12, false),
            (vec![0.0, 100.0, 4095.0], 4095.0)
        );
        assert_eq!(
            stored(twelve, 12, true),
            (vec![4095.0, 3995.0, 0.0], 4095.0)
        );
        let eight = Samples::Grey8(vec![1, 200]);
        assert_eq!(stored(eight, 8, false), (vec![1.0, 200.0], 255.0));
        let signed = Samples::GreySigned16(vec![-2048, 0, 2047]);
        assert_eq!(
            stored(signed, 12, false),
            (vec![0.0, 2048.0, 4095.0], 4095.0)
        );
    }

    #[test]
    fn colour_gives_its_red_and_floating_point_its_own_range() {
        let colour = Samples::Rgb8(vec![10, 20, 30, 40, 50, 60]);
        assert_eq!(stored(colour, 8, false), (vec![10.0, 40.0], 255.0));
        let float = Samples::GreyF32(vec![-1.0, 0.0, 3.0]);
        assert_eq!(stored(float, 32, true), (vec![1.0, 0.75, 0.0], 1.0));
        let flat = Samples::GreyF32(vec![7.0; 2]);
        assert_eq!(stored(flat, 32, false), (vec![0.0; 2], 1.0));
    }
}
