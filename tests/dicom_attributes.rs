//! DICOM attributes that do not follow the standard: unknown or wrong value representations, texts in
//! place of numbers, character sets by other names.

mod imaging_files;
mod skip;

use cxr::domain::{
    Lut, Objection, PixelTransform, Radiograph, Rescale, Samples, ViewPosition, WindowLevel,
};
use cxr::imaging::{DecodeLimits, ImageFault, open};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use imaging_files::{BIG_ENDIAN, Dicom, EXPLICIT, Files, IMPLICIT, data_set_start, phantom};

const W: u16 = 12;
const H: u16 = 10;

fn read(bytes: &[u8]) -> Radiograph {
    let files = Files::new();
    let path = files.put("film", bytes);
    open(&path, &DecodeLimits::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn fault(bytes: &[u8]) -> ImageFault {
    let files = Files::new();
    let path = files.put("film", bytes);
    let error = open(&path, &DecodeLimits::default()).expect_err("a fault");
    error.fault().clone()
}

/// The radiograph with content ID and format of another, so that the rest can be compared.
fn alike(r: Radiograph, other: &Radiograph) -> Radiograph {
    Radiograph {
        content: other.content,
        format: other.format.clone(),
        ..r
    }
}

fn plain() -> Dicom {
    let pixels = phantom(W.into(), H.into(), 12);
    Dicom::radiograph(W, H, 12).words(&pixels)
}

fn table(bits: u16, entries: &[u16]) -> Dicom {
    let descriptor = dicom_value!(U16, [entries.len() as u16, 5, bits]);
    Dicom(InMemDicomObject::new_empty())
        .with(tags::LUT_DESCRIPTOR, VR::US, descriptor)
        .with(tags::LUT_DATA, VR::OW, PrimitiveValue::U16(entries.into()))
        .text(tags::LUT_EXPLANATION, VR::LO, "chest")
}

fn code(value: &str, meaning: &str) -> Dicom {
    Dicom(InMemDicomObject::new_empty())
        .text(tags::CODE_VALUE, VR::SH, value)
        .text(tags::CODE_MEANING, VR::LO, meaning)
}

/// A film with every attribute that is read for grey films.
fn complete() -> Dicom {
    let texts = [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.5"),
        (tags::STUDY_DATE, VR::DA, "20200102"),
        (tags::STUDY_TIME, VR::TM, "101112"),
        (tags::MODALITY, VR::CS, "CR"),
        (tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PROCESSING"),
        (tags::PATIENT_NAME, VR::PN, "Müller^Jörg"),
        (tags::PATIENT_ID, VR::LO, "P-7"),
        (tags::ISSUER_OF_PATIENT_ID, VR::LO, "Ward"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, "19500102"),
        (tags::PATIENT_SEX, VR::CS, "F"),
        (tags::PATIENT_AGE, VR::AS, "070Y"),
        (tags::BODY_PART_EXAMINED, VR::CS, "HAND"),
        (tags::LATERALITY, VR::CS, "L"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1"),
        (tags::BURNED_IN_ANNOTATION, VR::CS, "YES"),
        (tags::PIXEL_SPACING, VR::DS, "0.2\\0.1"),
        (tags::WINDOW_CENTER, VR::DS, "300\\-40.5"),
        (tags::WINDOW_WIDTH, VR::DS, "800\\900"),
        (tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, "a\\b"),
        (tags::VOILUT_FUNCTION, VR::CS, "SIGMOID"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-100"),
        (tags::RESCALE_SLOPE, VR::DS, "2.5"),
        (tags::NUMBER_OF_FRAMES, VR::IS, "1"),
        (tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE"),
    ];
    let film = texts
        .into_iter()
        .fold(plain(), |film, (tag, vr, text)| film.text(tag, vr, text));
    film.number(tags::PIXEL_PADDING_VALUE, 7)
        .number(tags::PIXEL_PADDING_RANGE_LIMIT, 9)
        .sequence(tags::VOILUT_SEQUENCE, table(12, &[1, 2, 4000]))
        .sequence(tags::VIEW_CODE_SEQUENCE, code("399348003", "frontal"))
        .sequence(tags::ANATOMIC_REGION_SEQUENCE, code("1", "hand"))
}

/// A film with attributes in the functional groups of an enhanced object.
fn grouped() -> Dicom {
    let rescale = Dicom(InMemDicomObject::new_empty())
        .text(tags::RESCALE_INTERCEPT, VR::DS, "-100")
        .text(tags::RESCALE_SLOPE, VR::DS, "2.5");
    let window = Dicom(InMemDicomObject::new_empty())
        .text(tags::WINDOW_CENTER, VR::DS, "300")
        .text(tags::WINDOW_WIDTH, VR::DS, "800");
    let groups = Dicom(InMemDicomObject::new_empty())
        .sequence(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, rescale)
        .sequence(tags::FRAME_VOILUT_SEQUENCE, window);
    plain().sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, groups)
}

/// The bytes of an element's value in an implicit little endian data set.
fn implicit_value(element: &DataElement<InMemDicomObject>) -> Vec<u8> {
    let mut alone = InMemDicomObject::new_empty();
    alone.put(element.clone());
    let file = Dicom(alone).file(IMPLICIT);
    file[data_set_start(&file) + 8..].to_vec()
}

/// The object with all value representations unknown. If `within`, sequences stay known, and the
/// elements in their items become unknown.
fn unknown(object: &InMemDicomObject, within: bool) -> InMemDicomObject {
    let mut changed = InMemDicomObject::new_empty();
    for element in object {
        let tag = element.header().tag;
        changed.put(match element.items() {
            Some(items) if within => {
                let items: Vec<_> = items.iter().map(|item| unknown(item, true)).collect();
                let items = dicom_core::value::DataSetSequence::from(items);
                DataElement::new(tag, VR::SQ, dicom_core::value::Value::Sequence(items))
            }
            _ => {
                let bytes = implicit_value(element);
                let value = PrimitiveValue::U8(bytes.as_slice().into());
                DataElement::new(tag, VR::UN, value)
            }
        });
    }
    changed
}

#[test]
fn elements_of_unknown_representation_are_read_by_the_dictionary() {
    for film in [complete(), grouped()] {
        let expected = read(&film.file(EXPLICIT));
        assert_ne!(expected.modality_transform, PixelTransform::default());
        assert!(!expected.windows.is_empty());
        for within in [false, true] {
            let changed = Dicom(unknown(&film.0, within));
            // Unknown values are little endian in every data set.
            for syntax in [EXPLICIT, BIG_ENDIAN] {
                let r = read(&changed.file(syntax));
                assert_eq!(alike(r, &expected), expected, "{syntax} {within}");
            }
        }
    }
    let r = read(&Dicom(unknown(&complete().0, false)).file(EXPLICIT));
    assert!(r.inverted);
    assert_eq!(r.patient.name.as_deref(), Some("Müller Jörg"));
    assert_eq!((r.padding, r.pixel_aspect), (Some((7, 9)), 2.0));
    assert_eq!(r.voi_luts[0].entries, [1, 2, 4000]);
    assert_eq!(r.view, ViewPosition::Ap);
}

#[test]
fn any_one_element_may_be_unknown() {
    let film = complete();
    let expected = read(&film.file(EXPLICIT));
    for element in &film.0 {
        let tag = element.header().tag;
        let bytes = implicit_value(element);
        let value = PrimitiveValue::U8(bytes.as_slice().into());
        let r = read(&film.clone().with(tag, VR::UN, value).file(EXPLICIT));
        assert_eq!(alike(r, &expected), expected, "{tag}");
    }
}

/// A file with one more element before its pixel data.
fn with_bytes(film: &Dicom, element: &[u8]) -> Vec<u8> {
    let file = film.file(EXPLICIT);
    let pixels = [0xe0, 0x7f, 0x10, 0x00, b'O', b'W'];
    let at = file.windows(6).position(|w| w == pixels);
    let (before, after) = file.split_at(at.expect("pixel data"));
    [before, element, after].concat()
}

/// An unknown sequence of undefined length with one item, whose elements are given.
fn undefined(tag: Tag, elements: &[u8]) -> Vec<u8> {
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes.extend(b"UN\0\0\xff\xff\xff\xff");
    bytes.extend(b"\xfe\xff\x00\xe0\xff\xff\xff\xff");
    bytes.extend(elements);
    bytes.extend(b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0");
    bytes
}

fn data_set(item: &Dicom, syntax: &str) -> Vec<u8> {
    let file = item.file(syntax);
    file[data_set_start(&file)..].to_vec()
}

#[test]
fn unknown_sequences_of_undefined_length_are_read_and_stepped_over() {
    let item = table(12, &[1, 2, 4000]);
    let expected = read(
        &plain()
            .sequence(tags::VOILUT_SEQUENCE, item.clone())
            .file(EXPLICIT),
    );
    assert_eq!(expected.voi_luts.len(), 1);
    // As in the standard, and as some devices write it.
    for syntax in [IMPLICIT, EXPLICIT] {
        let elements = data_set(&item, syntax);
        let known = with_bytes(&plain(), &undefined(tags::VOILUT_SEQUENCE, &elements));
        assert_eq!(alike(read(&known), &expected), expected, "{syntax}");
        let private = with_bytes(&plain(), &undefined(Tag(0x5011, 0x1010), &elements));
        assert_eq!(read(&private).samples, expected.samples, "{syntax}");
    }
}

/// The bytes of an item in a little endian file.
fn item(elements: &[u8], is_defined: bool) -> Vec<u8> {
    if is_defined {
        let length = (elements.len() as u32).to_le_bytes();
        return [b"\xfe\xff\x00\xe0".as_slice(), &length, elements].concat();
    }
    let start = b"\xfe\xff\x00\xe0\xff\xff\xff\xff".as_slice();
    [start, elements, b"\xfe\xff\x0d\xe0\0\0\0\0"].concat()
}

/// An element with a 32-bit length that contains `items`, in Explicit VR Little Endian.
fn around(tag: Tag, vr: &[u8; 2], items: &[u8], is_defined: bool) -> Vec<u8> {
    let start = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    let start = [start.as_slice(), vr, &[0, 0]].concat();
    if is_defined {
        let length = (items.len() as u32).to_le_bytes();
        return [start.as_slice(), &length, items].concat();
    }
    let end = b"\xfe\xff\xdd\xe0\0\0\0\0".as_slice();
    [start.as_slice(), &[0xff; 4], items, end].concat()
}

#[test]
fn items_may_be_implicit_or_explicit_in_any_sequence() {
    let table = table(12, &[1, 2, 4000]);
    let film = plain().sequence(tags::VOILUT_SEQUENCE, table.clone());
    let expected = read(&film.file(EXPLICIT));
    assert_eq!(expected.voi_luts.len(), 1);
    let samples = &expected.samples;
    let reference =
        Dicom(InMemDicomObject::new_empty()).text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2");
    for n in 0..32 {
        let [implicit, unknown, after_empty, defined, item_defined] =
            [1, 2, 4, 8, 16].map(|bit| n & bit != 0);
        let syntax = if implicit { IMPLICIT } else { EXPLICIT };
        let vr = if unknown { b"UN" } else { b"SQ" };
        let sequence = |tag, film: &Dicom| {
            let mut items = item(&data_set(film, syntax), item_defined);
            if after_empty {
                items = [item(&[], item_defined), items].concat();
            }
            with_bytes(&plain(), &around(tag, vr, &items, defined))
        };
        let what = format!("{syntax} {vr:?} {after_empty} {defined} {item_defined}");
        let wanted = read(&sequence(tags::VOILUT_SEQUENCE, &table));
        assert_eq!(alike(wanted, &expected), expected, "{what}");
        for tag in [
            tags::REFERENCED_IMAGE_SEQUENCE,
            Tag(0x0009, 0x1001),
            Tag(0x5011, 0x1010),
        ] {
            let film = read(&sequence(tag, &reference));
            assert_eq!(&film.samples, samples, "{tag} {what}");
        }
    }
}

#[test]
fn implicit_items_may_be_nested_in_explicit_ones() {
    let window = Dicom(InMemDicomObject::new_empty())
        .text(tags::WINDOW_CENTER, VR::DS, "300")
        .text(tags::WINDOW_WIDTH, VR::DS, "800");
    for is_defined in [true, false] {
        let windows = item(&data_set(&window, IMPLICIT), is_defined);
        let within = around(tags::FRAME_VOILUT_SEQUENCE, b"SQ", &windows, is_defined);
        let groups = item(&within, is_defined);
        let shared = tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE;
        let element = around(shared, b"SQ", &groups, is_defined);
        let r = read(&with_bytes(&plain(), &element));
        let window = r.windows.first().map(|w| (w.centre, w.width));
        assert_eq!(window, Some((300.0, 800.0)), "{is_defined}");
    }
}

#[test]
fn an_invalid_sequence_of_defined_length_does_no_other_harm() {
    let name = "Müller^Jörg ".as_bytes().to_vec();
    let film = plain().with(tags::PATIENT_NAME, VR::UN, PrimitiveValue::from(name));
    let expected = read(&film.file(EXPLICIT));
    assert_eq!(expected.patient.name.as_deref(), Some("Müller Jörg"));
    // The second one has a text in another character set, and then an element longer than the item.
    let broken = item(
        b"\x08\0\x04\x01LO\x04\0J\xf6rg\x08\0\x05\x01LO\xf0\xff",
        true,
    );
    for junk in [b"12345678".as_slice(), &broken] {
        for tag in [
            tags::VIEW_CODE_SEQUENCE,
            tags::VOILUT_SEQUENCE,
            tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        ] {
            let r = read(&with_bytes(&film, &around(tag, b"SQ", junk, true)));
            assert_eq!(alike(r, &expected), expected, "{tag}");
        }
    }
}

#[test]
fn an_invalid_unknown_sequence_does_no_other_harm() {
    let rubbish = PrimitiveValue::from(b"no items at all!".to_vec());
    let film = plain().with(tags::VOILUT_SEQUENCE, VR::UN, rubbish);
    let r = read(&film.file(EXPLICIT));
    assert_eq!(
        (r.voi_luts.len(), r.samples),
        (0, read(&plain().file(EXPLICIT)).samples)
    );
}

#[test]
fn deeply_nested_unknown_sequences_do_no_other_harm() {
    let deepest = (0..5000).fold(Vec::new(), |within, _| {
        let mut bytes = b"\x28\x00\x10\x30UN\0\0".to_vec();
        bytes.extend((within.len() as u32 + 8).to_le_bytes());
        bytes.extend(b"\xfe\xff\x00\xe0");
        bytes.extend((within.len() as u32).to_le_bytes());
        bytes.extend(within);
        bytes
    });
    let r = read(&with_bytes(&plain(), &deepest));
    assert_eq!(r.voi_luts, []);
}

#[test]
fn unknown_elements_count_like_known_ones() {
    let unknown = |tag, text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(2), b' ');
        plain().with(tag, VR::UN, PrimitiveValue::from(bytes))
    };
    let r = read(&unknown(tags::MODALITY, "CT").file(EXPLICIT));
    assert_eq!(r.modality, cxr::domain::Modality::Other("CT".into()));
    let r = read(&unknown(tags::VIEW_POSITION, "LL").file(EXPLICIT));
    assert_eq!(r.view, ViewPosition::Lateral);
    let r = read(&unknown(tags::PRESENTATION_LUT_SHAPE, "INVERSE").file(BIG_ENDIAN));
    assert!(r.inverted);
}

#[test]
fn numbers_may_be_written_as_texts_and_texts_as_others() {
    let film = plain()
        .text(tags::RESCALE_SLOPE, VR::DS, "2")
        .text(tags::WINDOW_CENTER, VR::DS, "300")
        .text(tags::WINDOW_WIDTH, VR::DS, "800")
        .text(tags::VIEW_POSITION, VR::CS, "AP")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, "1")
        .text(tags::PATIENT_SEX, VR::CS, "F");
    let expected = read(&film.file(EXPLICIT));
    let text = |text: &str| PrimitiveValue::from(text);
    let others: Vec<(Tag, VR, PrimitiveValue)> = vec![
        (tags::ROWS, VR::SS, dicom_value!(I16, [H as i16])),
        (tags::ROWS, VR::UL, dicom_value!(U32, [H.into()])),
        (tags::ROWS, VR::IS, text("10")),
        (tags::ROWS, VR::DS, text("10.0")),
        (tags::COLUMNS, VR::LO, text("12 ")),
        (
            tags::COLUMNS,
            VR::UN,
            PrimitiveValue::from(b"12.0".to_vec()),
        ),
        (tags::COLUMNS, VR::OW, dicom_value!(U16, [W])),
        (tags::BITS_STORED, VR::IS, text("12")),
        (tags::PIXEL_REPRESENTATION, VR::SS, dicom_value!(I16, [0])),
        (tags::SAMPLES_PER_PIXEL, VR::OB, dicom_value!(U8, [1, 0])),
        (tags::RESCALE_SLOPE, VR::IS, text("2")),
        (tags::RESCALE_SLOPE, VR::IS, text("2.0")),
        (tags::RESCALE_SLOPE, VR::FD, dicom_value!(F64, [2.0])),
        (tags::RESCALE_SLOPE, VR::LO, text("2 ")),
        (tags::RESCALE_SLOPE, VR::OB, dicom_value!(U8, [b'2', b' '])),
        (tags::WINDOW_CENTER, VR::US, dicom_value!(U16, [300])),
        (tags::WINDOW_CENTER, VR::FL, dicom_value!(F32, [300.0])),
        (tags::WINDOW_WIDTH, VR::SS, dicom_value!(I16, [800])),
        (tags::WINDOW_WIDTH, VR::SH, text("800")),
        (tags::NUMBER_OF_FRAMES, VR::US, dicom_value!(U16, [1])),
        (tags::NUMBER_OF_FRAMES, VR::DS, text("1.0")),
        (tags::VIEW_POSITION, VR::LO, text("AP")),
        (tags::MODALITY, VR::SH, text("DX")),
        (
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::LO,
            text("MONOCHROME2"),
        ),
        (tags::PATIENT_SEX, VR::UT, text("F")),
    ];
    for (tag, vr, value) in others {
        for syntax in [EXPLICIT, BIG_ENDIAN] {
            // The byte order of a number that is written as bytes is not known.
            if syntax == BIG_ENDIAN && vr == VR::OB {
                continue;
            }
            let r = read(&film.clone().with(tag, vr, value.clone()).file(syntax));
            assert_eq!(alike(r, &expected), expected, "{tag} as {vr} {syntax}");
        }
    }
}

#[test]
fn two_characters_are_text_if_their_bytes_are_too_large_a_number() {
    let expected = read(&plain().file(EXPLICIT));
    for (tag, letters) in [
        (tags::BITS_ALLOCATED, b"16"),
        (tags::BITS_STORED, b"12"),
        (tags::HIGH_BIT, b"11"),
        (tags::SAMPLES_PER_PIXEL, b"1 "),
        (tags::PIXEL_REPRESENTATION, b"0 "),
    ] {
        let word = dicom_value!(U16, [u16::from_le_bytes(*letters)]);
        let bytes = PrimitiveValue::from(letters.to_vec());
        for (vr, value) in [(VR::US, word), (VR::UN, bytes)] {
            let r = read(&plain().with(tag, vr, value).file(EXPLICIT));
            assert_eq!(alike(r, &expected), expected, "{tag} {vr}");
        }
    }
    // But there may be 13,873 rows, so these bytes are not the text 16.
    const ROWS: u16 = u16::from_le_bytes(*b"16");
    let pixels: Vec<u16> = (0..ROWS).map(|row| row % 4096).collect();
    let film = Dicom::radiograph(1, ROWS, 12).words(&pixels);
    let file = film.file(EXPLICIT);
    assert_eq!(read(&file).samples, Samples::Grey16(pixels));
}

#[test]
fn an_empty_attribute_does_not_hide_that_of_a_functional_group() {
    let expected = read(&grouped().file(EXPLICIT));
    assert_eq!(rescale(&expected), (2.5, -100.0));
    for blank in ["", "  "] {
        let film = [
            tags::RESCALE_SLOPE,
            tags::RESCALE_INTERCEPT,
            tags::WINDOW_CENTER,
            tags::WINDOW_WIDTH,
        ]
        .into_iter()
        .fold(grouped(), |film, tag| film.text(tag, VR::DS, blank));
        let r = read(&film.file(EXPLICIT));
        assert_eq!(alike(r, &expected), expected, "{blank:?}");
    }
}

#[test]
fn a_view_may_be_a_code_without_a_meaning() {
    let read_with = |value: &str| {
        let code = Dicom(InMemDicomObject::new_empty()).text(tags::CODE_VALUE, VR::SH, value);
        let film = plain().sequence(tags::VIEW_CODE_SEQUENCE, code);
        let r = read(&film.file(EXPLICIT));
        (r.view, r.admission.objections)
    };
    for lateral in [
        "R-10236",
        "399173006",
        "R-10232",
        "399198007",
        "R-102CD",
        "399067008",
    ] {
        assert_eq!(read_with(lateral).0, ViewPosition::Lateral, "{lateral}");
    }
    for pa in ["R-10214", "R-40888", "272479007"] {
        assert_eq!(read_with(pa), (ViewPosition::Pa, vec![]), "{pa}");
    }
    for oblique in ["R-10220", "399135007"] {
        let expected = (ViewPosition::Unknown, vec![Objection::View(oblique.into())]);
        assert_eq!(read_with(oblique), expected);
    }
    assert_eq!(read_with("R-10202"), (ViewPosition::Unknown, vec![]));
}

#[test]
fn a_table_may_be_written_as_words_or_bytes() {
    let entries = [1_u16, 2, 4000];
    let bytes: Vec<u8> = entries.iter().flat_map(|e| e.to_le_bytes()).collect();
    let expected = read(
        &plain()
            .sequence(tags::VOILUT_SEQUENCE, table(12, &entries))
            .file(EXPLICIT),
    );
    let luts: [Lut; 1] = expected.voi_luts.clone().try_into().expect("one table");
    assert_eq!((luts[0].first_input, luts[0].bits), (5, 12));
    let same = |item: Dicom| {
        let r = read(&plain().sequence(tags::VOILUT_SEQUENCE, item).file(EXPLICIT));
        assert_eq!(alike(r, &expected), expected);
    };
    let whole = table(12, &entries);
    let data = PrimitiveValue::U8(bytes.as_slice().into());
    for vr in [VR::OB, VR::UN] {
        same(whole.clone().with(tags::LUT_DATA, vr, data.clone()));
    }
    same(whole.clone().with(
        tags::LUT_DATA,
        VR::US,
        PrimitiveValue::U16(entries.to_vec().into()),
    ));
    let descriptor = dicom_value!(U8, [3, 0, 5, 0, 12, 0]);
    for vr in [VR::OB, VR::UN] {
        same(
            whole
                .clone()
                .with(tags::LUT_DESCRIPTOR, vr, descriptor.clone()),
        );
    }
    let descriptor = dicom_value!(U16, [3, 5, 12]);
    same(whole.clone().with(tags::LUT_DESCRIPTOR, VR::OW, descriptor));
    let descriptor = dicom_value!(I16, [3, 5, 12]);
    same(whole.with(tags::LUT_DESCRIPTOR, VR::SS, descriptor));
}

fn unread(attribute: &str, value: &str) -> Objection {
    Objection::Unread {
        attribute: attribute.into(),
        value: Some(value.into()),
    }
}

fn windows(r: &Radiograph) -> Vec<(f64, f64)> {
    let pair = |w: &WindowLevel| (w.centre, w.width);
    r.windows.iter().map(pair).collect()
}

#[test]
fn windows_with_decimal_commas_are_read() {
    type Case = (&'static str, &'static str, &'static [(f64, f64)]);
    let cases: [Case; 8] = [
        ("1500,5", "1000,0", &[(1500.5, 1000.0)]),
        (
            "1500\\1400,5",
            "1000\\800,25",
            &[(1500.0, 1000.0), (1400.5, 800.25)],
        ),
        ("1.500,5", "1,000.5", &[(1500.5, 1000.5)]),
        ("-0,5", "1e3", &[(-0.5, 1000.0)]),
        ("1500\\", "1000\\", &[(1500.0, 1000.0)]),
        ("\\1400", "1000\\800", &[(1400.0, 800.0)]),
        // More centres than widths.
        ("1500\\1400", "1000", &[(1500.0, 1000.0)]),
        ("1500\0\0", "1000\0x", &[(1500.0, 1000.0)]),
    ];
    for (centres, widths, expected) in cases {
        let film = plain().text(tags::WINDOW_CENTER, VR::DS, centres).text(
            tags::WINDOW_WIDTH,
            VR::DS,
            widths,
        );
        let r = read(&film.file(EXPLICIT));
        assert_eq!(windows(&r), expected, "{centres} / {widths}");
        assert_eq!(r.admission.objections, [], "{centres} / {widths}");
    }
}

#[test]
fn a_window_that_is_not_a_number_is_named_and_the_others_are_kept() {
    for bad in ["abc", "1500HU", "2,048", "nan", "1;5", "--5"] {
        let film = plain()
            .text(tags::WINDOW_CENTER, VR::DS, &format!("{bad}\\1400"))
            .text(tags::WINDOW_WIDTH, VR::DS, "1000\\800");
        let r = read(&film.file(EXPLICIT));
        assert_eq!(windows(&r), [(1400.0, 800.0)], "{bad}");
        assert_eq!(r.admission.objections, [unread("Window Center", bad)]);
    }
}

fn rescale(r: &Radiograph) -> (f64, f64) {
    match r.modality_transform {
        PixelTransform::Linear(Rescale { slope, intercept }) => (slope, intercept),
        _ => panic!("a line"),
    }
}

#[test]
fn a_rescale_is_read_or_named() {
    let read_with = |slope: &str, intercept: &str| {
        let film = plain().text(tags::RESCALE_SLOPE, VR::DS, slope).text(
            tags::RESCALE_INTERCEPT,
            VR::DS,
            intercept,
        );
        let r = read(&film.file(EXPLICIT));
        (rescale(&r), r.admission.objections)
    };
    for (slope, intercept, expected) in [
        ("-1,0", "4095", (-1.0, 4095.0)),
        ("-1,000", "4095,0", (-1.0, 4095.0)),
        ("1E0", "-1e3", (1.0, -1000.0)),
        ("2\\3", "", (2.0, 0.0)),
        ("", "", (1.0, 0.0)),
    ] {
        assert_eq!(
            read_with(slope, intercept),
            (expected, vec![]),
            "{slope} {intercept}"
        );
    }
    for (slope, intercept, expected, named) in [
        ("abc", "5", (1.0, 5.0), unread("Rescale Slope", "abc")),
        ("nan", "5", (1.0, 5.0), unread("Rescale Slope", "nan")),
        ("0", "5", (1.0, 5.0), unread("Rescale Slope", "0")),
        ("1e999", "5", (1.0, 5.0), unread("Rescale Slope", "1e999")),
        (
            "2",
            "-1,024",
            (2.0, 0.0),
            unread("Rescale Intercept", "-1,024"),
        ),
        ("2", "5 HU", (2.0, 0.0), unread("Rescale Intercept", "5 HU")),
    ] {
        assert_eq!(
            read_with(slope, intercept),
            (expected, vec![named]),
            "{slope} {intercept}"
        );
    }
}

#[test]
fn a_slope_that_may_invert_the_film_is_refused() {
    let film = plain().text(tags::RESCALE_SLOPE, VR::DS, "-1;0");
    let reason = fault(&film.file(EXPLICIT)).to_string();
    assert!(reason.contains("Rescale Slope \"-1;0\""), "{reason}");
    // The minus sign of Unicode is read. The same bytes in another character set are not, nor is a dash.
    let slope = |text: &str| {
        let bytes = PrimitiveValue::from(text.as_bytes().to_vec());
        plain().with(tags::RESCALE_SLOPE, VR::UN, bytes)
    };
    let minus = slope("\u{2212}1");
    assert_eq!(rescale(&read(&minus.file(EXPLICIT))), (-1.0, 0.0));
    let in_latin_1 = minus.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
    for film in [in_latin_1, slope("\u{2013}1")] {
        let reason = fault(&film.file(EXPLICIT)).to_string();
        assert!(reason.contains("may invert the picture"), "{reason}");
    }
}

#[test]
fn numbers_that_the_samples_depend_on_are_read_or_refused_by_name() {
    for (tag, name) in [
        (tags::ROWS, "Rows"),
        (tags::COLUMNS, "Columns"),
        (tags::BITS_ALLOCATED, "Bits Allocated"),
        (tags::BITS_STORED, "Bits Stored"),
        (tags::HIGH_BIT, "High Bit"),
        (tags::PIXEL_REPRESENTATION, "Pixel Representation"),
        (tags::SAMPLES_PER_PIXEL, "Samples per Pixel"),
    ] {
        for bad in ["abc", "1.5", "-1", "1,024", "1e9x"] {
            let file = plain().text(tag, VR::IS, bad).file(EXPLICIT);
            let ImageFault::Damaged(reason) = fault(&file) else {
                panic!("{name} {bad}: not damaged");
            };
            let expected = format!("{name} \"{bad}\" is not a number");
            assert!(reason.starts_with(&expected), "{reason}");
        }
    }
    // For grey values it means nothing.
    let film = plain().text(tags::PLANAR_CONFIGURATION, VR::IS, "x");
    assert_eq!(
        read(&film.file(EXPLICIT)).samples,
        read(&plain().file(EXPLICIT)).samples
    );
}

#[test]
fn unusable_optional_numbers_are_named() {
    for (tag, vr, text, named) in [
        (tags::NUMBER_OF_FRAMES, VR::IS, "one", "Number of Frames"),
        (tags::NUMBER_OF_FRAMES, VR::IS, "1.5", "Number of Frames"),
        (
            tags::PIXEL_PADDING_VALUE,
            VR::IS,
            "-",
            "Pixel Padding Value",
        ),
        (tags::PIXEL_SPACING, VR::DS, "0.2mm\\0.1", "Pixel Spacing"),
        (
            tags::PIXEL_ASPECT_RATIO,
            VR::IS,
            "2:1",
            "Pixel Aspect Ratio",
        ),
    ] {
        let r = read(&plain().text(tag, vr, text).file(EXPLICIT));
        let value = text.split('\\').next().expect("a component");
        assert_eq!(r.admission.objections, [unread(named, value)], "{text}");
        assert_eq!((r.frames, r.padding, r.pixel_aspect), (1, None, 1.0));
    }
    for (tag, vr, text) in [
        (tags::PIXEL_SPACING, VR::DS, "0,2\\0,1"),
        (tags::PIXEL_SPACING, VR::DS, "0,200\\0,100\\7"),
        (tags::IMAGER_PIXEL_SPACING, VR::DS, "0.2\\0.1"),
        (tags::NOMINAL_SCANNED_PIXEL_SPACING, VR::DS, "0.2\\0.1"),
        (tags::PIXEL_ASPECT_RATIO, VR::IS, "2\\1"),
        (tags::PIXEL_ASPECT_RATIO, VR::IS, "2.0\\1.0"),
    ] {
        let r = read(&plain().text(tag, vr, text).file(EXPLICIT));
        assert_eq!(
            (r.pixel_aspect, r.admission.objections),
            (2.0, vec![]),
            "{text}"
        );
    }
}

#[test]
fn messages_never_quote_a_name_that_stands_in_another_attribute() {
    let r = read(
        &plain()
            .text(tags::WINDOW_CENTER, VR::DS, "Doe^Jane")
            .file(EXPLICIT),
    );
    let objection = r.admission.objections[0].to_string();
    assert_eq!(objection, "Window Center is no usable number, ignored");
    let film = plain().text(tags::ROWS, VR::LO, "Doe^Jane");
    let reason = fault(&film.file(EXPLICIT)).to_string();
    assert_eq!(reason, "damaged: Rows is not a number of pixels");
}

/// The patient's name as it is read from these bytes in this character set.
fn named(set: Option<&str>, name: &[u8]) -> String {
    let film = plain().with(
        tags::PATIENT_NAME,
        VR::UN,
        PrimitiveValue::from(name.to_vec()),
    );
    let film = match set {
        Some(set) => film.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, set),
        None => film,
    };
    let r = read(&film.file(EXPLICIT));
    assert_eq!(r.samples, read(&plain().file(EXPLICIT)).samples);
    r.patient.name.expect("a name")
}

#[test]
fn names_are_read_in_the_right_character_set() {
    let utf8 = "Jörg^Łukasz".as_bytes();
    for set in [
        "ISO_IR 192",
        "ISO IR 192",
        "ISO_IR_192",
        "iso_ir 192",
        "UTF-8",
        "utf8",
        "ISO-IR 192",
    ] {
        assert_eq!(named(Some(set), utf8), "Jörg Łukasz", "{set}");
    }
    for set in [
        "ISO_IR 100",
        "ISO IR 100",
        "iso_ir_100",
        "ISO 2022 IR 6\\ISO 2022 IR 100",
    ] {
        assert_eq!(named(Some(set), b"J\xf6rg "), "Jörg", "{set}");
    }
    assert_eq!(named(Some("ISO_IR 144"), b"\xb8\xd2\xd0\xdd"), "Иван");
    // A wrong character set, none, and unknown ones.
    assert_eq!(named(Some("ISO_IR 192"), b"J\xf6rg"), "Jörg");
    for set in [None, Some("ISO_IR 999"), Some("x"), Some("\\")] {
        assert_eq!(named(set, utf8), "Jörg Łukasz", "{set:?}");
        assert_eq!(named(set, b"J\xf6rg"), "Jörg", "{set:?}");
    }
}

fn case(name: &str) -> Option<Result<Radiograph, ImageFault>> {
    let path = format!("cases/{name}");
    let path = skip::private_data(&path)?.join(path);
    Some(open(&path, &DecodeLimits::default()).map_err(|e| e.fault().clone()))
}

#[test]
fn files_after_public_reports_are_read() {
    let film = |name| case(name).map(|read| read.unwrap_or_else(|fault| panic!("{name}: {fault}")));
    if let Some(r) = film("un_shape.dcm") {
        assert!(r.inverted);
    }
    if let Some(r) = film("un_view_lat.dcm") {
        assert_eq!(r.view, ViewPosition::Lateral);
    }
    if let Some(r) = film("un_modality_ct.dcm") {
        assert_eq!(r.modality, cxr::domain::Modality::Other("CT".into()));
    }
    for name in ["un_photometric.dcm", "un_rows_cols.dcm"] {
        if let Some(r) = film(name) {
            assert!(
                matches!(r.samples, Samples::Grey16(_) | Samples::Grey8(_)),
                "{name}"
            );
        }
    }
    if let Some(r) = film("un_voilut_sq.dcm") {
        assert_eq!(r.voi_luts.len(), 1);
    }
    for (name, expected) in [
        ("un_window.dcm", 1),
        ("window_comma.dcm", 1),
        ("window_comma_one_of_two.dcm", 2),
    ] {
        if let Some(r) = film(name) {
            assert_eq!(r.windows.len(), expected, "{name}");
        }
    }
    if let Some(r) = film("cs_iso_ir_blank.dcm") {
        let name = r.patient.name.expect("a name");
        assert!(!name.contains('Ã'), "{name}");
    }
    for name in [
        "vr_qq_short.dcm",
        "says_le_is_be.dcm",
        "mono2_spp3.dcm",
        "spp1_stream3.dcm",
    ] {
        if let Some(read) = case(name) {
            assert!(read.is_err(), "{name}");
        }
    }
}
