//! The preprocessing of a Keras model that was trained on `load_img(path, target_size=(224, 224)) / 255`: the whole
//! image, resized to a square of red, green and blue by Pillow's `NEAREST`.

use crate::domain::{Radiograph, Samples};
use crate::imaging;

/// Pixels a side.
pub const SIDE: usize = 224;

const WHITE: f32 = 255.0;

/// `3 · 224²` values from 0 to 1: a `[1, 3, 224, 224]` tensor. Grey of 8 bits is not changed. Other grey becomes the
/// 8-bit picture of its own VOI LUT or window, because Keras reads no DICOM, and such a model was trained on exported
/// pictures.
pub fn apply(radiograph: &Radiograph) -> Vec<f32> {
    let columns = nearest(radiograph.width);
    let rows = nearest(radiograph.height);
    let pixel = pixels(radiograph);
    let mut values = vec![0.0; 3 * SIDE * SIDE];
    for (y, row) in rows.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let rgb = pixel(row * radiograph.width + column);
            for (channel, light) in rgb.into_iter().enumerate() {
                values[(channel * SIDE + y) * SIDE + x] = f32::from(light) / WHITE;
            }
        }
    }
    values
}

/// For each of the 224 pixels, the index of its source among `size` pixels, as Pillow's `ImagingScaleAffine` has it: it
/// adds the step repeatedly instead of multiplying it.
fn nearest(size: usize) -> Vec<usize> {
    let step = size as f64 / SIDE as f64;
    let mut at = step * 0.5;
    (0..SIDE)
        .map(|_| {
            let index = at as usize;
            at += step;
            index.min(size - 1)
        })
        .collect()
}

/// Red, green and blue of the pixel with that index.
fn pixels(radiograph: &Radiograph) -> Box<dyn Fn(usize) -> [u8; 3] + '_> {
    match &radiograph.samples {
        Samples::Rgb8(rgb) => {
            let turn = if radiograph.inverted { u8::MAX } else { 0 };
            Box::new(move |i| [0, 1, 2].map(|channel| rgb[3 * i + channel] ^ turn))
        }
        _ => {
            let developed = imaging::developed(radiograph);
            Box::new(move |i| [developed[i]; 3])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.array(Image.fromarray(np.arange(n, dtype=np.int32)[None]).resize((224, 1), NEAREST))`
    #[test]
    fn pixels_are_chosen_as_pillow_chooses_them() {
        assert_eq!(nearest(448)[..4], [1, 3, 5, 7]);
        assert_eq!(nearest(100)[..8], [0, 0, 1, 1, 2, 2, 2, 3]);
        assert_eq!(nearest(1), [0; SIDE]);
        assert_eq!(*nearest(1001).last().unwrap(), 998);
    }

    #[test]
    fn eight_bits_are_not_changed_and_colours_become_planes() {
        let grey: Vec<u8> = (0..SIDE * SIDE).map(|i| (i % 256) as u8).collect();
        let radiograph = Radiograph::plain(SIDE, SIDE, Samples::Grey8(grey.clone()), "PNG");
        let values = apply(&radiograph);
        for channel in values.chunks_exact(SIDE * SIDE) {
            for (value, grey) in channel.iter().zip(&grey) {
                assert_eq!(*value, f32::from(*grey) / 255.0);
            }
        }
        let rgb = [1, 2, 3].repeat(SIDE * SIDE);
        let values = apply(&Radiograph::plain(SIDE, SIDE, Samples::Rgb8(rgb), "PNG"));
        assert_eq!(values[0], 1.0 / 255.0);
        assert_eq!(values[SIDE * SIDE], 2.0 / 255.0);
        assert_eq!(values[2 * SIDE * SIDE], 3.0 / 255.0);
    }
}
