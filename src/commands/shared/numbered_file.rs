//! Files of results that get a name of their own: nothing that is there is replaced.

use std::io;
use std::path::{Path, PathBuf};

use super::output_file::OutputFile;
use crate::domain::ContentId;

/// The most files of one name in a folder: more than any reader saves.
const MOST: u32 = 10_000;

/// Digits of the digest in a name.
const DIGITS: usize = 12;

/// The beginning of the name of a file about an image: by its content, since its own name may name a patient.
pub fn stem_of(content: ContentId) -> String {
    format!("cxr-{}", &content.to_string()[..DIGITS])
}

/// Writes a whole file with mode 0600 into a folder, as `STEM.ENDING`, or `STEM-2.ENDING` and so on where that is taken;
/// returns its name.
///
/// # Errors
/// If it cannot be written there.
pub fn write_numbered(
    folder: &Path,
    stem: &str,
    ending: &str,
    bytes: &[u8],
) -> io::Result<PathBuf> {
    for number in 1..=MOST {
        let name = match number {
            1 => format!("{stem}.{ending}"),
            number => format!("{stem}-{number}.{ending}"),
        };
        let path = folder.join(&name);
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match OutputFile::holding(&path, bytes)?.publish(&path, false) {
            // It came meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            published => return published.map(|()| name.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nothing_is_replaced_and_only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |bytes: &[u8]| write_numbered(folder.path(), "cxr-ab", "png", bytes);
        assert_eq!(write(b"one").unwrap(), Path::new("cxr-ab.png"));
        std::os::unix::fs::symlink("nowhere", folder.path().join("cxr-ab-2.png")).unwrap();
        assert_eq!(write(b"two").unwrap(), Path::new("cxr-ab-3.png"));
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("cxr-ab.png"), read("cxr-ab-3.png")),
            (b"one".to_vec(), b"two".to_vec())
        );
        let mode = fs::metadata(folder.path().join("cxr-ab.png")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            3,
            "no partial file"
        );
        let missing = write_numbered(&folder.path().join("none"), "a", "png", b"");
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
