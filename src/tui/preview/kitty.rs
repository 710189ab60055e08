//! The kitty graphics protocol, <https://sw.kovidgoyal.net/kitty/graphics-protocol/>.
//!
//! Not through viuer: on a local terminal viuer writes pixels to a temporary file, elsewhere it
//! sends raw RGBA, and it can neither name an image nor delete it. Here a grey PNG goes down the
//! line under an identifier of ours.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Painter, Target, cells_of, keep_away, pixel_canvas};
use crate::domain::{Canvas, PreviewImage};

/// Two identifiers in turn: the new image is placed before the old one goes, so nothing flickers.
const IDS: [u32; 2] = [0x0063_7872, 0x0063_7873];
/// The protocol's limit for one escape.
const CHUNK: usize = 4096;

/// Whether an image of ours may be on the screen. Elsewhere nothing is deleted: tmux takes these
/// escapes for a pane's title.
static PAINTED: AtomicBool = AtomicBool::new(false);

pub struct Kitty {
    cell: (u16, u16),
    painted: Option<Target>,
    turn: usize,
}

impl Kitty {
    pub fn new(cell: (u16, u16)) -> Self {
        Kitty {
            cell,
            painted: None,
            turn: 0,
        }
    }

    fn paint(&mut self, target: &Target, out: &mut impl Write) -> io::Result<()> {
        let cells = cells_of(target, self.cell);
        let old = IDS[self.turn % 2];
        self.turn += 1;
        let new = IDS[self.turn % 2];
        // Save and restore the cursor around it: ratatui knows where it left it.
        write!(out, "\x1b7\x1b[{};{}H", cells.y + 1, cells.x + 1)?;
        transmit(out, new, cells, &png(&target.image)?)?;
        delete(out, old)?;
        write!(out, "\x1b8")?;
        out.flush()
    }
}

impl Painter for Kitty {
    fn name(&self) -> &'static str {
        "kitty"
    }

    fn canvas(&self, area: Rect) -> Canvas {
        pixel_canvas(area, self.cell)
    }

    fn place(&mut self, target: &Target, buffer: &mut Buffer) {
        keep_away(cells_of(target, self.cell), buffer);
    }

    fn finish(&mut self, target: Option<&Target>) -> io::Result<()> {
        if target == self.painted.as_ref() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match target {
            Some(target) => {
                PAINTED.store(true, Ordering::SeqCst);
                self.paint(target, &mut out)?;
            }
            None => {
                IDS.iter().try_for_each(|id| delete(&mut out, *id))?;
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

    fn forget(&mut self) {
        self.painted = None;
    }
}

fn png(image: &PreviewImage) -> io::Result<Vec<u8>> {
    let colour = if image.colour {
        ExtendedColorType::Rgb8
    } else {
        ExtendedColorType::L8
    };
    let mut bytes = Vec::new();
    // Fast, not best: the terminal is waiting, and radiographs gain little from the rest.
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(
            &image.pixels,
            image.width as u32,
            image.height as u32,
            colour,
        )
        .map_err(io::Error::other)?;
    Ok(bytes)
}

/// Transmits and displays: PNG (`f=100`), cursor unmoved (`C=1`), no answers (`q=2`).
fn transmit(out: &mut impl Write, id: u32, cells: Rect, png: &[u8]) -> io::Result<()> {
    let encoded = STANDARD.encode(png);
    let mut chunks = encoded.as_bytes().chunks(CHUNK).peekable();
    let mut first = true;
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        if first {
            let Rect { width, height, .. } = cells;
            write!(
                out,
                "\x1b_Ga=T,f=100,i={id},p=1,c={width},r={height},C=1,q=2,m={more};"
            )?;
            first = false;
        } else {
            write!(out, "\x1b_Gm={more},q=2;")?;
        }
        out.write_all(chunk)?;
        write!(out, "\x1b\\")?;
    }
    Ok(())
}

/// Deletes an image with its data; one that is not there is no error.
fn delete(out: &mut impl Write, id: u32) -> io::Result<()> {
    write!(out, "\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
}

/// Deletes what was painted, if anything was: for leaving.
pub fn delete_all(out: &mut impl Write) -> io::Result<()> {
    if PAINTED.swap(false, Ordering::SeqCst) {
        IDS.iter().try_for_each(|id| delete(out, *id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_painted_image_is_a_png_of_the_same_pixels_at_its_cells() {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let pixels: Vec<u8> = (0..200 * 100).map(noise).collect();
        let image = PreviewImage {
            width: 200,
            height: 100,
            pixels,
            colour: false,
        };
        let target = Target {
            image: Arc::new(image),
            area: Rect::new(3, 2, 20, 5),
        };
        let mut out = Vec::new();
        Kitty::new((10, 20)).paint(&target, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("\x1b7\x1b[3;4H\x1b_Ga=T,f=100,"),
            "{:?}",
            &text[..40]
        );
        assert!(text.contains("c=20,r=5"));

        let escapes: Vec<&str> = text.split("\x1b_G").skip(1).collect();
        let data: String = escapes
            .iter()
            .filter_map(|escape| escape.split_once(';'))
            .map(|(_, rest)| rest.split('\x1b').next().unwrap())
            .collect();
        assert!(escapes.iter().all(|escape| escape.len() < CHUNK + 80));
        let decoded = image::load_from_memory(&STANDARD.decode(data).unwrap()).unwrap();
        assert_eq!(decoded.to_luma8().as_raw(), &target.image.pixels);
    }

    #[test]
    fn the_old_image_goes_after_the_new_one_has_come() {
        let image = PreviewImage {
            width: 1,
            height: 1,
            pixels: vec![9],
            colour: false,
        };
        let target = Target {
            image: Arc::new(image),
            area: Rect::new(0, 0, 2, 2),
        };
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
        let (came, new) = id(&second, "a=T");
        let (went, old) = id(&second, "a=d");
        assert!(came < went);
        assert_eq!(old, id(&first, "a=T").1);
        assert_ne!(old, new);
    }
}
