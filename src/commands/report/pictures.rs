//! The radiograph in its own window, and the same under its heat map.

use std::io;

use crate::domain::{HeatMap, HeatMapLegend, Radiograph};
use crate::imaging::{StillPicture, png_with_text};

/// The longest side of a picture, in pixels: half of an A4 page at 300 dots per inch.
const SIDE: usize = 1000;

/// PNG files, no larger than the radiograph is stored.
pub struct Pictures {
    pub plain: Vec<u8>,
    /// The heat map over the radiograph, with its legend; `None` without a map.
    pub mapped: Option<(Vec<u8>, HeatMapLegend)>,
    /// Window centre and width, in units after the modality transform.
    pub window: (f64, f64),
}

impl Pictures {
    /// # Errors
    /// If a picture cannot be written as PNG.
    pub fn of(radiograph: &Radiograph, map: Option<HeatMap>) -> io::Result<Self> {
        let still = StillPicture::new(radiograph, map, SIDE);
        let mapped = match still.mapped {
            Some((picture, legend)) => Some((png_with_text(&picture, &[])?, legend)),
            None => None,
        };
        Ok(Pictures {
            plain: png_with_text(&still.plain, &[])?,
            mapped,
            window: still.window,
        })
    }
}
