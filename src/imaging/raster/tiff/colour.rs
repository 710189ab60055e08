//! Turns the numbers of a TIFF into samples: grey, colour, palette indices or inks.

use super::kinds::{Compression, Number, Photometric};
use super::layout::TiffLayout;
use super::numbers::{ones, signed, single, whole};
use super::pixels::picture;
use super::wide::TiffSamples;
use crate::domain::{Rescale, Samples};
use crate::imaging::raster::channels::{
    bits_of, grey_or_rgb8, grey_or_rgb16, grey_or_rgb32, rgb_of_cmyk,
};
use crate::imaging::raster::{COPIES, alpha};
use crate::imaging::{DecodeLimits, ImageFault};

/// Interleaved samples of the type that holds them.
enum Values {
    /// Up to 8 bits, scaled to 8.
    Bits8(Vec<u8>),
    Bits16(Vec<u16>),
    Signed16(Vec<i16>),
    Wide(TiffSamples),
}

/// The samples of a picture, with their scale, padding and transparency.
pub struct Pixels {
    pub samples: Samples,
    /// The rescale from samples to stored values.
    pub stored: Rescale,
    /// Range of samples that stand for NaN.
    pub padding: Option<(i32, i32)>,
    /// Per cent of the pixels that are not opaque, if they differ in this.
    pub transparent: Option<u8>,
}

/// Decodes the picture of a layout.
///
/// # Errors
/// If it is damaged, unsupported or over a limit.
pub fn pixels(layout: &TiffLayout, limits: &DecodeLimits) -> Result<Pixels, ImageFault> {
    let channels = layout.photometric.channels();
    let wanted: Vec<usize> = (0..channels).chain(layout.alpha).collect();
    let count = wanted.len() as u64;
    let bytes_per_pixel = match (layout.number, layout.bits) {
        (_, 0..=8) => count.max(3),
        (_, 9..=16) => 2 * count.max(3),
        (Number::Float, 17..=32) => 4 * count.max(3),
        // Later copies of these are narrower.
        _ => 8 * count,
    };
    limits.check_picture(
        layout.width as u32,
        layout.height as u32,
        COPIES * bytes_per_pixel,
    )?;
    let values = if layout.photometric == Photometric::Palette {
        Values::Bits16(picture(layout, &wanted, limits, |_, raw| raw as u16)?)
    } else {
        values(layout, &wanted, limits)?
    };
    let (values, transparent) = values.without_alpha(layout, channels);
    let (samples, stored, padding) = match (layout.photometric, values) {
        (
            Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Rgb,
            Values::Wide(wide),
        ) => wide_samples(layout, wide),
        (_, values) => (meaning(layout, values)?, Rescale::default(), None),
    };
    Ok(Pixels {
        samples,
        stored,
        padding,
        transparent,
    })
}

/// Bits of a sample, if they may be fewer than the type has.
pub fn bits_stored(layout: &TiffLayout, samples: &Samples) -> Option<u8> {
    match samples {
        // The bits of a palette picture are those of an index.
        _ if layout.photometric == Photometric::Palette => None,
        Samples::Grey16(_) | Samples::GreySigned16(_) => Some(layout.bits as u8),
        _ => None,
    }
}

/// The wanted samples as numbers, larger where the picture is brighter.
fn values(
    layout: &TiffLayout,
    wanted: &[usize],
    limits: &DecodeLimits,
) -> Result<Values, ImageFault> {
    let (bits, number) = (layout.bits, layout.number);
    let top = ones(bits);
    let white_is_zero = layout.photometric == Photometric::WhiteIsZero;
    // Only the grey sample is inverted, not alpha.
    let inverts = |channel: usize| white_is_zero && channel == 0;
    let unsigned = |channel, raw: u64| if inverts(channel) { top - raw } else { raw };
    Ok(match (number, bits) {
        (Number::Unsigned, 8) => Values::Bits8(picture(layout, wanted, limits, |c, v| {
            unsigned(c, v) as u8
        })?),
        (Number::Unsigned, 1..8) => Values::Bits8(picture(layout, wanted, limits, |c, v| {
            ((unsigned(c, v) * 255 + top / 2) / top) as u8
        })?),
        (Number::Unsigned, 9..=16) => Values::Bits16(picture(layout, wanted, limits, |c, v| {
            unsigned(c, v) as u16
        })?),
        (Number::Signed, 1..=16) => Values::Signed16(picture(layout, wanted, limits, |c, v| {
            let v = signed(bits, v) as i16;
            if inverts(c) { !v } else { v }
        })?),
        (Number::Float, 64) => Values::Wide(TiffSamples::Double(picture(
            layout,
            wanted,
            limits,
            |c, v| {
                let v = f64::from_bits(v);
                if inverts(c) { -v } else { v }
            },
        )?)),
        (Number::Float, _) => Values::Wide(TiffSamples::Single(picture(
            layout,
            wanted,
            limits,
            |c, v| {
                let v = single(bits, v);
                if inverts(c) { -v } else { v }
            },
        )?)),
        _ => Values::Wide(TiffSamples::Whole(picture(
            layout,
            wanted,
            limits,
            |c, v| {
                let v = whole(number, bits, v);
                if inverts(c) { !v } else { v }
            },
        )?)),
    })
}

impl Values {
    /// The colours without alpha, and per cent of the pixels that are not opaque.
    fn without_alpha(self, layout: &TiffLayout, channels: usize) -> (Values, Option<u8>) {
        if layout.alpha.is_none() {
            return (self, None);
        }
        match self {
            Values::Bits8(v) => {
                let (v, share) = alpha::split(&v, channels, u8::MAX);
                (Values::Bits8(v), share)
            }
            Values::Bits16(v) => {
                let (v, share) = alpha::split(&v, channels, ones(layout.bits) as u16);
                (Values::Bits16(v), share)
            }
            Values::Signed16(v) => {
                let (v, share) = alpha::split(&v, channels, i16::MAX);
                (Values::Signed16(v), share)
            }
            Values::Wide(wide) => {
                let (wide, share) = wide.without_alpha(layout, channels);
                (Values::Wide(wide), share)
            }
        }
    }
}

/// The samples that these numbers mean by the photometric interpretation.
fn meaning(layout: &TiffLayout, values: Values) -> Result<Samples, ImageFault> {
    let top = ones(layout.bits.min(16)) as u16;
    // The JPEG decoder has already converted the colours to RGB.
    let is_rgb = layout.compression == Compression::Jpeg && !layout.planar;
    match (layout.photometric, values) {
        (Photometric::Palette, Values::Bits16(indices)) => palette_samples(layout, &indices),
        (Photometric::WhiteIsZero | Photometric::BlackIsZero, Values::Bits8(v)) => {
            Ok(Samples::Grey8(v))
        }
        (Photometric::WhiteIsZero | Photometric::BlackIsZero, Values::Bits16(v)) => {
            Ok(Samples::Grey16(v))
        }
        (Photometric::WhiteIsZero | Photometric::BlackIsZero, Values::Signed16(v)) => {
            Ok(Samples::GreySigned16(v))
        }
        (Photometric::YCbCr, Values::Bits8(ycc)) if !is_rgb => Ok(from_ycc(layout, &ycc)),
        (Photometric::YCbCr, Values::Bits8(rgb)) | (Photometric::Rgb, Values::Bits8(rgb)) => {
            Ok(grey_or_rgb8(rgb))
        }
        (Photometric::Rgb, Values::Bits16(rgb)) => Ok(grey_or_rgb16(&rgb)),
        (Photometric::Cmyk, Values::Bits8(inks)) => Ok(from_inks(&inks, u8::MAX.into())),
        (Photometric::Cmyk, Values::Bits16(inks)) => Ok(from_inks(&inks, top.into())),
        _ => Err(ImageFault::unsupported(format!(
            "TIFF in colour with {} samples of {} bits",
            layout.number, layout.bits
        ))),
    }
}

/// Grey or RGB samples, the rescale to stored values, and the padding. Colour is reduced to 8 bits, so
/// it has no rescale and no padding.
fn wide_samples(layout: &TiffLayout, wide: TiffSamples) -> (Samples, Rescale, Option<(i32, i32)>) {
    if layout.photometric != Photometric::Rgb {
        let (values, stored, padding) = wide.padded(layout);
        return (Samples::GreyF32(values), stored, padding);
    }
    let (values, stored) = wide.single(layout);
    match grey_or_rgb32(values, layout.number != Number::Float) {
        grey @ Samples::GreyF32(_) => (grey, stored, None),
        colour => (colour, Rescale::default(), None),
    }
}

/// The colours of palette indices. A palette has 16 bits per channel, with all red entries first (TIFF
/// 6.0 section 5), but some writers use fewer bits. Grey with more than 8 bits keeps them; colour is
/// reduced to 8.
fn palette_samples(layout: &TiffLayout, indices: &[u16]) -> Result<Samples, ImageFault> {
    const COLOR_MAP: u16 = 320;
    let mut map = layout.directory.numbers(COLOR_MAP).unwrap_or_default();
    map.iter_mut().for_each(|v| *v = (*v).min(u16::MAX.into()));
    let size = map.len() / 3;
    if size == 0 || layout.bits > 16 || layout.number == Number::Float {
        return Err(ImageFault::damaged(
            "the TIFF has no palette for its indices",
        ));
    }
    let largest = map.iter().copied().max().unwrap_or(0);
    // True for bytes that were shifted up by 8 bits or repeated in both halves.
    let is_bytes = map.iter().all(|v| [0, v >> 8].contains(&(v & 0xff)));
    let shift = if is_bytes { 8 } else { bits_of(largest) - 8 };
    let is_grey = (0..size).all(|i| map[i] == map[size + i] && map[i] == map[2 * size + i]);
    if is_grey && shift > 0 && !is_bytes {
        let grey = |&index: &u16| map[usize::from(index).min(size - 1)] as u16;
        return Ok(Samples::Grey16(indices.iter().map(grey).collect()));
    }
    let colour = |index: u16| {
        let at = usize::from(index).min(size - 1);
        [at, size + at, 2 * size + at].map(|at| (map[at] >> shift) as u8)
    };
    Ok(grey_or_rgb8(
        indices.iter().flat_map(|&i| colour(i)).collect(),
    ))
}

fn from_inks<T: Copy + Into<u32>>(inks: &[T], top: u32) -> Samples {
    let pixels = inks.as_chunks::<4>().0.iter();
    grey_or_rgb8(
        pixels
            .flat_map(|p| rgb_of_cmyk(p.map(Into::into), top))
            .collect(),
    )
}

/// RGB from YCbCr, with the coefficients and reference values of the file (TIFF 6.0 sections 20 and 21).
fn from_ycc(layout: &TiffLayout, ycc: &[u8]) -> Samples {
    const COEFFICIENTS: u16 = 529;
    const REFERENCE_BLACK_WHITE: u16 = 532;
    let fractions = |tag, count: usize, otherwise: &[f32]| {
        let stated = layout.directory.fractions(tag);
        let stated = stated.filter(|v| v.len() >= count);
        stated.unwrap_or_else(|| otherwise.to_vec())
    };
    let weights = fractions(COEFFICIENTS, 3, &[0.299, 0.587, 0.114]);
    let range = fractions(
        REFERENCE_BLACK_WHITE,
        6,
        &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
    );
    let scaled = |v: u8, channel: usize, span: f32| {
        let (low, high) = (range[2 * channel], range[2 * channel + 1]);
        (f32::from(v) - low) * span / if high == low { 1.0 } else { high - low }
    };
    let rgb = |[y, cb, cr]: &[u8; 3]| {
        let y = scaled(*y, 0, 255.0);
        let red = y + scaled(*cr, 2, 127.0) * (2.0 - 2.0 * weights[0]);
        let blue = y + scaled(*cb, 1, 127.0) * (2.0 - 2.0 * weights[2]);
        let green = (y - weights[0] * red - weights[2] * blue) / weights[1].max(f32::EPSILON);
        [red, green, blue].map(|v| v.round().clamp(0.0, 255.0) as u8)
    };
    grey_or_rgb8(ycc.as_chunks().0.iter().flat_map(rgb).collect())
}
