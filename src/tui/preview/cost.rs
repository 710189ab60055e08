//! The bytes that a radiograph takes to the terminal with each painter: counted, not estimated.

use std::sync::Arc;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::blocks::Blocks;
use super::kitty;
use super::{Painter, PreviewTarget};
use crate::domain::{Canvas, PreviewImage};
use crate::tui::terminal::Colours;

/// The bytes of one picture that fills `area`, with the name of each painter.
pub fn costs(area: Rect, cell: (u16, u16), colours: Colours) -> Vec<(&'static str, usize)> {
    let mut blocks = Blocks::new(colours, cell);
    let target = |canvas: Canvas| PreviewTarget::new(Arc::new(film(canvas)), area);
    let coarse = target(blocks.canvas(area));
    let fine = target(super::pixel_canvas(area, cell));
    let mut buffer = Buffer::empty(area);
    blocks.place(&coarse, &mut buffer);
    let mut costs = vec![(blocks.name(), written(&buffer))];
    let (direct, past_tmux) = kitty::cost(&fine, cell);
    costs.push(("kitty", direct));
    let mut buffer = Buffer::empty(area);
    kitty::Placeholders::new(cell).write_cells(super::cells_of(&fine, cell), &mut buffer);
    costs.push(("kitty in tmux", past_tmux + written(&buffer)));
    costs.extend(super::viuer::costs(&fine, cell));
    costs
}

/// The bytes that ratatui writes for these cells onto an empty screen.
fn written(buffer: &Buffer) -> usize {
    let mut bytes = Vec::new();
    let empty = Buffer::empty(buffer.area);
    let cells = empty.diff(buffer);
    // Writing to memory cannot fail.
    let _ = CrosstermBackend::new(&mut bytes).draw(cells.into_iter());
    bytes.len()
}

/// A square picture as smooth and as grainy as a radiograph. It takes about as many bytes, to within a few
/// per cent.
fn film(canvas: Canvas) -> PreviewImage {
    let shape = canvas.pixel_aspect;
    let side = (canvas.width as f64).min(canvas.height as f64 * shape);
    let (width, height) = (side as usize, (side / shape) as usize);
    let mut state = 1_u32;
    let mut grain = || {
        // Marsaglia's xorshift: the grain has to be the same each time.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state % 256) / 255.0 - 0.5
    };
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (
                x as f64 / width as f64 - 0.5,
                y as f64 / height as f64 - 0.5,
            );
            let lungs = (-((u.abs() - 0.22).powi(2) / 0.02 + v * v / 0.08)).exp();
            let light = 190.0 - 130.0 * lungs + GRAIN * (grain() + grain());
            pixels.push(light as u8);
        }
    }
    PreviewImage {
        width,
        height,
        pixels,
        colour: false,
    }
}

/// Range, in grey levels, of each of the two random numbers that make the grain.
const GRAIN: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_painter_has_a_cost_and_pixels_cost_by_their_number() {
        let at = |area| costs(area, (10, 20), Colours::True);
        let (small, large) = (at(Rect::new(0, 0, 20, 10)), at(Rect::new(0, 0, 40, 20)));
        for ((name, few), (_, many)) in small.iter().zip(&large) {
            assert!(*few > 1_000 && many > few, "{name}: {few}, {many}");
        }
        // A grey pixel takes less than a byte of PNG, in four characters for three bytes.
        let (_, kitty) = large[1];
        let pixels = 400 * 400;
        assert!(kitty > pixels / 4 && kitty < pixels * 4 / 3, "{kitty}");
        assert!(
            large[2].1 > kitty,
            "placeholders come on top of the same picture"
        );
    }
}
