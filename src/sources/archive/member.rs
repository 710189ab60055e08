//! The bytes of one member.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::gzip::GzipBytes;
use super::place::{MemberPlace, Packing};
use super::read_at::{ReadAt, Section, damaged};
use super::zip;
use crate::sources::{SourceFault, catching_panics};

/// Where the places of members are offsets into.
pub enum ArchiveBytes {
    /// The file itself.
    Plain(Arc<dyn ReadAt>),
    /// What the file decompresses to.
    Gzip(Arc<GzipBytes>),
}

/// A member that was opened.
#[derive(Clone)]
pub struct MemberSource {
    bytes: MemberBytes,
    length: u64,
}

#[derive(Clone)]
enum MemberBytes {
    Plain(Section, Option<u32>),
    Deflated(Section, u32),
    Gzip(Arc<GzipBytes>, u64),
}

impl MemberSource {
    /// Finds the bytes of a member.
    ///
    /// # Errors
    /// If the archive contradicts itself about it.
    pub(super) fn new(
        archive: &ArchiveBytes,
        path: &[u8],
        place: &MemberPlace,
    ) -> Result<Self, SourceFault> {
        let bytes = match archive {
            ArchiveBytes::Gzip(bytes) => MemberBytes::Gzip(bytes.clone(), place.offset),
            ArchiveBytes::Plain(bytes) => Self::plain(bytes, path, place)?,
        };
        Ok(MemberSource {
            bytes,
            length: place.length,
        })
    }

    fn plain(
        bytes: &Arc<dyn ReadAt>,
        path: &[u8],
        place: &MemberPlace,
    ) -> Result<MemberBytes, SourceFault> {
        let section = |start| Section::new(bytes.clone(), start, place.packed);
        let data = || zip::data_start(bytes, place, path).map(section);
        Ok(match place.packing {
            Packing::Tar => MemberBytes::Plain(section(place.offset), None),
            Packing::Stored(crc) => MemberBytes::Plain(data()?, Some(crc)),
            Packing::Deflated(crc) => MemberBytes::Deflated(data()?, crc),
        })
    }

    /// In bytes, as the archive states.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads from the start. Panics of a decompressor are errors.
    pub fn reader(&self) -> impl Read + use<> {
        let (inner, crc): (Box<dyn Read>, _) = match &self.bytes {
            MemberBytes::Plain(section, crc) => (Box::new(section.clone()), *crc),
            MemberBytes::Deflated(section, crc) => {
                (Box::new(DeflateDecoder::new(section.clone())), Some(*crc))
            }
            MemberBytes::Gzip(bytes, offset) => (Box::new(bytes.reader(*offset)), None),
        };
        // What follows a member of a tar is another one.
        let is_bounded = matches!(self.bytes, MemberBytes::Deflated(..));
        MemberReader {
            inner,
            left: self.length,
            sum: crc.map(|crc| (Crc::new(), crc)),
            is_bounded,
        }
    }
}

struct MemberReader<R> {
    inner: R,
    left: u64,
    sum: Option<(Crc, u32)>,
    /// Whether `inner` ends with the member.
    is_bounded: bool,
}

impl<R: Read> MemberReader<R> {
    fn at_end(&mut self) -> io::Result<usize> {
        if self.is_bounded && self.inner.read(&mut [0])? > 0 {
            return Err(damaged("it is longer than its archive states"));
        }
        self.is_bounded = false;
        match self.sum.take() {
            Some((sum, stated)) if sum.sum() != stated => {
                Err(damaged("its checksum in the archive is another"))
            }
            _ => Ok(0),
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return self.at_end();
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(damaged("it ends before the length that its archive states"));
        }
        self.left -= read as u64;
        if let Some((sum, _)) = &mut self.sum {
            sum.update(&buffer[..read]);
        }
        Ok(read)
    }
}

impl<R: Read> Read for MemberReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read =
            catching_panics(|| self.next(buffer)).unwrap_or_else(|panic| Err(damaged(&panic)));
        // What a decompressor calls corrupt is damage of the file.
        read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                damaged(&error.to_string())
            }
            _ => error,
        })
    }
}
