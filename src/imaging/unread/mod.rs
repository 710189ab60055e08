//! Formats of images and archives that are not read, recognised by their first bytes or by their name.
//!
//! A folder of a study may hold films in such formats. They are counted and named, so that no film is
//! left out silently. Texts, tables and documents beside the images are not reported.

mod formats;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::big_endian::u32_at;
use formats::{ANALYZE, AVIF, BESIDE, BUNDLES, HEIF, Holds, MAGIC, NAMES, NETPBM, RAW_PHOTOGRAPH};

pub use formats::UnreadFormat;

/// The number of first bytes that tell every format here: NIfTI-1 has its magic code at byte 344
/// (nifti1.h).
pub(super) const ENOUGH: usize = 348;

/// The format that a file begins like, documents included; `None` if it is not a known one.
pub(super) fn by_content(head: &[u8]) -> Option<UnreadFormat> {
    let begins = |(at, magic, _): &&(usize, &[u8], UnreadFormat)| {
        head.get(*at..)
            .is_some_and(|there| there.starts_with(magic))
    };
    let found = MAGIC.iter().find(begins).map(|(_, _, format)| *format);
    found
        .or_else(|| by_brand(head))
        .or_else(|| is_netpbm(head).then_some(NETPBM))
        .or_else(|| is_analyze(head).then_some(ANALYZE))
}

/// The format of a file in the ISO base media file format (ISO/IEC 14496-12), whose brands tell
/// photographs from videos.
fn by_brand(head: &[u8]) -> Option<UnreadFormat> {
    if head.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let length = u32_at(head, 0)?;
    let end = head
        .len()
        .min(usize::try_from(length).unwrap_or(usize::MAX));
    // A version stands between the main brand and the compatible ones, and matches none of these.
    let brands = head.get(8..end)?.chunks_exact(4);
    let has = |wanted: &[&[u8; 4]]| {
        let mut brands = brands.clone();
        brands.any(|brand| wanted.iter().any(|wanted| *wanted == brand))
    };
    if has(&[b"avif", b"avis"]) {
        return Some(AVIF);
    }
    if has(&[b"crx "]) {
        return Some(RAW_PHOTOGRAPH);
    }
    let pictures = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"];
    let sequences = [b"hevc", b"hevx", b"hevm", b"hevs"];
    (has(&pictures) || has(&sequences)).then_some(HEIF)
}

/// `P5`, a width and a height (netpbm.sourceforge.net). A text may begin with `P5`, but does not continue
/// with two numbers.
fn is_netpbm(head: &[u8]) -> bool {
    let [b'P', kind @ b'1'..=b'7', blank, rest @ ..] = head else {
        return false;
    };
    if !blank.is_ascii_whitespace() {
        return false;
    }
    if *kind == b'7' {
        return rest.starts_with(b"WIDTH") || rest.starts_with(b"HEIGHT") || rest.starts_with(b"#");
    }
    let lines = rest.split(|byte| *byte == b'\n');
    let bare = lines.filter(|line| !line.starts_with(b"#"));
    let words = bare.flat_map(|line| line.split(u8::is_ascii_whitespace));
    let mut words = words.filter(|word| !word.is_empty());
    let mut is_number = || {
        let word = words.next();
        word.is_some_and(|word| word.len() < 7 && word.iter().all(u8::is_ascii_digit))
    };
    is_number() && is_number()
}

/// A header of Analyze 7.5 begins with its own length, in either byte order, and has `r` at byte 38.
fn is_analyze(head: &[u8]) -> bool {
    let length = head.first_chunk::<4>();
    let is_long = length.is_some_and(|length| {
        i32::from_le_bytes(*length) == 348 || i32::from_be_bytes(*length) == 348
    });
    is_long && head.get(38) == Some(&b'r')
}

/// The format of a file that cannot be read, if it looks like an image or an archive by its content or
/// else by its name.
pub(super) fn format(path: &Path, head: &[u8]) -> Option<UnreadFormat> {
    let ending = ending(path).unwrap_or_default();
    let format = match by_content(head) {
        Some(format) => Some(format),
        None => by_name(&ending),
    };
    let is_wanted = |format: &UnreadFormat| match format.holds {
        Holds::Image => true,
        Holds::Archive => !BUNDLES.contains(&ending.as_str()) && !is_packed_text(path, &ending),
        Holds::Document => false,
    };
    format.filter(is_wanted)
}

fn by_name(ending: &str) -> Option<UnreadFormat> {
    let of = |(names, _): &&(&[&str], UnreadFormat)| names.contains(&ending);
    NAMES.iter().find(of).map(|(_, format)| *format)
}

/// Whether it is a compressed table or log: `labels.csv.gz`.
fn is_packed_text(path: &Path, ending: &str) -> bool {
    let stem = path.file_stem().map(Path::new);
    matches!(
        ending,
        "gz" | "bz2" | "xz" | "zst" | "lz4" | "z" | "lz" | "lzma"
    ) && stem.is_some_and(is_beside)
}

/// Whether the name alone tells that it is not an image.
pub(super) fn is_beside(path: &Path) -> bool {
    let ending = ending(path).unwrap_or_default();
    BESIDE.contains(&ending.as_str()) || BUNDLES.contains(&ending.as_str())
}

/// The extension of a name, in small letters.
pub(super) fn ending(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?;
    Some(ending.to_ascii_lowercase())
}
