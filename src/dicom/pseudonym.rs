//! Pseudonyms: names and UIDs in place of those of a patient, by a keyed hash (HMAC-SHA256, RFC 2104).
//!
//! Whoever has the key can try an identifier and see whether a pseudonym belongs to it. Without the key, nothing leads
//! back: a plain hash of a patient's number would be found by trying all numbers.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::DicomError;
use super::uid::UidRoot;

/// The fewest bytes of a key: as many as the hash gives.
pub const LEAST_KEY_BYTES: usize = 32;

/// Letters that cannot be mistaken for each other (Crockford's base 32), for pseudonyms that people read.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a pseudonym: 80 bits, so that two of a million patients share one once in 2 · 10¹² archives.
const LENGTH: usize = 16;

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

    /// `CXR-` and 16 letters, for a patient by issuer and identifier.
    pub fn patient(&self, parts: &[&str]) -> String {
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
