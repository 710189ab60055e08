//! Quadrant blocks: four pixels per cell in two colours. They work in nearly every terminal, and in tests.
//!
//! In 60 × 30 cells they show more than half blocks (two pixels per cell) for each of 20 radiographs: a
//! structural similarity of 0.80 instead of 0.77 on average (`benches/glyphs.py`). Sextants reach 0.81,
//! but far fewer fonts have them. xterm's own bitmap fonts have no quadrants either, and no question tells which signs a
//! font has: there, half blocks are drawn, which every font has.

use std::io;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::{Painter, PreviewTarget, cells_of};
use crate::domain::Canvas;
use crate::tui::terminal::Colours;

/// The names of the ways to paint with characters.
pub const LETTERS: &str = "letters";
pub const QUADRANTS: &str = "quadrants";
pub const HALVES: &str = "half-blocks";

/// Darkest to brightest, for terminals without colour.
const RAMP: &[u8] = b" .:-=+*#%@";

/// The block characters that a font is trusted to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Four pixels per cell.
    Quadrants,
    /// Two pixels per cell, one above the other.
    Halves,
}

/// Draws with block characters, or with letters where there are no colours.
pub struct Blocks {
    colours: Colours,
    glyphs: Glyphs,
    /// Width and height of a cell in pixels, for its shape only.
    cell: (u16, u16),
}

impl Blocks {
    pub fn new(colours: Colours, cell: (u16, u16)) -> Self {
        Blocks {
            colours,
            glyphs: Glyphs::Quadrants,
            cell,
        }
    }

    /// The same with other glyphs.
    pub fn with(self, glyphs: Glyphs) -> Self {
        Blocks { glyphs, ..self }
    }

    /// Image pixels per cell, across and down.
    fn pixels_per_cell(&self) -> (u16, u16) {
        match (self.colours, self.glyphs) {
            (Colours::None, _) => (1, 1),
            (_, Glyphs::Quadrants) => (2, 2),
            (_, Glyphs::Halves) => (1, 2),
        }
    }
}

/// The glyphs and the quadrants that they draw in the foreground colour, as bits: upper left 1, upper right 2,
/// lower left 4, lower right 8. The upper left is always in the foreground: a glyph without it is another
/// one with the colours exchanged. Four equal pixels take the first glyph.
const GLYPHS: [(u8, char); 7] = [
    (0b0011, '▀'),
    (0b0101, '▌'),
    (0b0001, '▘'),
    (0b0111, '▛'),
    (0b1001, '▚'),
    (0b1011, '▜'),
    (0b1101, '▙'),
];

/// The glyph and its two colours, foreground and background, that come nearest to four pixels.
fn nearest(pixels: [[u8; 3]; 4]) -> (char, [u8; 3], [u8; 3]) {
    let sum = |mask: u8| {
        let chosen = pixels
            .iter()
            .enumerate()
            .filter(|(i, _)| mask >> i & 1 == 1);
        chosen.fold([0_u32; 3], |mut sum, (_, pixel)| {
            sum.iter_mut()
                .zip(pixel)
                .for_each(|(s, p)| *s += u32::from(*p));
            sum
        })
    };
    // The squared error of the means is least where the sum of (sum of pixels)² / number is greatest.
    let gain = |mask: u8| -> f64 {
        let square: u32 = sum(mask).iter().map(|s| s * s).sum();
        f64::from(square) / f64::from(mask.count_ones())
    };
    let (mut best, mut most) = (GLYPHS[0], f64::MIN);
    for glyph in GLYPHS {
        let gained = gain(glyph.0) + gain(!glyph.0 & 0b1111);
        // By more than rounding, so that equal gains take the first glyph.
        if gained > most + 1e-3 {
            (best, most) = (glyph, gained);
        }
    }
    let mean = |mask: u8| {
        let count = mask.count_ones();
        sum(mask).map(|s| ((s + count / 2) / count) as u8)
    };
    (best.1, mean(best.0), mean(!best.0 & 0b1111))
}

impl Painter for Blocks {
    fn name(&self) -> &'static str {
        match (self.colours, self.glyphs) {
            (Colours::None, _) => LETTERS,
            (_, Glyphs::Quadrants) => QUADRANTS,
            (_, Glyphs::Halves) => HALVES,
        }
    }

    fn canvas(&self, area: Rect) -> Canvas {
        let (across, down) = self.pixels_per_cell();
        let side = |cell: u16, pixels: u16| f64::from(cell) / f64::from(pixels);
        Canvas {
            width: usize::from(area.width) * usize::from(across),
            height: usize::from(area.height) * usize::from(down),
            pixel_aspect: side(self.cell.1, down) / side(self.cell.0, across),
        }
    }

    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer) {
        let (across, down) = self.pixels_per_cell();
        let cells = cells_of(target, (across, down));
        let image = &target.image;
        for position in cells.intersection(buffer.area).positions() {
            let x = usize::from(position.x - cells.x) * usize::from(across);
            let y = usize::from(position.y - cells.y) * usize::from(down);
            let cell = &mut buffer[position];
            if self.colours == Colours::None {
                cell.set_char(letter(image.rgb(x, y)));
            } else {
                let at = |dx: usize, dy: usize| image.rgb(x + dx, y + dy);
                let (glyph, front, back) = match self.glyphs {
                    Glyphs::Halves => ('▀', at(0, 0), at(0, 1)),
                    Glyphs::Quadrants => nearest([at(0, 0), at(1, 0), at(0, 1), at(1, 1)]),
                };
                cell.set_char(glyph);
                cell.fg = colour(self.colours, front).unwrap_or_default();
                cell.bg = colour(self.colours, back).unwrap_or_default();
            }
        }
    }

    fn finish(&mut self, _: Option<&PreviewTarget>) -> io::Result<()> {
        Ok(())
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.cell = cell;
    }
}

/// A colour within the colours of the terminal; `None` if it has none.
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

/// The nearest colour of the palette: a grey for a grey, otherwise a grey or a colour of the cube.
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

/// The level of a grey of the palette.
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

    fn two_by_two(area: Rect) -> PreviewTarget {
        let image = PreviewImage {
            width: 2,
            height: 2,
            pixels: vec![0, 255, 128, 64],
            colour: false,
        };
        PreviewTarget::new(Arc::new(image), area)
    }

    #[test]
    fn two_pixels_one_above_the_other_are_a_half_block() {
        let area = Rect::new(0, 0, 1, 1);
        let mut target = two_by_two(area);
        let image = Arc::make_mut(&mut target.image);
        image.pixels = vec![10, 10, 200, 200];
        let mut buffer = Buffer::empty(area);
        Blocks::new(Colours::True, (10, 20)).place(&target, &mut buffer);
        assert_eq!(buffer[(0, 0)].symbol(), "▀");
        assert_eq!(
            (buffer[(0, 0)].fg, buffer[(0, 0)].bg),
            (Color::Rgb(10, 10, 10), Color::Rgb(200, 200, 200))
        );
    }

    /// The four pixels that a glyph draws.
    fn drawn((glyph, front, back): (char, [u8; 3], [u8; 3])) -> [[u8; 3]; 4] {
        let (mask, _) = GLYPHS.into_iter().find(|(_, g)| *g == glyph).unwrap();
        [0, 1, 2, 3].map(|i| if mask >> i & 1 == 1 { front } else { back })
    }

    #[test]
    fn two_colours_are_drawn_exactly_in_any_arrangement() {
        let (dark, light) = ([20, 20, 20], [230, 100, 30]);
        for mask in 0..16_u8 {
            let pixels = [0, 1, 2, 3].map(|i| if mask >> i & 1 == 1 { light } else { dark });
            assert_eq!(drawn(nearest(pixels)), pixels, "{mask:04b}");
        }
        assert_eq!(nearest([light; 4]).0, '▀');
    }

    #[test]
    fn the_chosen_glyph_has_the_least_error() {
        let error = |greys: [u8; 4], other: [[u8; 3]; 4]| -> u32 {
            let pairs = greys.iter().zip(other);
            pairs.map(|(a, b)| u32::from(a.abs_diff(b[0])).pow(2)).sum()
        };
        for seed in 0..200_u32 {
            let greys = [1, 2, 3, 4].map(|i| (seed.wrapping_mul(i * 2_654_435) >> 13) as u8);
            let found = error(greys, drawn(nearest(greys.map(|g| [g; 3]))));
            for (mask, glyph) in GLYPHS {
                let mean = |front: bool| {
                    let of = (0..4).filter(|i| (mask >> i & 1 == 1) == front);
                    let chosen: Vec<u32> = of.map(|i: usize| u32::from(greys[i])).collect();
                    let grey = chosen.iter().sum::<u32>() as f64 / chosen.len() as f64;
                    [grey.round() as u8; 3]
                };
                let other = error(greys, drawn((glyph, mean(true), mean(false))));
                // Apart from the rounding of two greys.
                assert!(
                    found <= other + 4,
                    "{greys:?}: {found}, {glyph} has {other}"
                );
            }
        }
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
        // Nearly a grey: the nearest grey is nearer than the cube.
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
    fn half_blocks_need_no_other_glyph() {
        let area = Rect::new(0, 0, 2, 1);
        let mut buffer = Buffer::empty(area);
        let mut halves = Blocks::new(Colours::True, (10, 20)).with(Glyphs::Halves);
        let canvas = halves.canvas(area);
        assert_eq!(
            (canvas.width, canvas.height, canvas.pixel_aspect),
            (2, 2, 1.0)
        );
        halves.place(&two_by_two(area), &mut buffer);
        let cell = |x| {
            (
                buffer[(x, 0)].symbol(),
                buffer[(x, 0)].fg,
                buffer[(x, 0)].bg,
            )
        };
        let grey = |grey| Color::Rgb(grey, grey, grey);
        assert_eq!(cell(0), ("▀", grey(0), grey(128)));
        assert_eq!(cell(1), ("▀", grey(255), grey(64)));
    }

    #[test]
    fn the_canvas_knows_the_shape_of_its_pixels() {
        let area = Rect::new(0, 0, 40, 20);
        let blocks = Blocks::new(Colours::True, (10, 20)).canvas(area);
        assert_eq!(
            (blocks.width, blocks.height, blocks.pixel_aspect),
            (80, 40, 2.0)
        );
        let letters = Blocks::new(Colours::None, (10, 20)).canvas(area);
        assert_eq!((letters.height, letters.pixel_aspect), (20, 2.0));
    }
}
