//! What the numbers of a TIFF mean: grey, colour, indices into a palette, inks.

use super::chunk::{ones, signed, value};
use super::layout::{Compression, Layout, Number, Photometric};
use super::pixels::picture;
use crate::domain::Samples;
use crate::imaging::raster::channels::{
    grey_or_rgb8, grey_or_rgb16, grey_or_rgb32, rgb_of_cmyk, settle,
};
use crate::imaging::raster::{COPIES, alpha};
use crate::imaging::{Fault, Limits};

/// Interleaved samples of the type that holds them.
enum Values {
    /// Spread over 8 bits.
    Bits8(Vec<u8>),
    Bits16(Vec<u16>),
    Signed16(Vec<i16>),
    Float(Vec<f32>),
}

/// The samples of a picture, and per cent of its pixels that are transparent.
pub fn samples(layout: &Layout, limits: &Limits) -> Result<(Samples, Option<u8>), Fault> {
    let channels = layout.photometric.channels();
    let wanted: Vec<usize> = (0..channels).chain(layout.alpha).collect();
    let bytes_per_value = match layout.bits {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    };
    let bytes_per_pixel = bytes_per_value * wanted.len().max(3) as u64;
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
    Ok((meaning(layout, values)?, transparent))
}

/// Bits of a sample, where they are fewer than the type has.
pub fn bits_stored(layout: &Layout, samples: &Samples) -> Option<u8> {
    match samples {
        Samples::Grey16(_) | Samples::GreySigned16(_) => Some(layout.bits as u8),
        _ => None,
    }
}

/// Numbers, bright where the picture is bright.
fn values(layout: &Layout, wanted: &[usize], limits: &Limits) -> Result<Values, Fault> {
    let (bits, number) = (layout.bits, layout.number);
    let top = ones(bits);
    let white_is_zero = layout.photometric == Photometric::WhiteIsZero;
    // The first sample is grey then, and alpha no part of it.
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
        _ => Values::Float(picture(layout, wanted, limits, |c, v| {
            let v = value(number, bits, v);
            if inverts(c) { -v } else { v }
        })?),
    })
}

impl Values {
    /// The colours alone, and what alpha says.
    fn without_alpha(self, layout: &Layout, channels: usize) -> (Values, Option<u8>) {
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
            Values::Float(v) => {
                let opaque = match layout.number {
                    Number::Float => 1.0,
                    number => value(number, layout.bits, ones(layout.bits)),
                };
                let (v, share) = alpha::split(&v, channels, opaque);
                (Values::Float(v), share)
            }
        }
    }
}

fn meaning(layout: &Layout, values: Values) -> Result<Samples, Fault> {
    let top = ones(layout.bits.min(16)) as u16;
    // The JPEG decoder has made RGB of it.
    let is_rgb = layout.compression == Compression::Jpeg && !layout.planar;
    match (layout.photometric, values) {
        (Photometric::Palette, Values::Bits16(indices)) => looked_up(layout, &indices),
        (Photometric::WhiteIsZero | Photometric::BlackIsZero, values) => Ok(grey(values)),
        (Photometric::YCbCr, Values::Bits8(ycc)) if !is_rgb => Ok(from_ycc(layout, &ycc)),
        (Photometric::YCbCr, Values::Bits8(rgb)) | (Photometric::Rgb, Values::Bits8(rgb)) => {
            Ok(grey_or_rgb8(rgb))
        }
        (Photometric::Rgb, Values::Bits16(rgb)) => Ok(grey_or_rgb16(&rgb, top)),
        (Photometric::Rgb, Values::Float(mut rgb)) => {
            if layout.number == Number::Unsigned {
                let top = value(layout.number, layout.bits, ones(layout.bits));
                rgb.iter_mut().for_each(|v| *v /= top);
            }
            Ok(grey_or_rgb32(rgb))
        }
        (Photometric::Cmyk, Values::Bits8(inks)) => Ok(from_inks(&inks, u8::MAX.into())),
        (Photometric::Cmyk, Values::Bits16(inks)) => Ok(from_inks(&inks, top.into())),
        _ => Err(Fault::unsupported(format!(
            "TIFF in colour with {} samples of {} bits",
            layout.number, layout.bits
        ))),
    }
}

fn grey(values: Values) -> Samples {
    match values {
        Values::Bits8(v) => Samples::Grey8(v),
        Values::Bits16(v) => Samples::Grey16(v),
        Values::Signed16(v) => Samples::GreySigned16(v),
        Values::Float(mut v) => {
            settle(&mut v);
            Samples::GreyF32(v)
        }
    }
}

/// Colours of a palette of 16 bits a channel, all red ones first (TIFF 6.0 section 5). Some writers
/// fill 8 bits of them only.
fn looked_up(layout: &Layout, indices: &[u16]) -> Result<Samples, Fault> {
    const COLOR_MAP: u16 = 320;
    let map = layout.directory.numbers(COLOR_MAP).unwrap_or_default();
    let size = map.len() / 3;
    if size == 0 || layout.bits > 16 || layout.number == Number::Float {
        return Err(Fault::damaged("the TIFF has no palette for its indices"));
    }
    let shift = if map.iter().all(|&v| v <= 255) { 0 } else { 8 };
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

/// TIFF 6.0 sections 20 and 21: what the three are between, and how much each colour adds to luma.
fn from_ycc(layout: &Layout, ycc: &[u8]) -> Samples {
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
    let within = |v: u8, channel: usize, span: f32| {
        let (low, high) = (range[2 * channel], range[2 * channel + 1]);
        (f32::from(v) - low) * span / if high == low { 1.0 } else { high - low }
    };
    let rgb = |[y, cb, cr]: &[u8; 3]| {
        let y = within(*y, 0, 255.0);
        let red = y + within(*cr, 2, 127.0) * (2.0 - 2.0 * weights[0]);
        let blue = y + within(*cb, 1, 127.0) * (2.0 - 2.0 * weights[2]);
        let green = (y - weights[0] * red - weights[2] * blue) / weights[1].max(f32::EPSILON);
        [red, green, blue].map(|v| v.round().clamp(0.0, 255.0) as u8)
    };
    grey_or_rgb8(ycc.as_chunks().0.iter().flat_map(rgb).collect())
}
