//! `skimage.transform.resize(image, size, preserve_range=True)` of `float32` images, scikit-image 0.26 over SciPy 1.17's
//! `ndimage`: a Gaussian against aliasing, linear interpolation, clipping to the range of the input.

use super::ResizeAxis;

/// `gaussian_filter(truncate=4)`.
const TRUNCATE: f64 = 4.0;

/// The values beyond the border, for the Gaussian as for the interpolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// `mode="reflect"` of scikit-image, "mirror" of ndimage: d c b a b c d, the default.
    Mirrored,
    /// `mode="constant"`, "grid-constant" of ndimage.
    Zero,
}

impl Beyond {
    /// The pixel of a line of `length` that stands at a place; `None` for 0.
    fn pixel(self, place: isize, length: usize) -> Option<usize> {
        match (usize::try_from(place), self) {
            (Ok(inside), _) if inside < length => Some(inside),
            (_, Beyond::Zero) => None,
            (_, Beyond::Mirrored) => {
                let last = length as isize - 1;
                let period = (2 * last).max(1);
                let place = place.rem_euclid(period);
                Some(place.min(period - place).clamp(0, last) as usize)
            }
        }
    }
}

/// The wanted part of each plane of a resized image.
pub fn resized(
    planes: &[Vec<f32>],
    x: &ResizeAxis,
    y: &ResizeAxis,
    beyond: Beyond,
) -> Vec<Vec<f32>> {
    let mut whole: Vec<Vec<f32>> = planes
        .iter()
        .map(|plane| zoomed(plane, x, y, beyond))
        .collect();
    if (x.from, y.from) != (x.to, y.to) {
        clip(planes, &mut whole, beyond);
    }
    let is_whole = x.wanted.len() == x.to && y.wanted.len() == y.to;
    if is_whole {
        return whole;
    }
    let wanted = |plane: &Vec<f32>| -> Vec<f32> {
        let rows = plane.chunks_exact(x.to).skip(y.wanted.start);
        let rows = rows.take(y.wanted.len());
        rows.flat_map(|row| &row[x.wanted.clone()])
            .copied()
            .collect()
    };
    whole.iter().map(wanted).collect()
}

/// `x.to · y.to` values of a plane with `x.from · y.from`.
fn zoomed(plane: &[f32], x: &ResizeAxis, y: &ResizeAxis, beyond: Beyond) -> Vec<f32> {
    if (x.from, y.from) == (x.to, y.to) {
        return plane.to_vec();
    }
    let (columns, rows) = (ZoomAxis::new(x, beyond), ZoomAxis::new(y, beyond));
    let [across, down] = [x, y].map(|axis| Kernel::new(axis, beyond));
    // Down, then across, as ndimage does, but only the lines that the output needs.
    let filtered = down.filter_rows(plane, x.from, &rows.lines);
    let lines: Vec<Vec<f32>> = filtered
        .chunks_exact(x.from)
        .map(|row| columns.lines.iter().map(|&x| across.at(row, x)).collect())
        .collect();
    let mut output = Vec::with_capacity(x.to * y.to);
    for row in &rows.pairs {
        for column in &columns.pairs {
            let line = |i: usize| column.between(|j| f64::from(lines[i][j]));
            output.push(row.between(line) as f32);
        }
    }
    output
}

/// `_clip_warp_output`: clips to the range of the input, extended by the 0 beyond the border if that was used.
fn clip(input: &[Vec<f32>], output: &mut [Vec<f32>], beyond: Beyond) {
    let range = |planes: &[Vec<f32>]| {
        let values = || planes.iter().flatten().copied();
        let low = values().fold(f32::INFINITY, f32::min);
        let high = values().fold(f32::NEG_INFINITY, f32::max);
        (low, high)
    };
    let (mut low, mut high) = range(input);
    let (output_low, output_high) = range(output);
    let holds_zero = |low: f32, high: f32| low <= 0.0 && 0.0 <= high;
    let is_extended =
        beyond == Beyond::Zero && !holds_zero(low, high) && holds_zero(output_low, output_high);
    if is_extended {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    // Values that are no numbers have no range.
    if low <= high {
        for value in output.iter_mut().flatten() {
            *value = value.clamp(low, high);
        }
    }
}

/// The two kept lines around an output pixel; `None` is 0.
struct LinePair {
    first: Option<usize>,
    second: Option<usize>,
    part: f64,
}

impl LinePair {
    fn between(&self, value: impl Fn(usize) -> f64) -> f64 {
        let value = |line: Option<usize>| line.map_or(0.0, &value);
        value(self.first) * (1.0 - self.part) + value(self.second) * self.part
    }
}

/// One axis of `ndimage.zoom(order=1, grid_mode=True)`.
struct ZoomAxis {
    /// The lines of the input that the output needs.
    lines: Vec<usize>,
    /// For each output pixel, its indices in `lines`.
    pairs: Vec<LinePair>,
}

impl ZoomAxis {
    fn new(axis: &ResizeAxis, beyond: Beyond) -> Self {
        let zoom = axis.from as f64 / axis.to as f64;
        let mut lines: Vec<usize> = Vec::new();
        let mut keep = |line: f64| {
            let line = beyond.pixel(line as isize, axis.from)?;
            // Output pixels ascend, so that a line that was kept is one of the last three.
            let back = lines.iter().rev().take(3).position(|&kept| kept == line);
            if back.is_none() {
                lines.push(line);
            }
            Some(lines.len() - 1 - back.unwrap_or(0))
        };
        let pairs = (0..axis.to)
            .map(|pixel| {
                let at = (pixel as f64 + 0.5) * zoom - 0.5;
                let first = at.floor();
                LinePair {
                    first: keep(first),
                    second: keep(first + 1.0),
                    part: at - first,
                }
            })
            .collect();
        ZoomAxis { lines, pairs }
    }
}

/// `_gaussian_kernel1d` from its middle outwards. For a deviation of 0 it has one number.
struct Kernel {
    weights: Vec<f64>,
    beyond: Beyond,
}

impl Kernel {
    /// The Gaussian for a reduction.
    fn new(axis: &ResizeAxis, beyond: Beyond) -> Self {
        let deviation = (axis.from as f64 / axis.to as f64 - 1.0).max(0.0) / 2.0;
        // `gaussian_filter` skips an axis below this.
        let weights = if deviation <= 1e-15 {
            vec![1.0]
        } else {
            let radius = (TRUNCATE * deviation + 0.5) as usize;
            let half: Vec<f64> = (0..=radius)
                .map(|i| (-0.5 / (deviation * deviation) * (i * i) as f64).exp())
                .collect();
            let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
            half.into_iter().map(|w| w / sum).collect()
        };
        Kernel { weights, beyond }
    }

    /// The filtered value at `x` of a line.
    fn at(&self, line: &[f32], x: usize) -> f32 {
        let value = |place: isize| -> f64 {
            let pixel = self.beyond.pixel(place, line.len());
            pixel.map_or(0.0, |pixel| line[pixel].into())
        };
        let x = x as isize;
        let both = |(i, w): (usize, &f64)| {
            let i = i as isize;
            w * (value(x - i) + value(x + i))
        };
        let sides: f64 = self.weights.iter().enumerate().skip(1).map(both).sum();
        (self.weights[0] * value(x) + sides) as f32
    }

    /// The rows at `lines` of an image `width` wide, filtered downwards.
    fn filter_rows(&self, image: &[f32], width: usize, lines: &[usize]) -> Vec<f32> {
        let height = image.len() / width;
        let mut filtered = Vec::with_capacity(lines.len() * width);
        let mut sums = vec![0.0_f64; width];
        for &line in lines {
            sums.fill(0.0);
            let mut add = |place: isize, w: f64| {
                let Some(y) = self.beyond.pixel(place, height) else {
                    return;
                };
                let row = &image[y * width..][..width];
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += w * f64::from(*value);
                }
            };
            let line = line as isize;
            add(line, self.weights[0]);
            for (i, &w) in self.weights.iter().enumerate().skip(1) {
                add(line - i as isize, w);
                add(line + i as isize, w);
            }
            filtered.extend(sums.iter().map(|&sum| sum as f32));
        }
        filtered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(image: &[f32], side: usize, size: usize) -> Vec<f32> {
        let axis = ResizeAxis {
            from: side,
            to: size,
            wanted: 0..size,
        };
        resized(&[image.to_vec()], &axis, &axis, Beyond::Zero).remove(0)
    }

    #[test]
    fn a_mirrored_line_goes_on_backwards() {
        let mirrored = |length| -> Vec<usize> {
            let places = -4..8;
            places
                .filter_map(|place| Beyond::Mirrored.pixel(place, length))
                .collect()
        };
        // np.pad(np.arange(3), (4, 5), mode="reflect")
        assert_eq!(mirrored(3), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(mirrored(1), [0; 12]);
        assert_eq!(mirrored(2), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!([-1, 3].map(|place| Beyond::Zero.pixel(place, 3)), [None; 2]);
    }

    /// ```python
    /// a = np.fromfunction(lambda y, x: x * x * 7 - y * 31 + x * y + offset, (side, side)).astype(np.float32)
    /// skimage.transform.resize(a[None], (1, size, size), mode="constant", preserve_range=True)[0]
    /// ```
    #[test]
    fn resizing_is_scikit_images_with_and_without_zero_in_the_range() {
        for (side, size, offset, expected) in [
            (
                7,
                3,
                0.0,
                &[
                    -14.0645, 40.6455, 148.5128, -76.9243, -17.9058, 107.1664, -128.7981, -73.8998,
                    50.5148,
                ][..],
            ),
            (
                7,
                3,
                500.0,
                &[
                    417.0767, 504.9413, 579.654, 387.3715, 482.0942, 571.4622, 314.0, 390.3959,
                    481.6559,
                ][..],
            ),
            (
                3,
                5,
                -20.0,
                &[
                    -12.8, -13.76, -10.4, -0.32, 5.12, -25.92, -29.44, -25.0, -12.16, -2.88, -40.8,
                    -47.8, -43.0, -29.8, -16.8, -55.68, -66.16, -61.0, -47.44, -30.72, -52.48,
                    -62.72, -58.4, -47.36, -32.0,
                ][..],
            ),
            (
                3,
                5,
                100.0,
                &[
                    64.0, 82.24, 85.6, 95.68, 81.92, 70.08, 90.56, 95.0, 107.84, 93.12, 55.2, 72.2,
                    77.0, 90.2, 79.2, 40.32, 53.84, 59.0, 72.56, 65.28, 38.0, 38.0, 38.0, 48.64,
                    44.8,
                ][..],
            ),
            (
                5,
                5,
                1.0,
                &[
                    1.0, 8.0, 29.0, 64.0, 113.0, -30.0, -22.0, 0.0, 36.0, 86.0, -61.0, -52.0,
                    -29.0, 8.0, 59.0, -92.0, -82.0, -58.0, -20.0, 32.0, -123.0, -112.0, -87.0,
                    -48.0, 5.0,
                ][..],
            ),
        ] {
            let value = |i: usize| {
                let (y, x) = ((i / side) as f32, (i % side) as f32);
                x * x * 7.0 - y * 31.0 + x * y + offset
            };
            let image: Vec<f32> = (0..side * side).map(value).collect();
            let resized = square(&image, side, size);
            for (ours, theirs) in resized.iter().zip(expected) {
                assert!(
                    (ours - theirs).abs() < 1e-3,
                    "{side} to {size}: {resized:?}"
                );
            }
            assert_eq!(resized.len(), expected.len());
        }
    }
}
