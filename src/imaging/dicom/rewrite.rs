//! The wanted elements, rewritten in one form for dicom-rs: Explicit VR Little Endian, sequences and
//! items of undefined length.
//!
//! dicom-rs takes the value representation that a file states. A file may state none (UN), because
//! it went through a system that did not know the attribute. Then the dictionary decides, and the
//! content is implicit and little endian in every data set (PS3.5 6.2.2, note). Or a file states
//! bytes where the attribute is a number, a text or a sequence. A sequence of defined length that
//! holds anything but items is left out.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::character_set;
use crate::data_elements::{
    Cursor, ElementFault, ElementHeader, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, check_depth,
    has_short_length, is_fragmented,
};

/// Longest value of the representations whose length has 16 bits. It is a multiple of 8, so that no
/// number is cut.
const LONGEST_SHORT: usize = 0xfff8;

/// Elements that were rewritten.
#[derive(Default)]
pub(super) struct Rewritten {
    bytes: Vec<u8>,
    /// The defined term for the *Specific Character Set*, if that is a known one.
    character_set: Option<&'static str>,
    /// Whether some text is not valid UTF-8.
    has_invalid_utf8: bool,
}

impl Cursor<'_> {
    /// Steps over an element, and writes it to `to`. Compressed pixel data are left out: an icon may
    /// have them.
    ///
    /// # Errors
    /// If a length goes beyond the end, or sequences are nested too deep. Within a sequence of defined
    /// length, only that sequence is lost.
    pub(super) fn rewrite(
        &mut self,
        header: &ElementHeader,
        depth: usize,
        to: &mut Rewritten,
    ) -> Result<(), ElementFault> {
        check_depth(depth)?;
        let vr = representation(header);
        if header.length == UNDEFINED && vr != VR::SQ && is_fragmented(header) {
            return self.skip_fragments();
        }
        if header.length == UNDEFINED {
            return self.rewrite_sequence(header.tag, depth, to);
        }
        let mut within = self.within(header)?;
        if vr != VR::SQ {
            let value = within.rest();
            let big_endian = self.encoding_within(header).big_endian;
            let as_text = is_number_as_text(header.tag, vr, value);
            let vr = if as_text { VR::IS } else { vr };
            to.value(header.tag, vr, value, big_endian);
            return Ok(());
        }
        // An invalid sequence is dropped: the next element is found, and most images don't need it.
        let _ = within.rewrite_sequence(header.tag, depth, to);
        Ok(())
    }

    /// Writes all of a sequence, or nothing.
    fn rewrite_sequence(
        &mut self,
        tag: Tag,
        depth: usize,
        to: &mut Rewritten,
    ) -> Result<(), ElementFault> {
        let (start, has_invalid_utf8) = (to.bytes.len(), to.has_invalid_utf8);
        let done = self.in_items(|within| {
            to.header(tag, VR::SQ, UNDEFINED);
            within.rewrite_items(depth, to)?;
            to.delimiter(SEQUENCE_END, 0);
            Ok(())
        });
        if done.is_err() {
            to.bytes.truncate(start);
            to.has_invalid_utf8 = has_invalid_utf8;
        }
        done
    }

    /// Writes items up to the delimiter or the end of the bytes.
    fn rewrite_items(&mut self, depth: usize, to: &mut Rewritten) -> Result<(), ElementFault> {
        while self.remaining() > 0 {
            let item = self.header()?;
            match item.tag {
                SEQUENCE_END => return Ok(()),
                ITEM => to.delimiter(ITEM, UNDEFINED),
                _ => return Err(self.no_item(&item)),
            }
            let elements = |within: &mut Self| within.rewrite_elements(depth + 1, to);
            match item.length {
                UNDEFINED => self.in_item(elements)?,
                _ => self.within(&item)?.in_item(elements)?,
            }
            to.delimiter(ITEM_END, 0);
        }
        Ok(())
    }

    /// Writes the elements of an item, up to its delimiter or the end of the bytes.
    fn rewrite_elements(&mut self, depth: usize, to: &mut Rewritten) -> Result<(), ElementFault> {
        while self.remaining() > 0 {
            let header = self.header()?;
            if header.tag == ITEM_END {
                return Ok(());
            }
            // All texts are read in one character set: dicom-rs would change to that of the item.
            if header.tag == tags::SPECIFIC_CHARACTER_SET {
                self.skip(&header, depth)?;
            } else {
                self.rewrite(&header, depth, to)?;
            }
        }
        Ok(())
    }
}

impl Rewritten {
    /// The data set. If it states UTF-8 or no known character set, its texts are read as UTF-8 where
    /// they are valid UTF-8, and as ISO 8859-1 otherwise, in which every byte is some letter.
    pub fn into_data_set(self) -> Vec<u8> {
        let found = if self.has_invalid_utf8 {
            character_set::LATIN_1
        } else {
            character_set::UTF_8
        };
        let stated = self
            .character_set
            .filter(|&set| set != character_set::UTF_8);
        let term = stated.unwrap_or(found);
        let mut whole = Rewritten::default();
        let tag = tags::SPECIFIC_CHARACTER_SET;
        whole.element(tag, VR::CS, term.as_bytes());
        whole.bytes.extend(self.bytes);
        whole.bytes
    }

    fn value(&mut self, tag: Tag, vr: VR, value: &[u8], big_endian: bool) {
        if tag == tags::SPECIFIC_CHARACTER_SET {
            self.character_set = character_set::defined_term(value);
            return;
        }
        let width = width(vr);
        // Bytes after the last whole number are dropped.
        let value = &value[..value.len() / width * width];
        self.has_invalid_utf8 |= is_text(vr) && std::str::from_utf8(value).is_err();
        if big_endian && width > 1 {
            let numbers = value.chunks_exact(width);
            let swapped: Vec<u8> = numbers.flat_map(|n| n.iter().rev()).copied().collect();
            self.element(tag, vr, &swapped);
        } else {
            self.element(tag, vr, value);
        }
    }

    fn element(&mut self, tag: Tag, vr: VR, value: &[u8]) {
        let too_long = has_short_length(vr) && value.len() > LONGEST_SHORT;
        let (vr, value) = match vr {
            // A table may be longer in an implicit data set.
            VR::US | VR::SS if too_long => (VR::OW, value),
            _ if too_long => (vr, &value[..LONGEST_SHORT]),
            _ => (vr, value),
        };
        self.header(tag, vr, value.len() as u32);
        self.bytes.extend(value);
    }

    fn header(&mut self, tag: Tag, vr: VR, length: u32) {
        self.tag(tag);
        self.bytes.extend(vr.to_bytes());
        if has_short_length(vr) {
            self.bytes.extend((length as u16).to_le_bytes());
        } else {
            self.bytes.extend([0, 0]);
            self.bytes.extend(length.to_le_bytes());
        }
    }

    fn delimiter(&mut self, tag: Tag, length: u32) {
        self.tag(tag);
        self.bytes.extend(length.to_le_bytes());
    }

    fn tag(&mut self, Tag(group, element): Tag) {
        self.bytes.extend(group.to_le_bytes());
        self.bytes.extend(element.to_le_bytes());
    }
}

/// The representation to read an element's value in: the stated one, unless the attribute can't have
/// it.
fn representation(header: &ElementHeader) -> VR {
    let known = StandardDataDictionary.by_tag(header.tag).map(|e| e.vr());
    match (header.vr, known) {
        (VR::UN, Some(known)) => known.relaxed(),
        // Tables and pixels may be bytes or words.
        (stated, Some(VirtualVr::Exact(known))) if is_bytes(stated) && !is_bytes(known) => known,
        (stated, Some(VirtualVr::Xs)) if is_bytes(stated) => VR::US,
        // Sizes have no sign.
        (VR::SS, Some(VirtualVr::Exact(VR::US))) => VR::US,
        (stated, _) => stated,
    }
}

/// Attributes whose numbers are at most 64. Two characters make at least 0x2030 if the first
/// is a digit and the second is not NUL.
const SMALL: [Tag; 6] = [
    tags::SAMPLES_PER_PIXEL,
    tags::PLANAR_CONFIGURATION,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
];

/// Whether a value that should be a 16-bit number is text: it starts with a digit, it is too long or
/// too large for one number, and too short for a table of them.
fn is_number_as_text(tag: Tag, vr: VR, value: &[u8]) -> bool {
    let is_character = |b: &u8| b.is_ascii_digit() || matches!(b, b' ' | b'.' | 0);
    let starts = value.first().is_some_and(u8::is_ascii_digit);
    let cannot_be_one = match value.len() {
        2 => SMALL.contains(&tag) && value[1] != 0,
        length => (3..=6).contains(&length),
    };
    vr == VR::US && cannot_be_one && starts && value.iter().all(is_character)
}

fn is_bytes(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV | VR::UN
    )
}

/// Representations in the declared character set (PS3.5 6.1.2.3), and CS, which some devices write in
/// it too.
fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT
    )
}

/// Bytes of one number, which are in the byte order of the data set (PS3.5 7.3).
fn width(vr: VR) -> usize {
    match vr {
        VR::AT | VR::OW | VR::SS | VR::US => 2,
        VR::FL | VR::OF | VR::OL | VR::SL | VR::UL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    }
}
