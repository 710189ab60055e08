//! What the beginning of a film's file says of its patient, study, time and view. The pixels come last, so that most of
//! the file need not be read.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::super::ImageFault;
use super::elements::{self, Attributes};
use super::{deflate, structure};
use crate::data_elements::Encoding;
use crate::domain::{FilmStudy, FilmSummary, Origin};

/// What [`FilmStudy`] is made of.
const OF_STUDY: [Tag; 8] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_INSTANCE_UID,
];
/// What a summary needs besides. The codes of the view come late: tables of a kilobyte and more may stand before them.
const MORE: [Tag; 9] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::ACQUISITION_DATE_TIME,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::PATIENT_AGE,
    tags::VIEW_POSITION,
    tags::VIEW_CODE_SEQUENCE,
];

/// The study and the patient, of a whole file or of its beginning. `None` if more of it is needed.
///
/// # Errors
/// If it is not a DICOM file, or is damaged before its first element.
pub(in super::super) fn study(
    bytes: &[u8],
    is_whole: bool,
) -> Result<Option<FilmStudy>, ImageFault> {
    let found = attributes(bytes, is_whole, &OF_STUDY)?;
    Ok(found.map(|attributes| FilmStudy {
        uid: attributes.study(),
        patient: attributes.patient().identity(),
    }))
}

/// The same with time, view and age.
///
/// # Errors
/// As [`study`].
pub(in super::super) fn summary(
    bytes: &[u8],
    is_whole: bool,
) -> Result<Option<FilmSummary>, ImageFault> {
    let wanted = [&OF_STUDY[..], &MORE].concat();
    let found = attributes(bytes, is_whole, &wanted)?;
    Ok(found.map(|attributes| {
        let patient = attributes.patient();
        FilmSummary {
            origin: Origin {
                patient: patient.identity(),
                study: attributes.study(),
                taken: attributes.taken(),
            },
            view: attributes.view(),
            age: patient.age,
        }
    }))
}

/// The wanted attributes. `None` if these bytes are the beginning of a file, and end before the last of them could come:
/// tags ascend (PS3.5 7.1).
fn attributes(
    bytes: &[u8],
    is_whole: bool,
    wanted: &[Tag],
) -> Result<Option<Attributes>, ImageFault> {
    let start = match structure::start(bytes) {
        Err(_) if !is_whole => return Ok(None),
        start => start?,
    };
    let syntax = start.transfer_syntax.as_str();
    let data_set = deflate::beginning(&bytes[start.offset..], syntax);
    let encoding = Encoding::of(syntax).as_found(&data_set);
    let last = wanted.iter().max().copied().unwrap_or(Tag(0, 0));
    let (header, is_complete) = structure::up_to(&data_set, encoding, wanted, last);
    if !is_complete && !is_whole {
        return Ok(None);
    }
    elements::read(&header).map(Some)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;
    use crate::domain::ViewPosition;

    fn element(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let mut element = [group.to_le_bytes(), number.to_le_bytes()].concat();
        element.extend(vr);
        if matches!(vr, b"OW" | b"UN") {
            element.extend([0, 0]);
            element.extend((value.len() as u32).to_le_bytes());
        } else {
            element.extend((value.len() as u16).to_le_bytes());
        }
        element.extend(value);
        element
    }

    /// A film of 1 MiB that cannot be compressed, with a private element before its study that is longer than the first
    /// head.
    fn film(syntax: &str) -> Vec<u8> {
        let noise = |length: u32| -> Vec<u8> {
            let mut state = 1_u32;
            let mut byte = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            (0..length).map(|_| byte()).collect()
        };
        let data_set = [
            element(0x0008, 0x0020, b"DA", b"20240102"),
            element(0x0009, 0x1001, b"UN", &noise(20_000)),
            element(0x0010, 0x0020, b"LO", b"P1"),
            element(0x0010, 0x1010, b"AS", b"054Y"),
            element(0x0018, 0x5101, b"CS", b"PA"),
            element(0x0020, 0x000d, b"UI", b"1.2.3\0"),
            element(0x0028, 0x3006, b"OW", &noise(2_000)),
            element(0x7fe0, 0x0010, b"OW", &noise(1 << 20)),
        ]
        .concat();
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        file.extend(element(0x0002, 0x0010, b"UI", syntax.as_bytes()));
        if syntax.ends_with(".99") {
            let mut encoder = DeflateEncoder::new(file, Compression::fast());
            encoder.write_all(&data_set).unwrap();
            return encoder.finish().unwrap();
        }
        file.extend(data_set);
        file
    }

    #[test]
    fn the_beginning_of_a_file_is_enough_also_of_a_deflated_one() {
        for syntax in ["1.2.840.10008.1.2.1\0", "1.2.840.10008.1.2.1.99"] {
            let whole = film(syntax);
            let of = |most: usize| (study(&whole[..most], false), summary(&whole[..most], false));
            assert_eq!(
                of(140),
                (Ok(None), Ok(None)),
                "in the file meta information"
            );
            assert_eq!(of(16 << 10), (Ok(None), Ok(None)));
            let (found, summary) = of(32 << 10);
            let (found, summary) = (found.unwrap().unwrap(), summary.unwrap().unwrap());
            assert_eq!(found.uid.as_deref(), Some("1.2.3"));
            assert_eq!(found.patient.id.as_deref(), Some("P1"));
            assert_eq!(summary.origin.study, found.uid);
            assert_eq!(summary.origin.patient, found.patient);
            assert_eq!(summary.age.as_deref(), Some("054Y"));
            assert_eq!(summary.view, ViewPosition::Pa);
            assert!(summary.origin.taken.is_some());
            // The study comes before the table, and the view may come after it.
            let before_table = whole.len() - (1 << 20) - 1_000;
            if syntax.ends_with('\0') {
                let (found, summary) = of(before_table);
                assert!(found.unwrap().is_some() && summary.unwrap().is_none());
            }
        }
        assert!(study(b"nothing", true).is_ok_and(|found| found == Some(FilmStudy::default())));
    }

    /// Of a deflated film the pixels are not inflated to read a header in this process.
    #[test]
    fn a_header_that_unpacks_without_end_takes_little_memory() {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        let syntax = b"1.2.840.10008.1.2.1.99";
        file.extend(element(0x0002, 0x0010, b"UI", syntax));
        let start = file.len();
        let mut encoder = DeflateEncoder::new(file, Compression::fast());
        encoder
            .write_all(&element(0x0020, 0x000d, b"UI", b"1.2.3\0"))
            .unwrap();
        for _ in 0..64 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        let file = encoder.finish().unwrap();
        let inflated = deflate::beginning(&file[start..], "1.2.840.10008.1.2.1.99");
        assert_eq!(inflated.len() as u64, deflate::LONGEST_HEADER);
        let found = study(&file, true).unwrap().unwrap();
        assert_eq!(found.uid.as_deref(), Some("1.2.3"));
    }
}
