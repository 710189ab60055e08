//! JPEG-LS, ITU-T T.87 (ISO/IEC 14495-1): lossless and near-lossless, 2 to 16 bits, components
//! after each other or interleaved by line or by sample.
//!
//! Names are those of the recommendation: `ra` is the value to the left, `rb` above, `rc` above
//! left, `rd` above right. Section numbers refer to its annexes.

mod bits;
mod context;
mod scan;

use crate::imaging::ImageFault;
use crate::imaging::big_endian::u16_at;
use crate::imaging::jpeg_markers::{JPEG_LS_FRAME, JpegFrameHeader, JpegMarkers, START_OF_SCAN};
use scan::ScanDecoder;

/// A decoded picture.
pub(super) struct JpegLsImage {
    /// Row by row, components interleaved.
    pub values: Vec<u32>,
    /// Bits of a value.
    pub precision: u8,
    /// Some scan is near-lossless.
    pub lossy: bool,
}

/// The frame header and the coding parameters (C.2).
#[derive(Clone, Copy)]
struct JpegLsHeader {
    precision: u8,
    rows: usize,
    columns: usize,
    components: usize,
    preset: CodingParameters,
}

/// Preset coding parameters (C.2.4.1.1); zero stands for the default.
#[derive(Clone, Copy, Default)]
struct CodingParameters {
    maxval: i32,
    t1: i32,
    t2: i32,
    t3: i32,
    reset: i32,
}

/// The order of components in a scan.
#[derive(Clone, Copy, PartialEq)]
enum Interleave {
    None,
    SampleLine,
    Sample,
}

/// Decodes a stream whose size has been checked already.
pub(super) fn decode(stream: &[u8]) -> Result<JpegLsImage, ImageFault> {
    let mut markers = JpegMarkers::new(stream);
    let mut header: Option<JpegLsHeader> = None;
    let mut preset = CodingParameters::default();
    let mut planes: Vec<Vec<u16>> = Vec::new();
    let mut lossy = false;
    while let Some(segment) = markers.segment() {
        let data = segment.data;
        match segment.marker {
            // The size of the first was checked. Another one could ask for any amount of memory.
            JPEG_LS_FRAME if header.is_some() => return Err(damaged("a second frame header")),
            JPEG_LS_FRAME => header = Some(frame_header(data)?),
            0xf8 if data.first() == Some(&1) => preset = preset_parameters(data)?,
            0xdd if data.iter().any(|&b| b != 0) => {
                return Err(ImageFault::unsupported("JPEG-LS with restart intervals"));
            }
            0xe8 if data.starts_with(b"mrfx") && data.get(4) != Some(&0) => {
                return Err(ImageFault::unsupported("JPEG-LS with a colour transform"));
            }
            START_OF_SCAN => {
                let header = header.ok_or_else(|| damaged("a scan before the frame header"))?;
                let header = JpegLsHeader { preset, ..header };
                let coded = markers.entropy_coded(is_marker);
                let scan = decoded_scan(&header, data, coded)?;
                planes.extend(scan.planes);
                lossy |= scan.near > 0;
                if planes.len() >= header.components {
                    return interleaved(&header, &planes, lossy);
                }
            }
            _ => {}
        }
    }
    Err(damaged("not every component has a scan"))
}

/// In entropy-coded data, 0xFF is followed by a byte below 0x80 (A.1).
fn is_marker(after_ones: u8) -> bool {
    after_ones >= 0x80
}

fn damaged(reason: &str) -> ImageFault {
    ImageFault::damaged(format!("JPEG-LS: {reason}"))
}

fn interleaved(
    header: &JpegLsHeader,
    planes: &[Vec<u16>],
    lossy: bool,
) -> Result<JpegLsImage, ImageFault> {
    if planes.len() != header.components {
        return Err(damaged("more components than the frame header says"));
    }
    let pixels = header.rows * header.columns;
    let values = (0..pixels)
        .flat_map(|i| planes.iter().map(move |plane| plane[i].into()))
        .collect();
    Ok(JpegLsImage {
        values,
        precision: header.precision,
        lossy,
    })
}

fn frame_header(data: &[u8]) -> Result<JpegLsHeader, ImageFault> {
    let frame =
        JpegFrameHeader::read(data).ok_or_else(|| damaged("the frame header is cut off"))?;
    if !(2..=16).contains(&frame.precision) || !(1..=4).contains(&frame.components) {
        return Err(damaged("impossible precision or number of components"));
    }
    Ok(JpegLsHeader {
        precision: frame.precision,
        rows: frame.rows.into(),
        columns: frame.columns.into(),
        components: frame.components.into(),
        preset: CodingParameters::default(),
    })
}

/// Five numbers after the kind of the segment.
fn preset_parameters(data: &[u8]) -> Result<CodingParameters, ImageFault> {
    let number = |i: usize| -> Result<i32, ImageFault> {
        let number = u16_at(data, 1 + 2 * i);
        let number = number.ok_or_else(|| damaged("preset parameters are cut off"))?;
        Ok(i32::from(number))
    };
    Ok(CodingParameters {
        maxval: number(0)?,
        t1: number(1)?,
        t2: number(2)?,
        t3: number(3)?,
        reset: number(4)?,
    })
}

/// A decoded scan.
struct Scan {
    /// One for each of its components.
    planes: Vec<Vec<u16>>,
    /// The largest error of a value; 0 if the scan is lossless.
    near: u8,
}

fn decoded_scan(header: &JpegLsHeader, segment: &[u8], coded: &[u8]) -> Result<Scan, ImageFault> {
    let cut_off = || damaged("a scan header is cut off");
    let components = usize::from(*segment.first().ok_or_else(cut_off)?);
    let parameters = segment
        .get(1 + 2 * components..3 + 2 * components)
        .ok_or_else(cut_off)?;
    let interleave = match parameters[1] {
        0 => Interleave::None,
        1 => Interleave::SampleLine,
        2 => Interleave::Sample,
        _ => return Err(damaged("an unknown way of interleaving")),
    };
    if components == 0 || components > header.components {
        return Err(damaged("an impossible number of components in a scan"));
    }
    if interleave == Interleave::None && components > 1 {
        return Err(damaged("components of a scan that are not interleaved"));
    }
    let near = parameters[0];
    let mut decoder = ScanDecoder::new(header, near.into(), coded)?;
    let planes = decoder.planes(header, components, interleave)?;
    Ok(Scan { planes, near })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_frame_header_cannot_ask_for_more_memory() {
        let frame = |side: u16| -> Vec<u8> {
            let mut segment = vec![0xff, JPEG_LS_FRAME, 0, 11, 16];
            segment.extend(side.to_be_bytes());
            segment.extend(side.to_be_bytes());
            segment.extend([1, 1, 0x11, 0]);
            segment
        };
        let scan = [0xff, START_OF_SCAN, 0, 8, 1, 1, 0, 0, 0, 0, 0, 0];
        let stream = [&[0xff, 0xd8][..], &frame(4), &frame(u16::MAX), &scan].concat();
        let fault = decode(&stream).err().map(|fault| fault.to_string());
        assert_eq!(
            fault.as_deref(),
            Some("damaged: JPEG-LS: a second frame header")
        );
    }
}
