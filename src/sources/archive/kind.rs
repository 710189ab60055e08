//! Which files are archives that are read here, by their content.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::read_at::{ReadAt, Section};
use super::tar;
use crate::sources::catching_panics;
use crate::sources::files::open_regular;

/// A kind of archive whose members are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    Zip,
    Tar,
    TarGz,
}

impl ArchiveKind {
    /// The kind of the archive in a file on the disk.
    pub fn of_file(file: &Path) -> Option<Self> {
        let bytes: Arc<dyn ReadAt> = Arc::new(open_regular(file).ok()?);
        catching_panics(|| Self::of(&bytes)).ok()?
    }

    /// The kind of the archive in these bytes; `None` if it is none, or a gzip file of something else than a tar.
    pub(super) fn of(bytes: &Arc<dyn ReadAt>) -> Option<Self> {
        let mut head = Vec::with_capacity(tar::BLOCK);
        let start = Section::new(bytes.clone(), 0, u64::MAX);
        let _ = start.take(tar::BLOCK as u64).read_to_end(&mut head);
        match &head[..] {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(ArchiveKind::Zip),
            [0x1f, 0x8b, 8, ..] => {
                let packed = Section::new(bytes.clone(), 0, u64::MAX);
                let mut first = Vec::with_capacity(tar::BLOCK);
                let unpacked = MultiGzDecoder::new(packed).take(tar::BLOCK as u64);
                // A gzip file that is cut off is none.
                let _ = { unpacked }.read_to_end(&mut first);
                tar::is_header(&first).then_some(ArchiveKind::TarGz)
            }
            head => tar::is_header(head).then_some(ArchiveKind::Tar),
        }
    }
}
