//! Archives as folders: the members of zip, tar and tar.gz files, without unpacking them.
//!
//! The directory of an archive is read once and kept while the archive is in use. It is hostile input, so it is
//! bounded before anything is allocated by what it says:
//!
//! - [`MOST_MEMBERS`] members, and [`LONGEST_NAME`] bytes of a name;
//! - a name that leads out of the archive (`../`, an absolute path), a link, an encrypted member, one whose name the
//!   archive has twice, and one that unpacks to more than [`MOST_RATIO`] times its size, are refused with a reason;
//! - the bytes of a member end where its directory says, and their checksum is compared where the format has one;
//! - archives inside an archive are not entered.
//!
//! | | directory | a member |
//! |---|---|---|
//! | zip | at its end, read at once | stored, or deflated by itself |
//! | tar | a header before each member | stored |
//! | tar.gz | decompressed once | decompressed from the nearest checkpoint (see [`gzip`](self)) |

mod cache;
mod gzip;
mod index;
mod kind;
mod member;
mod members;
mod names;
mod place;
mod read_at;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SourceFault;

pub(super) use cache::ArchiveCache;
pub use index::FilmArchive;
pub use kind::ArchiveKind;
pub(super) use member::MemberSource;
pub use members::ArchiveMember;

/// Members of one archive. The largest public set of chest radiographs has 377,110 (MIMIC-CXR).
pub const MOST_MEMBERS: usize = 1_000_000;

/// Bytes of a member's path.
pub const LONGEST_NAME: usize = 1024;

/// How many times its packed size a member, or a tar.gz archive, may have. Films have noise, and pack to a half or a
/// fifth. It is checked from [`SMALLEST_BOMB`] on: a black picture of ordinary size does no harm.
pub const MOST_RATIO: u64 = 200;

/// Unpacked bytes from which the ratio counts.
pub const SMALLEST_BOMB: u64 = 64 << 20;

/// Unpacked bytes of a tar.gz archive. All of it is decompressed to find its members.
pub const MOST_UNPACKED: u64 = 64 << 30;

/// Whether so many unpacked bytes cannot be films.
fn is_bomb(packed: u64, unpacked: u64) -> bool {
    unpacked > SMALLEST_BOMB && unpacked / MOST_RATIO > packed
}

/// The file that a path goes through as if it were a folder: the archive of a member. `None` if the path is on the
/// disk, or nothing is.
pub fn file_within(path: &Path) -> Option<PathBuf> {
    let found = file_on_the_way(path)?;
    (found != path).then_some(found)
}

/// The file that a path goes through; the path itself if it is a file.
pub(super) fn file_on_the_way(path: &Path) -> Option<PathBuf> {
    let is_file = |path: &&Path| fs::metadata(path).is_ok_and(|found| found.is_file());
    path.ancestors().find(is_file).map(Path::to_owned)
}

/// Members that a fuzz target reads.
const MOST_FUZZED: usize = 64;

/// Reads the directory of an archive in memory, and the start of its first members; for fuzz targets. Returns the
/// number of members.
///
/// # Errors
/// If it is no archive, or a damaged one.
#[doc(hidden)]
pub fn fuzzed(bytes: Vec<u8>) -> Result<usize, SourceFault> {
    let length = bytes.len() as u64;
    let bytes: Arc<dyn read_at::ReadAt> = Arc::new(bytes);
    let kind = ArchiveKind::of(&bytes).ok_or_else(|| SourceFault::missing("no archive"))?;
    let archive = FilmArchive::index(bytes, length, kind)?;
    for member in archive.members().iter().take(MOST_FUZZED) {
        assert!(!member.path().iter().any(|part| part == ".."));
        let Ok(opened) = archive.open(member.path()) else {
            continue;
        };
        if let Ok(read) = opened.read(1 << 20) {
            assert!(read.len() as u64 <= opened.length());
        }
    }
    Ok(archive.members().len())
}
