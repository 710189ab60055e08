//! The attributes of a file as lines for people, down to its pixel data.
//!
//! The walk is that of [`structure`]: it allocates nothing by what the file says, and goes no deeper
//! than its limit. Values are cut, and lines are counted, so the result is bounded whatever the file holds.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

use super::super::{ImageFault, clean_text};
use super::character_set;
use super::confidential::is_confidential;
use super::{deflate, structure};
use crate::data_elements::{
    Cursor, ElementHeader, Encoding, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, after_preamble,
    check_depth,
};
use crate::domain::HeaderLine;

/// Lines of one header. Real ones have some hundreds.
const MOST_LINES: usize = 10_000;
/// Characters of a value.
const LONGEST_VALUE: usize = 1024;
/// Bytes of a value that are shown in hexadecimal.
const MOST_HEX: usize = 64;

/// The file meta information and the data set of a DICOM file, up to its pixel data.
pub(in super::super) fn lines(bytes: &[u8]) -> Result<Vec<HeaderLine>, ImageFault> {
    let start = structure::start(bytes)?;
    let mut reader = HeaderReader {
        lines: Vec::new(),
        character_set: SpecificCharacterSet::default(),
    };
    let meta = &bytes[..start.offset];
    let mut cursor = Cursor::new(meta, after_preamble(bytes), Encoding::EXPLICIT);
    reader.elements(&mut cursor, 0, false)?;
    let syntax = start.transfer_syntax.as_str();
    let data_set = deflate::beginning(&bytes[start.offset..], syntax);
    let encoding = Encoding::of(syntax).as_found(&data_set);
    // Some writers pad the end of a file with zeros, which are not elements.
    let end = data_set
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |at| at + 1);
    let end = (end + 8).min(data_set.len());
    let mut cursor = Cursor::new(&data_set[..end], 0, encoding);
    if let Err(fault) = reader.elements(&mut cursor, 0, false) {
        // What was read before is worth showing.
        reader.note(&fault.to_string());
    }
    Ok(reader.lines)
}

struct HeaderReader {
    lines: Vec<HeaderLine>,
    character_set: SpecificCharacterSet,
}

/// Whether the walk goes on.
#[derive(PartialEq)]
enum After {
    Next,
    Stop,
}

impl HeaderReader {
    /// The elements of a data set or of an item, up to its delimiter, the pixel data or the end of the bytes.
    fn elements(
        &mut self,
        cursor: &mut Cursor<'_>,
        depth: u8,
        hidden: bool,
    ) -> Result<After, ImageFault> {
        check_depth(depth.into())?;
        let mut creators = Vec::new();
        while cursor.remaining() >= 8 {
            let header = cursor.header()?;
            // Padding after the data set.
            if header.tag == ITEM_END || header.tag == Tag(0, 0) {
                return Ok(After::Next);
            }
            if self.lines.len() >= MOST_LINES {
                self.note(&format!(
                    "more than {MOST_LINES} attributes: the others are left out"
                ));
                return Ok(After::Stop);
            }
            let is_pixels = matches!(
                header.tag,
                tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
            );
            if depth == 0 && is_pixels {
                self.push(&header, depth, &creators, pixel_words(&header), false);
                return Ok(After::Stop);
            }
            if self.element(cursor, &header, depth, hidden, &mut creators)? == After::Stop {
                return Ok(After::Stop);
            }
        }
        Ok(After::Next)
    }

    fn element(
        &mut self,
        cursor: &mut Cursor<'_>,
        header: &ElementHeader,
        depth: u8,
        hidden: bool,
        creators: &mut Vec<(Tag, String)>,
    ) -> Result<After, ImageFault> {
        let vr = shown_vr(header);
        let hidden = hidden || is_confidential(header.tag, vr);
        if vr == VR::SQ || (header.length == UNDEFINED && vr != VR::OB && vr != VR::OW) {
            return self.sequence(cursor, header, depth, hidden, creators);
        }
        if header.length == UNDEFINED {
            cursor.skip(header, depth.into())?;
            self.push(
                header,
                depth,
                creators,
                "compressed data".to_owned(),
                hidden,
            );
            return Ok(After::Next);
        }
        let big_endian = cursor.encoding_within(header).big_endian;
        let value = cursor.value(header)?;
        if header.tag == tags::SPECIFIC_CHARACTER_SET {
            let term = character_set::defined_term(value);
            let known = term.and_then(SpecificCharacterSet::from_code);
            self.character_set = known.unwrap_or_default();
        }
        let words = self.value_words(vr, value, big_endian);
        if header.tag.0 % 2 == 1 && (0x10..=0xff).contains(&header.tag.1) {
            creators.push((header.tag, words.clone()));
        }
        self.push(header, depth, creators, words, hidden);
        Ok(After::Next)
    }

    fn sequence(
        &mut self,
        cursor: &mut Cursor<'_>,
        header: &ElementHeader,
        depth: u8,
        hidden: bool,
        creators: &[(Tag, String)],
    ) -> Result<After, ImageFault> {
        let at = self.lines.len();
        self.push(header, depth, creators, String::new(), hidden);
        let (mut count, mut after) = (0, After::Next);
        let read = |within: &mut Cursor<'_>| -> Result<(), ImageFault> {
            while within.remaining() > 0 && after == After::Next {
                let item = within.header()?;
                match item.tag {
                    SEQUENCE_END => return Ok(()),
                    ITEM => {}
                    _ => return Err(within.no_item(&item).into()),
                }
                count += 1;
                after = self.item(within, &item, depth, count, hidden)?;
            }
            Ok(())
        };
        if header.length == UNDEFINED {
            cursor.in_items(read)?;
        } else {
            // An invalid sequence is left out, as where the film is decoded.
            let mut within = cursor.within(header)?;
            let _ = within.in_items(read);
        }
        if let Some(line) = self.lines.get_mut(at) {
            line.value = match count {
                1 => "1 item".to_owned(),
                count => format!("{count} items"),
            };
            line.has_content = count > 0;
        }
        Ok(after)
    }

    fn item(
        &mut self,
        within: &mut Cursor<'_>,
        item: &ElementHeader,
        depth: u8,
        number: usize,
        hidden: bool,
    ) -> Result<After, ImageFault> {
        let at = self.lines.len();
        self.lines.push(HeaderLine {
            depth: depth + 1,
            keyword: format!("item {number}"),
            is_confidential: hidden,
            ..HeaderLine::default()
        });
        let elements = |within: &mut Cursor<'_>| self.elements(within, depth + 2, hidden);
        let after = match item.length {
            UNDEFINED => within.in_item(elements)?,
            _ => within.within(item)?.in_item(elements)?,
        };
        let has_content = self.lines.len() > at + 1;
        if let Some(line) = self.lines.get_mut(at) {
            line.has_content = has_content;
        }
        Ok(after)
    }

    fn push(
        &mut self,
        header: &ElementHeader,
        depth: u8,
        creators: &[(Tag, String)],
        value: String,
        hidden: bool,
    ) {
        let vr = shown_vr(header);
        self.lines.push(HeaderLine {
            depth,
            tag: Some((header.tag.0, header.tag.1)),
            vr: vr.to_string().to_owned(),
            keyword: keyword(header.tag, creators),
            value,
            is_confidential: hidden || is_confidential(header.tag, vr),
            has_content: false,
        });
    }

    fn note(&mut self, words: &str) {
        self.lines.push(HeaderLine {
            keyword: clean_text(words),
            ..HeaderLine::default()
        });
    }

    fn value_words(&self, vr: VR, value: &[u8], big_endian: bool) -> String {
        /// The numbers of this type that the value holds.
        macro_rules! all {
            ($number:ty) => {
                numbers(value, |bytes| {
                    if big_endian {
                        <$number>::from_be_bytes(bytes)
                    } else {
                        <$number>::from_le_bytes(bytes)
                    }
                })
            };
        }
        match vr {
            VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV | VR::UN | VR::SQ => hex(value),
            VR::US => all!(u16),
            VR::SS => all!(i16),
            VR::UL => all!(u32),
            VR::SL => all!(i32),
            VR::UV => all!(u64),
            VR::SV => all!(i64),
            VR::FL => all!(f32),
            VR::FD => all!(f64),
            VR::AT => numbers(value, |bytes: [u8; 4]| tag_words(bytes, big_endian)),
            _ => self.text(value),
        }
    }

    /// A text in the character set of the data set; bytes that are none are left to the replacement character.
    fn text(&self, value: &[u8]) -> String {
        let value = &value[..value.len().min(4 * LONGEST_VALUE)];
        let decoded = self.character_set.decode(value);
        let decoded = decoded.unwrap_or_else(|_| String::from_utf8_lossy(value).into_owned());
        cut(&clean_text(decoded.trim_end_matches(['\0', ' '])))
    }
}

/// What the dictionary says, where the file does not.
fn shown_vr(header: &ElementHeader) -> VR {
    if header.vr != VR::UN {
        return header.vr;
    }
    StandardDataDictionary
        .by_tag(header.tag)
        .map_or(VR::UN, |entry| entry.vr().relaxed())
}

/// The keyword of PS3.6; for a private attribute its creator.
fn keyword(tag: Tag, creators: &[(Tag, String)]) -> String {
    if tag.0 % 2 == 1 {
        let of = |(creator, _): &&(Tag, String)| creator.0 == tag.0 && creator.1 == tag.1 >> 8;
        return match creators.iter().find(of) {
            _ if (0x10..=0xff).contains(&tag.1) => "Private creator".to_owned(),
            Some(_) => "Private".to_owned(),
            None => "Private, without creator".to_owned(),
        };
    }
    if tag.1 == 0 {
        return "GroupLength".to_owned();
    }
    StandardDataDictionary
        .by_tag(tag)
        .map_or_else(String::new, |entry| entry.alias().to_owned())
}

fn pixel_words(header: &ElementHeader) -> String {
    match header.length {
        UNDEFINED => "compressed".to_owned(),
        length => format!("{length} bytes"),
    }
}

fn hex(value: &[u8]) -> String {
    let shown = &value[..value.len().min(MOST_HEX)];
    let shown: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    match value.len() {
        0..=MOST_HEX => shown.join(" "),
        length => format!("{} … {length} bytes", shown.join(" ")),
    }
}

/// Numbers of N bytes each, separated as texts of several values are.
fn numbers<const N: usize, T: ToString>(value: &[u8], number: impl Fn([u8; N]) -> T) -> String {
    let all = value.as_chunks().0.iter().take(LONGEST_VALUE / 2);
    let words: Vec<String> = all.map(|&bytes| number(bytes).to_string()).collect();
    cut(&words.join("\\"))
}

/// A tag that is a value: `(0008,0018)`.
fn tag_words([a, b, c, d]: [u8; 4], big_endian: bool) -> String {
    let number = |pair| {
        if big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }
    };
    format!("({:04x},{:04x})", number([a, b]), number([c, d]))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
