//! Makes TIFF, PNG, WebP and BMP files for tests, byte by byte.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A directory whose files are removed with it.
pub struct Files(tempfile::TempDir);

pub fn files() -> Files {
    Files(tempfile::tempdir().expect("a temporary directory"))
}

impl Files {
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path: &Path = self.0.path();
        let path = path.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

/// The phantom of the DICOM tests: values below `2^bits`.
pub fn phantom(columns: usize, rows: usize, bits: u32) -> Vec<u64> {
    let top = (1_u64 << bits) - 1;
    let value = |i: usize| {
        let (x, y) = ((i % columns) as u64, (i / columns) as u64);
        if x / 5 % 3 == 1 && y / 4 % 2 == 1 {
            top / 3
        } else {
            (x * 977 + y * 3571 + x * y * 13) & top
        }
    };
    (0..columns * rows).map(value).collect()
}

/// The value of a tag, by its type.
#[derive(Clone)]
pub enum Value {
    Short(Vec<u64>),
    Long(Vec<u64>),
    Bytes(Vec<u8>),
}

/// One page: its tags, without offsets and byte counts, and its chunks.
#[derive(Clone)]
pub struct Page {
    tags: Vec<(u16, Value)>,
    chunks: Chunks,
    tiled: bool,
    inner: Option<Box<Page>>,
}

/// Chunks as numbers, which are written in the byte order of the file, or as bytes.
#[derive(Clone)]
enum Chunks {
    /// The numbers of each chunk, numbers per row, and bits per number.
    Numbers(Vec<Vec<u64>>, usize, u32),
    Bytes(Vec<Vec<u8>>),
}

impl Page {
    pub fn new(width: usize, height: usize, bits: u32, samples: usize) -> Page {
        Page {
            tags: Vec::new(),
            chunks: Chunks::Bytes(Vec::new()),
            tiled: false,
            inner: None,
        }
        .with(256, Value::Long(vec![width as u64]))
        .with(257, Value::Long(vec![height as u64]))
        .with(258, Value::Short(vec![bits.into(); samples]))
        .with(259, Value::Short(vec![1]))
        .with(262, Value::Short(vec![1]))
        .with(277, Value::Short(vec![samples as u64]))
    }

    /// Sets a tag, in place of an earlier value.
    pub fn with(mut self, tag: u16, value: Value) -> Page {
        self.tags.retain(|(other, _)| *other != tag);
        self.tags.push((tag, value));
        self
    }

    fn number(&self, tag: u16) -> usize {
        let found = self.tags.iter().find(|(other, _)| *other == tag);
        match found {
            Some((_, Value::Short(v) | Value::Long(v))) => v[0] as usize,
            _ => panic!("no tag {tag}"),
        }
    }

    /// One strip of these numbers.
    pub fn packed(mut self, numbers: &[u64]) -> Page {
        let row = self.number(256) * self.number(277);
        let bits = self.number(258) as u32;
        self.chunks = Chunks::Numbers(vec![numbers.to_vec()], row, bits);
        self
    }

    pub fn raw(mut self, chunks: Vec<Vec<u8>>) -> Page {
        self.chunks = Chunks::Bytes(chunks);
        self
    }

    /// Encodes the chunks, in little-endian byte order.
    pub fn encoded(mut self, encode: &dyn Fn(&[u8]) -> Vec<u8>) -> Page {
        let chunks = self.chunks.bytes(false);
        self.chunks = Chunks::Bytes(chunks.iter().map(|bytes| encode(bytes)).collect());
        self
    }

    /// Adds a page in the *SubIFDs* of this one.
    pub fn with_inner(mut self, page: Page) -> Page {
        self.inner = Some(Box::new(page));
        self
    }

    /// Divides interleaved numbers into chunks, with interleaved or separate planes.
    pub fn chunked(
        mut self,
        numbers: &[u64],
        (columns, rows): (usize, usize),
        tiled: bool,
        planar: bool,
    ) -> Page {
        let (width, height) = (self.number(256), self.number(257));
        let (samples, bits) = (self.number(277), self.number(258) as u32);
        let planes: Vec<Vec<usize>> = if planar {
            (0..samples).map(|s| vec![s]).collect()
        } else {
            vec![(0..samples).collect()]
        };
        let mut chunks = Vec::new();
        for plane in &planes {
            for top in (0..height).step_by(rows) {
                for left in (0..width).step_by(columns) {
                    let bottom = if tiled {
                        top + rows
                    } else {
                        height.min(top + rows)
                    };
                    let mut chunk = Vec::new();
                    for y in top..bottom {
                        for x in left..left + columns {
                            let inside = x < width && y < height;
                            let value = |s: &usize| {
                                if inside {
                                    numbers[(y * width + x) * samples + s]
                                } else {
                                    0
                                }
                            };
                            chunk.extend(plane.iter().map(value));
                        }
                    }
                    chunks.push(chunk);
                }
            }
        }
        self.chunks = Chunks::Numbers(chunks, columns * planes[0].len(), bits);
        self.tiled = tiled;
        let page = self.with(284, Value::Short(vec![if planar { 2 } else { 1 }]));
        if tiled {
            page.with(322, Value::Long(vec![columns as u64]))
                .with(323, Value::Long(vec![rows as u64]))
        } else {
            page.with(278, Value::Long(vec![rows as u64]))
        }
    }
}

impl Chunks {
    fn bytes(&self, big_endian: bool) -> Vec<Vec<u8>> {
        match self {
            Chunks::Bytes(chunks) => chunks.clone(),
            Chunks::Numbers(chunks, row, bits) => {
                let rows = |chunk: &Vec<u64>| {
                    let rows = chunk.chunks(*row);
                    rows.flat_map(|row| packed(row, *bits, big_endian))
                        .collect()
                };
                chunks.iter().map(rows).collect()
            }
        }
    }
}

/// Numbers of whole bytes in the byte order of the file; other numbers packed from the highest bit on.
fn packed(numbers: &[u64], bits: u32, big_endian: bool) -> Vec<u8> {
    if bits.is_multiple_of(8) {
        let size = bits as usize / 8;
        let bytes = |v: &u64| {
            if big_endian {
                v.to_be_bytes()[8 - size..].to_vec()
            } else {
                v.to_le_bytes()[..size].to_vec()
            }
        };
        return numbers.iter().flat_map(bytes).collect();
    }
    let bit = |v: u64, at: u32| (v >> at & 1) as u8;
    let all = numbers
        .iter()
        .flat_map(|&v| (0..bits).rev().map(move |at| bit(v, at)));
    let all: Vec<u8> = all.collect();
    let byte = |bits: &[u8]| (0..8).fold(0, |b, i| b << 1 | bits.get(i).copied().unwrap_or(0));
    all.chunks(8).map(byte).collect()
}

/// A TIFF file of pages.
pub struct Tiff {
    pages: Vec<Page>,
    pub big_endian: bool,
    /// BigTIFF.
    pub wide: bool,
}

impl Tiff {
    pub fn of(page: Page) -> Tiff {
        Tiff::of_pages(vec![page])
    }

    pub fn of_pages(pages: Vec<Page>) -> Tiff {
        Tiff {
            pages,
            big_endian: false,
            wide: false,
        }
    }

    pub fn file(&self) -> Vec<u8> {
        let mut out = if self.big_endian {
            b"MM".to_vec()
        } else {
            b"II".to_vec()
        };
        self.put(&mut out, if self.wide { 43 } else { 42 }, 2);
        if self.wide {
            self.put(&mut out, 8, 2);
            self.put(&mut out, 0, 2);
        }
        // The place of the offset of the next directory, which is patched later.
        let mut link = out.len();
        self.put(&mut out, 0, self.offset_size());
        for page in &self.pages {
            let (at, next) = self.page(&mut out, page);
            self.patch(&mut out, link, at);
            link = next;
        }
        out
    }

    fn offset_size(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    fn put(&self, out: &mut Vec<u8>, number: u64, size: usize) {
        if self.big_endian {
            out.extend(&number.to_be_bytes()[8 - size..]);
        } else {
            out.extend(&number.to_le_bytes()[..size]);
        }
    }

    fn patch(&self, out: &mut [u8], at: usize, offset: usize) {
        let mut bytes = Vec::new();
        self.put(&mut bytes, offset as u64, self.offset_size());
        out[at..at + bytes.len()].copy_from_slice(&bytes);
    }

    /// Writes a page. Returns the place of its directory, and the place of the offset of the next one.
    fn page(&self, out: &mut Vec<u8>, page: &Page) -> (usize, usize) {
        let mut tags = page.tags.clone();
        if let Some(inner) = &page.inner {
            let (at, _) = self.page(out, inner);
            tags.push((330, Value::Long(vec![at as u64])));
        }
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for chunk in page.chunks.bytes(self.big_endian) {
            offsets.push(out.len() as u64);
            lengths.push(chunk.len() as u64);
            out.extend(chunk);
        }
        let names = if page.tiled { (324, 325) } else { (273, 279) };
        for (name, value) in [(names.0, offsets), (names.1, lengths)] {
            if !tags.iter().any(|(tag, _)| *tag == name) {
                tags.push((name, Value::Long(value)));
            }
        }
        tags.sort_by_key(|(tag, _)| *tag);
        let entries: Vec<Vec<u8>> = tags
            .iter()
            .map(|(tag, v)| self.entry(out, *tag, v))
            .collect();
        let at = out.len();
        self.put(out, entries.len() as u64, if self.wide { 8 } else { 2 });
        out.extend(entries.concat());
        let link = out.len();
        self.put(out, 0, self.offset_size());
        (at, link)
    }

    fn entry(&self, out: &mut Vec<u8>, tag: u16, value: &Value) -> Vec<u8> {
        let (kind, size, numbers): (u64, usize, Vec<u64>) = match value {
            Value::Short(v) => (3, 2, v.clone()),
            Value::Long(v) => (4, 4, v.clone()),
            Value::Bytes(v) => (7, 1, v.iter().map(|&b| b.into()).collect()),
        };
        let mut bytes = Vec::new();
        numbers.iter().for_each(|&v| self.put(&mut bytes, v, size));
        let mut entry = Vec::new();
        self.put(&mut entry, tag.into(), 2);
        self.put(&mut entry, kind, 2);
        self.put(&mut entry, numbers.len() as u64, self.offset_size());
        if bytes.len() > self.offset_size() {
            self.put(&mut entry, out.len() as u64, self.offset_size());
            out.extend(bytes);
        } else {
            bytes.resize(self.offset_size(), 0);
            entry.extend(bytes);
        }
        entry
    }
}

/// An EXIF block, without its prefix, with this orientation.
pub fn exif(orientation: u64, big_endian: bool) -> Vec<u8> {
    let page = Page {
        tags: Vec::new(),
        chunks: Chunks::Bytes(Vec::new()),
        tiled: false,
        inner: None,
    };
    let mut tiff = Tiff::of(page.with(274, Value::Short(vec![orientation])));
    tiff.big_endian = big_endian;
    tiff.file()
}

/// A JPEG stream split in two, as in TIFF: quantisation and Huffman tables, and the rest.
pub fn tables_apart(stream: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut others) = (vec![0xff, 0xd8], vec![0xff, 0xd8]);
    let mut at = 2;
    loop {
        let marker = stream[at + 1];
        let length = usize::from(u16::from_be_bytes([stream[at + 2], stream[at + 3]]));
        let segment = &stream[at..at + 2 + length];
        match marker {
            0xdb | 0xc4 => tables.extend(segment),
            0xda => {
                others.extend(&stream[at..]);
                tables.extend([0xff, 0xd9]);
                return (tables, others);
            }
            _ => others.extend(segment),
        }
        at += 2 + length;
    }
}

/// A PNG of 8 bits a sample.
pub struct Png {
    header: Vec<u8>,
    before: Vec<u8>,
    pixels: Vec<u8>,
    after: Vec<u8>,
}

impl Png {
    /// `colour`: 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha.
    pub fn new(width: u32, height: u32, colour: u8, pixels: &[u8]) -> Png {
        let mut header = width.to_be_bytes().to_vec();
        header.extend(height.to_be_bytes());
        header.extend([8, colour, 0, 0, 0]);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        for row in pixels.chunks(pixels.len() / height as usize) {
            encoder.write_all(&[0]).unwrap();
            encoder.write_all(row).unwrap();
        }
        Png {
            header,
            before: Vec::new(),
            pixels: encoder.finish().unwrap(),
            after: Vec::new(),
        }
    }

    pub fn chunk(mut self, name: &[u8; 4], data: &[u8]) -> Png {
        self.before.extend(png_chunk(name, data));
        self
    }

    pub fn chunk_after(mut self, name: &[u8; 4], data: &[u8]) -> Png {
        self.after.extend(png_chunk(name, data));
        self
    }

    pub fn file(&self) -> Vec<u8> {
        [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            png_chunk(b"IHDR", &self.header),
            self.before.clone(),
            png_chunk(b"IDAT", &self.pixels),
            self.after.clone(),
            png_chunk(b"IEND", &[]),
        ]
        .concat()
    }
}

fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), data].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&named);
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], &named, &sum.sum().to_be_bytes()].concat()
}

/// A WebP file in the extended format: the picture of a simple one, and a further chunk after it.
pub fn webp(simple: &[u8], width: u32, height: u32, name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    const EXIF: u8 = 0x08;
    const XMP: u8 = 0x04;
    let flag = if name == b"EXIF" { EXIF } else { XMP };
    let mut header = vec![flag, 0, 0, 0];
    header.extend(&(width - 1).to_le_bytes()[..3]);
    header.extend(&(height - 1).to_le_bytes()[..3]);
    let chunk = |name: &[u8], data: &[u8]| {
        let mut chunk = [name, &(data.len() as u32).to_le_bytes(), data].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    };
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &header),
        simple[12..].to_vec(),
        chunk(name, data),
    ]
    .concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// A BMP of 32 bits per pixel with a header of version 4, whose masks include alpha.
pub fn bmp_with_alpha(width: i32, height: i32, rgba: &[u8]) -> Vec<u8> {
    const HEADERS: u32 = 14 + 108;
    const BIT_FIELDS: u32 = 3;
    let mut out = b"BM".to_vec();
    out.extend((HEADERS + rgba.len() as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(HEADERS.to_le_bytes());
    out.extend(108_u32.to_le_bytes());
    out.extend(width.to_le_bytes());
    out.extend((-height).to_le_bytes()); // The first row is the upper one.
    out.extend([1, 0, 32, 0]);
    out.extend(BIT_FIELDS.to_le_bytes());
    out.extend([0; 20]);
    for mask in [0x00ff_0000_u32, 0x0000_ff00, 0x0000_00ff, 0xff00_0000] {
        out.extend(mask.to_le_bytes());
    }
    out.resize(HEADERS as usize, 0);
    for pixel in rgba.as_chunks::<4>().0 {
        out.extend([pixel[2], pixel[1], pixel[0], pixel[3]]);
    }
    out
}
