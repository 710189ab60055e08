//! The display of a radiograph. Nothing here reaches the model.

/// The window that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Window {
    /// The file's own first window or VOI LUT, or [`Preset::Automatic`] where it has none.
    #[default]
    File,
    /// A window computed from the image.
    WindowPreset(Preset),
    /// Set by hand, in units after the modality transform.
    Manual {
        /// The value that becomes mid-grey.
        centre: f64,
        /// The range from black to white, greater than 0.
        width: f64,
    },
}

/// Windows by percentiles of the image, since a radiograph has no Hounsfield units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// 0.5th to 99.5th percentile.
    Automatic,
    /// The dark half, where the lungs are.
    Lung,
    /// The bright half: bone, mediastinum, devices.
    Bone,
    /// Darkest to brightest value.
    Full,
}

impl Preset {
    /// The word on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Automatic => "automatic",
            Preset::Lung => "lung",
            Preset::Bone => "bone",
            Preset::Full => "full range",
        }
    }
}

/// Window, inversion, zoom and pan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// From values to grey.
    pub window: Window,
    /// Whether black and white are swapped.
    pub inverted: bool,
    /// 1 shows the whole image as large as the canvas allows, 2 half of its width; below 1 the whole image is smaller than
    /// the canvas.
    pub zoom: f64,
    /// The point in the middle of the canvas, as fractions of the image's width and height.
    pub centre: (f64, f64),
}

impl Default for View {
    fn default() -> Self {
        View {
            window: Window::File,
            inverted: false,
            zoom: 1.0,
            centre: (0.5, 0.5),
        }
    }
}

/// The largest magnification by steps. Beyond it, a screen would show only a few stored pixels.
pub const MAX_ZOOM: f64 = 32.0;

impl View {
    /// Multiplies the zoom, and keeps the canvas within the image.
    pub fn zoom_by(&mut self, factor: f64) {
        // One to one may lie beyond both ends.
        let (least, most) = (self.zoom.min(1.0), self.zoom.max(MAX_ZOOM));
        let zoom = self.zoom * factor;
        self.zoom = if factor > 1.0 && self.zoom < 1.0 {
            zoom.min(1.0)
        } else {
            zoom.clamp(least, most)
        };
        self.pan_by(0.0, 0.0);
    }

    /// Moves by fractions of the visible part.
    pub fn pan_by(&mut self, right: f64, down: f64) {
        let half = (0.5 / self.zoom).min(0.5);
        let limit = |v: f64| v.clamp(half, 1.0 - half);
        self.centre.0 = limit(self.centre.0 + right / self.zoom);
        self.centre.1 = limit(self.centre.1 + down / self.zoom);
    }

    /// Moves the image with a pointer that moved by these pixels of the canvas.
    pub fn drag(&mut self, by: (f64, f64), canvas: Canvas, image: FilmShape) {
        if let Some(scale) = self.scale(canvas, image) {
            let (right, down) = (by.0 / scale.0, by.1 / scale.1);
            let (x, y) = self.shown_centre(canvas, scale);
            self.centre = (x - right, y - down);
            self.centre = self.shown_centre(canvas, scale);
        }
    }

    /// Multiplies the zoom. The point of the image under a pointer, which is so many pixels right of and below the middle
    /// of the canvas, stays there as far as the canvas stays within the image.
    pub fn zoom_about(
        &mut self,
        factor: f64,
        pointer: (f64, f64),
        canvas: Canvas,
        image: FilmShape,
    ) {
        let Some(before) = self.scale(canvas, image) else {
            return;
        };
        let (x, y) = self.shown_centre(canvas, before);
        let point = (x + pointer.0 / before.0, y + pointer.1 / before.1);
        self.zoom_by(factor);
        if let Some(after) = self.scale(canvas, image) {
            self.centre = (point.0 - pointer.0 / after.0, point.1 - pointer.1 / after.1);
            self.centre = self.shown_centre(canvas, after);
        }
    }

    /// The point of the image, as shares of its width and height, that lies so many pixels right of and below the middle of
    /// the canvas. It may lie beyond the image. `None` without pixels.
    pub fn point_under(
        &self,
        pointer: (f64, f64),
        canvas: Canvas,
        image: FilmShape,
    ) -> Option<(f64, f64)> {
        let scale = self.scale(canvas, image)?;
        let (x, y) = self.shown_centre(canvas, scale);
        Some((x + pointer.0 / scale.0, y + pointer.1 / scale.1))
    }

    /// How many pixels right of and below the middle of the canvas a point of the image lies: the inverse of
    /// [`View::point_under`]. It may lie beyond the canvas. `None` without pixels.
    pub fn pointer_at(
        &self,
        point: (f64, f64),
        canvas: Canvas,
        image: FilmShape,
    ) -> Option<(f64, f64)> {
        let scale = self.scale(canvas, image)?;
        let (x, y) = self.shown_centre(canvas, scale);
        Some(((point.0 - x) * scale.0, (point.1 - y) * scale.1))
    }

    /// Moves by as little as it takes to show a point of the image, as shares of its width and height. Where the image goes
    /// on, the point is a twentieth of the visible part from its edge.
    pub fn keep_in_sight(&mut self, point: (f64, f64), canvas: Canvas, image: FilmShape) {
        const MARGIN: f64 = 0.05;
        let (Some(scale), Some(part)) = (self.scale(canvas, image), self.shown_part(canvas, image))
        else {
            return;
        };
        let shift = |at: f64, low: f64, high: f64| {
            let margin = MARGIN * (high - low);
            let (low, high) = (low + margin, high - margin);
            at - at.clamp(low.min(high), high.max(low))
        };
        let (right, down) = (
            shift(point.0, part.left, part.right),
            shift(point.1, part.top, part.bottom),
        );
        if (right, down) == (0.0, 0.0) {
            return;
        }
        let (x, y) = self.shown_centre(canvas, scale);
        self.centre = (x + right, y + down);
        self.centre = self.shown_centre(canvas, scale);
    }

    /// Columns and rows of the picture that fills the canvas as far as the image reaches; `None` without pixels.
    pub fn picture_size(&self, canvas: Canvas, image: FilmShape) -> Option<(usize, usize)> {
        let scale = self.scale(canvas, image)?;
        let pixels = |all: f64, room: usize| (all.round() as usize).clamp(1, room.max(1));
        Some((
            pixels(scale.0, canvas.width),
            pixels(scale.1, canvas.height),
        ))
    }

    /// Pixels of the canvas from the left to the right end of the visible part; `None` without pixels.
    pub fn shown_pixels(&self, canvas: Canvas, image: FilmShape) -> Option<f64> {
        let (across, _) = self.scale(canvas, image)?;
        Some(across.min(canvas.width as f64))
    }

    /// The zoom at which a stored pixel is as wide as a pixel of the canvas; `None` without pixels.
    pub fn one_to_one(canvas: Canvas, image: FilmShape) -> Option<f64> {
        let fit = View::default().scale(canvas, image)?.0;
        Some(image.width / fit)
    }

    /// The part of the image that a canvas shows; `None` without pixels.
    pub fn shown_part(&self, canvas: Canvas, image: FilmShape) -> Option<ShownPart> {
        let scale = self.scale(canvas, image)?;
        let (x, y) = self.shown_centre(canvas, scale);
        let half = |room: usize, all: f64| (room as f64 / all).min(1.0) / 2.0;
        let (across, down) = (half(canvas.width, scale.0), half(canvas.height, scale.1));
        Some(ShownPart {
            left: x - across,
            top: y - down,
            right: x + across,
            bottom: y + down,
        })
    }

    /// Pixels of the canvas that the whole image would take at this zoom, across and down; `None` without pixels.
    fn scale(&self, canvas: Canvas, image: FilmShape) -> Option<(f64, f64)> {
        let (wide, tall) = (image.width, image.height * image.pixel_aspect);
        let (room_x, room_y) = (
            canvas.width as f64,
            canvas.height as f64 * canvas.pixel_aspect,
        );
        let scale = (room_x / wide).min(room_y / tall) * self.zoom;
        let all = (wide * scale, tall * scale / canvas.pixel_aspect);
        let is_sound = |length: f64| length.is_finite() && length > 0.0;
        (is_sound(all.0) && is_sound(all.1)).then_some(all)
    }

    /// The middle of what is shown: the nearest to the wanted one that keeps the canvas within the image.
    fn shown_centre(&self, canvas: Canvas, scale: (f64, f64)) -> (f64, f64) {
        let limit = |centre: f64, room: usize, all: f64| {
            let half = (room as f64 / all).min(1.0) / 2.0;
            centre.clamp(half, 1.0 - half)
        };
        (
            limit(self.centre.0, canvas.width, scale.0),
            limit(self.centre.1, canvas.height, scale.1),
        )
    }
}

/// A part of an image, as fractions of its width from the left and of its height from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShownPart {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl ShownPart {
    /// Whether it is the whole image.
    pub fn is_whole(&self) -> bool {
        // A pixel of the largest image is more than this.
        const NEARLY: f64 = 1e-6;
        let begins = self.left < NEARLY && self.top < NEARLY;
        begins && self.right > 1.0 - NEARLY && self.bottom > 1.0 - NEARLY
    }
}

/// The shape of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilmShape {
    /// Stored pixels across.
    pub width: f64,
    /// Stored pixels down.
    pub height: f64,
    /// Height ÷ width of a stored pixel.
    pub pixel_aspect: f64,
}

/// How often the values of an image occur.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// The least and the greatest value, in units after the modality transform.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The number of pixels in equal steps from `low` to `high`.
    pub bins: Vec<u32>,
}

/// The space that a preview may fill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canvas {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Height ÷ width of one of these pixels: 1 for square ones.
    pub pixel_aspect: f64,
}

/// An image ready for the screen: 8 bits, window applied, no larger than its canvas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreviewImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width × height` grey values; with `colour`, red, green and blue for each pixel.
    pub pixels: Vec<u8>,
    /// Whether `pixels` has three values for each pixel.
    pub colour: bool,
}

impl PreviewImage {
    /// Red, green, blue at a pixel; black outside.
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        if x >= self.width || y >= self.height {
            return [0; 3];
        }
        let i = y * self.width + x;
        if !self.colour {
            return [self.pixels[i]; 3];
        }
        [
            self.pixels[3 * i],
            self.pixels[3 * i + 1],
            self.pixels[3 * i + 2],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panning_stays_within_the_image_and_the_whole_image_is_centred() {
        let mut view = View::default();
        view.pan_by(1.0, -1.0);
        assert_eq!(view.centre, (0.5, 0.5), "the whole image cannot be panned");
        view.zoom_by(4.0);
        view.pan_by(100.0, -100.0);
        assert_eq!(view.centre, (0.875, 0.125));
        view.zoom_by(0.01);
        assert_eq!((view.zoom, view.centre), (1.0, (0.5, 0.5)));
        view.zoom_by(1e9);
        assert_eq!(view.zoom, MAX_ZOOM);
    }

    const CANVAS: Canvas = Canvas {
        width: 100,
        height: 100,
        pixel_aspect: 1.0,
    };
    const FILM: FilmShape = FilmShape {
        width: 1000.0,
        height: 2000.0,
        pixel_aspect: 1.0,
    };

    #[test]
    fn a_canvas_shows_a_part_of_the_image() {
        let whole = View::default().shown_part(CANVAS, FILM).unwrap();
        assert!(whole.is_whole(), "{whole:?}");
        // The film is 50 pixels wide and 100 high, and at this zoom 200 wide and 400 high.
        let mut view = View {
            zoom: 4.0,
            ..View::default()
        };
        let part = view.shown_part(CANVAS, FILM).unwrap();
        assert_eq!((part.left, part.right), (0.25, 0.75));
        assert_eq!((part.top, part.bottom), (0.375, 0.625));
        assert!(!part.is_whole());
        view.pan_by(-10.0, 10.0);
        let corner = view.shown_part(CANVAS, FILM).unwrap();
        assert_eq!((corner.left, corner.bottom), (0.0, 1.0));
        // Its whole width, and a part of its height.
        view.zoom = 2.0;
        view.centre = (0.5, 0.5);
        let wide = view.shown_part(CANVAS, FILM).unwrap();
        assert_eq!(
            (wide.left, wide.right, wide.top, wide.bottom),
            (0.0, 1.0, 0.25, 0.75)
        );
        assert!(!wide.is_whole());
        let none = FilmShape { width: 0.0, ..FILM };
        assert_eq!(view.shown_part(CANVAS, none), None);
    }

    #[test]
    fn the_point_under_the_pointer_stays_where_it_is() {
        let mut view = View {
            zoom: 4.0,
            ..View::default()
        };
        // At this zoom the film is 200 pixels wide and 400 high: 20 pixels are a tenth and a twentieth.
        view.zoom_about(2.0, (20.0, -20.0), CANVAS, FILM);
        assert_eq!(view.zoom, 8.0);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(
            near(view.centre.0, 0.55) && near(view.centre.1, 0.475),
            "{view:?}"
        );
        view.zoom_about(0.5, (20.0, -20.0), CANVAS, FILM);
        assert!(
            near(view.centre.0, 0.5) && near(view.centre.1, 0.5),
            "{view:?}"
        );
    }

    #[test]
    fn a_dragged_image_follows_the_pointer_and_stops_at_its_edge() {
        let mut view = View {
            zoom: 4.0,
            ..View::default()
        };
        view.drag((-20.0, 40.0), CANVAS, FILM);
        assert_eq!(view.centre, (0.6, 0.4));
        view.drag((-1e9, 1e9), CANVAS, FILM);
        assert_eq!(view.centre, (0.75, 0.125));
        view.drag((20.0, 0.0), CANVAS, FILM);
        assert_eq!(view.centre.0, 0.65, "back at once: nothing is owed");
        let nothing = FilmShape { width: 0.0, ..FILM };
        view.drag((1.0, 1.0), CANVAS, nothing);
        assert!(view.centre.0.is_finite());
    }

    #[test]
    fn a_place_of_the_canvas_is_a_point_of_the_image() {
        let mut view = View {
            zoom: 4.0,
            ..View::default()
        };
        // At this zoom the film is 200 pixels wide and 400 high.
        let under = |view: &View, pointer| view.point_under(pointer, CANVAS, FILM).unwrap();
        assert_eq!(under(&view, (0.0, 0.0)), (0.5, 0.5));
        assert_eq!(under(&view, (50.0, -50.0)), (0.75, 0.375));
        let part = |view: &View| {
            let part = view.shown_part(CANVAS, FILM).unwrap();
            [part.left, part.top, part.right, part.bottom]
        };
        assert_eq!(part(&view), [0.25, 0.375, 0.75, 0.625]);
        view.pan_by(100.0, 100.0);
        let [_, _, right, bottom] = part(&view);
        assert_eq!((right, bottom), (1.0, 1.0));
        assert_eq!(under(&view, (50.0, 50.0)), (1.0, 1.0));
        // The whole film is 50 pixels wide.
        let whole = View::default();
        assert_eq!(whole.shown_pixels(CANVAS, FILM), Some(50.0));
        assert_eq!(part(&whole), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(under(&whole, (-50.0, 0.0)), (-0.5, 0.5));
    }

    #[test]
    fn one_to_one_may_be_smaller_or_larger_than_the_canvas() {
        assert_eq!(View::one_to_one(CANVAS, FILM), Some(20.0));
        let small = FilmShape {
            width: 50.0,
            height: 50.0,
            pixel_aspect: 1.0,
        };
        let mut view = View {
            zoom: View::one_to_one(CANVAS, small).unwrap(),
            ..View::default()
        };
        assert_eq!(view.zoom, 0.5);
        view.pan_by(1.0, 1.0);
        assert_eq!(view.centre, (0.5, 0.5));
        view.zoom_by(1.25);
        assert_eq!(view.zoom, 0.625);
        view.zoom_by(4.0);
        assert_eq!(view.zoom, 1.0);
    }
}
