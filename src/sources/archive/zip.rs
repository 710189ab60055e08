//! Zip archives (PKWARE APPNOTE 6.3): the central directory by the `zip` crate, members by their own headers.

use std::sync::Arc;

use ::zip::CompressionMethod;
use ::zip::read::{Config, ZipFileEntry};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;

use super::members::MembersFound;
use super::names::member_path;
use super::place::{MemberPlace, Packing};
use super::read_at::{ReadAt, Section};
use crate::sources::SourceFault;

/// Bytes of a local header before the name (APPNOTE 4.3.7).
const LOCAL_HEADER: usize = 30;

/// The bit of the flags that says that a member is encrypted (APPNOTE 4.4.4).
const ENCRYPTED: u16 = 1;

/// Reads the central directory, entry by entry.
///
/// # Errors
/// If it is damaged or has too many members.
pub fn index(
    bytes: &Arc<dyn ReadAt>,
    length: u64,
    found: &mut MembersFound,
) -> Result<(), SourceFault> {
    let whole = std::io::BufReader::new(Section::new(bytes.clone(), 0, length));
    let mut archive = ZipIterable::try_new(whole, Config::default()).map_err(|e| fault(&e))?;
    let mut entries = Vec::new();
    for entry in archive.files().map_err(|e| fault(&e))? {
        let entry = entry.map_err(|error| fault(&error))?;
        if entry.is_dir() {
            continue;
        }
        if entries.len() >= super::MOST_MEMBERS {
            return Err(SourceFault::too_large(format!(
                "more than {} members",
                super::MOST_MEMBERS
            )));
        }
        // A name of another character set is decoded.
        let name = match entry.name() {
            Ok(name) => name.into_owned().into_bytes(),
            Err(_) => entry.name_raw().to_vec(),
        };
        let after = entry
            .header_start()
            .saturating_add((LOCAL_HEADER + entry.name_raw().len()) as u64)
            .saturating_add(entry.compressed_size());
        entries.push((entry.header_start(), after, name, place(&entry)));
    }
    refuse_overlaps(&mut entries, length);
    for (_, _, name, place) in entries {
        found.add(&name, place)?;
    }
    Ok(())
}

type ZipEntry = (u64, u64, Vec<u8>, Result<MemberPlace, &'static str>);

/// Members that share bytes make a small archive unpack to any size (Fifield, WOOT 2019).
fn refuse_overlaps(entries: &mut [ZipEntry], length: u64) {
    entries.sort_by_key(|(start, ..)| *start);
    let mut end = 0;
    for (start, after, _, place) in entries {
        if *after > length {
            *place = place.and(Err("it lies outside the archive"));
        } else if *start < end {
            *place = Err("it shares bytes with another member");
        }
        end = end.max(*after);
    }
}

fn place(entry: &ZipFileEntry<'_>) -> Result<MemberPlace, &'static str> {
    if entry.encrypted() {
        return Err("it is encrypted");
    }
    if entry.is_symlink() {
        return Err("a link, not followed");
    }
    let packing = match entry.compression() {
        CompressionMethod::Stored => Packing::Stored(entry.crc32()),
        CompressionMethod::Deflated => Packing::Deflated(entry.crc32()),
        _ => return Err("its method of compression is not read: only deflate is"),
    };
    if matches!(packing, Packing::Stored(_)) && entry.compressed_size() != entry.size() {
        return Err("the archive states two lengths for it");
    }
    Ok(MemberPlace {
        offset: entry.header_start(),
        packed: entry.compressed_size(),
        length: entry.size(),
        packing,
    })
}

/// Where the data of a member begin, by its local header.
///
/// # Errors
/// If that is another member's than the central directory says.
pub fn data_start(
    bytes: &Arc<dyn ReadAt>,
    place: &MemberPlace,
    path: &[u8],
) -> Result<u64, SourceFault> {
    use std::io::Read;
    let mut section = Section::new(bytes.clone(), place.offset, u64::MAX);
    let mut header = [0; LOCAL_HEADER];
    let read = section.read_exact(&mut header);
    read.map_err(|_| SourceFault::damaged("the archive ends before this member"))?;
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    if !header.starts_with(b"PK\x03\x04") {
        return Err(SourceFault::damaged("its archive has no member there"));
    }
    if number(6) & ENCRYPTED != 0 {
        return Err(SourceFault::unsupported("it is encrypted"));
    }
    let method = match place.packing {
        Packing::Deflated(_) => 8,
        _ => 0,
    };
    let mut name = vec![0; usize::from(number(26))];
    let read = section.read_exact(&mut name);
    read.map_err(|_| SourceFault::damaged("the archive ends before this member"))?;
    // A name in another character set can't be compared byte by byte.
    let is_same = !name.is_ascii() || member_path(&name).is_ok_and(|name| *name == *path);
    if number(8) != method || !is_same {
        return Err(SourceFault::damaged(
            "the directory of the archive names another member there",
        ));
    }
    Ok(section.position() + u64::from(number(28)))
}

fn fault(error: &ZipError) -> SourceFault {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            SourceFault::of_io(error)
        }
        ZipError::UnsupportedArchive(why) => SourceFault::unsupported(why),
        error => SourceFault::damaged(error),
    }
}
