//! Pixel data of DICOM files that are not compressed, or only by run lengths.

use cxr::domain::{Modality, PhotometricInterpretation, Samples};
use cxr::imaging::ImageFault;
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};

use crate::imaging_files::{
    BIG_ENDIAN, DEFLATED, Dicom, EXPLICIT, IMPLICIT, data_set_start, phantom, rle,
};
use crate::shared::{H, W, fault, read};

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
