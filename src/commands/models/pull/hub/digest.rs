//! How the hub states what a file holds.
//!
//! A large file is stored beside the repository, and the hub states its SHA-256 (Git LFS). A small one lies in the
//! repository itself, and the hub states git's name of it: the SHA-1 of `blob`, its length and its bytes (`git
//! hash-object`). SHA-1 still tells a damaged file, or another one. An author could make two files of one SHA-1, but may
//! publish anything anyway.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::domain::hex::hex;

const SHA256_DIGITS: usize = 64;
const SHA1_DIGITS: usize = 40;

/// What a file must hold, as lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDigest {
    Sha256(String),
    /// Git's name of a file.
    GitBlob(String),
}

impl FileDigest {
    /// A SHA-256 of 64 hexadecimal digits.
    pub fn sha256(digits: &str) -> Option<Self> {
        is_hex(digits, SHA256_DIGITS).then(|| FileDigest::Sha256(digits.to_ascii_lowercase()))
    }

    /// Git's name of a file, 40 hexadecimal digits.
    pub fn git_blob(digits: &str) -> Option<Self> {
        is_hex(digits, SHA1_DIGITS).then(|| FileDigest::GitBlob(digits.to_ascii_lowercase()))
    }

    /// Its name for messages.
    pub fn words(&self) -> &'static str {
        match self {
            FileDigest::Sha256(_) => "SHA-256",
            FileDigest::GitBlob(_) => "SHA-1 in git",
        }
    }

    /// Its digits.
    pub fn digits(&self) -> &str {
        match self {
            FileDigest::Sha256(digits) | FileDigest::GitBlob(digits) => digits,
        }
    }

    /// The digits of the same kind for an open file, which is read as a whole.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn found(&self, file: &mut File) -> io::Result<String> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        match self {
            FileDigest::Sha256(_) => {
                let mut hasher = Sha256::new();
                io::copy(file, &mut hasher)?;
                Ok(hex(&hasher.finalize()))
            }
            FileDigest::GitBlob(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {length}\0"));
                io::copy(file, &mut hasher)?;
                Ok(hex(&hasher.finalize()))
            }
        }
    }
}

/// Whether a text is the full hash of a commit, in lower case as the hub writes it.
pub fn is_commit(text: &str) -> bool {
    is_hex(text, SHA1_DIGITS) && !text.contains(|c: char| c.is_ascii_uppercase())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// With Python: `hashlib.sha256(d)` and `hashlib.sha1(b"blob %d\0" % len(d) + d)`; the latter are also
    /// the answers of `git hash-object`.
    #[test]
    fn a_file_has_the_digests_of_python_and_git() {
        for (content, sha256, git) in [
            (
                "Hello, World!",
                "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f",
                "b45ef6fec89518d314f546fd6c3025367b721684",
            ),
            (
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
            ),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            for digest in [FileDigest::sha256(sha256), FileDigest::git_blob(git)] {
                let digest = digest.unwrap();
                assert_eq!(digest.found(&mut file).unwrap(), digest.digits());
            }
        }
    }

    #[test]
    fn only_digits_are_a_digest() {
        let digits = |digit: &str, n| digit.repeat(n);
        assert_eq!(
            FileDigest::sha256(&digits("A", 64)),
            Some(FileDigest::Sha256(digits("a", 64)))
        );
        for wrong in [
            digits("a", 63),
            digits("g", 64),
            digits("a", 40),
            digits("é", 32),
        ] {
            assert_eq!(FileDigest::sha256(&wrong), None, "{wrong}");
        }
        assert_eq!(FileDigest::git_blob(&digits("a", 64)), None);
        assert!(is_commit(&digits("0f", 20)));
        for wrong in ["main", "", &digits("0F", 20), &digits("0f", 21)] {
            assert!(!is_commit(wrong), "{wrong}");
        }
    }
}
