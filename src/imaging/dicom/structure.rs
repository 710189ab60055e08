//! Where things are in a DICOM file (PS3.10 section 7, PS3.5 section 7), found without allocating.
//!
//! dicom-rs reads the data set into memory by the lengths that the file declares, and recurses
//! into its sequences. This walk goes first: it checks that every declared length lies within the
//! file and that sequences are not nested without end, writes the few elements that are wanted
//! [anew](super::rewrite), and finds the pixel data. dicom-rs only ever sees the former, and of the
//! latter only the first frame is touched at all.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};

use super::super::ImageFault;
use super::rewrite::Rewritten;

/// Sequences within sequences; the deepest real ones have about ten.
const DEEPEST: usize = 64;

/// The length that means "until a delimiter".
pub(super) const UNDEFINED: u32 = 0xffff_ffff;

pub(super) const ITEM: Tag = Tag(0xfffe, 0xe000);
pub(super) const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
pub(super) const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    pub explicit: bool,
    pub big_endian: bool,
}

impl Encoding {
    pub const EXPLICIT: Encoding = Encoding {
        explicit: true,
        big_endian: false,
    };
    pub const IMPLICIT: Encoding = Encoding {
        explicit: false,
        big_endian: false,
    };

    /// The encoding of the data set under a transfer syntax (PS3.5 section 10 and annex A).
    pub fn of(transfer_syntax: &str) -> Encoding {
        match transfer_syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => Encoding::IMPLICIT,
            EXPLICIT_VR_BIG_ENDIAN => Encoding {
                explicit: true,
                big_endian: true,
            },
            _ => Encoding::EXPLICIT,
        }
    }

    /// The encoding that a data set has: some writers announce explicit value representations and
    /// leave them out.
    pub fn as_found(self, data_set: &[u8]) -> Encoding {
        let vr = data_set
            .get(4..6)
            .and_then(|vr| VR::from_binary([vr[0], vr[1]]));
        match vr {
            None if self == Encoding::EXPLICIT => Encoding::IMPLICIT,
            Some(_) if self == Encoding::IMPLICIT => Encoding::EXPLICIT,
            _ => self,
        }
    }

    /// A transfer syntax that says nothing but this.
    pub fn transfer_syntax(self) -> &'static str {
        match (self.explicit, self.big_endian) {
            (false, _) => uids::IMPLICIT_VR_LITTLE_ENDIAN,
            (true, false) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            (true, true) => EXPLICIT_VR_BIG_ENDIAN,
        }
    }
}

/// Retired, but in archives: the dictionary's own constant is marked deprecated.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Where the data set of a file starts, and how it is written.
pub(super) struct DataSetStart {
    pub offset: usize,
    pub transfer_syntax: String,
    /// What the file says that it holds, by its SOP class; a directory says it nowhere else.
    pub sop_class: Option<String>,
}

/// Finds the data set: after preamble and file meta information, after the latter alone, or right
/// at the start.
pub(super) fn start(bytes: &[u8]) -> Result<DataSetStart, ImageFault> {
    let offset = if bytes.get(128..132) == Some(b"DICM") {
        132
    } else if bytes.starts_with(b"DICM") {
        4
    } else {
        0
    };
    let mut cursor = Cursor::new(bytes, offset, Encoding::EXPLICIT);
    let (mut transfer_syntax, mut sop_class) = (None, None);
    while cursor.next_group() == Some(0x0002) {
        let header = cursor.header()?;
        let value = cursor.value(&header)?;
        let text = || {
            let text = String::from_utf8_lossy(value);
            text.trim_matches(['\0', ' ']).to_owned()
        };
        match header.tag {
            tags::TRANSFER_SYNTAX_UID => transfer_syntax = Some(text()),
            tags::MEDIA_STORAGE_SOP_CLASS_UID => sop_class = Some(text()),
            _ => {}
        }
    }
    let guess = || guess_encoding(&bytes[cursor.at..]).unwrap_or(Encoding::IMPLICIT);
    let transfer_syntax = transfer_syntax.unwrap_or_else(|| guess().transfer_syntax().to_owned());
    Ok(DataSetStart {
        offset: cursor.at,
        transfer_syntax,
        sop_class,
    })
}

/// Whether `head` could be the start of a file without preamble: an element of group 0002 or 0008
/// with a plausible value representation or length.
pub(in super::super) fn starts_like_a_data_set(head: &[u8]) -> bool {
    head.starts_with(b"DICM") || guess_encoding(head).is_some()
}

fn guess_encoding(head: &[u8]) -> Option<Encoding> {
    let first: [u8; 8] = head.get(..8)?.try_into().ok()?;
    let explicit = VR::from_binary([first[4], first[5]]).is_some();
    match [first[0], first[1]] {
        [0x02 | 0x08, 0] if explicit => Some(Encoding::EXPLICIT),
        [0, 0x02 | 0x08] if explicit => Some(Encoding {
            explicit,
            big_endian: true,
        }),
        // The first element of a group is its length or some short text.
        [0x08, 0] if first[3] < 0x10 && first[6] == 0 && first[7] == 0 => Some(Encoding::IMPLICIT),
        _ => None,
    }
}

/// Pixel data as they lie in the file.
#[derive(Debug)]
pub(super) enum PixelData<'a> {
    /// One run of bytes, all frames after each other. The flag: written as 16-bit words.
    Native { bytes: &'a [u8], words: bool },
    /// One run of numbers in floating point: Float or Double Float Pixel Data.
    Floats { bytes: &'a [u8] },
    /// Fragments, PS3.5 A.4: the offset table's entries and what follows it.
    Encapsulated {
        offsets: Vec<u32>,
        fragments: Vec<&'a [u8]>,
        /// Bytes that the last fragment declares and the file no longer has.
        missing: usize,
    },
}

/// A data set, taken apart before its pixel data.
pub(super) struct DataSetParts<'a> {
    /// The wanted elements before the pixel data, as Explicit VR Little Endian.
    pub header: Vec<u8>,
    /// `None` if there are none.
    pub pixels: Option<PixelData<'a>>,
    /// How the pixel data are written: as the data set, unless their VR is unknown.
    pub pixel_encoding: Encoding,
}

/// Walks a data set up to its pixel data, and keeps the elements whose tags are `wanted`. What comes
/// after the pixel data is not read: padding and signatures, and none of the wanted elements, as tags
/// ascend (PS3.5 7.1).
pub(super) fn take_apart<'a>(
    bytes: &'a [u8],
    encoding: Encoding,
    wanted: &[Tag],
) -> Result<DataSetParts<'a>, ImageFault> {
    let mut cursor = Cursor::new(bytes, 0, encoding);
    let mut kept = Rewritten::default();
    let mut parts = DataSetParts {
        header: Vec::new(),
        pixels: None,
        pixel_encoding: encoding,
    };
    // Some writers pad the end of a file with zeros, which are not elements.
    let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
    while cursor.at < end {
        let header = cursor.header()?;
        parts.pixels = match header.tag {
            tags::PIXEL_DATA => Some(cursor.pixel_data(&header)?),
            tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => {
                Some(cursor.float_pixel_data(&header)?)
            }
            _ => None,
        };
        if parts.pixels.is_some() {
            parts.pixel_encoding = cursor.encoding_within(&header);
            break;
        }
        if wanted.contains(&header.tag) {
            cursor.rewrite(&header, 0, &mut kept)?;
        } else {
            cursor.skip(&header, 0)?;
        }
    }
    parts.header = kept.into_data_set();
    Ok(parts)
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ElementHeader {
    pub tag: Tag,
    pub vr: VR,
    pub length: u32,
    /// Where the element starts.
    pub at: usize,
}

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    pub encoding: Encoding,
}

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Cursor {
            bytes,
            at,
            encoding,
        }
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn next_group(&self) -> Option<u16> {
        let mut ahead = self.clone();
        ahead.u16().ok()
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], ImageFault> {
        let taken = self.bytes[self.at..].get(..n).ok_or_else(|| {
            ImageFault::damaged(format!(
                "the file ends early, {} bytes into the data set",
                self.at
            ))
        })?;
        self.at += n;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, ImageFault> {
        let b = self.take(2)?;
        let pair = [b[0], b[1]];
        Ok(if self.encoding.big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        })
    }

    fn u32(&mut self) -> Result<u32, ImageFault> {
        let (a, b) = (u32::from(self.u16()?), u32::from(self.u16()?));
        Ok(if self.encoding.big_endian {
            a << 16 | b
        } else {
            b << 16 | a
        })
    }

    /// PS3.5 7.1.2 and 7.1.3; unknown value representations are read as dicom-rs reads them.
    pub fn header(&mut self) -> Result<ElementHeader, ImageFault> {
        let at = self.at;
        let tag = Tag(self.u16()?, self.u16()?);
        if tag.0 == 0xfffe {
            return Ok(ElementHeader {
                tag,
                vr: VR::UN,
                length: self.u32()?,
                at,
            });
        }
        if !self.encoding.explicit {
            let vr = StandardDataDictionary
                .by_tag(tag)
                .map_or(VR::UN, |e| e.vr().relaxed());
            return Ok(ElementHeader {
                tag,
                vr,
                length: self.u32()?,
                at,
            });
        }
        let letters = self.take(2)?;
        let vr = VR::from_binary([letters[0], letters[1]]).unwrap_or(VR::UN);
        let length = if has_short_length(vr) {
            self.u16()?.into()
        } else {
            self.take(2)?;
            self.u32()?
        };
        Ok(ElementHeader {
            tag,
            vr,
            length,
            at,
        })
    }

    /// The bytes of an element of defined length.
    pub fn value(&mut self, header: &ElementHeader) -> Result<&'a [u8], ImageFault> {
        if header.length as usize > self.remaining() {
            return Err(ImageFault::damaged(format!(
                "element {} at byte {} of the data set declares {} bytes, {} are left",
                header.tag,
                header.at,
                header.length,
                self.remaining()
            )));
        }
        self.take(header.length as usize)
    }

    /// All bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Steps over an element of defined length, and gives a cursor for what is in it.
    pub fn within(&mut self, header: &ElementHeader) -> Result<Cursor<'a>, ImageFault> {
        let at = self.at;
        self.value(header)?;
        Ok(Cursor {
            bytes: &self.bytes[..self.at],
            at,
            ..*self
        })
    }

    pub fn skip(&mut self, header: &ElementHeader, depth: usize) -> Result<(), ImageFault> {
        check_depth(depth)?;
        if header.length == UNDEFINED && is_fragmented(header) {
            return self.skip_fragments();
        }
        if header.length == UNDEFINED {
            return self.in_items(|within| within.skip_items(depth));
        }
        self.value(header).map(drop)
    }

    /// The encoding of an element's value. That of an unknown one is implicit and little endian
    /// whatever surrounds it (PS3.5 6.2.2, note).
    pub fn encoding_within(&self, header: &ElementHeader) -> Encoding {
        if header.vr == VR::UN {
            Encoding::IMPLICIT
        } else {
            self.encoding
        }
    }

    /// Reads a sequence's items in the byte order that they have: some are implicit and little endian
    /// whatever surrounds them.
    pub fn in_items<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ImageFault>,
    ) -> Result<T, ImageFault> {
        let next = self.clone().header().map(|header| header.tag);
        let goes_on = next.is_ok_and(|tag| matches!(tag, ITEM | SEQUENCE_END));
        let encoding = if goes_on {
            self.encoding
        } else {
            Encoding::IMPLICIT
        };
        self.in_encoding(encoding, read)
    }

    /// Reads an item's elements with value representations or without, as the first one is written.
    /// Items of unknown sequences have none (PS3.5 6.2.2, note), but some writers know nothing of the
    /// note, and others go on so in known sequences. What is within implicit elements is implicit.
    pub fn in_item<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ImageFault>,
    ) -> Result<T, ImageFault> {
        let letters = self.rest().get(4..6);
        // Those that are not known yet are capitals as well.
        let has_vr = letters.is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
        let encoding = Encoding {
            explicit: self.encoding.explicit && has_vr,
            ..self.encoding
        };
        self.in_encoding(encoding, read)
    }

    fn in_encoding<T>(
        &mut self,
        encoding: Encoding,
        read: impl FnOnce(&mut Self) -> Result<T, ImageFault>,
    ) -> Result<T, ImageFault> {
        let outer = std::mem::replace(&mut self.encoding, encoding);
        let found = read(self);
        self.encoding = outer;
        found
    }

    /// Items up to the delimiter or the end of the bytes.
    fn skip_items(&mut self, depth: usize) -> Result<(), ImageFault> {
        while self.remaining() > 0 {
            let item = self.header()?;
            match item.tag {
                SEQUENCE_END => return Ok(()),
                ITEM if item.length == UNDEFINED => {
                    self.in_item(|within| within.skip_elements(depth + 1))?;
                }
                ITEM => {
                    self.value(&item)?;
                }
                _ => return Err(self.no_item(&item)),
            }
        }
        Ok(())
    }

    pub fn no_item(&self, found: &ElementHeader) -> ImageFault {
        ImageFault::damaged(format!(
            "element {} at byte {} of the data set where an item should be",
            found.tag, found.at
        ))
    }

    /// Fragments of compressed pixel data (PS3.5 A.4) up to the delimiter or the end of the bytes.
    pub fn skip_fragments(&mut self) -> Result<(), ImageFault> {
        while self.remaining() > 0 {
            let fragment = self.header()?;
            match fragment.tag {
                SEQUENCE_END => return Ok(()),
                ITEM => self.value(&fragment)?,
                other => {
                    return Err(ImageFault::damaged(format!(
                        "element {other} at byte {} of the data set where a fragment should be",
                        fragment.at
                    )));
                }
            };
        }
        Ok(())
    }

    /// Elements of an item up to its delimiter or the end of the bytes.
    fn skip_elements(&mut self, depth: usize) -> Result<(), ImageFault> {
        while self.remaining() > 0 {
            let header = self.header()?;
            if header.tag == ITEM_END {
                return Ok(());
            }
            self.skip(&header, depth)?;
        }
        Ok(())
    }

    /// PS3.5 A.4: never in fragments, but for what no film is compressed as.
    fn float_pixel_data(&mut self, header: &ElementHeader) -> Result<PixelData<'a>, ImageFault> {
        if header.length == UNDEFINED {
            return Err(ImageFault::unsupported(
                "compressed pixels in floating point",
            ));
        }
        let available = self.remaining().min(header.length as usize);
        let bytes = self.take(available)?;
        Ok(PixelData::Floats { bytes })
    }

    fn pixel_data(&mut self, header: &ElementHeader) -> Result<PixelData<'a>, ImageFault> {
        if header.length != UNDEFINED {
            // A shorter value than declared may still hold the first frame.
            let available = self.remaining().min(header.length as usize);
            let words = self.encoding.explicit && header.vr == VR::OW;
            return Ok(PixelData::Native {
                bytes: self.take(available)?,
                words,
            });
        }
        let table = self.header()?;
        if table.tag != ITEM {
            return Err(ImageFault::damaged(
                "compressed pixel data have no offset table",
            ));
        }
        let entries = self.value(&table)?.chunks_exact(4);
        let offsets = entries
            .map(|e| u32::from_le_bytes([e[0], e[1], e[2], e[3]]))
            .collect();
        let mut fragments = Vec::new();
        let mut missing = 0;
        while self.remaining() >= 8 {
            let fragment = self.header()?;
            if fragment.tag != ITEM {
                break;
            }
            // A file that was cut off in a later frame still has the first one.
            let available = self.remaining().min(fragment.length as usize);
            missing = fragment.length as usize - available;
            fragments.push(self.take(available)?);
        }
        Ok(PixelData::Encapsulated {
            offsets,
            fragments,
            missing,
        })
    }
}

pub(super) fn check_depth(depth: usize) -> Result<(), ImageFault> {
    if depth > DEEPEST {
        return Err(ImageFault::damaged(format!(
            "sequences are nested more than {DEEPEST} deep"
        )));
    }
    Ok(())
}

/// Whether the items of an element are bytes and not data sets: pixel data, of an icon for example.
pub(super) fn is_fragmented(header: &ElementHeader) -> bool {
    header.tag == tags::PIXEL_DATA || matches!(header.vr, VR::OB | VR::OW)
}

/// Value representations whose length has 16 bits (PS3.5 table 7.1-2).
pub(super) fn has_short_length(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::AT
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::FL
            | VR::FD
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::SL
            | VR::SS
            | VR::ST
            | VR::TM
            | VR::UI
            | VR::UL
            | VR::US
    )
}
