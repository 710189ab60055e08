//! The radiograph in its own window, and the same under its heat map.

use std::io;

use crate::domain::{
    Canvas, DEFAULT_OPACITY, HeatMap, HeatMapLayer, HeatMapLegend, Radiograph, View,
};
use crate::imaging;

/// The longer side of a picture, at most: half of an A4 page at 300 dots an inch.
const SIDE: usize = 1000;

/// PNG files, no larger than the radiograph is stored.
pub struct Pictures {
    pub plain: Vec<u8>,
    /// With what has to stand beside it; `None` where there is no map.
    pub mapped: Option<(Vec<u8>, HeatMapLegend)>,
    /// Window centre and width, in units after the modality transform.
    pub window: (f64, f64),
}

impl Pictures {
    /// # Errors
    /// If a picture cannot be written as PNG.
    pub fn of(radiograph: &Radiograph, map: Option<HeatMap>) -> io::Result<Self> {
        let tall = radiograph.height as f64 * radiograph.pixel_aspect;
        let longer = (radiograph.width as f64).max(tall).round() as usize;
        let side = longer.clamp(1, SIDE);
        let canvas = Canvas {
            width: side,
            height: side,
            pixel_aspect: 1.0,
        };
        let view = View::default();
        let (bare, window) = imaging::show(radiograph, &view, canvas);
        let mapped = map.map(|map| {
            let layer = HeatMapLayer {
                content: radiograph.content,
                map: map.into(),
                opacity: DEFAULT_OPACITY,
            };
            let seen = imaging::seen(radiograph, &view, canvas);
            let picture = imaging::overlay(&bare, seen, &layer);
            imaging::png_with_text(&picture, &[]).map(|png| (png, imaging::legend(&layer)))
        });
        Ok(Pictures {
            plain: imaging::png_with_text(&bare, &[])?,
            mapped: mapped.transpose()?,
            window,
        })
    }
}
