//! A cursor over the elements of a data set (PS3.5 section 7), which allocates nothing.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::encoding::Encoding;
use super::fault::{DEEPEST, ElementFault};

/// The length that means "until a delimiter".
pub const UNDEFINED: u32 = 0xffff_ffff;

pub const ITEM: Tag = Tag(0xfffe, 0xe000);
pub const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
pub const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

/// What stands before the value of an element.
#[derive(Debug, Clone, Copy)]
pub struct ElementHeader {
    pub tag: Tag,
    pub vr: VR,
    pub length: u32,
    /// Where the element starts, in bytes from the start of the data set.
    pub at: usize,
}

/// A place in the bytes of a data set, and how the elements there are encoded.
#[derive(Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    pub encoding: Encoding,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Cursor {
            bytes,
            at,
            encoding,
        }
    }

    /// Bytes from the start of the data set.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The group of the next element, without stepping over it.
    pub fn next_group(&self) -> Option<u16> {
        let mut ahead = self.clone();
        ahead.u16().ok()
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], ElementFault> {
        let taken = self.rest().get(..n);
        let taken = taken.ok_or(ElementFault::EndsEarly { at: self.at })?;
        self.at += n;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, ElementFault> {
        let b = self.take(2)?;
        let pair = [b[0], b[1]];
        Ok(if self.encoding.big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        })
    }

    fn u32(&mut self) -> Result<u32, ElementFault> {
        let (a, b) = (u32::from(self.u16()?), u32::from(self.u16()?));
        Ok(if self.encoding.big_endian {
            a << 16 | b
        } else {
            b << 16 | a
        })
    }

    /// What stands before the next value (PS3.5 7.1.2 and 7.1.3). Unknown value representations are
    /// read as dicom-rs reads them.
    pub fn header(&mut self) -> Result<ElementHeader, ElementFault> {
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
    pub fn value(&mut self, header: &ElementHeader) -> Result<&'a [u8], ElementFault> {
        if header.length as usize > self.remaining() {
            return Err(ElementFault::TooLong {
                tag: header.tag,
                at: header.at,
                declared: header.length,
                left: self.remaining(),
            });
        }
        self.take(header.length as usize)
    }

    /// All bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Steps over an element of defined length, and returns a cursor for its value.
    pub fn within(&mut self, header: &ElementHeader) -> Result<Cursor<'a>, ElementFault> {
        let at = self.at;
        self.value(header)?;
        Ok(Cursor {
            bytes: &self.bytes[..self.at],
            at,
            ..*self
        })
    }

    /// Steps over an element, whether its length is defined or not.
    pub fn skip(&mut self, header: &ElementHeader, depth: usize) -> Result<(), ElementFault> {
        check_depth(depth)?;
        if header.length == UNDEFINED && is_fragmented(header) {
            return self.skip_fragments();
        }
        if header.length == UNDEFINED {
            return self.in_items(|within| within.skip_items(depth));
        }
        self.value(header).map(drop)
    }

    /// The encoding of an element's value. A value of unknown representation is implicit and little
    /// endian in every data set (PS3.5 6.2.2, note).
    pub fn encoding_within(&self, header: &ElementHeader) -> Encoding {
        if header.vr == VR::UN {
            Encoding::IMPLICIT
        } else {
            self.encoding
        }
    }

    /// Reads a sequence's items in the byte order that they have: some are implicit and little endian
    /// inside a data set that is not.
    pub fn in_items<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let next = self.clone().header().map(|header| header.tag);
        let goes_on = next.is_ok_and(|tag| matches!(tag, ITEM | SEQUENCE_END));
        let encoding = if goes_on {
            self.encoding
        } else {
            Encoding::IMPLICIT
        };
        self.in_encoding(encoding, read)
    }

    /// Reads an item's elements with or without value representations, as the first one is written.
    /// Items of unknown sequences have none (PS3.5 6.2.2, note). Some writers ignore that note, and
    /// others leave them out of known sequences too. Inside implicit elements everything is implicit.
    pub fn in_item<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let letters = self.rest().get(4..6);
        // Two capitals are one: the standard may add others.
        let has_vr = letters.is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
        let encoding = Encoding {
            explicit: self.encoding.explicit && has_vr,
            ..self.encoding
        };
        self.in_encoding(encoding, read)
    }

    fn in_encoding<T>(&mut self, encoding: Encoding, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.encoding, encoding);
        let found = read(self);
        self.encoding = outer;
        found
    }

    /// Steps over items up to the delimiter or the end of the bytes.
    fn skip_items(&mut self, depth: usize) -> Result<(), ElementFault> {
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

    /// The fault of a sequence that holds something other than items.
    pub fn no_item(&self, found: &ElementHeader) -> ElementFault {
        ElementFault::Misplaced {
            tag: found.tag,
            at: found.at,
            expected: "an item",
        }
    }

    /// Steps over fragments of compressed pixel data (PS3.5 A.4), up to the delimiter or the end of
    /// the bytes.
    pub fn skip_fragments(&mut self) -> Result<(), ElementFault> {
        while self.remaining() > 0 {
            let fragment = self.header()?;
            match fragment.tag {
                SEQUENCE_END => return Ok(()),
                ITEM => self.value(&fragment)?,
                tag => {
                    return Err(ElementFault::Misplaced {
                        tag,
                        at: fragment.at,
                        expected: "a fragment",
                    });
                }
            };
        }
        Ok(())
    }

    /// Steps over the elements of an item, up to its delimiter or the end of the bytes.
    fn skip_elements(&mut self, depth: usize) -> Result<(), ElementFault> {
        while self.remaining() > 0 {
            let header = self.header()?;
            if header.tag == ITEM_END {
                return Ok(());
            }
            self.skip(&header, depth)?;
        }
        Ok(())
    }
}

/// Refuses sequences that are nested too deep.
pub fn check_depth(depth: usize) -> Result<(), ElementFault> {
    if depth > DEEPEST {
        return Err(ElementFault::TooDeep);
    }
    Ok(())
}

/// Whether the items of an element are bytes and not data sets. Pixel data are, those of an icon too.
pub fn is_fragmented(header: &ElementHeader) -> bool {
    header.tag == tags::PIXEL_DATA || matches!(header.vr, VR::OB | VR::OW)
}

/// Value representations whose length has 16 bits (PS3.5 table 7.1-2).
pub fn has_short_length(vr: VR) -> bool {
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
