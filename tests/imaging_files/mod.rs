//! Makes DICOM files for tests, with dicom-rs if it can write them, and by hand otherwise.

#![allow(dead_code)] // Each test binary uses a part of this.

use std::io::Write;
use std::path::{Path, PathBuf};

use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::meta::FileMetaTableBuilder;
use dicom_object::{FileDicomObject, InMemDicomObject};
use flate2::Compression;
use flate2::write::DeflateEncoder;

pub const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
pub const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub const DEFLATED: &str = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;

/// A DICOM object, built step by step.
#[derive(Clone)]
pub struct Dicom(pub InMemDicomObject);

impl Dicom {
    /// A digital radiograph without pixel data: unsigned, MONOCHROME2, with `bits` stored in 8 or 16.
    pub fn radiograph(columns: u16, rows: u16, bits: u16) -> Dicom {
        Dicom(InMemDicomObject::new_empty())
            .text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
            )
            .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
            .text(tags::MODALITY, VR::CS, "DX")
            .number(tags::SAMPLES_PER_PIXEL, 1)
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .number(tags::ROWS, rows)
            .number(tags::COLUMNS, columns)
            .number(tags::BITS_ALLOCATED, if bits > 8 { 16 } else { 8 })
            .number(tags::BITS_STORED, bits)
            .number(tags::HIGH_BIT, bits - 1)
            .number(tags::PIXEL_REPRESENTATION, 0)
    }

    /// An 8-bit colour picture.
    pub fn colour(columns: u16, rows: u16, interpretation: &str) -> Dicom {
        Dicom::radiograph(columns, rows, 8)
            .number(tags::SAMPLES_PER_PIXEL, 3)
            .number(tags::PLANAR_CONFIGURATION, 0)
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, interpretation)
    }

    pub fn with(mut self, tag: Tag, vr: VR, value: impl Into<PrimitiveValue>) -> Dicom {
        self.0.put(DataElement::new(tag, vr, value.into()));
        self
    }

    pub fn text(self, tag: Tag, vr: VR, value: &str) -> Dicom {
        self.with(tag, vr, value)
    }

    pub fn number(self, tag: Tag, value: u16) -> Dicom {
        self.with(tag, VR::US, value)
    }

    pub fn words(self, pixels: &[u16]) -> Dicom {
        self.with(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into()))
    }

    pub fn bytes(self, pixels: &[u8]) -> Dicom {
        let mut even = pixels.to_vec();
        even.resize(pixels.len().next_multiple_of(2), 0);
        self.with(
            tags::PIXEL_DATA,
            VR::OB,
            PrimitiveValue::U8(even.as_slice().into()),
        )
    }

    pub fn sequence(mut self, tag: Tag, item: Dicom) -> Dicom {
        let items = dicom_core::value::DataSetSequence::from(vec![item.0]);
        self.0
            .put(DataElement::new(tag, VR::SQ, Value::Sequence(items)));
        self
    }

    /// Compressed pixel data without an offset table.
    pub fn fragments(self, fragments: &[&[u8]]) -> Dicom {
        self.fragments_at(&[], fragments)
    }

    /// Compressed pixel data with an offset table.
    pub fn fragments_at(mut self, offsets: &[u32], fragments: &[&[u8]]) -> Dicom {
        let even = |f: &&[u8]| {
            let mut f = f.to_vec();
            f.resize(f.len().next_multiple_of(2), 0);
            f
        };
        let value: Value<InMemDicomObject, Vec<u8>> =
            Value::PixelSequence(PixelFragmentSequence::new(
                offsets.to_vec(),
                fragments.iter().map(even).collect::<Vec<_>>(),
            ));
        self.0
            .put(DataElement::new(tags::PIXEL_DATA, VR::OB, value));
        self
    }

    /// The file: preamble, meta information, data set.
    pub fn file(&self, transfer_syntax: &str) -> Vec<u8> {
        let meta = FileMetaTableBuilder::new().transfer_syntax(transfer_syntax);
        let file: FileDicomObject<_> = self.0.clone().with_meta(meta).expect("meta");
        if transfer_syntax == DEFLATED {
            return self.deflated(&file);
        }
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).expect("write");
        bytes
    }

    fn deflated(&self, file: &FileDicomObject<InMemDicomObject>) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        file.meta().write(&mut bytes).expect("write");
        let plain = self.file(EXPLICIT);
        let mut deflate = DeflateEncoder::new(bytes, Compression::fast());
        deflate
            .write_all(&plain[data_set_start(&plain)..])
            .expect("deflate");
        deflate.finish().expect("deflate")
    }
}

/// The offset of the data set in a file: after preamble, magic code and the group of meta information,
/// whose length stands at byte 140.
pub fn data_set_start(file: &[u8]) -> usize {
    144 + u32::from_le_bytes(file[140..144].try_into().expect("four bytes")) as usize
}

/// A temporary folder with files.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

/// A picture with edges, gradients and flat parts: values below `2^bits`.
pub fn phantom(columns: usize, rows: usize, bits: u32) -> Vec<u16> {
    let top = (1_u32 << bits) - 1;
    let value = |i: usize| {
        let (x, y) = ((i % columns) as u32, (i / columns) as u32);
        let flat = x / 5 % 3 == 1 && y / 4 % 2 == 1;
        (if flat {
            top / 3
        } else {
            (x * 977 + y * 3571 + x * y * 13) & top
        }) as u16
    };
    (0..columns * rows).map(value).collect()
}

/// A frame of RLE (PS3.5 annex G), with one segment for each of `planes`.
pub fn rle(planes: &[Vec<u8>]) -> Vec<u8> {
    let segments: Vec<Vec<u8>> = planes.iter().map(|plane| pack_bits(plane)).collect();
    let mut frame = vec![0; 64];
    frame[..4].copy_from_slice(&(planes.len() as u32).to_le_bytes());
    for (i, segment) in segments.iter().enumerate() {
        let offset = frame.len() as u32;
        frame[4 + 4 * i..8 + 4 * i].copy_from_slice(&offset.to_le_bytes());
        frame.extend(segment);
    }
    frame
}

fn pack_bits(mut bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    while let Some(&first) = bytes.first() {
        let same = bytes.iter().take(128).take_while(|&&b| b == first).count();
        if same > 1 {
            packed.extend([(1 - same as i32) as i8 as u8, first]);
            bytes = &bytes[same..];
        } else {
            let differing = bytes
                .windows(2)
                .take(127)
                .take_while(|w| w[0] != w[1])
                .count()
                .max(1);
            packed.push(differing as u8 - 1);
            packed.extend(&bytes[..differing]);
            bytes = &bytes[differing..];
        }
    }
    packed.resize(packed.len().next_multiple_of(2), 0x80);
    packed
}

/// Lossless JPEG (ITU-T T.81 annex H, predictor 1) with a Huffman code of 5 bits for each of the 17
/// categories.
pub fn lossless_jpeg(columns: u16, rows: u16, precision: u8, samples: &[u16]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8, 0xff, 0xc3, 0, 11, precision];
    out.extend(rows.to_be_bytes());
    out.extend(columns.to_be_bytes());
    out.extend([1, 1, 0x11, 0]);
    out.extend([
        0xff,
        0xc4,
        0,
        19 + 17,
        0,
        0,
        0,
        0,
        0,
        17,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    out.extend(0..17);
    out.extend([0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0]);
    let (mut cache, mut cached) = (0_u64, 0_u32);
    let mut write = |value: u32, bits: u32| {
        cache = cache << bits | u64::from(value);
        cached += bits;
        while cached >= 8 {
            let byte = (cache >> (cached - 8)) as u8;
            out.push(byte);
            if byte == 0xff {
                out.push(0);
            }
            cached -= 8;
        }
    };
    let columns = usize::from(columns);
    for (i, &sample) in samples.iter().enumerate() {
        let predicted = match (i % columns, i / columns) {
            (0, 0) => 1 << (precision - 1),
            (0, _) => i32::from(samples[i - columns]),
            _ => i32::from(samples[i - 1]),
        };
        let difference = i32::from(sample) - predicted;
        let category = 32 - difference.unsigned_abs().leading_zeros();
        write(category, 5);
        let code = if difference < 0 {
            difference - 1
        } else {
            difference
        };
        write(code as u32 & ((1_u32 << category) - 1), category);
    }
    write(0x7f, 7);
    out.extend([0xff, 0xd9]);
    out
}

/// An element in Explicit VR Little Endian with a short length.
fn short_element(tag: (u16, u16), vr: &str, value: &[u8]) -> Vec<u8> {
    let (group, element) = (tag.0.to_le_bytes(), tag.1.to_le_bytes());
    let length = u16::try_from(value.len()).unwrap().to_le_bytes();
    [&group[..], &element, vr.as_bytes(), &length, value].concat()
}

/// A record of a DICOMDIR. `next` and `lower` are numbers of records from 1, and 0 is none.
pub struct DirectoryRecord {
    pub next: usize,
    pub lower: usize,
    pub kind: &'static str,
    pub file: Option<&'static str>,
}

/// A DICOMDIR of these records.
pub fn dicomdir(root: usize, records: &[DirectoryRecord]) -> Vec<u8> {
    let padded = |text: &str| {
        let blank = if text.len() % 2 == 1 { " " } else { "" };
        format!("{text}{blank}").into_bytes()
    };
    let mut start = vec![0; 128];
    start.extend(b"DICM");
    start.extend(short_element((2, 2), "UI", b"1.2.840.10008.1.3.10"));
    start.extend(short_element((2, 0x10), "UI", b"1.2.840.10008.1.2.1\0"));
    let item = |record: &DirectoryRecord, offset: &dyn Fn(usize) -> u32| {
        let mut item = vec![0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
        item.extend(short_element(
            (4, 0x1400),
            "UL",
            &offset(record.next).to_le_bytes(),
        ));
        item.extend(short_element((4, 0x1410), "US", &[0xff, 0xff]));
        item.extend(short_element(
            (4, 0x1420),
            "UL",
            &offset(record.lower).to_le_bytes(),
        ));
        item.extend(short_element((4, 0x1430), "CS", &padded(record.kind)));
        if let Some(file) = record.file {
            item.extend(short_element((4, 0x1500), "CS", &padded(file)));
        }
        item.extend([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0]);
        item
    };
    // The root, and the header of the sequence.
    let first = start.len() + 12 + 12;
    let mut offsets = vec![first as u32];
    for record in records {
        let length = item(record, &|_| 0).len() as u32;
        offsets.push(offsets.last().unwrap() + length);
    }
    let offset = |record: usize| if record == 0 { 0 } else { offsets[record - 1] };
    let mut bytes = start;
    bytes.extend(short_element(
        (4, 0x1200),
        "UL",
        &offset(root).to_le_bytes(),
    ));
    bytes.extend([4, 0, 0x20, 0x12, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff]);
    for record in records {
        bytes.extend(item(record, &offset));
    }
    bytes.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    bytes
}
