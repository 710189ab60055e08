//! TIFF 6.0 with its supplements (floating point, predictors, Zstandard, WebP) and BigTIFF.
//!
//! The library that reads TIFF for the `image` crate knows one picture of a few types. Films come in
//! more: 12 bits packed, floating point with a border of NaN, signed, planes apart, bits in reverse,
//! JPEG as scanners write it, a thumbnail first. So the directories and the layout are read here, and
//! libraries do what they are good at, decompression ([`chunk`]).
//!
//! ```text
//! File ─ Directory, one a page ─ Layout, checked ─ Chunk, each strip or tile ─ rows of numbers ─ samples
//! ```

mod chunk;
mod colour;
mod directory;
mod layout;
mod pixels;
mod wide;

use super::{RasterPicture, orientation};
use crate::imaging::{DecodeLimits, ImageFault};
use directory::Directory;
pub(super) use directory::TiffFile;
use layout::TiffLayout;

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    let file = TiffFile::new(bytes).ok_or_else(|| ImageFault::damaged("the TIFF has no header"))?;
    let pages = file.directories();
    let (at, page) = film(&pages)
        .ok_or_else(|| ImageFault::damaged("the TIFF has no directory where it says that it is"))?;
    let directory = pages[at];
    let layout = TiffLayout::read(file, directory, limits)?;
    let pixels = colour::pixels(&layout, limits)?;
    let orientation = directory.number(orientation::TAG);
    let orientation = orientation.and_then(orientation::of_number);
    Ok(RasterPicture {
        bits_stored: colour::bits_stored(&layout, &pixels.samples),
        orientation: orientation.or_else(|| {
            const XMP: u16 = 700;
            orientation::of_xmp(directory.bytes(XMP)?)
        }),
        stored: pixels.stored,
        padding: pixels.padding,
        transparent: pixels.transparent,
        page,
        ..RasterPicture::plain(
            layout.width as u32,
            layout.height as u32,
            pixels.samples,
            "TIFF",
        )
    })
}

/// Which page is the film, counted from 0, and what is to be said of it: the first that is no reduced
/// copy and no mask, as the pages themselves say, or as their sizes do.
fn film(pages: &[Directory]) -> Option<(usize, Option<(u32, u32)>)> {
    let mut full = (0..pages.len()).filter(|&at| !is_beside_a_film(&pages[at]));
    let Some(first) = full.next() else {
        return (!pages.is_empty()).then_some((0, None));
    };
    let at = full
        .clone()
        .find(|&at| is_reduced(&pages[first], &pages[at]));
    let at = at.unwrap_or(first);
    let word = match (at, full.count()) {
        (0, 0) => None,
        (0, more) => Some((1, more as u32 + 1)),
        _ => Some((at as u32 + 1, pages.len() as u32)),
    };
    Some((at, word))
}

/// Whether a page has the shape of another that is at least twice as wide, as far as whole pixels can
/// tell: many writers put a thumbnail first and do not say so.
fn is_reduced(page: &Directory, film: &Directory) -> bool {
    const WIDTH: u16 = 256;
    const LENGTH: u16 = 257;
    let size = |page: &Directory| page.number(WIDTH).zip(page.number(LENGTH));
    let (Some((width, height)), Some((wide, tall))) = (size(page), size(film)) else {
        return false;
    };
    let (across, down) = (wide.saturating_mul(height), tall.saturating_mul(width));
    wide >= width.saturating_mul(2) && across.abs_diff(down) <= wide.max(tall)
}

/// *NewSubfileType* or the older *SubfileType* says that it is a reduced copy or a mask of another
/// page (TIFF 6.0 section 8).
fn is_beside_a_film(page: &Directory) -> bool {
    const NEW_SUBFILE_TYPE: u16 = 254;
    const SUBFILE_TYPE: u16 = 255;
    const PHOTOMETRIC: u16 = 262;
    let (reduced, mask) = (1, 4);
    let kind = page.number(NEW_SUBFILE_TYPE).unwrap_or(0);
    kind & (reduced | mask) != 0
        || page.number(SUBFILE_TYPE) == Some(2)
        || page.number(PHOTOMETRIC) == Some(4)
}
