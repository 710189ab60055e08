//! The archives that are in use, each with its directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{ArchiveKind, FilmArchive};
use crate::sources::files::open_regular;
use crate::sources::{FileStamp, SourceFault};

/// Archives whose directory is kept. A folder of more archives is walked one after the other.
const MOST_ARCHIVES: usize = 8;

type Indexed = Result<Option<Arc<FilmArchive>>, SourceFault>;

/// One archive file, in the state that its stamp tells.
#[derive(Clone)]
struct CachedArchive {
    file: PathBuf,
    stamp: FileStamp,
    /// Threads that come while it is indexed wait for it.
    archive: Arc<OnceLock<Indexed>>,
}

/// The archives that were used last.
#[derive(Default)]
pub struct ArchiveCache(Mutex<Vec<CachedArchive>>);

impl ArchiveCache {
    /// The archive in a file; `None` if it is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get(&self, file: &Path) -> Indexed {
        let metadata = fs::metadata(file).map_err(|error| SourceFault::of_io(&error))?;
        let stamp = FileStamp::of_metadata(&metadata);
        let cached = self.cached(file, stamp);
        cached.archive.get_or_init(|| index(file)).clone()
    }

    /// The entry for a file in this state, which becomes the last used.
    fn cached(&self, file: &Path, stamp: FileStamp) -> CachedArchive {
        let mut archives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = archives.iter().position(|cached| cached.file == file);
        let cached = found.map(|at| archives.remove(at));
        let cached = cached
            .filter(|cached| cached.stamp == stamp)
            .unwrap_or_else(|| CachedArchive {
                file: file.to_owned(),
                stamp,
                archive: Arc::default(),
            });
        if archives.len() >= MOST_ARCHIVES {
            archives.remove(0);
        }
        archives.push(cached.clone());
        cached
    }
}

fn index(file: &Path) -> Indexed {
    let opened = open_regular(file)?;
    let length = opened
        .metadata()
        .map_err(|error| SourceFault::of_io(&error))?
        .len();
    let bytes: Arc<dyn super::read_at::ReadAt> = Arc::new(opened);
    match ArchiveKind::of(&bytes) {
        Some(kind) => {
            FilmArchive::index(bytes, length, kind).map(|archive| Some(Arc::new(archive)))
        }
        None => Ok(None),
    }
}
