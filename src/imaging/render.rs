//! Draws a part of a radiograph as a picture of the size of the screen.
//!
//! The stored samples are cropped and resampled first. The display function is applied afterwards, to
//! the few pixels of the result, so that moving the window stays fast.

use fast_image_resize as fir;
use fir::images::{Image, TypedImageRef};
use fir::pixels::{F32, U8, U8x3, U16};
use fir::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::display::VoiLut;
use super::values::{modality, padding_mask};
use crate::domain::{PixelTransform, PreviewImage, Radiograph, Samples};

/// The visible part of a radiograph: a rectangle in its stored pixels, possibly fractional.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Viewport {
    /// Left edge; 0 is the left edge of the first column.
    pub x: f64,
    /// Upper edge; 0 is the upper edge of the first row.
    pub y: f64,
    /// Stored pixels across.
    pub width: f64,
    /// Stored pixels down.
    pub height: f64,
}

impl Viewport {
    /// The whole radiograph.
    pub fn whole(r: &Radiograph) -> Viewport {
        Viewport {
            x: 0.0,
            y: 0.0,
            width: r.width as f64,
            height: r.height as f64,
        }
    }

    /// The nearest viewport that lies within the radiograph and is at least one pixel large.
    pub(super) fn within(self, r: &Radiograph) -> Viewport {
        let (x, width) = fit(self.x, self.width, r.width as f64);
        let (y, height) = fit(self.y, self.height, r.height as f64);
        Viewport {
            x,
            y,
            width,
            height,
        }
    }
}

fn fit(start: f64, length: f64, available: f64) -> (f64, f64) {
    let finite = |v: f64, or: f64| if v.is_finite() { v } else { or };
    let length = finite(length, available).clamp(1.0_f64.min(available), available);
    (finite(start, 0.0).clamp(0.0, available - length), length)
}

/// The part of the radiograph in `viewport` as a picture of `width × height` pixels, with 8 bits per
/// value.
///
/// The stored samples are resampled with an antialiasing filter; then the modality transform, the
/// display function and the inversion are applied. The caller keeps the proportions, including
/// `r.pixel_aspect`, by its choice of viewport and size.
pub fn render(
    r: &Radiograph,
    voi: &VoiLut,
    viewport: Viewport,
    width: usize,
    height: usize,
) -> PreviewImage {
    let colour = matches!(r.samples, Samples::Rgb8(_));
    let size = match (u32::try_from(width), u32::try_from(height)) {
        (Ok(w), Ok(h)) if w > 0 && h > 0 && r.samples.pixels() > 0 => (w, h),
        _ => {
            return PreviewImage {
                width: 0,
                height: 0,
                pixels: Vec::new(),
                colour,
            };
        }
    };
    let unpadded = unpadded(r);
    let pixels = match resample(r, unpadded.as_ref().unwrap_or(&r.samples), viewport, size) {
        Some(samples) => lights(&samples, &r.modality_transform, voi),
        None => vec![0; width * height * if colour { 3 } else { 1 }],
    };
    PreviewImage {
        width,
        height,
        pixels,
        colour,
    }
}

/// The whole radiograph at its stored size, with 8 bits per value, through its own VOI LUT or window:
/// one value per pixel, three in colour.
pub fn developed(r: &Radiograph) -> Vec<u8> {
    let unpadded = unpadded(r);
    let samples = unpadded.as_ref().unwrap_or(&r.samples);
    lights(samples, &r.modality_transform, &VoiLut::of(r))
}

fn lights(samples: &Samples, transform: &PixelTransform, voi: &VoiLut) -> Vec<u8> {
    let light = |stored: f32| voi.apply(modality(transform, stored));
    match samples {
        Samples::Grey8(v) | Samples::Rgb8(v) => {
            let table: Vec<u8> = (0..=255_u8).map(|s| light(s.into())).collect();
            v.iter().map(|&s| table[usize::from(s)]).collect()
        }
        Samples::Grey16(v) => v.iter().map(|&s| light(s.into())).collect(),
        Samples::GreySigned16(v) => v.iter().map(|&s| light(s.into())).collect(),
        Samples::GreyF32(v) => v.iter().map(|&s| light(s)).collect(),
    }
}

/// The samples with padding replaced by the darkest of the others, so that it shows black and resampling
/// does not blur it into the film. `None` if there is no padding to replace.
fn unpadded(r: &Radiograph) -> Option<Samples> {
    let mask = padding_mask(&r.samples, r.padding?)?;
    if !mask.contains(&true) {
        return None;
    }
    let high_is_dark = r.is_stored_inverted();
    match &r.samples {
        Samples::Grey8(v) => filled(v, &mask, high_is_dark).map(Samples::Grey8),
        Samples::Grey16(v) => filled(v, &mask, high_is_dark).map(Samples::Grey16),
        Samples::GreySigned16(v) => filled(v, &mask, high_is_dark).map(Samples::GreySigned16),
        Samples::GreyF32(v) => filled(v, &mask, high_is_dark).map(Samples::GreyF32),
        Samples::Rgb8(_) => None,
    }
}

fn filled<T: Copy + PartialOrd>(v: &[T], mask: &[bool], high_is_dark: bool) -> Option<Vec<T>> {
    let real = v
        .iter()
        .zip(mask)
        .filter(|(_, pad)| !**pad)
        .map(|(s, _)| *s);
    let dark = real.reduce(|a, b| if (a < b) != high_is_dark { a } else { b })?;
    Some(
        v.iter()
            .zip(mask)
            .map(|(&s, &pad)| if pad { dark } else { s })
            .collect(),
    )
}

/// The samples of the viewport, resampled to `width × height`. `None` if they do not fill the
/// radiograph, which no decoder here produces.
fn resample(
    r: &Radiograph,
    samples: &Samples,
    viewport: Viewport,
    (width, height): (u32, u32),
) -> Option<Samples> {
    let shape = ResizeShape {
        source: (r.width as u32, r.height as u32),
        target: (width, height),
    };
    let seen = viewport.within(r);
    Some(match samples {
        Samples::Grey8(v) => Samples::Grey8(shape.resample::<U8, _>(v, seen)?),
        Samples::Rgb8(v) => Samples::Rgb8(shape.resample::<U8x3, _>(v, seen)?),
        Samples::Grey16(v) => Samples::Grey16(shape.resample::<U16, _>(v, seen)?),
        Samples::GreyF32(v) => Samples::GreyF32(shape.resample::<F32, _>(v, seen)?),
        Samples::GreySigned16(v) => {
            // The resampler has no signed 16-bit pixels. Flipping the sign bit keeps the order of
            // values.
            let offset: Vec<u16> = v.iter().map(|&s| (s as u16) ^ 0x8000).collect();
            let smaller: Vec<u16> = shape.resample::<U16, _>(&offset, seen)?;
            Samples::GreySigned16(smaller.into_iter().map(|s| (s ^ 0x8000) as i16).collect())
        }
    })
}

/// Columns and rows before and after resampling.
struct ResizeShape {
    source: (u32, u32),
    target: (u32, u32),
}

impl ResizeShape {
    /// Resamples values of type `T` that form pixels of type `P`. The resampler's untyped function would
    /// compile code for a dozen pixel types that are not needed.
    fn resample<P: PixelTrait, T: bytemuck::Pod>(
        &self,
        samples: &[T],
        seen: Viewport,
    ) -> Option<Vec<T>> {
        let (columns, rows) = self.source;
        let bytes = bytemuck::cast_slice(samples);
        let source = TypedImageRef::<P>::from_buffer(columns, rows, bytes).ok()?;
        let mut target = Image::new(self.target.0, self.target.1, P::pixel_type());
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            .crop(seen.x, seen.y, seen.width, seen.height);
        let mut view = target.typed_image_mut::<P>()?;
        Resizer::new()
            .resize_typed(&source, &mut view, &options)
            .ok()?;
        Some(bytemuck::pod_collect_to_vec(target.buffer()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Lut, Rescale};

    /// Padding shows black also where the transform makes low values bright.
    #[test]
    fn padding_is_dark_where_the_modality_transform_falls() {
        let table = PixelTransform::Table(Lut {
            first_input: 0,
            entries: (0..=255).rev().collect(),
            bits: 8,
            explanation: None,
        });
        let line = PixelTransform::Linear(Rescale {
            slope: -1.0,
            intercept: 255.0,
        });
        for modality_transform in [table, line] {
            for (inverted, dark) in [(false, 200), (true, 50)] {
                let film = Radiograph {
                    inverted,
                    modality_transform: modality_transform.clone(),
                    padding: Some((0, 0)),
                    ..Radiograph::plain(3, 1, Samples::Grey8(vec![0, 50, 200]), "test")
                };
                let filled = unpadded(&film);
                assert_eq!(filled, Some(Samples::Grey8(vec![dark, 50, 200])));
            }
        }
    }
}
