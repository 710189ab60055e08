//! The pictures in a terminal with the kitty protocol after the bytes that it received, and the similarity
//! of two pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::GrayImage;
use image::imageops::{FilterType, resize};

/// An image that the terminal has, with one placement.
#[derive(Debug)]
pub struct Picture {
    pub id: u32,
    /// Shown with placeholders.
    pub is_virtual: bool,
    pub columns: u16,
    pub rows: u16,
    pub pixels: GrayImage,
}

/// Reads the graphics escapes of the protocol, as a terminal would, and ignores all other bytes.
pub fn pictures(written: &[u8]) -> Vec<Picture> {
    let mut held: Vec<Picture> = Vec::new();
    let mut loading: Option<(String, String)> = None;
    let text = String::from_utf8_lossy(written);
    for escape in text.split("\x1b_G").skip(1) {
        // An incomplete escape changes nothing.
        let Some((escape, _)) = escape.split_once("\x1b\\") else {
            continue;
        };
        let (control, payload) = escape.split_once(';').unwrap_or((escape, ""));
        match (value(control, "a"), loading.take()) {
            (Some("d"), _) => {
                let id = number(control, "i");
                held.retain(|picture| picture.id != id);
            }
            (Some("q"), before) => loading = before,
            (_, before) => {
                let (first, data) = before.unwrap_or_else(|| (control.to_owned(), String::new()));
                let data = data + payload;
                if value(control, "m") == Some("1") {
                    loading = Some((first, data));
                } else {
                    let picture = decoded(&first, &data);
                    held.retain(|other| other.id != picture.id);
                    held.push(picture);
                }
            }
        }
    }
    held
}

fn decoded(control: &str, data: &str) -> Picture {
    assert_eq!(value(control, "f"), Some("100"), "not PNG: {control}");
    let png = STANDARD.decode(data).expect("base64");
    Picture {
        id: number(control, "i"),
        is_virtual: value(control, "U") == Some("1"),
        columns: number(control, "c") as u16,
        rows: number(control, "r") as u16,
        pixels: image::load_from_memory(&png).expect("a PNG").into_luma8(),
    }
}

fn value<'a>(control: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = control.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn number(control: &str, key: &str) -> u32 {
    let text = value(control, key);
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no {key} in {control}"))
}

/// Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861) of `seen` and of `original` in the
/// size of `seen`, over squares of 8 × 8 pixels: 1 if they are equal.
pub fn similarity(seen: &GrayImage, original: &GrayImage) -> f64 {
    const SIDE: u32 = 8;
    let (width, height) = seen.dimensions();
    let original = resize(original, width, height, FilterType::CatmullRom);
    let squares = (0..height / SIDE).flat_map(|y| (0..width / SIDE).map(move |x| (x, y)));
    let values: Vec<f64> = squares
        .map(|(x, y)| {
            let pixels = (0..SIDE * SIDE).map(|i| (x * SIDE + i % SIDE, y * SIDE + i / SIDE));
            similarity_of_square(pixels.map(|(x, y)| {
                let light = |image: &GrayImage| f64::from(image.get_pixel(x, y).0[0]);
                (light(seen), light(&original))
            }))
        })
        .collect();
    assert!(!values.is_empty(), "a picture of {width} × {height}");
    values.iter().sum::<f64>() / values.len() as f64
}

fn similarity_of_square(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut n, mut sums) = (0.0, [0.0; 5]);
    for (a, b) in pairs {
        n += 1.0;
        for (sum, term) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
            *sum += term;
        }
    }
    let [a, b, aa, bb, ab] = sums.map(|sum| sum / n);
    let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let luminance = (2.0 * a * b + c1) / (a * a + b * b + c1);
    let structure = (2.0 * (ab - a * b) + c2) / ((aa - a * a) + (bb - b * b) + c2);
    luminance * structure
}

#[test]
fn only_pictures_that_look_alike_are_similar() {
    let noise = |x: u32, y: u32| ((x * 73 + y * 179).wrapping_mul(2_654_435_761) >> 24) as u8;
    let original = GrayImage::from_fn(64, 64, |x, y| image::Luma([noise(x, y)]));
    let inverted = GrayImage::from_fn(64, 64, |x, y| image::Luma([255 - noise(x, y)]));
    let grey = GrayImage::from_pixel(64, 64, image::Luma([128]));
    assert!((similarity(&original, &original) - 1.0).abs() < 1e-9);
    assert!(similarity(&inverted, &original) < 0.0);
    assert!(similarity(&grey, &original) < 0.2);
}
