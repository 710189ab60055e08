//! A film that was opened, and can be read from its start as often as needed.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::archive::MemberSource;

/// Bytes that a decompressor gives at a time.
const CHUNK: usize = 256 << 10;

/// A film that was opened. Its bytes are the same each time it is read, unless its file is written to meanwhile.
pub struct OpenedSource {
    kind: OpenedKind,
    length: u64,
}

enum OpenedKind {
    File(File),
    Member(MemberSource),
    Bytes(Arc<[u8]>),
}

impl OpenedSource {
    /// A regular file.
    pub fn of_file(file: File) -> Self {
        // A file without a readable length is read to its end.
        let length = file.metadata().map_or(0, |found| found.len());
        OpenedSource {
            kind: OpenedKind::File(file),
            length,
        }
    }

    /// Bytes that were fetched.
    pub fn of_bytes(bytes: Arc<[u8]>) -> Self {
        OpenedSource {
            length: bytes.len() as u64,
            kind: OpenedKind::Bytes(bytes),
        }
    }

    pub(super) fn of_member(member: MemberSource) -> Self {
        OpenedSource {
            length: member.length(),
            kind: OpenedKind::Member(member),
        }
    }

    /// Its length in bytes: as its archive states it, or that of the file when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The first bytes, at most so many.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn head(&self, most: usize) -> io::Result<Vec<u8>> {
        if let OpenedKind::File(file) = &self.kind {
            return head_of(file, most);
        }
        let mut head = Vec::with_capacity(most);
        self.reader()?.take(most as u64).read_to_end(&mut head)?;
        Ok(head)
    }

    /// Reads from the start. The end of a member is an error where it has not the length and the checksum that its
    /// archive states.
    ///
    /// # Errors
    /// If it cannot go back to the start.
    pub fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &self.kind {
            OpenedKind::File(file) => {
                let mut file: &File = file;
                file.rewind()?;
                Box::new(file)
            }
            OpenedKind::Member(member) => {
                Box::new(BufReader::with_capacity(CHUNK, member.reader()))
            }
            OpenedKind::Bytes(bytes) => Box::new(&bytes[..]),
        })
    }

    /// Copies at most so many bytes into a file. From file to file, the system copies.
    ///
    /// # Errors
    /// If reading or writing fails.
    pub fn copy_to(&self, to: &mut File, most: u64) -> io::Result<u64> {
        match &self.kind {
            OpenedKind::File(file) => {
                let mut file: &File = file;
                file.rewind()?;
                io::copy(&mut file.take(most), to)
            }
            OpenedKind::Member(member) => {
                let mut reader = BufReader::with_capacity(CHUNK, member.reader().take(most));
                io::copy(&mut reader, to)
            }
            OpenedKind::Bytes(bytes) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
                to.write_all(&bytes[..most])?;
                Ok(most as u64)
            }
        }
    }

    /// All bytes, and no more than `most`.
    ///
    /// # Errors
    /// If they cannot be read, or there is no memory for them.
    pub fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let expected = usize::try_from(self.length.min(most)).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(expected)?;
        self.reader()?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The first bytes of a file, without moving in it.
fn head_of(file: &File, most: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; most];
    let mut read = 0;
    while read < most {
        match file.read_at(&mut head[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(read);
    Ok(head)
}
