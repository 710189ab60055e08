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
    /// The 256-colour palette: 26 greys, and a cube of 6 × 6 × 6 colours.
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
                cell.fg = colour(self.colours, image.rgb(x, y)).unwrap_or_default();
                cell.bg = colour(self.colours, image.rgb(x, y + 1)).unwrap_or_default();
            }
        }
    }

    fn finish(&mut self, _: Option<&Target>) -> io::Result<()> {
        Ok(())
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.cell = cell;
    }
}

/// The colour of a picture in as many colours as there are; `None` where there are none.
pub fn colour(colours: Colours, rgb: [u8; 3]) -> Option<Color> {
    let [r, g, b] = rgb;
    match colours {
        Colours::True => Some(Color::Rgb(r, g, b)),
        Colours::Palette => Some(Color::Indexed(palette(rgb))),
        Colours::None => None,
    }
}

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

fn letter(rgb: [u8; 3]) -> char {
    RAMP[usize::from(luma(rgb)) * (RAMP.len() - 1) / 255].into()
}

/// The nearest of the palette: a grey for a grey, and otherwise a grey or one of the cube's colours.
fn palette(rgb: [u8; 3]) -> u8 {
    let grey = palette_grey(luma(rgb));
    if rgb[0] == rgb[1] && rgb[1] == rgb[2] {
        return grey;
    }
    let steps = rgb.map(cube_step);
    let cube = 16 + 36 * steps[0] + 6 * steps[1] + steps[2];
    let off = |other: [u8; 3]| -> u32 {
        let pairs = rgb.iter().zip(other);
        pairs.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let cube_is_nearer = off(steps.map(|s| CUBE[usize::from(s)])) < off([palette_level(grey); 3]);
    if cube_is_nearer { cube } else { grey }
}

/// Levels of the cube's colours, on each of its axes.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn cube_step(value: u8) -> u8 {
    let nearest = (0..6_u8).min_by_key(|step| CUBE[usize::from(*step)].abs_diff(value));
    nearest.unwrap_or(0)
}

/// How bright a grey of the palette is.
fn palette_level(index: u8) -> u8 {
    match index {
        16 => 0,
        231 => 255,
        index => 8 + 10 * (index - 232),
    }
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
        Target::new(Arc::new(image), area)
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
        let value = |index: u8| u16::from(palette_level(index));
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
    fn the_palette_keeps_the_hue_of_a_heat_map() {
        // The cube's own colours are themselves; vermilion stays warm and blue cold.
        assert_eq!(palette([255, 95, 0]), 16 + 36 * 5 + 6);
        assert_eq!(palette([0, 95, 215]), 16 + 6 + 4);
        assert_eq!(palette([234, 113, 17]), 16 + 36 * 4 + 6);
        // Hardly a colour: the nearest grey is nearer.
        assert_eq!(palette([118, 118, 120]), palette_grey(118));
        assert_eq!(colour(Colours::None, [1, 2, 3]), None);
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
