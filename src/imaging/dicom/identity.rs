//! Who the patient of a data set is, without saying it.

use dicom_dictionary_std::tags;
use sha2::{Digest, Sha256};

use super::attributes::Attributes;
use super::elements::item_text;
use crate::domain::patient::{comparable_birth_date, comparable_name};
use crate::domain::{Fingerprint, Issuer};

/// *Issuer of Patient ID* (0010,0021), and the *Universal Entity ID* (0040,0032) of the first item of
/// its *Qualifiers Sequence* (0010,0024).
pub(super) fn issuer(attributes: &Attributes) -> Issuer {
    let qualifiers = attributes.items(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE);
    let universal = qualifiers
        .first()
        .and_then(|item| item_text(item, tags::UNIVERSAL_ENTITY_ID));
    Issuer {
        local: attributes.text(tags::ISSUER_OF_PATIENT_ID),
        universal,
    }
}

/// Of a *Patient's Name*; `None` where it says nothing, or the name of everybody.
pub(super) fn name_print(id: Option<&str>, name: Option<&str>) -> Option<Fingerprint> {
    Some(print(b"name", id, &comparable_name(name?)?))
}

/// Of a *Patient's Birth Date*; `None` where it is no date, or the one of everybody.
pub(super) fn birth_date_print(id: Option<&str>, date: Option<&str>) -> Option<Fingerprint> {
    Some(print(b"birth date", id, &comparable_birth_date(date?)?))
}

/// Goes into the review store, where no name and no birth date may be read. Whoever has the store can
/// still try a name; but the identifier is in it too, so that no list of prints made beforehand helps,
/// and one name under two identifiers cannot be seen to be the same.
fn print(kind: &[u8], id: Option<&str>, value: &str) -> Fingerprint {
    let parts = [
        b"cxr person 1",
        kind,
        id.unwrap_or_default().as_bytes(),
        value.as_bytes(),
    ];
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    Fingerprint(u64::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are in stores: the same tomorrow. Python: hashlib.sha256(b"".join(len(p).to_bytes(8,
    /// "little") + p for p in parts)).digest()[:8].
    #[test]
    fn prints_stay_what_they_are() {
        assert_eq!(
            name_print(Some("P7"), Some("Doe^Jane")),
            Some(Fingerprint(0x6ed2_e4b0_3672_00a1))
        );
        assert_eq!(
            birth_date_print(Some("P7"), Some("19500102")),
            Some(Fingerprint(0x2a3e_970d_1194_5afa))
        );
        assert_eq!(
            birth_date_print(Some("P7"), Some("1950.01.02")),
            Some(Fingerprint(0x2a3e_970d_1194_5afa))
        );
        assert_ne!(
            name_print(Some("P8"), Some("Doe^Jane")),
            name_print(Some("P7"), Some("Doe^Jane"))
        );
        assert_eq!(name_print(Some("P7"), Some("^^")), None);
        assert_eq!(birth_date_print(Some("P7"), Some("unknown")), None);
        assert_eq!(name_print(Some("P7"), Some("ANONYMOUS")), None);
        assert_eq!(birth_date_print(Some("P7"), Some("19000101")), None);
    }
}
