//! Hostile files: each is refused soon, and nothing else happens.

mod imaging_files;

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cxr::imaging::{DecodeLimits, Decoder, ImageFault, open};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma};
use imaging_files::{
    BIG_ENDIAN, DEFLATED, Dicom, EXPLICIT, Files, IMPLICIT, data_set_start, lossless_jpeg, phantom,
    rle,
};

/// A header is checked before anything is allocated, so this is generous even for a slow machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// For one pass over all bytes on a very busy machine. One pass for each element would take hours.
const ONE_PASS: Duration = Duration::from_secs(30);

fn fault_at_once(what: &str, bytes: &[u8], limits: &DecodeLimits) -> ImageFault {
    let files = Files::new();
    let path = files.put("hostile", bytes);
    let start = Instant::now();
    let opened = open(&path, limits);
    let elapsed = start.elapsed();
    assert!(elapsed < AT_ONCE, "{what} took {elapsed:?}");
    match opened {
        Ok(_) => panic!("{what} was opened"),
        Err(error) => error.fault().clone(),
    }
}

const HUGE: u32 = 60_000;

fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([16, 0, 0, 0, 0]);
    let mut check = flate2::Crc::new();
    check.update(&header);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&header);
    png.extend(check.sum().to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

fn bmp_of(width: u32, height: u32) -> Vec<u8> {
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend(width.to_le_bytes());
    bmp.extend(height.to_le_bytes());
    bmp.extend([1, 0, 24, 0]);
    bmp.resize(200, 0);
    bmp
}

fn tiff_of(width: u32, height: u32) -> Vec<u8> {
    let entries: [(u16, u32); 8] = [
        (256, width),
        (257, height),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 200),
        (278, height),
        (279, 100),
    ];
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        tiff.extend(tag.to_le_bytes());
        tiff.extend([4, 0, 1, 0, 0, 0]);
        tiff.extend(value.to_le_bytes());
    }
    tiff.resize(300, 0);
    tiff
}

fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let tiny = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(8, 8, Luma([9])));
    let mut bytes = Cursor::new(Vec::new());
    tiny.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    let mut jpeg = bytes.into_inner();
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[test]
fn enormous_pictures_are_refused_by_their_headers() {
    let dicom = |file: Dicom, syntax| file.file(syntax);
    let native = Dicom::radiograph(HUGE as u16, HUGE as u16, 16).words(&[0; 8]);
    let packed =
        Dicom::radiograph(HUGE as u16, HUGE as u16, 16).fragments(&[&rle(&[vec![0], vec![0]])]);
    for (what, bytes) in [
        ("PNG", png_of(HUGE, HUGE)),
        ("wide PNG", png_of(0x7fff_ffff, 1)),
        ("BMP", bmp_of(HUGE, HUGE)),
        ("TIFF", tiff_of(HUGE, HUGE)),
        ("JPEG", jpeg_of(HUGE as u16, HUGE as u16)),
        ("DICOM", dicom(native, EXPLICIT)),
        ("RLE", dicom(packed, uids::RLE_LOSSLESS)),
    ] {
        let fault = fault_at_once(what, &bytes, &DecodeLimits::default());
        assert!(matches!(fault, ImageFault::TooLarge(_)), "{what}: {fault}");
    }
}

#[test]
fn a_stream_larger_than_its_data_set_states_is_not_decoded() {
    for (syntax, stream) in [
        (uids::JPEG_BASELINE8_BIT, jpeg_of(HUGE as u16, HUGE as u16)),
        (
            uids::JPEG_LOSSLESS_SV1,
            lossless_jpeg(HUGE as u16, HUGE as u16, 8, &[1; 9]),
        ),
    ] {
        let file = Dicom::radiograph(8, 8, 8)
            .fragments(&[&stream])
            .file(syntax);
        let fault = fault_at_once(syntax, &file, &DecodeLimits::default());
        assert!(matches!(fault, ImageFault::Damaged(_)), "{fault}");
    }
}

/// An element with an explicit value representation and a 32-bit length.
fn element(tag: [u8; 4], vr: &[u8; 2], length: u32) -> Vec<u8> {
    [&tag[..], vr, &[0, 0], &length.to_le_bytes()].concat()
}

/// A file with preamble, meta information and this data set.
fn with_data_set(syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let empty = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::SOP_CLASS_UID, VR::UI, "1.2")
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2");
    [empty.file(syntax).as_slice(), data_set].concat()
}

#[test]
fn lengths_beyond_the_file_and_endless_nesting_are_damage() {
    let four_gigabytes = element([0x10, 0, 0x10, 0x40], b"OB", 0xffff_fff0);
    let items = [0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
    let level = [
        element([0x08, 0, 0x40, 0x11], b"SQ", 0xffff_ffff),
        items.to_vec(),
    ]
    .concat();
    for (what, data_set) in [
        ("4 GB", four_gigabytes),
        ("deep", level.repeat(100_000)),
        (
            "deep, unknown",
            level.repeat(40).into_iter().chain([0xff; 64]).collect(),
        ),
    ] {
        let fault = fault_at_once(
            what,
            &with_data_set(EXPLICIT, &data_set),
            &DecodeLimits::default(),
        );
        assert!(matches!(fault, ImageFault::Damaged(_)), "{what}: {fault}");
    }
    // Pixel data may state any length, because only the bytes of the first frame are needed.
    let file = Dicom::radiograph(4, 4, 8).file(EXPLICIT);
    let pixels = element([0xe0, 0x7f, 0x10, 0], b"OB", 0xffff_fff0);
    let fault = fault_at_once("pixels", &[file, pixels].concat(), &DecodeLimits::default());
    assert!(matches!(fault, ImageFault::Damaged(_)), "{fault}");
}

#[test]
fn a_data_set_of_zeros_is_walked_once() {
    let mut zeros = vec![0; 50 << 20];
    zeros[(50 << 20) - 1] = 1;
    let files = Files::new();
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let path = files.put("zeros", &with_data_set(syntax, &zeros));
        let start = Instant::now();
        let opened = open(&path, &DecodeLimits::default());
        let elapsed = start.elapsed();
        assert!(opened.is_err(), "{syntax}");
        assert!(elapsed < ONE_PASS, "{syntax}: {elapsed:?}");
    }
}

#[test]
fn a_deflated_bomb_stops_at_the_memory_limit() {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        deflate.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let meta = with_data_set(DEFLATED, &[]);
    let bomb = [&meta[..data_set_start(&meta)], &deflate.finish().unwrap()].concat();
    let limits = DecodeLimits {
        max_memory: 1 << 20,
        ..DecodeLimits::default()
    };
    assert!(matches!(
        fault_at_once("bomb", &bomb, &limits),
        ImageFault::TooLarge(_)
    ));
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let limits = DecodeLimits {
        max_file_bytes: 100,
        ..DecodeLimits::default()
    };
    assert!(matches!(
        fault_at_once("long", &png_of(8, 8).repeat(9), &limits),
        ImageFault::TooLarge(_)
    ));
}

/// Valid files to damage.
fn valid() -> Vec<Vec<u8>> {
    let (w, h) = (37, 29);
    let pixels = phantom(w, h, 12);
    let grey = ImageBuffer::from_fn(w as u32, h as u32, |x, y| Luma([(x * 7 + y * 3) as u8]));
    let grey = DynamicImage::ImageLuma8(grey);
    let raster = |format| {
        let mut bytes = Cursor::new(Vec::new());
        grey.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let planes: Vec<Vec<u8>> = [8, 0]
        .map(|shift| pixels.iter().map(|v| (v >> shift) as u8).collect())
        .to_vec();
    let dicom = Dicom::radiograph(w as u16, h as u16, 12)
        .text(tags::WINDOW_CENTER, VR::DS, "300\\5")
        .text(tags::WINDOW_WIDTH, VR::DS, "20\\7")
        .sequence(tags::VOILUT_SEQUENCE, Dicom::radiograph(1, 1, 8));
    let fixture = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/imaging");
        std::fs::read(folder.join(name)).expect("a fixture")
    };
    let packed = |stream: &[u8], syntax| dicom.clone().fragments(&[stream]).file(syntax);
    let mut files: Vec<Vec<u8>> = [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED]
        .map(|s| dicom.clone().words(&pixels).file(s))
        .into();
    files.extend([
        packed(&rle(&planes), uids::RLE_LOSSLESS),
        packed(
            &lossless_jpeg(w as u16, h as u16, 12, &pixels),
            uids::JPEG_LOSSLESS_SV1,
        ),
        packed(&fixture("phantom-37x29-12bit.jls"), uids::JPEGLS_LOSSLESS),
        packed(&fixture("phantom-37x29-12bit.j2k"), uids::JPEG2000_LOSSLESS),
        Dicom::radiograph(w as u16, h as u16, 8)
            .fragments(&[&raster(ImageFormat::Jpeg)])
            .file(uids::JPEG_BASELINE8_BIT),
    ]);
    files.extend(
        [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Tiff,
            ImageFormat::Bmp,
        ]
        .map(raster),
    );
    files
}

/// Marsaglia's xorshift: the same damage on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Cuts, overwrites and inserts, mostly where the headers are.
fn damaged(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=dice.below(4) {
        let most = if dice.below(2) == 0 {
            bytes.len()
        } else {
            bytes.len().min(800)
        };
        let at = dice.below(most.max(1)).min(bytes.len().saturating_sub(1));
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => bytes[at] = [0, 0xff, 0x7f, 0x80][dice.below(4)],
            3 if at + 4 <= bytes.len() => bytes[at..at + 4].fill(0xff),
            _ => bytes.insert(at.min(bytes.len()), dice.below(256) as u8),
        }
    }
    bytes
}

#[test]
fn thousands_of_damaged_files_are_pictures_or_errors() {
    const CASES: usize = 3000;
    let files = Files::new();
    let limits = DecodeLimits {
        timeout: Duration::from_secs(5),
        ..DecodeLimits::default()
    };
    let decoder = Decoder::new(limits, Some(PathBuf::from(env!("CARGO_BIN_EXE_cxr"))));
    let valid = valid();
    let mut dice = Dice(0x5eed);
    let (mut pictures, mut errors, mut deaths) = (0, 0, 0);
    for case in 0..CASES {
        let path = files.put("damaged", &damaged(&valid[case % valid.len()], &mut dice));
        match decoder.open(&path) {
            Ok(r) => {
                let values = r.width * r.height * r.samples.channels();
                assert_eq!(
                    values,
                    r.samples.pixels() * r.samples.channels(),
                    "case {case}"
                );
                pictures += 1;
            }
            Err(error) => {
                let line = error.to_string();
                assert!(!line.chars().any(char::is_control), "case {case}: {line:?}");
                deaths += usize::from(matches!(error.fault(), ImageFault::DecoderDied(_)));
                errors += 1;
            }
        }
    }
    println!("{pictures} pictures, {errors} errors, among them {deaths} panics or deaths");
    assert!(
        pictures > CASES / 20 && errors > CASES / 4,
        "{pictures} pictures, {errors} errors"
    );
    assert_eq!(
        decoder.notice(),
        None,
        "after a death there is a new decoder process"
    );
}
