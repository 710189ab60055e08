//! The wanted elements, written anew in one form for dicom-rs: Explicit VR Little Endian, sequences
//! and items of undefined length.
//!
//! dicom-rs takes the value representation that a file states. A file may state none (UN), because
//! it went through a system that did not know the attribute; then the dictionary decides, and the
//! content is implicit and little endian whatever surrounds it (PS3.5 6.2.2, note). Or it states
//! bytes where the attribute is a number, a text or a sequence. A sequence of defined length that
//! holds anything but items is left out.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::super::ImageFault;
use super::character_set;
use super::structure::{
    Cursor, ElementHeader, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, check_depth, has_short_length,
    is_fragmented,
};

/// Longest value of the representations whose length has 16 bits, of whole numbers of any width.
const LONGEST_SHORT: usize = 0xfff8;

/// Elements that were written anew.
#[derive(Default)]
pub(super) struct Rewritten {
    bytes: Vec<u8>,
    /// The defined term that stands for what *Specific Character Set* says, if that is known.
    character_set: Option<&'static str>,
    /// Whether a text is none in UTF-8.
    is_no_utf8: bool,
}

impl Cursor<'_> {
    /// Steps over an element, and writes it. Compressed pixel data, of an icon for example, are left
    /// out.
    ///
    /// # Errors
    /// If a length goes beyond the end, or sequences are nested too deep. Within a sequence of defined
    /// length that costs the sequence alone.
    pub fn rewrite(
        &mut self,
        header: &ElementHeader,
        depth: usize,
        to: &mut Rewritten,
    ) -> Result<(), ImageFault> {
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
            let in_letters = is_number_in_letters(header.tag, vr, value);
            let vr = if in_letters { VR::IS } else { vr };
            to.value(header.tag, vr, value, big_endian);
            return Ok(());
        }
        // Where the next element starts is known all the same, and many do without this one.
        let _ = within.rewrite_sequence(header.tag, depth, to);
        Ok(())
    }

    /// Writes all of a sequence, or nothing.
    fn rewrite_sequence(
        &mut self,
        tag: Tag,
        depth: usize,
        to: &mut Rewritten,
    ) -> Result<(), ImageFault> {
        let (start, is_no_utf8) = (to.bytes.len(), to.is_no_utf8);
        let done = self.in_items(|within| {
            to.header(tag, VR::SQ, UNDEFINED);
            within.rewrite_items(depth, to)?;
            to.delimiter(SEQUENCE_END, 0);
            Ok(())
        });
        if done.is_err() {
            to.bytes.truncate(start);
            to.is_no_utf8 = is_no_utf8;
        }
        done
    }

    /// Items up to the delimiter or the end of the bytes.
    fn rewrite_items(&mut self, depth: usize, to: &mut Rewritten) -> Result<(), ImageFault> {
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

    /// Elements of an item up to its delimiter or the end of the bytes.
    fn rewrite_elements(&mut self, depth: usize, to: &mut Rewritten) -> Result<(), ImageFault> {
        while self.remaining() > 0 {
            let header = self.header()?;
            if header.tag == ITEM_END {
                return Ok(());
            }
            // Texts in items are read like the others: dicom-rs would go on with the item's own.
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
    /// The data set. Where UTF-8 is said, or no character set that is known, its texts are read as
    /// UTF-8 if that is what they are, or else as ISO 8859-1, in which every byte is some letter.
    pub fn into_data_set(self) -> Vec<u8> {
        let found = match self.is_no_utf8 {
            true => character_set::LATIN_1,
            false => character_set::UTF_8,
        };
        let said = self
            .character_set
            .filter(|&set| set != character_set::UTF_8);
        let term = said.unwrap_or(found);
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
        // What is left over of a number is none.
        let value = &value[..value.len() / width * width];
        self.is_no_utf8 |= is_text(vr) && std::str::from_utf8(value).is_err();
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

/// How an element's value is to be read: as it states, unless that says nothing about its attribute.
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

/// Numbers of up to 64. Two letters that start with a digit and have no NUL are at least 0x2030.
const SMALL: [Tag; 6] = [
    tags::SAMPLES_PER_PIXEL,
    tags::PLANAR_CONFIGURATION,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
];

/// Whether a value that ought to be a whole number of 16 bits is the number in letters: so long or so
/// large that it cannot be one, and too short for a table of them.
fn is_number_in_letters(tag: Tag, vr: VR, value: &[u8]) -> bool {
    let is_letter = |b: &u8| b.is_ascii_digit() || matches!(b, b' ' | b'.' | 0);
    let starts = value.first().is_some_and(u8::is_ascii_digit);
    let cannot_be_one = match value.len() {
        2 => SMALL.contains(&tag) && value[1] != 0,
        length => (3..=6).contains(&length),
    };
    vr == VR::US && cannot_be_one && starts && value.iter().all(is_letter)
}

fn is_bytes(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV | VR::UN
    )
}

/// Representations in the declared character set (PS3.5 6.1.2.3), and CS, which is written in it all
/// the same.
fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT
    )
}

/// Bytes of a number, which lie in the byte order of the data set (PS3.5 7.3).
fn width(vr: VR) -> usize {
    match vr {
        VR::AT | VR::OW | VR::SS | VR::US => 2,
        VR::FL | VR::OF | VR::OL | VR::SL | VR::UL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    }
}
