//! The markers of a JPEG or JPEG-LS stream (ITU-T T.81 B.1.1, T.87 C.1.1), found without decoding.

use super::big_endian::u16_at;

/// Start of frame of JPEG-LS (T.87 C.1.1).
pub(super) const JPEG_LS_FRAME: u8 = 0xf7;
pub(super) const START_OF_SCAN: u8 = 0xda;
pub(super) const END_OF_IMAGE: u8 = 0xd9;

/// A marker and its data, which are empty for a marker that stands alone (T.81 B.1.1.4).
pub(super) struct JpegSegment<'a> {
    pub marker: u8,
    pub data: &'a [u8],
}

/// Steps through a stream from marker to marker. Segments are stepped over by their length, because
/// a thumbnail inside one has markers of its own.
pub(super) struct JpegMarkers<'a> {
    rest: &'a [u8],
}

impl<'a> JpegMarkers<'a> {
    /// Begins after the start-of-image marker, which is two bytes.
    pub fn new(stream: &'a [u8]) -> Self {
        JpegMarkers {
            rest: stream.get(2..).unwrap_or_default(),
        }
    }

    /// The segment that begins here, after any fill bytes. `None` if no marker stands here, or if the
    /// stream ends inside the segment.
    pub fn segment(&mut self) -> Option<JpegSegment<'a>> {
        while self.rest.starts_with(&[0xff, 0xff]) {
            self.rest = &self.rest[1..];
        }
        let &[0xff, marker, ..] = self.rest else {
            return None;
        };
        let length = if stands_alone(marker) {
            0
        } else {
            // The length counts its own two bytes. Less is an error, and then only they are skipped.
            usize::from(u16_at(self.rest, 2)?).max(2)
        };
        let (segment, rest) = self.rest.split_at_checked(2 + length)?;
        self.rest = rest;
        let data = segment.get(4..).unwrap_or_default();
        Some(JpegSegment { marker, data })
    }

    /// The entropy-coded bytes before the next marker, or all that are left. `is_marker` takes the
    /// byte after 0xFF: which values a coder stuffs there differs between JPEG and JPEG-LS.
    pub fn entropy_coded(&mut self, is_marker: impl Fn(u8) -> bool) -> &'a [u8] {
        let mut pairs = self.rest.windows(2);
        let next = pairs.position(|pair| pair[0] == 0xff && is_marker(pair[1]));
        let (coded, rest) = self.rest.split_at(next.unwrap_or(self.rest.len()));
        self.rest = rest;
        coded
    }
}

/// TEM, restart markers, start and end of image.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd9)
}

/// All segments of a JPEG, those between and after its scans too. Ends where a segment is cut off.
pub(super) fn all_segments(jpeg: &[u8]) -> impl Iterator<Item = JpegSegment<'_>> {
    const STUFFED: u8 = 0x00;
    const FILL: u8 = 0xff;
    let mut markers = JpegMarkers::new(jpeg);
    std::iter::from_fn(move || {
        markers.entropy_coded(|byte| !matches!(byte, STUFFED | FILL));
        markers.segment()
    })
}

/// The frame header (T.81 B.2.2, T.87 C.2.2), without its table of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JpegFrameHeader {
    /// Bits of a sample.
    pub precision: u8,
    pub rows: u16,
    pub columns: u16,
    pub components: u8,
}

impl JpegFrameHeader {
    /// From the data of a start-of-frame segment; `None` if they are cut off.
    pub fn read(data: &[u8]) -> Option<Self> {
        Some(JpegFrameHeader {
            precision: *data.first()?,
            rows: u16_at(data, 1)?,
            columns: u16_at(data, 3)?,
            components: *data.get(5)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_between_fill_bytes_scans_and_stuffed_bytes() {
        let mut jpeg = vec![0xff, 0xd8];
        // A comment that holds an end-of-image marker.
        jpeg.extend([0xff, 0xff, 0xfe, 0, 4, 0xff, 0xd9]);
        jpeg.extend([0xff, 0xda, 0, 3, 1]);
        jpeg.extend([7, 0xff, 0, 7, 0xff, 0xd0, 7, 0xff, 0xff, 0xd9]);
        let found: Vec<_> = all_segments(&jpeg)
            .map(|segment| (segment.marker, segment.data.to_vec()))
            .collect();
        let expected = [
            (0xfe, vec![0xff, 0xd9]),
            (START_OF_SCAN, vec![1]),
            (0xd0, vec![]),
            (END_OF_IMAGE, vec![]),
        ];
        assert_eq!(found, expected);
        for cut in 0..jpeg.len() {
            assert!(all_segments(&jpeg[..cut]).count() < expected.len());
        }
    }

    #[test]
    fn a_frame_header_has_its_numbers_in_big_endian_order() {
        let data = [12, 1, 2, 3, 4, 1, 1, 0x11, 0];
        let header = JpegFrameHeader {
            precision: 12,
            rows: 0x0102,
            columns: 0x0304,
            components: 1,
        };
        assert_eq!(JpegFrameHeader::read(&data), Some(header));
        assert_eq!(JpegFrameHeader::read(&data[..5]), None);
    }
}
