//! Files of every supported kind, made here and read back.

mod imaging_files;
mod skip;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cxr::domain::{
    InputCheck, Issuer, Modality, Objection, PhotometricInterpretation, PixelTransform, Radiograph,
    Rescale, Sameness, Samples, ViewPosition, VoiFunction, WindowLevel,
};
use cxr::imaging::{
    DecodeLimits, Decoder, ImageFault, Viewport, VoiLut, grey_values, looks_like_image, open,
    render,
};
use cxr::inference::{Classifier, Classify};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use imaging_files::{
    BIG_ENDIAN, DEFLATED, Dicom, EXPLICIT, Files, IMPLICIT, data_set_start, lossless_jpeg, phantom,
    rle,
};
use libjpeg_turbo_rs::Subsampling;
use libjpeg_turbo_rs::precision::compress_12bit;

fn read(bytes: &[u8]) -> Radiograph {
    let files = Files::new();
    let path = files.put("name-without-extension", bytes);
    open(&path, &DecodeLimits::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn fault(bytes: &[u8]) -> ImageFault {
    let files = Files::new();
    let path = files.put("name-without-extension", bytes);
    open(&path, &DecodeLimits::default())
        .expect_err("a fault")
        .fault()
        .clone()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("encode");
    bytes.into_inner()
}

fn bytes_of(values: &[u16]) -> Vec<u8> {
    values.iter().map(|&v| v as u8).collect()
}

const W: usize = 37;
const H: usize = 29;

#[test]
fn grey_pictures_of_8_and_16_bits_come_back_unchanged() {
    let (eight, sixteen) = (bytes_of(&phantom(W, H, 8)), phantom(W, H, 16));
    let grey8 =
        DynamicImage::ImageLuma8(ImageBuffer::from_raw(W as u32, H as u32, eight.clone()).unwrap());
    let grey16: DynamicImage =
        ImageBuffer::<Luma<u16>, _>::from_raw(W as u32, H as u32, sixteen.clone())
            .unwrap()
            .into();
    for format in [
        ImageFormat::Png,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
        ImageFormat::WebP,
    ] {
        let r = read(&encoded(&grey8, format));
        assert_eq!((r.width, r.height, r.bits_stored), (W, H, 8), "{format:?}");
        assert_eq!(r.samples, Samples::Grey8(eight.clone()), "{format:?}");
        assert_eq!(r.photometric, PhotometricInterpretation::Monochrome2);
    }
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let r = read(&encoded(&grey16, format));
        assert_eq!(r.samples, Samples::Grey16(sixteen.clone()), "{format:?}");
        assert_eq!(r.bits_stored, 16);
    }
    assert_eq!(read(&encoded(&grey8, ImageFormat::Jpeg)).format, "JPEG");
}

#[test]
fn colour_with_equal_channels_is_grey_and_alpha_does_not_darken() {
    let grey = Rgb([7, 7, 7]);
    let same = ImageBuffer::from_pixel(4, 3, grey);
    let r = read(&encoded(
        &DynamicImage::ImageRgb8(same.clone()),
        ImageFormat::Png,
    ));
    assert_eq!(r.samples, Samples::Grey8(vec![7; 12]));

    let mut one_differs = same;
    one_differs.put_pixel(2, 1, Rgb([7, 8, 7]));
    let r = read(&encoded(
        &DynamicImage::ImageRgb8(one_differs),
        ImageFormat::Png,
    ));
    assert_eq!(
        (r.samples.channels(), r.photometric),
        (3, PhotometricInterpretation::Rgb)
    );

    let half = ImageBuffer::from_pixel(2, 2, LumaA([200_u8, 128]));
    let r = read(&encoded(&DynamicImage::ImageLumaA8(half), ImageFormat::Png));
    assert_eq!(r.samples, Samples::Grey8(vec![200; 4]));

    let clear = ImageBuffer::from_pixel(2, 2, Rgba([60_000_u16, 60_000, 60_000, 0]));
    let r = read(&encoded(
        &DynamicImage::ImageRgba16(clear),
        ImageFormat::Png,
    ));
    assert_eq!(r.samples, Samples::Grey16(vec![60_000; 4]));
}

#[test]
fn exif_orientation_is_applied() {
    // Dark on the left. Orientation 6 means that the top is on the right, so the picture is turned
    // clockwise.
    let stored = ImageBuffer::from_fn(32, 16, |x, _| Luma([if x < 16 { 10_u8 } else { 240 }]));
    let plain = encoded(&DynamicImage::ImageLuma8(stored), ImageFormat::Jpeg);
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let r = read(&[&plain[..2], exif, &plain[2..]].concat());
    assert_eq!((r.width, r.height), (16, 32));
    let values = grey_values(&r);
    assert!(
        values[8] < 40.0 && values[31 * 16 + 8] > 200.0,
        "dark half on top"
    );
}

#[test]
fn a_cut_off_jpeg_is_damaged_and_bytes_after_its_end_are_ignored() {
    let stored = ImageBuffer::from_fn(64, 48, |x, y| Luma([(x * y) as u8]));
    let whole = encoded(&DynamicImage::ImageLuma8(stored), ImageFormat::Jpeg);
    let expected = read(&whole).samples;
    assert_eq!(read(&[&whole[..], b"trailing"].concat()).samples, expected);
    // The thumbnail inside a segment has an end marker, but the picture itself is cut off.
    let thumbnail = b"\xff\xe1\x00\x0aExif\0\0\xff\xd9";
    let with_thumbnail = [&whole[..2], thumbnail, &whole[2..]].concat();
    assert_eq!(read(&with_thumbnail).samples, expected);
    for file in [whole, with_thumbnail] {
        for kept in [file.len() / 2, file.len() * 9 / 10, file.len() - 2] {
            let fault = fault(&file[..kept]);
            let ImageFault::Damaged(reason) = &fault else {
                panic!("{kept} bytes: {fault}");
            };
            if kept > file.len() / 2 {
                assert!(reason.contains(&format!("after {kept} bytes")), "{reason}");
            }
        }
    }
}

#[test]
fn floating_point_keeps_its_scale() {
    let grey = [-0.5_f32, 0.25, 3.5, f32::NAN];
    let of = |pixel: &dyn Fn(f32) -> [f32; 3]| {
        let values = grey.iter().flat_map(|&v| pixel(v)).collect();
        let picture = ImageBuffer::from_raw(2, 2, values).expect("four pixels");
        read(&encoded(
            &DynamicImage::ImageRgb32F(picture),
            ImageFormat::Tiff,
        ))
    };
    let r = of(&|v| [v; 3]);
    assert_eq!(r.samples, Samples::GreyF32(vec![-0.5, 0.25, 3.5, -0.5]));
    assert_eq!(
        of(&|v| [v, 1.0, 0.0]).samples,
        // Scaled so that the largest value is 255.
        Samples::Rgb8(vec![0, 73, 0, 18, 73, 0, 255, 73, 0, 0, 73, 0])
    );
}

#[test]
fn a_tiff_with_a_broken_orientation_is_read_as_stored() {
    let stored = ImageBuffer::from_fn(4, 2, |x, y| Luma([(x + 4 * y) as u8]));
    let mut tiff = encoded(&DynamicImage::ImageLuma8(stored.clone()), ImageFormat::Tiff);
    // In the directory at the end of the file, an optional entry is replaced by an orientation whose
    // value lies outside the file.
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let entries = usize::from(u16::from_le_bytes(
        tiff[directory..directory + 2].try_into().unwrap(),
    ));
    let mut list: Vec<Vec<u8>> = tiff[directory + 2..][..12 * entries]
        .chunks(12)
        .map(<[u8]>::to_vec)
        .collect();
    let resolution = list
        .iter()
        .position(|e| e[..2] == 282_u16.to_le_bytes())
        .expect("an entry that no decoder needs");
    list.remove(resolution);
    let orientation = [
        &274_u16.to_le_bytes()[..],
        &3_u16.to_le_bytes(),
        &9_u32.to_le_bytes(),
        &0xffff_fff0_u32.to_le_bytes(),
    ];
    list.push(orientation.concat());
    list.sort_by_key(|e| u16::from_le_bytes([e[0], e[1]]));
    tiff[directory + 2..][..12 * entries].copy_from_slice(&list.concat());
    assert_eq!(read(&tiff).samples, Samples::Grey8(stored.into_raw()));
}

#[test]
fn the_memory_limit_counts_every_copy_of_the_picture() {
    let files = Files::new();
    let grey = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(100, 100, Luma([1])));
    let path = files.put("grey", &encoded(&grey, ImageFormat::Png));
    let opened = |max_memory| {
        let limits = DecodeLimits {
            max_memory,
            ..DecodeLimits::default()
        };
        open(&path, &limits).map_err(|e| e.fault().clone())
    };
    assert!(matches!(opened(29_999), Err(ImageFault::TooLarge(_))));
    assert!(!matches!(opened(10 << 20), Err(ImageFault::TooLarge(_))));
}

#[test]
fn uncompressed_dicom_is_the_same_in_every_encoding() {
    let pixels = phantom(W, H, 12);
    let file = Dicom::radiograph(W as u16, H as u16, 12)
        .text(tags::PATIENT_SEX, VR::CS, "F")
        .words(&pixels);
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED] {
        let bytes = file.file(syntax);
        let r = read(&bytes);
        assert_eq!(r.samples, Samples::Grey16(pixels.clone()), "{syntax}");
        assert_eq!((r.bits_stored, r.frames), (12, 1));
        assert_eq!(r.patient.sex.as_deref(), Some("F"));
        assert_eq!(r.modality, Modality::Radiography("DX".into()));
        // Without the preamble.
        assert_eq!(read(&bytes[128..]).samples, r.samples, "{syntax}");
        assert_eq!(read(&bytes[132..]).samples, r.samples, "{syntax}");
        // A bare data set. A deflated one could not be recognised.
        if syntax != DEFLATED {
            let bare = &bytes[data_set_start(&bytes)..];
            assert_eq!(read(bare).samples, r.samples, "{syntax}");
        }
    }
}

#[test]
fn only_the_stored_bits_are_read_and_signs_are_kept() {
    // 12 bits from bit 1 to bit 12, with overlay bits above and an arbitrary bit below.
    let pixels: Vec<u16> = phantom(W, H, 12).iter().map(|v| v << 1 | 0xe001).collect();
    let shifted = Dicom::radiograph(W as u16, H as u16, 12).number(tags::HIGH_BIT, 12);
    let r = read(&shifted.clone().words(&pixels).file(EXPLICIT));
    assert_eq!(r.samples, Samples::Grey16(phantom(W, H, 12)));

    let signed = shifted
        .number(tags::PIXEL_REPRESENTATION, 1)
        .words(&pixels)
        .file(EXPLICIT);
    let expected = phantom(W, H, 12)
        .iter()
        .map(|&v| (v << 4) as i16 >> 4)
        .collect();
    assert_eq!(read(&signed).samples, Samples::GreySigned16(expected));

    let one_bit = Dicom::radiograph(8, 2, 8)
        .number(tags::BITS_ALLOCATED, 1)
        .number(tags::BITS_STORED, 1)
        .number(tags::HIGH_BIT, 0)
        .bytes(&[0b0000_0011, 0b1000_0000]);
    let expected = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(
        read(&one_bit.file(EXPLICIT)).samples,
        Samples::Grey8(expected)
    );
}

#[test]
fn monochrome1_is_inverted_exactly_once_on_the_screen_and_for_the_model() {
    let pixels = phantom(W, H, 8);
    let film: Vec<u16> = pixels.iter().map(|v| 255 - v).collect();
    let positive = Dicom::radiograph(W as u16, H as u16, 8).bytes(&bytes_of(&pixels));
    let negative = Dicom::radiograph(W as u16, H as u16, 8)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1")
        .text(tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE")
        .bytes(&bytes_of(&film));
    let (p, n) = (
        read(&positive.file(EXPLICIT)),
        read(&negative.file(EXPLICIT)),
    );
    assert!(n.inverted && !p.inverted);
    assert_eq!(
        n.samples,
        Samples::Grey8(bytes_of(&film)),
        "samples stay as stored"
    );

    let picture = |r: &Radiograph| render(r, &VoiLut::of(r), Viewport::whole(r), W, H).pixels;
    assert_eq!(picture(&p), picture(&n));
    let shifted: Vec<f32> = grey_values(&n).iter().map(|v| v + 255.0).collect();
    assert_eq!(grey_values(&p), shifted);
}

#[test]
fn the_modality_transform_is_a_rescale_or_a_table() {
    let pixels = [0, 1, 2, 3];
    let line = Dicom::radiograph(2, 2, 12)
        .text(tags::RESCALE_SLOPE, VR::DS, "2.5")
        .text(tags::RESCALE_INTERCEPT, VR::DS, "-10")
        .words(&pixels);
    assert_eq!(
        grey_values(&read(&line.file(EXPLICIT))),
        [-10.0, -7.5, -5.0, -2.5]
    );

    let lut = Dicom(dicom_object::InMemDicomObject::new_empty())
        .with(
            tags::LUT_DESCRIPTOR,
            VR::US,
            PrimitiveValue::U16([3, 1, 16].as_ref().into()),
        )
        .with(
            tags::LUT_DATA,
            VR::US,
            PrimitiveValue::U16([100, 50, 7].as_ref().into()),
        );
    let table = Dicom::radiograph(2, 2, 12)
        .sequence(tags::MODALITY_LUT_SEQUENCE, lut.clone())
        .words(&pixels);
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let r = read(&table.file(syntax));
        assert_eq!(grey_values(&r), [100.0, 100.0, 50.0, 7.0], "{syntax}");
    }
    let voi = Dicom::radiograph(2, 2, 12)
        .sequence(tags::VOILUT_SEQUENCE, lut)
        .words(&pixels);
    let r = read(&voi.file(EXPLICIT));
    assert_eq!(r.voi_luts[0].entries, [100, 50, 7]);
    assert_eq!(VoiLut::of(&r).centre_width(), (2.5, 3.0));
}

#[test]
fn windows_are_read_in_order_and_applied_as_the_standard_defines() {
    let r = read(
        &Dicom::radiograph(2, 2, 12)
            .text(tags::WINDOW_CENTER, VR::DS, "2048\\100\\5")
            .text(tags::WINDOW_WIDTH, VR::DS, "4096\\200\\0")
            .text(
                tags::WINDOW_CENTER_WIDTH_EXPLANATION,
                VR::LO,
                "NORMAL\\HARD\x1b[2J\\",
            )
            .words(&[0, 1000, 2048, 4095])
            .file(EXPLICIT),
    );
    assert_eq!(r.windows.len(), 2, "a width of 0 is not a window");
    assert_eq!(r.windows[1].explanation.as_deref(), Some("HARD [2J"));
    let voi = VoiLut::of(&r);
    assert_eq!(voi.centre_width(), (2048.0, 4096.0));
    assert_eq!([0.0, 4095.0].map(|v| voi.apply(v)), [0, 255]);
    assert_eq!(
        [0.0, 4095.0].map(|v| voi.clone().with_invert(true).apply(v)),
        [255, 0]
    );

    let window = |function| WindowLevel {
        centre: 10.0,
        width: 4.0,
        function,
        explanation: None,
    };
    let light = |function, v: f64| VoiLut::window(&r, window(function)).apply(v);
    // PS3.3 C.11.2.1.2: from c − 0.5 − (w − 1)/2 = 8 to c − 0.5 + (w − 1)/2 = 11.
    assert_eq!(
        [8.0, 9.5, 11.0].map(|v| light(VoiFunction::Linear, v)),
        [0, 128, 255]
    );
    assert_eq!(
        [8.0, 10.0, 12.0].map(|v| light(VoiFunction::LinearExact, v)),
        [0, 128, 255]
    );
    assert_eq!(
        [8.0, 10.0, 12.0].map(|v| light(VoiFunction::Sigmoid, v)),
        [30, 128, 225]
    );
}

#[test]
fn the_window_never_changes_a_value_of_the_model() {
    let pixels = phantom(W, H, 12);
    let plain = Dicom::radiograph(W as u16, H as u16, 12);
    let windowed = plain.clone().text(tags::WINDOW_CENTER, VR::DS, "300").text(
        tags::WINDOW_WIDTH,
        VR::DS,
        "20",
    );
    let values = |d: Dicom| grey_values(&read(&d.words(&pixels).file(EXPLICIT)));
    assert_eq!(values(plain), values(windowed));
}

#[test]
fn padding_is_dark_and_outside_every_statistic() {
    let pixels = [4095, 100, 4000, 200];
    let file = Dicom::radiograph(2, 2, 12)
        .number(tags::PIXEL_PADDING_VALUE, 4000)
        .number(tags::PIXEL_PADDING_RANGE_LIMIT, 4095);
    let r = read(&file.clone().words(&pixels).file(EXPLICIT));
    assert_eq!(r.padding, Some((4000, 4095)));
    assert_eq!(grey_values(&r), [100.0, 100.0, 100.0, 200.0]);
    let voi = VoiLut::of(&r);
    assert_eq!(
        render(&r, &voi, Viewport::whole(&r), 2, 2).pixels,
        [0, 0, 0, 255]
    );

    let film = file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    let r = read(&film.words(&pixels).file(EXPLICIT));
    assert_eq!(grey_values(&r), [-200.0, -100.0, -200.0, -200.0]);
}

#[test]
fn the_first_frame_is_read_and_the_others_are_counted() {
    let (first, second) = (phantom(W, H, 12), vec![9; W * H]);
    let file = Dicom::radiograph(W as u16, H as u16, 12).text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    let r = read(
        &file
            .clone()
            .words(&[first.clone(), second].concat())
            .file(EXPLICIT),
    );
    assert_eq!((r.frames, r.samples), (2, Samples::Grey16(first.clone())));

    let planes = |v: &[u16]| {
        vec![
            v.iter().map(|v| (v >> 8) as u8).collect(),
            v.iter().map(|&v| v as u8).collect(),
        ]
    };
    let garbage: &[u8] = &[0xff; 40];
    let r = read(
        &file
            .fragments(&[&rle(&planes(&first)), garbage])
            .file(uids::RLE_LOSSLESS),
    );
    assert_eq!((r.frames, r.samples), (2, Samples::Grey16(first)));
}

#[test]
fn palettes_and_interleaved_or_planar_colour_become_rgb() {
    let rgb: Vec<u8> = vec![1, 2, 3, 40, 50, 60, 70, 80, 90, 255, 0, 128];
    let expected = Samples::Rgb8(rgb.clone());
    assert_eq!(
        read(&Dicom::colour(2, 2, "RGB").bytes(&rgb).file(EXPLICIT)).samples,
        expected
    );
    let planes: Vec<u8> = (0..3)
        .flat_map(|c| rgb.iter().skip(c).step_by(3).copied())
        .collect();
    let planar = Dicom::colour(2, 2, "RGB").number(tags::PLANAR_CONFIGURATION, 1);
    assert_eq!(
        read(&planar.bytes(&planes).file(EXPLICIT)).samples,
        expected
    );
    let split: Vec<Vec<u8>> = planes.chunks(4).map(<[u8]>::to_vec).collect();
    let packed = Dicom::colour(2, 2, "RGB").fragments(&[&rle(&split)]);
    assert_eq!(read(&packed.file(uids::RLE_LOSSLESS)).samples, expected);

    // Neutral chroma is grey.
    let ybr = Dicom::colour(2, 1, "YBR_FULL").bytes(&[10, 128, 128, 200, 128, 128]);
    assert_eq!(
        read(&ybr.file(EXPLICIT)).samples,
        Samples::Grey8(vec![10, 200])
    );
    let red = Dicom::colour(1, 1, "YBR_FULL").bytes(&[76, 85, 255]);
    assert_eq!(
        read(&red.file(EXPLICIT)).samples,
        Samples::Rgb8(vec![254, 0, 0])
    );

    let table = |values: [u16; 3]| PrimitiveValue::U16(values.as_ref().into());
    let descriptor = table([3, 0, 16]);
    let indexed = Dicom::radiograph(2, 2, 8)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "PALETTE COLOR")
        .with(
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            VR::US,
            descriptor.clone(),
        )
        .with(
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            VR::US,
            descriptor.clone(),
        )
        .with(
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            VR::US,
            descriptor,
        )
        .with(
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            VR::OW,
            table([0, 0x1000, 0xff00]),
        )
        .with(
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            VR::OW,
            table([0, 0x2000, 0]),
        )
        .with(
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            VR::OW,
            table([0, 0x3000, 0]),
        )
        .bytes(&[0, 1, 2, 200]);
    let expected = Samples::Rgb8(vec![0, 0, 0, 16, 32, 48, 255, 0, 0, 255, 0, 0]);
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let r = read(&indexed.file(syntax));
        assert_eq!(r.samples, expected, "{syntax}");
        assert_eq!(r.photometric, PhotometricInterpretation::Palette);
    }
}

#[test]
fn windows_and_rescales_are_for_grey_values_only() {
    let rgb = vec![1, 2, 3, 40, 50, 60];
    let lut = Dicom(dicom_object::InMemDicomObject::new_empty())
        .with(
            tags::LUT_DESCRIPTOR,
            VR::US,
            PrimitiveValue::U16([1, 0, 8].as_ref().into()),
        )
        .number(tags::LUT_DATA, 7);
    let with_windows = |file: Dicom| {
        file.text(tags::WINDOW_CENTER, VR::DS, "5")
            .text(tags::WINDOW_WIDTH, VR::DS, "2")
            .text(tags::RESCALE_SLOPE, VR::DS, "9")
            .text(tags::RESCALE_INTERCEPT, VR::DS, "-1000")
            .sequence(tags::VOILUT_SEQUENCE, lut.clone())
    };
    let colour = Dicom::colour(2, 1, "RGB").bytes(&rgb);
    let plain = read(&colour.clone().file(EXPLICIT));
    let other = read(&with_windows(colour).file(EXPLICIT));
    let content = other.content;
    assert_ne!(content, plain.content, "they are two files");
    assert_eq!(other, Radiograph { content, ..plain });
    let grey = Dicom::radiograph(2, 1, 8).bytes(&[1, 2]);
    let r = read(&with_windows(grey).file(EXPLICIT));
    assert_eq!((r.windows.len(), r.voi_luts.len()), (1, 1));
}

#[test]
fn an_odd_number_of_pixels_may_have_subsampled_colours() {
    let grey = [10, 20, 128, 128, 30, 0, 128, 128];
    let file = Dicom::colour(3, 1, "YBR_FULL_422").bytes(&grey);
    let r = read(&file.file(EXPLICIT));
    assert_eq!(r.samples, Samples::Grey8(vec![10, 20, 30]));
    let short = Dicom::colour(3, 1, "YBR_FULL_422").bytes(&grey[..6]);
    assert!(matches!(
        fault(&short.file(EXPLICIT)),
        ImageFault::Damaged(_)
    ));
}

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

#[test]
fn icons_and_unread_sequences_do_not_keep_a_film_from_being_read() {
    let film = Dicom::radiograph(2, 2, 8).bytes(&[1, 2, 3, 4]);
    let expected = Samples::Grey8(vec![1, 2, 3, 4]);
    // A compressed icon, whose fragments are not data sets.
    let icon = Dicom::radiograph(2, 2, 8).fragments(&[&[0xff; 40], &[7; 9]]);
    let with_icon = film.clone().sequence(tags::ICON_IMAGE_SEQUENCE, icon);
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        assert_eq!(read(&with_icon.file(syntax)).samples, expected, "{syntax}");
    }
    // A sequence of defined length whose content is not items.
    let bytes = film.file(EXPLICIT);
    let rows = bytes
        .windows(6)
        .position(|w| w == [0x28, 0, 0x10, 0, b'U', b'S'])
        .expect("Rows");
    let sequence = b"\x20\0\x00\x90SQ\0\0\x06\0\0\0abcdef";
    let with_junk = [&bytes[..rows], sequence, &bytes[rows..]].concat();
    assert_eq!(read(&with_junk).samples, expected);
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

/// The objections of the header.
fn objections(file: Dicom) -> Vec<Objection> {
    read(&file.bytes(&[0; 4]).file(EXPLICIT))
        .admission
        .objections
}

#[test]
fn objections_of_the_header_are_read() {
    let code = |value: &str, meaning: &str| {
        Dicom(dicom_object::InMemDicomObject::new_empty())
            .text(tags::CODE_VALUE, VR::SH, value)
            .text(tags::CODE_MEANING, VR::LO, meaning)
    };
    let film = || Dicom::radiograph(2, 2, 8);
    let cs = |tag, value: &str| film().text(tag, VR::CS, value);
    let body = |part: &str| Objection::BodyPart(part.to_owned());
    let view = |view: &str| Objection::View(view.to_owned());
    let capture = |how: &str| Objection::SecondaryCapture(Some(how.to_owned()));
    let of_class = |class: &str| film().text(tags::SOP_CLASS_UID, VR::UI, class);
    let class = |is_of: &str| Objection::Class {
        is_of: is_of.to_owned(),
        modality: "DX".to_owned(),
    };
    let region =
        |value, meaning| film().sequence(tags::ANATOMIC_REGION_SEQUENCE, code(value, meaning));
    for (file, expected) in [
        (
            cs(tags::PRESENTATION_INTENT_TYPE, "FOR PROCESSING"),
            Objection::ForProcessing,
        ),
        (
            film().text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            ),
            Objection::ForProcessing,
        ),
        (
            cs(tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION").text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            ),
            Objection::ForProcessing,
        ),
        (of_class(uids::CT_IMAGE_STORAGE), class("CT")),
        (of_class(uids::ULTRASOUND_IMAGE_STORAGE), class("US")),
        (
            of_class(uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION),
            class("MG"),
        ),
        (cs(tags::BODY_PART_EXAMINED, "HAND"), body("HAND")),
        (
            cs(tags::BODY_PART_EXAMINED, "CHESTABDOMEN"),
            body("CHESTABDOMEN"),
        ),
        (cs(tags::BODY_PART_EXAMINED, "TSPINE"), body("TSPINE")),
        (region("T-D8700", "Hand"), body("Hand")),
        (
            cs(tags::IMAGE_TYPE, "DERIVED\\SECONDARY"),
            Objection::Derived("DERIVED\\SECONDARY".into()),
        ),
        (
            cs(tags::IMAGE_TYPE, "ORIGINAL\\SECONDARY"),
            Objection::Derived("ORIGINAL\\SECONDARY".into()),
        ),
        (
            cs(tags::IMAGE_TYPE, "DERIVED"),
            Objection::Derived("DERIVED".into()),
        ),
        (
            film().text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
            ),
            Objection::SecondaryCapture(None),
        ),
        (
            film().text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.7.2"),
            Objection::SecondaryCapture(None),
        ),
        (cs(tags::CONVERSION_TYPE, "DF"), capture("digitised film")),
        (
            cs(tags::CONVERSION_TYPE, "WSD").text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY"),
            capture("workstation"),
        ),
        (cs(tags::BURNED_IN_ANNOTATION, "YES"), Objection::BurnedIn),
        (cs(tags::LATERALITY, "L"), Objection::OneSide("L".into())),
        (
            cs(tags::IMAGE_LATERALITY, "R"),
            Objection::OneSide("R".into()),
        ),
        (cs(tags::VIEW_POSITION, "RLD"), view("RLD")),
        (cs(tags::VIEW_POSITION, "LAO"), view("LAO")),
        (
            film().sequence(
                tags::VIEW_CODE_SEQUENCE,
                code("R-10208", "left anterior oblique"),
            ),
            view("left anterior oblique"),
        ),
        (
            cs(tags::PATIENT_ORIENTATION, "A\\F"),
            view("with rows to A (a lateral's)"),
        ),
    ] {
        assert_eq!(objections(file), [expected]);
    }
}

/// From the file to the input check.
#[test]
fn an_objection_is_a_caution_with_scores_and_another_modality_is_refused() {
    let model = Classifier::bundled().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/pneumonia_1.png");
    let sample = image::open(sample).unwrap().into_luma8();
    let film = |tag, value: &str| {
        let file = Dicom::radiograph(sample.width() as u16, sample.height() as u16, 8);
        read(&file.text(tag, VR::CS, value).bytes(&sample).file(EXPLICIT))
    };
    let hand = model
        .classify(&film(tags::BODY_PART_EXAMINED, "HAND"))
        .unwrap();
    let why = vec!["body part HAND, not chest".to_owned()];
    assert_eq!(hand.input, InputCheck::Caution(why));
    assert!(!hand.findings.is_empty());
    for modality in ["CT", "MR", "US", "NM", "PT", "MG"] {
        let refused = model.classify(&film(tags::MODALITY, modality)).unwrap();
        let why = [format!("modality {modality} is not plain radiography")];
        assert_eq!(
            refused.input,
            InputCheck::Refused(why.to_vec()),
            "it is refused before it is scored"
        );
        assert!(refused.findings.is_empty());
    }
}

#[test]
fn ordinary_films_of_devices_and_archives_have_no_objection() {
    let cs = |tag, value: &str| Dicom::radiograph(2, 2, 8).text(tag, VR::CS, value);
    let chest = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::CODE_VALUE, VR::SH, "T-D3000")
        .text(tags::CODE_MEANING, VR::LO, "Brustkorb");
    // A film for presentation as defined in PS3.3 A.26.
    let whole = cs(tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION")
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY\\")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
        .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO")
        .text(tags::IMAGE_LATERALITY, VR::CS, "U")
        .text(tags::VIEW_POSITION, VR::CS, "PA")
        .text(tags::PATIENT_ORIENTATION, VR::CS, "L\\F")
        .sequence(tags::ANATOMIC_REGION_SEQUENCE, chest);
    assert_eq!(objections(whole), []);
    assert_eq!(objections(Dicom::radiograph(2, 2, 8)), []);
    for class in [
        uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
        uids::X_RAY_ANGIOGRAPHIC_IMAGE_STORAGE,
        uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE,
        "1.2.3",
    ] {
        let file = Dicom::radiograph(2, 2, 8).text(tags::SOP_CLASS_UID, VR::UI, class);
        assert_eq!(objections(file), [], "{class}");
    }
    // A CT is refused for its modality. Its class agrees with that, so there is no further objection.
    let ct = cs(tags::MODALITY, "CT").text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    assert_eq!(objections(ct), []);
    for (tag, values) in [
        (
            tags::BODY_PART_EXAMINED,
            &[
                "THORAX",
                "Chest",
                "CHEST PA",
                "TORAX",
                "PORT CHEST",
                "LUNG",
                "T-D3000",
                "",
                "UNKNOWN",
            ][..],
        ),
        (tags::IMAGE_TYPE, &["ORIGINAL\\PRIMARY", "ORIGINAL", ""]),
        (tags::LATERALITY, &["", "U", "B"]),
        (tags::VIEW_POSITION, &["AP", "PA", "L", "R", "", "LL"]),
        (tags::PATIENT_ORIENTATION, &["R\\F", "L\\F", ""]),
        (tags::BURNED_IN_ANNOTATION, &["NO", ""]),
        (tags::CONVERSION_TYPE, &[""]),
    ] {
        for value in values {
            assert_eq!(objections(cs(tag, value)), [], "{tag} {value:?}");
        }
    }
}

#[test]
fn without_a_modality_the_class_decides() {
    let mut file =
        Dicom::radiograph(2, 2, 8).text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    file.0.remove_element(tags::MODALITY);
    let r = read(&file.bytes(&[0; 4]).file(EXPLICIT));
    assert_eq!(r.modality, Modality::Other("CT".into()));
}

#[test]
fn the_patient_identity_is_read_with_its_issuer_and_without_name_and_birth_date() {
    let qualifiers = |uid: &str| {
        Dicom(dicom_object::InMemDicomObject::new_empty()).text(
            tags::UNIVERSAL_ENTITY_ID,
            VR::UT,
            uid,
        )
    };
    let person = |name: &str, born: &str| {
        Dicom::radiograph(2, 2, 8)
            .text(tags::PATIENT_ID, VR::LO, "ANON")
            .text(tags::PATIENT_NAME, VR::PN, name)
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, born)
    };
    let identity = |file: Dicom| read(&file.bytes(&[0; 4]).file(EXPLICIT)).patient.identity();
    let doe = identity(person("Doe^Jane", "19500102"));
    assert_eq!(
        doe.agrees(&identity(person("DOE^JANE^^^", "1950.01.02"))),
        Sameness::Same
    );
    assert_eq!(
        doe.agrees(&identity(person("Roe^Richard", "19500102"))),
        Sameness::Different
    );
    assert_eq!(
        doe.agrees(&identity(person("Doe^Jane", "19500103"))),
        Sameness::Different
    );
    assert_eq!(doe.agrees(&identity(person("", ""))), Sameness::Unproven);
    assert_eq!(identity(Dicom::radiograph(2, 2, 8)), Default::default());
    // Values that a de-identification writes for every patient do not tell patients apart.
    let anonymous = || person("ANONYMOUS", "19000101");
    let of_sex = |file: Dicom, sex: &str| identity(file.text(tags::PATIENT_SEX, VR::CS, sex));
    assert_eq!(
        identity(anonymous()).agrees(&identity(anonymous())),
        Sameness::Unproven
    );
    let (woman, man) = (of_sex(anonymous(), "F"), of_sex(anonymous(), "M"));
    assert_eq!(woman.agrees(&man), Sameness::Different);
    let (woman, other) = (
        of_sex(person("Doe^Jane", "19500102"), "F"),
        of_sex(person("Doe^Jane", "19500102"), "O"),
    );
    assert_eq!(woman.agrees(&other), Sameness::Same);

    let issued = person("Doe^Jane", "19500102").text(tags::ISSUER_OF_PATIENT_ID, VR::LO, "WARD 7");
    let issued = issued.sequence(
        tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
        qualifiers("1.2.3"),
    );
    let of_ward = identity(issued.clone());
    let expected = Issuer {
        local: Some("WARD 7".into()),
        universal: Some("1.2.3".into()),
    };
    assert_eq!(of_ward.issuer, expected);
    let other = issued.sequence(
        tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
        qualifiers("1.2.4"),
    );
    assert_eq!(of_ward.agrees(&identity(other)), Sameness::Different);
}

#[test]
fn patient_view_and_spacing_are_read_and_cleaned() {
    let code = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::CODE_VALUE, VR::SH, "R-10206")
        .text(tags::CODE_MEANING, VR::LO, "antero-posterior");
    let file = Dicom::radiograph(2, 2, 8)
        .text(tags::PATIENT_NAME, VR::PN, "Doe^Jane\x1b[31m^^Dr")
        .text(tags::PATIENT_ID, VR::LO, " 42\x07 ")
        .text(tags::PATIENT_AGE, VR::AS, "054Y")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.840.7")
        .text(tags::PIXEL_SPACING, VR::DS, "0.3\\0.2")
        .sequence(tags::VIEW_CODE_SEQUENCE, code);
    let r = read(&file.clone().bytes(&[0; 4]).file(EXPLICIT));
    assert_eq!(r.patient.name.as_deref(), Some("Doe Jane [31m Dr"));
    assert_eq!(r.patient.id.as_deref(), Some("42"));
    assert_eq!(r.uids.study.as_deref(), Some("1.2.840.7"));
    assert_eq!(r.uids.sop_instance.as_deref(), Some("1.2.3.4"));
    assert_eq!(r.uids.series, None);
    assert_eq!(r.patient.age.as_deref(), Some("054Y"));
    assert!((r.pixel_aspect - 1.5).abs() < 1e-9);
    assert_eq!(r.view, ViewPosition::Ap);

    let r = read(
        &file
            .text(tags::VIEW_POSITION, VR::CS, "PA")
            .bytes(&[0; 4])
            .file(EXPLICIT),
    );
    assert_eq!(
        r.view,
        ViewPosition::Pa,
        "the view position goes before the view code"
    );

    let r = |file: Dicom| read(&file.bytes(&[0; 4]).file(EXPLICIT)).taken;
    let study = Dicom::radiograph(2, 2, 8)
        .text(tags::STUDY_DATE, VR::DA, "20200229")
        .text(tags::STUDY_TIME, VR::TM, "0910");
    let acquired = study
        .clone()
        .text(tags::ACQUISITION_DATE, VR::DA, "20200301");
    let combined = acquired.clone().text(
        tags::ACQUISITION_DATE_TIME,
        VR::DT,
        "20200302112233.25-0500",
    );
    assert_eq!(r(study).as_deref(), Some("2020-02-29T09:10"));
    assert_eq!(r(acquired).as_deref(), Some("2020-03-01"));
    assert_eq!(r(combined).as_deref(), Some("2020-03-02T11:22:33.25"));
    assert_eq!(r(Dicom::radiograph(2, 2, 8)), None);

    for (stated, view) in [
        ("LL", ViewPosition::Lateral),
        ("RLAT", ViewPosition::Lateral),
        ("LEFT LATERAL", ViewPosition::Lateral),
        ("L", ViewPosition::Unknown),
        ("RLO", ViewPosition::Unknown),
    ] {
        let file = Dicom::radiograph(2, 2, 8).text(tags::VIEW_POSITION, VR::CS, stated);
        assert_eq!(
            read(&file.bytes(&[0; 4]).file(EXPLICIT)).view,
            view,
            "{stated}"
        );
    }

    let ct = Dicom::radiograph(2, 2, 8)
        .text(tags::MODALITY, VR::CS, "CT")
        .bytes(&[0; 4]);
    assert_eq!(
        read(&ct.file(EXPLICIT)).modality,
        Modality::Other("CT".into())
    );
}

#[test]
fn files_without_a_picture_are_refused_with_their_kind() {
    let report = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::SOP_CLASS_UID, VR::UI, uids::BASIC_TEXT_SR_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::MODALITY, VR::CS, "SR");
    assert_eq!(
        fault(&report.file(EXPLICIT)).to_string(),
        "not an image: structured report"
    );
    assert_eq!(
        fault(&report.file(EXPLICIT)),
        ImageFault::NoPicture("structured report".into())
    );
    // An object with rows had a picture, of whatever kind it claims to be.
    let stripped = report.clone().number(tags::ROWS, 2);
    let lost = "not an image: a DICOM object without pixel data (modality SR)";
    assert_eq!(fault(&stripped.file(EXPLICIT)).to_string(), lost);
    let stripped = Dicom::radiograph(2, 2, 8);
    assert!(matches!(
        fault(&stripped.file(EXPLICIT)),
        ImageFault::NotAnImage(_)
    ));
    assert_eq!(fault(b"").to_string(), "not an image: the file is empty");
    assert!(matches!(
        fault(b"%PDF-1.7 and so on"),
        ImageFault::NotAnImage(_)
    ));
    let missing = open(Path::new("no/such/file"), &DecodeLimits::default()).unwrap_err();
    assert!(matches!(missing.fault(), ImageFault::Unreadable(_)));
    assert!(matches!(
        open(
            Path::new(env!("CARGO_MANIFEST_DIR")),
            &DecodeLimits::default()
        )
        .unwrap_err()
        .fault(),
        ImageFault::NotAnImage(_)
    ));
}

#[test]
fn files_are_recognised_by_extension_or_else_by_content() {
    let files = Files::new();
    let dicom = Dicom::radiograph(2, 2, 8).bytes(&[0; 4]).file(EXPLICIT);
    assert!(looks_like_image(&files.put("IM-0001", &dicom)));
    assert!(looks_like_image(&files.put("a.JFIF", b"")));
    assert!(looks_like_image(&files.put("labels.csv", &dicom)));
    assert!(!looks_like_image(&files.put("notes.csv", b"path,finding")));
    assert!(!looks_like_image(&files.put("DICOMDIR", &dicom)));
    assert!(!looks_like_image(&files.put("notes", b"plain text")));
    assert!(!looks_like_image(files.path()));
}

#[test]
fn a_viewport_of_the_same_size_shows_the_stored_values() {
    let pixels = bytes_of(&phantom(W, H, 8));
    let r = read(
        &Dicom::radiograph(W as u16, H as u16, 8)
            .bytes(&pixels)
            .file(EXPLICIT),
    );
    let voi = VoiLut::of(&r);
    assert_eq!(render(&r, &voi, Viewport::whole(&r), W, H).pixels, pixels);
    let part = Viewport {
        x: 3.0,
        y: 5.0,
        width: 4.0,
        height: 2.0,
    };
    let expected = [&pixels[5 * W + 3..5 * W + 7], &pixels[6 * W + 3..6 * W + 7]].concat();
    assert_eq!(render(&r, &voi, part, 4, 2).pixels, expected);
    for odd in [f64::NAN, f64::INFINITY, -1e9, 0.0, 1e9] {
        let viewport = Viewport {
            x: odd,
            y: odd,
            width: odd,
            height: odd,
        };
        assert_eq!(render(&r, &voi, viewport, 5, 4).pixels.len(), 20, "{odd}");
    }
    assert!(render(&r, &voi, part, 0, 4).pixels.is_empty());
}

#[test]
fn an_automatic_window_spans_what_is_there() {
    let pixels: Vec<u16> = (0..10_000).map(|i| 1000 + i % 2000).collect();
    let file = Dicom::radiograph(100, 100, 14)
        .text(tags::WINDOW_CENTER, VR::DS, "12000")
        .text(tags::WINDOW_WIDTH, VR::DS, "100");
    let r = read(&file.words(&pixels).file(EXPLICIT));
    let (centre, width) = VoiLut::of(&r).centre_width();
    assert!(
        (centre - 2000.0).abs() < 30.0 && (width - 1980.0).abs() < 30.0,
        "{centre} {width}"
    );
    assert_eq!(
        r.modality_transform,
        PixelTransform::Linear(Rescale::default())
    );
}

fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_cxr"))
}

#[test]
fn a_decoder_process_answers_like_this_process_every_time() {
    let files = Files::new();
    let decoder = Decoder::new(DecodeLimits::default(), Some(worker()));
    let good = Dicom::radiograph(W as u16, H as u16, 12)
        .text(tags::WINDOW_CENTER, VR::DS, "300")
        .text(tags::WINDOW_WIDTH, VR::DS, "20")
        .text(tags::PATIENT_NAME, VR::PN, "Doe^Jane")
        .words(&phantom(W, H, 12));
    let good = files.put("good", &good.file(EXPLICIT));
    let report = files.put("report", &Dicom::radiograph(1, 1, 8).file(EXPLICIT));
    for _ in 0..3 {
        assert_eq!(decoder.open(&good), open(&good, &DecodeLimits::default()));
        assert_eq!(
            decoder.open(&report),
            open(&report, &DecodeLimits::default())
        );
    }
    assert_eq!(decoder.notice(), None);
}

#[test]
fn a_decoder_process_that_takes_too_long_is_replaced() {
    let files = Files::new();
    let large = Dicom::radiograph(4000, 4000, 16).words(&phantom(4000, 4000, 16));
    let path = files.put("large", &large.file(DEFLATED));
    let short = DecodeLimits {
        timeout: Duration::from_millis(1),
        ..DecodeLimits::default()
    };
    let decoder = Decoder::new(short, Some(worker()));
    for _ in 0..2 {
        assert!(matches!(
            decoder.open(&path).unwrap_err().fault(),
            ImageFault::TimedOut(_)
        ));
    }
}

#[test]
fn a_decoder_process_that_asks_for_too_much_memory_costs_one_file() {
    let files = Files::new();
    let path = files.put(
        "large",
        &Dicom::radiograph(3000, 3000, 16)
            .words(&[0; 16])
            .file(EXPLICIT),
    );
    let decoder = Decoder::new(
        DecodeLimits {
            max_memory: 1 << 20,
            ..DecodeLimits::default()
        },
        Some(worker()),
    );
    assert!(matches!(
        decoder.open(&path).unwrap_err().fault(),
        ImageFault::TooLarge(_)
    ));
}

#[test]
fn without_a_decoder_process_files_are_still_read() {
    let files = Files::new();
    let path = files.put(
        "good",
        &Dicom::radiograph(2, 2, 8)
            .bytes(&[1, 2, 3, 4])
            .file(EXPLICIT),
    );
    for helper in [Some(files.path().join("no-such-program")), None] {
        let decoder = Decoder::new(DecodeLimits::default(), helper);
        assert_eq!(
            decoder.open(&path).unwrap().samples,
            Samples::Grey8(vec![1, 2, 3, 4])
        );
        assert!(decoder.notice().is_some());
    }
}

/// A shell script, written by another process, because a program that this process has open for writing
/// cannot be started.
fn script(files: &Files, name: &str, body: &str) -> PathBuf {
    let path = files.path().join(name);
    let written = std::process::Command::new("sh")
        .args([
            "-c",
            r#"printf '#!/bin/sh\n%s\n' "$1" > "$0"; chmod +x "$0""#,
        ])
        .arg(&path)
        .arg(body)
        .status()
        .expect("a shell");
    assert!(written.success());
    path
}

#[test]
fn a_decoder_process_that_fails_to_start_once_costs_one_file() {
    let files = Files::new();
    let good = Dicom::radiograph(2, 2, 8).bytes(&[1, 2, 3, 4]);
    let path = files.put("good", &good.file(EXPLICIT));
    let body = format!(
        "cd '{}'; if mkdir tried; then exit 1; fi; exec '{}' \"$@\"",
        files.path().display(),
        worker().display()
    );
    let decoder = Decoder::new(DecodeLimits::default(), Some(script(&files, "once", &body)));
    let error = decoder.open(&path).unwrap_err();
    assert!(
        matches!(error.fault(), ImageFault::DecoderDied(_)),
        "{error}"
    );
    for _ in 0..2 {
        assert!(decoder.open(&path).is_ok());
        assert_eq!(decoder.notice(), None, "a decoder process runs again");
    }
}

#[test]
fn a_decoder_process_that_never_starts_is_given_up() {
    let files = Files::new();
    let good = Dicom::radiograph(2, 2, 8).bytes(&[1, 2, 3, 4]);
    let path = files.put("good", &good.file(EXPLICIT));
    let decoder = Decoder::new(
        DecodeLimits::default(),
        Some(script(&files, "never", "exit 1")),
    );
    for _ in 0..2 {
        assert!(decoder.open(&path).is_err());
        assert_eq!(decoder.notice(), None);
    }
    assert!(decoder.open(&path).is_ok());
    assert!(decoder.notice().is_some());

    // A program that is not cxr is recognised by its first word.
    let stranger = script(&files, "stranger", "echo Good morning; cat > /dev/null");
    let decoder = Decoder::new(DecodeLimits::default(), Some(stranger));
    assert!(decoder.open(&path).is_ok());
    assert!(decoder.notice().is_some());
}

/// Published radiographs, if they lie beside the project.
#[test]
fn published_radiographs_are_read() {
    let Some(data) = skip::private_data("dicom") else {
        return;
    };
    for entry in std::fs::read_dir(data.join("dicom")).unwrap() {
        let path = entry.unwrap().path();
        let r = open(&path, &DecodeLimits::default())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!((r.width, r.height, r.view), (1024, 1024, ViewPosition::Pa));
        // The same picture has two labels. MONOCHROME1 is wrong for it, and is corrected.
        assert!(!r.inverted, "{}", path.display());
    }
}
