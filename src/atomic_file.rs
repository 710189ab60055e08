//! Files that are there whole or not at all, even if the process is killed while it writes.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Only the owner may read what is about patients.
const MODE: u32 = 0o600;

/// A file on its way. It gets its name when it is whole, and is gone if it never does.
///
/// On Linux it has no name at all until then (`O_TMPFILE`), so that a killed process leaves nothing. Some file
/// systems, such as NFS, have no nameless files. There it has a hidden name in the folder of its final one.
#[derive(Debug)]
pub struct AtomicFile(Held);

#[derive(Debug)]
enum Held {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(NamedTempFile),
}

impl AtomicFile {
    /// Makes an empty file that only its owner may read, on the file system of the folder.
    ///
    /// # Errors
    /// If it cannot be made there.
    pub fn new_in(folder: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = linux::nameless(folder) {
            return Ok(AtomicFile(Held::Nameless(file)));
        }
        let file = hidden().tempfile_in(folder)?;
        Ok(AtomicFile(Held::Named(file)))
    }

    /// The open file.
    pub fn as_file(&self) -> &File {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Held::Nameless(file) => file,
            Held::Named(file) => file.as_file(),
        }
    }

    /// Gives the file its name in one step. What is there is replaced; a link itself, not what it leads to.
    ///
    /// # Errors
    /// If that cannot be done; what was there stays.
    pub fn replace(self, path: &Path) -> io::Result<()> {
        Ok(self.named(path)?.persist(path).map(drop)?)
    }

    /// Gives the file its name in one step, if nothing has that name.
    ///
    /// # Errors
    /// `AlreadyExists` if something has; or if it cannot be done.
    pub fn create(self, path: &Path) -> io::Result<()> {
        match self.named(path)?.persist_noclobber(path) {
            // Some file systems have neither hard links nor a rename that refuses to replace.
            Err(refused) if is_vacant(path) => Ok(refused.file.persist(path).map(drop)?),
            created => Ok(created.map(drop)?),
        }
    }

    /// The file under a hidden name beside its final one: a nameless file can get a name, but none that is taken.
    fn named(self, path: &Path) -> io::Result<NamedTempFile> {
        match self.0 {
            Held::Named(file) => Ok(file),
            #[cfg(target_os = "linux")]
            Held::Nameless(file) => hidden().make_in(folder_of(path), |name| {
                linux::link(&file, name)?;
                file.try_clone()
            }),
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.as_file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.as_file().flush()
    }
}

/// The folder that a file with this path is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether nothing has that name.
pub fn is_vacant(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Names that no walk takes for an image.
fn hidden() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    let mode = Permissions::from_mode(MODE);
    builder.prefix(".cxr-").suffix(".part").permissions(mode);
    builder
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

    use super::MODE;

    /// A file without a name that can get one (open(2), `O_TMPFILE`). `None` where there are none, or where there is
    /// no /proc to give them one.
    pub fn nameless(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(open(folder, flags, Mode::from_raw_mode(MODE)).ok()?);
        Path::new(&place(&file)).exists().then_some(file)
    }

    /// Gives the file that name, if nothing has it.
    pub fn link(file: &File, name: &Path) -> io::Result<()> {
        Ok(linkat(
            CWD,
            place(file),
            CWD,
            name,
            AtFlags::SYMLINK_FOLLOW,
        )?)
    }

    fn place(file: &File) -> String {
        format!("/proc/self/fd/{}", file.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::skip;

    /// Both kinds, as far as the file system of the folder has them.
    fn kinds(folder: &Path) -> Vec<AtomicFile> {
        let named = AtomicFile(Held::Named(hidden().tempfile_in(folder).unwrap()));
        vec![AtomicFile::new_in(folder).unwrap(), named]
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_of_either_kind_is_whole_and_its_owners_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        for mut file in kinds(folder.path()) {
            file.write_all(b"new").unwrap();
            fs::write(&path, "old").unwrap();
            file.replace(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, MODE);
        }
        for mut file in kinds(folder.path()) {
            file.write_all(b"theirs").unwrap();
            let error = file.create(&path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
        fs::remove_file(&path).unwrap();
        for file in kinds(folder.path()) {
            file.create(&path).unwrap();
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(names(folder.path()), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_no_destructor_removes_leaves_nothing_where_files_can_be_nameless() {
        use rustix::fs::{Mode, OFlags, open};
        let folder = tempfile::tempdir().unwrap();
        let flags = OFlags::TMPFILE | OFlags::RDWR;
        if open(folder.path(), flags, Mode::RUSR).is_err() {
            skip::skip_on_this_machine("its file system has no nameless files");
            return;
        }
        let mut file = AtomicFile::new_in(folder.path()).unwrap();
        file.write_all(b"half").unwrap();
        // What a killed process had written is seen by nothing else.
        assert_eq!(names(folder.path()), 0);
    }

    #[test]
    fn no_file_is_made_where_there_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let missing = AtomicFile::new_in(&folder.path().join("no")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(AtomicFile::new_in(&file).is_err());
    }
}
