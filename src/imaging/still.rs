//! A radiograph as a picture of its own: for a report page or the file of a heat map.

use super::heat_map::{legend, overlay};
use super::show::{seen, show, table_range};
use crate::domain::{
    Canvas, DEFAULT_OPACITY, HeatMap, HeatMapLayer, HeatMapLegend, PreviewImage, Radiograph, View,
};

/// A radiograph as the screen first shows it, alone and under a heat map.
pub struct StillPicture {
    /// The radiograph in its own window.
    pub plain: PreviewImage,
    /// The same under its heat map, with the legend; `None` without a map.
    pub mapped: Option<(PreviewImage, HeatMapLegend)>,
    /// Window centre and width, in units after the modality transform; `None` if it is shown through a table of the file.
    pub window: Option<(f64, f64)>,
}

impl StillPicture {
    /// Draws the radiograph no larger than it is stored, with at most `longest` pixels on its longer
    /// side.
    pub fn new(radiograph: &Radiograph, map: Option<HeatMap>, longest: usize) -> Self {
        let tall = radiograph.height as f64 * radiograph.pixel_aspect;
        let longer = (radiograph.width as f64).max(tall).round() as usize;
        let side = longer.clamp(1, longest);
        let canvas = Canvas {
            width: side,
            height: side,
            pixel_aspect: 1.0,
        };
        let view = View::default();
        let (plain, window) = show(radiograph, &view, canvas);
        let mapped = map.map(|map| {
            let layer = HeatMapLayer {
                content: radiograph.content,
                map: map.into(),
                opacity: DEFAULT_OPACITY,
            };
            let picture = overlay(&plain, seen(radiograph, &view, canvas), &layer);
            (picture, legend(&layer))
        });
        StillPicture {
            plain,
            mapped,
            window: table_range(radiograph).is_none().then_some(window),
        }
    }
}
