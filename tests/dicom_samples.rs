//! The samples of a DICOM file as its attributes describe them: stored bits after lossy compression,
//! lookup tables, floating point, and scales far from 1.

mod imaging_files;
mod skip;

use std::path::{Path, PathBuf};

use cxr::domain::{
    Canvas, Objection, PixelTransform, Preset, Radiograph, Rescale, Samples, View, VoiFunction,
    Window, WindowLevel,
};
use cxr::imaging::{DecodeLimits, ImageFault, VoiLut, developed, grey_values, open, show};
use cxr::inference::Preprocess;
use dicom_core::{PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use imaging_files::{
    BIG_ENDIAN, Dicom, EXPLICIT, Files, IMPLICIT, data_set_start, lossless_jpeg, phantom, rle,
};
use libjpeg_turbo_rs::Subsampling;
use libjpeg_turbo_rs::precision::compress_12bit;

const W: usize = 37;
const H: usize = 29;

fn opened(bytes: &[u8]) -> Result<Radiograph, ImageFault> {
    let files = Files::new();
    let path = files.put("film", bytes);
    open(&path, &DecodeLimits::default()).map_err(|e| e.fault().clone())
}

fn read(bytes: &[u8]) -> Radiograph {
    opened(bytes).unwrap_or_else(|fault| panic!("{fault}"))
}

/// A stream that `samples/make.py` made. That script describes each.
fn stream(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imaging/samples");
    std::fs::read(folder.join(name)).expect("a stream")
}

fn film(bits: u16) -> Dicom {
    Dicom::radiograph(W as u16, H as u16, bits)
}

/// A chequered pattern of two values, in squares of 6 pixels, as in `samples/make.py`.
fn bars(low: i32, high: i32) -> Vec<i32> {
    let bar = |i: usize| {
        if (i % W / 6 + i / W / 6) % 2 == 1 {
            high
        } else {
            low
        }
    };
    (0..W * H).map(bar).collect()
}

fn stored(r: &Radiograph) -> Vec<i32> {
    match &r.samples {
        Samples::Grey8(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::Grey16(v) => v.iter().map(|&s| s.into()).collect(),
        Samples::GreySigned16(v) => v.iter().map(|&s| s.into()).collect(),
        other => panic!("{other:?}"),
    }
}

fn furthest(a: &[i32], b: &[i32]) -> i32 {
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.max().expect("samples")
}

fn signed(file: Dicom) -> Dicom {
    file.number(tags::PIXEL_REPRESENTATION, 1)
}

/// A lossy JPEG of 12 bits with values of 0 and `top`.
fn jpeg_12(top: i16) -> Vec<u8> {
    let values: Vec<i16> = bars(0, top.into()).iter().map(|&v| v as i16).collect();
    compress_12bit(&values, W, H, 1, 60, Subsampling::S444).expect("a JPEG")
}

/// A wrapped sample would differ by almost the whole range.
#[test]
fn overshoot_of_lossy_compression_is_clamped_to_the_stored_bits() {
    let ten = bars(0, 1023);
    let mut streams = vec![
        (uids::JPEG_EXTENDED12_BIT, jpeg_12(1023)),
        (uids::JPEGLS_NEAR_LOSSLESS, stream("bars-10-in-12-near.jls")),
    ];
    if cfg!(feature = "jpeg2000") {
        let lossy = stream("bars-10-in-12-lossy.j2k");
        streams.push((uids::JPEG2000, lossy.clone()));
        streams.push((uids::HTJ2K, lossy));
    }
    for (syntax, stream) in &streams {
        let r = read(&film(12).fragments(&[stream]).file(syntax));
        let overshoot = stored(&r).into_iter().filter(|v| *v > 1023).count();
        assert!(overshoot > 0, "{}", r.format);
        let r = read(&film(10).fragments(&[stream]).file(syntax));
        let values = stored(&r);
        assert_eq!(values.iter().max(), Some(&1023), "{}", r.format);
        let off = furthest(&values, &ten);
        assert!(off < 500, "{}: off by {off}", r.format);
    }
}

#[cfg(feature = "jpeg2000")]
#[test]
fn signed_overshoot_stays_on_its_side() {
    let lossy = stream("bars-signed-10-in-12-lossy.j2k");
    let values = stored(&read(
        &signed(film(10)).fragments(&[&lossy]).file(uids::JPEG2000),
    ));
    let range = (values.iter().min(), values.iter().max());
    assert_eq!(range, (Some(&-512), Some(&511)));
    assert!(furthest(&values, &bars(-512, 511)) < 500);
    // The same numbers in an unsigned data set: negative ones are black.
    let values = stored(&read(&film(10).fragments(&[&lossy]).file(uids::JPEG2000)));
    assert!(furthest(&values, &bars(0, 511)) < 500);
}

/// In a stream without signs, signed numbers fill the cells with their sign, or are cut to the stored
/// bits.
#[test]
fn signs_are_found_in_streams_without_them() {
    let compressed = |values: &[i32]| {
        let cells: Vec<i16> = values.iter().map(|&v| v as i16).collect();
        compress_12bit(&cells, W, H, 1, 100, Subsampling::S444).expect("a JPEG")
    };
    let numbers = bars(-200, -190);
    for mask in [0xfff, 0x3ff] {
        let cells: Vec<i32> = numbers.iter().map(|v| v & mask).collect();
        let file = signed(film(10)).fragments(&[&compressed(&cells)]);
        let values = stored(&read(&file.file(uids::JPEG_EXTENDED12_BIT)));
        assert!(furthest(&values, &numbers) < 12, "{mask:#x}: {values:?}");
    }
}

#[test]
fn the_high_bit_is_the_position_of_the_stored_bits_in_a_cell() {
    let read = |high_bit: u16, top: i16| {
        let file = film(10).number(tags::HIGH_BIT, high_bit);
        stored(&read(
            &file
                .fragments(&[&jpeg_12(top)])
                .file(uids::JPEG_EXTENDED12_BIT),
        ))
    };
    let ten = bars(0, 1023);
    assert!(
        furthest(&read(11, 4095), &ten) < 300,
        "up to the top of the cell"
    );
    assert!(
        furthest(&read(13, 1023), &ten) < 500,
        "a stream that ends below it"
    );
    assert!(
        furthest(&read(10, 2046), &ten) < 500,
        "a bit to spare on either side"
    );
}

/// A film that another program decompressed still has the overshoot.
#[test]
fn bits_above_the_stored_ones_are_an_overlay_unless_compression_was_lossy() {
    let cells = [1023, 1030, 1024 + 7, 5];
    let file = Dicom::radiograph(2, 2, 10).words(&cells);
    let masked = [1023, 6, 7, 5];
    let lossy = |file: Dicom, code| file.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, code);
    let overlaid = |file: Dicom| file.number(Tag(0x6000, 0x0102), 10);
    let values = |file: Dicom| stored(&read(&file.file(EXPLICIT)));
    assert_eq!(values(file.clone()), masked);
    assert_eq!(values(lossy(file.clone(), "00")), masked);
    assert_eq!(values(overlaid(lossy(file.clone(), "01"))), masked);
    assert_eq!(values(lossy(file.clone(), "01")), [1023, 1023, 1023, 5]);
    for overlay in 0..16 {
        let position = Tag(0x6000 + 2 * overlay, 0x0102);
        let file = lossy(file.clone(), "01").number(position, 10);
        assert_eq!(values(file), masked, "{position}");
    }
}

/// In lossless and in lossy syntaxes.
#[test]
fn an_overlay_in_the_samples_of_a_stream_is_masked() {
    let overlaid: Vec<u16> = phantom(W, H, 10).iter().map(|v| v | 0x800).collect();
    let jpeg = lossless_jpeg(W as u16, H as u16, 12, &overlaid);
    let declared = || film(10).number(Tag(0x6000, 0x0102), 11);
    let mut films = vec![
        (uids::JPEG_LOSSLESS_SV1, film(10), jpeg.clone()),
        (uids::JPEG_LOSSLESS_SV1, declared(), jpeg),
    ];
    if cfg!(feature = "jpeg2000") {
        let lossless = stream("phantom-10-overlaid-lossless.j2k");
        for syntax in [
            uids::JPEG2000_LOSSLESS,
            uids::JPEG2000,
            uids::HTJ2K_LOSSLESS,
            uids::HTJ2K,
        ] {
            films.push((syntax, declared(), lossless.clone()));
        }
    }
    for (syntax, film, stream) in films {
        let r = read(&film.fragments(&[&stream]).file(syntax));
        assert_eq!(r.samples, Samples::Grey16(phantom(W, H, 10)), "{syntax}");
        assert_eq!(r.bits_stored, 10);
    }
}

#[cfg(feature = "jpeg2000")]
#[test]
fn samples_have_as_many_bits_as_their_jpeg_2000_stream() {
    let deep: Vec<u16> = phantom(W, H, 10).iter().map(|v| v | 0x800).collect();
    let lossless = stream("phantom-10-overlaid-lossless.j2k");
    let deeper = |stored| Objection::Deeper { stored, found: 12 };
    for bits in [9, 10, 11] {
        let file = film(bits).fragments(&[&lossless]);
        let r = read(&file.file(uids::JPEG2000_LOSSLESS));
        assert_eq!(r.samples, Samples::Grey16(deep.clone()), "{bits}");
        assert_eq!(r.bits_stored, 12);
        assert!(r.admission.objections.contains(&deeper(bits as u8)));
    }
    let file = signed(film(11)).fragments(&[&stream("phantom-signed-12-lossless.j2k")]);
    let r = read(&file.file(uids::JPEG2000_LOSSLESS));
    let centred: Vec<i32> = phantom(W, H, 12)
        .iter()
        .map(|&v| i32::from(v) - 2048)
        .collect();
    assert_eq!(stored(&r), centred);
    // Samples that fit into the stored bits keep those.
    let file = film(12).fragments(&[&lossless]);
    let r = read(&file.file(uids::JPEG2000_LOSSLESS));
    let is_deeper = |objection: &Objection| matches!(objection, Objection::Deeper { .. });
    assert_eq!(r.bits_stored, 12);
    assert!(!r.admission.objections.iter().any(is_deeper));
}

/// The objections of a film of 2 × 2 pixels to its own samples.
fn objections(file: Dicom) -> Vec<Objection> {
    read(&file.file(EXPLICIT)).admission.objections
}

#[test]
fn bits_above_the_stored_ones_are_a_caution_unless_something_explains_them() {
    let cells = [1023, 1030, 1024 + 7, 5];
    let film = |bits| Dicom::radiograph(2, 2, bits).words(&cells);
    let deeper = [Objection::Deeper {
        stored: 10,
        found: 11,
    }];
    assert_eq!(objections(film(10)), deeper);
    assert_eq!(objections(film(11)), []);
    let raised = cells.map(|cell| cell << 1);
    let raised = Dicom::radiograph(2, 2, 10).words(&raised);
    assert_eq!(objections(raised.number(tags::HIGH_BIT, 10)), deeper);
    for explained in [
        film(10).number(Tag(0x6000, 0x0102), 10),
        film(10).text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01"),
        signed(film(10)),
        film(10)
            .words(&[0xffff, 1, 2, 3])
            .number(tags::PIXEL_PADDING_VALUE, 0xffff),
    ] {
        assert_eq!(objections(explained), []);
    }
}

#[test]
fn pixel_data_behind_the_last_frame_are_a_caution() {
    let film = |bytes: usize| Dicom::radiograph(3, 3, 8).bytes(&vec![7; bytes]);
    let surplus = |found, needed| Objection::Surplus { found, needed };
    assert_eq!(objections(film(10)), [], "an even length");
    assert_eq!(objections(film(12)), [surplus(12, 9)]);
    assert_eq!(objections(film(18)), [surplus(18, 9)]);
    let two = |bytes| film(bytes).text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    assert_eq!(objections(two(18)), []);
    assert_eq!(objections(two(20)), [surplus(20, 18)]);
    assert_eq!(objections(two(12)), [], "cut off in the second frame");
}

#[test]
fn a_stream_deeper_than_its_cells_is_refused() {
    let jpeg = lossless_jpeg(W as u16, H as u16, 12, &phantom(W, H, 12));
    let mut streams = vec![(uids::JPEG_LOSSLESS_SV1, jpeg)];
    if cfg!(feature = "jpeg2000") {
        streams.push((uids::JPEG2000_LOSSLESS, stream("phantom-12-lossless.j2k")));
    }
    for (syntax, stream) in streams {
        let fault = opened(&film(8).fragments(&[&stream]).file(syntax)).expect_err("a fault");
        let reason = fault.to_string();
        assert!(matches!(fault, ImageFault::Damaged(_)), "{reason}");
        assert!(
            reason.contains("12 bits") && reason.contains('8'),
            "{reason}"
        );
    }
}

#[test]
fn padding_of_any_sign_and_bits_is_found() {
    let padding = |file: Dicom, pixels: [u16; 4], written: &[i32]| {
        let mut file = file.words(&pixels);
        let ends = [tags::PIXEL_PADDING_VALUE, tags::PIXEL_PADDING_RANGE_LIMIT];
        for (tag, &value) in ends.into_iter().zip(written) {
            file = match i16::try_from(value) {
                Ok(value) => file.with(tag, VR::SS, PrimitiveValue::I16([value].as_slice().into())),
                Err(_) => file.number(tag, value as u16),
            };
        }
        read(&file.file(EXPLICIT)).padding
    };
    let film = |bits| Dicom::radiograph(2, 2, bits);
    let with = |cell: u16| [cell, 1, 2, 3];
    // With another sign than the pixels.
    for (written, sample) in [(-1, 65_535), (-2000, 63_536), (-30_000, 35_536)] {
        let found = padding(film(16), with(sample as u16), &[written]);
        assert_eq!(found, Some((sample, sample)), "{written}");
    }
    let found = padding(film(16), with(60_005), &[-5536, -5516]);
    assert_eq!(found, Some((60_000, 60_020)));
    let found = padding(signed(film(16)), with(63_536), &[63_536]);
    assert_eq!(found, Some((-2000, -2000)));
    // With bits above the stored ones, in cells that have them too.
    assert_eq!(
        padding(film(12), with(0xffff), &[65_535]),
        Some((4095, 4095))
    );
    assert_eq!(
        padding(film(12), with(63_536), &[-2000]),
        Some((2096, 2096))
    );
    assert_eq!(padding(film(12), with(4095), &[65_535]), None);
    let found = padding(signed(film(12)), with(0xf800), &[0x800]);
    assert_eq!(found, Some((-2048, -2048)));
    // A range may be in either order, and is cut to the possible samples.
    assert_eq!(
        padding(film(12), with(4), &[4000, 5000]),
        Some((4000, 4095))
    );
    assert_eq!(
        padding(film(12), with(4), &[5000, 4000]),
        Some((4000, 4095))
    );
    assert_eq!(
        padding(film(16), with(4), &[-10, 10]),
        Some((65_526, 65_535))
    );
    assert_eq!(
        padding(signed(film(16)), with(4), &[60_000, 10]),
        Some((-5536, 10))
    );
}

/// The file with another transfer syntax in its meta information, which dicom-rs may not know. The data
/// set stays as it is.
fn under(syntax: &str, file: &[u8]) -> Vec<u8> {
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let header = [2, 0, 0x10, 0, b'U', b'I', uid.len() as u8, 0];
    let data_set = &file[data_set_start(file)..];
    let preamble = [0_u8; 128];
    [&preamble[..], b"DICM", &header, &uid[..], data_set].concat()
}

#[test]
fn a_private_syntax_has_big_endian_pixels_after_a_little_endian_header() {
    let syntax = "1.2.840.113619.5.2";
    let pixels = [1_u16, 1000, 2000, 4095];
    let file = Dicom::radiograph(2, 2, 12).words(&pixels.map(u16::swap_bytes));
    let r = read(&under(syntax, &file.file(IMPLICIT)));
    assert_eq!(r.samples, Samples::Grey16(pixels.to_vec()));
    let file = Dicom::radiograph(2, 2, 8).bytes(&[2, 1, 4, 3]);
    let r = read(&under(syntax, &file.file(IMPLICIT)));
    assert_eq!(r.samples, Samples::Grey8(vec![1, 2, 3, 4]));
}

#[test]
fn an_offset_table_of_zeros_is_ignored() {
    let jpeg = |values: &[u16]| lossless_jpeg(W as u16, H as u16, 12, values);
    let (first, second) = (jpeg(&phantom(W, H, 12)), jpeg(&[9; W * H]));
    let file = film(12).text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    let (head, tail) = first.split_at(first.len() / 4 * 2);
    let (whole, second) = (first.as_slice(), second.as_slice());
    for fragments in [vec![whole, second], vec![head, tail, second]] {
        let file = file.clone().fragments_at(&[0, 0], &fragments);
        let r = read(&file.file(uids::JPEG_LOSSLESS_SV1));
        assert_eq!(r.samples, Samples::Grey16(phantom(W, H, 12)));
    }
}

#[test]
fn without_bits_stored_the_high_bit_determines_them() {
    let mut absent = Dicom::radiograph(2, 2, 12).words(&[0x1001, 7, 0x8fff, 0]);
    absent.0.remove_element(tags::BITS_STORED);
    let empty = absent
        .clone()
        .with(tags::BITS_STORED, VR::US, PrimitiveValue::Empty);
    for file in [absent, empty] {
        let r = read(&file.file(EXPLICIT));
        assert_eq!(r.samples, Samples::Grey16(vec![1, 7, 0xfff, 0]));
        assert_eq!(r.bits_stored, 12);
    }
}

#[test]
fn a_stream_is_decoded_by_its_content_and_not_by_its_syntax() {
    let expected = Samples::Grey16(phantom(W, H, 12));
    let jpeg = lossless_jpeg(W as u16, H as u16, 12, &phantom(W, H, 12));
    let in_fragments = film(12).fragments(&[&jpeg]);
    for syntax in [uids::JPEGLS_LOSSLESS, uids::JPEG2000_LOSSLESS] {
        assert_eq!(
            read(&in_fragments.file(syntax)).samples,
            expected,
            "{syntax}"
        );
    }
    let file = under(EXPLICIT, &in_fragments.file(uids::JPEG_LOSSLESS_SV1));
    assert_eq!(read(&file).samples, expected);
    let near = film(12).fragments(&[&stream("bars-10-in-12-near.jls")]);
    let as_stated = read(&near.file(uids::JPEGLS_NEAR_LOSSLESS)).samples;
    assert_eq!(read(&near.file(uids::JPEG_LOSSLESS)).samples, as_stated);
    if cfg!(feature = "jpeg2000") {
        let file = film(12).fragments(&[&stream("phantom-12-lossless.j2k")]);
        for syntax in [uids::JPEG_LOSSLESS_SV1, uids::JPEG_BASELINE8_BIT] {
            assert_eq!(read(&file.file(syntax)).samples, expected, "{syntax}");
        }
    }
}

#[cfg(feature = "jpeg2000")]
#[test]
fn a_stream_and_its_data_set_may_disagree_about_signs() {
    let read = |file: Dicom, name: &str| {
        let file = file.fragments(&[&stream(name)]);
        stored(&read(&file.file(uids::JPEG2000_LOSSLESS)))
    };
    let phantom: Vec<i32> = phantom(W, H, 12).iter().map(|&v| v.into()).collect();
    let centred: Vec<i32> = phantom.iter().map(|v| v - 2048).collect();
    let wrapped = |v: &i32| if *v > 2047 { v - 4096 } else { *v };
    let as_signed: Vec<i32> = phantom.iter().map(wrapped).collect();
    let as_unsigned: Vec<i32> = centred.iter().map(|v| v & 0xfff).collect();
    // If the precision is less than the stored bits, the sign is in the top bit of the precision.
    for bits in [12, 16] {
        let file = film(bits);
        assert_eq!(read(file.clone(), "phantom-12-lossless.j2k"), phantom);
        assert_eq!(
            read(signed(file.clone()), "phantom-12-lossless.j2k"),
            as_signed
        );
        assert_eq!(
            read(signed(file.clone()), "phantom-signed-12-lossless.j2k"),
            centred
        );
        assert_eq!(read(file, "phantom-signed-12-lossless.j2k"), as_unsigned);
    }
}

#[cfg(feature = "jpeg2000")]
#[test]
fn high_throughput_jpeg_2000_is_read() {
    let read = |syntax, name: &str| read(&film(12).fragments(&[&stream(name)]).file(syntax));
    for syntax in [uids::HTJ2K_LOSSLESS, uids::HTJ2K_LOSSLESS_RPCL, uids::HTJ2K] {
        let r = read(syntax, "htj2k-lossless.jhc");
        assert_eq!(r.samples, Samples::Grey16(phantom(W, H, 12)), "{syntax}");
    }
    let lossy = stored(&read(uids::HTJ2K, "htj2k-lossy.jhc"));
    let phantom: Vec<i32> = phantom(W, H, 12).iter().map(|&v| v.into()).collect();
    assert!(furthest(&lossy, &phantom) < 9);
}

fn words(values: &[u16]) -> PrimitiveValue {
    PrimitiveValue::U16(values.into())
}

fn table(descriptor: [u16; 3], vr: VR, entries: PrimitiveValue) -> Dicom {
    Dicom(InMemDicomObject::new_empty())
        .with(tags::LUT_DESCRIPTOR, VR::US, words(&descriptor))
        .with(tags::LUT_DATA, vr, entries)
}

/// A 12-bit film of 0, 1000, 2000 and 4095 with a sequence of one table.
fn with_table(sequence: Tag, table: Dicom) -> Radiograph {
    let file = Dicom::radiograph(2, 2, 12).sequence(sequence, table);
    read(&file.words(&[0, 1000, 2000, 4095]).file(EXPLICIT))
}

#[test]
fn a_table_has_the_bits_that_it_states_unless_its_entries_contradict_that() {
    let entries = |f: &dyn Fn(u16) -> u16| (0..4096).map(f).collect::<Vec<u16>>();
    let light = |declared, entries: &[u16]| {
        let table = table([4096, 0, declared], VR::US, words(entries));
        developed(&with_table(tags::VOILUT_SEQUENCE, table))
    };
    let twelve = entries(&|i| i);
    // 8 bits are fewer than the entries need, and 16 are those that they are stored in.
    for declared in [0, 8, 10, 12, 16] {
        assert_eq!(light(declared, &twelve), [0, 62, 125, 255], "{declared}");
    }
    // A table of 12 bits need not reach its end. Of 16 nobody can tell.
    let darker = entries(&|i| i >> 2);
    assert_eq!(light(12, &darker), [0, 16, 31, 64]);
    assert_eq!(light(16, &darker), [0, 62, 125, 255]);
    let eight = entries(&|i| i >> 4);
    for declared in [8, 12, 16] {
        assert_eq!(light(declared, &eight), [0, 62, 125, 255], "{declared}");
    }
    assert_eq!(light(16, &entries(&|i| i << 4)), [0, 62, 125, 255]);
    // A Modality LUT leads to numbers, not to light.
    let table = table([4096, 0, 16], VR::US, words(&twelve));
    let r = with_table(tags::MODALITY_LUT_SEQUENCE, table);
    assert_eq!(grey_values(&r), [0.0, 1000.0, 2000.0, 4095.0]);
}

#[test]
fn a_table_that_cannot_be_read_is_ignored_with_an_objection() {
    let empty = || Dicom(InMemDicomObject::new_empty());
    let without_data = empty().with(tags::LUT_DESCRIPTOR, VR::US, words(&[4096, 0, 12]));
    let two_numbers = empty()
        .with(tags::LUT_DESCRIPTOR, VR::US, words(&[4096, 0]))
        .with(tags::LUT_DATA, VR::OW, words(&[1, 2, 3]));
    let nothing = empty().text(tags::LUT_EXPLANATION, VR::LO, "none");
    let whole = table([3, 0, 12], VR::US, words(&[1, 2, 4095]));
    for (sequence, name) in [
        (tags::MODALITY_LUT_SEQUENCE, "Modality LUT Sequence"),
        (tags::VOILUT_SEQUENCE, "VOI LUT Sequence"),
    ] {
        let objection = Objection::NoTable(name.to_owned());
        for (table, is_expected) in [
            (&without_data, true),
            (&two_numbers, true),
            (&nothing, false),
            (&whole, false),
        ] {
            let r = with_table(sequence, table.clone());
            let is_found = r.admission.objections.contains(&objection);
            assert_eq!(is_found, is_expected, "{name}");
        }
    }
}

#[test]
fn a_keras_model_gets_the_table_that_a_reader_sees() {
    let side = 224;
    let pixels: Vec<u16> = (0..side * side).map(|i| (i % 4096) as u16).collect();
    let ramp: Vec<u16> = (0..4096).collect();
    let table = table([4096, 0, 16], VR::US, words(&ramp));
    let film = Dicom::radiograph(side as u16, side as u16, 12)
        .sequence(tags::VOILUT_SEQUENCE, table)
        .words(&pixels);
    let values = Preprocess::named("keras-224-1", side)
        .expect("a preprocessing")
        .apply(&read(&film.file(EXPLICIT)), None);
    assert_eq!((values[0], values[4095]), (0.0, 1.0));
}

#[test]
fn entries_of_8_bits_may_share_words() {
    let entries: Vec<u8> = (0..=255).map(|i| 255 - i).collect();
    let pairs: Vec<u16> = entries
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let bytes = PrimitiveValue::U8(entries.as_slice().into());
    for (vr, data) in [
        (VR::US, words(&pairs)),
        (VR::OW, words(&pairs)),
        (VR::OB, bytes),
    ] {
        for declared in [8, 16] {
            let table = table([256, 0, declared], vr, data.clone());
            let file = Dicom::radiograph(2, 2, 8).sequence(tags::VOILUT_SEQUENCE, table);
            let file = file.bytes(&[0, 1, 100, 255]);
            for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
                let r = read(&file.file(syntax));
                assert_eq!(
                    developed(&r),
                    [255, 254, 155, 0],
                    "{vr} {declared} {syntax}"
                );
            }
        }
    }
}

#[test]
fn a_table_shorter_than_stated_repeats_its_last_entry() {
    let table = table([4096, 0, 12], VR::US, words(&[0, 4095, 2048]));
    let r = with_table(tags::VOILUT_SEQUENCE, table);
    assert_eq!(r.voi_luts[0].entries, [0, 4095, 2048]);
    assert_eq!(developed(&r), [0, 128, 128, 128]);
}

#[test]
fn the_first_input_gets_the_sign_that_fits_the_inputs() {
    let first = |file: Dicom, sequence, written: u16| {
        let table = table([100, written, 12], VR::US, words(&[7; 100]));
        let r = read(&file.sequence(sequence, table).words(&[0; 4]).file(EXPLICIT));
        match (r.voi_luts.first(), &r.modality_transform) {
            (Some(lut), _) | (None, PixelTransform::Table(lut)) => lut.first_input,
            other => panic!("{other:?}"),
        }
    };
    let file = |bits| Dicom::radiograph(2, 2, bits);
    let (modality, voi) = (tags::MODALITY_LUT_SEQUENCE, tags::VOILUT_SEQUENCE);
    let minus_1024 = -1024_i16 as u16;
    assert_eq!(first(file(12), modality, 64), 64);
    assert_eq!(first(signed(file(12)), modality, minus_1024), -1024);
    assert_eq!(first(signed(file(16)), modality, 40_000), 40_000 - 65_536);
    assert_eq!(first(file(16), modality, 40_000), 40_000);
    assert_eq!(first(file(16), voi, 40_000), 40_000);
    // A negative intercept does not concern the Modality LUT, but the VOI LUT.
    let below = |bits| file(bits).text(tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    assert_eq!(first(below(16), modality, 40_000), 40_000);
    assert_eq!(first(below(12), voi, minus_1024), -1024);
    assert_eq!(first(below(16), voi, 40_000), 40_000);
    let falling = file(12).text(tags::RESCALE_SLOPE, VR::DS, "-1");
    assert_eq!(first(falling, voi, -4095_i16 as u16), -4095);
}

#[test]
fn a_modality_lut_that_leads_back_to_the_beam_is_not_used() {
    let inverse: Vec<u16> = (0..4096).map(|i| 4095 - i).collect();
    let values = |class: &str, modality: Option<&str>| {
        let mut file = Dicom::radiograph(2, 2, 12)
            .text(tags::SOP_CLASS_UID, VR::UI, class)
            .text(tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG")
            .sequence(
                tags::MODALITY_LUT_SEQUENCE,
                table([4096, 0, 12], VR::US, words(&inverse)),
            )
            .words(&[0, 1000, 2000, 4095]);
        match modality {
            Some(modality) => file = file.text(tags::MODALITY, VR::CS, modality),
            None => {
                file.0.remove_element(tags::MODALITY);
            }
        }
        grey_values(&read(&file.file(EXPLICIT)))
    };
    let (as_stored, through) = ([0.0, 1000.0, 2000.0, 4095.0], [4095.0, 3095.0, 2095.0, 0.0]);
    let secondary = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
    for (class, modality) in [
        (uids::X_RAY_ANGIOGRAPHIC_IMAGE_STORAGE, Some("XA")),
        (uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE, Some("RF")),
        (uids::X_RAY_ANGIOGRAPHIC_IMAGE_STORAGE, None),
        (uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE, None),
        (secondary, Some("RF")),
    ] {
        assert_eq!(values(class, modality), as_stored, "{class} {modality:?}");
    }
    let digital = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
    assert_eq!(values(digital, Some("DX")), through);
}

/// A ramp of 12 bits with a black border and a rescale.
fn rescaled(slope: &str, intercept: &str) -> Radiograph {
    let pixels: Vec<u16> = (0..4096).map(|i| i % 64 * 65).collect();
    let file = Dicom::radiograph(64, 64, 12)
        .text(tags::RESCALE_SLOPE, VR::DS, slope)
        .text(tags::RESCALE_INTERCEPT, VR::DS, intercept)
        .words(&pixels);
    read(&file.file(EXPLICIT))
}

const RESCALES: [(&str, &str); 9] = [
    ("1E-3", "0"),
    ("1E-12", "0"),
    ("1E-12", "-1024"),
    ("1E-300", "0"),
    ("2.5", "-1000"),
    ("1E12", "0"),
    ("1E300", "0"),
    ("1", "1E9"),
    ("1", "-1E12"),
];

#[test]
fn every_window_shows_the_same_at_every_scale() {
    let canvas = Canvas {
        width: 64,
        height: 64,
        pixel_aspect: 1.0,
    };
    let windows = [
        Window::File,
        Window::WindowPreset(Preset::Automatic),
        Window::WindowPreset(Preset::Lung),
        Window::WindowPreset(Preset::Bone),
        Window::WindowPreset(Preset::Full),
    ];
    let pixels = |r: &Radiograph, window| {
        let view = View {
            window,
            ..View::default()
        };
        show(r, &view, canvas)
    };
    let plain = rescaled("1", "0");
    for (slope, intercept) in RESCALES {
        // Double precision has 53 bits: it cannot show differences of 1E-12 at 1024.
        if (slope, intercept) == ("1E-12", "-1024") {
            continue;
        }
        let r = rescaled(slope, intercept);
        for window in windows {
            let ((a, (_, unit)), (b, (centre, width))) =
                (pixels(&plain, window), pixels(&r, window));
            let apart = a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b));
            assert!(apart.max() <= Some(1), "{slope} {intercept} {window:?}");
            let slope: f64 = slope.parse().expect("a number");
            assert!(
                (width / slope / unit - 1.0).abs() < 1e-3,
                "{slope} {window:?} {width}"
            );
            // The keys start from the window that is shown.
            let (again, _) = pixels(&r, Window::Manual { centre, width });
            let apart = again
                .pixels
                .iter()
                .zip(&b.pixels)
                .map(|(a, b)| a.abs_diff(*b));
            assert!(
                apart.max() <= Some(1),
                "{slope} {intercept} {window:?} by hand"
            );
        }
    }
}

#[test]
fn a_model_gets_the_same_values_at_every_scale() {
    let seen = |r: &Radiograph| {
        let preprocess = Preprocess::named("cxr-1", 32).expect("a preprocessing");
        preprocess.apply(r, None)
    };
    let expected = seen(&rescaled("1", "0"));
    assert!(expected.iter().any(|v| *v > 0.9) && expected.iter().any(|v| *v < -0.9));
    for (slope, intercept) in RESCALES {
        let apart = seen(&rescaled(slope, intercept))
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-4, "{slope} {intercept}: {apart}");
    }
    let steps = grey_values(&rescaled("1", "1E9"));
    assert_eq!(steps[1] - steps[0], 65.0);
}

#[test]
fn a_narrow_window_of_close_values_is_a_ramp_and_not_a_threshold() {
    let light = |slope: &str, width: &str, centre: &str| {
        let file = Dicom::radiograph(2, 2, 12)
            .text(tags::RESCALE_SLOPE, VR::DS, slope)
            .text(tags::WINDOW_CENTER, VR::DS, centre)
            .text(tags::WINDOW_WIDTH, VR::DS, width)
            .words(&[0, 1000, 2000, 4000]);
        developed(&read(&file.file(EXPLICIT)))
    };
    assert_eq!(light("0.00025", "1", "0.5"), [0, 64, 128, 255]);
    let narrow = light("3.0517578125E-5", "0.1220703125", "0.06103515625");
    assert_eq!(narrow, [0, 64, 128, 255]);
    // For whole numbers, LINEAR with a width of 1 follows the standard.
    assert_eq!(light("1", "1", "1500"), [0, 0, 255, 255]);
    let r = Radiograph::plain(2, 1, Samples::Grey8(vec![0, 255]), "test");
    let window = WindowLevel {
        centre: 0.0,
        width: 1e-200,
        function: VoiFunction::LinearExact,
        explanation: None,
    };
    let narrow = VoiLut::window(&r, window);
    assert_eq!(
        [-1e-200, 0.0, 1e-200].map(|v| narrow.apply(v)),
        [0, 128, 255]
    );
}

fn single(values: &[f32], file: Dicom) -> Dicom {
    let data = PrimitiveValue::F32(values.into());
    file.number(tags::BITS_ALLOCATED, 32)
        .with(tags::FLOAT_PIXEL_DATA, VR::OF, data)
}

fn double(values: &[f64], file: Dicom) -> Dicom {
    let data = PrimitiveValue::F64(values.into());
    file.number(tags::BITS_ALLOCATED, 64)
        .with(tags::DOUBLE_FLOAT_PIXEL_DATA, VR::OD, data)
}

/// A film as in the module of floating-point pixels: without Bits Stored and Pixel Representation.
fn float_film() -> Dicom {
    let mut file = Dicom::radiograph(2, 2, 16);
    for tag in [
        tags::BITS_STORED,
        tags::HIGH_BIT,
        tags::PIXEL_REPRESENTATION,
    ] {
        file.0.remove_element(tag);
    }
    file
}

#[test]
fn floating_point_is_read_unchanged() {
    let values = [-0.5, 0.25, 3.5, 1e-3];
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let r = read(&single(&values, float_film()).file(syntax));
        assert_eq!(r.samples, Samples::GreyF32(values.to_vec()), "{syntax}");
        assert_eq!(r.bits_stored, 32);
        let r = read(&double(&values.map(f64::from), float_film()).file(syntax));
        assert_eq!(r.samples, Samples::GreyF32(values.to_vec()), "{syntax}");
    }
    let short = single(&values[..3], float_film());
    assert!(matches!(
        opened(&short.file(EXPLICIT)),
        Err(ImageFault::Damaged(_))
    ));
    let colour = single(&values, float_film()).number(tags::SAMPLES_PER_PIXEL, 3);
    let colour = colour.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    assert!(matches!(
        opened(&colour.file(EXPLICIT)),
        Err(ImageFault::Unsupported(_))
    ));
}

#[test]
fn nan_and_padding_are_as_dark_as_the_darkest_value() {
    // Relative to the darkest value.
    let greys = |values: &[f32], file: Dicom| {
        let greys = grey_values(&read(&single(values, file).file(EXPLICIT)));
        let darkest = greys.iter().copied().fold(f32::INFINITY, f32::min);
        greys.into_iter().map(|v| v - darkest).collect::<Vec<_>>()
    };
    let values = [f32::NAN, 2.0, f32::INFINITY, 1.0];
    assert_eq!(greys(&values, float_film()), [0.0, 1.0, 1.0, 0.0]);
    let negative = float_film().text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    assert_eq!(greys(&values, negative), [0.0, 0.0, 0.0, 1.0]);

    let values = [-1000.0, 2.0, -998.0, 1.0];
    let padded = float_film()
        .with(tags::FLOAT_PIXEL_PADDING_VALUE, VR::FL, -1000.0_f32)
        .with(tags::FLOAT_PIXEL_PADDING_RANGE_LIMIT, VR::FL, -998.0_f32);
    assert_eq!(greys(&values, padded), [0.0, 1.0, 0.0, 0.0]);

    let none = greys(&[f32::NAN; 4], float_film());
    assert!(none.iter().all(|v| v.is_finite() && *v == none[0]));
}

/// Single precision must not lose small differences between large values.
#[test]
fn wide_samples_keep_their_differences() {
    let steps = [0.0, 1.0, 2.0, 4.0];
    let expect = |r: &Radiograph, scale: f64, offset: f64| {
        let PixelTransform::Linear(Rescale { slope, intercept }) = r.modality_transform else {
            panic!("a line");
        };
        let Samples::GreyF32(samples) = &r.samples else {
            panic!("{:?}", r.samples);
        };
        for (sample, step) in samples.iter().zip(steps) {
            let value = slope * f64::from(*sample) + intercept;
            let apart = (value - (step * scale + offset)).abs();
            assert!(apart <= scale * 1e-6, "{scale} {offset}: {value}");
        }
        let values = grey_values(r);
        assert!((values[1] - values[0]) * 4.0 - (values[3] - values[0]) < 1e-5);
        assert!(values[3] > values[0]);
    };
    for (scale, offset) in [(1.0, 1e9), (1e-300, 0.0), (1e300, 0.0), (1e-3, 1e6)] {
        let values = steps.map(|step| step * scale + offset);
        let r = read(&double(&values, float_film()).file(EXPLICIT));
        expect(&r, scale, offset);
    }
    let offset = 1_000_000_000_u32;
    let mut whole = Dicom::radiograph(2, 2, 16)
        .number(tags::BITS_ALLOCATED, 32)
        .number(tags::BITS_STORED, 32)
        .number(tags::HIGH_BIT, 31);
    let bytes = steps
        .map(|step| (offset + step as u32).to_le_bytes())
        .concat();
    whole = whole.with(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U8(bytes.as_slice().into()),
    );
    expect(&read(&whole.file(EXPLICIT)), 1.0, offset.into());
}

#[test]
fn frames_of_one_bit_are_read_in_every_packing() {
    let pixels: Vec<u8> = (0..W * H).map(|i| u8::from(i * i % 7 < 3)).collect();
    let packed: Vec<u8> = pixels
        .chunks(8)
        .map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
        .collect();
    let file = film(8)
        .number(tags::BITS_ALLOCATED, 1)
        .number(tags::BITS_STORED, 1)
        .number(tags::HIGH_BIT, 0);
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut deflated, &packed).expect("deflate");
    let deflated = deflated.finish().expect("deflate");
    for (syntax, stream) in [
        (
            uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
            packed.clone(),
        ),
        (uids::DEFLATED_IMAGE_FRAME_COMPRESSION, deflated),
        (uids::RLE_LOSSLESS, rle(std::slice::from_ref(&packed))),
    ] {
        let r = read(&file.clone().fragments(&[&stream]).file(syntax));
        assert_eq!(r.samples, Samples::Grey8(pixels.clone()), "{syntax}");
    }
    let mut even = packed;
    even.push(0);
    let pairs: Vec<u16> = even
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let r = read(&file.clone().words(&pairs).file(syntax));
        assert_eq!(r.samples, Samples::Grey8(pixels.clone()), "{syntax}");
    }
}

/// Descriptor, data and segmented data of red, green and blue.
const PALETTE: [[Tag; 3]; 3] = [
    [
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ],
    [
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ],
    [
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ],
];

/// Four pixels with a palette of three equal tables.
fn through_palette(descriptor: [u16; 3], segmented: bool, data: PrimitiveValue) -> Dicom {
    let mut file = Dicom::radiograph(2, 2, 8)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "PALETTE COLOR")
        .bytes(&[0, 3, 5, 9]);
    for [described, plain, segments] in PALETTE {
        file = file.with(described, VR::US, words(&descriptor)).with(
            if segmented { segments } else { plain },
            VR::OW,
            data.clone(),
        );
    }
    file
}

#[test]
fn segmented_palettes_are_unfolded() {
    // 0, 1000; then on to 5000 in four steps; then these two segments (from byte 0) again.
    let wide = [0, 2, 0, 1000, 1, 4, 5000, 2, 2, 0, 0].map(|v: u16| v);
    let scaled = wide.map(|v| if v >= 1000 { v * 10 } else { v });
    // The same in bytes: 0, 10 to 50, and again.
    let narrow: [u8; 14] = [0, 2, 0, 10, 1, 4, 50, 2, 2, 0, 0, 0, 0, 0];
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let file = through_palette([12, 0, 16], true, words(&scaled));
        let r = read(&file.file(syntax));
        // 0, 1000, 2000 … 5000, 0, 1000 …, times 10, in 8 bits.
        let high = |v: u32| ((v * 10) >> 8) as u8;
        let expected = vec![0, high(3000), high(5000), high(3000)];
        assert_eq!(r.samples, Samples::Grey8(expected), "{syntax}");
    }
    let bytes = PrimitiveValue::U8(narrow.as_slice().into());
    let r = read(&through_palette([12, 0, 8], true, bytes).file(EXPLICIT));
    assert_eq!(r.samples, Samples::Grey8(vec![0, 30, 50, 30]));
}

#[test]
fn segments_that_do_not_fit_are_damaged() {
    for segments in [
        vec![],
        vec![1, 4, 5000],
        vec![0, 2, 0],
        vec![0, 0],
        vec![0, 13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        vec![0, 2, 0, 9, 2, 1, 8, 0],
        vec![0, 2, 0, 9, 2, 65_535, 0xffff, 0xffff],
        vec![3, 2, 0, 9],
    ] {
        let file = through_palette([12, 0, 16], true, words(&segments));
        let fault = opened(&file.file(EXPLICIT)).expect_err("a fault");
        assert!(
            matches!(fault, ImageFault::Damaged(_)),
            "{segments:?}: {fault}"
        );
    }
}

#[test]
fn a_palette_for_8_bits_in_16_is_not_black() {
    let entries: Vec<u16> = (0..10).map(|i| i * 28).collect();
    for declared in [8, 16] {
        let file = through_palette([10, 0, declared], false, words(&entries));
        let r = read(&file.file(EXPLICIT));
        assert_eq!(
            r.samples,
            Samples::Grey8(vec![0, 84, 140, 252]),
            "{declared}"
        );
    }
}

/// Cases of public reports, and their correct samples.
#[test]
fn published_cases_have_the_right_samples() {
    let Some(data) = skip::private_data("cases") else {
        return;
    };
    let cases = data.join("cases");
    let case = |name: &str| -> Radiograph {
        let path: PathBuf = cases.join(name);
        open(&path, &DecodeLimits::default()).unwrap_or_else(|e| panic!("{e}"))
    };
    if cfg!(feature = "jpeg2000") {
        for (film, control) in [
            ("j2k12_stored10.dcm", "j2k12_control_clamped.dcm"),
            ("j2k12_stored10_mild.dcm", "j2k12_mild_control.dcm"),
        ] {
            assert_eq!(case(film).samples, case(control).samples, "{film}");
        }
    }
    for film in ["mlut_xa.dcm", "mlut_rf.dcm"] {
        let line = PixelTransform::Linear(Rescale::default());
        assert_eq!(case(film).modality_transform, line, "{film}");
    }
    let offset = case("intercept_huge.dcm");
    let values = grey_values(&offset);
    let stored = stored(&offset);
    for (value, sample) in values.iter().zip(&stored) {
        assert_eq!(value - values[0], (sample - stored[0]) as f32);
    }
}
