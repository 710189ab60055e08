//! Which image it is: what its file holds, wherever the file lies and however it is called.

use std::fmt;
use std::str::FromStr;

/// SHA-256 (FIPS 180-4) of a file's bytes. It is made where the bytes are read, and goes with all that
/// comes of them: picture, scores, review, row and report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ContentId([u8; 32]);

impl ContentId {
    /// From the digest itself. [`Default`] is the one of an image that came from no file.
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
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is no digest of 32 bytes in hexadecimal digits.
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
    fn the_digits_come_back_and_nothing_else_is_an_id() {
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
