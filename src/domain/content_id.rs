//! The identity of an image: the content of its file, independent of the file's name and folder.

use std::fmt;
use std::str::FromStr;

use super::hex::hex;

/// SHA-256 (FIPS 180-4) of a file's bytes. It is computed where the bytes are read, and accompanies every
/// result: picture, scores, review, row and report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ContentId([u8; 32]);

impl ContentId {
    /// From the digest itself. [`Default`] is the id of an image that did not come from a file.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        ContentId(digest)
    }

    /// The digest, 32 bytes.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a digest of 32 bytes in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAContentId;

impl fmt::Display for NotAContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a SHA-256 in 64 hexadecimal digits")
    }
}

impl std::error::Error for NotAContentId {}

impl FromStr for ContentId {
    type Err = NotAContentId;

    fn from_str(text: &str) -> Result<Self, NotAContentId> {
        let digits = text.as_bytes();
        let mut digest = [0; 32];
        if digits.len() != 2 * digest.len() {
            return Err(NotAContentId);
        }
        for (byte, pair) in digest.iter_mut().zip(digits.chunks(2)) {
            *byte = 16 * value(pair[0])? + value(pair[1])?;
        }
        Ok(ContentId(digest))
    }
}

fn value(digit: u8) -> Result<u8, NotAContentId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(NotAContentId),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_hexadecimal_digits_and_nothing_else() {
        let text = "00ff".repeat(16);
        let id: ContentId = text.parse().unwrap();
        assert_eq!((id.to_string(), id.digest()[1]), (text.clone(), 0xff));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        for other in [
            "",
            "00",
            &"0g".repeat(32),
            &"00".repeat(33),
            &"é".repeat(32),
        ] {
            assert_eq!(other.parse::<ContentId>(), Err(NotAContentId), "{other}");
        }
    }
}
