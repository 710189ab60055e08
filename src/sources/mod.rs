//! Where the bytes of a path come from: a file, a member of an archive, or a remote source.
//!
//! A path names one film in the whole program, whatever it lies in:
//!
//! ```text
//! ward3/IM-0042.dcm                   a file
//! ward3.zip/a/IM-0042.dcm             a member of a zip, tar or tar.gz archive (`archive`)
//! https://host/dicom-web/studies/…    a film of a source that was registered (`RemoteSource`)
//! ```
//!
//! There is one namespace of paths in a process, as there is one file system: [`Sources::of_process`]. A file costs
//! nothing more than without this floor: only when the system says that a part of the path is no folder (`ENOTDIR`)
//! is an archive looked for, and an address is known by its first letters, without a look at the disk.
//!
//! Nothing is unpacked to the disk. A member is decompressed while it is read, as often as it is read.
//!
//! # Why archives are decompressed in this process
//!
//! Films are decoded in a process of their own, because their decoders contain unsafe code (see `imaging`). What
//! reads archives here (`zip`'s directory reader, `tar`'s headers, `miniz_oxide`, `flate2`) is safe Rust: a hostile
//! archive can make it wrong or make it panic, but cannot take it over. Panics are caught, sizes and numbers are
//! bounded before anything is allocated, and the bytes that come out go to the decoder process like those of any
//! file.

pub mod archive;
mod error;
mod files;
mod guard;
mod opened;
mod order;
mod remote;
mod stamp;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use archive::{ArchiveCache, ArchiveKind, FilmArchive, file_on_the_way};
pub use error::SourceFault;
pub use guard::{catching_panics, panic_is_guarded};
pub use opened::OpenedSource;
pub use order::natural_order;
pub use remote::{RemoteItem, RemoteSource, is_remote};
pub use stamp::FileStamp;

/// The sources of films of this process. A clone is the same sources.
#[derive(Clone, Default)]
pub struct Sources(Arc<SourcesInner>);

#[derive(Default)]
struct SourcesInner {
    archives: ArchiveCache,
    remote: RwLock<Vec<Arc<dyn RemoteSource>>>,
}

/// A path into an archive.
pub struct InArchive {
    pub archive: Arc<FilmArchive>,
    /// The path of the archive file itself, as it was spelled.
    pub file: PathBuf,
    /// The path of a member, or of a folder of members. Empty for the whole archive.
    pub within: PathBuf,
}

impl Sources {
    /// Those of this process.
    pub fn of_process() -> Self {
        static SOURCES: LazyLock<Sources> = LazyLock::new(Sources::default);
        SOURCES.clone()
    }

    /// Adds a remote source. Addresses that it holds can be read and walked from now on.
    pub fn register(&self, source: Arc<dyn RemoteSource>) {
        let remote = self.0.remote.write();
        remote.unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The remote source that holds an address.
    pub fn remote(&self, path: &Path) -> Option<Arc<dyn RemoteSource>> {
        let remote = self.0.remote.read().unwrap_or_else(PoisonError::into_inner);
        remote.iter().find(|source| source.holds(path)).cloned()
    }

    /// Opens the film at a path, without reading it. A remote one is fetched, if it has at most `longest` bytes.
    ///
    /// # Errors
    /// If there is no such film, or it cannot be opened.
    pub fn open(&self, path: &Path, longest: u64) -> Result<OpenedSource, SourceFault> {
        if is_remote(path) {
            let source = self.remote(path).ok_or_else(SourceFault::no_source)?;
            return source.read(path, longest).map(OpenedSource::of_bytes);
        }
        match files::open_regular(path) {
            Err(fault) if fault.kind() == Some(io::ErrorKind::NotADirectory) => {
                let found = self.in_archive(path)?.ok_or(fault)?;
                found.archive.open(&found.within)
            }
            opened => opened.map(OpenedSource::of_file),
        }
    }

    /// A stamp that differs after the content at a path has changed. That of a member is the stamp of its archive.
    /// Take it before opening the film. `None` if it could miss a change, or there is no such film.
    pub fn stamp(&self, path: &Path) -> Option<FileStamp> {
        if is_remote(path) {
            return self.remote(path)?.stamp(path).map(FileStamp::of_number);
        }
        match FileStamp::of_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                FileStamp::of_file(&file_on_the_way(path)?).ok()?
            }
            stamp => stamp.ok()?,
        }
    }

    /// Whether there is a film, a folder or an archive at a path. For an address: whether a source holds it.
    pub fn exists(&self, path: &Path) -> bool {
        if is_remote(path) {
            return self.remote(path).is_some();
        }
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let found = self.in_archive(path);
                found.is_ok_and(|found| found.is_some_and(|found| found.exists()))
            }
            found => found.is_ok(),
        }
    }

    /// Whether a film that can be read lies at a path.
    pub fn is_film(&self, path: &Path) -> bool {
        if is_remote(path) {
            return self.remote(path).is_some();
        }
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let found = self.in_archive(path);
                found.is_ok_and(|found| {
                    found.is_some_and(|found| found.archive.member(&found.within).is_some())
                })
            }
            found => found.is_ok_and(|found| found.is_file()),
        }
    }

    /// The archive that a path leads into; `None` if no file on the way is an archive.
    ///
    /// # Errors
    /// If the archive cannot be read.
    pub fn in_archive(&self, path: &Path) -> Result<Option<InArchive>, SourceFault> {
        let Some(file) = file_on_the_way(path) else {
            return Ok(None);
        };
        let within = path.strip_prefix(&file).unwrap_or(Path::new("")).to_owned();
        let Some(archive) = self.archive(&file)? else {
            return Ok(None);
        };
        Ok(Some(InArchive {
            archive,
            file,
            within,
        }))
    }

    /// The archive in a file; `None` if it is none of a kind that is read here.
    ///
    /// # Errors
    /// If it is one, and cannot be read.
    pub fn archive(&self, file: &Path) -> Result<Option<Arc<FilmArchive>>, SourceFault> {
        self.0.archives.get(file)
    }

    /// The kind of the archive in a file on the disk; `None` if it is none of a kind that is read here.
    pub fn kind_of_archive(&self, file: &Path) -> Option<ArchiveKind> {
        ArchiveKind::of_file(file)
    }

    /// The path with links and `..` resolved, as far as it is on the disk; an address as it is.
    ///
    /// # Errors
    /// If there is no such file, folder or archive.
    pub fn real(&self, path: &Path) -> io::Result<PathBuf> {
        if is_remote(path) {
            return Ok(path.to_owned());
        }
        match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let file = file_on_the_way(path).ok_or(error)?;
                let within = path.strip_prefix(&file).unwrap_or(Path::new(""));
                Ok(fs::canonicalize(&file)?.join(within))
            }
            real => real,
        }
    }

    /// When the content at a path was last changed, if the system says so. A member has the time of its archive.
    pub fn metadata(&self, path: &Path) -> Option<fs::Metadata> {
        if is_remote(path) {
            return None;
        }
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                fs::metadata(file_on_the_way(path)?).ok()
            }
            found => found.ok(),
        }
    }
}

impl InArchive {
    /// Whether the archive has a member at this path or below it.
    fn exists(&self) -> bool {
        self.within.as_os_str().is_empty() || self.archive.below(&self.within).next().is_some()
    }
}

#[cfg(test)]
mod tests;
