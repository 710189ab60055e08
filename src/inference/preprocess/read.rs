//! What a network is given of a film, before any step.
//!
//! Stored values have the range that their bit depth gives them, as torchxrayvision reads them (`utils.normalize`,
//! `utils.read_xray_dcm`): no rescale, no lookup table, no window, no padding rule. A DICOM file and a PNG of the same
//! samples give the same values.
//!
//! Three cases go beyond the Python code. A file that asks for inversion is inverted, by MONOCHROME1 (as `fix_monochrome`
//! does) and also by its Presentation LUT Shape, because networks were trained on white bones only. A file whose modality
//! transform falls (a negative *Rescale Slope*, a descending Modality LUT) stores the negative of what it declares, so its
//! values are turned once more (PS3.3 C.11.1, C.7.6.3.1.2). Signed samples are shifted by half their range.

use super::picture::{Picture, WHITE_BYTE};
use crate::domain::{
    ColourReading, FilmRange, FilmReading, Radiograph, Region, Samples, ValueDepth,
};
use crate::imaging;

/// The part of a film in a region: one plane of grey, or one for each channel of a colour picture.
pub fn read(reading: &FilmReading, r: &Radiograph, region: Region) -> Picture {
    let size = (region.width, region.height);
    match (reading.range, &r.samples) {
        (FilmRange::Physical, _) => {
            Picture::floats(size, vec![imaging::grey_values_within(r, region)])
        }
        (_, Samples::Rgb8(rgb)) => {
            let planes = colour_planes(rgb, r, reading.colour, region);
            eight_bits(size, planes, reading.depth)
        }
        (FilmRange::Window, _) => {
            Picture::bytes(size, vec![within(&imaging::developed(r), r.width, region)])
        }
        (_, Samples::Grey8(grey)) if r.bits_stored >= 8 => {
            let mut plane = within(grey, r.width, region);
            turn(&mut plane, r.is_stored_inverted());
            eight_bits(size, vec![plane], reading.depth)
        }
        (range, _) => {
            let stored = StoredRange::of(r, range);
            let values = stored_values(r, region);
            match reading.depth {
                ValueDepth::Floats => {
                    Picture::floats(size, vec![values.map(|v| stored.share(v)).collect()])
                }
                ValueDepth::Bytes => {
                    let byte = |v: f32| (stored.share(v) * WHITE_BYTE).round() as u8;
                    Picture::bytes(size, vec![values.map(byte).collect()])
                }
                ValueDepth::BytesDown => {
                    let byte = |v: f32| (stored.exact_share(v) * f64::from(WHITE_BYTE)) as u8;
                    Picture::bytes(size, vec![values.map(byte).collect()])
                }
            }
        }
    }
}

/// Bytes that have the whole range already.
fn eight_bits(size: (usize, usize), planes: Vec<Vec<u8>>, depth: ValueDepth) -> Picture {
    let picture = Picture::bytes(size, planes);
    match depth {
        ValueDepth::Bytes | ValueDepth::BytesDown => picture,
        ValueDepth::Floats => Picture {
            white: 1.0,
            ..picture.mapped(|v| v / WHITE_BYTE)
        },
    }
}

/// The values of a region, row by row.
fn within<T: Copy>(values: &[T], columns: usize, region: Region) -> Vec<T> {
    let rows = values.chunks_exact(columns).skip(region.top);
    let rows = rows.take(region.height);
    rows.flat_map(|row| &row[region.left..][..region.width])
        .copied()
        .collect()
}

/// 255 − v, where the file asks for it.
fn turn(plane: &mut [u8], inverted: bool) {
    if inverted {
        plane.iter_mut().for_each(|v| *v = u8::MAX - *v);
    }
}

/// One plane for each channel, or one of grey.
fn colour_planes(
    rgb: &[u8],
    r: &Radiograph,
    colour: ColourReading,
    region: Region,
) -> Vec<Vec<u8>> {
    let plane = |value: &dyn Fn(&[u8]) -> u8| -> Vec<u8> {
        let rows = rgb.chunks_exact(3 * r.width).skip(region.top);
        let rows = rows.take(region.height);
        let pixels =
            rows.flat_map(|row| row[3 * region.left..][..3 * region.width].chunks_exact(3));
        let mut plane: Vec<u8> = pixels.map(value).collect();
        turn(&mut plane, r.is_stored_inverted());
        plane
    };
    match colour {
        ColourReading::Red => vec![plane(&|pixel| pixel[0])],
        ColourReading::Luma => vec![plane(&pillows_luma)],
        ColourReading::Rgb => Vec::from([0, 1, 2].map(|i| plane(&|pixel| pixel[i]))),
        ColourReading::Bgr => Vec::from([2, 1, 0].map(|i| plane(&|pixel| pixel[i]))),
    }
}

/// `L24` of Pillow: ITU-R BT.601 in whole numbers of 2^−16.
fn pillows_luma(pixel: &[u8]) -> u8 {
    let weighed = pixel.iter().zip([19_595_u32, 38_470, 7_471]);
    let sum: u32 = weighed.map(|(v, weight)| u32::from(*v) * weight).sum();
    ((sum + (1 << 15)) >> 16) as u8
}

/// Grey samples of a region as numbers; signed ones from half their range on.
fn stored_values(r: &Radiograph, region: Region) -> impl Iterator<Item = f32> {
    let half = (largest(r, 16) + 1.0) / 2.0;
    let values: Vec<f32> = match &r.samples {
        Samples::Grey8(v) | Samples::Rgb8(v) => converted(&within(v, r.width, region), f32::from),
        Samples::Grey16(v) => converted(&within(v, r.width, region), f32::from),
        Samples::GreySigned16(v) => converted(&within(v, r.width, region), |v| f32::from(v) + half),
        Samples::GreyF32(v) => within(v, r.width, region),
    };
    values.into_iter()
}

fn converted<T: Copy>(values: &[T], value: impl Fn(T) -> f32) -> Vec<f32> {
    values.iter().map(|v| value(*v)).collect()
}

/// 2^bits − 1.
fn largest(r: &Radiograph, container: u8) -> f32 {
    ((1_u32 << r.bits_stored.clamp(1, container)) - 1) as f32
}

/// Black and white of stored values.
struct StoredRange {
    low: f32,
    high: f32,
    inverted: bool,
    /// Floating point is turned after it has its range.
    is_float: bool,
}

impl StoredRange {
    fn of(r: &Radiograph, range: FilmRange) -> Self {
        let is_float = matches!(r.samples, Samples::GreyF32(_));
        // Floating point has no bit depth.
        let is_its_own = is_float || range == FilmRange::WholeRange;
        let (low, high) = match &r.samples {
            Samples::Grey8(_) | Samples::Rgb8(_) => (0.0, largest(r, 8)),
            _ if is_its_own => ends(r),
            _ => (0.0, largest(r, 16)),
        };
        StoredRange {
            low,
            high,
            inverted: r.is_stored_inverted(),
            is_float,
        }
    }

    /// From 0 for black to 1 for white.
    fn share(&self, value: f32) -> f32 {
        let range = self.high - self.low;
        if range <= 0.0 {
            return if self.inverted && self.is_float {
                1.0
            } else {
                0.0
            };
        }
        match (self.inverted, self.is_float) {
            (false, _) => (value - self.low) / range,
            (true, false) => (self.high - value) / range,
            (true, true) => 1.0 - (value - self.low) / range,
        }
    }

    /// The same in double precision, as numpy divides whole numbers.
    fn exact_share(&self, value: f32) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(f64::from);
        let range = high - low;
        if range <= 0.0 {
            return 0.0;
        }
        let distance = if self.inverted {
            high - value
        } else {
            value - low
        };
        distance / range
    }
}

/// The darkest and the brightest value of a whole film.
fn ends(r: &Radiograph) -> (f32, f32) {
    let whole = Region {
        left: 0,
        top: 0,
        width: r.width,
        height: r.height,
    };
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    stored_values(r, whole).fold(start, |(low, high), v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Lut, PixelTransform, Rescale};

    const FLOATS: FilmReading = FilmReading {
        range: FilmRange::BitDepth,
        depth: ValueDepth::Floats,
        colour: ColourReading::Red,
        channels: 1,
    };

    fn planes(reading: FilmReading, film: &Radiograph) -> Vec<Vec<f32>> {
        let whole = super::super::whole(film);
        read(&reading, film, whole).float_planes()
    }

    /// The first plane of a film in one row, times `scale`.
    fn row(
        reading: FilmReading,
        samples: Samples,
        (bits_stored, inverted): (u8, bool),
        scale: f32,
    ) -> Vec<f32> {
        let pixels = samples.pixels();
        let film = Radiograph {
            bits_stored,
            inverted,
            ..Radiograph::plain(pixels, 1, samples, "test")
        };
        planes(reading, &film)[0]
            .iter()
            .map(|v| v * scale)
            .collect()
    }

    #[test]
    fn the_range_comes_from_the_bit_depth_and_not_from_the_values() {
        let twelve = Samples::Grey16(vec![0, 1365, 4095]);
        assert_eq!(
            row(FLOATS, twelve.clone(), (12, false), 3.0),
            [0.0, 1.0, 3.0]
        );
        assert_eq!(row(FLOATS, twelve, (12, true), 3.0), [3.0, 2.0, 0.0]);
        let eight = Samples::Grey8(vec![51, 204]);
        assert_eq!(row(FLOATS, eight.clone(), (8, false), 5.0), [1.0, 4.0]);
        assert_eq!(row(FLOATS, eight, (8, true), 5.0), [4.0, 1.0]);
        let four = Samples::Grey8(vec![3, 15]);
        assert_eq!(row(FLOATS, four, (4, false), 5.0), [1.0, 5.0]);
        let signed = Samples::GreySigned16(vec![-2048, -683, 2047]);
        assert_eq!(row(FLOATS, signed, (12, false), 3.0), [0.0, 1.0, 3.0]);
    }

    /// Bone is white in each of them, as it is on the screen.
    #[test]
    fn stored_values_are_turned_where_the_modality_transform_falls() {
        let falling = [
            PixelTransform::Linear(Rescale {
                slope: -1.0,
                intercept: 4095.0,
            }),
            PixelTransform::Table(Lut {
                first_input: 0,
                entries: (0..4096).rev().collect(),
                bits: 12,
                explanation: None,
            }),
        ];
        let deep = || Samples::Grey16(vec![0, 1365, 4095]);
        let bytes = || Samples::Grey8(vec![0, 85, 255]);
        let float = || Samples::GreyF32(vec![0.0, 1.0, 3.0]);
        let films = [(deep(), 12), (bytes(), 8), (float(), 32)];
        for (modality_transform, (samples, bits_stored)) in falling
            .into_iter()
            .flat_map(|transform| films.clone().map(|film| (transform.clone(), film)))
        {
            for (inverted, expected) in [(false, [3.0, 2.0, 0.0]), (true, [0.0, 1.0, 3.0])] {
                for range in [FilmRange::BitDepth, FilmRange::WholeRange] {
                    let film = Radiograph {
                        bits_stored,
                        inverted,
                        modality_transform: modality_transform.clone(),
                        ..Radiograph::plain(3, 1, samples.clone(), "test")
                    };
                    let seen = planes(FilmReading { range, ..FLOATS }, &film);
                    let seen: Vec<f32> = seen[0].iter().map(|v| (v * 3.0).round()).collect();
                    assert_eq!(seen, expected, "{range:?} {inverted} {:?}", film.samples);
                }
            }
        }
    }

    #[test]
    fn floating_point_has_its_own_range() {
        let float = Samples::GreyF32(vec![-1.0, 0.0, 3.0]);
        assert_eq!(row(FLOATS, float, (32, true), 1.0), [1.0, 0.75, 0.0]);
        let flat = Samples::GreyF32(vec![7.0; 2]);
        assert_eq!(row(FLOATS, flat, (32, false), 1.0), [0.0; 2]);
    }

    #[test]
    fn bytes_are_rounded_to_the_nearest_or_down() {
        let depth = |depth| FilmReading { depth, ..FLOATS };
        // Times 255 / 4095: 0, 0.996, 1.0 and 254.94.
        let twelve = || Samples::Grey16(vec![0, 16, 17, 4094, 4095]);
        let nearest = row(depth(ValueDepth::Bytes), twelve(), (12, false), 1.0);
        assert_eq!(nearest, [0.0, 1.0, 1.0, 255.0, 255.0]);
        let down = row(depth(ValueDepth::BytesDown), twelve(), (12, false), 1.0);
        assert_eq!(down, [0.0, 0.0, 1.0, 254.0, 255.0]);
        // 8-bit pictures stay as they are.
        let all: Vec<u8> = (0..=255).collect();
        let expected: Vec<f32> = all.iter().map(|v| f32::from(*v)).collect();
        for kept in [ValueDepth::Bytes, ValueDepth::BytesDown] {
            let eight = Samples::Grey8(all.clone());
            assert_eq!(row(depth(kept), eight, (8, false), 1.0), expected);
        }
    }

    #[test]
    fn the_whole_range_is_that_of_the_film_for_more_than_8_bits() {
        let reading = FilmReading {
            range: FilmRange::WholeRange,
            ..FLOATS
        };
        let deep = Samples::Grey16(vec![100, 200, 500]);
        assert_eq!(
            row(reading, deep.clone(), (12, false), 4.0),
            [0.0, 1.0, 4.0]
        );
        assert_eq!(row(reading, deep, (12, true), 4.0), [4.0, 3.0, 0.0]);
        let signed = Samples::GreySigned16(vec![-50, 0, 150]);
        assert_eq!(row(reading, signed, (16, false), 4.0), [0.0, 1.0, 4.0]);
        let flat = Samples::Grey16(vec![7; 2]);
        assert_eq!(row(reading, flat, (16, false), 1.0), [0.0; 2]);
        let eight = Samples::Grey8(vec![51, 102]);
        assert_eq!(row(reading, eight, (8, false), 5.0), [1.0, 2.0]);
    }

    #[test]
    fn colours_are_read_in_the_order_of_the_word() {
        let film = |inverted| Radiograph {
            inverted,
            ..Radiograph::plain(2, 1, Samples::Rgb8(vec![10, 20, 30, 255, 0, 51]), "test")
        };
        let reading = |colour| FilmReading {
            colour,
            ..FilmReading::PICTURE
        };
        let of = |colour, inverted| planes(reading(colour), &film(inverted));
        let rgb = of(ColourReading::Rgb, false);
        assert_eq!(rgb, [[10.0, 255.0], [20.0, 0.0], [30.0, 51.0]]);
        let bgr = of(ColourReading::Bgr, true);
        assert_eq!(bgr, [[225.0, 204.0], [235.0, 255.0], [245.0, 0.0]]);
        assert_eq!(of(ColourReading::Red, false), [[10.0, 255.0]]);
        // Image.fromarray(np.uint8([[[10, 20, 30], [255, 0, 51]]])).convert("L")
        assert_eq!(of(ColourReading::Luma, false), [[18.0, 82.0]]);
    }

    #[test]
    fn a_region_is_what_the_whole_has_there() {
        let grey: Vec<u16> = (0..35).map(|i| i * 100).collect();
        let film = Radiograph::plain(7, 5, Samples::Grey16(grey), "test");
        let region = Region {
            left: 2,
            top: 1,
            width: 3,
            height: 2,
        };
        for range in [
            FilmRange::Window,
            FilmRange::BitDepth,
            FilmRange::WholeRange,
            FilmRange::Physical,
        ] {
            let reading = FilmReading { range, ..FLOATS };
            let all = read(&reading, &film, super::super::whole(&film));
            let part = read(&reading, &film, region);
            assert_eq!(part, all.framed((2, 1), (3, 2), &[0.0]), "{range:?}");
        }
    }

    #[test]
    fn a_window_leaves_8_bits_and_colours_as_they_are() {
        let grey: Vec<u8> = (0..=255).collect();
        let film = Radiograph::plain(16, 16, Samples::Grey8(grey.clone()), "PNG");
        let expected: Vec<f32> = grey.iter().map(|v| f32::from(*v)).collect();
        assert_eq!(planes(FilmReading::PICTURE, &film), [expected]);
    }
}
