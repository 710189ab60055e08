//! The DICOMDIR of a medium (PS3.3 annex F, PS3.10 section 8): which files it lists, in its order.
//!
//! A directory is a sequence of records that are linked by their offsets in the file: each names the next one, and the
//! first one below it, from patient to study to series to image.

use std::collections::{BTreeMap, BTreeSet};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::super::ImageFault;
use super::structure;
use crate::data_elements::{Cursor, Encoding, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED};

/// Records of one directory. A DVD of single images holds some 100,000.
const MOST_RECORDS: usize = 1_000_000;
/// Parts of a file's name. The standard allows 8 (PS3.10 8.2).
const MOST_PARTS: usize = 32;
/// Characters of a name that is quoted, and problems that are named one by one.
const LONGEST_QUOTE: usize = 200;
const MOST_QUOTED: usize = 20;

/// What a DICOMDIR lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct MediumDirectory {
    /// The parts of the name of each file, relative to the folder of the DICOMDIR.
    pub files: Vec<Vec<String>>,
    /// Each in one line.
    pub problems: Vec<String>,
}

#[derive(Default)]
struct DirectoryRecord {
    next: u32,
    lower: u32,
    is_inactive: bool,
    file: Option<Vec<u8>>,
}

/// Reads a directory.
///
/// # Errors
/// If it is none, or damaged.
pub(in super::super) fn read(bytes: &[u8]) -> Result<MediumDirectory, ImageFault> {
    let start = structure::start(bytes)?;
    if start.sop_class.as_deref() != Some(uids::MEDIA_STORAGE_DIRECTORY_STORAGE) {
        return Err(ImageFault::not_an_image("it is named DICOMDIR and is none"));
    }
    let data_set = &bytes[start.offset..];
    let encoding = Encoding::of(&start.transfer_syntax).as_found(data_set);
    let mut cursor = Cursor::new(data_set, 0, encoding);
    let (mut root, mut records) = (0, BTreeMap::new());
    while cursor.remaining() >= 8 {
        let header = cursor.header()?;
        match header.tag {
            tags::OFFSET_OF_THE_FIRST_DIRECTORY_RECORD_OF_THE_ROOT_DIRECTORY_ENTITY => {
                root = number(cursor.value(&header)?, encoding);
            }
            tags::DIRECTORY_RECORD_SEQUENCE => {
                let mut within = match header.length {
                    UNDEFINED => Cursor::new(data_set, cursor.position(), encoding),
                    _ => cursor.within(&header)?,
                };
                records = read_records(&mut within, start.offset)?;
                break;
            }
            _ => cursor.skip(&header, 0)?,
        }
    }
    Ok(listed(root, &records))
}

/// The records by their offset in the file.
fn read_records(
    cursor: &mut Cursor<'_>,
    data_set: usize,
) -> Result<BTreeMap<u32, DirectoryRecord>, ImageFault> {
    let mut records = BTreeMap::new();
    while cursor.remaining() > 0 {
        let item = cursor.header()?;
        match item.tag {
            SEQUENCE_END => break,
            ITEM => {}
            _ => return Err(cursor.no_item(&item).into()),
        }
        if records.len() >= MOST_RECORDS {
            return Err(ImageFault::too_large(format!(
                "more than {MOST_RECORDS} records"
            )));
        }
        let record = match item.length {
            UNDEFINED => read_record(cursor)?,
            _ => read_record(&mut cursor.within(&item)?)?,
        };
        let offset = u32::try_from(data_set + item.at);
        let offset = offset.map_err(|_| ImageFault::too_large("a directory of 4 GiB"))?;
        records.insert(offset, record);
    }
    Ok(records)
}

fn read_record(cursor: &mut Cursor<'_>) -> Result<DirectoryRecord, ImageFault> {
    let mut record = DirectoryRecord::default();
    while cursor.remaining() > 0 {
        let header = cursor.header()?;
        if header.tag == ITEM_END {
            break;
        }
        if header.length == UNDEFINED {
            cursor.skip(&header, 1)?;
            continue;
        }
        let encoding = cursor.encoding;
        let value = cursor.value(&header)?;
        match header.tag {
            tags::OFFSET_OF_THE_NEXT_DIRECTORY_RECORD => record.next = number(value, encoding),
            tags::OFFSET_OF_REFERENCED_LOWER_LEVEL_DIRECTORY_ENTITY => {
                record.lower = number(value, encoding);
            }
            // Retired: 0 means that the record is not in use.
            RECORD_IN_USE => record.is_inactive = value == [0, 0],
            tags::REFERENCED_FILE_ID => record.file = Some(value.to_vec()),
            _ => {}
        }
    }
    Ok(record)
}

/// *DirectoryRecord In-use Flag*, which the dictionary has as retired.
const RECORD_IN_USE: Tag = Tag(0x0004, 0x1410);

fn number(value: &[u8], encoding: Encoding) -> u32 {
    let bytes = value.first_chunk().copied().unwrap_or_default();
    match encoding.big_endian {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    }
}

/// The files in the order of the links. Records that no link leads to come last: a film must not be lost with a link.
fn listed(root: u32, records: &BTreeMap<u32, DirectoryRecord>) -> MediumDirectory {
    let mut directory = MediumDirectory::default();
    let mut seen = BTreeSet::new();
    let mut to_do = vec![root];
    let rest = records.keys().copied();
    let mut rest = rest.collect::<Vec<_>>().into_iter();
    let (mut unlinked, mut refused) = (0, 0);
    loop {
        let (offset, is_linked) = match to_do.pop() {
            Some(offset) => (offset, true),
            None => match rest.next() {
                Some(offset) => (offset, false),
                None => break,
            },
        };
        let Some(record) = records.get(&offset).filter(|_| seen.insert(offset)) else {
            continue;
        };
        // What is below comes before the next one.
        if is_linked {
            to_do.extend([record.next, record.lower]);
        }
        let Some(file) = record.file.as_ref().filter(|_| !record.is_inactive) else {
            continue;
        };
        unlinked += usize::from(!is_linked);
        match parts(file) {
            Ok(parts) => directory.files.push(parts),
            Err(problem) => {
                refused += 1;
                if refused <= MOST_QUOTED {
                    directory.problems.push(problem);
                }
            }
        }
    }
    if refused > MOST_QUOTED {
        let more = refused - MOST_QUOTED;
        directory.problems.push(format!(
            "it lists {more} more names of no file of the medium"
        ));
    }
    if directory.files.is_empty() && directory.problems.is_empty() {
        directory
            .problems
            .push("the DICOMDIR lists no file".to_owned());
    }
    if unlinked > 0 {
        directory.problems.push(format!(
            "no link of the DICOMDIR leads to {unlinked} of its files; they come last"
        ));
    }
    directory
}

/// The parts of a *Referenced File ID*: code strings, separated by `\` (PS3.3 F.3.2.2).
fn parts(file: &[u8]) -> Result<Vec<String>, String> {
    let name = String::from_utf8_lossy(file);
    let shown: String = name.chars().take(LONGEST_QUOTE).collect();
    let shown = super::super::clean_text(&shown);
    let parts: Vec<String> = name
        .split('\\')
        .map(|part| part.trim_matches(['\0', ' ']).to_owned())
        .collect();
    let leads_out = |part: &String| {
        part.is_empty() || part == "." || part == ".." || part.contains(['/', '\0'])
    };
    if parts.len() > MOST_PARTS || parts.iter().any(leads_out) {
        return Err(format!("it lists {shown}, which is no file of the medium"));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records without a link that refer to files of these names.
    fn records(names: &[Vec<u8>]) -> BTreeMap<u32, DirectoryRecord> {
        let record = |name: &Vec<u8>| DirectoryRecord {
            next: 0,
            lower: 0,
            is_inactive: false,
            file: Some(name.clone()),
        };
        (1..).zip(names.iter().map(record)).collect()
    }

    #[test]
    fn what_is_said_of_bad_names_has_an_end() {
        let bad = vec![b"..\\..\\etc".to_vec(); 5_000];
        let directory = listed(0, &records(&bad));
        assert_eq!(directory.files, Vec::<Vec<String>>::new());
        assert_eq!(directory.problems.len(), MOST_QUOTED + 1 + 1);
        let told = directory.problems.join("\n");
        assert!(told.contains("4980 more names"), "{told}");
        let long = [b"..\\".as_slice(), &[b'A'; 60_000]].concat();
        let told = listed(0, &records(&[long])).problems.join("\n");
        assert!(told.len() < 2 * LONGEST_QUOTE, "{told}");
    }
}
