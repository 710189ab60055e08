//! Pictures other than DICOM that the `image` crate cannot write, made here byte by byte.

#[path = "raster_files/mod.rs"]
mod raster_files;

use std::io::Write;

use cxr::domain::hex::hex;
use cxr::domain::{PixelTransform, Radiograph, Samples};
use cxr::imaging::{DecodeLimits, ImageFault, grey_values, looks_like_image, open};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use raster_files::{Page, Png, Tiff, Value, exif, files, phantom, webp};

fn opened(bytes: &[u8]) -> Result<Radiograph, ImageFault> {
    let folder = files();
    let path = folder.put("film", bytes);
    open(&path, &DecodeLimits::default()).map_err(|e| e.fault().clone())
}

fn read(bytes: &[u8]) -> Radiograph {
    opened(bytes).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The objections to a film, as texts.
fn cautions(r: &Radiograph) -> Vec<String> {
    let objections = r.admission.objections.iter();
    objections.map(ToString::to_string).collect()
}

const WIDTH: usize = 37;
const HEIGHT: usize = 29;

/// A grey page of the phantom with `bits` bits per sample.
fn grey(bits: u32) -> Page {
    Page::new(WIDTH, HEIGHT, bits, 1).packed(&phantom(WIDTH, HEIGHT, bits))
}

#[test]
fn grey_of_every_depth_is_read_in_both_byte_orders_and_in_bigtiff() {
    for bits in 1..=16 {
        let stored = phantom(WIDTH, HEIGHT, bits);
        let top = (1_u64 << bits) - 1;
        let spread = stored.iter().map(|&v| ((v * 255 + top / 2) / top) as u8);
        let expected = match bits {
            ..=8 => Samples::Grey8(spread.collect()),
            _ => Samples::Grey16(stored.iter().map(|&v| v as u16).collect()),
        };
        for (big_endian, wide) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut tiff = Tiff::of(grey(bits));
            (tiff.big_endian, tiff.wide) = (big_endian, wide);
            let found = read(&tiff.file());
            assert!(
                found.samples == expected,
                "{bits} bits, {big_endian} {wide}"
            );
            assert_eq!(u32::from(found.bits_stored), bits.max(8), "{bits}");
        }
    }
}

#[test]
fn signed_wide_and_floating_numbers_keep_their_values() {
    const SIGNED: u64 = 2;
    const FLOAT: u64 = 3;
    let values: Vec<i32> = (0..(WIDTH * HEIGHT) as i32)
        .map(|i| i % 251 - 125)
        .collect();
    let page = |bits: u32, format, number: &dyn Fn(i32) -> u64| {
        let numbers: Vec<u64> = values.iter().map(|&v| number(v)).collect();
        let page = Page::new(WIDTH, HEIGHT, bits, 1).packed(&numbers);
        page.with(339, Value::Short(vec![format]))
    };
    let f24 = |v: i32| {
        let bits = u64::from((v as f32).to_bits());
        let (sign, exponent) = (bits >> 31, bits >> 23 & 0xff);
        let exponent = if v == 0 { 0 } else { exponent - 127 + 63 };
        sign << 23 | exponent << 16 | (bits & 0x7f_ffff) >> 7
    };
    let signed = Samples::GreySigned16(values.iter().map(|&v| v as i16).collect());
    let float = Samples::GreyF32(values.iter().map(|&v| v as f32).collect());
    let pages: [(&str, Page, &Samples); 9] = [
        ("int8", page(8, SIGNED, &|v| v as u8 as u64), &signed),
        ("int12", page(12, SIGNED, &|v| v as u64 & 0xfff), &signed),
        ("int16", page(16, SIGNED, &|v| v as u16 as u64), &signed),
        ("int32", page(32, SIGNED, &|v| v as u32 as u64), &float),
        ("int64", page(64, SIGNED, &|v| v as i64 as u64), &float),
        (
            "float16",
            page(16, FLOAT, &|v| {
                half::f16::from_f32(v as f32).to_bits().into()
            }),
            &float,
        ),
        ("float24", page(24, FLOAT, &f24), &float),
        (
            "float32",
            page(32, FLOAT, &|v| (v as f32).to_bits().into()),
            &float,
        ),
        (
            "float64",
            page(64, FLOAT, &|v| f64::from(v).to_bits()),
            &float,
        ),
    ];
    for (name, page, expected) in pages {
        for big_endian in [false, true] {
            let mut tiff = Tiff::of(page.clone());
            tiff.big_endian = big_endian;
            assert!(
                read(&tiff.file()).samples == *expected,
                "{name} {big_endian}"
            );
        }
    }
    let unsigned = page(32, 1, &|v| (v + 125) as u64 * 1000);
    let expected = values.iter().map(|&v| (v + 125) as f32 * 1000.0).collect();
    assert!(read(&Tiff::of(unsigned).file()).samples == Samples::GreyF32(expected));
}

/// Values scaled so that the lowest is 0 and the highest is 1.
fn spread(values: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.clone().fold(f64::NEG_INFINITY, f64::max);
    values.map(|v| (v - low) / (high - low)).collect()
}

#[test]
fn differences_survive_an_offset_or_scale_beyond_single_precision() {
    let steps = phantom(WIDTH, HEIGHT, 8);
    let expected = spread(steps.iter().map(|&v| v as f64));
    type Number<'a> = &'a dyn Fn(u64) -> u64;
    let kinds: [(&str, u32, u64, f64, Number); 9] = [
        ("uint32", 32, 1, 2_147_483_648.0, &|v| v * 16 + (1 << 31)),
        ("uint64", 64, 1, 1_099_511_627_776.0, &|v| {
            v * 16 + (1 << 40)
        }),
        ("uint64 by 1", 64, 1, 9.223_372_036_854_776e18, &|v| {
            v + (1 << 63)
        }),
        ("uint64 from 0", 64, 1, 0.0, &|v| v),
        ("int32", 32, 2, -1_073_741_824.0, &|v| {
            (v as i32 * 16 - (1 << 30)) as u32 as u64
        }),
        ("int64", 64, 2, -9.223_372_036_854_776e18, &|v| {
            (v as i64 + i64::MIN) as u64
        }),
        ("float64", 64, 3, 1e9, &|v| {
            (v as f64 * 16.0 + 1e9).to_bits()
        }),
        ("tiny", 64, 3, 0.0, &|v| (v as f64 * 1e-60).to_bits()),
        ("huge", 64, 3, 0.0, &|v| (v as f64 * 1e60).to_bits()),
    ];
    for (name, bits, format, offset, number) in kinds {
        let numbers: Vec<u64> = steps.iter().map(|&v| number(v)).collect();
        let page = Page::new(WIDTH, HEIGHT, bits, 1).packed(&numbers);
        let page = page.with(339, Value::Short(vec![format]));
        for white_is_zero in [false, true] {
            let photometric = u64::from(!white_is_zero);
            let page = page.clone().with(262, Value::Short(vec![photometric]));
            let film = read(&Tiff::of(page).file());
            let Samples::GreyF32(samples) = &film.samples else {
                panic!("{name}: no floating point")
            };
            let found = spread(samples.iter().map(|&v| v.into()));
            for (&found, &expected) in found.iter().zip(&expected) {
                let expected = if white_is_zero {
                    1.0 - expected
                } else {
                    expected
                };
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{name}: {found} {expected}"
                );
            }
            let PixelTransform::Linear(line) = film.modality_transform else {
                panic!("{name}: no line")
            };
            let low = samples.iter().copied().fold(f32::INFINITY, f32::min);
            let low = line.slope * f64::from(low) + line.intercept;
            let close = offset.abs().max(1e-3) * 1e-6;
            assert!(
                white_is_zero || (low - offset).abs() < close,
                "{name}: {low}"
            );
        }
    }
}

#[test]
fn colour_is_reduced_to_8_bits_from_as_many_as_it_uses() {
    let colour = |bits, format, pixels: &[u64]| {
        let page = Page::new(2, 1, bits, 3).packed(pixels);
        let page = page.with(262, Value::Short(vec![2]));
        read(&Tiff::of(page.with(339, Value::Short(vec![format]))).file()).samples
    };
    let rgb = |bytes: [u8; 6]| Samples::Rgb8(bytes.to_vec());
    let full = [0, 32_768, 65_535, 257, 514, 32_896];
    assert_eq!(colour(16, 1, &full), rgb([0, 128, 255, 1, 2, 128]));
    let wide = [0, 1 << 31, 0xffff_ffff, 0x0707_0707, 0, 0x0101_0101];
    assert_eq!(colour(32, 1, &wide), rgb([0, 128, 255, 7, 0, 1]));
    for (bits, format) in [(12, 1), (16, 1), (32, 1), (64, 1), (32, 2)] {
        let twelve = [0, 2048, 4095, 16, 4000, 100];
        let expected = rgb([0, 128, 255, 1, 249, 6]);
        assert_eq!(colour(bits, format, &twelve), expected, "{bits}");
        // Bytes of a rather dark picture.
        let bytes = [0, 9, 200, 3, 4, 5];
        let expected = rgb([0, 9, 200, 3, 4, 5]);
        assert_eq!(colour(bits, format, &bytes), expected, "{bits}");
    }
    let single = |v: f32| u64::from(v.to_bits());
    for (pixels, expected) in [
        ([0.0, 0.5, 1.0, 0.0, 0.1, 0.2], [0, 128, 255, 0, 26, 51]),
        ([0.0, 0.25, 0.5, 0.0, 0.1, 0.2], [0, 64, 128, 0, 26, 51]),
        ([0.0, 128.0, 255.0, 1.0, 2.0, 3.0], [0, 128, 255, 1, 2, 3]),
        ([0.0, 819.0, 4095.0, 0.0, -7.0, 1.0], [0, 51, 255, 0, 0, 0]),
    ] {
        assert_eq!(colour(32, 3, &pixels.map(single)), rgb(expected));
        let doubles = pixels.map(|v| f64::from(v).to_bits());
        assert_eq!(colour(64, 3, &doubles), rgb(expected));
    }
    // Grey keeps its scale.
    let grey = colour(32, 1, &[7, 7, 7, 70_000, 70_000, 70_000]);
    assert_eq!(grey, Samples::GreyF32(vec![7.0, 70_000.0]));
}

#[test]
fn a_grey_palette_keeps_its_bits_and_a_colour_palette_is_reduced_from_the_bits_it_uses() {
    let indices: Vec<u64> = (0..WIDTH * HEIGHT).map(|i| (i % 256) as u64).collect();
    let film = |channels: [&dyn Fn(u64) -> u64; 3]| {
        let map = channels.iter().flat_map(|channel| (0..256).map(channel));
        let page = Page::new(WIDTH, HEIGHT, 8, 1).packed(&indices);
        let page = page.with(262, Value::Short(vec![3]));
        read(&Tiff::of(page.with(320, Value::Short(map.collect()))).file())
    };
    let sixteen = |i: u64| i * 211 + 3;
    let twelve = |i: u64| i * 16 + 1;
    let greys: [&dyn Fn(u64) -> u64; 2] = [&sixteen, &twelve];
    for grey in greys {
        let film = film([grey; 3]);
        let expected = indices.iter().map(|&i| grey(i) as u16).collect();
        assert!(film.samples == Samples::Grey16(expected), "{}", grey(255));
        assert_eq!(film.bits_stored, 16);
    }
    let rgb = |channels: [&dyn Fn(u64) -> u64; 3]| {
        let pixel = |&i: &u64| channels.map(|channel| channel(i) as u8);
        Samples::Rgb8(indices.iter().flat_map(pixel).collect())
    };
    let (rising, falling, dark) = (|i: u64| i, |i: u64| 255 - i, |i: u64| i / 4);
    let expected = rgb([&rising, &falling, &dark]);
    for (name, up) in [("bytes", 0_u32), ("12 bits", 4), ("moved up", 8)] {
        let found = film([&|i| rising(i) << up, &|i| falling(i) << up, &|i| {
            dark(i) << up
        }]);
        assert!(found.samples == expected, "{name}");
    }
    let dim = film([&|i| dark(i) << 8, &|_| 0, &|i| dark(i) << 8]);
    assert!(dim.samples == rgb([&dark, &|_| 0, &dark]));
}

#[test]
fn a_border_of_nan_is_dark_and_white_is_zero_inverts_every_type() {
    let bits = |v: f32| u64::from(v.to_bits());
    let stored = [f32::NAN, 2.0, f32::INFINITY, 5.0].map(bits);
    let page = Page::new(2, 2, 32, 1)
        .packed(&stored)
        .with(339, Value::Short(vec![3]));
    let film = read(&Tiff::of(page.clone()).file());
    // Values are scaled from the darkest at 0 to the brightest at 1.
    assert_eq!(grey_values(&film), [0.0, 0.0, 1.0, 1.0]);
    let white_is_zero = |page: Page| read(&Tiff::of(page.with(262, Value::Short(vec![0]))).file());
    assert_eq!(grey_values(&white_is_zero(page)), [0.0, 1.0, 0.0, 0.0]);
    // The same for a film with black bones, which is inverted after decoding: its border stays dark.
    let inverted = !film.inverted;
    let turned = grey_values(&Radiograph { inverted, ..film });
    assert_eq!(turned, [-1.0, 0.0, -1.0, -1.0]);

    let page = |bits| Page::new(2, 1, bits, 1).packed(&[0, 5]);
    assert_eq!(
        white_is_zero(page(8)).samples,
        Samples::Grey8(vec![255, 250])
    );
    assert_eq!(
        white_is_zero(page(4)).samples,
        Samples::Grey8(vec![255, 170])
    );
    assert_eq!(
        white_is_zero(page(12)).samples,
        Samples::Grey16(vec![4095, 4090])
    );
    assert_eq!(
        white_is_zero(page(16)).samples,
        Samples::Grey16(vec![65_535, 65_530])
    );
    let signed = page(16).with(339, Value::Short(vec![2]));
    assert_eq!(
        white_is_zero(signed).samples,
        Samples::GreySigned16(vec![-1, -6])
    );
}

#[test]
fn reversed_bits_and_every_compression_give_the_same_film() {
    let stored = phantom(WIDTH, HEIGHT, 16);
    let expected = Samples::Grey16(stored.iter().map(|&v| v as u16).collect());
    let plain = grey(16);
    let deflated = |bytes: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let lzw = |bytes: &[u8]| {
        let order = weezl::BitOrder::Msb;
        weezl::encode::Encoder::with_tiff_size_switch(order, 8)
            .encode(bytes)
            .unwrap()
    };
    let zstandard = |bytes: &[u8]| {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let literal = |bytes: &[u8]| {
        let mut packed = Vec::new();
        for run in bytes.chunks(128) {
            packed.push(run.len() as u8 - 1);
            packed.extend(run);
        }
        packed
    };
    let row = |bytes: &[u8]| {
        let words: Vec<u16> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| u16::from_le_bytes(b))
            .collect();
        let rows = words.chunks(WIDTH).flat_map(|row| {
            let before = [0].iter().chain(row);
            let differences = row
                .iter()
                .zip(before)
                .map(|(&v, &before)| v.wrapping_sub(before));
            differences.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        });
        rows.collect::<Vec<u8>>()
    };
    type Encode<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let kinds: [(u64, u64, Encode); 6] = [
        (5, 1, &lzw),
        (8, 1, &deflated),
        (32_946, 2, &|bytes| deflated(&row(bytes))),
        (5, 2, &|bytes| lzw(&row(bytes))),
        (32_773, 1, &literal),
        (50_000, 1, &zstandard),
    ];
    for (compression, predictor, encode) in kinds {
        let page = plain.clone().encoded(encode);
        let page = page.with(259, Value::Short(vec![compression]));
        let page = page.with(317, Value::Short(vec![predictor]));
        assert!(
            read(&Tiff::of(page.clone()).file()).samples == expected,
            "{compression}"
        );
        let reversed = page.encoded(&|b| b.iter().map(|b| b.reverse_bits()).collect());
        let reversed = reversed.with(266, Value::Short(vec![2]));
        assert!(
            read(&Tiff::of(reversed).file()).samples == expected,
            "{compression} reversed"
        );
        let cut = plain
            .clone()
            .encoded(&|bytes| encode(&bytes[..bytes.len() - 100]));
        let cut = Tiff::of(cut.with(259, Value::Short(vec![compression])));
        assert!(
            matches!(opened(&cut.file()), Err(ImageFault::Damaged(_))),
            "{compression} cut"
        );
    }
    let reversed = plain.encoded(&|b| b.iter().map(|b| b.reverse_bits()).collect());
    let reversed = reversed.with(266, Value::Short(vec![2]));
    assert!(read(&Tiff::of(reversed).file()).samples == expected);
}

#[test]
fn the_predictor_of_floating_point_is_undone() {
    let values: Vec<f32> = (0..12).map(|i| i as f32 * 1.5 - 3.0).collect();
    let encode = |_: &[u8]| {
        let rows = values.chunks(4).flat_map(|row| {
            let weights = (0..4).flat_map(|w| row.iter().map(move |v| v.to_be_bytes()[w]));
            let weights: Vec<u8> = weights.collect();
            let before = [0].iter().chain(&weights);
            let differences = weights
                .iter()
                .zip(before)
                .map(|(v, before)| v.wrapping_sub(*before));
            differences.collect::<Vec<u8>>()
        });
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&rows.collect::<Vec<u8>>()).unwrap();
        encoder.finish().unwrap()
    };
    let page = Page::new(4, 3, 32, 1).packed(&[0; 12]).encoded(&encode);
    let page = page
        .with(339, Value::Short(vec![3]))
        .with(259, Value::Short(vec![8]));
    let page = page.with(317, Value::Short(vec![3]));
    assert_eq!(
        read(&Tiff::of(page).file()).samples,
        Samples::GreyF32(values)
    );
}

#[test]
fn strips_and_tiles_are_assembled_with_interleaved_and_separate_planes() {
    let rgb: Vec<u64> = (0..WIDTH * HEIGHT * 3)
        .map(|i| (i * 7 % 256) as u64)
        .collect();
    let expected = Samples::Rgb8(rgb.iter().map(|&v| v as u8).collect());
    for (columns, rows) in [(WIDTH, 5), (WIDTH, HEIGHT), (16, 16), (48, 32)] {
        for planar in [false, true] {
            let tiled = columns != WIDTH;
            let page = Page::new(WIDTH, HEIGHT, 8, 3).with(262, Value::Short(vec![2]));
            let page = page.chunked(&rgb, (columns, rows), tiled, planar);
            let found = read(&Tiff::of(page).file());
            assert!(
                found.samples == expected,
                "{columns} × {rows}, planar {planar}"
            );
        }
    }
}

#[test]
fn alpha_never_darkens_and_is_reported_if_it_varies() {
    let bytes: Vec<u64> = (0..300 * 300).map(|i| (i % 251) as u64).collect();
    let expected = Samples::Grey8(bytes.iter().map(|&v| v as u8).collect());
    let film = |alpha: &dyn Fn(usize) -> u64, kind| {
        let pixels = bytes.iter().enumerate().flat_map(|(i, &v)| [v, alpha(i)]);
        let page = Page::new(300, 300, 8, 2).packed(&pixels.collect::<Vec<_>>());
        read(&Tiff::of(page.with(338, Value::Short(vec![kind]))).file())
    };
    for kind in [1, 2] {
        for alike in [0, 128, 255] {
            let film = film(&|_| alike, kind);
            assert!(film.samples == expected, "{kind} {alike}");
            assert_eq!(cautions(&film), [""; 0], "{kind} {alike}");
        }
        let cut_out = film(&|i| if i % 300 < 75 { 0 } else { 255 }, kind);
        assert!(cut_out.samples == expected);
        assert_eq!(
            cautions(&cut_out),
            ["transparent on 25 % of it, and read as if opaque"]
        );
    }
}

#[test]
fn transparent_png_webp_and_bmp_keep_their_colours() {
    let grey: Vec<u8> = (0..300 * 300).map(|i| (i % 251) as u8).collect();
    let expected = Samples::Grey8(grey.clone());
    let la = |alpha: u8| grey.iter().flat_map(|&v| [v, alpha]).collect::<Vec<u8>>();
    let rgba = |alpha: u8| {
        grey.iter()
            .flat_map(|&v| [v, v, v, alpha])
            .collect::<Vec<u8>>()
    };
    let key = Png::new(300, 300, 0, &grey).chunk(b"tRNS", &[0, 250]);
    let films = [
        ("tRNS", key.file()),
        ("LA", Png::new(300, 300, 4, &la(0)).file()),
        ("RGBA", Png::new(300, 300, 6, &rgba(0)).file()),
        ("WebP", lossless_webp(300, 300, &rgba(0))),
        ("BMP", raster_files::bmp_with_alpha(300, 300, &rgba(0))),
    ];
    for (name, film) in films {
        let film = read(&film);
        assert!(film.samples == expected, "{name}");
        assert_eq!(cautions(&film), [""; 0], "{name}");
    }
    let mut half = la(255);
    half.iter_mut()
        .skip(1)
        .step_by(2)
        .take(45_000)
        .for_each(|alpha| *alpha = 3);
    let film = read(&Png::new(300, 300, 4, &half).file());
    assert!(film.samples == expected);
    assert_eq!(
        cautions(&film),
        ["transparent on 50 % of it, and read as if opaque"]
    );
}

fn lossless_webp(width: u32, height: u32, rgba: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder
        .write_image(rgba, width, height, ExtendedColorType::Rgba8)
        .unwrap();
    bytes
}

#[test]
fn further_pages_are_reported_and_a_reduced_copy_is_not_the_film() {
    let film = || grey(16);
    let copy = |tag, kind| {
        let page = Page::new(8, 8, 8, 1).packed(&[7; 64]);
        page.with(tag, Value::Long(vec![kind]))
    };
    let expected = read(&Tiff::of(film()).file());
    let caution = |pages: Vec<Page>| {
        let found = read(&Tiff::of_pages(pages).file());
        assert!(found.samples == expected.samples);
        cautions(&found).join("; ")
    };
    assert_eq!(caution(vec![film()]), "");
    assert_eq!(caution(vec![film(), film()]), "first of 2 pages");
    assert_eq!(caution(vec![film(), copy(254, 1), copy(254, 4)]), "");
    let thumbnail_first = "page 2 of 2: the first is a reduced copy";
    assert_eq!(caution(vec![copy(254, 1), film()]), thumbnail_first);
    assert_eq!(caution(vec![copy(255, 2), film()]), thumbnail_first);
    assert_eq!(
        caution(vec![copy(254, 1).with_inner(film())]),
        thumbnail_first
    );
    // Many thumbnails are not marked, and only their size shows it.
    let small = Page::new(WIDTH / 4, HEIGHT / 4, 8, 1);
    let small = small.packed(&vec![7; (WIDTH / 4) * (HEIGHT / 4)]);
    assert_eq!(caution(vec![small, film()]), thumbnail_first);
    // If there is only a reduced copy, it is read.
    assert_eq!(read(&Tiff::of(copy(254, 1)).file()).width, 8);
}

#[test]
fn palettes_inks_and_ycbcr_become_grey_or_rgb() {
    let indices: Vec<u64> = (0..WIDTH * HEIGHT).map(|i| (i % 256) as u64).collect();
    let palette = |shift: u32| -> Vec<u64> {
        let ramp = (0..256).map(|i| (255 - i) << shift | if shift == 8 { 255 - i } else { 0 });
        let ramp: Vec<u64> = ramp.collect();
        [&ramp[..], &ramp, &ramp].concat()
    };
    for shift in [0, 8] {
        let page = Page::new(WIDTH, HEIGHT, 8, 1).packed(&indices);
        let page = page.with(262, Value::Short(vec![3]));
        let page = page.with(320, Value::Short(palette(shift)));
        let expected = indices.iter().map(|&i| 255 - i as u8).collect();
        assert!(
            read(&Tiff::of(page).file()).samples == Samples::Grey8(expected),
            "{shift}"
        );
    }
    let inks = |bits, pixels: &[u64]| {
        let page = Page::new(2, 1, bits, 4).packed(pixels);
        read(&Tiff::of(page.with(262, Value::Short(vec![5]))).file()).samples
    };
    let expected = Samples::Rgb8(vec![255, 127, 0, 0, 0, 0]);
    assert_eq!(inks(8, &[0, 128, 255, 0, 9, 9, 9, 255]), expected);
    assert_eq!(inks(16, &[0, 32_896, 65_535, 0, 9, 9, 9, 65_535]), expected);

    // Two units of four lumas and a pair of colour differences: grey, then red.
    let unit = [10, 20, 30, 40, 128, 128, 76, 76, 76, 76, 85, 255];
    let page = Page::new(4, 2, 8, 3).raw(vec![unit.to_vec()]);
    let page = page.with(262, Value::Short(vec![6]));
    let Samples::Rgb8(rgb) = read(&Tiff::of(page).file()).samples else {
        panic!("no colour")
    };
    let row = |y: usize| &rgb[12 * y..12 * (y + 1)];
    assert_eq!(row(0)[..6], [10, 10, 10, 20, 20, 20]);
    assert_eq!(row(1)[..6], [30, 30, 30, 40, 40, 40]);
    assert!(
        rgb[6] >= 254 && rgb[7] <= 1 && rgb[8] <= 1,
        "{:?}",
        &rgb[6..9]
    );
}

#[test]
fn jpeg_in_tiff_decodes_like_a_jpeg_file_with_or_without_separate_tables() {
    let grey: Vec<u8> = phantom(32, 16, 8).iter().map(|&v| v as u8).collect();
    let colour: Vec<u8> = (0..32 * 16 * 3).map(|i| (i / 9 % 256) as u8).collect();
    for (pixels, kind, samples, photometric) in [
        (grey, ExtendedColorType::L8, 1, 1),
        (colour, ExtendedColorType::Rgb8, 3, 6),
    ] {
        let mut stream = Vec::new();
        JpegEncoder::new_with_quality(&mut stream, 90)
            .encode(&pixels, 32, 16, kind)
            .unwrap();
        let expected = read(&stream).samples;
        let page = Page::new(32, 16, 8, samples).with(259, Value::Short(vec![7]));
        let page = page.with(262, Value::Short(vec![photometric]));
        let whole = page.clone().raw(vec![stream.clone()]);
        assert!(
            read(&Tiff::of(whole).file()).samples == expected,
            "{photometric}"
        );
        let (tables, scan) = raster_files::tables_apart(&stream);
        let apart = page.clone().raw(vec![scan]).with(347, Value::Bytes(tables));
        assert!(
            read(&Tiff::of(apart).file()).samples == expected,
            "{photometric} tables"
        );
        let other = page.with(256, Value::Long(vec![64])).raw(vec![stream]);
        assert!(matches!(
            opened(&Tiff::of(other).file()),
            Err(ImageFault::Damaged(_))
        ));
    }
}

#[test]
fn a_hostile_tiff_is_an_error() {
    let film = Tiff::of(grey(16)).file();
    // The last four bytes state that there is no further page, and are not needed.
    for cut in 0..film.len() - 4 {
        assert!(opened(&film[..cut]).is_err(), "{cut} bytes");
    }
    let page = || grey(16);
    let subsampled = |samples| {
        let page = Page::new(WIDTH, HEIGHT, 8, samples).raw(vec![vec![0; 8 * WIDTH * HEIGHT]]);
        page.with(262, Value::Short(vec![6]))
    };
    let huge = vec![0xffff_fff0];
    for (name, page) in [
        ("width", page().with(256, Value::Long(huge.clone()))),
        ("length", page().with(257, Value::Long(huge.clone()))),
        ("bits", page().with(258, Value::Long(huge.clone()))),
        ("no bits", page().with(258, Value::Short(vec![0]))),
        ("samples", page().with(277, Value::Long(huge.clone()))),
        ("no samples", page().with(277, Value::Short(vec![0]))),
        ("many samples", page().with(277, Value::Short(vec![65_535]))),
        ("offset", page().with(273, Value::Long(huge.clone()))),
        (
            "tiles",
            page()
                .with(322, Value::Long(huge.clone()))
                .with(323, Value::Long(huge)),
        ),
        (
            "no tile",
            page()
                .with(322, Value::Long(vec![0]))
                .with(323, Value::Long(vec![0])),
        ),
        ("palette", page().with(262, Value::Short(vec![3]))),
        ("jpeg", page().with(259, Value::Short(vec![7]))),
        ("webp", page().with(259, Value::Short(vec![50_001]))),
        ("zstandard", page().with(259, Value::Short(vec![50_000]))),
        ("fax", page().with(259, Value::Short(vec![4]))),
        (
            "float",
            page()
                .with(258, Value::Short(vec![17]))
                .with(339, Value::Short(vec![3])),
        ),
        ("complex", page().with(339, Value::Short(vec![6]))),
        ("subsampled beside alpha", subsampled(4)),
        (
            "subsampled in planes",
            subsampled(3).with(284, Value::Short(vec![2])),
        ),
    ] {
        let fault = opened(&Tiff::of(page).file()).expect_err(name);
        let died = matches!(
            fault,
            ImageFault::DecoderDied(_) | ImageFault::NotAnImage(_)
        );
        assert!(!died, "{name}: {fault}");
    }
}

/// Whether a film of two pixels side by side was turned clockwise, so that they are stacked.
fn is_turned(r: &Radiograph) -> bool {
    (r.width, r.height) == (1, 2)
}

#[test]
fn a_png_is_turned_by_exif_by_imagemagicks_texts_and_by_xmp() {
    let png = || Png::new(2, 1, 0, &[10, 20]);
    let hexadecimal = |bytes: &[u8]| {
        let digits = hex(bytes);
        let lines: Vec<&[u8]> = digits.as_bytes().chunks(72).collect();
        format!("\nexif\n{:8}\n", bytes.len())
            .into_bytes()
            .into_iter()
            .chain(lines.join(&b'\n'))
            .collect::<Vec<u8>>()
    };
    let raw = hexadecimal(&[b"Exif\0\0".as_slice(), &exif(6, true)].concat());
    let zipped = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&raw).unwrap();
        encoder.finish().unwrap()
    };
    let named = |name: &str, between: &[u8], text: &[u8]| [name.as_bytes(), between, text].concat();
    let profile = "Raw profile type exif";
    let app1 = "Raw profile type APP1";
    let xmp = |value: u8| format!("<x tiff:Orientation=\"{value}\"/>").into_bytes();
    let itxt = |value| named("XML:com.adobe.xmp", &[0, 0, 0, 0, 0], &xmp(value));
    for (name, png) in [
        ("eXIf before", png().chunk(b"eXIf", &exif(6, false))),
        ("eXIf after", png().chunk_after(b"eXIf", &exif(6, true))),
        ("tEXt", png().chunk(b"tEXt", &named(profile, &[0], &raw))),
        (
            "tEXt after",
            png().chunk_after(b"tEXt", &named(app1, &[0], &raw)),
        ),
        (
            "zTXt",
            png().chunk(b"zTXt", &named(profile, &[0, 0], &zipped)),
        ),
        (
            "iTXt",
            png().chunk(b"iTXt", &named(profile, &[0, 1, 0, 0, 0], &zipped)),
        ),
        ("XMP", png().chunk(b"iTXt", &itxt(6))),
        (
            "EXIF before XMP",
            png()
                .chunk(b"iTXt", &itxt(3))
                .chunk(b"eXIf", &exif(6, false)),
        ),
        (
            "no value",
            png()
                .chunk(b"iTXt", &itxt(6))
                .chunk(b"eXIf", &exif(0, false)),
        ),
    ] {
        let film = read(&png.file());
        assert!(is_turned(&film), "{name}");
        assert_eq!(film.samples, Samples::Grey8(vec![10, 20]), "{name}");
    }
    let upright = png()
        .chunk(b"eXIf", &exif(1, false))
        .chunk_after(b"iTXt", &itxt(6));
    assert!(!is_turned(&read(&upright.file())));
    let broken = png()
        .chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")
        .chunk(b"tEXt", b"Raw profile type exif\0\n");
    assert!(!is_turned(&read(&broken.file())));
}

#[test]
fn a_webp_is_turned_by_exif_with_or_without_prefix_and_by_xmp() {
    let picture = lossless_webp(2, 1, &[10, 10, 10, 255, 20, 20, 20, 255]);
    let prefixed = [b"Exif\0\0".as_slice(), &exif(6, false)].concat();
    let xmp = b"<tiff:Orientation>6</tiff:Orientation>";
    for (name, chunk, data) in [
        ("plain", b"EXIF", exif(6, true)),
        ("prefixed", b"EXIF", prefixed),
        ("XMP", b"XMP ", xmp.to_vec()),
    ] {
        assert!(
            is_turned(&read(&webp(&picture, 2, 1, chunk, &data))),
            "{name}"
        );
    }
    assert!(!is_turned(&read(&webp(
        &picture,
        2,
        1,
        b"EXIF",
        b"Exif\0\0"
    ))));
}

#[test]
fn a_jpeg_is_turned_by_xmp_if_exif_has_no_orientation_and_a_tiff_by_its_tag() {
    let mut jpeg = Vec::new();
    JpegEncoder::new(&mut jpeg)
        .encode(&[10, 200], 2, 1, ExtendedColorType::L8)
        .unwrap();
    let segment = |data: &[u8]| {
        let length = (data.len() as u16 + 2).to_be_bytes();
        [&[0xff, 0xe1], &length[..], data].concat()
    };
    let with = |segments: &[Vec<u8>]| [&jpeg[..2], &segments.concat(), &jpeg[2..]].concat();
    let xmp = segment(b"http://ns.adobe.com/xap/1.0/\0<a tiff:Orientation=\"6\"/>");
    let exif = |value| segment(&[b"Exif\0\0".as_slice(), &exif(value, true)].concat());
    assert!(is_turned(&read(&with(&[exif(6)]))));
    assert!(is_turned(&read(&with(std::slice::from_ref(&xmp)))));
    assert!(is_turned(&read(&with(&[exif(0), xmp.clone()]))));
    assert!(!is_turned(&read(&with(&[xmp.clone(), exif(1)]))));

    let page = || Page::new(2, 1, 8, 1).packed(&[10, 20]);
    let tag = |value| Value::Short(vec![value]);
    let packet = || Value::Bytes(b"<a tiff:Orientation=\"6\"/>".to_vec());
    assert!(is_turned(&read(&Tiff::of(page().with(274, tag(6))).file())));
    assert!(is_turned(&read(
        &Tiff::of(page().with(700, packet())).file()
    )));
    let both = page().with(274, tag(1)).with(700, packet());
    assert!(!is_turned(&read(&Tiff::of(both).file())));
}

#[test]
fn exif_that_is_cut_off_or_miscounts_its_entries_still_turns_a_film() {
    let picture = lossless_webp(2, 1, &[10, 10, 10, 255, 20, 20, 20, 255]);
    let mut jpeg = Vec::new();
    JpegEncoder::new(&mut jpeg)
        .encode(&[10, 200], 2, 1, ExtendedColorType::L8)
        .unwrap();
    for (count, length) in [(12, 50), (3, 34), (255, 40), (2, 34)] {
        // Entries have twelve bytes and begin at byte 10. The second one has the orientation.
        let mut block = exif(6, false);
        block[8] = count;
        block.truncate(length);
        let prefixed = [b"Exif\0\0".as_slice(), &block].concat();
        let marked = (prefixed.len() as u16 + 2).to_be_bytes();
        let segment = [&[0xff, 0xe1], &marked[..], &prefixed].concat();
        let digits = hex(&prefixed);
        let text = format!(
            "Raw profile type exif\0\nexif\n{:8}\n{digits}\n",
            length + 6
        );
        let png = || Png::new(2, 1, 0, &[10, 20]);
        for (name, file) in [
            ("eXIf", png().chunk(b"eXIf", &block).file()),
            ("tEXt", png().chunk(b"tEXt", text.as_bytes()).file()),
            ("WebP", webp(&picture, 2, 1, b"EXIF", &block)),
            ("JPEG", [&jpeg[..2], &segment, &jpeg[2..]].concat()),
        ] {
            assert!(is_turned(&read(&file)), "{name}, {count} {length}");
        }
    }
    // A TIFF itself must be complete, because a missing entry could change what its numbers mean.
    let mut tiff = Tiff::of(grey(16)).file();
    let directory = u32::from_le_bytes(*tiff[4..].first_chunk().unwrap());
    tiff[directory as usize] = 200;
    assert!(matches!(opened(&tiff), Err(ImageFault::Damaged(_))));
}

#[test]
fn the_first_frame_of_a_gif_is_read_and_its_frames_are_counted() {
    let ramp: Vec<u8> = (0..=255).flat_map(|v| [v; 3]).collect();
    let indices: Vec<u8> = (0..300 * 300).map(|i| (i % 251) as u8).collect();
    let frame = |transparent, palette: Option<Vec<u8>>| gif::Frame {
        width: 300,
        height: 300,
        buffer: indices.clone().into(),
        transparent,
        palette,
        ..gif::Frame::default()
    };
    let file = |frames: &[gif::Frame], palette: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 300, 300, palette).unwrap();
        frames
            .iter()
            .for_each(|frame| encoder.write_frame(frame).unwrap());
        drop(encoder);
        bytes
    };
    let expected = Samples::Grey8(indices.clone());
    let film = read(&file(&[frame(None, None)], &ramp));
    assert!(film.samples == expected);
    assert_eq!((cautions(&film), film.format.as_str()), (Vec::new(), "GIF"));
    let local = read(&file(
        &[frame(Some(250), Some(ramp.clone())), frame(None, None)],
        &[9, 9, 9],
    ));
    assert!(local.samples == expected);
    assert_eq!(local.frames, 2);
    assert_eq!(
        cautions(&local),
        ["transparent on 1 % of it, and read as if opaque"]
    );
    let whole = file(&[frame(None, None)], &ramp);
    for cut in [0, 3, 9, 40, 700, 900, whole.len() / 2] {
        assert!(opened(&whole[..cut]).is_err(), "{cut}");
    }
    let mut interlaced = frame(None, None);
    interlaced.interlaced = true;
    let passes = [(0, 8), (4, 8), (2, 4), (1, 2)];
    let rows = passes
        .into_iter()
        .flat_map(|(start, step)| (start..300).step_by(step));
    let rows = rows.flat_map(|y: usize| indices[y * 300..][..300].to_vec());
    interlaced.buffer = rows.collect::<Vec<u8>>().into();
    assert!(read(&file(&[interlaced], &ramp)).samples == expected);
}

#[cfg(feature = "jpeg2000")]
#[test]
fn a_jpeg_2000_file_is_read_with_boxes_or_without() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imaging");
    let stream = std::fs::read(folder.join("phantom-37x29-12bit.j2k")).unwrap();
    let atom = |name: &[u8; 4], data: &[u8]| {
        [
            &(data.len() as u32 + 8).to_be_bytes(),
            name.as_slice(),
            data,
        ]
        .concat()
    };
    let boxed = |header: &[u8; 14], space: u8, stream: &[u8]| {
        let header = [
            atom(b"ihdr", header),
            atom(b"colr", &[1, 0, 0, 0, 0, 0, space]),
        ];
        [
            atom(b"jP  ", b"\r\n\x87\n"),
            atom(b"ftyp", b"jp2 \0\0\0\0jp2 "),
            atom(b"jp2h", &header.concat()),
            atom(b"jp2c", stream),
        ]
        .concat()
    };
    let grey = &[0, 0, 0, 29, 0, 0, 0, 37, 0, 1, 11, 7, 0, 0];
    let expected = phantom(WIDTH, HEIGHT, 12)
        .iter()
        .map(|&v| v as u16)
        .collect();
    let expected = Samples::Grey16(expected);
    for file in [stream.clone(), boxed(grey, 17, &stream)] {
        let film = read(&file);
        assert!(film.samples == expected);
        // The stream states 16 bits.
        assert_eq!((film.bits_stored, film.format.as_str()), (16, "JPEG 2000"));
    }
    for cut in [4, 20, 50, stream.len() / 2] {
        assert!(opened(&stream[..cut]).is_err(), "{cut}");
    }
    let mut huge = stream;
    huge[8..16].fill(0xff);
    assert!(matches!(opened(&huge), Err(ImageFault::TooLarge(_))));

    // Red, green and blue, and the same as three of four inks.
    let stream = std::fs::read(folder.join("colour-8x8.j2k")).unwrap();
    let colours = &[0, 0, 0, 8, 0, 0, 0, 8, 0, 3, 7, 7, 0, 0];
    let film = read(&boxed(colours, 16, &stream));
    assert_eq!(film.samples, Samples::Rgb8([10, 20, 30].repeat(64)));
    let inks = opened(&boxed(colours, 12, &stream));
    assert!(matches!(inks, Err(ImageFault::Damaged(_))), "{inks:?}");
}

#[test]
fn gif_and_jpeg_2000_are_found_by_content_and_by_name() {
    let folder = files();
    for (name, bytes) in [
        ("a", b"GIF89a".as_slice()),
        ("b", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("c", b"\xff\x4f\xff\x51"),
        ("d.gif", b""),
        ("e.jp2", b""),
        ("f.j2k", b""),
        ("g.JPH", b""),
    ] {
        assert!(looks_like_image(&folder.put(name, bytes)), "{name}");
    }
    assert!(!looks_like_image(&folder.put("h", b"GIF88a")));
}
