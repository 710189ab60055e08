//! New unique identifiers (PS3.5 section 9 and annex B).

use super::DicomError;

/// The most characters of a UID (PS3.5 9.1).
const LONGEST: usize = 64;
/// The fewest digits after a root: numbers of 64 bits.
const LEAST_DIGITS: usize = 20;
/// The digits of a number of 128 bits.
const MOST_DIGITS: usize = 39;
/// The root of UIDs that are made of a UUID (PS3.5 B.2).
const OF_A_UUID: &str = "2.25";

/// What new UIDs start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UidRoot {
    /// 2.25, which everybody may use.
    OfUuid,
    /// A root that was assigned to an organisation.
    Assigned(String),
}

impl UidRoot {
    /// An assigned root.
    ///
    /// # Errors
    /// If no UID can start with it, or it leaves too little room for a random number.
    pub fn assigned(root: &str) -> Result<Self, DicomError> {
        let longest = LONGEST - 1 - LEAST_DIGITS;
        if is_uid(root) && root.len() <= longest && root.contains('.') {
            Ok(UidRoot::Assigned(root.to_owned()))
        } else {
            Err(DicomError::BadRoot { longest })
        }
    }

    /// The UID of a number of 128 bits. After a long root, its last digits only.
    pub fn with(&self, bytes: [u8; 16]) -> String {
        match self {
            UidRoot::OfUuid => format!("{OF_A_UUID}.{}", uuid(bytes)),
            UidRoot::Assigned(root) => {
                let room = (LONGEST - 1 - root.len()).min(MOST_DIGITS);
                let number = u128::from_be_bytes(bytes);
                let modulus = 10_u128.checked_pow(room as u32);
                let number = modulus.map_or(number, |modulus| number % modulus);
                format!("{root}.{number}")
            }
        }
    }
}

/// The number of a UUID of version 8, whose other bits are free (RFC 9562, section 5.8).
fn uuid(mut bytes: [u8; 16]) -> u128 {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    u128::from_be_bytes(bytes)
}

/// Whether a text is a UID (PS3.5 9.1).
pub(super) fn is_uid(text: &str) -> bool {
    let is_component = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        is_number && (part.len() == 1 || !part.starts_with('0'))
    };
    text.len() <= LONGEST && text.split('.').all(is_component)
}

/// A source of new UIDs.
#[derive(Debug, Clone)]
pub struct NewUids {
    root: UidRoot,
    /// In tests, the number of the next UID.
    #[cfg(test)]
    pub(super) counted: Option<std::sync::Arc<std::sync::atomic::AtomicU8>>,
}

impl NewUids {
    /// Random UIDs below this root.
    pub fn below(root: UidRoot) -> Self {
        NewUids {
            root,
            #[cfg(test)]
            counted: None,
        }
    }

    /// The root of all of them.
    pub fn root(&self) -> &UidRoot {
        &self.root
    }

    /// A UID that no other object has.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn next(&self) -> Result<String, DicomError> {
        Ok(self.root.with(self.number()?))
    }

    fn number(&self) -> Result<[u8; 16], DicomError> {
        #[cfg(test)]
        if let Some(counted) = &self.counted {
            let number = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Ok([number; 16]);
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| DicomError::NoRandom(error.to_string()))?;
        Ok(bytes)
    }
}
