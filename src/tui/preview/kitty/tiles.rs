//! The pictures of a grid. Each is sent once and has a number of its own, so that scrolling moves it and sends only what
//! comes into sight.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ratatui::layout::Rect;

use super::protocol::Passage;
use crate::domain::PreviewImage;
use crate::tui::preview::{PreviewTarget, cells_of};

/// Pictures that the terminal keeps beyond those on the screen, so that scrolling back sends none.
const SPARE: usize = 64;
/// The number of the first picture where nothing lies between this program and the terminal.
const FIRST: u32 = 0x0063_7900;
/// Numbers with the same high byte inside tmux, where the low byte is a colour without the sixteen lowest.
const COLOURS: usize = 240;
const LOWEST_COLOUR: usize = 16;

/// How many slots were ever used, for [`delete_all`].
static USED: AtomicUsize = AtomicUsize::new(0);

/// The number of the picture in a slot. Inside tmux it depends on the process, since the program in another pane shares the
/// terminal, and differs from the numbers of the film on the screen.
pub fn tile_number(passage: Passage, slot: usize) -> u32 {
    match passage {
        Passage::Direct => FIRST + slot as u32,
        Passage::Tmux => {
            let film = std::process::id() as usize % 255;
            let high = (film + 101 + slot / COLOURS) % 255 + 1;
            let low = LOWEST_COLOUR + slot % COLOURS;
            (high << 24 | low) as u32
        }
    }
}

/// Deletes all pictures that were sent.
pub fn delete_all(passage: Passage, out: &mut impl Write) -> io::Result<()> {
    let mut slots = 0..USED.load(Ordering::SeqCst);
    slots.try_for_each(|slot| passage.delete(out, tile_number(passage, slot)))
}

/// Which picture the terminal has under which number.
#[derive(Default)]
pub struct TileSlots {
    slots: Vec<TileSlot>,
    /// Counts frames.
    frame: u64,
}

struct TileSlot {
    image: Arc<PreviewImage>,
    /// The cells that it was sent for.
    size: (u16, u16),
    used: u64,
}

/// The slot of a picture in this frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenSlot {
    pub at: usize,
    /// The terminal does not have the picture.
    pub is_new: bool,
}

impl TileSlots {
    /// A slot for each picture of a frame. A new picture takes the place of the one that was not shown for longest.
    pub fn take_up(&mut self, tiles: &[PreviewTarget]) -> Vec<TakenSlot> {
        self.frame += 1;
        let found: Vec<Option<usize>> = tiles.iter().map(|tile| self.find(tile)).collect();
        let most = tiles.len() + SPARE;
        let tiles = tiles.iter().zip(found);
        tiles
            .map(|(tile, found)| match found {
                Some(at) => TakenSlot { at, is_new: false },
                None => TakenSlot {
                    at: self.put(tile, most),
                    is_new: true,
                },
            })
            .collect()
    }

    fn find(&mut self, tile: &PreviewTarget) -> Option<usize> {
        let size = (tile.area.width, tile.area.height);
        let mut slots = self.slots.iter();
        let at =
            slots.position(|slot| Arc::ptr_eq(&slot.image, &tile.image) && slot.size == size)?;
        self.slots[at].used = self.frame;
        Some(at)
    }

    fn put(&mut self, tile: &PreviewTarget, most: usize) -> usize {
        let slot = TileSlot {
            image: tile.image.clone(),
            size: (tile.area.width, tile.area.height),
            used: self.frame,
        };
        let unused = self.slots.iter().enumerate();
        let unused = unused.filter(|(_, slot)| slot.used < self.frame);
        let oldest = unused.min_by_key(|(_, slot)| slot.used).map(|(at, _)| at);
        match oldest.filter(|_| self.slots.len() >= most) {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                USED.fetch_max(self.slots.len(), Ordering::SeqCst);
                self.slots.len() - 1
            }
        }
    }
}

/// The pictures of a grid at the cursor, without tmux.
#[derive(Default)]
pub struct KittyTiles {
    slots: TileSlots,
    /// Where pictures are on the screen, by slot.
    placed: Vec<(usize, Rect)>,
}

impl KittyTiles {
    pub fn placed(&self) -> impl Iterator<Item = Rect> {
        self.placed.iter().map(|(_, cells)| *cells)
    }

    /// Sends what the terminal lacks, moves what it has, and takes off what is gone.
    pub fn paint(
        &mut self,
        tiles: &[PreviewTarget],
        cell: (u16, u16),
        out: &mut impl Write,
    ) -> io::Result<()> {
        let taken = self.slots.take_up(tiles);
        let now: Vec<(usize, Rect)> = taken
            .iter()
            .zip(tiles)
            .map(|(slot, tile)| (slot.at, cells_of(tile, cell)))
            .collect();
        if now == self.placed && taken.iter().all(|slot| !slot.is_new) {
            return Ok(());
        }
        let number = |slot| tile_number(Passage::Direct, slot);
        for (slot, _) in &self.placed {
            if now.iter().all(|(other, _)| other != slot) {
                Passage::Direct.take_off(out, number(*slot))?;
            }
        }
        // The cursor is saved and restored: ratatui relies on its position.
        write!(out, "\x1b7")?;
        for ((slot, tile), (at, cells)) in taken.iter().zip(tiles).zip(&now) {
            if slot.is_new {
                let control = format!("a=t,i={}", number(*at));
                Passage::Direct.transmit(out, &control, &tile.image)?;
            }
            if slot.is_new || !self.placed.contains(&(*at, *cells)) {
                write!(out, "\x1b[{};{}H", cells.y + 1, cells.x + 1)?;
                Passage::Direct.put(out, number(*at), (cells.width, cells.height))?;
            }
        }
        write!(out, "\x1b8")?;
        self.placed = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::tests::{noise, received};
    use super::*;

    fn tile(x: u16, y: u16) -> PreviewTarget {
        PreviewTarget::new(Arc::new(noise(40, 40)), Rect::new(x, y, 4, 2))
    }

    fn painted(tiles: &mut KittyTiles, targets: &[PreviewTarget]) -> String {
        let mut out = Vec::new();
        tiles.paint(targets, (10, 20), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn count(text: &str, escape: &str) -> usize {
        text.matches(&format!("\x1b_G{escape}")).count()
    }

    #[test]
    fn scrolling_moves_what_the_terminal_has_and_sends_only_what_comes_into_sight() {
        let mut tiles = KittyTiles::default();
        let page = [tile(0, 1), tile(5, 1)];
        let first = painted(&mut tiles, &page);
        assert_eq!((count(&first, "a=t"), count(&first, "a=p")), (2, 2));
        let picture = first.split("\x1b_Ga=p").next().unwrap();
        let decoded = image::load_from_memory(&received(picture)).unwrap();
        assert_eq!(decoded.to_luma8().as_raw(), &page[0].image.pixels);
        assert_eq!(painted(&mut tiles, &page), "", "nothing has changed");

        let moved = PreviewTarget {
            area: Rect::new(0, 4, 4, 2),
            ..page[1].clone()
        };
        let scrolled = [moved, tile(5, 4)];
        let second = painted(&mut tiles, &scrolled);
        assert_eq!((count(&second, "a=t"), count(&second, "a=p")), (1, 2));
        assert_eq!(count(&second, "a=d,d=i"), 1, "the first is off the screen");
        assert!(second.contains("\x1b[5;1H"), "{second:?}");
        let back = painted(&mut tiles, &page);
        assert_eq!(count(&back, "a=t"), 0, "the terminal still has both");
        let nothing = painted(&mut tiles, &[]);
        assert_eq!(count(&nothing, "a=d,d=i"), 2);
        assert_eq!(tiles.placed().count(), 0);
    }

    #[test]
    fn the_terminal_keeps_a_limited_number_of_pictures() {
        let mut slots = TileSlots::default();
        for _ in 0..300 {
            let page = [tile(0, 1), tile(5, 1)];
            let taken = slots.take_up(&page);
            assert_ne!(taken[0].at, taken[1].at);
            assert!(taken.iter().all(|slot| slot.at < 2 + SPARE && slot.is_new));
        }
    }

    #[test]
    fn numbers_differ_from_each_other_and_inside_tmux_avoid_doubtful_colours() {
        for passage in [Passage::Direct, Passage::Tmux] {
            let mut numbers: Vec<u32> = (0..600).map(|slot| tile_number(passage, slot)).collect();
            let film = super::super::placeholders::numbers();
            let film = [film, super::super::IDS].concat().concat();
            assert!(!numbers.iter().any(|n| film.contains(n)));
            if passage == Passage::Tmux {
                assert!(numbers.iter().all(|n| n & 0xff >= 16 && n >> 24 > 0));
            }
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), 600);
        }
    }
}
