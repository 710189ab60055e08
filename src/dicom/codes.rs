//! Coded concepts (PS3.3 section 8, PS3.16). Where no public terminology has a concept, it is one of cxr's own, and the
//! object declares their scheme.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use sha2::{Digest, Sha256};

use super::data_set::{Fill, LONGEST_LO, LONGEST_SH, item, short};
use crate::domain::hex::hex;

/// The designator of cxr's own codes. Private ones begin with 99 (PS3.16 section 8.2).
pub const OWN_SCHEME: &str = "99CXR";

/// A coded concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    value: String,
    scheme: &'static str,
    meaning: String,
}

/// A concept of DICOM's own terminology (PS3.16 annex D).
pub fn dcm(value: &str, meaning: &str) -> Code {
    of("DCM", value, meaning)
}

/// A concept of SNOMED CT.
pub fn sct(value: &str, meaning: &str) -> Code {
    of("SCT", value, meaning)
}

/// A concept of cxr's own. Its value has at most 16 characters.
pub fn own(value: &str, meaning: &str) -> Code {
    of(OWN_SCHEME, value, meaning)
}

/// A unit (UCUM).
pub fn unit(value: &str, meaning: &str) -> Code {
    of("UCUM", value, meaning)
}

/// A concept of a scheme.
pub fn of(scheme: &'static str, value: &str, meaning: &str) -> Code {
    Code {
        value: value.to_owned(),
        scheme,
        meaning: meaning.to_owned(),
    }
}

/// Yes or no (CID 230).
pub fn yes_or_no(yes: bool) -> Code {
    if yes {
        sct("373066001", "Yes")
    } else {
        sct("373067005", "No")
    }
}

/// Labels of models (the spelling of torchxrayvision where it has one) and the disorder or finding that each names.
const LABELS: [(&str, &str, &str); 22] = [
    ("pneumonia", "233604007", "Pneumonia"),
    ("covid 19", "840539006", "COVID-19"),
    ("bacterial", "53084003", "Bacterial pneumonia"),
    ("viral", "75570004", "Viral pneumonia"),
    (
        "covid 19 given pneumonia",
        "882784691000119100",
        "Pneumonia caused by SARS-CoV-2",
    ),
    ("atelectasis", "46621007", "Atelectasis"),
    ("consolidation", "95436008", "Pulmonary consolidation"),
    ("infiltration", "409609008", "Radiologic infiltrate of lung"),
    ("pneumothorax", "36118008", "Pneumothorax"),
    ("edema", "19242006", "Pulmonary edema"),
    ("emphysema", "87433001", "Pulmonary emphysema"),
    ("fibrosis", "51615001", "Fibrosis of lung"),
    ("effusion", "60046008", "Pleural effusion"),
    ("pleural effusion", "60046008", "Pleural effusion"),
    ("cardiomegaly", "8186001", "Cardiomegaly"),
    ("nodule", "27925004", "Nodule"),
    ("mass", "309529002", "Lung mass"),
    ("hernia", "39839004", "Diaphragmatic hernia"),
    ("tuberculosis", "154283005", "Pulmonary tuberculosis"),
    ("fracture", "125605004", "Fracture of bone"),
    ("bacterial pneumonia", "53084003", "Bacterial pneumonia"),
    ("viral pneumonia", "75570004", "Viral pneumonia"),
];

/// The concept of a label. A label that is in no public terminology, or not known here, has a code of cxr's own, which
/// is made from its spelling and so never changes.
pub fn label(name: &str) -> Code {
    let known: String = name.to_lowercase().replace(['_', '-'], " ");
    if let Some((_, value, meaning)) = LABELS.iter().find(|(label, _, _)| *label == known) {
        return sct(value, meaning);
    }
    let digest = Sha256::digest(name);
    own(
        &format!("L{}", &hex(&digest[..6]).to_uppercase()),
        &short(name, LONGEST_LO),
    )
}

impl Code {
    /// As the item of a code sequence. A value of more than 16 characters has an element of its own (PS3.3 8.1).
    pub fn item(&self) -> InMemDicomObject {
        item(|item| {
            if self.value.len() <= LONGEST_SH {
                item.text(tags::CODE_VALUE, VR::SH, &self.value);
            } else {
                item.text(tags::LONG_CODE_VALUE, VR::UC, &self.value);
            }
            item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, self.scheme);
            item.text(tags::CODE_MEANING, VR::LO, &self.meaning);
        })
    }
}

/// *Coding Scheme Identification Sequence* (0008,0110): what the private designator stands for (PS3.3 C.12.1.1.4).
pub fn declaration() -> InMemDicomObject {
    item(|item| {
        item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, OWN_SCHEME);
        item.text(tags::CODING_SCHEME_NAME, VR::ST, "Codes of cxr");
        item.text(tags::CODING_SCHEME_VERSION, VR::SH, "1");
        item.text(
            tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION,
            VR::ST,
            "The authors of cxr",
        );
    })
}
