//! What the model sees: numbers that no window has touched.

use crate::domain::{Lut, PixelTransform, Radiograph, Rescale, Samples};

/// Weights of red, green and blue in grey, ITU-R BT.601.
pub(super) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// `width × height` values, row by row, bright where the film is bright: the modality transform
/// applied (PS3.3 C.11.1), negated once if `r.inverted`, colour reduced to luma (BT.601), padding
/// replaced by the darkest value that is not padding. Windows and VOI LUTs play no part.
pub fn grey_values(r: &Radiograph) -> Vec<f32> {
    let sign = if r.inverted { -1.0 } else { 1.0 };
    let transform = |stored: f32| sign * modality(&r.modality_transform, stored);
    let mut values = match &r.samples {
        Samples::Grey8(v) => through_table(v, &tabulate(0..=255, transform), |&s| s.into()),
        Samples::Grey16(v) => through_table(v, &tabulate(0..=65_535, transform), |&s| s.into()),
        Samples::GreySigned16(v) => {
            let table = tabulate(-32_768..=32_767, transform);
            through_table(v, &table, |&s| (i32::from(s) + 32_768) as usize)
        }
        Samples::GreyF32(v) => v.iter().map(|&s| transform(s)).collect(),
        Samples::Rgb8(v) => v
            .chunks_exact(3)
            .map(|pixel| transform(luma(pixel)))
            .collect(),
    };
    if let Some(range) = r.padding {
        darken_padding(&r.samples, range, &mut values);
    }
    values
}

pub(super) fn luma(rgb: &[u8]) -> f32 {
    let [red, green, blue] = LUMA;
    f32::from(rgb[0]) * red + f32::from(rgb[1]) * green + f32::from(rgb[2]) * blue
}

fn tabulate(stored: std::ops::RangeInclusive<i32>, f: impl Fn(f32) -> f32) -> Vec<f32> {
    stored.map(|s| f(s as f32)).collect()
}

fn through_table<T>(stored: &[T], table: &[f32], index: impl Fn(&T) -> usize) -> Vec<f32> {
    stored.iter().map(|s| table[index(s)]).collect()
}

/// The modality transform of one stored value.
pub(super) fn modality(transform: &PixelTransform, stored: f32) -> f32 {
    match transform {
        PixelTransform::Linear(Rescale { slope, intercept }) => {
            (slope * f64::from(stored) + intercept) as f32
        }
        PixelTransform::Table(lut) => look_up(lut, stored),
    }
}

/// The entry for a value, the first or the last one beyond the ends (PS3.3 C.11.1.1.1); between
/// whole numbers, the nearest.
pub(super) fn look_up(lut: &Lut, value: f32) -> f32 {
    let last = lut.entries.len().saturating_sub(1) as f32;
    let index = (value - lut.first_input as f32).round().clamp(0.0, last);
    lut.entries
        .get(index as usize)
        .map_or(value, |&entry| f32::from(entry))
}

fn darken_padding(samples: &Samples, padding: (i32, i32), values: &mut [f32]) {
    let Some(is_padding) = padding_mask(samples, padding) else {
        return;
    };
    let real = values
        .iter()
        .zip(&is_padding)
        .filter(|(_, pad)| !**pad)
        .map(|(v, _)| *v);
    let darkest = real.fold(f32::INFINITY, f32::min);
    if darkest.is_finite() {
        for (value, _) in values.iter_mut().zip(&is_padding).filter(|(_, pad)| **pad) {
            *value = darkest;
        }
    }
}

/// Which samples lie in the padding range; `None` for colour, which has no padding.
pub(super) fn padding_mask(samples: &Samples, (low, high): (i32, i32)) -> Option<Vec<bool>> {
    fn mask<T: Copy>(v: &[T], is: impl Fn(T) -> bool) -> Option<Vec<bool>> {
        Some(v.iter().map(|&s| is(s)).collect())
    }
    let range = low..=high;
    match samples {
        Samples::Grey8(v) => mask(v, |s| range.contains(&s.into())),
        Samples::Grey16(v) => mask(v, |s| range.contains(&s.into())),
        Samples::GreySigned16(v) => mask(v, |s| range.contains(&s.into())),
        Samples::GreyF32(v) => mask(v, |s| s >= low as f32 && s <= high as f32),
        Samples::Rgb8(_) => None,
    }
}
