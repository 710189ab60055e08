//! The display function of a radiograph: a window or a table, from the file, the reader or its values.

use super::values::{look_up, luma, modality, padding_mask, step};
use crate::domain::{Lut, PixelTransform, Radiograph, Rescale, Samples, VoiFunction, WindowLevel};

/// A display function: from values after the modality transform to light, 0 (black) to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiLut {
    function: Function,
    /// Whether the file asks for inversion (MONOCHROME1).
    file_inverted: bool,
    /// Whether the reader asks for inversion on top of that.
    user_inverted: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Function {
    Window(WindowLevel),
    Table(Lut),
}

/// Share of the pixels that an automatic window shows fully black, and fully white.
const CLIPPED: f64 = 0.005;

/// Number of pixels, roughly, from which an automatic window is computed.
const SAMPLED_PIXELS: usize = 100_000;

impl VoiLut {
    /// The window of the display function; `None` if it is a table.
    pub fn window_level(&self) -> Option<&WindowLevel> {
        match &self.function {
            Function::Window(window) => Some(window),
            Function::Table(_) => None,
        }
    }

    /// The table of the display function; `None` if it is a window.
    pub fn table(&self) -> Option<&Lut> {
        match &self.function {
            Function::Window(_) => None,
            Function::Table(lut) => Some(lut),
        }
    }

    /// The file's first VOI LUT, or else its first window that shows any part of the picture. Without
    /// either, an 8-bit picture gets its full range, because it was prepared for viewing. Any other
    /// picture gets a window from the 0.5th to the 99.5th percentile of its values.
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

    /// Centre and width, in units after the modality transform; for a table, those of its input range.
    pub fn centre_width(&self) -> (f64, f64) {
        match &self.function {
            Function::Window(window) => (window.centre, window.width),
            Function::Table(lut) => lut.centre_width(),
        }
    }

    /// The same function, inverted by the reader or not, on top of what the file asks for.
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

    /// The light, 0 to 255, for a value after the modality transform. Applies the inversion.
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

/// Checks a window of the file. LINEAR needs a width of more than 1 to show more than black and white
/// (PS3.3 C.11.2.1.2.1). Where values lie closer together than 1, a narrower window is taken as
/// LINEAR_EXACT. Otherwise it makes no sense, and the result is `None`.
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

/// Light for a value, not yet limited to 0 to 1: PS3.3 C.11.2.1.2 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT)
/// and C.11.2.1.3.1 (SIGMOID).
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

/// The window of a picture without one: its full range if it has 8 bits and no rescale, or else the
/// given range of values.
fn automatic(r: &Radiograph, (low, high): (f64, f64), step: f64) -> WindowLevel {
    let identity = PixelTransform::Linear(Rescale::default());
    let prepared = matches!(r.samples, Samples::Grey8(_) | Samples::Rgb8(_));
    let (low, high) = if prepared && r.modality_transform == identity {
        (0.0, f64::from((1_u32 << r.bits_stored.clamp(1, 8)) - 1))
    } else {
        (low, high)
    };
    // LINEAR goes from black to white over `width - 1`, which suits whole numbers only.
    let (function, unit) = if step >= 1.0 {
        (VoiFunction::Linear, 1.0)
    } else {
        (VoiFunction::LinearExact, 0.0)
    };
    let width = ((high - low).max(0.0) + unit).max(step);
    WindowLevel {
        centre: low + width / 2.0,
        width,
        function,
        explanation: None,
    }
}

/// Values after the modality transform below which 0.5 % and 99.5 % of the pixels lie, without padding.
fn percentiles(r: &Radiograph) -> (f64, f64) {
    let mut values = sampled_values(r);
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

/// Finite values after the modality transform of an even selection of the pixels, without padding.
pub(super) fn sampled_values(r: &Radiograph) -> Vec<f64> {
    fn pick<T: Copy>(v: &[T], channels: usize) -> Vec<T> {
        // An odd step avoids picking the same columns in every row of a picture of even width.
        let step = (v.len() / channels / SAMPLED_PIXELS) | 1;
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

/// Stored values as numbers; the luma of colours.
fn stored(samples: &Samples) -> Vec<f32> {
    match samples {
        Samples::Grey8(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::Grey16(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::GreySigned16(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::GreyF32(v) => v.clone(),
        Samples::Rgb8(v) => v.chunks_exact(3).map(luma).collect(),
    }
}
