//! The radiograph in its own window, and the same under its heat map.

use std::io;

use crate::domain::{HeatMapLegend, MarkLayer};
use crate::imaging::{StillPicture, Viewport, draw_marks, png_with_text};

/// The longest side of a picture, in pixels: half of an A4 page at 300 dots per inch.
pub const SIDE: usize = 1000;

/// PNG files, no larger than the radiograph is stored.
pub struct Pictures {
    /// With the marks of its readers.
    pub plain: Vec<u8>,
    /// The heat map over the radiograph, with its legend; `None` without a map.
    pub mapped: Option<(Vec<u8>, HeatMapLegend)>,
    /// Window centre and width, in units after the modality transform; `None` for a table of the file.
    pub window: Option<(f64, f64)>,
}

impl Pictures {
    /// The pictures of a radiograph of `size` stored pixels, across and down.
    ///
    /// # Errors
    /// If a picture cannot be written as PNG.
    pub fn of(
        still: &StillPicture,
        (width, height): (usize, usize),
        marks: Option<&MarkLayer>,
    ) -> io::Result<Self> {
        let whole = Viewport {
            x: 0.0,
            y: 0.0,
            width: width as f64,
            height: height as f64,
        };
        let plain = match marks {
            Some(marks) => png_with_text(&draw_marks(&still.plain, whole, marks), &[])?,
            None => png_with_text(&still.plain, &[])?,
        };
        let mapped = match &still.mapped {
            Some((picture, legend)) => Some((png_with_text(picture, &[])?, legend.clone())),
            None => None,
        };
        Ok(Pictures {
            plain,
            mapped,
            window: still.window,
        })
    }
}
