//! Pillow's `Image.resize` (`Resample.c`): kernels as wide as the reduction. torchvision's antialiased `resize` of bytes
//! has the same weights, in another precision.

use std::f64::consts::PI;

use super::ResizeAxis;
use super::taps::Tap;
use crate::domain::ResizeFilter;

/// The value of a kernel at a distance from its middle, 0 beyond its support.
type KernelValue = fn(f64) -> f64;

/// The taps of the wanted pixels: `precompute_coeffs`.
pub fn taps(axis: &ResizeAxis, filter: ResizeFilter) -> Vec<Tap> {
    let kernel = kernel(filter);
    axis.wanted
        .clone()
        .map(|pixel| tap(axis, pixel, kernel))
        .collect()
}

/// The largest weight of all pixels of the axis, wanted or not.
pub fn largest_weight(axis: &ResizeAxis, filter: ResizeFilter) -> f64 {
    let kernel = kernel(filter);
    let largest = (0..axis.to).map(|pixel| tap(axis, pixel, kernel).largest());
    largest.fold(0.0, f64::max)
}

fn tap(axis: &ResizeAxis, pixel: usize, (support, kernel): (f64, KernelValue)) -> Tap {
    let scale = axis.from as f64 / axis.to as f64;
    let widened = scale.max(1.0);
    let (support, narrowed) = (support * widened, 1.0 / widened);
    let centre = (pixel as f64 + 0.5) * scale;
    // Casts round down, and negative numbers become 0.
    let first = (centre - support + 0.5) as usize;
    let end = ((centre + support + 0.5) as usize).min(axis.from);
    let weight = |i: usize| kernel((i as f64 - centre + 0.5) * narrowed);
    let mut weights: Vec<f64> = (first..end).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    if sum != 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    Tap { first, weights }
}

/// The support of a kernel at its own size, and the kernel.
pub fn kernel(filter: ResizeFilter) -> (f64, KernelValue) {
    match filter {
        ResizeFilter::PillowBox => (0.5, square),
        ResizeFilter::PillowHamming => (1.0, hamming),
        ResizeFilter::PillowBicubic | ResizeFilter::TorchvisionBicubic => (2.0, bicubic),
        ResizeFilter::PillowLanczos | ResizeFilter::TorchvisionLanczos => (3.0, lanczos),
        // The others do not come here.
        _ => (1.0, triangle),
    }
}

/// Half of a box is open, so that no pixel is in two of them.
fn square(x: f64) -> f64 {
    if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn hamming(x: f64) -> f64 {
    match x.abs() {
        0.0 => 1.0,
        x if x >= 1.0 => 0.0,
        x => {
            let x = x * PI;
            x.sin() / x * (0.54 + 0.46 * x.cos())
        }
    }
}

fn bicubic(x: f64) -> f64 {
    cubic(x, -0.5)
}

/// The cubic convolution of Keys 1981, <https://doi.org/10.1109/TASSP.1981.1163711>.
pub fn cubic(x: f64, a: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (x * PI).sin() / (x * PI)
        }
    };
    if (-3.0..3.0).contains(&x) {
        sinc(x) * sinc(x / 3.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::sums::{Axes, FixedPoint};
    use super::*;

    /// ```python
    /// a = np.fromfunction(lambda y, x: (x * x * 7 + y * 31 + x * y) % 256, (5, 7)).astype(np.uint8)
    /// np.asarray(Image.fromarray(a).resize((3, 4), Image.BILINEAR))
    /// np.asarray(Image.fromarray(a).resize((9, 2), Image.BILINEAR))
    /// ```
    #[test]
    fn it_is_pillows_to_the_last_bit() {
        let pixels = (0..35).map(|i| {
            let (y, x) = (i / 7, i % 7);
            ((x * x * 7 + y * 31 + x * y) % 256) as u8
        });
        let pixels: Vec<u8> = pixels.collect();
        let resized = |width, height| {
            let axis = |from, to| ResizeAxis {
                from,
                to,
                wanted: 0..to,
            };
            let [across, down] = [axis(7, width), axis(5, height)]
                .map(|axis| taps(&axis, ResizeFilter::PillowBilinear));
            Axes::new(7, across, down).fixed(&pixels, [FixedPoint::PILLOW; 2])
        };
        assert_eq!(resized(3, 4), PILLOW_3_4);
        assert_eq!(resized(9, 2), PILLOW_9_2);
        assert_eq!(resized(7, 5), pixels);
    }

    const PILLOW_3_4: [u8; 12] = [17, 79, 175, 54, 118, 149, 92, 149, 127, 128, 183, 123];
    const PILLOW_9_2: [u8; 18] = [
        31, 36, 49, 69, 97, 136, 176, 171, 114, 93, 100, 114, 135, 165, 205, 150, 100, 107,
    ];

    #[test]
    fn every_kernel_ends_at_its_support() {
        for filter in [
            ResizeFilter::PillowBox,
            ResizeFilter::PillowBilinear,
            ResizeFilter::PillowHamming,
            ResizeFilter::PillowBicubic,
            ResizeFilter::PillowLanczos,
        ] {
            let (support, kernel) = kernel(filter);
            assert_eq!(kernel(0.0), 1.0, "{filter:?}");
            assert_eq!(
                [-1.01, 1.01].map(|x| kernel(support * x)),
                [0.0; 2],
                "{filter:?}"
            );
        }
    }
}
