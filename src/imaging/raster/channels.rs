//! From interleaved colour to samples: grey where all channels are equal.

use crate::domain::Samples;

/// Interleaved RGB as grey samples if every pixel has three equal values.
pub(in crate::imaging) fn grey_or_rgb8(rgb: Vec<u8>) -> Samples {
    match collapse(&rgb) {
        Some(grey) => Samples::Grey8(grey),
        None => Samples::Rgb8(rgb),
    }
}

/// The same of up to 16 bits; colour is brought to 8 bits, from as many as its values use.
pub(super) fn grey_or_rgb16(rgb: &[u16]) -> Samples {
    if let Some(grey) = collapse(rgb) {
        return Samples::Grey16(grey);
    }
    let largest = rgb.iter().copied().max().unwrap_or(0);
    let top = (1_u32 << bits_of(largest.into())) - 1;
    let byte = |&v: &u16| ((u32::from(v) * 255 + top / 2) / top) as u8;
    Samples::Rgb8(rgb.iter().map(byte).collect())
}

/// The same of numbers. Grey keeps its scale, whatever it is. Colour lies between 0 and 1, or up to
/// its largest value if that is above; where it is of `whole` numbers, it has as many bits as they use.
pub(super) fn grey_or_rgb32(rgb: Vec<f32>, whole: bool) -> Samples {
    if let Some(grey) = collapse(&rgb) {
        return Samples::GreyF32(grey);
    }
    let largest = rgb.iter().copied().fold(0.0, f32::max);
    let top = match whole {
        true => {
            let largest = largest as u64;
            // Single precision rounds what is just below a power of two up to it.
            let bits = bits_of(largest - (largest >> 24));
            (u64::MAX >> (64 - bits)) as f32
        }
        false => largest.max(1.0),
    };
    let byte = |v: &f32| (v.clamp(0.0, top) / top * 255.0).round() as u8;
    Samples::Rgb8(rgb.iter().map(byte).collect())
}

/// Bits that numbers up to `largest` have. Programs write 12 bits, or 8, as 16 or 32 without making
/// them lighter; fewer than 8 are those of a dark picture.
pub(super) fn bits_of(largest: u64) -> u32 {
    (u64::BITS - largest.leading_zeros()).max(8)
}

/// Gives every value a number that a film may have: what is none (a border of NaN) or endless takes
/// the darkest or the brightest of the others. Programs that have no NaN write the largest number.
pub(super) fn settle(values: &mut [f32]) {
    const ENDLESS: f32 = 1e37;
    let is_value = |v: f32| v.abs() < ENDLESS;
    let real = values.iter().copied().filter(|&v| is_value(v));
    let (low, high) = real.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
    for v in values.iter_mut().filter(|v| !is_value(**v)) {
        *v = if *v > 0.0 { high } else { low };
    }
}

fn collapse<T: Copy + PartialEq>(rgb: &[T]) -> Option<Vec<T>> {
    let pixels = rgb.chunks_exact(3);
    let is_grey = pixels.clone().all(|p| p[0] == p[1] && p[1] == p[2]);
    is_grey.then(|| pixels.map(|p| p[0]).collect())
}

/// ITU-R BT.601 as JFIF has it, with 8 bits: luma and two colour differences about 128.
#[cfg(feature = "jpeg2000")]
pub(super) fn rgb_of_ycc([y, cb, cr]: [f32; 3]) -> [u8; 3] {
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let red = y + 1.402 * cr;
    let green = y - 0.344_136 * cb - 0.714_136 * cr;
    let blue = y + 1.772 * cb;
    [red, green, blue].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

/// What cyan, magenta, yellow and black of `top` bits leave of white, as Pillow counts it.
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
    fn what_is_no_number_is_dark_and_what_is_endless_is_as_bright_as_the_brightest() {
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
    fn inks_take_light_away() {
        assert_eq!(rgb_of_cmyk([0, 0, 0, 0], 255), [255; 3]);
        assert_eq!(rgb_of_cmyk([255, 0, 128, 0], 255), [0, 255, 127]);
        assert_eq!(rgb_of_cmyk([0, 0, 0, 65_535], 65_535), [0; 3]);
    }
}
