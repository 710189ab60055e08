//! JPEG 2000 files: a codestream alone (`.j2k`, `.jpc`) or in the boxes of JP2 and its kin (`.jp2`,
//! `.jph`), ITU-T T.800 annexes A and I; HTJ2K (T.814) alike.
//!
//! Sizes are read from the codestream and compared with the limits before the decoder sees it.

use crate::imaging::{DecodeLimits, ImageFault};

#[cfg(not(feature = "jpeg2000"))]
use super::RasterPicture;

#[cfg(not(feature = "jpeg2000"))]
pub(super) fn decode(_: &[u8], _: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    Err(ImageFault::unsupported(
        "JPEG 2000: this program was built without it (feature jpeg2000)",
    ))
}

#[cfg(feature = "jpeg2000")]
pub(super) use with_decoder::decode;

#[cfg(feature = "jpeg2000")]
mod with_decoder {
    use jpeg2k::{ColorSpace, Image, ImageComponent};

    use super::super::channels::{grey_or_rgb8, grey_or_rgb16, rgb_of_cmyk, rgb_of_ycc};
    use super::super::{RasterPicture, alpha};
    use super::{DecodeLimits, ImageFault};
    use crate::domain::Samples;
    use crate::imaging::jpeg_2000::CodestreamSize;

    pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
        /// The component in the decoder, its coefficients, and the samples made from it.
        const BYTES_PER_VALUE: u64 = 12;
        let size = CodestreamSize::of(bytes);
        let size =
            size.ok_or_else(|| ImageFault::damaged("the JPEG 2000 file has no size marker"))?;
        let (width, height, components) = (size.width, size.height, size.components);
        limits.check_picture(width, height, BYTES_PER_VALUE * u64::from(components))?;
        let image =
            Image::from_bytes(bytes).map_err(|e| ImageFault::damaged(format!("JPEG 2000: {e}")))?;
        let planes = Planes::of(&image, width, height)?;
        let (samples, bits_stored) = planes.samples()?;
        Ok(RasterPicture {
            bits_stored,
            transparent: planes.transparent(),
            ..RasterPicture::plain(width, height, samples, "JPEG 2000")
        })
    }

    /// The components of a picture: its colours, and its alpha if it has one.
    struct Planes<'a> {
        colours: Vec<&'a ImageComponent>,
        alpha: Option<&'a ImageComponent>,
        space: ColorSpace,
        width: usize,
        height: usize,
    }

    impl<'a> Planes<'a> {
        fn of(image: &'a Image, width: u32, height: u32) -> Result<Planes<'a>, ImageFault> {
            let all = image.components();
            if all.is_empty() || all.iter().any(|c| !is_whole(c)) {
                return Err(ImageFault::damaged("JPEG 2000: a component has no samples"));
            }
            let mut colours: Vec<_> = all.iter().filter(|c| !c.is_alpha()).collect();
            let mut alpha = all.iter().find(|c| c.is_alpha());
            let space = match image.color_space() {
                // Subsampled colours without a stated colour space are luma and colour differences.
                ColorSpace::Unknown | ColorSpace::Unspecified | ColorSpace::SRGB
                    if colours.len() == 3 && colours[1].width() < colours[0].width() =>
                {
                    ColorSpace::SYCC
                }
                space => space,
            };
            let needed = match (space, colours.len()) {
                (_, 0) => return Err(ImageFault::damaged("JPEG 2000 without colour components")),
                (ColorSpace::CMYK, 4..) => 4,
                (ColorSpace::CMYK, 3) => {
                    return Err(ImageFault::damaged("JPEG 2000 with three of four inks"));
                }
                (ColorSpace::Gray, _) | (_, 1 | 2) => 1,
                _ => 3,
            };
            // A bare codestream does not state what a surplus component is: it is taken as alpha.
            if alpha.is_none() && colours.len() == needed + 1 {
                alpha = colours.pop();
            }
            colours.truncate(needed);
            let planes = Planes {
                colours,
                alpha,
                space,
                width: width as usize,
                height: height as usize,
            };
            match planes.first() {
                first if first.width() != width || first.height() != height => Err(
                    ImageFault::unsupported("JPEG 2000 whose first component is subsampled"),
                ),
                _ => Ok(planes),
            }
        }

        fn first(&self) -> &'a ImageComponent {
            self.colours[0]
        }

        fn transparent(&self) -> Option<u8> {
            let alpha = self.alpha?;
            alpha::share(alpha.data().iter().copied(), top(alpha))
        }

        /// The samples, and the bits of a sample if they may be fewer than its type has.
        fn samples(&self) -> Result<(Samples, Option<u8>), ImageFault> {
            let bits = self.first().precision();
            match (self.colours.len(), self.first().is_signed()) {
                (1, true) if bits <= 16 => Ok((
                    Samples::GreySigned16(self.first().data().iter().map(|&v| v as i16).collect()),
                    Some(bits as u8),
                )),
                (1, false) if bits <= 8 => Ok((Samples::Grey8(self.bytes(self.first())), None)),
                (1, false) if bits <= 16 => Ok((
                    Samples::Grey16(clamped(self.first()).map(|v| v as u16).collect()),
                    Some(bits as u8),
                )),
                (1, _) => Ok((
                    Samples::GreyF32(self.first().data().iter().map(|&v| v as f32).collect()),
                    None,
                )),
                (3, false) if self.is_plain_rgb16() => Ok(self.rgb16()),
                (_, false) => Ok((grey_or_rgb8(self.rgb8()), None)),
                (_, true) => Err(ImageFault::unsupported(
                    "JPEG 2000 with colours that are signed",
                )),
            }
        }

        fn is_plain_rgb16(&self) -> bool {
            let first = self.first();
            let alike = |c: &&ImageComponent| {
                c.precision() == first.precision() && c.width() == first.width()
            };
            (9..=16).contains(&first.precision())
                && !matches!(self.space, ColorSpace::SYCC | ColorSpace::EYCC)
                && self.colours.iter().all(alike)
        }

        /// Colours of more than 8 bits, which may all be grey.
        fn rgb16(&self) -> (Samples, Option<u8>) {
            let mut rgb = vec![0; self.width * self.height * 3];
            for (channel, component) in self.colours.iter().enumerate() {
                let values = rgb.iter_mut().skip(channel).step_by(3);
                for (value, sample) in values.zip(clamped(component)) {
                    *value = sample as u16;
                }
            }
            match grey_or_rgb16(&rgb) {
                grey @ Samples::Grey16(_) => (grey, Some(self.first().precision() as u8)),
                colour => (colour, None),
            }
        }

        fn rgb8(&self) -> Vec<u8> {
            let planes: Vec<Vec<u8>> = self.colours.iter().map(|c| self.bytes(c)).collect();
            let at = |plane: usize, i: usize| planes[plane][i];
            let pixels = 0..self.width * self.height;
            match self.space {
                ColorSpace::CMYK => pixels
                    .flat_map(|i| rgb_of_cmyk([0, 1, 2, 3].map(|p| at(p, i).into()), 255))
                    .collect(),
                ColorSpace::SYCC | ColorSpace::EYCC => pixels
                    .flat_map(|i| rgb_of_ycc([0, 1, 2].map(|p| at(p, i).into())))
                    .collect(),
                _ => pixels.flat_map(|i| [0, 1, 2].map(|p| at(p, i))).collect(),
            }
        }

        /// A component at the picture's size, scaled to 8 bits. Signed components, which only colour
        /// differences are, are shifted to unsigned values.
        fn bytes(&self, component: &ImageComponent) -> Vec<u8> {
            let top = i64::from(top(component)).max(1);
            let half = if component.is_signed() {
                top / 2 + 1
            } else {
                0
            };
            let byte = |v: i64| (((v + half).clamp(0, top) * 255 + top / 2) / top) as u8;
            let (columns, rows) = (component.width() as usize, component.height() as usize);
            let mut bytes = Vec::with_capacity(self.width * self.height);
            for y in 0..self.height {
                let row = &component.data()[y * rows / self.height * columns..][..columns];
                let column = |x: usize| x * columns / self.width;
                bytes.extend((0..self.width).map(|x| byte(row[column(x)].into())));
            }
            bytes
        }
    }

    /// Whether a component has all its data. The library leaves it without data if the codestream is
    /// malformed.
    fn is_whole(component: &ImageComponent) -> bool {
        let size = u64::from(component.width()) * u64::from(component.height());
        size > 0 && component.data().len() as u64 == size && component.precision() > 0
    }

    /// The largest value that the bits of a component allow.
    fn top(component: &ImageComponent) -> i32 {
        i32::MAX >> (31 - component.precision().clamp(1, 31))
    }

    /// Samples limited to the range of their bits, which lossy compression may exceed.
    fn clamped(component: &ImageComponent) -> impl Iterator<Item = i32> {
        let top = top(component);
        component.data().iter().map(move |&v| v.clamp(0, top))
    }
}
