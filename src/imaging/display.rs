//! What the eye sees: a window or a table, applied to a picture of the size of the screen.
//!
//! The stored samples are cropped and resampled first and windowed afterwards, at the size of the
//! target, so that moving the window costs a resample of the visible part and nothing more.

use fast_image_resize as fir;
use fir::images::{Image, TypedImageRef};
use fir::pixels::{F32, U8, U8x3, U16};
use fir::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::values::{look_up, luma, modality, padding_mask, step};
use crate::domain::{
    Lut, PixelTransform, PreviewImage, Radiograph, Rescale, Samples, VoiFunction, WindowLevel,
};

/// A display function: from values after the modality transform to light, 0 (black) to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiLut {
    function: Function,
    /// What the file asks for (MONOCHROME1), and what the reader asks for on top of it.
    file_inverted: bool,
    user_inverted: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Function {
    Window(WindowLevel),
    Table(Lut),
}

/// Share of the pixels that an automatic window lets go black, and white.
const CLIPPED: f64 = 0.005;

/// An automatic window looks at about this many pixels.
const LOOKED_AT: usize = 100_000;

impl VoiLut {
    /// The file's first VOI LUT or else its first window; the full range of an 8-bit picture that
    /// proposes none, since somebody prepared it to be looked at; otherwise a window from the 0.5th
    /// to the 99.5th percentile. A proposed window that shows nothing of the picture is passed over.
    pub fn of(r: &Radiograph) -> VoiLut {
        let percentiles = percentiles(r);
        let step = step(r);
        let mut windows = r.windows.iter().filter_map(|w| on_scale(w, step));
        let proposed = windows.find(|window| {
            let half = window.width / 2.0;
            window.centre - half < percentiles.1 && window.centre + half > percentiles.0
        });
        let function = match (r.voi_luts.first(), proposed) {
            (Some(lut), _) => Function::Table(lut.clone()),
            (None, Some(window)) => Function::Window(window),
            (None, None) => Function::Window(automatic(r, percentiles, step)),
        };
        VoiLut {
            function,
            file_inverted: r.inverted,
            user_inverted: false,
        }
    }

    /// A window that the reader chose.
    pub fn window(r: &Radiograph, window: WindowLevel) -> VoiLut {
        let function = Function::Window(WindowLevel {
            width: window.width.max(f64::MIN_POSITIVE),
            ..window
        });
        VoiLut {
            function,
            file_inverted: r.inverted,
            user_inverted: false,
        }
    }

    /// Centre and width, in units after the modality transform; for a table, of the values it
    /// spans.
    pub fn centre_width(&self) -> (f64, f64) {
        match &self.function {
            Function::Window(window) => (window.centre, window.width),
            Function::Table(lut) => {
                let width = lut.entries.len() as f64;
                (f64::from(lut.first_input) + width / 2.0, width)
            }
        }
    }

    /// The same, inverted by the reader or not, on top of what the file asks for.
    pub fn with_invert(self, inverted: bool) -> VoiLut {
        VoiLut {
            user_inverted: inverted,
            ..self
        }
    }

    /// Whether the reader inverted it.
    pub fn is_inverted(&self) -> bool {
        self.user_inverted
    }

    /// Light for a value after the modality transform (not yet inverted: this does it).
    pub fn apply(&self, value: f64) -> u8 {
        let light = match &self.function {
            Function::Window(window) => through_window(window, value),
            Function::Table(lut) => {
                let largest = f64::from((1_u32 << lut.bits.clamp(1, 16)) - 1);
                look_up(lut, value) / largest
            }
        };
        let light = (light.clamp(0.0, 1.0) * 255.0).round() as u8;
        if self.file_inverted != self.user_inverted {
            255 - light
        } else {
            light
        }
    }
}

/// A proposed window. LINEAR needs a width of more than 1 to show more than black and white (PS3.3
/// C.11.2.1.2.1): a narrower one of values that lie closer together was meant as it stands, and of
/// others it makes no sense.
fn on_scale(window: &WindowLevel, step: f64) -> Option<WindowLevel> {
    match (window.function, step < 1.0) {
        (VoiFunction::Linear, true) if window.width <= 1.0 => Some(WindowLevel {
            function: VoiFunction::LinearExact,
            ..window.clone()
        }),
        (VoiFunction::Linear, false) if window.width < 1.0 => None,
        _ => Some(window.clone()),
    }
}

/// Light from 0 to 1: PS3.3 C.11.2.1.2 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT) and C.11.2.1.3.1
/// (SIGMOID).
fn through_window(window: &WindowLevel, x: f64) -> f64 {
    let WindowLevel { centre, width, .. } = *window;
    let ramp = |x: f64, width: f64| {
        if width > 0.0 {
            x / width + 0.5
        } else {
            f64::from(u8::from(x > 0.0))
        }
    };
    match window.function {
        VoiFunction::Linear => ramp(x - (centre - 0.5), width - 1.0),
        VoiFunction::LinearExact => ramp(x - centre, width),
        VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - centre) / width).exp()),
    }
}

fn automatic(r: &Radiograph, (low, high): (f64, f64), step: f64) -> WindowLevel {
    let identity = PixelTransform::Linear(Rescale::default());
    let prepared = matches!(r.samples, Samples::Grey8(_) | Samples::Rgb8(_));
    let (low, high) = if prepared && r.modality_transform == identity {
        (0.0, f64::from((1_u32 << r.bits_stored.clamp(1, 8)) - 1))
    } else {
        (low, high)
    };
    // LINEAR is black at centre − width/2 and white one less than width above it: a unit that whole
    // numbers have, and others do not.
    let (function, unit) = match step >= 1.0 {
        true => (VoiFunction::Linear, 1.0),
        false => (VoiFunction::LinearExact, 0.0),
    };
    let width = ((high - low).max(0.0) + unit).max(step);
    WindowLevel {
        centre: low + width / 2.0,
        width,
        function,
        explanation: None,
    }
}

/// Values after the modality transform below which 0.5 % and 99.5 % of the pixels lie, padding
/// left out.
fn percentiles(r: &Radiograph) -> (f64, f64) {
    let mut values = thinned(r);
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let last = values.len() - 1;
    let mut at = |share: f64| {
        let index = (share * last as f64).round() as usize;
        *values.select_nth_unstable_by(index, f64::total_cmp).1
    };
    (at(CLIPPED), at(1.0 - CLIPPED))
}

/// Finite values after the modality transform of some of the pixels, evenly picked, padding left out.
pub(super) fn thinned(r: &Radiograph) -> Vec<f64> {
    fn pick<T: Copy>(v: &[T], channels: usize) -> Vec<T> {
        // An odd step does not fall in step with the columns of an even picture.
        let step = (v.len() / channels / LOOKED_AT) | 1;
        v.chunks_exact(channels)
            .step_by(step)
            .flatten()
            .copied()
            .collect()
    }
    let samples = match &r.samples {
        Samples::Grey8(v) => Samples::Grey8(pick(v, 1)),
        Samples::Grey16(v) => Samples::Grey16(pick(v, 1)),
        Samples::GreySigned16(v) => Samples::GreySigned16(pick(v, 1)),
        Samples::GreyF32(v) => Samples::GreyF32(pick(v, 1)),
        Samples::Rgb8(v) => Samples::Rgb8(pick(v, 3)),
    };
    let is_padding = r.padding.and_then(|range| padding_mask(&samples, range));
    let values = stored(&samples).into_iter().enumerate();
    values
        .filter(|(i, _)| is_padding.as_ref().is_none_or(|mask| !mask[*i]))
        .map(|(_, stored)| modality(&r.modality_transform, stored))
        .filter(|value| value.is_finite())
        .collect()
}

/// Stored values as numbers, of colour its luma.
fn stored(samples: &Samples) -> Vec<f32> {
    match samples {
        Samples::Grey8(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::Grey16(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::GreySigned16(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::GreyF32(v) => v.clone(),
        Samples::Rgb8(v) => v.chunks_exact(3).map(luma).collect(),
    }
}

/// The part of a radiograph that is looked at: a rectangle in its pixels, which may be fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Viewport {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Viewport {
    /// All of it.
    pub fn whole(r: &Radiograph) -> Viewport {
        Viewport {
            x: 0.0,
            y: 0.0,
            width: r.width as f64,
            height: r.height as f64,
        }
    }

    /// Within the radiograph and at least one pixel large, whatever was asked for.
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

/// A picture of `width × height` pixels of what `viewport` shows, ready for a screen.
///
/// The stored samples are resampled with an antialiasing filter, then the modality transform, the
/// display function and the inversion are applied. Keeping the proportions, and honouring
/// `r.pixel_aspect`, is the caller's choice of viewport and size.
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

/// The whole picture in 8 bits as its own VOI LUT or window makes it, at the size that it is stored
/// in: a value for each pixel, three of colour.
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

/// The samples with padding made the darkest of the others, so that it shows black and does not
/// bleed over the edge of the film; `None` where there is no padding to replace.
fn unpadded(r: &Radiograph) -> Option<Samples> {
    let mask = padding_mask(&r.samples, r.padding?)?;
    if !mask.contains(&true) {
        return None;
    }
    let falling = matches!(&r.modality_transform, PixelTransform::Linear(l) if l.slope < 0.0);
    let high_is_dark = r.inverted != falling;
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

/// `None` if the samples do not fill the radiograph, which no decoder here produces.
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
            // The resampler knows no signed 16-bit pixels: the order is kept by an offset.
            let offset: Vec<u16> = v.iter().map(|&s| (s as u16) ^ 0x8000).collect();
            let smaller: Vec<u16> = shape.resample::<U16, _>(&offset, seen)?;
            Samples::GreySigned16(smaller.into_iter().map(|s| (s ^ 0x8000) as i16).collect())
        }
    })
}

/// Columns and rows before and after.
struct ResizeShape {
    source: (u32, u32),
    target: (u32, u32),
}

impl ResizeShape {
    /// `P` is the pixel that the values of type `T` make up. The resampler's untyped entry would
    /// do the same, and compile it for a dozen pixel types that are not needed.
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
