//! Picture files: PNG, JPEG, TIFF, BMP and WebP.

use cxr::domain::{PhotometricInterpretation, Samples};
use cxr::imaging::{DecodeLimits, ImageFault, grey_values, open};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};

use crate::imaging_files::{Files, phantom};
use crate::shared::{H, W, bytes_of, encoded, fault, read};

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
