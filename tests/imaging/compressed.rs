//! Compressed pixel data of DICOM files: JPEG, JPEG-LS and JPEG 2000.

use std::path::Path;

use cxr::domain::Samples;
use cxr::imaging::{ImageFault, grey_values};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};
use libjpeg_turbo_rs::Subsampling;
use libjpeg_turbo_rs::precision::compress_12bit;

use crate::imaging_files::{Dicom, lossless_jpeg, phantom};
use crate::shared::{H, W, bytes_of, encoded, fault, read};

/// The file without its last `length` bytes.
fn without_end(file: &[u8], length: usize) -> &[u8] {
    &file[..file.len() - length]
}

#[test]
fn cut_off_compressed_pixel_data_are_damaged_if_the_first_frame_is() {
    let pixels = phantom(W, H, 12);
    let stream = lossless_jpeg(W as u16, H as u16, 12, &pixels);
    let one = Dicom::radiograph(W as u16, H as u16, 12);
    let two = one.clone().text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    let one = one.fragments(&[&stream]).file(uids::JPEG_LOSSLESS_SV1);
    let two = two
        .fragments(&[&stream, &stream])
        .file(uids::JPEG_LOSSLESS_SV1);
    const DELIMITER: usize = 8;
    read(without_end(&one, DELIMITER));
    let ImageFault::Damaged(reason) = fault(without_end(&one, DELIMITER + 3)) else {
        panic!("damaged");
    };
    assert!(reason.contains("ends early, 3 bytes"), "{reason}");
    let r = read(without_end(&two, DELIMITER + 3));
    assert_eq!(r.samples, Samples::Grey16(pixels));
}

#[test]
fn an_offset_table_does_not_divide_a_single_frame() {
    let pixels = phantom(W, H, 12);
    let stream = lossless_jpeg(W as u16, H as u16, 12, &pixels);
    let (head, tail) = stream.split_at(stream.len() / 4 * 2);
    let file = Dicom::radiograph(W as u16, H as u16, 12)
        .fragments_at(&[0, head.len() as u32 + 8], &[head, tail]);
    let r = read(&file.file(uids::JPEG_LOSSLESS_SV1));
    assert_eq!(r.samples, Samples::Grey16(pixels));
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imaging");
    std::fs::read(folder.join(name)).expect("a fixture")
}

/// CharLS (pyjpegls) and OpenJPEG (Pillow) made the streams from the phantom in `imaging_files`:
///
/// ```python
/// grey = phantom(37, 29, 12)
/// jpeg_ls.encode_array(grey, lossy_error=0)    # and 3 for "near3"
/// Image.fromarray(grey).save(path, format="JPEG2000", num_resolutions=3, irreversible=False,
///                            no_jp2=True)
/// one = phantom(37, 29, 8)
/// rgb = np.stack([one, one[::-1], one[:, ::-1]], -1).astype(np.uint8)
/// jpeg_ls.encode_array(rgb, lossy_error=0, interleave_mode=1)    # "line", and 2 for "sample"
/// ```
#[test]
fn compressed_dicom_decodes_to_what_was_encoded() {
    let pixels = phantom(W, H, 12);
    let file = Dicom::radiograph(W as u16, H as u16, 12);
    let lossless = lossless_jpeg(W as u16, H as u16, 12, &pixels);
    let mut streams = vec![
        (uids::JPEG_LOSSLESS_SV1, lossless),
        (uids::JPEGLS_LOSSLESS, fixture("phantom-37x29-12bit.jls")),
    ];
    if cfg!(feature = "jpeg2000") {
        streams.push((uids::JPEG2000_LOSSLESS, fixture("phantom-37x29-12bit.j2k")));
    }
    for (syntax, stream) in &streams {
        let r = read(&file.clone().fragments(&[stream]).file(syntax));
        assert_eq!(r.samples, Samples::Grey16(pixels.clone()), "{}", r.format);
        // One frame may be split into several fragments.
        let (head, tail) = stream.split_at(stream.len() / 4 * 2);
        let r = read(&file.clone().fragments(&[head, tail]).file(syntax));
        assert_eq!(r.samples, Samples::Grey16(pixels.clone()), "{}", r.format);
    }

    let near = file.fragments(&[&fixture("phantom-37x29-12bit-near3.jls")]);
    let Samples::Grey16(values) = read(&near.file(uids::JPEGLS_NEAR_LOSSLESS)).samples else {
        panic!("grey of 12 bits");
    };
    let worst = values
        .iter()
        .zip(&pixels)
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert_eq!(worst, Some(3));
}

#[test]
fn colour_jpeg_ls_is_read_by_line_and_by_sample() {
    let one = bytes_of(&phantom(W, H, 8));
    let at = |x: usize, y: usize| one[y * W + x];
    let rgb = (0..W * H).flat_map(|i| {
        let (x, y) = (i % W, i / W);
        [at(x, y), at(x, H - 1 - y), at(W - 1 - x, y)]
    });
    let expected = Samples::Rgb8(rgb.collect());
    for name in ["phantom-37x29-rgb-line.jls", "phantom-37x29-rgb-sample.jls"] {
        let file = Dicom::colour(W as u16, H as u16, "RGB").fragments(&[&fixture(name)]);
        assert_eq!(
            read(&file.file(uids::JPEGLS_LOSSLESS)).samples,
            expected,
            "{name}"
        );
    }
}

#[test]
fn baseline_jpeg_in_dicom_decodes_like_a_jpeg_file() {
    let smooth = ImageBuffer::from_fn(40, 24, |x, y| Luma([(x * 4 + y * 3) as u8]));
    let jpeg = encoded(&DynamicImage::ImageLuma8(smooth.clone()), ImageFormat::Jpeg);
    let inside = Dicom::radiograph(40, 24, 8).fragments(&[&jpeg]);
    let values = grey_values(&read(&inside.file(uids::JPEG_BASELINE8_BIT)));
    let worst = values
        .iter()
        .zip(smooth.as_raw())
        .map(|(a, b)| (a - f32::from(*b)).abs());
    assert!(worst.fold(0.0, f32::max) < 12.0);

    let colour = ImageBuffer::from_pixel(16, 16, Rgb([200_u8, 30, 60]));
    let jpeg = encoded(&DynamicImage::ImageRgb8(colour), ImageFormat::Jpeg);
    let inside = Dicom::colour(16, 16, "YBR_FULL_422").fragments(&[&jpeg]);
    let Samples::Rgb8(v) = read(&inside.file(uids::JPEG_BASELINE8_BIT)).samples else {
        panic!("colour");
    };
    assert!(
        v[0].abs_diff(200) < 6 && v[1].abs_diff(30) < 6 && v[2].abs_diff(60) < 6,
        "{:?}",
        &v[..3]
    );
}

/// Extended sequential JPEG (T.81 SOF1) with 12 bits, in DICOM and as a file.
#[test]
fn twelve_bit_jpeg_keeps_its_bits() {
    let (w, h) = (48, 32);
    let smooth: Vec<i16> = (0..w * h)
        .map(|i| (i % w * 60 + i / w * 30) as i16)
        .collect();
    let jpeg = compress_12bit(&smooth, w, h, 1, 100, Subsampling::S444).unwrap();
    let inside = Dicom::radiograph(w as u16, h as u16, 12).fragments(&[&jpeg]);
    for r in [read(&inside.file(uids::JPEG_EXTENDED12_BIT)), read(&jpeg)] {
        let Samples::Grey16(values) = &r.samples else {
            panic!("{:?}", r.samples);
        };
        assert_eq!((r.width, r.height, r.bits_stored), (w, h, 12));
        let worst = values
            .iter()
            .zip(&smooth)
            .map(|(a, &b)| a.abs_diff(b as u16));
        assert!(worst.max() < Some(8));
    }
}

#[test]
fn a_jpeg_stream_overrides_the_colour_space_of_its_data_set() {
    let colour = ImageBuffer::from_pixel(16, 16, Rgb([200_u8, 30, 60]));
    let jfif = encoded(&DynamicImage::ImageRgb8(colour), ImageFormat::Jpeg);
    assert_eq!(jfif[2..4], [0xff, 0xe0], "a JFIF segment");
    let bare = [&jfif[..2], &jfif[4 + usize::from(jfif[5])..]].concat();
    let named = |names: [u8; 3]| {
        let mut jpeg = bare.clone();
        let place = |marker: [u8; 2]| {
            jpeg.windows(2)
                .position(|w| w == marker)
                .expect("a segment")
        };
        let (frame, scan) = (place([0xff, 0xc0]), place([0xff, 0xda]));
        for (i, name) in names.into_iter().enumerate() {
            jpeg[frame + 10 + 3 * i] = name;
            jpeg[scan + 5 + 2 * i] = name;
        }
        jpeg
    };
    let first = |jpeg: &[u8], interpretation| {
        let file = Dicom::colour(16, 16, interpretation).fragments(&[jpeg]);
        match read(&file.file(uids::JPEG_BASELINE8_BIT)).samples {
            Samples::Rgb8(v) => [v[0], v[1], v[2]],
            other => panic!("{other:?}"),
        }
    };
    let near =
        |found: [u8; 3], wanted: [u8; 3]| found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 6);
    // BT.601 of that colour.
    let (converted, stored) = ([200, 30, 60], [84, 114, 211]);
    for (names, jpeg, interpretation, expected) in [
        ("JFIF", jfif.clone(), "RGB", converted),
        ("1, 2, 3", bare.clone(), "RGB", converted),
        ("R, G, B", named(*b"RGB"), "YBR_FULL_422", stored),
        ("0, 1, 2", named([0, 1, 2]), "RGB", stored),
        ("0, 1, 2", named([0, 1, 2]), "YBR_FULL_422", converted),
    ] {
        let found = first(&jpeg, interpretation);
        assert!(near(found, expected), "{names} {interpretation}: {found:?}");
    }
}

#[cfg(not(feature = "jpeg2000"))]
#[test]
fn a_codec_that_was_not_built_in_is_refused_by_name() {
    let file = Dicom::radiograph(37, 29, 12).fragments(&[&fixture("phantom-37x29-12bit.j2k")]);
    let ImageFault::Unsupported(reason) = fault(&file.file(uids::JPEG2000_LOSSLESS)) else {
        panic!("unsupported");
    };
    assert!(
        reason.contains("JPEG 2000") && reason.contains("feature"),
        "{reason}"
    );
}
