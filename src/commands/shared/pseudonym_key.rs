//! `--pseudonym-key FILE`: the secret that pseudonyms are made with, the same ones in objects, tables and pages.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;

use super::Usage;
use crate::dicom::PseudonymKey;
use crate::export::path_text;

/// The longest key that is read. Longer ones are no more secret.
const LONGEST_KEY: u64 = 4096;
/// Bits of a file's mode that let others read it.
const OTHERS: u32 = 0o077;

/// Reads the key in a file.
///
/// # Errors
/// [`Usage`], if it cannot be read, others can read it too, or it is too short or too long.
pub fn pseudonym_key(path: &Path) -> Result<PseudonymKey> {
    key(path).map_err(|reason| {
        let path = path_text(path);
        Usage::error(format!("--pseudonym-key {path}: {reason}"))
    })
}

/// The key in a file, or why there is none.
fn key(path: &Path) -> Result<PseudonymKey, String> {
    let fail = |error: std::io::Error| error.kind().to_string();
    let metadata = std::fs::metadata(path).map_err(fail)?;
    // A pipe or a device would be waited for.
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        let name = path_text(path);
        return Err(format!(
            "others can read it, and with it find patients by their pseudonyms; chmod 600 {name}"
        ));
    }
    let mut secret = Vec::new();
    let file = File::open(path).map_err(fail)?;
    let longest = LONGEST_KEY + 1;
    file.take(longest).read_to_end(&mut secret).map_err(fail)?;
    if secret.len() as u64 > LONGEST_KEY {
        return Err(format!("a key has at most {LONGEST_KEY} bytes"));
    }
    PseudonymKey::new(&secret).map_err(|error| error.to_string())
}
