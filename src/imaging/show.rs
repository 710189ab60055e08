//! Shows a radiograph as a reader set it up ([`View`]) in a picture that fits a [`Canvas`].

use super::display::{VoiLut, sampled_values};
use super::render::{Viewport, render};
use super::values::step;
use crate::domain::{
    Canvas, Histogram, Lut, Preset, PreviewImage, Radiograph, View, VoiFunction, Window,
    WindowLevel,
};

/// The steps of a histogram: more than any pane has columns.
const BINS: usize = 256;

/// The range of pixels over which a preset spreads its greys, as shares counted from the darkest.
fn shares(preset: Preset) -> (f64, f64) {
    match preset {
        Preset::Automatic => (0.005, 0.995),
        Preset::Lung => (0.005, 0.60),
        Preset::Bone => (0.40, 0.998),
        Preset::Full => (0.0, 1.0),
    }
}

/// The smallest zoom, for which an image is a point.
const SMALLEST: f64 = 1e-3;

/// The picture, no larger than `canvas` and in true proportions, and its window: centre and width, in
/// units after the modality transform.
pub fn show(r: &Radiograph, view: &View, canvas: Canvas) -> (PreviewImage, (f64, f64)) {
    let voi = voi(r, view).with_invert(view.inverted);
    let (viewport, width, height) = frame(r, view, canvas);
    (render(r, &voi, viewport, width, height), voi.centre_width())
}

/// The window in which [`show`] shows a radiograph: centre and width, in units after the modality transform.
pub fn window(r: &Radiograph, view: &View) -> (f64, f64) {
    voi(r, view).centre_width()
}

/// The range of the table through which a radiograph is first shown, as [`window`] gives it; `None` if there is a window.
pub fn table_range(r: &Radiograph) -> Option<(f64, f64)> {
    VoiLut::of(r).table().map(Lut::centre_width)
}

fn voi(r: &Radiograph, view: &View) -> VoiLut {
    match view.window {
        Window::File => VoiLut::of(r),
        Window::Manual { centre, width } => VoiLut::window(r, linear(centre, width)),
        Window::WindowPreset(preset) => VoiLut::window(r, between(r, shares(preset))),
    }
}

/// The part of the radiograph that [`show`] shows, in its stored pixels.
pub fn seen(r: &Radiograph, view: &View, canvas: Canvas) -> Viewport {
    frame(r, view, canvas).0.within(r)
}

fn linear(centre: f64, width: f64) -> WindowLevel {
    WindowLevel {
        centre,
        width,
        function: VoiFunction::LinearExact,
        explanation: None,
    }
}

/// The window between two shares of the pixels, counted from those that are shown darkest.
fn between(r: &Radiograph, (dark, bright): (f64, f64)) -> WindowLevel {
    let (low, high) = if r.inverted {
        (1.0 - bright, 1.0 - dark)
    } else {
        (dark, bright)
    };
    let mut values = sampled_values(r);
    if values.is_empty() {
        return linear(0.0, 1.0);
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
    let (low, high) = (at(low), at(high));
    linear((low + high) / 2.0, (high - low).max(step(r)))
}

/// How often the values of a radiograph occur, in an even selection of its pixels.
pub fn histogram(r: &Radiograph) -> Histogram {
    let values = sampled_values(r);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return Histogram::default();
    }
    let mut bins = vec![0; BINS];
    for value in values {
        let share = (value - low) / (high - low);
        // All values are equal: they are in the first.
        let share = if share.is_finite() { share } else { 0.0 };
        bins[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    Histogram { low, high, bins }
}

/// The visible part, and the width and height of its picture.
fn frame(r: &Radiograph, view: &View, canvas: Canvas) -> (Viewport, usize, usize) {
    // In units of the width of a stored pixel, because stored pixels may not be square.
    let (wide, tall) = (r.width as f64, r.height as f64 * r.pixel_aspect);
    let (room_x, room_y) = (
        canvas.width as f64,
        canvas.height as f64 * canvas.pixel_aspect,
    );
    let scale = (room_x / wide).min(room_y / tall) * view.zoom.max(SMALLEST);
    let (seen_x, seen_y) = ((room_x / scale).min(wide), (room_y / scale).min(tall));
    let start =
        |middle: f64, seen: f64, all: f64| (middle * all - seen / 2.0).clamp(0.0, all - seen);
    let viewport = Viewport {
        x: start(view.centre.0, seen_x, wide),
        y: start(view.centre.1, seen_y, tall) / r.pixel_aspect,
        width: seen_x,
        height: seen_y / r.pixel_aspect,
    };
    let pixels = |length: f64, most: usize| (length.round() as usize).clamp(1, most.max(1));
    let width = pixels(seen_x * scale, canvas.width);
    let height = pixels(seen_y * scale / canvas.pixel_aspect, canvas.height);
    (viewport, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FilmShape, Samples};

    /// Black on the left to white on the right.
    fn ramp(width: usize, height: usize) -> Radiograph {
        let samples = (0..width * height)
            .map(|i| (i % width * 255 / (width - 1)) as u8)
            .collect();
        Radiograph::plain(width, height, Samples::Grey8(samples), "test")
    }

    const CANVAS: Canvas = Canvas {
        width: 40,
        height: 40,
        pixel_aspect: 1.0,
    };

    #[test]
    fn an_image_keeps_its_proportions_on_any_canvas() {
        let size = |r: &Radiograph, canvas| {
            let (image, _) = show(r, &View::default(), canvas);
            assert_eq!(image.pixels.len(), image.width * image.height);
            (image.width, image.height)
        };
        assert_eq!(size(&ramp(200, 100), CANVAS), (40, 20));
        assert_eq!(size(&ramp(100, 200), CANVAS), (20, 40));
        // Character cells are twice as tall as wide.
        assert_eq!(
            size(
                &ramp(200, 200),
                Canvas {
                    height: 20,
                    pixel_aspect: 2.0,
                    ..CANVAS
                }
            ),
            (40, 20)
        );
        // Stored pixels twice as tall as wide.
        assert_eq!(
            size(
                &Radiograph {
                    pixel_aspect: 2.0,
                    ..ramp(100, 100)
                },
                CANVAS
            ),
            (20, 40)
        );
        assert_eq!(size(&ramp(3000, 2), CANVAS), (40, 1));
    }

    /// The mouse finds the picture by the size that the view says.
    #[test]
    fn the_view_knows_the_size_of_its_picture() {
        for (width, height, aspect) in [(200, 100, 1.0), (90, 211, 1.0), (100, 100, 2.0)] {
            let film = Radiograph {
                pixel_aspect: aspect,
                ..ramp(width, height)
            };
            let shape = FilmShape {
                width: width as f64,
                height: height as f64,
                pixel_aspect: aspect,
            };
            for zoom in [0.3, 1.0, 1.7, 8.0] {
                let view = View {
                    zoom,
                    ..View::default()
                };
                let canvas = Canvas {
                    width: 41,
                    height: 29,
                    pixel_aspect: 2.0,
                };
                let (image, _) = show(&film, &view, canvas);
                let size = view.picture_size(canvas, shape);
                assert_eq!(size, Some((image.width, image.height)), "{width} {zoom}");
            }
        }
    }

    #[test]
    fn zoom_shows_a_part_in_the_whole_canvas() {
        let view = View {
            zoom: 4.0,
            centre: (0.125, 0.5),
            ..View::default()
        };
        let (image, _) = show(&ramp(400, 400), &view, CANVAS);
        assert_eq!((image.width, image.height), (40, 40));
        let (left, right) = (image.rgb(1, 20)[0], image.rgb(38, 20)[0]);
        assert!(
            left < 10 && (50..75).contains(&right),
            "a quarter of the ramp: {left} to {right}"
        );
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let histogram = histogram(&ramp(256, 4));
        assert_eq!((histogram.low, histogram.high), (0.0, 255.0));
        assert_eq!(histogram.bins, [4; 256]);
        let flat = Radiograph::plain(3, 2, Samples::Grey8(vec![7; 6]), "test");
        let flat = super::histogram(&flat);
        assert_eq!((flat.low, flat.high, flat.bins[0]), (7.0, 7.0, 6));
    }

    #[test]
    fn below_a_zoom_of_one_the_whole_image_is_smaller() {
        let view = View {
            zoom: 0.25,
            ..View::default()
        };
        let (image, _) = show(&ramp(400, 400), &view, CANVAS);
        assert_eq!((image.width, image.height), (10, 10));
        assert_eq!(
            (image.rgb(0, 5)[0] < 20, image.rgb(9, 5)[0] > 235),
            (true, true)
        );
    }

    #[test]
    fn inversion_and_windows_do_what_they_say() {
        let r = ramp(256, 16);
        let canvas = Canvas {
            width: 256,
            height: 16,
            pixel_aspect: 1.0,
        };
        let level = |view: View, x: usize| show(&r, &view, canvas).0.rgb(x, 8)[0];
        let inverted = View {
            inverted: true,
            ..View::default()
        };
        assert_eq!(level(View::default(), 200), 255 - level(inverted, 200));
        let narrow = View {
            window: Window::Manual {
                centre: 128.0,
                width: 10.0,
            },
            ..View::default()
        };
        assert_eq!((level(narrow, 100), level(narrow, 150)), (0, 255));
        let lung = View {
            window: Window::WindowPreset(Preset::Lung),
            ..View::default()
        };
        assert!(
            level(lung, 80) > level(View::default(), 80),
            "the dark half is brighter in the lung preset"
        );
        assert_eq!(level(lung, 200), 255);
    }
}
