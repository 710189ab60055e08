//! `skimage.transform.resize(image, (size, size), mode="constant", preserve_range=True)` of a square
//! `float32` image, scikit-image 0.26 over SciPy 1.17's `ndimage`: a Gaussian against aliasing,
//! linear interpolation, clipping to the range of the input. Beyond its border the image is 0 ("grid-constant"), for
//! the Gaussian as for the interpolation.

/// `gaussian_filter(truncate=4)`.
const TRUNCATE: f64 = 4.0;

/// `size²` values of a square image with `side²`.
pub fn resize(image: &[f32], side: usize, size: usize) -> Vec<f32> {
    if side == size {
        return image.to_vec();
    }
    let axis = ZoomAxis::new(side, size);
    let kernel = Kernel::new((side as f64 / size as f64 - 1.0).max(0.0) / 2.0);
    // Down, then across, as ndimage does, but only the lines that the output needs.
    let rows = kernel.filter_rows(image, side, &axis.lines);
    let mut output = Vec::with_capacity(size * size);
    let mut across: Vec<Vec<f32>> = Vec::with_capacity(axis.lines.len());
    for row in rows.chunks_exact(side) {
        across.push(axis.lines.iter().map(|&x| kernel.at(row, x)).collect());
    }
    for y in &axis.pairs {
        for x in &axis.pairs {
            let line = |i: usize| x.between(|j| f64::from(across[i][j]));
            output.push(y.between(line) as f32);
        }
    }
    clip(image, &mut output);
    output
}

/// `_clip_warp_output`: clips to the range of the input, extended by the 0 beyond the border if that was used.
fn clip(image: &[f32], output: &mut [f32]) {
    let range = |values: &[f32]| {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (low, high)
    };
    let (mut low, mut high) = range(image);
    let (output_low, output_high) = range(output);
    let holds_zero = |low: f32, high: f32| low <= 0.0 && 0.0 <= high;
    if !holds_zero(low, high) && holds_zero(output_low, output_high) {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    for value in output {
        *value = value.clamp(low, high);
    }
}

/// The two kept lines around an output pixel; `None` is beyond the border.
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

/// One axis of `ndimage.zoom(order=1, mode="grid-constant", grid_mode=True)`.
struct ZoomAxis {
    /// The lines of the input that the output needs, in order.
    lines: Vec<usize>,
    /// For each output pixel, its indices in `lines`.
    pairs: Vec<LinePair>,
}

impl ZoomAxis {
    fn new(side: usize, size: usize) -> Self {
        let zoom = side as f64 / size as f64;
        let mut lines: Vec<usize> = Vec::new();
        let mut keep = |line: f64| {
            let line = (0.0..side as f64)
                .contains(&line)
                .then_some(line as usize)?;
            // Output pixels ascend, so that a line that was kept is one of the last two.
            let back = lines.iter().rev().take(2).position(|&kept| kept == line);
            if back.is_none() {
                lines.push(line);
            }
            Some(lines.len() - 1 - back.unwrap_or(0))
        };
        let pairs = (0..size)
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
struct Kernel(Vec<f64>);

impl Kernel {
    fn new(deviation: f64) -> Self {
        // `gaussian_filter` skips an axis below this.
        if deviation <= 1e-15 {
            return Kernel(vec![1.0]);
        }
        let radius = (TRUNCATE * deviation + 0.5) as usize;
        let half: Vec<f64> = (0..=radius)
            .map(|i| (-0.5 / (deviation * deviation) * (i * i) as f64).exp())
            .collect();
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
        Kernel(half.into_iter().map(|w| w / sum).collect())
    }

    /// The filtered value at `x` of a line.
    fn at(&self, line: &[f32], x: usize) -> f32 {
        let value = |x: Option<usize>| x.and_then(|x| line.get(x)).map_or(0.0, |&v| v.into());
        let both = |(i, w): (usize, &f64)| {
            let (before, after) = (value(x.checked_sub(i)), value(Some(x + i)));
            w * (before + after)
        };
        let sides: f64 = self.0.iter().enumerate().skip(1).map(both).sum();
        (self.0[0] * value(Some(x)) + sides) as f32
    }

    /// The rows at `lines` of an image `side` wide, filtered downwards.
    fn filter_rows(&self, image: &[f32], side: usize, lines: &[usize]) -> Vec<f32> {
        let height = image.len() / side;
        let mut filtered = Vec::with_capacity(lines.len() * side);
        let mut sums = vec![0.0_f64; side];
        for &line in lines {
            sums.fill(0.0);
            let mut add = |y: usize, w: f64| {
                let row = &image[y * side..][..side];
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += w * f64::from(*value);
                }
            };
            add(line, self.0[0]);
            for (i, &w) in self.0.iter().enumerate().skip(1) {
                if i <= line {
                    add(line - i, w);
                }
                if line + i < height {
                    add(line + i, w);
                }
            }
            filtered.extend(sums.iter().map(|&sum| sum as f32));
        }
        filtered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let resized = resize(&image, side, size);
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
