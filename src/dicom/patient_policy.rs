//! What the objects say of the patient and the study: all that the film says, or pseudonyms.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::codes::dcm;
use super::data_set::Fill;
use super::pseudonym::{FilmOwner, PseudonymKey};
use super::uid::UidRoot;
use crate::domain::SourceHeader;

/// What is written of the patient.
#[derive(Debug, Clone)]
pub enum PatientPolicy {
    /// Patient and study modules as the film has them, and its UIDs: for the archive that has the film.
    Copied,
    /// Pseudonyms for name and identifier; no date, number or description of the study (PS3.15 annex E, *Basic
    /// Application Level Confidentiality Profile*).
    Pseudonyms {
        /// Makes them.
        key: PseudonymKey,
        /// Whether the UIDs of study, series and film stay (*Retain UIDs Option*).
        keeps_uids: bool,
    },
}

/// Attributes of the patient and the study that are copied, and whether an object has them even without a value
/// (type 2; PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.12.1).
const COPIED: [(Tag, VR, bool); 13] = [
    (tags::PATIENT_NAME, VR::PN, true),
    (tags::PATIENT_ID, VR::LO, true),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO, false),
    (tags::PATIENT_BIRTH_DATE, VR::DA, true),
    (tags::PATIENT_SEX, VR::CS, true),
    (tags::PATIENT_AGE, VR::AS, false),
    (tags::STUDY_DATE, VR::DA, true),
    (tags::STUDY_TIME, VR::TM, true),
    (tags::ACCESSION_NUMBER, VR::SH, true),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, true),
    (tags::STUDY_ID, VR::SH, true),
    (tags::STUDY_DESCRIPTION, VR::LO, false),
    (tags::DEIDENTIFICATION_METHOD, VR::LO, false),
];

impl PatientPolicy {
    /// Whether the patient's facts leave.
    pub fn copies(&self) -> bool {
        matches!(self, PatientPolicy::Copied)
    }

    /// The UID in the objects in place of one of the film.
    pub fn uid(&self, root: &UidRoot, source: &str) -> String {
        match self {
            PatientPolicy::Copied
            | PatientPolicy::Pseudonyms {
                keeps_uids: true, ..
            } => source.to_owned(),
            PatientPolicy::Pseudonyms { key, .. } => key.uid(root, source),
        }
    }

    /// Writes the modules of patient and study, without the Study Instance UID.
    pub(super) fn describe(&self, header: &SourceHeader, object: &mut InMemDicomObject) {
        match self {
            PatientPolicy::Copied => copy(header, object),
            PatientPolicy::Pseudonyms { key, keeps_uids } => {
                // A film without a study is in no object.
                let pseudonym = key.owner(&FilmOwner::of_header(header));
                conceal(&pseudonym.unwrap_or_default(), *keeps_uids, object);
            }
        }
    }
}

fn stated(header: &SourceHeader, tag: Tag) -> Option<&str> {
    header.text(tag.0, tag.1)
}

fn copy(header: &SourceHeader, object: &mut InMemDicomObject) {
    for (tag, vr, always) in COPIED {
        let value = stated(header, tag).filter(|value| is_sound(vr, value));
        if always || value.is_some() {
            object.text(tag, vr, value.unwrap_or_default());
        }
    }
    let removed = stated(header, tags::PATIENT_IDENTITY_REMOVED);
    if let Some(removed @ ("YES" | "NO")) = removed {
        object.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, removed);
    }
}

/// Whether a value is one of its representation (PS3.5 6.2). Some devices write dates with dots; an object that copied
/// them would be refused.
fn is_sound(vr: VR, value: &str) -> bool {
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match vr {
        VR::DA => value.len() == 8 && are_digits(value),
        VR::TM => {
            let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
            let is_time = matches!(whole.len(), 2 | 4 | 6) && are_digits(whole);
            is_time && rest.len() <= 6 && are_digits(rest) && (rest.is_empty() || whole.len() == 6)
        }
        VR::CS => matches!(value, "M" | "F" | "O"),
        VR::AS => {
            let parts = value.split_at_checked(3);
            parts.is_some_and(|(number, unit)| {
                are_digits(number) && matches!(unit, "D" | "W" | "M" | "Y")
            })
        }
        _ => true,
    }
}

fn conceal(pseudonym: &str, keeps_uids: bool, object: &mut InMemDicomObject) {
    for (tag, vr, always) in COPIED {
        if always {
            object.text(tag, vr, "");
        }
    }
    object.text(tags::PATIENT_NAME, VR::PN, pseudonym);
    object.text(tags::PATIENT_ID, VR::LO, pseudonym);
    object.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    object.text(
        tags::DEIDENTIFICATION_METHOD,
        VR::LO,
        "cxr: pseudonyms, no facts of patient and study",
    );
    let mut methods = vec![dcm("113100", "Basic Application Confidentiality Profile").item()];
    if keeps_uids {
        methods.push(dcm("113110", "Retain UIDs Option").item());
    }
    object.items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, methods);
}
