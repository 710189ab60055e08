//! Turns interleaved colour into samples: grey if all channels are equal.

use crate::domain::Samples;

/// Interleaved RGB with 8 bits, as grey samples if every pixel has three equal values.
pub(in crate::imaging) fn grey_or_rgb8(rgb: Vec<u8>) -> Samples {
    match collapse(&rgb) {
        Some(grey) => Samples::Grey8(grey),
        None => Samples::Rgb8(rgb),
    }
}

/// The same for up to 16 bits. Colour is reduced to 8 bits, from as many bits as its values use.
pub(super) fn grey_or_rgb16(rgb: &[u16]) -> Samples {
    if let Some(grey) = collapse(rgb) {
        return Samples::Grey16(grey);
    }
    let largest = rgb.iter().copied().max().unwrap_or(0);
    let top = (1_u32 << bits_of(largest.into())) - 1;
    let byte = |&v: &u16| ((u32::from(v) * 255 + top / 2) / top) as u8;
    Samples::Rgb8(rgb.iter().map(byte).collect())
}

/// The same for numbers in single precision. Grey keeps its values. Colour is reduced to 8 bits: from as
/// many bits as its values use if they are `whole` numbers, otherwise from the range of 0 to 1, or to
/// its largest value if that is above 1.
pub(super) fn grey_or_rgb32(rgb: Vec<f32>, whole: bool) -> Samples {
    if let Some(grey) = collapse(&rgb) {
        return Samples::GreyF32(grey);
    }
    let largest = rgb.iter().copied().fold(0.0, f32::max);
    let top = if whole {
        let largest = largest as u64;
        // Single precision may have rounded a number just below a power of two up to it.
        let bits = bits_of(largest - (largest >> 24));
        (u64::MAX >> (64 - bits)) as f32
    } else {
        largest.max(1.0)
    };
    let byte = |v: &f32| (v.clamp(0.0, top) / top * 255.0).round() as u8;
    Samples::Rgb8(rgb.iter().map(byte).collect())
}

/// The bits of numbers up to `largest`, at least 8. Programs store 12 or 8 bits as 16 or 32 without
/// scaling them; fewer than 8 mean a dark picture of 8 bits.
pub(super) fn bits_of(largest: u64) -> u32 {
    (u64::BITS - largest.leading_zeros()).max(8)
}

/// Replaces values that no film can have. NaN (often a border) and −∞ become the lowest of the other
/// values, +∞ the highest. Numbers near the limits of single precision count as infinite, because
/// programs without NaN write those.
pub(super) fn settle(values: &mut [f32]) {
    const INFINITE: f32 = 1e37;
    let is_value = |v: f32| v.abs() < INFINITE;
    let real = values.iter().copied().filter(|&v| is_value(v));
    let (low, high) = real.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
    for v in values.iter_mut().filter(|v| !is_value(**v)) {
        *v = if *v > 0.0 { high } else { low };
    }
}

/// One value per pixel if all pixels have three equal values.
fn collapse<T: Copy + PartialEq>(rgb: &[T]) -> Option<Vec<T>> {
    let pixels = rgb.chunks_exact(3);
    let is_grey = pixels.clone().all(|p| p[0] == p[1] && p[1] == p[2]);
    is_grey.then(|| pixels.map(|p| p[0]).collect())
}

/// RGB from 8-bit luma and colour differences around 128 (ITU-R BT.601, as in JFIF).
#[cfg(feature = "jpeg2000")]
pub(super) fn rgb_of_ycc([y, cb, cr]: [f32; 3]) -> [u8; 3] {
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let red = y + 1.402 * cr;
    let green = y - 0.344_136 * cb - 0.714_136 * cr;
    let blue = y + 1.772 * cb;
    [red, green, blue].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

/// RGB from cyan, magenta, yellow and black inks of 0 to `top`, as Pillow converts them.
pub(super) fn rgb_of_cmyk([c, m, y, k]: [u32; 4], top: u32) -> [u8; 3] {
    let (top, k) = (u64::from(top.max(1)), u64::from(k));
    let left = |ink: u32| {
        let light = (top - k.min(top)) * (top - u64::from(ink).min(top));
        ((light * 255 + top * top / 2) / (top * top)) as u8
    };
    [left(c), left(m), left(y)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_becomes_the_darkest_and_infinity_the_brightest_value() {
        let mut values = [
            f32::NAN,
            2.0,
            f32::INFINITY,
            5.0,
            f32::NEG_INFINITY,
            f32::MIN,
            f32::MAX,
        ];
        settle(&mut values);
        assert_eq!(values, [2.0, 2.0, 5.0, 5.0, 2.0, 2.0, 5.0]);
        let mut none = [f32::NAN; 2];
        settle(&mut none);
        assert_eq!(none, [0.0; 2]);
    }

    #[test]
    fn inks_darken_white() {
        assert_eq!(rgb_of_cmyk([0, 0, 0, 0], 255), [255; 3]);
        assert_eq!(rgb_of_cmyk([255, 0, 128, 0], 255), [0, 255, 127]);
        assert_eq!(rgb_of_cmyk([0, 0, 0, 65_535], 65_535), [0; 3]);
    }
}
