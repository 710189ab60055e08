//! The preprocessing of cxr's own models, in bands of rows, so that no film is in memory as a whole in single precision.
//! `cxr-1` sees the largest centred square, `cxr-2` the box around the lungs, of any aspect.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::domain::{Radiograph, Region};
use crate::imaging;

/// The percentiles that become −1 and 1: robust to letters, wires and empty borders.
pub const PERCENTILES: [f64; 2] = [1.0, 99.0];
/// Values beyond the percentiles are clipped here.
pub const CLIP: f64 = 1.4;
/// Rows that are converted to `f32` at the same time.
const BAND: usize = 256;
/// Percentiles that differ by less than this share of their size belong to a blank image: the rounding of the filter
/// makes differences of this size.
pub const BLANK: f32 = 1e-6;

/// A region → size × size by an antialiased triangle filter → 1st and 99th percentile to −1 and 1 → clipped to
/// ±1.4. `size²` values.
pub fn apply(radiograph: &Radiograph, region: Region, size: usize) -> Vec<f32> {
    let mut values = resampled(radiograph, region, size);
    normalise(&mut values);
    values
}

/// The largest centred square, in millimetres.
pub fn centre_square(radiograph: &Radiograph) -> Region {
    let (width, height) = (radiograph.width, radiograph.height);
    let tall = height as f64 * radiograph.pixel_aspect;
    let side = tall.min(width as f64);
    let crop_w = (side as usize).clamp(1, width);
    let crop_h = ((side / radiograph.pixel_aspect) as usize).clamp(1, height);
    Region {
        left: (width - crop_w) / 2,
        top: (height - crop_h) / 2,
        width: crop_w,
        height: crop_h,
    }
}

/// Resamples a region to `size` × `size`. The filter is Pillow's `BILINEAR` on mode `F`: a triangle as wide as the
/// reduction, so that no size aliases. Rows are resampled first, in bands, because a whole film in `f32` would be the
/// largest buffer in memory. Each band is copied first, because the resampler would use pixels beyond the edge of a
/// crop.
pub fn resampled(radiograph: &Radiograph, region: Region, size: usize) -> Vec<f32> {
    // The grey of padding depends on the whole film.
    let rows = radiograph.padding.map_or(BAND, |_| region.height);
    let mut narrow = Vec::with_capacity(size * region.height);
    for top in (0..region.height).step_by(rows) {
        let band = Region {
            top: region.top + top,
            height: rows.min(region.height - top),
            ..region
        };
        let values = imaging::grey_values_within(radiograph, band);
        narrow.extend(resized(
            &values,
            (band.width, band.height),
            (size, band.height),
        ));
    }
    resized(&narrow, (size, region.height), (size, size))
}

/// Resamples `from` (columns, rows) to `to`.
fn resized(values: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let bytes = bytemuck::cast_slice(values);
    let source = TypedImageRef::<F32>::from_buffer(from.0 as u32, from.1 as u32, bytes);
    let mut target = TypedImage::<F32>::new(to.0 as u32, to.1 as u32);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source.expect("as many values"), &mut target, &options)
        .expect("neither image is empty");
    target.pixels().iter().map(|pixel| pixel.0).collect()
}

fn normalise(values: &mut [f32]) {
    let Some((low, high)) = percentiles(values, PERCENTILES) else {
        values.fill(0.0);
        return;
    };
    let clip = CLIP as f32;
    for v in values {
        *v = ((*v - low) / (high - low) * 2.0 - 1.0).clamp(-clip, clip);
    }
}

/// Two percentiles, the lower one first. `None` for a blank image.
pub fn percentiles(values: &[f32], percents: [f64; 2]) -> Option<(f32, f32)> {
    let mut ranked = values.to_vec();
    let [low, high] = percents.map(|percent| percentile(&mut ranked, percent));
    let is_blank = high - low <= BLANK * low.abs().max(high.abs());
    (!is_blank).then_some((low, high))
}

/// A percentile as numpy's default (`linear`) has it, between the two nearest ranks. It reorders the values. A complete
/// sort would take a tenth of the network's time.
fn percentile(values: &mut [f32], percent: f64) -> f32 {
    let rank = percent / 100.0 * (values.len() - 1) as f64;
    let part = (rank - rank.floor()) as f32;
    let (_, below, larger) = values.select_nth_unstable_by(rank.floor() as usize, f32::total_cmp);
    let below = *below;
    let above = larger.iter().copied().min_by(f32::total_cmp);
    below + (above.unwrap_or(below) - below) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8], [1, 25, 50, 99])
        let mut values = [4.0, 8.0, 1.0, 2.0];
        for (percent, expected) in [(1.0, 1.03), (25.0, 1.75), (50.0, 3.0), (99.0, 7.88)] {
            assert!(
                (percentile(&mut values, percent) - expected).abs() < 1e-6,
                "{percent}"
            );
        }
    }

    #[test]
    fn a_blank_image_is_zeros_and_a_linear_change_of_the_values_has_no_effect() {
        let mut blank = vec![7.0; 16];
        normalise(&mut blank);
        assert_eq!(blank, [0.0; 16]);

        let mut a: Vec<f32> = (0..100).map(|i| (i as f32).sqrt()).collect();
        let mut b: Vec<f32> = a.iter().map(|v| v * 12.0 - 1024.0).collect();
        normalise(&mut a);
        normalise(&mut b);
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-4);
        }
    }
}
