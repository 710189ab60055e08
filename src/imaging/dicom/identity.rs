//! The patient of a data set, and fingerprints that tell patients apart without naming them.

use dicom_dictionary_std::tags;
use sha2::{Digest, Sha256};

use super::super::clean_text;
use super::elements::{Attributes, item_text};
use crate::domain::patient::{comparable_birth_date, comparable_name};
use crate::domain::radiograph::years;
use crate::domain::{Fingerprint, Issuer, PatientFacts, date};

/// *Issuer of Patient ID* (0010,0021), and the *Universal Entity ID* (0040,0032) of the first item of
/// its *Qualifiers Sequence* (0010,0024).
fn issuer(attributes: &Attributes) -> Issuer {
    let qualifiers = attributes.items(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE);
    let universal = qualifiers
        .first()
        .and_then(|item| item_text(item, tags::UNIVERSAL_ENTITY_ID));
    Issuer {
        local: attributes.text(tags::ISSUER_OF_PATIENT_ID),
        universal,
    }
}

/// The fingerprint of a *Patient's Name*; `None` for an empty one and for a placeholder.
fn name_print(id: Option<&str>, name: Option<&str>) -> Option<Fingerprint> {
    Some(print(b"name", id, &comparable_name(name?)?))
}

/// The fingerprint of a *Patient's Birth Date*; `None` for what is not a date and for a placeholder.
fn birth_date_print(id: Option<&str>, date: Option<&str>) -> Option<Fingerprint> {
    Some(print(b"birth date", id, &comparable_birth_date(date?)?))
}

/// A fingerprint for the review store, where no name and no birth date may be readable. A person who
/// has the store can still try a name. But the identifier is part of the fingerprint: no list of
/// fingerprints can be prepared, and one name under two identifiers gives two fingerprints.
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

impl Attributes {
    /// The patient as the data set describes them.
    pub fn patient(&self) -> PatientFacts {
        let id = self.text(tags::PATIENT_ID);
        let name = self.text(tags::PATIENT_NAME);
        let birth_date = self.text(tags::PATIENT_BIRTH_DATE);
        PatientFacts {
            issuer: issuer(self),
            name_print: name_print(id.as_deref(), name.as_deref()),
            birth_date_print: birth_date_print(id.as_deref(), birth_date.as_deref()),
            sex: self.code(tags::PATIENT_SEX),
            age: self.age(),
            name: name.and_then(|name| readable_name(&name)),
            id,
        }
    }

    /// The stated age if it can be read, or else the age by birth date. Where the two contradict each other neither is
    /// known: devices write `000Y` for an unknown age, and birth dates are mistyped.
    fn age(&self) -> Option<String> {
        if self.contradicts_age() {
            return None;
        }
        let stated = self.text(tags::PATIENT_AGE);
        match stated.as_deref().and_then(years) {
            Some(_) => stated,
            None => self.age_by_birth_date().or(stated),
        }
    }

    /// The age on the day of the image. The birth date itself goes no further.
    fn age_by_birth_date(&self) -> Option<String> {
        let born = comparable_birth_date(&self.text(tags::PATIENT_BIRTH_DATE)?)?;
        date::age(&born, &self.taken()?)
    }

    /// Whether the stated age is more than a year from the age by birth date, in whole years.
    pub(super) fn contradicts_age(&self) -> bool {
        let whole = |age: Option<String>| age.and_then(|age| years(&age)).map(f64::floor);
        let stated = whole(self.text(tags::PATIENT_AGE));
        let by_birth_date = whole(self.age_by_birth_date());
        let apart = stated.zip(by_birth_date).map(|(a, b)| (a - b).abs());
        apart.is_some_and(|years| years > 1.0)
    }
}

/// The first component group of a person's name (PS3.5 6.2.1), its parts separated by spaces.
fn readable_name(name: &str) -> Option<String> {
    let group = name
        .split('=')
        .find(|group| !group.trim_matches(['^', ' ']).is_empty())?;
    Some(clean_text(&group.replace('^', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores hold them. The numbers were made in Python: hashlib.sha256(b"".join(len(p).to_bytes(8,
    /// "little") + p for p in parts)).digest()[:8].
    #[test]
    fn fingerprints_never_change() {
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
