//! A coarse picture first, and the fine one once the selection rests: for slow connections.
//!
//! A reader who walks through a folder sees every image at once. Only the images that they stay with are
//! sent in full.

mod tiles;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Painter, PreviewTarget};
use crate::domain::{Canvas, PreviewImage};
use tiles::GradualTiles;

/// How long a selection rests before its fine picture is sent.
const REST: Duration = Duration::from_millis(250);
/// Bytes per grey pixel of a radiograph, as PNG in base64. Most radiographs take fewer.
const BYTES_PER_PIXEL: f64 = 0.8;

/// Wraps a painter that scales pictures.
pub struct Gradual {
    painter: Box<dyn Painter>,
    /// The bytes that a first picture may take.
    budget: usize,
    /// The picture that was asked for.
    wanted: Option<PreviewTarget>,
    /// The coarse picture that is shown instead.
    shown: Option<PreviewTarget>,
    /// When the fine picture follows.
    due: Option<Instant>,
    tiles: GradualTiles,
}

impl Gradual {
    pub fn new(painter: Box<dyn Painter>, budget: usize) -> Self {
        Gradual {
            painter,
            budget,
            wanted: None,
            shown: None,
            due: None,
            tiles: GradualTiles::default(),
        }
    }

    /// The picture that is shown of `target` now.
    fn decide(&mut self, target: &PreviewTarget, now: Instant) -> PreviewTarget {
        let is_new = self.wanted.as_ref() != Some(target);
        let is_due = self.due.is_some_and(|due| now >= due);
        if is_new || is_due {
            let coarse = is_new.then(|| coarse(target, self.budget)).flatten();
            self.due = coarse.is_some().then(|| now + REST);
            self.shown = coarse;
            self.wanted = Some(target.clone());
        }
        self.shown.clone().unwrap_or_else(|| target.clone())
    }
}

impl Painter for Gradual {
    fn name(&self) -> &'static str {
        self.painter.name()
    }

    fn canvas(&self, area: Rect) -> Canvas {
        self.painter.canvas(area)
    }

    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer) {
        let shown = self.decide(target, Instant::now());
        self.painter.place(&shown, buffer);
    }

    fn finish(&mut self, target: Option<&PreviewTarget>) -> io::Result<()> {
        // As in this frame: by now the fine picture may be due.
        let shown = target.map(|target| self.shown.as_ref().unwrap_or(target));
        self.painter.finish(shown)
    }

    fn remains(&self) -> Option<Rect> {
        self.painter.remains()
    }

    fn be_second(&mut self) {
        self.painter.be_second();
    }

    fn forget(&mut self) {
        self.painter.forget();
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.painter.set_cell(cell);
    }

    fn place_tiles(&mut self, tiles: &[PreviewTarget], buffer: &mut Buffer) {
        self.tiles.decide(tiles, self.budget, Instant::now());
        self.painter.place_tiles(&self.tiles.shown, buffer);
    }

    fn finish_tiles(&mut self, tiles: &[PreviewTarget]) -> io::Result<()> {
        if tiles.is_empty() {
            self.tiles.decide(tiles, self.budget, Instant::now());
        }
        self.painter.finish_tiles(&self.tiles.shown)
    }

    fn tile_remains(&self) -> Vec<Rect> {
        self.painter.tile_remains()
    }

    fn due(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.tiles.due()).min()
    }

    fn take_sent(&mut self) -> usize {
        self.painter.take_sent()
    }
}

/// The picture with fewer pixels, which take about `budget` bytes; `None` if it fits as it is.
fn coarse(target: &PreviewTarget, budget: usize) -> Option<PreviewTarget> {
    let image = &target.image;
    let bytes = image.pixels.len() as f64 * BYTES_PER_PIXEL;
    let factor = (bytes / budget.max(1) as f64).sqrt().ceil() as usize;
    (factor > 1).then(|| PreviewTarget {
        image: Arc::new(shrink(image, factor)),
        ..target.clone()
    })
}

/// Means of squares of `factor × factor` pixels, or of smaller rectangles at the right and bottom.
fn shrink(image: &PreviewImage, factor: usize) -> PreviewImage {
    let channels = if image.colour { 3 } else { 1 };
    let (width, height) = (image.width.div_ceil(factor), image.height.div_ceil(factor));
    let mut pixels = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        let rows = y * factor..((y + 1) * factor).min(image.height);
        for x in 0..width {
            let columns = x * factor..((x + 1) * factor).min(image.width);
            let count = (rows.len() * columns.len()) as u32;
            for channel in 0..channels {
                let at = |row: usize, column: usize| {
                    u32::from(image.pixels[(row * image.width + column) * channels + channel])
                };
                let sum: u32 = rows
                    .clone()
                    .flat_map(|row| columns.clone().map(move |column| at(row, column)))
                    .sum();
                pixels.push((sum / count) as u8);
            }
        }
    }
    PreviewImage {
        width,
        height,
        pixels,
        colour: image.colour,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::preview::Blocks;
    use crate::tui::terminal::Colours;

    fn image(width: usize, height: usize) -> PreviewImage {
        PreviewImage {
            width,
            height,
            pixels: (0..width * height).map(|i| (i % 251) as u8).collect(),
            colour: false,
        }
    }

    #[test]
    fn squares_become_their_means_in_grey_and_in_colour() {
        let grey = PreviewImage {
            width: 3,
            height: 2,
            pixels: vec![0, 10, 200, 20, 30, 100],
            colour: false,
        };
        let small = shrink(&grey, 2);
        assert_eq!((small.width, small.height), (2, 1));
        assert_eq!(small.pixels, [15, 150]);
        let colour = PreviewImage {
            width: 2,
            height: 1,
            pixels: vec![0, 10, 20, 100, 30, 40],
            colour: true,
        };
        assert_eq!(shrink(&colour, 2).pixels, [50, 20, 30]);
    }

    #[test]
    fn a_large_picture_is_coarse_then_fine_in_the_same_place() {
        let blocks = Box::new(Blocks::new(Colours::True, (10, 20)));
        let mut gradual = Gradual::new(blocks, 10_000);
        let target = PreviewTarget::new(Arc::new(image(400, 400)), Rect::new(0, 0, 40, 20));
        let start = Instant::now();
        let first = gradual.decide(&target, start);
        assert!(first.image.width < 150, "{} pixels", first.image.width);
        assert_eq!((first.size, first.area), (target.size, target.area));
        let due = gradual.due().unwrap();
        assert!(
            gradual.decide(&target, start) == first,
            "no other one before it is due"
        );
        assert!(gradual.decide(&target, due) == target);
        assert_eq!(gradual.due(), None, "nothing more to wake up for");

        // Another selection before that starts again.
        let other = PreviewTarget::new(Arc::new(image(400, 400)), target.area);
        gradual.decide(&target, start);
        assert!(gradual.decide(&other, start).image.width < 150);
    }

    #[test]
    fn a_picture_that_fits_is_sent_once() {
        let blocks = Box::new(Blocks::new(Colours::True, (10, 20)));
        let mut gradual = Gradual::new(blocks, 10_000);
        let target = PreviewTarget::new(Arc::new(image(100, 100)), Rect::new(0, 0, 40, 20));
        assert!(gradual.decide(&target, Instant::now()) == target);
        assert_eq!(gradual.due(), None);
    }
}
