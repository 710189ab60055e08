//! A frame between its codec and its samples.

/// The values of one frame, as a codec gives them or as they lie in the file, interleaved.
#[derive(Debug)]
pub(super) struct DecodedFrame {
    pub values: Vec<u32>,
    /// What the compressed stream states; `None` if the values are plain cells of the bits allocated.
    pub stream: Option<StreamFacts>,
    /// Three values are red, green and blue already.
    pub is_rgb: bool,
}

/// What a compressed stream states about its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamFacts {
    /// Bits of a value.
    pub precision: u8,
    /// Values are signed numbers, and not bits that may stand for some. Of these codecs only JPEG 2000
    /// tells the two apart.
    pub signed: bool,
    /// Values differ a little from those that were encoded, in either direction.
    pub lossy: bool,
    /// The precision is that of the samples. Encoders of JPEG 2000 are told it; others are given whole
    /// cells, and theirs is the precision of the cells.
    pub tells_depth: bool,
}
