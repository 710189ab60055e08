//! Grey values for the model. No window changes them.

use std::borrow::Cow;

use crate::domain::{Lut, PixelTransform, Radiograph, Region, Rescale, Samples};

/// Weights of red, green and blue in grey, ITU-R BT.601.
pub(super) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// `width × height` values, row by row, larger where the film is brighter.
///
/// The modality transform is applied (PS3.3 C.11.1), values are negated if `r.inverted`, colour is
/// reduced to luma (BT.601), and padding is replaced by the darkest value that is not padding. Windows
/// and VOI LUTs have no effect. If single precision cannot hold the rescaled values, only the sign of
/// the slope is applied, so that stored values that differ still do.
pub fn grey_values(r: &Radiograph) -> Vec<f32> {
    let mut values = unpadded(r, whole(r));
    if let Some(range) = r.padding {
        darken_padding(&r.samples, range, &mut values);
    }
    values
}

/// The part of [`grey_values`] in a region, computed without the rest where possible.
pub fn grey_values_within(r: &Radiograph, region: Region) -> Vec<f32> {
    match r.padding {
        // The grey of padding depends on the whole film.
        Some(_) => rows(&grey_values(r), r.width, 1, region)
            .flatten()
            .copied()
            .collect(),
        None => unpadded(r, region),
    }
}

fn whole(r: &Radiograph) -> Region {
    Region {
        left: 0,
        top: 0,
        width: r.width,
        height: r.height,
    }
}

fn unpadded(r: &Radiograph, region: Region) -> Vec<f32> {
    let columns = r.width;
    // Most pictures other than DICOM have no transform, and a loop without one is vectorised.
    if !r.inverted && r.modality_transform == PixelTransform::default() {
        return match &r.samples {
            Samples::Grey8(v) => pixels(v, columns, region, |[s]| (*s).into()),
            Samples::Grey16(v) => pixels(v, columns, region, |[s]| (*s).into()),
            Samples::GreySigned16(v) => pixels(v, columns, region, |[s]| (*s).into()),
            Samples::GreyF32(v) => pixels(v, columns, region, |[s]| *s),
            Samples::Rgb8(v) => pixels(v, columns, region, |rgb: &[u8; 3]| luma(rgb)),
        };
    }
    let sign = if r.inverted { -1.0 } else { 1.0 };
    let exact = representable(r);
    let transform = |stored: f32| sign * modality(&exact, stored) as f32;
    match &r.samples {
        Samples::Grey8(v) => {
            let table = tabulate(0..=255, transform);
            pixels(v, columns, region, |[s]| table[usize::from(*s)])
        }
        Samples::Grey16(v) => {
            let table = tabulate(0..=65_535, transform);
            pixels(v, columns, region, |[s]| table[usize::from(*s)])
        }
        Samples::GreySigned16(v) => {
            let table = tabulate(-32_768..=32_767, transform);
            let index = |s: i16| (i32::from(s) + 32_768) as usize;
            pixels(v, columns, region, |[s]| table[index(*s)])
        }
        Samples::GreyF32(v) => pixels(v, columns, region, |[s]| transform(*s)),
        Samples::Rgb8(v) => pixels(v, columns, region, |rgb: &[u8; 3]| transform(luma(rgb))),
    }
}

/// A value for each pixel of a region of a picture with `columns` columns and `N` channels.
fn pixels<T, const N: usize>(
    samples: &[T],
    columns: usize,
    region: Region,
    value: impl Fn(&[T; N]) -> f32 + Copy,
) -> Vec<f32> {
    let mut values = Vec::with_capacity(region.width * region.height);
    for row in rows(samples, columns, N, region) {
        values.extend(row.as_chunks::<N>().0.iter().map(value));
    }
    values
}

/// The rows of a region of a picture with `columns` columns and `channels` channels.
fn rows<T>(
    samples: &[T],
    columns: usize,
    channels: usize,
    region: Region,
) -> impl Iterator<Item = &[T]> {
    let all = samples.chunks_exact((columns * channels).max(1));
    let within = region.left * channels..(region.left + region.width) * channels;
    all.skip(region.top)
        .take(region.height)
        .map(move |row| &row[within.clone()])
}

pub(super) fn luma(rgb: &[u8]) -> f32 {
    let [red, green, blue] = LUMA;
    f32::from(rgb[0]) * red + f32::from(rgb[1]) * green + f32::from(rgb[2]) * blue
}

fn tabulate(stored: std::ops::RangeInclusive<i32>, f: impl Fn(f32) -> f32) -> Vec<f32> {
    stored.map(|s| f(s as f32)).collect()
}

/// The modality transform, or only the sign of its slope if single precision would round away
/// differences. A model depends only on how values relate to each other.
fn representable(r: &Radiograph) -> Cow<'_, PixelTransform> {
    match &r.modality_transform {
        PixelTransform::Linear(line) if !is_representable(line, &r.samples) => {
            Cow::Owned(PixelTransform::Linear(Rescale {
                slope: line.slope.signum(),
                intercept: 0.0,
            }))
        }
        transform => Cow::Borrowed(transform),
    }
}

fn is_representable(line: &Rescale, samples: &Samples) -> bool {
    /// Single precision has 24 bits. At this many steps from 0 it still resolves a sixteenth of a step.
    const STEPS: f64 = (1 << 20) as f64;
    let slope = line.slope.abs();
    match samples {
        // Floating-point samples may have steps of any size.
        Samples::GreyF32(_) => *line == Rescale::default(),
        _ => (1e-30..1e30).contains(&slope) && line.intercept.abs() <= slope * STEPS,
    }
}

/// The modality transform of one stored value.
pub(super) fn modality(transform: &PixelTransform, stored: f32) -> f64 {
    match transform {
        PixelTransform::Linear(Rescale { slope, intercept }) => {
            slope * f64::from(stored) + intercept
        }
        PixelTransform::Table(lut) => look_up(lut, stored.into()),
    }
}

/// The difference between two neighbouring stored values after the modality transform: the narrowest
/// window that makes sense.
pub fn step(r: &Radiograph) -> f64 {
    /// Floating point is treated as if it had been measured with 16 bits.
    const LEVELS: f64 = 65_536.0;
    let slope = match &r.modality_transform {
        PixelTransform::Linear(line) => line.slope.abs(),
        PixelTransform::Table(_) => return 1.0,
    };
    let Samples::GreyF32(v) = &r.samples else {
        return slope;
    };
    let (low, high) = v
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| {
            (low.min(v), high.max(v))
        });
    match f64::from(high) - f64::from(low) {
        span if span > 0.0 => slope * span / LEVELS,
        _ => slope,
    }
}

/// The table entry nearest to a value; beyond the ends the first or the last one (PS3.3 C.11.1.1.1).
pub(super) fn look_up(lut: &Lut, value: f64) -> f64 {
    let last = lut.entries.len().saturating_sub(1) as f64;
    let index = (value - f64::from(lut.first_input))
        .round()
        .clamp(0.0, last);
    lut.entries
        .get(index as usize)
        .map_or(value, |&entry| entry.into())
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

/// For each sample whether it lies in the padding range; `None` for colour, which has no padding.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_the_same_values_as_in_the_whole_film() {
        let grey: Vec<u8> = (0..35).map(|i| i * 7).collect();
        let mut padded = Radiograph::plain(7, 5, Samples::Grey8(grey.clone()), "test");
        // The darkest value that is not padding lies outside the region.
        padded.padding = Some((0, 20));
        let mut inverted = Radiograph::plain(7, 5, Samples::Grey8(grey.clone()), "test");
        inverted.inverted = true;
        let rgb = grey.iter().flat_map(|&g| [g, 255 - g, g / 2]).collect();
        let colour = Radiograph::plain(7, 5, Samples::Rgb8(rgb), "test");
        let region = Region {
            left: 2,
            top: 1,
            width: 3,
            height: 4,
        };
        for film in [padded, inverted, colour] {
            let all = grey_values(&film);
            let expected: Vec<f32> = (1..5)
                .flat_map(|y| all[7 * y + 2..7 * y + 5].to_vec())
                .collect();
            assert_eq!(grey_values_within(&film, region), expected);
        }
    }
}
