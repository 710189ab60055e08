//! `cv2.resize` of OpenCV (`resize.cpp`): linear in whole numbers for bytes, areas in single precision. The cubic
//! filter of bytes is that of the packages for x86, which sum in floating point: a byte in ten thousand differs by 1.

use std::ops::Range;

use super::ResizeAxis;
use super::sums::Axes;
use super::taps::Tap;
use super::torch::{four, two};
use crate::domain::ResizeFilter;

/// `INTER_RESIZE_COEF_SCALE`: weights of bytes are whole numbers of 2^−11.
const COEFFICIENT: f32 = 2048.0;
/// A border of a cell that covers less of a pixel than this is left out.
const SLIVER: f64 = 1e-3;

/// A resized plane of bytes.
pub fn bytes(plane: &[u8], x: &ResizeAxis, y: &ResizeAxis, filter: ResizeFilter) -> Vec<u8> {
    let rounded = |values: Vec<f32>| -> Vec<u8> {
        let byte = |v: f32| v.round_ties_even().clamp(0.0, 255.0) as u8;
        values.into_iter().map(byte).collect()
    };
    match method(x, y, filter) {
        OpencvMethod::Linear => linear_bytes(plane, x, y, linear),
        OpencvMethod::AreaLinear => linear_bytes(plane, x, y, area_linear),
        OpencvMethod::Cubic => rounded(axes(x, y, cubic).double(plane)),
        OpencvMethod::Blocks(across, down) => {
            // Four pixels are rounded half up, and all others half to even.
            let of_four = (across, down) == (2, 2);
            let share = 1.0 / (across * down) as f32;
            let byte = |sum: u32| {
                if of_four {
                    ((sum + 2) >> 2) as u8
                } else {
                    (sum as f32 * share).round_ties_even() as u8
                }
            };
            blocks(plane, x, y, (across, down), |block| {
                byte(block.map(|v| u32::from(*v)).sum::<u32>())
            })
        }
        OpencvMethod::Area => rounded(axes(x, y, area).single(plane)),
    }
}

/// A resized plane of floating-point numbers.
pub fn floats(plane: &[f32], x: &ResizeAxis, y: &ResizeAxis, filter: ResizeFilter) -> Vec<f32> {
    match method(x, y, filter) {
        OpencvMethod::Linear => {
            axes(x, y, |axis, pixel| two(place(axis, pixel), axis.from)).double(plane)
        }
        OpencvMethod::AreaLinear => {
            let taps = |axis: &ResizeAxis, pixel| {
                let (before, part) = area_linear(axis, pixel);
                let part = f64::from(part);
                Tap::clamped(before, &[1.0 - part, part], axis.from)
            };
            axes(x, y, taps).double(plane)
        }
        OpencvMethod::Cubic => axes(x, y, cubic).double(plane),
        OpencvMethod::Blocks(across, down) => {
            let share = 1.0 / (across * down) as f32;
            blocks(plane, x, y, (across, down), |block| {
                block.sum::<f32>() * share
            })
        }
        OpencvMethod::Area => axes(x, y, area).single(plane),
    }
}

/// What a filter comes to for these sizes.
enum OpencvMethod {
    Linear,
    /// Between two pixels, at places that suit an enlargement of cells.
    AreaLinear,
    Cubic,
    /// The mean of so many whole pixels, across and down.
    Blocks(usize, usize),
    Area,
}

fn method(x: &ResizeAxis, y: &ResizeAxis, filter: ResizeFilter) -> OpencvMethod {
    let times = |axis: &ResizeAxis| {
        axis.from
            .is_multiple_of(axis.to)
            .then(|| axis.from / axis.to)
    };
    let blocks = times(x).zip(times(y));
    match (filter, blocks) {
        (ResizeFilter::OpencvCubic, _) => OpencvMethod::Cubic,
        // A linear reduction to half the size is made by areas.
        (ResizeFilter::OpencvLinear, Some((2, 2))) => OpencvMethod::Blocks(2, 2),
        (ResizeFilter::OpencvLinear, _) => OpencvMethod::Linear,
        _ if x.from < x.to || y.from < y.to => OpencvMethod::AreaLinear,
        (_, Some((across, down))) => OpencvMethod::Blocks(across, down),
        _ => OpencvMethod::Area,
    }
}

fn axes(x: &ResizeAxis, y: &ResizeAxis, tap: impl Fn(&ResizeAxis, usize) -> Tap) -> Axes {
    let taps = |axis: &ResizeAxis| axis.wanted.clone().map(|pixel| tap(axis, pixel)).collect();
    Axes::new(x.from, taps(x), taps(y))
}

/// The middle of an output pixel among the middles of the input pixels.
fn place(axis: &ResizeAxis, pixel: usize) -> f64 {
    (pixel as f64 + 0.5) * axis.opencv_scale() - 0.5
}

fn cubic(axis: &ResizeAxis, pixel: usize) -> Tap {
    four(place(axis, pixel), axis.from)
}

/// The pixel before an output pixel, and the way to the next one. OpenCV keeps the place of bytes in single precision.
fn linear(axis: &ResizeAxis, pixel: usize) -> (isize, f32) {
    let place = place(axis, pixel) as f32;
    (place.floor() as isize, place - place.floor())
}

/// The same for `INTER_AREA` where a side grows.
fn area_linear(axis: &ResizeAxis, pixel: usize) -> (isize, f32) {
    let before = (pixel as f64 * axis.opencv_scale()).floor();
    let part = (pixel + 1) as f64 - (before + 1.0) * (axis.to as f64 / axis.from as f64);
    let part = part as f32;
    let part = if part <= 0.0 {
        0.0
    } else {
        part - part.floor()
    };
    (before as isize, part)
}

/// The pixels that an output pixel covers: `computeResizeAreaTab`.
fn area(axis: &ResizeAxis, pixel: usize) -> Tap {
    let scale = axis.opencv_scale();
    let start = pixel as f64 * scale;
    let end = start + scale;
    let cell = scale.min(axis.from as f64 - start);
    let after = (end.floor() as usize).min(axis.from - 1);
    let first_whole = (start.ceil() as usize).min(after);
    let before = first_whole as f64 - start;
    let (mut first, mut weights) = (first_whole, Vec::new());
    if before > SLIVER && first_whole > 0 {
        first -= 1;
        weights.push(before / cell);
    }
    weights.extend((first_whole..after).map(|_| 1.0 / cell));
    let rest = end - after as f64;
    if rest > SLIVER {
        weights.push(rest.min(1.0).min(cell) / cell);
    }
    Tap { first, weights }
}

/// Linear interpolation in whole numbers. Across, the pixel at an end has all the weight; down, the row at an end
/// has both weights, which makes another rounding.
fn linear_bytes(
    plane: &[u8],
    x: &ResizeAxis,
    y: &ResizeAxis,
    place: fn(&ResizeAxis, usize) -> (isize, f32),
) -> Vec<u8> {
    let whole = |part: f32| (part * COEFFICIENT).round_ties_even() as i32;
    let pair = |axis: &ResizeAxis, pixel: usize, has_ends: bool| {
        let last = axis.from as isize - 1;
        let (mut before, mut part) = place(axis, pixel);
        if has_ends && (before < 0 || before >= last) {
            (before, part) = (before.clamp(0, last), 0.0);
        }
        let at = |i: isize| i.clamp(0, last) as usize;
        (
            [at(before), at(before + 1)],
            [whole(1.0 - part), whole(part)],
        )
    };
    let columns: Vec<_> = x.wanted.clone().map(|pixel| pair(x, pixel, true)).collect();
    let across = |row: usize| -> Vec<i32> {
        let row = &plane[row * x.from..][..x.from];
        let sum = |([a, b], [p, q]): &([usize; 2], [i32; 2])| {
            i32::from(row[*a]) * p + i32::from(row[*b]) * q
        };
        columns.iter().map(sum).collect()
    };
    let mut bytes = Vec::with_capacity(columns.len() * y.wanted.len());
    for pixel in y.wanted.clone() {
        let ([a, b], [p, q]) = pair(y, pixel, false);
        let (upper, lower) = (across(a), across(b));
        // `VResizeLinear`: each product is cut to 16 bits before the sum.
        let sum = |(s, t): (&i32, &i32)| {
            let sum = ((p * (s >> 4)) >> 16) + ((q * (t >> 4)) >> 16);
            ((sum + 2) >> 2).clamp(0, 255) as u8
        };
        bytes.extend(upper.iter().zip(&lower).map(sum));
    }
    bytes
}

/// A value for each block of `across × down` whole pixels, in the order of the rows.
fn blocks<T: Copy, U>(
    plane: &[T],
    x: &ResizeAxis,
    y: &ResizeAxis,
    (across, down): (usize, usize),
    value: impl Fn(&mut dyn Iterator<Item = &T>) -> U,
) -> Vec<U> {
    let cells = |axis: &ResizeAxis, times: usize| -> Vec<Range<usize>> {
        let cell = |pixel: usize| pixel * times..(pixel + 1) * times;
        axis.wanted.clone().map(cell).collect()
    };
    let columns = cells(x, across);
    let mut values = Vec::with_capacity(columns.len() * y.wanted.len());
    for rows in cells(y, down) {
        for columns in &columns {
            let mut pixels = rows
                .clone()
                .flat_map(|row| &plane[row * x.from..][..x.from][columns.clone()]);
            values.push(value(&mut pixels));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(from: usize, to: usize) -> ResizeAxis {
        ResizeAxis {
            from,
            to,
            wanted: 0..to,
        }
    }

    #[test]
    fn an_area_is_what_an_output_pixel_covers() {
        let tap = |pixel| {
            let tap = area(&axis(7, 3), pixel);
            let rounded = tap.weights.iter().map(|w| (w * 700.0).round() as i32);
            (tap.first, rounded.collect::<Vec<_>>())
        };
        assert_eq!(tap(0), (0, vec![300, 300, 100]));
        assert_eq!(tap(1), (2, vec![200, 300, 200]));
        assert_eq!(tap(2), (4, vec![100, 300, 300]));
    }

    /// `cv2.resize(np.array([[0, 1, 1, 1], [1, 0, 0, 0]], np.uint8), (2, 1), interpolation=cv2.INTER_AREA)`
    #[test]
    fn four_pixels_are_rounded_half_up() {
        let plane = [0, 1, 1, 1, 1, 0, 0, 0];
        for filter in [ResizeFilter::OpencvArea, ResizeFilter::OpencvLinear] {
            assert_eq!(bytes(&plane, &axis(4, 2), &axis(2, 1), filter), [1, 1]);
        }
    }
}
