//! The directories of a TIFF file (TIFF 6.0 section 2), of BigTIFF with its 64-bit offsets, and of an
//! EXIF block, which has the form of a TIFF file.
//!
//! Values are copied only when they are read. A value that lies outside the file counts as absent.

use std::collections::HashSet;

/// The bytes of a file, and how numbers are written in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TiffFile<'a> {
    pub bytes: &'a [u8],
    pub big_endian: bool,
    /// Whether it is BigTIFF, with 64-bit offsets.
    wide: bool,
}

/// One directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'a> {
    file: TiffFile<'a>,
    entries: &'a [u8],
    next: u64,
}

/// The value of an entry: its type, and as many bytes as its type and count require.
struct Field<'a> {
    kind: u16,
    bytes: &'a [u8],
}

impl<'a> TiffFile<'a> {
    /// `None` if the bytes do not start with the header of a TIFF file.
    pub fn new(bytes: &'a [u8]) -> Option<TiffFile<'a>> {
        let (big_endian, wide) = match *bytes.first_chunk()? {
            [b'I', b'I', 42, 0] => (false, false),
            [b'M', b'M', 0, 42] => (true, false),
            [b'I', b'I', 43, 0] => (false, true),
            [b'M', b'M', 0, 43] => (true, true),
            _ => return None,
        };
        Some(TiffFile {
            bytes,
            big_endian,
            wide,
        })
    }

    /// The offset of the first directory.
    pub fn first(&self) -> u64 {
        let at = if self.wide { 8 } else { 4 };
        self.number(at, self.offset_size()).unwrap_or(0)
    }

    fn offset_size(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// `length` bytes from `offset`; `None` if the file ends before.
    pub fn at(&self, offset: u64, length: u64) -> Option<&'a [u8]> {
        let offset = usize::try_from(offset).ok()?;
        let length = usize::try_from(length).ok()?;
        self.bytes.get(offset..offset.checked_add(length)?)
    }

    fn number(&self, offset: u64, size: usize) -> Option<u64> {
        Some(self.unsigned(self.at(offset, size as u64)?))
    }

    /// A number of up to eight bytes.
    fn unsigned(&self, bytes: &[u8]) -> u64 {
        let push = |v: u64, &b: &u8| v << 8 | u64::from(b);
        if self.big_endian {
            bytes.iter().fold(0, push)
        } else {
            bytes.iter().rev().fold(0, push)
        }
    }

    /// A complete directory; `None` if entries are missing, because they might change how the picture is
    /// read.
    pub fn directory(&self, at: u64) -> Option<Directory<'a>> {
        let (directory, is_whole) = self.entries(at)?;
        is_whole.then_some(directory)
    }

    /// A directory with those of its entries that lie in the file, even if it announces more.
    pub fn directory_in_part(&self, at: u64) -> Option<Directory<'a>> {
        self.entries(at).map(|(directory, _)| directory)
    }

    /// The entries that lie wholly in the file, and whether those are all.
    fn entries(&self, at: u64) -> Option<(Directory<'a>, bool)> {
        let (count_size, entry_size) = if self.wide { (8, 20) } else { (2, 12) };
        let count = self.number(at, count_size)?;
        let start = at.checked_add(count_size as u64)?;
        let room = (self.bytes.len() as u64).checked_sub(start)? / entry_size;
        let length = count.min(room) * entry_size;
        let is_whole = count <= room;
        // A file may end right after its last directory, without the offset of a next one.
        let next = self.number(start + length, self.offset_size());
        let directory = Directory {
            file: *self,
            entries: self.at(start, length)?,
            next: next.filter(|_| is_whole).unwrap_or(0),
        };
        Some((directory, is_whole))
    }

    /// The directories of the chain, each followed by those of its *SubIFDs* (tag 330).
    pub fn directories(&self) -> Vec<Directory<'a>> {
        /// More pages than any film has. A limit is needed, because each can be small.
        const MOST: usize = 10_000;
        const SUB_IFDS: u16 = 330;
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        let mut at = self.first();
        while at != 0 && found.len() < MOST && seen.insert(at) {
            let Some(directory) = self.directory(at) else {
                break;
            };
            found.push(directory);
            let inner = directory.numbers(SUB_IFDS).unwrap_or_default();
            let inner = inner.into_iter().take(MOST).filter(|&at| seen.insert(at));
            found.extend(inner.filter_map(|at| self.directory(at)));
            at = directory.next;
        }
        found
    }
}

impl<'a> Directory<'a> {
    fn field(&self, tag: u16) -> Option<Field<'a>> {
        let file = &self.file;
        let (entry_size, count_size) = if file.wide { (20, 8) } else { (12, 4) };
        let mut entries = self.entries.chunks_exact(entry_size);
        let entry = entries.find(|e| file.unsigned(&e[..2]) == u64::from(tag))?;
        let kind = file.unsigned(&entry[2..4]) as u16;
        let (count, value) = entry[4..].split_at(count_size);
        let length = file.unsigned(count).checked_mul(size_of(kind)?)?;
        let bytes = match value.get(..usize::try_from(length).ok()?) {
            Some(inline) => inline,
            None => file.at(file.unsigned(value), length)?,
        };
        Some(Field { kind, bytes })
    }

    /// Whether there is an entry with this tag, even one that cannot be read.
    pub fn has(&self, tag: u16) -> bool {
        let entry_size = if self.file.wide { 20 } else { 12 };
        let mut entries = self.entries.chunks_exact(entry_size);
        entries.any(|e| self.file.unsigned(&e[..2]) == u64::from(tag))
    }

    /// The values of a tag as whole numbers; `None` if it is absent or of another type.
    pub fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let field = self.field(tag)?;
        let size = match field.kind {
            1 | 3 | 4 | 6 | 8 | 9 | 13 | 16 | 17 | 18 => size_of(field.kind)? as usize,
            _ => return None,
        };
        let numbers = field.bytes.chunks_exact(size);
        Some(numbers.map(|bytes| self.file.unsigned(bytes)).collect())
    }

    /// The first of [`numbers`](Self::numbers).
    pub fn number(&self, tag: u16) -> Option<u64> {
        let field = self.field(tag)?;
        match field.kind {
            1 | 3 | 4 | 6 | 8 | 9 | 13 | 16 | 17 | 18 => {
                let first = field.bytes.get(..size_of(field.kind)? as usize)?;
                Some(self.file.unsigned(first))
            }
            _ => None,
        }
    }

    /// The values of a tag of the type RATIONAL (unsigned).
    pub fn fractions(&self, tag: u16) -> Option<Vec<f32>> {
        let field = self.field(tag).filter(|field| field.kind == 5)?;
        let fraction = |bytes: &[u8]| {
            let (above, below) = bytes.split_at(4);
            self.file.unsigned(above) as f32 / self.file.unsigned(below).max(1) as f32
        };
        Some(field.bytes.chunks_exact(8).map(fraction).collect())
    }

    /// The bytes of a tag's value, of any type.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.field(tag).map(|field| field.bytes)
    }
}

/// Bytes of one value of a type.
fn size_of(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16..=18 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circular_chain_ends_and_a_cut_off_file_has_no_directory() {
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        bytes.extend([1, 0, 18, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0]);
        let file = TiffFile::new(&bytes).expect("a file");
        let directories = file.directories();
        assert_eq!(directories.len(), 1);
        assert_eq!(directories[0].number(274), Some(6));
        assert_eq!(directories[0].number(256), None);
        for cut in 0..bytes.len() {
            if let Some(file) = TiffFile::new(&bytes[..cut]) {
                assert_eq!(file.directories().len(), usize::from(cut >= 22), "{cut}");
            }
        }
    }

    #[test]
    fn a_directory_in_part_has_the_entries_that_are_whole() {
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        bytes.extend([2, 0, 18, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0]);
        for count in [2, 12, 255] {
            bytes[8] = count;
            for cut in 10..bytes.len() {
                let file = TiffFile::new(&bytes[..cut]).expect("a file");
                assert!(file.directory(file.first()).is_none(), "{count} {cut}");
                let directory = file.directory_in_part(file.first()).expect("a directory");
                let value = (cut >= 22).then_some(6);
                assert_eq!(directory.number(274), value, "{count} {cut}");
                assert_eq!(directory.next, 0, "{count} {cut}");
            }
        }
    }
}
