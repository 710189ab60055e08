//! Pixels through the kitty graphics protocol: at the cursor, and inside tmux with placeholders.
//!
//! The crate viuer is not used for it: it writes pixels to a temporary file for a local terminal and sends
//! raw RGBA to others, and it can neither name an image nor delete it. This module sends a grey PNG with
//! an identifier of its own.

mod placeholders;
mod protocol;
mod tiles;

use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Painter, PreviewTarget, cells_of, keep_away, pixel_canvas};
use crate::domain::Canvas;
pub use placeholders::Placeholders;
use protocol::Passage;
use tiles::KittyTiles;

/// Two identifiers in turn: the new image is placed before the old one is deleted, so nothing flickers. The image beside
/// has the second two.
const IDS: [[u32; 2]; 2] = [[0x0063_7872, 0x0063_7873], [0x0063_7874, 0x0063_7875]];

/// The ways by which images were sent to the terminal. Only there they are deleted: tmux takes bare escapes
/// for a pane's title.
static SENT: AtomicU8 = AtomicU8::new(0);
const DIRECTLY: u8 = 1;
const PAST_TMUX: u8 = 2;

fn mark_sent(passage: Passage) {
    let way = match passage {
        Passage::Direct => DIRECTLY,
        Passage::Tmux => PAST_TMUX,
    };
    SENT.fetch_or(way, Ordering::SeqCst);
}

/// Deletes all images that were sent, before the terminal is given back.
pub fn delete_all(out: &mut impl Write) -> io::Result<()> {
    let sent = SENT.swap(0, Ordering::SeqCst);
    let delete = |passage: Passage, ids: [[u32; 2]; 2], out: &mut _| {
        let mut ids = ids.iter().flatten();
        ids.try_for_each(|id| passage.delete(out, *id))
    };
    if sent & DIRECTLY != 0 {
        delete(Passage::Direct, IDS, out)?;
        tiles::delete_all(Passage::Direct, out)?;
    }
    if sent & PAST_TMUX != 0 {
        delete(Passage::Tmux, placeholders::numbers(), out)?;
        tiles::delete_all(Passage::Tmux, out)?;
    }
    Ok(())
}

/// The area, with at most this many rows and columns.
fn limited(area: Rect, limit: u16) -> Rect {
    Rect {
        width: area.width.min(limit),
        height: area.height.min(limit),
        ..area
    }
}

/// Paints at the cursor.
pub struct Kitty {
    cell: (u16, u16),
    ids: [u32; 2],
    painted: Option<PreviewTarget>,
    turn: usize,
    tiles: KittyTiles,
}

impl Kitty {
    pub fn new(cell: (u16, u16)) -> Self {
        Kitty {
            cell,
            ids: IDS[0],
            painted: None,
            turn: 0,
            tiles: KittyTiles::default(),
        }
    }

    fn paint(&mut self, target: &PreviewTarget, out: &mut impl Write) -> io::Result<()> {
        let cells = cells_of(target, self.cell);
        let old = self.ids[self.turn % 2];
        self.turn += 1;
        let new = self.ids[self.turn % 2];
        // The cursor is saved and restored: ratatui relies on its position.
        write!(out, "\x1b7\x1b[{};{}H", cells.y + 1, cells.x + 1)?;
        let Rect { width, height, .. } = cells;
        // The cursor does not move (`C=1`), and the image is fitted into the cells.
        let control = format!("a=T,i={new},p=1,c={width},r={height},C=1");
        Passage::Direct.transmit(out, &control, &target.image)?;
        Passage::Direct.delete(out, old)?;
        write!(out, "\x1b8")?;
        out.flush()
    }
}

/// The bytes of a picture at the cursor, and of one through tmux without the text of its placeholders.
pub fn cost(target: &PreviewTarget, cell: (u16, u16)) -> (usize, usize) {
    let (mut direct, mut past_tmux) = (Vec::new(), Vec::new());
    // Writing to memory cannot fail.
    let _ = Kitty::new(cell).paint(target, &mut direct);
    let _ = Placeholders::new(cell).transmit(target, &mut past_tmux);
    (direct.len(), past_tmux.len())
}

impl Painter for Kitty {
    fn name(&self) -> &'static str {
        "kitty"
    }

    fn scales(&self) -> bool {
        true
    }

    fn canvas(&self, area: Rect) -> Canvas {
        pixel_canvas(area, self.cell)
    }

    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer) {
        keep_away(cells_of(target, self.cell), buffer);
    }

    fn finish(&mut self, target: Option<&PreviewTarget>) -> io::Result<()> {
        if target == self.painted.as_ref() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match target {
            Some(target) => {
                mark_sent(Passage::Direct);
                self.paint(target, &mut out)?;
            }
            None => {
                let mut ids = self.ids.iter();
                ids.try_for_each(|id| Passage::Direct.delete(&mut out, *id))?;
                out.flush()?;
            }
        }
        self.painted = target.cloned();
        Ok(())
    }

    fn remains(&self) -> Option<Rect> {
        self.painted
            .as_ref()
            .map(|target| cells_of(target, self.cell))
    }

    fn be_second(&mut self) {
        self.ids = IDS[1];
    }

    fn forget(&mut self) {
        self.painted = None;
        self.tiles = KittyTiles::default();
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.cell = cell;
    }

    fn finish_tiles(&mut self, tiles: &[PreviewTarget]) -> io::Result<()> {
        if tiles.is_empty() && self.tiles.placed().next().is_none() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        mark_sent(Passage::Direct);
        self.tiles.paint(tiles, self.cell, &mut out)?;
        out.flush()
    }

    fn tile_remains(&self) -> Vec<Rect> {
        self.tiles.placed().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use protocol::tests::{noise, received};

    #[test]
    fn a_painted_image_is_a_png_of_the_same_pixels_at_its_cells() {
        let target = PreviewTarget::new(Arc::new(noise(200, 100)), Rect::new(3, 2, 20, 5));
        let mut out = Vec::new();
        Kitty::new((10, 20)).paint(&target, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("\x1b7\x1b[3;4H\x1b_Ga=T,"),
            "{:?}",
            &text[..40]
        );
        assert!(text.contains("c=20,r=5"));
        let decoded = image::load_from_memory(&received(&text)).unwrap();
        assert_eq!(decoded.to_luma8().as_raw(), &target.image.pixels);
    }

    #[test]
    fn the_image_beside_has_identifiers_of_its_own() {
        let all = IDS.concat();
        let mut beside = Kitty::new((10, 20));
        beside.be_second();
        let first = Kitty::new((10, 20)).ids;
        assert!(
            beside
                .ids
                .iter()
                .all(|id| !first.contains(id) && all.contains(id))
        );
    }

    #[test]
    fn the_old_image_is_deleted_after_the_new_one_is_sent() {
        let target = PreviewTarget::new(Arc::new(noise(1, 1)), Rect::new(0, 0, 2, 2));
        let mut kitty = Kitty::new((10, 20));
        let mut written = || {
            let mut out = Vec::new();
            kitty.paint(&target, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (first, second) = (written(), written());
        let id = |text: &str, from: &str| {
            let at = text.find(from).unwrap();
            let rest = &text[at..];
            (
                at,
                rest[rest.find("i=").unwrap()..]
                    .split([',', ';'])
                    .next()
                    .unwrap()
                    .to_owned(),
            )
        };
        let (sent, new) = id(&second, "a=T");
        let (deleted, old) = id(&second, "a=d");
        assert!(sent < deleted);
        assert_eq!(old, id(&first, "a=T").1);
        assert_ne!(old, new);
    }
}
