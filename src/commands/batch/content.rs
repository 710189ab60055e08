//! Which content a row is of.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// SHA-256 of a regular file, lower-case hexadecimal.
///
/// Of an image that was opened, its `ContentId` is the better answer, because it is of the bytes
/// that were decoded.
///
/// # Errors
/// If it cannot be read, or reading it might wait for ever.
pub fn content_of_file(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut digest = Sha256::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    let digest = digest.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
