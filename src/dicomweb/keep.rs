//! The folder of `--keep`: films that were fetched stay there, as STUDY/SERIES/INSTANCE.dcm, and are not fetched again.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{DicomWebError, DicomWebFault};
use super::remote_film::{RemoteFilm, check};
use crate::atomic_file::AtomicFile;

/// Only the owner may look into its folders. Its files have the mode of temporary files, 0600.
const MODE: u32 = 0o700;

/// See the module.
#[derive(Debug, Clone)]
pub struct KeepFolder(PathBuf);

impl KeepFolder {
    /// Makes the folder, if it is not there.
    ///
    /// # Errors
    /// If that fails.
    pub fn new(folder: &Path) -> Result<Self, DicomWebError> {
        let keep = KeepFolder(folder.to_owned());
        keep.make(folder).map_err(|error| keep.fault(&error))?;
        Ok(keep)
    }

    /// The file of a film that is there; `None` if it is not, or is another one.
    pub(super) fn read(&self, film: &RemoteFilm, longest: u64) -> Option<Arc<[u8]>> {
        let file = File::open(self.place(film)).ok()?;
        let length = file.metadata().ok().filter(|found| found.is_file())?.len();
        if length > longest {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(longest).read_to_end(&mut bytes).ok()?;
        check(&bytes, film).ok()?;
        Some(bytes.into())
    }

    /// Writes the file of a film whole, or not at all.
    pub(super) fn write(&self, film: &RemoteFilm, bytes: &[u8]) -> Result<(), DicomWebError> {
        let place = self.place(film);
        let written = || -> io::Result<()> {
            let folder = place.parent().unwrap_or(&self.0);
            self.make(folder)?;
            let mut file = AtomicFile::new_in(folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_data()?;
            file.replace(&place)
        };
        written().map_err(|error| self.fault(&error))
    }

    /// UIDs are digits and dots, so that the place is inside the folder.
    fn place(&self, film: &RemoteFilm) -> PathBuf {
        let folder = self.0.join(&*film.study).join(&*film.series);
        folder.join(format!("{}.dcm", film.instance))
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(MODE).create(folder)
    }

    fn fault(&self, error: &io::Error) -> DicomWebError {
        // The kind, because the system's words would name a temporary file.
        let reason = error.kind();
        DicomWebError::new(
            DicomWebFault::Keep,
            format!("not kept in {}: {reason}", self.0.display()),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::identity::tests::film as file;
    use super::*;

    fn film(instance: &str) -> RemoteFilm {
        RemoteFilm {
            base: "http://h".into(),
            study: "1.2".into(),
            series: "3".into(),
            instance: instance.into(),
        }
    }

    #[test]
    fn a_film_is_kept_whole_for_its_owner_and_another_one_is_not_taken_for_it() {
        let place = tempfile::tempdir().unwrap();
        let keep = KeepFolder::new(&place.path().join("kept")).unwrap();
        let bytes = file("1.2", "4");
        keep.write(&film("4"), &bytes).unwrap();
        assert_eq!(*keep.read(&film("4"), 1 << 20).unwrap(), *bytes);
        assert!(keep.read(&film("4"), 10).is_none(), "longer than allowed");
        assert!(keep.read(&film("5"), 1 << 20).is_none());
        let path = place.path().join("kept/1.2/3/4.dcm");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&place.path().join("kept/1.2")), 0o700);
        fs::copy(&path, place.path().join("kept/1.2/3/5.dcm")).unwrap();
        assert!(keep.read(&film("5"), 1 << 20).is_none(), "another film");
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(keep.read(&film("4"), 1 << 20).is_none(), "cut off");
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 2, "no part stays");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_reason() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        let error = KeepFolder::new(&place.path().join("file")).unwrap_err();
        assert_eq!(error.fault(), DicomWebFault::Keep);
        let error = KeepFolder::new(&place.path().join("file/below")).unwrap_err();
        assert!(error.to_string().contains("not kept in"), "{error}");
    }
}
