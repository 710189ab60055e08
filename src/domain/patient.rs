//! Whether two images show the same patient, according to their files.
//!
//! A *Patient ID* is unique only within its issuer, and de-identified files share identifiers such as
//! `ANON`. Two identities are therefore the same where identifier and issuer are equal and neither name,
//! birth date nor sex contradicts. Where several patients share an identifier, an image whose file does not
//! tell them apart is assigned to none of them.

mod comparable;
mod persons;

use comparable::is_placeholder;
pub use comparable::{comparable_birth_date, comparable_name};
pub use persons::{MOST_PEOPLE, clusters, persons};

/// The authority that issued a *Patient ID*: *Issuer of Patient ID* (0010,0021), and the *Universal Entity
/// ID* (0040,0032) of the *Issuer of Patient ID Qualifiers Sequence* (0010,0024), which names the same
/// authority (PS3.3 C.7.1.1 and table 10-18).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// *Issuer of Patient ID* (0010,0021).
    pub local: Option<String>,
    /// *Universal Entity ID* (0040,0032).
    pub universal: Option<String>,
}

impl Issuer {
    fn is_unknown(&self) -> bool {
        self.local.is_none() && self.universal.is_none()
    }

    /// Whether both name the same authority; unproven where only one of them names one.
    pub fn agrees(&self, other: &Issuer) -> Sameness {
        if self.is_unknown() && other.is_unknown() {
            return Sameness::Same;
        }
        let parts = [
            agree(&self.local, &other.local),
            agree(&self.universal, &other.universal),
        ];
        Sameness::of(&parts)
    }
}

/// A name or a birth date that can only be compared: 64 bits of a digest. The digest also covers the
/// identifier, so the same name has another fingerprint under another identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

/// The identity of a patient, as the file gives it. Name and birth date are kept as fingerprints only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PatientIdentity {
    /// *Patient ID* (0010,0020). Hidden unless asked for.
    pub id: Option<String>,
    /// The authority within which the identifier is unique.
    pub issuer: Issuer,
    /// Fingerprint of *Patient's Name* (0010,0010) in the form of [`comparable_name`].
    pub name: Option<Fingerprint>,
    /// Fingerprint of *Patient's Birth Date* (0010,0030) in the form of [`comparable_birth_date`].
    pub birth_date: Option<Fingerprint>,
    /// *Patient's Sex* (0010,0040). Equal values prove nothing, different ones contradict.
    pub sex: Option<Sex>,
}

/// The two values of *Patient's Sex* that can contradict each other (PS3.3 C.7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// `F`.
    Female,
    /// `M`.
    Male,
}

impl Sex {
    /// From `F` or `M`. `None` for `O` (other) and everything else.
    pub fn said(code: &str) -> Option<Self> {
        match code.trim() {
            "F" | "f" => Some(Sex::Female),
            "M" | "m" => Some(Sex::Male),
            _ => None,
        }
    }

    /// The code in DICOM.
    pub fn code(self) -> &'static str {
        match self {
            Sex::Female => "F",
            Sex::Male => "M",
        }
    }
}

/// The result of comparing two identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// A field that both have is equal, and none differs.
    Same,
    /// A field that both have differs.
    Different,
    /// No field differs, and too few fields are known.
    Unproven,
}

impl Sameness {
    /// The result for several fields: one that differs decides, then one that is the same.
    fn of(parts: &[Sameness]) -> Sameness {
        let any = |wanted| parts.contains(&wanted);
        match (any(Sameness::Different), any(Sameness::Same)) {
            (true, _) => Sameness::Different,
            (false, true) => Sameness::Same,
            (false, false) => Sameness::Unproven,
        }
    }
}

fn agree<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> Sameness {
    match (one, other) {
        (Some(one), Some(other)) if one == other => Sameness::Same,
        (Some(_), Some(_)) => Sameness::Different,
        _ => Sameness::Unproven,
    }
}

impl PatientIdentity {
    /// Whether both belong to the same patient.
    ///
    /// Without an identifier that is never proven. Where only one side names an issuer, or the identifier is a
    /// placeholder such as `ANON`, name and birth date must both be known and equal.
    pub fn agrees(&self, other: &PatientIdentity) -> Sameness {
        let name = agree(&self.name, &other.name);
        let birth_date = agree(&self.birth_date, &other.birth_date);
        let issuer = self.issuer.agrees(&other.issuer);
        let id = agree(&self.id, &other.id);
        let sex = agree(&self.sex, &other.sex);
        if [name, birth_date, issuer, id, sex].contains(&Sameness::Different) {
            return Sameness::Different;
        }
        let is_person_proven = name == Sameness::Same && birth_date == Sameness::Same;
        let is_weak = issuer == Sameness::Unproven || self.has_placeholder();
        match id {
            Sameness::Same if is_person_proven || !is_weak => Sameness::Same,
            _ => Sameness::Unproven,
        }
    }

    /// Whether a field beside the identifier is known of both and equal: the issuer, the name or the birth date.
    /// Institutions number their patients alike, so that an identifier alone proves little.
    pub fn shares_more_than_id(&self, other: &PatientIdentity) -> bool {
        let knows_issuer = !self.issuer.is_unknown() && !other.issuer.is_unknown();
        let issuer = knows_issuer && self.issuer.agrees(&other.issuer) == Sameness::Same;
        let name = agree(&self.name, &other.name) == Sameness::Same;
        issuer || name || agree(&self.birth_date, &other.birth_date) == Sameness::Same
    }

    /// Whether the identifier is one that software or a de-identification writes for all patients.
    pub fn has_placeholder(&self) -> bool {
        self.id.as_deref().is_some_and(is_placeholder)
    }

    /// Whether two images with exactly this identity show the same patient.
    fn is_sure(&self) -> bool {
        self.agrees(self) == Sameness::Same
    }

    /// Whether it has every field that tells patients apart.
    pub fn is_full(&self) -> bool {
        self.is_sure() && self.name.is_some() && self.birth_date.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(text: &str) -> Option<Fingerprint> {
        let sum = text
            .bytes()
            .fold(7_u64, |sum, byte| sum * 31 + u64::from(byte));
        (!text.is_empty()).then_some(Fingerprint(sum))
    }

    /// From identifier, issuer, name and birth date; empty if unknown.
    pub fn identity([id, issuer, name, birth_date]: [&str; 4]) -> PatientIdentity {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        PatientIdentity {
            id: known(id),
            issuer: Issuer {
                local: known(issuer),
                universal: None,
            },
            name: fingerprint(name),
            birth_date: fingerprint(birth_date),
            sex: None,
        }
    }

    #[test]
    fn a_different_sex_contradicts_and_an_unknown_one_does_not() {
        use Sameness::{Different, Same};
        let of = |person, code| PatientIdentity {
            sex: Sex::said(code),
            ..identity(person)
        };
        let (named, born) = (["4711", "", "DOE", ""], ["4711", "", "", "1950"]);
        for (one, other, expected) in [
            (of(named, "F"), of(born, "M"), Different),
            (of(named, "F"), of(named, "M"), Different),
            (of(named, "F"), of(born, "F"), Same),
            (of(named, "F"), of(born, ""), Same),
            (of(named, "F"), of(born, "O"), Same),
            (of(named, "M "), of(born, "f"), Different),
        ] {
            assert_eq!(one.agrees(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.agrees(&one), expected, "{one:?} {other:?}");
        }
        // The same sex proves nothing.
        let anon = of(["ANON", "", "", ""], "F");
        assert_eq!(anon.agrees(&anon.clone()), Sameness::Unproven);
        let (f, m) = (of(named, "F"), of(named, "M"));
        assert_eq!(persons(&[&f, &m], false), [Some(0), Some(1)]);
    }

    #[test]
    fn the_same_patient_has_the_same_identifier_and_issuer_and_no_contradiction() {
        use Sameness::{Different, Same, Unproven};
        for (one, other, expected) in [
            (["7", "H", "DOE", "1950"], ["7", "H", "DOE", "1950"], Same),
            (["7", "", "DOE", ""], ["7", "", "", "1950"], Same),
            (["7", "", "", ""], ["7", "", "", ""], Same),
            (["7", "", "DOE", ""], ["7", "", "ROE", ""], Different),
            (
                ["7", "", "DOE", "1950"],
                ["7", "", "DOE", "1951"],
                Different,
            ),
            (
                ["7", "H", "DOE", "1950"],
                ["7", "K", "DOE", "1950"],
                Different,
            ),
            (
                ["7", "", "DOE", "1950"],
                ["8", "", "DOE", "1950"],
                Different,
            ),
            // Only one side names an issuer.
            (["7", "H", "DOE", "1950"], ["7", "", "DOE", "1950"], Same),
            (["7", "H", "DOE", ""], ["7", "", "DOE", ""], Unproven),
            // A placeholder.
            (["ANON", "", "", ""], ["ANON", "", "", ""], Unproven),
            (
                ["ANON", "", "DOE", "1950"],
                ["ANON", "", "DOE", "1950"],
                Same,
            ),
            (["", "", "DOE", "1950"], ["", "", "DOE", "1950"], Unproven),
        ] {
            let (one, other) = (identity(one), identity(other));
            assert_eq!(one.agrees(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.agrees(&one), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_field_that_only_one_side_knows_is_not_shared() {
        for (one, other, expected) in [
            (["7", "", "DOE", ""], ["7", "", "DOE", "1950"], true),
            (["7", "", "", "1950"], ["7", "", "DOE", "1950"], true),
            (["7", "H", "", ""], ["7", "H", "DOE", ""], true),
            (["7", "", "DOE", ""], ["7", "", "", ""], false),
            (["7", "", "DOE", ""], ["7", "", "", "1950"], false),
            (["7", "H", "", ""], ["7", "", "", ""], false),
            (["7", "", "", ""], ["7", "", "", ""], false),
        ] {
            let (one, other) = (identity(one), identity(other));
            assert_eq!(
                one.shares_more_than_id(&other),
                expected,
                "{one:?} {other:?}"
            );
            assert_eq!(
                other.shares_more_than_id(&one),
                expected,
                "{one:?} {other:?}"
            );
        }
    }

    #[test]
    fn an_authority_is_recognised_by_either_of_its_names() {
        let issuer = |local: &str, universal: &str| {
            let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Issuer {
                local: known(local),
                universal: known(universal),
            }
        };
        for (one, other, expected) in [
            (issuer("H", "1.2"), issuer("H", ""), Sameness::Same),
            (issuer("", "1.2"), issuer("H", "1.2"), Sameness::Same),
            (issuer("H", "1.2"), issuer("H", "1.3"), Sameness::Different),
            (issuer("H", ""), issuer("", "1.2"), Sameness::Unproven),
        ] {
            assert_eq!(one.agrees(&other), expected);
        }
    }
}
