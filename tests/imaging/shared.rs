//! What the tests share: bytes become a file, which is opened.

use std::io::Cursor;

use cxr::domain::Radiograph;
use cxr::imaging::{DecodeLimits, ImageFault, open};
use image::{DynamicImage, ImageFormat};

use crate::imaging_files::Files;

/// What is read from the bytes. A fault fails the test.
pub fn read(bytes: &[u8]) -> Radiograph {
    let files = Files::new();
    let path = files.put("name-without-extension", bytes);
    open(&path, &DecodeLimits::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// The fault of the bytes. A file that is read fails the test.
pub fn fault(bytes: &[u8]) -> ImageFault {
    let files = Files::new();
    let path = files.put("name-without-extension", bytes);
    open(&path, &DecodeLimits::default())
        .expect_err("a fault")
        .fault()
        .clone()
}

/// The bytes of a picture file.
pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("encode");
    bytes.into_inner()
}

/// The low byte of each value.
pub fn bytes_of(values: &[u16]) -> Vec<u8> {
    values.iter().map(|&v| v as u8).collect()
}

/// Columns of the phantom in most tests.
pub const W: usize = 37;
/// Rows of it.
pub const H: usize = 29;
