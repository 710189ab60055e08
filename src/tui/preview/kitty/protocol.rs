//! The escapes of the kitty graphics protocol: <https://sw.kovidgoyal.net/kitty/graphics-protocol/>.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::domain::PreviewImage;

/// The protocol's limit for the payload of one escape.
const CHUNK: usize = 4096;

/// What lies between this program and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Nothing.
    Direct,
    /// tmux: escapes are wrapped, so that it passes them on.
    Tmux,
}

impl Passage {
    /// Writes one escape of the protocol.
    fn escape(self, out: &mut impl Write, control: &str, payload: &[u8]) -> io::Result<()> {
        let separator = if payload.is_empty() { "" } else { ";" };
        let (open, close) = match self {
            Passage::Direct => ("\x1b_G", "\x1b\\"),
            // Inside the wrapping every escape character is doubled.
            Passage::Tmux => ("\x1bPtmux;\x1b\x1b_G", "\x1b\x1b\\\x1b\\"),
        };
        write!(out, "{open}{control}{separator}")?;
        out.write_all(payload)?;
        write!(out, "{close}")
    }

    /// Transmits a picture as PNG (`f=100`) with these control data. Asks for no answer (`q=2`), which would
    /// become key presses.
    pub fn transmit(
        self,
        out: &mut impl Write,
        control: &str,
        image: &PreviewImage,
    ) -> io::Result<()> {
        let encoded = STANDARD.encode(png(image)?);
        let mut chunks = encoded.as_bytes().chunks(CHUNK).peekable();
        let mut first = Some(format!("{control},f=100,"));
        while let Some(chunk) = chunks.next() {
            let more = u8::from(chunks.peek().is_some());
            let control = first.take().unwrap_or_default();
            self.escape(out, &format!("{control}q=2,m={more}"), chunk)?;
        }
        Ok(())
    }

    /// Shows an image that was transmitted, at the cursor, in so many columns and rows. It moves there if it is shown
    /// elsewhere: it has one placement (`p=1`).
    pub fn put(self, out: &mut impl Write, id: u32, cells: (u16, u16)) -> io::Result<()> {
        let (columns, rows) = cells;
        let control = format!("a=p,i={id},p=1,c={columns},r={rows},C=1,q=2");
        self.escape(out, &control, &[])
    }

    /// Takes an image off the screen; its data stay in the terminal.
    pub fn take_off(self, out: &mut impl Write, id: u32) -> io::Result<()> {
        self.escape(out, &format!("a=d,d=i,i={id},q=2"), &[])
    }

    /// Deletes an image with its data. A missing image is no error.
    pub fn delete(self, out: &mut impl Write, id: u32) -> io::Result<()> {
        self.escape(out, &format!("a=d,d=I,i={id},q=2"), &[])
    }
}

/// Encodes a picture as PNG. The protocol's raw formats take three or four bytes per pixel, PNG one for a
/// grey.
pub fn png(image: &PreviewImage) -> io::Result<Vec<u8>> {
    let colour = if image.colour {
        ExtendedColorType::Rgb8
    } else {
        ExtendedColorType::L8
    };
    let mut bytes = Vec::new();
    // Fast compression: the reader is waiting, and radiographs gain little from more.
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

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A grey picture of noise, which compresses badly.
    pub fn noise(width: usize, height: usize) -> PreviewImage {
        let grey = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8;
        PreviewImage {
            width,
            height,
            pixels: (0..width * height).map(grey).collect(),
            colour: false,
        }
    }

    fn sent(passage: Passage, image: &PreviewImage) -> String {
        let mut out = Vec::new();
        passage.transmit(&mut out, "a=T,i=7", image).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The PNG that a terminal puts together from the escapes.
    pub fn received(text: &str) -> Vec<u8> {
        let data: String = text
            .split("\x1b_G")
            .skip(1)
            .filter_map(|escape| escape.split_once(';'))
            .map(|(_, rest)| rest.split('\x1b').next().unwrap())
            .collect();
        STANDARD.decode(data).unwrap()
    }

    #[test]
    fn a_picture_arrives_unchanged_in_escapes_within_the_limit() {
        let image = noise(200, 100);
        let text = sent(Passage::Direct, &image);
        assert!(text.starts_with("\x1b_Ga=T,i=7,f=100,q=2,m=1;"));
        let escapes: Vec<_> = text.split("\x1b_G").skip(1).collect();
        assert!(escapes.len() > 2);
        assert!(escapes.iter().all(|escape| escape.len() < CHUNK + 80));
        assert!(escapes.last().unwrap().contains("m=0;"));
        let decoded = image::load_from_memory(&received(&text)).unwrap();
        assert_eq!(decoded.to_luma8().as_raw(), &image.pixels);
    }

    #[test]
    fn tmux_unwraps_the_same_escapes() {
        let image = noise(100, 80);
        let wrapped = sent(Passage::Tmux, &image);
        // tmux ends a wrapping at the first escape character that is not doubled.
        let unwrapped: String = wrapped
            .split("\x1bPtmux;")
            .skip(1)
            .map(|part| {
                let inner = part.strip_suffix("\x1b\\").expect("an end");
                let single = inner.replace("\x1b\x1b", "\u{0}");
                assert!(!single.contains('\x1b'), "a bare escape ends it early");
                single.replace('\u{0}', "\x1b")
            })
            .collect();
        assert_eq!(unwrapped, sent(Passage::Direct, &image));
    }
}
