//! Where files lie on their way from the hub: `.pull/OWNER--NAME/VERSION` in the folder of imported models.
//!
//! The name is the same each time, so that an interrupted transfer can go on. A folder for which another cxr is fetching
//! is locked, and folders of other versions are removed.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::source::HubModel;
use crate::locked_file::LockedFile;
use crate::model_library::ModelLibrary;

const ALL: &str = ".pull";
/// Only the owner may look into the folder.
const MODE: u32 = 0o700;

/// A folder for the files of one version of a model. If it is empty at the end, it is removed.
#[derive(Debug)]
pub struct DownloadFolder {
    /// From the inside to the outside.
    folders: [PathBuf; 3],
    _lock: LockedFile,
}

impl DownloadFolder {
    /// Makes the folder, unless it is there with what an earlier transfer left.
    ///
    /// # Errors
    /// If it cannot be made, or another cxr is fetching the model.
    pub fn open(library: &ModelLibrary, model: &HubModel, version: &str) -> Result<Self> {
        library.make()?;
        let all = library.folder().join(ALL);
        let of_model = all.join(format!("{}--{}", model.owner, model.name));
        let path = of_model.join(version);
        let made = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(MODE).create(&path)?;
            File::open(&of_model)
        };
        let lock = made().context("making the folder to fetch into")?;
        // On a file system without locks, nothing is certain, and the digests tell.
        let lock = match LockedFile::take(lock) {
            Err(TryLockError::WouldBlock) => bail!("another cxr is fetching it"),
            lock => lock?,
        };
        for entry in fs::read_dir(&of_model).context("looking for older files")? {
            let other = entry?.path();
            if other != path {
                fs::remove_dir_all(&other).context("removing the files of another revision")?;
            }
        }
        Ok(DownloadFolder {
            folders: [path, of_model, all],
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folders[0]
    }

    /// Removes the folder with all that is in it.
    pub fn remove(self) {
        // What stays is in nobody's way, and is removed the next time.
        let _ = fs::remove_dir_all(self.path());
    }
}

impl Drop for DownloadFolder {
    fn drop(&mut self) {
        for folder in &self.folders {
            // A folder with something in it stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_kept_for_the_same_version_only_and_removed_when_empty() {
        let place = tempfile::tempdir().unwrap();
        let library = ModelLibrary::at(place.path().join("models"));
        let model = HubModel::parse("hf:a/b").unwrap();
        let open = |version: &str| DownloadFolder::open(&library, &model, version);
        let left = || fs::read_dir(library.folder()).unwrap().count();

        let first = open("1").unwrap();
        let mode = fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(open("1").unwrap_err().to_string().contains("another cxr"));
        let file = first.path().join("part");
        fs::write(&file, "half").unwrap();
        drop(first);
        let again = open("1").unwrap();
        assert_eq!(fs::read(again.path().join("part")).unwrap(), b"half");
        drop(again);
        let other = open("2").unwrap();
        assert!(!file.exists());
        drop(other);
        assert_eq!(left(), 0, "empty folders are gone");
        let full = open("3").unwrap();
        fs::write(full.path().join("part"), "whole").unwrap();
        full.remove();
        assert_eq!(left(), 0, "removed with what is in it");
    }
}
