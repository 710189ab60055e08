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
    /// 1 shows the whole image, 2 half of its width.
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

/// The largest magnification. Beyond it, a screen would show only a few stored pixels.
pub const MAX_ZOOM: f64 = 32.0;

impl View {
    /// Multiplies the zoom, and keeps the canvas within the image.
    pub fn zoom_by(&mut self, factor: f64) {
        self.zoom = (self.zoom * factor).clamp(1.0, MAX_ZOOM);
        self.pan_by(0.0, 0.0);
    }

    /// Moves by fractions of the visible part.
    pub fn pan_by(&mut self, right: f64, down: f64) {
        let half = 0.5 / self.zoom;
        let limit = |v: f64| v.clamp(half, 1.0 - half);
        self.centre.0 = limit(self.centre.0 + right / self.zoom);
        self.centre.1 = limit(self.centre.1 + down / self.zoom);
    }
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
}
