//! How a picture must be turned, as stated by EXIF, by XMP, or by the tag of a TIFF.
//!
//! If they disagree, EXIF goes before XMP, in any order in the file. An invalid value (0, or above 8)
//! counts as absent. Pillow and browsers do the same, because programs that turn a picture set EXIF to 1
//! and often forget XMP.

use image::metadata::Orientation;

use super::directory::TiffFile;
use crate::domain::Samples;

/// The tag *Orientation*: TIFF 6.0 section 8, EXIF 2.32 section 4.6.4.
pub(super) const TAG: u16 = 274;

/// The orientation in an EXIF block. The block has the form of a TIFF file, often after `Exif\0\0`,
/// which only JPEG requires. From a block that is cut off or miscounts its entries, the entries that are
/// there are read.
pub(super) fn of_exif(mut block: &[u8]) -> Option<Orientation> {
    while let Some(rest) = block.strip_prefix(b"Exif\0\0") {
        block = rest;
    }
    let file = TiffFile::new(block)?;
    of_number(file.directory_in_part(file.first())?.number(TAG)?)
}

/// The orientation with this number in EXIF, 1 to 8.
pub(super) fn of_number(value: u64) -> Option<Orientation> {
    Orientation::from_exif(value.try_into().ok()?)
}

/// The orientation in an XMP packet: `tiff:Orientation`, as an attribute or an element (XMP
/// specification part 2, section 3.2).
pub(super) fn of_xmp(packet: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let at = packet.windows(NAME.len()).position(|w| w == NAME)?;
    let between = |b: &&u8| b"=>\"'".contains(b) || b.is_ascii_whitespace();
    let mut value = packet[at + NAME.len()..].iter().skip_while(between);
    let digit = value.next().filter(|b| b.is_ascii_digit())?;
    let ends = value.next().is_none_or(|b| !b.is_ascii_digit());
    of_number(u64::from(digit - b'0')).filter(|_| ends)
}

/// The orientation in a text that ImageMagick writes into a PNG: lines with a name, a length, and EXIF
/// or XMP in hexadecimal digits.
pub(super) fn of_raw_profile(text: &str) -> Option<Orientation> {
    let mut lines = text.trim_start().lines();
    let (_name, _length) = (lines.next()?, lines.next()?);
    let mut digits = lines.flat_map(str::bytes).filter_map(hexadecimal);
    let byte = || Some(digits.next()? << 4 | digits.next()?);
    let block: Vec<u8> = std::iter::from_fn(byte).collect();
    match block.strip_prefix(XMP_IN_JPEG) {
        Some(packet) => of_xmp(packet),
        None => of_exif(&block).or_else(|| of_xmp(&block)),
    }
}

/// The prefix of XMP in an APP1 segment (XMP specification part 3, section 1.1.3).
pub(super) const XMP_IN_JPEG: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

/// The turned picture: columns, rows and samples.
pub(super) fn turned(
    width: usize,
    height: usize,
    samples: Samples,
    orientation: Orientation,
) -> (usize, usize, Samples) {
    if orientation == Orientation::NoTransforms {
        return (width, height, samples);
    }
    let size = (width, height);
    let samples = match samples {
        Samples::Grey8(v) => Samples::Grey8(moved::<_, 1>(&v, size, orientation)),
        Samples::Grey16(v) => Samples::Grey16(moved::<_, 1>(&v, size, orientation)),
        Samples::GreySigned16(v) => Samples::GreySigned16(moved::<_, 1>(&v, size, orientation)),
        Samples::GreyF32(v) => Samples::GreyF32(moved::<_, 1>(&v, size, orientation)),
        Samples::Rgb8(v) => Samples::Rgb8(moved::<_, 3>(&v, size, orientation)),
    };
    if transposes(orientation) {
        (height, width, samples)
    } else {
        (width, height, samples)
    }
}

/// Whether rows become columns.
fn transposes(orientation: Orientation) -> bool {
    orientation.to_exif() >= 5
}

/// Pixels of `N` values each, moved to their new places.
fn moved<T: Copy, const N: usize>(
    values: &[T],
    (width, height): (usize, usize),
    orientation: Orientation,
) -> Vec<T> {
    let pixels = values.as_chunks::<N>().0;
    // The index of the first new pixel in the stored picture, and the steps for one new column and one
    // new row.
    let (w, h) = (width as isize, height as isize);
    let (start, column, row) = match orientation {
        Orientation::NoTransforms => (0, 1, w),
        Orientation::FlipHorizontal => (w - 1, -1, w),
        Orientation::Rotate180 => (w * h - 1, -1, -w),
        Orientation::FlipVertical => (w * (h - 1), 1, -w),
        Orientation::Rotate90FlipH => (0, w, 1),
        Orientation::Rotate90 => (w * (h - 1), -w, 1),
        Orientation::Rotate270FlipH => (w * h - 1, -w, -1),
        Orientation::Rotate270 => (w - 1, w, -1),
    };
    let (columns, rows) = if transposes(orientation) {
        (h, w)
    } else {
        (w, h)
    };
    let mut moved = Vec::with_capacity(values.len());
    for y in 0..rows {
        for x in 0..columns {
            moved.extend(pixels[(start + x * column + y * row) as usize]);
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageBuffer};

    use super::*;

    #[test]
    fn every_orientation_moves_pixels_as_the_image_crate_does() {
        let grey: Vec<u16> = (0..15).collect();
        let rgb: Vec<u8> = (0..45).collect();
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let picture = ImageBuffer::from_raw(5, 3, grey.clone());
            let mut picture = picture.map(DynamicImage::ImageLuma16).unwrap();
            picture.apply_orientation(orientation);
            let size = (picture.width() as usize, picture.height() as usize);
            let expected = Samples::Grey16(picture.into_luma16().into_raw());
            let found = turned(5, 3, Samples::Grey16(grey.clone()), orientation);
            assert_eq!(found, (size.0, size.1, expected), "{exif}");

            let picture = ImageBuffer::from_raw(5, 3, rgb.clone());
            let mut picture = picture.map(DynamicImage::ImageRgb8).unwrap();
            picture.apply_orientation(orientation);
            let expected = Samples::Rgb8(picture.into_rgb8().into_raw());
            let found = turned(5, 3, Samples::Rgb8(rgb.clone()), orientation);
            assert_eq!(found, (size.0, size.1, expected), "{exif}");
        }
    }

    #[test]
    fn xmp_states_it_as_an_attribute_or_an_element() {
        for (packet, exif) in [
            ("<a tiff:Orientation=\"6\"/>", Some(6)),
            ("<a tiff:Orientation = '3' />", Some(3)),
            ("<tiff:Orientation>8</tiff:Orientation>", Some(8)),
            ("<tiff:Orientation>12</tiff:Orientation>", None),
            ("<tiff:Orientation>9</tiff:Orientation>", None),
            ("tiff:Orientation", None),
            ("", None),
        ] {
            let found = of_xmp(packet.as_bytes()).map(Orientation::to_exif);
            assert_eq!(found, exif, "{packet}");
        }
    }
}
