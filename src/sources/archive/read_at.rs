//! Bytes that are read by their offset, so that threads share an archive.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The bytes of an archive.
pub trait ReadAt: Send + Sync {
    /// Reads at an offset; 0 bytes at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = self.get(start..).unwrap_or_default();
        let length = buffer.len().min(from.len());
        buffer[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }
}

/// A part of an archive as a stream.
#[derive(Clone)]
pub struct Section {
    bytes: Arc<dyn ReadAt>,
    at: u64,
    end: u64,
}

impl Section {
    pub fn new(bytes: Arc<dyn ReadAt>, start: u64, length: u64) -> Self {
        Section {
            bytes,
            at: start,
            end: start.saturating_add(length),
        }
    }

    pub fn position(&self) -> u64 {
        self.at
    }

    /// Goes forward without reading. It may go past the end.
    pub fn skip(&mut self, length: u64) {
        self.at = self.at.saturating_add(length);
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.at);
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.bytes.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Only for sections that begin at the start of an archive.
impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The bytes of a tar archive from the start to the end.
pub trait TarStream: Read {
    fn position(&self) -> u64;
    /// Goes forward.
    ///
    /// # Errors
    /// If the archive ends before, or cannot be read.
    fn skip(&mut self, length: u64) -> io::Result<()>;
}

/// An error of what is read, and not of reading it.
pub fn damaged(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}
