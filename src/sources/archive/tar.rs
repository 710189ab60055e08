//! Tar archives (POSIX.1-1988 ustar, the extended headers of POSIX.1-2001, and GNU's long names).
//!
//! The `tar` crate reads the fields of a header. The walk from header to header is here, because that of the crate
//! reads extended headers of any length into memory.

use std::io::{self, Read};
use std::sync::Arc;

use ::tar::{EntryType, Header, PaxExtensions};

use super::gzip::{GzipBytes, GzipScan};
use super::members::MembersFound;
use super::place::{MemberPlace, Packing};
use super::read_at::{ReadAt, Section, TarStream};
use crate::sources::SourceFault;

/// Bytes of a header, and what the length of each member is rounded up to.
pub const BLOCK: usize = 512;

/// Bytes of an extended header, or of a long name.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// Whether a block is the header of a member: its checksum is right, and it is not all zero.
pub fn is_header(block: &[u8]) -> bool {
    block.len() == BLOCK && block.iter().any(|byte| *byte != 0) && has_its_checksum(block)
}

/// The sum of the bytes of a header, the checksum itself taken as spaces.
fn has_its_checksum(block: &[u8]) -> bool {
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let field: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
    let stated = Header::from_byte_slice(block).cksum();
    stated.is_ok_and(|stated| stated == sum - field + 8 * u32::from(b' '))
}

struct PlainStream {
    section: Section,
    length: u64,
}

impl Read for PlainStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.section.read(buffer)
    }
}

impl TarStream for PlainStream {
    fn position(&self) -> u64 {
        self.section.position()
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        self.section.skip(length);
        match self.section.position() > self.length {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
    }
}

/// Finds the members of a tar archive.
///
/// # Errors
/// If it is over a limit or cannot be read. One that is cut off has a problem, and the members before the cut.
pub fn index_plain(
    bytes: &Arc<dyn ReadAt>,
    length: u64,
    found: &mut MembersFound,
) -> Result<(), SourceFault> {
    let section = Section::new(bytes.clone(), 0, length);
    let mut stream = PlainStream { section, length };
    index(&mut stream, found)
}

/// The same for one in a gzip file, which is decompressed once.
///
/// # Errors
/// Also if the gzip file is damaged: nothing of it can be trusted then.
pub fn index_gzip(
    bytes: Arc<dyn ReadAt>,
    length: u64,
    found: &mut MembersFound,
) -> Result<GzipBytes, SourceFault> {
    let mut stream = GzipScan::new(bytes, length);
    index(&mut stream, found)?;
    stream.finish().map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SourceFault::damaged("its gzip stream is cut off"),
        io::ErrorKind::FileTooLarge => SourceFault::too_large(error),
        _ => SourceFault::of_io(&error),
    })
}

fn index(stream: &mut impl TarStream, found: &mut MembersFound) -> Result<(), SourceFault> {
    match walk(stream, found) {
        Err(WalkFault::Ended) => {
            found.problem("the archive is cut off; the members before the cut are read");
            Ok(())
        }
        Err(WalkFault::Source(fault)) => Err(fault),
        Ok(()) => Ok(()),
    }
}

enum WalkFault {
    /// The archive is cut off.
    Ended,
    Source(SourceFault),
}

impl From<io::Error> for WalkFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => WalkFault::Ended,
            io::ErrorKind::FileTooLarge => WalkFault::Source(SourceFault::too_large(error)),
            _ => WalkFault::Source(SourceFault::of_io(&error)),
        }
    }
}

/// What extended headers say about the next member.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    length: Option<u64>,
    is_sparse: bool,
}

fn walk(stream: &mut impl TarStream, found: &mut MembersFound) -> Result<(), WalkFault> {
    let mut extended = Extended::default();
    let mut headers = 0;
    while let Some(block) = next_block(stream)? {
        headers += 1;
        // A member has at most a few headers.
        if headers > 4 * super::MOST_MEMBERS {
            return Err(WalkFault::Source(SourceFault::too_large(
                "too many headers",
            )));
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if !is_header(&block) {
            return Err(damaged("a header of the tar archive has a wrong checksum"));
        }
        let header = Header::from_byte_slice(&block);
        let stated = header.entry_size();
        let stated = stated.map_err(|_| damaged("a header of the tar archive has no length"))?;
        let kind = header.entry_type();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() {
            let text = extension(stream, stated)?;
            extended.take_in(kind, &text);
            continue;
        }
        if kind.is_pax_global_extensions() {
            skip(stream, stated)?;
            continue;
        }
        let told = std::mem::take(&mut extended);
        let length = told.length.unwrap_or(stated);
        let offset = stream.position();
        let refusal = refusal(kind, &told);
        // Links and folders have no data, whatever their length says.
        let data = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => length,
            _ if is_unknown(kind) => length,
            _ => 0,
        };
        skip(stream, data)?;
        let name = told
            .name
            .unwrap_or_else(|| header.path_bytes().into_owned());
        // The header of a folder ends with a slash, also where its kind is that of a file (before ustar).
        if kind.is_dir() || name.ends_with(b"/") {
            continue;
        }
        let place = MemberPlace {
            offset,
            packed: length,
            length,
            packing: Packing::Tar,
        };
        let place = refusal.map_or(Ok(place), Err);
        found.add(&name, place).map_err(WalkFault::Source)?;
    }
    Ok(())
}

fn is_unknown(kind: EntryType) -> bool {
    !(kind.is_file()
        || kind.is_dir()
        || kind.is_symlink()
        || kind.is_hard_link()
        || kind.is_fifo()
        || kind.is_character_special()
        || kind.is_block_special())
}

fn refusal(kind: EntryType, told: &Extended) -> Option<&'static str> {
    if kind.is_symlink() || kind.is_hard_link() {
        Some("a link, not followed")
    } else if told.is_sparse || kind.is_gnu_sparse() {
        Some("a sparse file, which is not read")
    } else if kind.is_file() || kind.is_contiguous() || kind.is_dir() {
        None
    } else {
        Some("no regular file")
    }
}

impl Extended {
    fn take_in(&mut self, kind: EntryType, text: &[u8]) {
        if kind.is_gnu_longname() {
            let end = text.iter().position(|byte| *byte == 0);
            self.name = Some(text[..end.unwrap_or(text.len())].to_vec());
        } else if kind.is_pax_local_extensions() {
            for field in PaxExtensions::new(text).flatten() {
                match field.key_bytes() {
                    b"path" => self.name = Some(field.value_bytes().to_vec()),
                    b"size" => {
                        self.length = field.value().ok().and_then(|size| size.parse().ok());
                    }
                    key => self.is_sparse |= key.starts_with(b"GNU.sparse."),
                }
            }
        }
    }
}

/// The next block; `None` at the end of the archive, where some writers leave out the blocks of zeros.
fn next_block(stream: &mut impl TarStream) -> Result<Option<[u8; BLOCK]>, WalkFault> {
    let mut block = [0; BLOCK];
    let mut read = 0;
    while read < BLOCK {
        match stream.read(&mut block[read..])? {
            0 if read == 0 => return Ok(None),
            0 => return Err(WalkFault::Ended),
            more => read += more,
        }
    }
    Ok(Some(block))
}

fn extension(stream: &mut impl TarStream, length: u64) -> Result<Vec<u8>, WalkFault> {
    if length > LONGEST_EXTENSION {
        return Err(damaged("an extended header of the tar archive is too long"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    stream.skip(padding(length))?;
    Ok(text)
}

/// Goes past a member and its padding.
fn skip(stream: &mut impl TarStream, length: u64) -> Result<(), WalkFault> {
    Ok(stream.skip(length.saturating_add(padding(length)))?)
}

fn padding(length: u64) -> u64 {
    length.wrapping_neg() % BLOCK as u64
}

fn damaged(words: &str) -> WalkFault {
    WalkFault::Source(SourceFault::damaged(words))
}
