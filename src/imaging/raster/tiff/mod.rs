//! TIFF 6.0 with its supplements (floating point, predictors, Zstandard, WebP) and BigTIFF.
//!
//! The TIFF library of the `image` crate reads the first picture only, and few sample types. Films come
//! in more: packed 12-bit samples, floating point with a border of NaN, signed samples, separate planes,
//! reversed bits, JPEG as scanners write it, a thumbnail before the film. So directories and layouts are
//! read here, and libraries only decompress ([`decompress`]).
//!
//! ```text
//! TiffFile ─ Directory of a page ─ TiffLayout, checked ─ Chunk (a strip or tile) ─ rows of numbers ─ samples
//! ```

mod chunk;
mod colour;
mod decompress;
mod kinds;
mod layout;
mod numbers;
mod pixels;
mod tag;
mod wide;

use super::directory::{Directory, TiffFile};
use super::{RasterPicture, orientation};
use crate::imaging::{DecodeLimits, ImageFault};
use layout::TiffLayout;

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    let file = TiffFile::new(bytes).ok_or_else(|| ImageFault::damaged("the TIFF has no header"))?;
    let pages = file.directories();
    let (at, page) = film(&pages)
        .ok_or_else(|| ImageFault::damaged("the TIFF has no directory at the stated offset"))?;
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

/// The page that holds the film, counted from 0: the first that is neither a reduced copy nor a mask,
/// according to its tags and its size. With it, the page number and the number of pages for a caution,
/// if there are other pages.
fn film(pages: &[Directory]) -> Option<(usize, Option<(u32, u32)>)> {
    let mut full = (0..pages.len()).filter(|&at| !is_beside_a_film(&pages[at]));
    let Some(first) = full.next() else {
        return (!pages.is_empty()).then_some((0, None));
    };
    let at = full
        .clone()
        .find(|&at| is_reduced(&pages[first], &pages[at]));
    let at = at.unwrap_or(first);
    let caution = match (at, full.count()) {
        (0, 0) => None,
        (0, more) => Some((1, more as u32 + 1)),
        _ => Some((at as u32 + 1, pages.len() as u32)),
    };
    Some((at, caution))
}

/// Whether a page has the proportions of another that is at least twice as wide, up to rounding. Many
/// writers put a thumbnail first without marking it.
fn is_reduced(page: &Directory, film: &Directory) -> bool {
    let size = |page: &Directory| page.number(tag::WIDTH).zip(page.number(tag::LENGTH));
    let (Some((width, height)), Some((wide, tall))) = (size(page), size(film)) else {
        return false;
    };
    let (across, down) = (wide.saturating_mul(height), tall.saturating_mul(width));
    wide >= width.saturating_mul(2) && across.abs_diff(down) <= wide.max(tall)
}

/// Whether the page is marked as a reduced copy or a mask of another page: by *NewSubfileType*, the
/// older *SubfileType*, or its photometric interpretation (TIFF 6.0 section 8).
fn is_beside_a_film(page: &Directory) -> bool {
    const NEW_SUBFILE_TYPE: u16 = 254;
    const SUBFILE_TYPE: u16 = 255;
    const TRANSPARENCY_MASK: u64 = 4;
    let (reduced, mask) = (1, 4);
    let kind = page.number(NEW_SUBFILE_TYPE).unwrap_or(0);
    kind & (reduced | mask) != 0
        || page.number(SUBFILE_TYPE) == Some(2)
        || page.number(tag::PHOTOMETRIC) == Some(TRANSPARENCY_MASK)
}
