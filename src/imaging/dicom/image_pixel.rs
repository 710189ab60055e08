//! How the pixel data are to be read: the attributes of the Image Pixel module, PS3.3 C.7.6.3.

use dicom_dictionary_std::tags;

use super::super::ImageFault;
use super::elements::{Attributes, OVERLAY_BIT_POSITIONS};

/// Shape and encoding of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImagePixel {
    pub columns: u32,
    pub rows: u32,
    pub samples_per_pixel: u8,
    pub bits_allocated: u8,
    pub bits_stored: u8,
    pub high_bit: u8,
    pub signed: bool,
    /// The picture has been through lossy compression (PS3.3 C.7.6.1.1.5).
    pub lossy: bool,
    /// An overlay lies in the unused bits of the samples (PS3.5 8.1.1).
    pub hides_overlay: bool,
    /// Colour by plane: all red values first, then all green ones, then all blue ones.
    pub planar: bool,
    pub colour: Colour,
    pub frames: u32,
}

/// Photometric interpretations that can be turned into grey or RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    /// Uncompressed, and two pixels share a pair of colour differences.
    YbrFull422,
    /// The JPEG 2000 decoder turns these into RGB itself.
    YbrOfJpeg2000,
}

impl Colour {
    pub fn is_grey(self) -> bool {
        matches!(self, Colour::Monochrome1 | Colour::Monochrome2)
    }
}

impl Attributes {
    /// The picture's shape and encoding, checked against each other.
    pub fn picture(&self) -> Result<ImagePixel, ImageFault> {
        let samples_per_pixel = self.small(tags::SAMPLES_PER_PIXEL)?.unwrap_or(1);
        let bits_allocated = self
            .small(tags::BITS_ALLOCATED)?
            .ok_or_else(|| ImageFault::damaged("Bits Allocated is missing"))?;
        let high_bit = self.small(tags::HIGH_BIT)?;
        let bits_stored = match (self.small(tags::BITS_STORED)?, high_bit) {
            (Some(bits), _) => bits,
            (None, Some(high_bit @ 1..)) => high_bit.saturating_add(1),
            (None, _) => bits_allocated,
        };
        // It orders the bytes of colours. For grey values it means nothing, and may be anything.
        let planar = samples_per_pixel > 1 && self.small(tags::PLANAR_CONFIGURATION)? == Some(1);
        let picture = ImagePixel {
            columns: self.size(tags::COLUMNS)?,
            rows: self.size(tags::ROWS)?,
            samples_per_pixel,
            bits_allocated,
            bits_stored,
            high_bit: high_bit.unwrap_or(bits_stored.saturating_sub(1)),
            signed: self.small(tags::PIXEL_REPRESENTATION)? == Some(1),
            lossy: self.code(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01"),
            hides_overlay: OVERLAY_BIT_POSITIONS
                .into_iter()
                .any(|tag| self.integer(tag).unwrap_or(0) != 0),
            planar,
            colour: self.colour(samples_per_pixel)?,
            frames: self
                .integer(tags::NUMBER_OF_FRAMES)
                .and_then(|v| u32::try_from(v).ok())
                .map_or(1, |v| v.max(1)),
        };
        picture.check()?;
        if picture.colour.is_grey() {
            self.check_sign(tags::RESCALE_SLOPE)?;
        }
        Ok(picture)
    }

    /// Whether stored values have a sign.
    pub fn signed(&self) -> bool {
        self.integer(tags::PIXEL_REPRESENTATION) == Some(1)
    }

    fn colour(&self, samples_per_pixel: u8) -> Result<Colour, ImageFault> {
        let name = self.code(tags::PHOTOMETRIC_INTERPRETATION);
        Ok(match (name.as_deref(), samples_per_pixel) {
            (Some("MONOCHROME1"), 1) => Colour::Monochrome1,
            (Some("MONOCHROME2") | None, 1) => Colour::Monochrome2,
            (Some("PALETTE COLOR"), 1) => Colour::Palette,
            (Some("RGB") | None, 3) => Colour::Rgb,
            (Some("YBR_FULL"), 3) => Colour::YbrFull,
            (Some("YBR_FULL_422"), 3) => Colour::YbrFull422,
            (Some("YBR_RCT" | "YBR_ICT"), 3) => Colour::YbrOfJpeg2000,
            (name, n) => {
                return Err(ImageFault::unsupported(format!(
                    "photometric interpretation {} with {n} samples per pixel",
                    name.unwrap_or("not stated")
                )));
            }
        })
    }

    /// The padding value and the limit of its range as they are written (PS3.3 C.7.5.1.1.2).
    pub fn padding(&self) -> Option<(i64, Option<i64>)> {
        let value = self.integer(tags::PIXEL_PADDING_VALUE)?;
        Some((value, self.integer(tags::PIXEL_PADDING_RANGE_LIMIT)))
    }

    /// Lowest and highest padding value of samples with 32 bits, or in floating point (PS3.3 C.7.6.24).
    pub fn wide_padding(&self) -> Option<(f64, f64)> {
        let pairs = [
            (
                tags::FLOAT_PIXEL_PADDING_VALUE,
                tags::FLOAT_PIXEL_PADDING_RANGE_LIMIT,
            ),
            (
                tags::DOUBLE_FLOAT_PIXEL_PADDING_VALUE,
                tags::DOUBLE_FLOAT_PIXEL_PADDING_RANGE_LIMIT,
            ),
            (tags::PIXEL_PADDING_VALUE, tags::PIXEL_PADDING_RANGE_LIMIT),
        ];
        let (value, limit) = pairs.into_iter().find_map(|(value, limit)| {
            let value = self.number(value)?;
            Some((value, self.number(limit).unwrap_or(value)))
        })?;
        Some((value.min(limit), value.max(limit)))
    }
}

impl ImagePixel {
    fn check(&self) -> Result<(), ImageFault> {
        if !matches!(self.bits_allocated, 1 | 8 | 16 | 32 | 64) {
            return Err(self.bits_unsupported());
        }
        let bits = 1..=self.bits_allocated;
        let stored = bits.contains(&self.bits_stored) && self.high_bit < self.bits_allocated;
        if !stored || self.high_bit + 1 < self.bits_stored {
            return Err(ImageFault::damaged(format!(
                "{} bits stored up to bit {} of {} allocated",
                self.bits_stored, self.high_bit, self.bits_allocated
            )));
        }
        Ok(())
    }

    pub fn bits_unsupported(&self) -> ImageFault {
        ImageFault::unsupported(format!("{} bits allocated", self.bits_allocated))
    }

    /// Bytes of one frame without compression.
    pub fn frame_bytes(&self) -> usize {
        (self.samples() * usize::from(self.bits_allocated)).div_ceil(8)
    }

    /// Samples of one frame.
    pub fn samples(&self) -> usize {
        self.columns as usize * self.rows as usize * usize::from(self.samples_per_pixel)
    }
}
