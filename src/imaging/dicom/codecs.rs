//! Decompression of one frame: RLE, JPEG, JPEG-LS, JPEG 2000 and deflate.
//!
//! Whatever size a stream declares for itself is compared with what the data set says, before
//! anything is decoded.

use dicom_dictionary_std::uids;

use super::super::jpeg::{FrameSamples, Jpeg, Transform};
#[cfg(feature = "jpeg2000")]
use super::super::jpeg_2000::CodestreamSize;
use super::super::{DecodeLimits, ImageFault};
use super::attributes::{Colour, ImagePixel};
use super::{inflate, jpeg_ls};

/// Values of one frame as a codec yields them, interleaved.
#[derive(Debug)]
pub(super) struct DecodedFrame {
    pub values: Vec<u32>,
    /// What the stream says of them; `None` where it is nothing but the bits allocated.
    pub stream: Option<Stream>,
    /// Three values are red, green and blue, and not yet to be converted to it.
    pub is_rgb: bool,
}

/// What a compressed stream says of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// Bits of a value.
    pub precision: u8,
    /// Values are signed numbers, and not bits that may stand for some: of these codecs JPEG 2000
    /// alone knows the difference.
    pub signed: bool,
    /// Values are near those that were encoded, on either side of them.
    pub lossy: bool,
    /// The precision is that of the samples, and not of the cells that they came in: encoders of JPEG
    /// 2000 are told it, and others are handed whole cells.
    pub tells_depth: bool,
}

/// Families of transfer syntaxes that one decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Uncompressed,
    Deflate,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Codec {
    /// The codec that a stream starts like, whatever its syntax says: archives pass on what they have
    /// under the name of another family.
    fn of(stream: &[u8]) -> Option<Codec> {
        const CODESTREAM: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
        const JP2_FILE: [u8; 8] = *b"\0\0\0\x0cjP  ";
        if stream.starts_with(&CODESTREAM) || stream.starts_with(&JP2_FILE) {
            return Some(Codec::Jpeg2000);
        }
        let jpeg = Some(stream).filter(|stream| stream.starts_with(&[0xff, 0xd8, 0xff]))?;
        match JpegHeader::find(jpeg)?.marker {
            0xf7 => Some(Codec::JpegLs),
            _ => Some(Codec::Jpeg),
        }
    }
}

/// A private syntax of GE: implicit and little endian but for its pixels, which are big-endian words.
pub(super) const BIG_ENDIAN_PIXELS: &str = "1.2.840.113619.5.2";

/// PS3.5 section 10 and PS3.6 annex A, with names for people.
const SYNTAXES: [(&str, &str, Option<Codec>); 26] = [
    (
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        "implicit little endian",
        None,
    ),
    (
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        "explicit little endian",
        None,
    ),
    ("1.2.840.10008.1.2.2", "explicit big endian", None),
    (uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "deflated", None),
    (BIG_ENDIAN_PIXELS, "big-endian pixels", None),
    (
        uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
        "uncompressed, encapsulated",
        Some(Codec::Uncompressed),
    ),
    (
        uids::DEFLATED_IMAGE_FRAME_COMPRESSION,
        "deflated frames",
        Some(Codec::Deflate),
    ),
    (uids::RLE_LOSSLESS, "RLE", Some(Codec::Rle)),
    (uids::JPEG_BASELINE8_BIT, "JPEG baseline", Some(Codec::Jpeg)),
    (
        uids::JPEG_EXTENDED12_BIT,
        "JPEG extended",
        Some(Codec::Jpeg),
    ),
    (uids::JPEG_LOSSLESS, "JPEG lossless", Some(Codec::Jpeg)),
    (uids::JPEG_LOSSLESS_SV1, "JPEG lossless", Some(Codec::Jpeg)),
    // Retired progressive processes.
    (
        "1.2.840.10008.1.2.4.53",
        "JPEG spectral selection",
        Some(Codec::Jpeg),
    ),
    (
        "1.2.840.10008.1.2.4.55",
        "JPEG progressive",
        Some(Codec::Jpeg),
    ),
    (
        uids::JPEGLS_LOSSLESS,
        "JPEG-LS lossless",
        Some(Codec::JpegLs),
    ),
    (uids::JPEGLS_NEAR_LOSSLESS, "JPEG-LS", Some(Codec::JpegLs)),
    (
        uids::JPEG2000_LOSSLESS,
        "JPEG 2000 lossless",
        Some(Codec::Jpeg2000),
    ),
    (uids::JPEG2000, "JPEG 2000", Some(Codec::Jpeg2000)),
    (uids::JPEGXL_LOSSLESS, "JPEG XL lossless", None),
    (uids::JPEGXLJPEG_RECOMPRESSION, "JPEG XL", None),
    (uids::JPEGXL, "JPEG XL", None),
    (
        uids::HTJ2K_LOSSLESS,
        "HTJ2K lossless",
        Some(Codec::Jpeg2000),
    ),
    (
        uids::HTJ2K_LOSSLESS_RPCL,
        "HTJ2K lossless",
        Some(Codec::Jpeg2000),
    ),
    (uids::HTJ2K, "HTJ2K", Some(Codec::Jpeg2000)),
    (uids::MPEG2MPML, "MPEG-2 video", None),
    (uids::MPEG4HP41, "MPEG-4 video", None),
];

/// Those that have no room for loss. Others of JPEG 2000 hold either, and a reversible stream that was
/// cut to a rate looks like a whole one.
const LOSSLESS: [&str; 6] = [
    uids::JPEG_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEGLS_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::HTJ2K_LOSSLESS,
    uids::HTJ2K_LOSSLESS_RPCL,
];

/// A transfer syntax in words; its identifier, if it has none here.
pub(super) fn name(syntax: &str) -> &str {
    SYNTAXES
        .iter()
        .find(|(uid, ..)| *uid == syntax)
        .map_or(syntax, |(_, name, _)| name)
}

/// Decompresses a frame.
pub(super) fn decode(
    picture: &ImagePixel,
    stream: &[u8],
    syntax: &str,
    limits: &DecodeLimits,
) -> Result<DecodedFrame, ImageFault> {
    let codec = SYNTAXES
        .iter()
        .find(|(uid, ..)| *uid == syntax)
        .and_then(|(.., codec)| *codec);
    let codec = match codec {
        Some(Codec::Uncompressed | Codec::Deflate | Codec::Rle) => codec,
        _ => Codec::of(stream).or(codec),
    };
    let decoded = match codec {
        Some(Codec::Uncompressed) => plain(picture, stream),
        Some(Codec::Deflate) => {
            inflate(stream, limits.max_memory).and_then(|frame| plain(picture, &frame))
        }
        Some(Codec::Rle) => rle(picture, stream),
        Some(Codec::Jpeg) => jpeg(picture, stream, limits),
        Some(Codec::JpegLs) => jpeg_ls(picture, stream),
        Some(Codec::Jpeg2000) => jpeg_2000(picture, stream, !LOSSLESS.contains(&syntax)),
        None => {
            return Err(ImageFault::unsupported(format!(
                "pixel data compressed as {}",
                name(syntax)
            )));
        }
    }?;
    if decoded.values.len() != picture.samples() {
        return Err(ImageFault::damaged(format!(
            "{} holds {} values, {} needed",
            name(syntax),
            decoded.values.len(),
            picture.samples()
        )));
    }
    let precision = decoded.stream.map_or(0, |stream| stream.precision);
    if precision > picture.bits_allocated {
        return Err(ImageFault::damaged(format!(
            "the compressed stream has {precision} bits a sample, the data set allocates {}",
            picture.bits_allocated
        )));
    }
    Ok(decoded)
}

/// Little-endian values without compression.
fn plain(picture: &ImagePixel, frame: &[u8]) -> Result<DecodedFrame, ImageFault> {
    let needed = picture.frame_bytes();
    let frame = frame.get(..needed).ok_or_else(|| {
        ImageFault::damaged(format!("a frame of {} bytes, {needed} needed", frame.len()))
    })?;
    let value = |bytes: &[u8]| bytes.iter().rev().fold(0, |v, &b| v << 8 | u32::from(b));
    let values: Vec<u32> = match picture.bits_allocated {
        1 => super::frame::bits(frame.iter().copied(), picture.samples()),
        bits => frame
            .chunks_exact(usize::from(bits / 8))
            .map(value)
            .collect(),
    };
    let values = if picture.planar && picture.samples_per_pixel == 3 {
        super::frame::interleaved(&values)
    } else {
        values
    };
    Ok(DecodedFrame {
        values,
        stream: None,
        is_rgb: picture.colour == Colour::Rgb,
    })
}

/// PS3.5 annex G: a segment for each byte of each sample, the most significant byte first.
fn rle(picture: &ImagePixel, stream: &[u8]) -> Result<DecodedFrame, ImageFault> {
    let cut_off = || ImageFault::damaged("RLE segments lie outside the frame");
    let number = |at: usize| {
        let bytes = stream.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or_else(cut_off)
    };
    let channels = usize::from(picture.samples_per_pixel);
    let size = usize::from(picture.bits_allocated.div_ceil(8));
    if number(0)? as usize != channels * size {
        return Err(ImageFault::damaged(format!(
            "{} RLE segments, {} needed",
            number(0)?,
            channels * size
        )));
    }
    if picture.bits_allocated == 1 {
        let packed = stream.get(number(4)? as usize..).ok_or_else(cut_off)?;
        let bytes: Vec<u8> = PackBits::new(packed).take(picture.frame_bytes()).collect();
        return plain(picture, &bytes);
    }
    let mut values = vec![0_u32; picture.samples()];
    for segment in 0..channels * size {
        let start = number(4 + 4 * segment)? as usize;
        let end = match segment + 1 {
            last if last == channels * size => stream.len(),
            next => number(4 + 4 * next)? as usize,
        };
        let packed = stream.get(start..end).ok_or_else(cut_off)?;
        let shift = 8 * (size - 1 - segment % size);
        let mut bytes = PackBits::new(packed);
        for value in values.iter_mut().skip(segment / size).step_by(channels) {
            let byte = bytes
                .next()
                .ok_or_else(|| ImageFault::damaged("an RLE segment ends early"))?;
            *value |= u32::from(byte) << shift;
        }
    }
    Ok(DecodedFrame {
        values,
        stream: None,
        is_rgb: picture.colour == Colour::Rgb,
    })
}

/// The bytes that a packed RLE segment stands for (PS3.5 G.3.2).
struct PackBits<'a> {
    packed: &'a [u8],
    literal: usize,
    repeated: usize,
}

impl<'a> PackBits<'a> {
    fn new(packed: &'a [u8]) -> Self {
        PackBits {
            packed,
            literal: 0,
            repeated: 0,
        }
    }

    fn pop(&mut self) -> Option<u8> {
        let (&first, rest) = self.packed.split_first()?;
        self.packed = rest;
        Some(first)
    }
}

impl Iterator for PackBits<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            if self.literal > 0 {
                self.literal -= 1;
                return self.pop();
            }
            if self.repeated > 1 {
                self.repeated -= 1;
                return self.packed.first().copied();
            }
            if self.repeated == 1 {
                self.repeated = 0;
                return self.pop();
            }
            match self.pop()? as i8 {
                n @ 0.. => self.literal = n as usize + 1,
                -128 => {}
                n => self.repeated = (1 - isize::from(n)) as usize,
            }
        }
    }
}

/// What the frame header of a JPEG or JPEG-LS stream says (ITU-T T.81 B.2.2, T.87 C.2.2).
struct JpegHeader {
    rows: u16,
    columns: u16,
    components: u8,
    /// Which process: 0xC0 baseline, 0xC1 extended, 0xC3 lossless, 0xF7 JPEG-LS …
    marker: u8,
    /// The colour transform that an Adobe segment states.
    adobe: Option<u8>,
    /// There is a JFIF segment.
    jfif: bool,
    /// The identifiers of the first three components; 0 where there are fewer.
    ids: [u8; 3],
}

impl JpegHeader {
    /// Reads marker segments up to the frame header; `None` if there is none.
    fn find(stream: &[u8]) -> Option<JpegHeader> {
        let (mut adobe, mut jfif) = (None, false);
        let mut at = 2;
        loop {
            while stream.get(at..at + 2)? == [0xff, 0xff] {
                at += 1; // Fill bytes.
            }
            let (mark, marker) = (*stream.get(at)?, *stream.get(at + 1)?);
            let length = u16::from_be_bytes([*stream.get(at + 2)?, *stream.get(at + 3)?]);
            let segment = stream.get(at + 4..at + 2 + usize::from(length))?;
            match marker {
                _ if mark != 0xff => return None,
                0xc4 | 0xc8 | 0xcc => {}
                0xc0..=0xcf | 0xf7 => {
                    let &[_precision, r1, r0, c1, c0, components, ..] = segment else {
                        return None;
                    };
                    let rows = u16::from_be_bytes([r1, r0]);
                    let columns = u16::from_be_bytes([c1, c0]);
                    return Some(JpegHeader {
                        rows,
                        columns,
                        components,
                        marker,
                        adobe,
                        jfif,
                        ids: [6, 9, 12].map(|at| segment.get(at).copied().unwrap_or(0)),
                    });
                }
                0xe0 => jfif |= segment.starts_with(b"JFIF\0"),
                0xee if segment.starts_with(b"Adobe") => adobe = segment.get(11).copied(),
                0xda => return None,
                _ => {}
            }
            at += 2 + usize::from(length);
        }
    }

    fn of(stream: &[u8], picture: &ImagePixel) -> Result<JpegHeader, ImageFault> {
        let header = JpegHeader::find(stream)
            .ok_or_else(|| ImageFault::damaged("the compressed stream has no frame header"))?;
        same_size(
            picture,
            (
                header.columns.into(),
                header.rows.into(),
                header.components.into(),
            ),
        )?;
        Ok(header)
    }
}

/// The stream's columns, rows and components against those of the data set.
fn same_size(picture: &ImagePixel, stream: (u32, u32, u32)) -> Result<(), ImageFault> {
    let expected = (
        picture.columns,
        picture.rows,
        u32::from(picture.samples_per_pixel),
    );
    if stream == expected {
        return Ok(());
    }
    Err(ImageFault::damaged(format!(
        "the compressed stream is {} × {} × {}, the data set says {} × {} × {}",
        stream.0, stream.1, stream.2, expected.0, expected.1, expected.2
    )))
}

/// JPEG with 8 or 12 bits, or lossless with up to 16 (ITU-T T.81).
fn jpeg(
    picture: &ImagePixel,
    stream: &[u8],
    limits: &DecodeLimits,
) -> Result<DecodedFrame, ImageFault> {
    let header = JpegHeader::of(stream, picture)?;
    if header.components == 4 {
        return Err(ImageFault::unsupported("JPEG of four colours"));
    }
    let lossless = header.marker == 0xc3;
    let transform = if picture.samples_per_pixel == 3 && jpeg_is_rgb(picture, &header) {
        Transform::Keep
    } else {
        Transform::ByStream
    };
    let frame = Jpeg::new(stream, limits)?.decode(transform)?;
    let values = match frame.samples {
        FrameSamples::Bits8(values) => values.into_iter().map(u32::from).collect(),
        FrameSamples::Bits16(values) => values.into_iter().map(u32::from).collect(),
    };
    // The lossless process never transforms colours, the others have done so by now.
    let is_rgb = !lossless || picture.colour == Colour::Rgb;
    let stream = Stream {
        precision: frame.precision,
        signed: false,
        lossy: !lossless,
        tells_depth: false,
    };
    Ok(DecodedFrame {
        values,
        stream: Some(stream),
        is_rgb,
    })
}

/// Whether three components are RGB as they are. An Adobe segment knows best; then JFIF, which
/// knows YCbCr only, and the names of the components; then the data set, which is often left as it
/// was before compression.
fn jpeg_is_rgb(picture: &ImagePixel, header: &JpegHeader) -> bool {
    match (header.adobe, header.ids) {
        (Some(transform), _) => transform == 0,
        (None, [1, 2, 3]) => false,
        (None, _) if header.jfif => false,
        (None, [b'R', b'G', b'B']) => true,
        (None, _) => picture.colour == Colour::Rgb,
    }
}

/// JPEG-LS (ITU-T T.87).
fn jpeg_ls(picture: &ImagePixel, stream: &[u8]) -> Result<DecodedFrame, ImageFault> {
    JpegHeader::of(stream, picture)?;
    let frame = jpeg_ls::decode(stream)?;
    let stream = Stream {
        precision: frame.precision,
        signed: false,
        lossy: frame.lossy,
        tells_depth: false,
    };
    Ok(DecodedFrame {
        values: frame.values,
        stream: Some(stream),
        is_rgb: picture.colour == Colour::Rgb,
    })
}

/// JPEG 2000 (ITU-T T.800) and its high-throughput coding of blocks (T.814), with or without the boxes
/// of a JP2 file around it.
#[cfg(feature = "jpeg2000")]
fn jpeg_2000(picture: &ImagePixel, stream: &[u8], lossy: bool) -> Result<DecodedFrame, ImageFault> {
    let size = CodestreamSize::of(stream)
        .ok_or_else(|| ImageFault::damaged("the JPEG 2000 stream has no size marker"))?;
    same_size(picture, (size.width, size.height, size.components.into()))?;
    let image = jpeg2k::Image::from_bytes(stream)
        .map_err(|e| ImageFault::damaged(format!("JPEG 2000: {e}")))?;
    let components = image.components();
    let pixels = picture.columns as usize * picture.rows as usize;
    if components.len() != usize::from(picture.samples_per_pixel)
        || components.iter().any(|c| c.data().len() != pixels)
    {
        return Err(ImageFault::unsupported(
            "JPEG 2000 with components of different sizes",
        ));
    }
    let planes: Vec<&[i32]> = components.iter().map(|c| c.data()).collect();
    let values = (0..pixels)
        .flat_map(|i| planes.iter().map(move |plane| plane[i] as u32))
        .collect();
    let stream = components.first().map(|c| Stream {
        precision: c.precision().clamp(1, 32) as u8,
        signed: c.is_signed(),
        lossy,
        tells_depth: true,
    });
    let is_rgb = picture.colour != Colour::YbrFull;
    Ok(DecodedFrame {
        values,
        stream,
        is_rgb,
    })
}

#[cfg(not(feature = "jpeg2000"))]
fn jpeg_2000(_: &ImagePixel, _: &[u8], _: bool) -> Result<DecodedFrame, ImageFault> {
    Err(ImageFault::unsupported(
        "JPEG 2000: this program was built without it (feature jpeg2000)",
    ))
}
