//! The pixel data of a data set as they lie in the file.

use dicom_core::VR;

use super::super::ImageFault;
use crate::data_elements::{Cursor, ElementHeader, ITEM, UNDEFINED};

/// Pixel data as they lie in the file.
#[derive(Debug)]
pub(super) enum PixelData<'a> {
    /// One run of bytes, all frames after each other.
    Native {
        bytes: &'a [u8],
        /// They were written as 16-bit words.
        words: bool,
    },
    /// One run of numbers in floating point: Float or Double Float Pixel Data.
    Floats { bytes: &'a [u8] },
    /// Fragments (PS3.5 A.4) after an offset table.
    Encapsulated {
        /// The entries of the table, which may be none.
        offsets: Vec<u32>,
        fragments: Vec<&'a [u8]>,
        /// Bytes that the last fragment declares and the file lacks.
        missing: usize,
    },
}

impl<'a> Cursor<'a> {
    /// The value of *Float Pixel Data* or *Double Float Pixel Data*. PS3.5 A.4 has them in fragments
    /// only for kinds of compression that no radiograph has.
    pub(super) fn float_pixel_data(
        &mut self,
        header: &ElementHeader,
    ) -> Result<PixelData<'a>, ImageFault> {
        if header.length == UNDEFINED {
            return Err(ImageFault::unsupported(
                "compressed pixels in floating point",
            ));
        }
        let bytes = self.available(header)?;
        Ok(PixelData::Floats { bytes })
    }

    /// The value of *Pixel Data*.
    pub(super) fn pixel_data(
        &mut self,
        header: &ElementHeader,
    ) -> Result<PixelData<'a>, ImageFault> {
        if header.length != UNDEFINED {
            let words = self.encoding.explicit && header.vr == VR::OW;
            let bytes = self.available(header)?;
            return Ok(PixelData::Native { bytes, words });
        }
        let table = self.header()?;
        if table.tag != ITEM {
            return Err(ImageFault::damaged(
                "compressed pixel data have no offset table",
            ));
        }
        let entries = self.value(&table)?.as_chunks::<4>().0.iter();
        let offsets = entries.map(|&entry| u32::from_le_bytes(entry)).collect();
        let mut fragments = Vec::new();
        let mut missing = 0;
        while self.remaining() >= 8 {
            let fragment = self.header()?;
            if fragment.tag != ITEM {
                break;
            }
            let bytes = self.available(&fragment)?;
            missing = fragment.length as usize - bytes.len();
            fragments.push(bytes);
        }
        Ok(PixelData::Encapsulated {
            offsets,
            fragments,
            missing,
        })
    }

    /// The bytes of an element that the file still has: one that was cut off in a later frame still
    /// holds the first.
    fn available(&mut self, header: &ElementHeader) -> Result<&'a [u8], ImageFault> {
        let available = self.remaining().min(header.length as usize);
        Ok(self.take(available)?)
    }
}
