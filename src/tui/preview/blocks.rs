//! Two pixels a cell: the upper half block, its colour above and the background below. Works in
//! every terminal, and in tests.

use std::io;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::{Painter, Target, cells_of};
use crate::domain::Canvas;

/// How many colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// 24 bits.
    True,
    /// The 256-colour palette: 26 greys.
    Palette,
    /// None: brightness becomes letters.
    None,
}

/// Darkest to brightest, for terminals without colour.
const RAMP: &[u8] = b" .:-=+*#%@";

pub struct Blocks {
    colours: Colours,
    /// Pixels of a cell, for its shape only.
    cell: (u16, u16),
}

impl Blocks {
    pub fn new(colours: Colours, cell: (u16, u16)) -> Self {
        Blocks { colours, cell }
    }

    /// Image pixels in a cell, one above the other.
    fn rows_a_cell(&self) -> u16 {
        if self.colours == Colours::None { 1 } else { 2 }
    }
}

impl Painter for Blocks {
    fn name(&self) -> &'static str {
        match self.colours {
            Colours::None => "letters",
            _ => "half-blocks",
        }
    }

    fn canvas(&self, area: Rect) -> Canvas {
        let rows = self.rows_a_cell();
        Canvas {
            width: usize::from(area.width),
            height: usize::from(area.height) * usize::from(rows),
            pixel_aspect: f64::from(self.cell.1) / f64::from(rows) / f64::from(self.cell.0),
        }
    }

    fn place(&mut self, target: &Target, buffer: &mut Buffer) {
        let rows = self.rows_a_cell();
        let cells = cells_of(target, (1, rows));
        let image = &target.image;
        for position in cells.intersection(buffer.area).positions() {
            let x = usize::from(position.x - cells.x);
            let y = usize::from(position.y - cells.y) * usize::from(rows);
            let cell = &mut buffer[position];
            if self.colours == Colours::None {
                cell.set_char(letter(image.rgb(x, y)));
            } else {
                cell.set_char('▀');
                cell.fg = self.colour(image.rgb(x, y));
                cell.bg = self.colour(image.rgb(x, y + 1));
            }
        }
    }

    fn finish(&mut self, _: Option<&Target>) -> io::Result<()> {
        Ok(())
    }
}

impl Blocks {
    fn colour(&self, [r, g, b]: [u8; 3]) -> Color {
        match self.colours {
            Colours::True => Color::Rgb(r, g, b),
            _ => Color::Indexed(palette_grey(luma([r, g, b]))),
        }
    }
}

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

fn letter(rgb: [u8; 3]) -> char {
    RAMP[usize::from(luma(rgb)) * (RAMP.len() - 1) / 255].into()
}

/// The nearest grey of the palette: black 16, 232 to 255 (8, 18, … 238), white 231.
fn palette_grey(grey: u8) -> u8 {
    match grey {
        0..=3 => 16,
        247.. => 231,
        _ => 232 + (grey.saturating_sub(3) / 10).min(23),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::PreviewImage;

    fn two_by_two(area: Rect) -> Target {
        let image = PreviewImage {
            width: 2,
            height: 2,
            pixels: vec![0, 255, 128, 64],
            colour: false,
        };
        Target {
            image: Arc::new(image),
            area,
        }
    }

    #[test]
    fn a_cell_holds_two_pixels_upper_in_front() {
        let area = Rect::new(0, 0, 2, 1);
        let mut buffer = Buffer::empty(area);
        Blocks::new(Colours::True, (10, 20)).place(&two_by_two(area), &mut buffer);
        assert_eq!(buffer[(0, 0)].symbol(), "▀");
        assert_eq!(
            (buffer[(0, 0)].fg, buffer[(0, 0)].bg),
            (Color::Rgb(0, 0, 0), Color::Rgb(128, 128, 128))
        );
        assert_eq!(
            (buffer[(1, 0)].fg, buffer[(1, 0)].bg),
            (Color::Rgb(255, 255, 255), Color::Rgb(64, 64, 64))
        );
    }

    #[test]
    fn palette_greys_are_the_nearest() {
        let value = |index: u8| match index {
            16 => 0,
            231 => 255,
            i => 8 + 10 * (u16::from(i) - 232),
        };
        for grey in 0..=255_u8 {
            let chosen = value(palette_grey(grey)).abs_diff(u16::from(grey));
            let best = (232..=255)
                .chain([16, 231])
                .map(|i| value(i).abs_diff(u16::from(grey)))
                .min();
            assert!(
                chosen <= best.unwrap() + 1,
                "{grey} → {}",
                palette_grey(grey)
            );
        }
    }

    #[test]
    fn without_colour_brightness_becomes_letters() {
        let area = Rect::new(0, 0, 2, 2);
        let mut buffer = Buffer::empty(area);
        Blocks::new(Colours::None, (10, 20)).place(&two_by_two(area), &mut buffer);
        assert_eq!(buffer[(0, 0)].symbol(), " ");
        assert_eq!(buffer[(1, 0)].symbol(), "@");
        assert_eq!(buffer[(0, 0)].fg, Color::Reset);
    }

    #[test]
    fn the_canvas_knows_the_shape_of_its_pixels() {
        let area = Rect::new(0, 0, 40, 20);
        let square = Blocks::new(Colours::True, (10, 20)).canvas(area);
        assert_eq!(
            (square.width, square.height, square.pixel_aspect),
            (40, 40, 1.0)
        );
        let letters = Blocks::new(Colours::None, (10, 20)).canvas(area);
        assert_eq!((letters.height, letters.pixel_aspect), (20, 2.0));
    }
}
