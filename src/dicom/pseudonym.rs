//! Pseudonyms: names and UIDs in place of those of a patient, by a keyed hash (HMAC-SHA256, RFC 2104).
//!
//! Whoever has the key can try an identifier and see whether a pseudonym belongs to it. Without the key, nothing leads
//! back: a plain hash of a patient's number would be found by trying all numbers.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::DicomError;
use super::uid::UidRoot;
use crate::domain::hex::hex;
use crate::domain::{Origin, SourceHeader};

/// The fewest bytes of a key: as many as the hash gives.
pub const LEAST_KEY_BYTES: usize = 32;

/// Letters that cannot be mistaken for each other (Crockford's base 32), for pseudonyms that people read.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a pseudonym: 80 bits, so that two of a million patients share one once in 2 · 10¹² archives.
const LENGTH: usize = 16;

/// Bytes of the name of a key.
const NAME_BYTES: usize = 4;

/// *Patient ID*, its issuer, and *Study Instance UID*.
const PATIENT_ID: (u16, u16) = (0x0010, 0x0020);
const ISSUER: (u16, u16) = (0x0010, 0x0021);
const STUDY: (u16, u16) = (0x0020, 0x000d);

/// Whose film it is, as its file states it. An empty text is as good as none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilmOwner<'a> {
    /// *Issuer of Patient ID* (0010,0021).
    pub issuer: Option<&'a str>,
    /// *Patient ID* (0010,0020).
    pub patient: Option<&'a str>,
    /// *Study Instance UID* (0020,000D).
    pub study: Option<&'a str>,
}

impl<'a> FilmOwner<'a> {
    /// What a header states.
    pub fn of_header(header: &'a SourceHeader) -> Self {
        let text = |(group, element)| header.text(group, element);
        FilmOwner {
            issuer: text(ISSUER),
            patient: text(PATIENT_ID),
            study: text(STUDY),
        }
    }

    /// What is known of where a film comes from.
    pub fn of_origin(origin: &'a Origin) -> Self {
        FilmOwner {
            issuer: origin.patient.issuer.local.as_deref(),
            patient: origin.patient.id.as_deref(),
            study: origin.study.as_deref(),
        }
    }
}

/// The secret of the pseudonyms of a project.
#[derive(Clone)]
pub struct PseudonymKey(Hmac<Sha256>);

/// Without the key.
impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey")
    }
}

impl PseudonymKey {
    /// A key of these bytes.
    ///
    /// # Errors
    /// If they are too few.
    pub fn new(secret: &[u8]) -> Result<Self, DicomError> {
        let short = DicomError::ShortKey {
            least: LEAST_KEY_BYTES,
        };
        if secret.len() < LEAST_KEY_BYTES {
            return Err(short);
        }
        let key = Hmac::new_from_slice(secret).map_err(|_| short)?;
        Ok(PseudonymKey(key))
    }

    /// A key for one run, whose pseudonyms nothing leads back from.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn random() -> Result<Self, DicomError> {
        let mut secret = [0; LEAST_KEY_BYTES];
        getrandom::fill(&mut secret).map_err(|error| DicomError::NoRandom(error.to_string()))?;
        PseudonymKey::new(&secret)
    }

    /// The hash of a kind of identifier and its parts. Each part goes in with its length, so that no two lists of parts
    /// are the same bytes.
    fn hash(&self, kind: &str, parts: &[&str]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in std::iter::once(&kind).chain(parts) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// The pseudonym of a film's patient: by issuer and identifier; without an identifier by the study, so that two
    /// studies are never taken for one patient's. `None` if the file states neither.
    pub fn owner(&self, owner: &FilmOwner) -> Option<String> {
        let stated = |text: Option<&str>| Some(text?.to_owned()).filter(|text| !text.is_empty());
        let issuer = stated(owner.issuer).unwrap_or_default();
        match (stated(owner.patient), stated(owner.study)) {
            (Some(id), _) => Some(self.patient(&[&issuer, &id])),
            (None, Some(study)) => Some(self.patient(&["without an identifier", &study])),
            (None, None) => None,
        }
    }

    /// 8 hexadecimal digits by which tables say which key they were made with. They say nothing of the key itself.
    pub fn name(&self) -> String {
        hex(&self.hash("cxr key 1", &[])[..NAME_BYTES])
    }

    /// `CXR-` and 16 letters, for a patient by issuer and identifier.
    pub(super) fn patient(&self, parts: &[&str]) -> String {
        let hash = self.hash("cxr patient 1", parts);
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
        let letters: String = hash[..LENGTH].iter().map(letter).collect();
        format!("CXR-{letters}")
    }

    /// The UID in place of another one.
    pub fn uid(&self, root: &UidRoot, source: &str) -> String {
        let hash = self.hash("cxr uid 1", &[source]);
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        root.with(first)
    }
}
