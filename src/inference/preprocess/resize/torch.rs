//! PyTorch's `interpolate` on the CPU (`UpSampleKernel.cpp`, `UpSample.h`): places in single precision for floats and
//! in double precision for bytes.

use super::ResizeAxis;
use super::pillow::{self, cubic};
use super::taps::Tap;
use crate::domain::ResizeFilter;

/// The a of cubic convolution, without antialiasing. With it, it is −0.5 as in Pillow.
pub const CUBIC: f64 = -0.75;

/// With antialiasing, of floats: `compute_indices_weights_aa`. For bytes, see [`pillow::taps`].
pub fn antialiased_taps(axis: &ResizeAxis, filter: ResizeFilter) -> Vec<Tap> {
    let (support, kernel) = pillow::kernel(filter);
    let scale = axis.from as f32 / axis.to as f32;
    let (support, narrowed) = if scale >= 1.0 {
        (support as f32 * scale, (1.0 / f64::from(scale)) as f32)
    } else {
        (support as f32, 1.0)
    };
    let tap = |pixel: usize| {
        let centre = (f64::from(scale) * (pixel as f64 + 0.5)) as f32;
        // Casts round down, and negative numbers become 0.
        let first = (f64::from(centre - support) + 0.5) as usize;
        let end = ((f64::from(centre + support) + 0.5) as usize).min(axis.from);
        let weight = |i: usize| {
            let place = (f64::from(i as f32 - centre) + 0.5) * f64::from(narrowed);
            kernel(f64::from(place as f32))
        };
        let mut weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Tap { first, weights }
    };
    axis.wanted.clone().map(tap).collect()
}

/// Without antialiasing, of floats: `area_pixel_compute_source_index`.
pub fn single_neighbour_taps(axis: &ResizeAxis, filter: ResizeFilter) -> Vec<Tap> {
    let scale = axis.from as f32 / axis.to as f32;
    let tap = |pixel: usize| {
        let place = scale * (pixel as f32 + 0.5) - 0.5;
        neighbours(f64::from(place), axis.from, filter)
    };
    axis.wanted.clone().map(tap).collect()
}

/// Without antialiasing, of bytes.
pub fn neighbour_taps(axis: &ResizeAxis, filter: ResizeFilter) -> Vec<Tap> {
    let tap = |pixel: usize| neighbour_tap(axis, pixel, filter);
    axis.wanted.clone().map(tap).collect()
}

/// The largest weight of all pixels of the axis in [`neighbour_taps`], wanted or not.
pub fn largest_neighbour_weight(axis: &ResizeAxis, filter: ResizeFilter) -> f64 {
    let largest = (0..axis.to).map(|pixel| neighbour_tap(axis, pixel, filter).largest());
    largest.fold(0.0, f64::max)
}

fn neighbour_tap(axis: &ResizeAxis, pixel: usize, filter: ResizeFilter) -> Tap {
    let place = (pixel as f64 + 0.5) * (axis.from as f64 / axis.to as f64) - 0.5;
    neighbours(place, axis.from, filter)
}

/// The two or four pixels around a place. Beyond the ends, the last pixel goes on.
fn neighbours(place: f64, from: usize, filter: ResizeFilter) -> Tap {
    if filter == ResizeFilter::TorchBicubic {
        four(place, from)
    } else {
        two(place, from)
    }
}

/// Linear interpolation between two pixels.
pub fn two(place: f64, from: usize) -> Tap {
    let before = place.floor();
    let part = place - before;
    Tap::clamped(before as isize, &[1.0 - part, part], from)
}

/// Cubic convolution of four pixels.
pub fn four(place: f64, from: usize) -> Tap {
    let before = place.floor();
    let part = place - before;
    let weights = [1.0 + part, part, 1.0 - part, 2.0 - part].map(|x| cubic(x, CUBIC));
    Tap::clamped(before as isize - 1, &weights, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_around_the_place() {
        let tap = two(1.25, 4);
        assert_eq!((tap.first, tap.weights), (1, vec![0.75, 0.25]));
        assert_eq!(two(-0.25, 4).weights, [1.0]);
        let tap = two(3.0, 4);
        assert_eq!((tap.first, tap.weights.iter().sum::<f64>()), (3, 1.0));
        let tap = four(1.5, 4);
        // The kernel at 1.5 and 0.5, for a = −0.75.
        assert_eq!(tap.weights, [-0.09375, 0.59375, 0.59375, -0.09375]);
        assert_eq!(four(0.5, 4).weights, [0.5, 0.59375, -0.09375]);
    }
}
