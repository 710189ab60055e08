//! `chexnet-224-1`: the preprocessing of arnoweng/CheXNet, with one difference. Its evaluation averages ten crops (four
//! corners and the centre, each also mirrored). This is the centre crop alone, so that there is one forward pass and one
//! heat map.
//!
//! RGB → `Resize(256)` (Pillow's bilinear, shorter side) → `CenterCrop(224)` → `ToTensor` →
//! `Normalize` with the mean and deviation of ImageNet. It was made for images of 8 bits. Deeper images
//! are scaled by their bit depth.

use super::pillow::Plane;
use super::stored::StoredValues;
use crate::domain::{Radiograph, Region};

/// `Resize(256)`.
const SHORT_SIDE: usize = 256;
/// `CenterCrop(224)`.
pub const CROP: usize = 224;
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// `3 · 224²` values.
pub fn apply(radiograph: &Radiograph) -> Vec<f32> {
    let planes = planes(radiograph);
    let crops: Vec<Vec<u8>> = planes.iter().map(|plane| crop(plane, radiograph)).collect();
    let channels = MEAN.iter().zip(DEVIATION).enumerate();
    channels
        .flat_map(|(i, (mean, deviation))| {
            // A plane of grey is used for all three.
            let crop = &crops[i.min(crops.len() - 1)];
            crop.iter()
                .map(move |&v| (f32::from(v) / 255.0 - mean) / deviation)
        })
        .collect()
}

/// Red, green and blue, or one plane of grey.
fn planes(radiograph: &Radiograph) -> Vec<Plane> {
    let StoredValues { values, max } = StoredValues::all_channels(radiograph);
    let bytes = values.iter().map(|v| (v / max * 255.0).round() as u8);
    let bytes: Vec<u8> = bytes.collect();
    let channels = radiograph.samples.channels();
    (0..channels)
        .map(|channel| Plane {
            width: radiograph.width,
            height: radiograph.height,
            pixels: bytes
                .iter()
                .skip(channel)
                .step_by(channels)
                .copied()
                .collect(),
        })
        .collect()
}

fn crop(plane: &Plane, radiograph: &Radiograph) -> Vec<u8> {
    let (width, height) = resized(radiograph);
    let plane = plane.resized(width, height);
    let (left, top) = (margin(width), margin(height));
    let rows = plane.pixels.chunks_exact(width).skip(top).take(CROP);
    rows.flat_map(|row| &row[left..][..CROP]).copied().collect()
}

/// `Resize`: the longer side is rounded down to a whole number.
fn resized(radiograph: &Radiograph) -> (usize, usize) {
    let (width, height) = (radiograph.width, radiograph.height);
    if width <= height {
        (SHORT_SIDE, SHORT_SIDE * height / width)
    } else {
        (SHORT_SIDE * width / height, SHORT_SIDE)
    }
}

/// `CenterCrop`: `int(round((side - 224) / 2.0))`. Python rounds halves to even.
fn margin(side: usize) -> usize {
    ((side - CROP) as f64 / 2.0).round_ties_even() as usize
}

/// The crop, in the pixels of the file.
pub fn centre_crop(radiograph: &Radiograph) -> Region {
    let (resized_width, resized_height) = resized(radiograph);
    let stored = |at: usize, resized: usize, side: usize| {
        (at as f64 * side as f64 / resized as f64).round() as usize
    };
    let axis = |resized: usize, side: usize| {
        let start = stored(margin(resized), resized, side);
        let end = stored(margin(resized) + CROP, resized, side);
        (start, end.min(side).max(start + 1) - start)
    };
    let (left, width) = axis(resized_width, radiograph.width);
    let (top, height) = axis(resized_height, radiograph.height);
    Region {
        left,
        top,
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Samples;

    fn film(width: usize, height: usize) -> Radiograph {
        let samples = Samples::Grey8(vec![100; width * height]);
        Radiograph::plain(width, height, samples, "test")
    }

    #[test]
    fn the_crop_is_torchvisions_and_lies_where_the_map_is_drawn() {
        // int(256 * 900 / 600) = 384; round(80) and round(16)
        assert_eq!(resized(&film(900, 600)), (384, 256));
        assert_eq!((margin(384), margin(256)), (80, 16));
        // int(round(32.5)) is 32, int(round(33.5)) is 34.
        assert_eq!((margin(289), margin(291)), (32, 34));
        let region = centre_crop(&film(900, 600));
        // 80 · 900 / 384 = 187.5, 304 · 900 / 384 = 712.5, and 16 · 600 / 256 = 37.5.
        assert_eq!((region.left, region.width), (188, 525));
        assert_eq!((region.top, region.height), (38, 525));
        let tiny = centre_crop(&film(1, 1));
        assert_eq!((tiny.width, tiny.height), (1, 1));
    }

    #[test]
    fn grey_is_three_times_the_same_plane_and_colour_is_not() {
        let values = apply(&film(300, 260));
        assert_eq!(values.len(), 3 * CROP * CROP);
        for (channel, plane) in values.chunks_exact(CROP * CROP).enumerate() {
            let expected = (100.0 / 255.0 - MEAN[channel]) / DEVIATION[channel];
            assert!(plane.iter().all(|v| (v - expected).abs() < 1e-6));
        }
        let pixels = [255, 0, 128].repeat(300 * 260);
        let colour = Radiograph::plain(300, 260, Samples::Rgb8(pixels), "test");
        let values = apply(&colour);
        assert!((values[0] - (1.0 - MEAN[0]) / DEVIATION[0]).abs() < 1e-6);
        assert!((values[CROP * CROP] - -MEAN[1] / DEVIATION[1]).abs() < 1e-6);
    }
}
