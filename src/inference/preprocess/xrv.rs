//! `xrv-224-1`, `xrv-512-1`: torchxrayvision 1.5.7, with its defaults. `utils.normalize` by bit
//! depth, `XRayCenterCrop`, `XRayResizer` (engine skimage).

use super::skimage;
use super::stored::StoredValues;
use crate::domain::{Radiograph, Region};

/// `size²` values. The darkest and brightest value of the bit depth become −1024 and 1024.
pub fn apply(radiograph: &Radiograph, size: usize) -> Vec<f32> {
    let StoredValues { values, max } = StoredValues::first_channel(radiograph);
    let region = centre_crop(radiograph);
    let rows = values.chunks_exact(radiograph.width).skip(region.top);
    let cropped: Vec<f32> = rows
        .take(region.height)
        .flat_map(|row| &row[region.left..][..region.width])
        .map(|v| (2.0 * (v / max) - 1.0) * 1024.0)
        .collect();
    skimage::resize(&cropped, region.width, size)
}

/// `XRayCenterCrop`: the largest square in pixels (not in millimetres), with its integer arithmetic.
pub fn centre_crop(radiograph: &Radiograph) -> Region {
    let (width, height) = (radiograph.width, radiograph.height);
    let side = width.min(height);
    Region {
        left: width / 2 - side / 2,
        top: height / 2 - side / 2,
        width: side,
        height: side,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Samples;

    #[test]
    fn the_crop_is_theirs_to_the_pixel() {
        let crop = |width: usize, height: usize| {
            let samples = Samples::Grey8(vec![0; width * height]);
            let region = centre_crop(&Radiograph::plain(width, height, samples, "test"));
            (region.left, region.top, region.width, region.height)
        };
        assert_eq!(crop(6, 6), (0, 0, 6, 6));
        // x // 2 - size // 2 is 4 − 2, while rounding half of the rest would give 1 or 2.
        assert_eq!(crop(8, 5), (2, 0, 5, 5));
        assert_eq!(crop(5, 8), (0, 2, 5, 5));
        assert_eq!(crop(7, 4), (1, 0, 4, 4));
    }

    #[test]
    fn an_image_of_the_right_size_is_only_scaled() {
        let pixels = (0..224 * 224).map(|i| (i % 256) as u8).collect();
        let radiograph = Radiograph::plain(224, 224, Samples::Grey8(pixels), "test");
        let values = apply(&radiograph, 224);
        assert_eq!((values[0], values[255]), (-1024.0, 1024.0));
        assert!((values[51] - -614.4).abs() < 1e-3, "{}", values[51]);
    }
}
