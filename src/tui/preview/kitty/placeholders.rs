//! Kitty's unicode placeholders, for pixels inside tmux
//! (<https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders>).
//!
//! The picture is sent through tmux and is not shown yet. Text marks its cells: U+10EEEE with a row and a
//! column as combining characters, and the picture's number as colour. tmux treats it as any other text,
//! so panes, windows, copy mode and overlays cover and uncover it.

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::protocol::Passage;
use super::tiles::{TileSlots, tile_number};
use super::{limited, mark_sent};
use crate::domain::Canvas;
use crate::tui::preview::{Painter, PreviewTarget, cells_of, pixel_canvas};

const PLACEHOLDER: char = '\u{10EEEE}';

/// The combining characters that stand for the numbers from 0: the first of each run, and its length. From
/// `rowcolumn-diacritics.txt` of kitty.
#[rustfmt::skip]
const DIACRITICS: [(u32, u32); 86] = [
    (0x0305, 1), (0x030D, 2), (0x0310, 1), (0x0312, 1), (0x033D, 3), (0x0346, 1), (0x034A, 3),
    (0x0350, 3), (0x0357, 1), (0x035B, 1), (0x0363, 13), (0x0483, 5), (0x0592, 4), (0x0597, 3),
    (0x059C, 6), (0x05A8, 2), (0x05AB, 2), (0x05AF, 1), (0x05C4, 1), (0x0610, 8), (0x0657, 5),
    (0x065D, 2), (0x06D6, 7), (0x06DF, 4), (0x06E4, 1), (0x06E7, 2), (0x06EB, 2), (0x0730, 1),
    (0x0732, 2), (0x0735, 2), (0x073A, 1), (0x073D, 1), (0x073F, 3), (0x0743, 1), (0x0745, 1),
    (0x0747, 1), (0x0749, 2), (0x07EB, 7), (0x07F3, 1), (0x0816, 4), (0x081B, 9), (0x0825, 3),
    (0x0829, 5), (0x0951, 1), (0x0953, 2), (0x0F82, 2), (0x0F86, 2), (0x135D, 3), (0x17DD, 1),
    (0x193A, 1), (0x1A17, 1), (0x1A75, 8), (0x1B6B, 1), (0x1B6D, 7), (0x1CD0, 3), (0x1CDA, 2),
    (0x1CE0, 1), (0x1DC0, 2), (0x1DC3, 7), (0x1DCB, 2), (0x1DD1, 22), (0x1DFE, 1), (0x20D0, 2),
    (0x20D4, 4), (0x20DB, 2), (0x20E1, 1), (0x20E7, 1), (0x20E9, 1), (0x20F0, 1), (0x2CEF, 3),
    (0x2DE0, 32), (0xA66F, 1), (0xA67C, 2), (0xA6F0, 2), (0xA8E0, 18), (0xAAB0, 1), (0xAAB2, 2),
    (0xAAB7, 2), (0xAABE, 2), (0xAAC1, 1), (0xFE20, 7), (0x10A0F, 1), (0x10A38, 1), (0x1D185, 5),
    (0x1D1AA, 4), (0x1D242, 3),
];
/// The count of these characters, and so the most rows and columns of a picture.
const NUMBERS: u16 = 297;

/// The combining character of every number.
fn diacritics() -> Vec<char> {
    DIACRITICS
        .iter()
        .flat_map(|(first, count)| (*first..first + count).filter_map(char::from_u32))
        .collect()
}

/// A picture's number as it is written: the low byte as a colour of the palette, which tmux passes on to every
/// terminal, and the high byte as a third combining character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PictureId {
    high: u8,
    low: u8,
}

impl PictureId {
    fn number(self) -> u32 {
        u32::from(self.high) << 24 | u32::from(self.low)
    }

    fn of_number(number: u32) -> Self {
        let [high, .., low] = number.to_be_bytes();
        PictureId { high, low }
    }
}

/// Two numbers in turn, and two for the image beside. They depend on the process, since the program in another pane
/// shares the terminal. The sixteen lowest colours are not used, because there are several ways to write them.
fn ids() -> [[PictureId; 2]; 2] {
    let process = std::process::id();
    let high = (process % 255 + 1) as u8;
    let lowest = 16 + 4 * (process / 255 % 60) as u8;
    let id = |low| PictureId { high, low };
    [
        [id(lowest), id(lowest + 1)],
        [id(lowest + 2), id(lowest + 3)],
    ]
}

/// The numbers that [`Placeholders`] uses.
pub fn numbers() -> [[u32; 2]; 2] {
    ids().map(|two| two.map(PictureId::number))
}

/// Paints inside tmux.
pub struct Placeholders {
    cell: (u16, u16),
    diacritics: Vec<char>,
    ids: [PictureId; 2],
    turn: usize,
    /// The picture that the terminal has under the current number.
    sent: Option<PreviewTarget>,
    /// The number of the picture before, to be deleted after this frame.
    outdated: Option<PictureId>,
    failed: Option<io::Error>,
    /// Bytes sent since the last [`Painter::take_sent`].
    bytes: usize,
    tiles: TileSlots,
}

impl Placeholders {
    pub fn new(cell: (u16, u16)) -> Self {
        // The number is a colour, which crossterm would not write under NO_COLOR. The theme has no other
        // colours then.
        crossterm::style::force_color_output(true);
        Placeholders {
            cell,
            diacritics: diacritics(),
            ids: ids()[0],
            turn: 0,
            sent: None,
            outdated: None,
            failed: None,
            bytes: 0,
            tiles: TileSlots::default(),
        }
    }

    fn id(&self) -> PictureId {
        self.ids[self.turn % 2]
    }

    /// Sends the picture under the other number, before the frame that shows it is written. The picture
    /// before stays until then.
    fn send(&mut self, target: &PreviewTarget, out: &mut impl Write) -> io::Result<()> {
        mark_sent(Passage::Tmux);
        self.outdated = Some(self.id());
        self.turn += 1;
        let mut bytes = Vec::new();
        self.transmit(target, &mut bytes)?;
        self.bytes += bytes.len();
        out.write_all(&bytes)?;
        out.flush()
    }

    /// Writes the picture under the current number. It is not shown yet.
    pub fn transmit(&self, target: &PreviewTarget, out: &mut impl Write) -> io::Result<()> {
        let id = self.id().number();
        let Rect { width, height, .. } = cells_of(target, self.cell);
        let control = format!("a=T,U=1,i={id},c={width},r={height}");
        Passage::Tmux.transmit(out, &control, &target.image)
    }

    /// Writes the text that shows the picture.
    pub fn write_cells(&self, cells: Rect, buffer: &mut Buffer) {
        self.write_cells_of(self.id(), cells, buffer);
    }

    fn write_cells_of(&self, id: PictureId, cells: Rect, buffer: &mut Buffer) {
        let PictureId { high, low } = id;
        let mark = |number: u16| self.diacritics[usize::from(number.min(NUMBERS - 1))];
        for position in cells.intersection(buffer.area).positions() {
            let (row, column) = (position.y - cells.y, position.x - cells.x);
            let symbol = [PLACEHOLDER, mark(row), mark(column), mark(high.into())];
            let cell = &mut buffer[position];
            cell.reset();
            cell.set_symbol(&symbol.iter().collect::<String>());
            cell.fg = Color::Indexed(low);
        }
    }
}

impl Painter for Placeholders {
    fn name(&self) -> &'static str {
        "kitty in tmux"
    }

    fn scales(&self) -> bool {
        true
    }

    fn canvas(&self, area: Rect) -> Canvas {
        pixel_canvas(limited(area, NUMBERS), self.cell)
    }

    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer) {
        if self.sent.as_ref() != Some(target) {
            self.failed = self.send(target, &mut io::stdout().lock()).err();
            self.sent = Some(target.clone());
        }
        self.write_cells(cells_of(target, self.cell), buffer);
    }

    /// Sends the pictures that the terminal does not have, before the frame that shows them is written.
    fn place_tiles(&mut self, tiles: &[PreviewTarget], buffer: &mut Buffer) {
        mark_sent(Passage::Tmux);
        let mut bytes = Vec::new();
        let slots = self.tiles.take_up(tiles);
        for (slot, tile) in slots.iter().zip(tiles) {
            let number = tile_number(Passage::Tmux, slot.at);
            let cells = cells_of(tile, self.cell);
            if slot.is_new {
                let Rect { width, height, .. } = cells;
                let control = format!("a=T,U=1,i={number},c={width},r={height}");
                // Writing to memory cannot fail, unless a picture has no PNG; then it is not shown.
                let _ = Passage::Tmux.transmit(&mut bytes, &control, &tile.image);
            }
            self.write_cells_of(PictureId::of_number(number), cells, buffer);
        }
        self.bytes += bytes.len();
        let mut out = io::stdout().lock();
        let sent = out.write_all(&bytes).and_then(|()| out.flush());
        self.failed = sent.err().or(self.failed.take());
    }

    fn finish_tiles(&mut self, _: &[PreviewTarget]) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Without an image there is nothing to do: a picture without placeholders is not shown.
    fn finish(&mut self, _: Option<&PreviewTarget>) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if let Some(old) = self.outdated.take() {
            let mut out = io::stdout().lock();
            Passage::Tmux.delete(&mut out, old.number())?;
            out.flush()?;
        }
        Ok(())
    }

    fn be_second(&mut self) {
        self.ids = ids()[1];
    }

    fn forget(&mut self) {
        self.sent = None;
        self.tiles = TileSlots::default();
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.cell = cell;
    }

    fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::tui::preview::kitty::protocol::tests::noise;

    #[test]
    fn every_number_has_a_character_without_width() {
        let all = diacritics();
        assert_eq!(all.len(), usize::from(NUMBERS));
        // Known answers of the protocol's page and its file.
        assert_eq!((all[0], all[1], all[2]), ('\u{305}', '\u{30D}', '\u{30E}'));
        assert_eq!((all[255], all[296]), ('\u{A8E5}', '\u{1D244}'));
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
        for mark in all {
            let cell: String = [PLACEHOLDER, mark, mark, mark].iter().collect();
            assert_eq!(cell.width(), 1, "U+{:04X}", u32::from(mark));
        }
    }

    #[test]
    fn cells_hold_row_column_and_number() {
        let mut painter = Placeholders::new((10, 20));
        painter.ids = [PictureId { high: 1, low: 42 }; 2];
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 10));
        painter.write_cells(Rect::new(3, 4, 3, 2), &mut buffer);
        let cell = &buffer[(5, 5)];
        assert_eq!(cell.symbol(), "\u{10EEEE}\u{30D}\u{30E}\u{30D}");
        assert_eq!(cell.fg, Color::Indexed(42));
        assert_eq!(painter.id().number(), 0x0100_002A);
        assert_eq!(buffer[(6, 5)].symbol(), " ");
    }

    #[test]
    fn a_new_picture_has_another_number_and_the_old_is_deleted_after_the_frame() {
        let target = PreviewTarget::new(Arc::new(noise(20, 40)), Rect::new(0, 0, 2, 2));
        let mut painter = Placeholders::new((10, 20));
        let first = painter.id();
        let mut out = Vec::new();
        painter.send(&target, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let id = painter.id();
        assert_ne!(id, first);
        assert!(
            text.contains(&format!("a=T,U=1,i={},c=2,r=2", id.number())),
            "{text:?}"
        );
        assert!(
            !text.contains(&format!("i={},", first.number())),
            "it is still on the screen"
        );
        assert_eq!(painter.outdated, Some(first));
    }

    #[test]
    fn numbers_avoid_colours_that_can_be_written_in_several_ways() {
        let mut all = ids().concat();
        assert!(all.iter().all(|id| id.low >= 16 && id.high > 0));
        all.sort_unstable_by_key(|id| id.low);
        all.dedup();
        assert_eq!(all.len(), 4);
    }
}
