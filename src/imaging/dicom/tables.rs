//! Lookup tables of a data set: Modality LUT, VOI LUTs and colour palettes.
//!
//! Writers disagree with the standard about all three numbers of a descriptor (PS3.3 C.11.1.1.1,
//! C.11.2.1.1 and C.7.6.3.1.5), so each is compared with the entries of the table and with the values
//! that can come into it.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

use super::super::ImageFault;
use super::acquisition::modality_of_class;
use super::elements::{Attributes, item_text};
use crate::domain::{Lut, PixelTransform, Rescale};

/// The least number of bits of an entry (PS3.3 C.11.1.1.1), and of a screen.
const NARROWEST: u8 = 8;

/// A lookup table of a palette.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LookupTable {
    /// Input value of the first entry.
    pub first_input: i32,
    pub entries: Vec<u16>,
    /// Bits of an entry.
    pub bits: u8,
}

/// The lowest and the highest value that can come into a table.
type Inputs = (f64, f64);

impl Attributes {
    /// From stored values to modality values (PS3.3 C.11.1).
    pub fn modality_transform(&self) -> PixelTransform {
        let table = self.items(tags::MODALITY_LUT_SEQUENCE).first();
        let table = table.filter(|_| !self.is_of_fluoroscopy());
        if let Some(lut) = table.and_then(|item| lut(item, self.stored_range())) {
            return PixelTransform::Table(lut);
        }
        let slope = self
            .number(tags::RESCALE_SLOPE)
            .filter(|&slope| slope != 0.0);
        PixelTransform::Linear(Rescale {
            slope: slope.unwrap_or(1.0),
            intercept: self.number(tags::RESCALE_INTERCEPT).unwrap_or(0.0),
        })
    }

    /// Whether it is an X-ray angiogram or a radiofluoroscopic image. Their Modality LUT leads from
    /// pixels for display (Pixel Intensity Relationship LOG or DISP) back to the intensity of the beam,
    /// for measurements (PS3.3 C.8.7.1.1.2), so viewers ignore it. Images that are LIN need none.
    fn is_of_fluoroscopy(&self) -> bool {
        let is = |modality: &str| matches!(modality, "XA" | "RF");
        let class = self.text(tags::SOP_CLASS_UID);
        let by_class = class.as_deref().and_then(modality_of_class);
        by_class.is_some_and(is) || self.code(tags::MODALITY).as_deref().is_some_and(is)
    }

    /// Lookup tables from modality values to light (PS3.3 C.11.2).
    pub fn voi_luts(&self) -> Vec<Lut> {
        let inputs = match self.modality_transform() {
            PixelTransform::Table(_) => (0.0, f64::from(u16::MAX)),
            PixelTransform::Linear(Rescale { slope, intercept }) => {
                let (low, high) = self.stored_range();
                let (a, b) = (slope * low + intercept, slope * high + intercept);
                (a.min(b), a.max(b))
            }
        };
        self.items(tags::VOILUT_SEQUENCE)
            .iter()
            .filter_map(|item| lut(item, inputs))
            .collect()
    }

    /// The names of the sequences with a table that cannot be used. An item without any table does not
    /// count.
    pub fn unusable_tables(&self) -> impl Iterator<Item = String> {
        let modality = (tags::MODALITY_LUT_SEQUENCE, "Modality LUT Sequence");
        let voi = (tags::VOILUT_SEQUENCE, "VOI LUT Sequence");
        let modality = Some(modality).filter(|_| !self.is_of_fluoroscopy());
        modality
            .into_iter()
            .chain([voi])
            .filter(|&(sequence, _)| self.get(sequence).is_some_and(is_unusable))
            .map(|(_, name)| name.to_owned())
    }

    fn stored_range(&self) -> Inputs {
        let by_high_bit = || Some(self.number(tags::HIGH_BIT)? + 1.0);
        let bits = self.number(tags::BITS_STORED).or_else(by_high_bit);
        let bits = bits.unwrap_or(16.0);
        let values = bits.clamp(1.0, 32.0).exp2();
        if self.signed() {
            (-values / 2.0, values / 2.0 - 1.0)
        } else {
            (0.0, values - 1.0)
        }
    }

    /// Red, green and blue tables of a palette, PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6, or of a segmented
    /// one, C.7.9.2. All have the same number of bits.
    pub fn palette(&self) -> Result<[LookupTable; 3], ImageFault> {
        let [red, green, blue] = PALETTE.map(|tags| self.palette_table(tags));
        let mut tables = [red?, green?, blue?];
        let declared = tables.each_ref().map(|table| table.bits);
        let declared = declared.into_iter().fold(0, u8::max);
        let needed = tables.each_ref().map(|table| bits_needed(&table.entries));
        let needed = needed.into_iter().fold(0, u8::max);
        // Entries for 8 bits are found in tables of 16 bits. Dark colours do not show that.
        let bits = if needed > declared || needed == NARROWEST {
            needed
        } else {
            declared
        };
        for table in &mut tables {
            table.bits = bits;
        }
        Ok(tables)
    }

    fn palette_table(
        &self,
        [descriptor, data, segmented]: [Tag; 3],
    ) -> Result<LookupTable, ImageFault> {
        let missing = || ImageFault::damaged("the colour palette is missing or incomplete");
        let descriptor = self
            .get(descriptor)
            .and_then(Descriptor::read)
            .ok_or_else(missing)?;
        let entries = match (self.get(data), self.get(segmented)) {
            (Some(data), _) => entries(data, descriptor.count).ok_or_else(missing)?,
            (None, Some(segments)) => unfolded(segments, &descriptor).ok_or_else(|| {
                ImageFault::damaged("the segments of the colour palette do not fit")
            })?,
            (None, None) => return Err(missing()),
        };
        Ok(LookupTable {
            first_input: first_input(descriptor.first, entries.len(), self.stored_range()),
            bits: descriptor.bits,
            entries,
        })
    }
}

/// Descriptor, data and segmented data of red, green and blue.
const PALETTE: [[Tag; 3]; 3] = [
    [
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ],
    [
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ],
    [
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ],
];

/// The table of an item of a Modality or VOI LUT Sequence (PS3.3 C.11.1.1.1 and C.11.2.1.1).
fn lut(item: &InMemDicomObject, inputs: Inputs) -> Option<Lut> {
    let descriptor = Descriptor::read(item.get(tags::LUT_DESCRIPTOR)?)?;
    let entries = entries(item.get(tags::LUT_DATA)?, descriptor.count)?;
    Some(Lut {
        first_input: first_input(descriptor.first, entries.len(), inputs),
        bits: bits_of(&entries, descriptor.bits),
        entries,
        explanation: item_text(item, tags::LUT_EXPLANATION),
    })
}

/// Whether a sequence has a table that cannot be read, or the element is not a sequence.
fn is_unusable(sequence: &InMemElement) -> bool {
    let has_table = |item: &InMemDicomObject| {
        let mut parts = [tags::LUT_DESCRIPTOR, tags::LUT_DATA].into_iter();
        parts.any(|part| item.get(part).is_some())
    };
    let is_read = |item: &InMemDicomObject| lut(item, (0.0, 0.0)).is_some();
    sequence.items().is_none_or(|items| {
        let mut tables = items.iter().filter(|item| has_table(item));
        tables.any(|item| !is_read(item))
    })
}

/// The three numbers of a descriptor.
struct Descriptor {
    count: usize,
    /// As written. Whether it has a sign is left open: its value representation is often wrong.
    first: u16,
    bits: u8,
}

impl Descriptor {
    fn read(element: &InMemElement) -> Option<Descriptor> {
        let [count, first, bits] = element.to_multi_int::<i32>().ok()?[..] else {
            return None;
        };
        // The number of entries has 16 bits and no sign, and 0 stands for 65,536.
        let count = match count & 0xffff {
            0 => 65_536,
            n => n as usize,
        };
        Some(Descriptor {
            count,
            first: first as u16,
            bits: bits.clamp(NARROWEST.into(), 16) as u8,
        })
    }
}

/// The first input of a table, whose sign the descriptor leaves open. It gets the sign with which the
/// table covers more of the possible inputs, and is unsigned if that makes no difference.
fn first_input(written: u16, entries: usize, (low, high): Inputs) -> i32 {
    let covered = |first: i32| {
        let (first, end) = (f64::from(first), f64::from(first) + entries as f64);
        end.min(high + 1.0) - first.max(low)
    };
    let (unsigned, signed) = (i32::from(written), i32::from(written as i16));
    if covered(signed) > covered(unsigned) {
        signed
    } else {
        unsigned
    }
}

/// Bits of a table's entries: those that the descriptor states, which the largest entry need not reach. But many devices
/// state the 16 in which an entry is stored, fewer than the entries have, or those of the pixels for entries of 8 bits.
/// Then they are those of the largest entry.
fn bits_of(entries: &[u16], declared: u8) -> u8 {
    let needed = bits_needed(entries);
    if declared == 16 || needed == NARROWEST {
        needed
    } else {
        declared.max(needed)
    }
}

/// Bits of the largest entry.
fn bits_needed(entries: &[u16]) -> u8 {
    let largest = entries.iter().copied().max().unwrap_or(0);
    NARROWEST.max(16 - largest.leading_zeros() as u8)
}

/// At most `count` entries; `None` if there are none. A table may be shorter than it states, because
/// inputs beyond the last entry take that one.
fn entries(data: &InMemElement, count: usize) -> Option<Vec<u16>> {
    let mut entries = words(data)?;
    // Two entries of 8 bits may share a word, with the first in its lower half.
    if count > 1 && entries.len() == count.div_ceil(2) {
        entries = entries.into_iter().flat_map(halves).collect();
    }
    entries.truncate(count);
    (!entries.is_empty()).then_some(entries)
}

fn halves(word: u16) -> [u16; 2] {
    word.to_le_bytes().map(u16::from)
}

/// Table data as 16-bit words. An odd last byte is filled up with zero.
fn words(data: &InMemElement) -> Option<Vec<u16>> {
    if !matches!(data.vr(), VR::OW | VR::OB | VR::UN) {
        let numbers = data.to_multi_int::<i32>().ok()?;
        return Some(numbers.into_iter().map(|v| v as u16).collect());
    }
    let bytes = data.to_bytes().ok()?;
    let word = |pair: &[u8]| u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    Some(bytes.chunks(2).map(word).collect())
}

/// The entries of a segmented palette (PS3.3 C.7.9.2); `None` if the segments do not make as many as
/// the descriptor states.
fn unfolded(data: &InMemElement, descriptor: &Descriptor) -> Option<Vec<u16>> {
    let words = words(data)?;
    let segments = match descriptor.bits {
        NARROWEST => Segments {
            units: words.into_iter().flat_map(halves).collect(),
            offset_units: 4,
        },
        _ => Segments {
            units: words,
            offset_units: 2,
        },
    };
    segments.unfold(descriptor.count)
}

/// Segments as 8-bit or as 16-bit numbers.
struct Segments {
    units: Vec<u16>,
    /// The number of units in an offset of 32 bits.
    offset_units: usize,
}

const DISCRETE: u16 = 0;
const LINEAR: u16 = 1;
const INDIRECT: u16 = 2;

impl Segments {
    fn unfold(&self, count: usize) -> Option<Vec<u16>> {
        let mut entries = Vec::with_capacity(count);
        let mut at = 0;
        while entries.len() < count {
            at = match *self.units.get(at)? {
                INDIRECT => self.repeat(at, &mut entries, count)?,
                _ => self.simple(at, &mut entries)?,
            };
        }
        (entries.len() == count).then_some(entries)
    }

    /// Repeats earlier segments, and returns where the next segment starts. Each makes at least one
    /// entry, so a hostile number of them comes to an end.
    fn repeat(&self, at: usize, entries: &mut Vec<u16>, count: usize) -> Option<usize> {
        let (segments, next) = (*self.units.get(at + 1)?, at + 2 + self.offset_units);
        let bits = 32 / self.offset_units;
        let parts = self.units.get(at + 2..next)?.iter().rev();
        let bytes = parts.fold(0_u32, |offset, &part| offset << bits | u32::from(part));
        let mut from = bytes as usize * self.offset_units / 4;
        for _ in 0..segments {
            if entries.len() > count {
                return None;
            }
            from = self.simple(from, entries)?;
        }
        Some(next)
    }

    /// Unfolds a discrete or linear segment, and returns where the next one starts.
    fn simple(&self, at: usize, entries: &mut Vec<u16>) -> Option<usize> {
        let length = usize::from(*self.units.get(at + 1)?);
        if length == 0 {
            return None;
        }
        match *self.units.get(at)? {
            DISCRETE => {
                entries.extend(self.units.get(at + 2..at + 2 + length)?);
                Some(at + 2 + length)
            }
            LINEAR => {
                let (start, end) = (*entries.last()?, *self.units.get(at + 2)?);
                let (start, end) = (f64::from(start), f64::from(end));
                let step = (end - start) / length as f64;
                entries.extend((1..=length).map(|i| (start + step * i as f64).round() as u16));
                Some(at + 3)
            }
            _ => None,
        }
    }
}
