//! Preprocessing files give the numbers of Pillow, torchvision, PyTorch, OpenCV, scikit-image, transformers and timm.
//!
//! The numbers in `tests/data/parity_recipes.json` are made by `training/parity_recipes.py`, which lets each library
//! prepare pictures that are formulas:
//!
//! ```python
//! np.asarray(Image.fromarray(small(width, height)).resize((side, side), Image.BICUBIC))      # one filter
//! ViTImageProcessor()(Image.fromarray(colour(width, height)))["pixel_values"]                # a whole recipe
//! ```

use std::fs;
use std::path::Path;

use cxr::domain::{Radiograph, Samples};
use cxr::inference::{Preprocess, parse_recipe};
use serde_json::Value;

/// Largest difference of a value from 0 to 1, or normalised.
const PIXEL: f64 = 1e-5;
/// The same, where values go from 0 to 255.
const BYTE: f64 = 255.0 * PIXEL;

fn reference() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity_recipes.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn number(case: &Value, name: &str) -> usize {
    case[name].as_u64().unwrap() as usize
}

fn list<'a>(case: &'a Value, name: &str) -> &'a [Value] {
    case[name].as_array().unwrap()
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap()
}

fn prepared(recipe: &str, film: &Radiograph) -> (Preprocess, Vec<f32>) {
    let recipe = parse_recipe(recipe).unwrap_or_else(|error| panic!("{error}: {recipe}"));
    let preprocess = Preprocess::by(&recipe).unwrap();
    let values = preprocess.apply(film, None);
    (preprocess, values)
}

/// The script's `small`.
fn small(width: usize, height: usize) -> Radiograph {
    let value = |i: usize| {
        let (y, x) = (i / width, i % width);
        ((x * x * 7 + y * 31 + x * y * 3) % 256) as u8
    };
    let grey = (0..width * height).map(value).collect();
    Radiograph::plain(width, height, Samples::Grey8(grey), "made")
}

#[test]
fn every_filter_is_its_librarys() {
    let reference = reference();
    let cases = list(&reference, "filters");
    assert!(
        cases.len() >= 19 * 7 * 2,
        "the file of numbers lost its filters"
    );
    for case in cases {
        let (filter, depth) = (text(case, "filter"), text(case, "depth"));
        let film = small(number(case, "width"), number(case, "height"));
        let recipe = format!(
            "preprocess = \"recipe-1\"\n[preprocessing]\n\
             film = {{ values = \"bit-depth\", depth = {depth:?}, colour = \"luma\", channels = 1 }}\n\
             step = [{{ do = \"resize\", size = {}, filter = {filter:?} }}]\n",
            number(case, "side")
        );
        let (_, values) = prepared(&recipe, &film);
        let tolerance = if depth == "bytes" { BYTE } else { PIXEL };
        let expected = list(case, "values");
        assert_eq!(values.len(), expected.len());
        for (index, (ours, theirs)) in values.iter().zip(expected).enumerate() {
            let difference = (f64::from(*ours) - theirs.as_f64().unwrap()).abs();
            assert!(
                difference <= tolerance,
                "{filter} of {depth}, {} × {} to {}, value {index}: {ours} and {theirs}",
                film.width,
                film.height,
                number(case, "side")
            );
        }
    }
}

/// The script's `large` and `colour`.
fn large(width: usize, height: usize, bits: usize, is_colour: bool) -> Radiograph {
    let top = (1 << bits) - 1;
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        let ramp = (x * 3 + y * 2) * top / (3 * width + 2 * height);
        let is_lit = (x * 7 / width + y * 5 / height).is_multiple_of(2);
        let edge = if is_lit { top / 5 } else { 0 };
        (ramp + edge + (x * y) % 17 * top / 255).min(top)
    };
    let pixels = (0..width * height).map(pixel);
    let samples = match bits {
        8 if is_colour => {
            let channels = pixels.flat_map(|v| [0, 40, 80].map(|more| ((v + more) % 256) as u8));
            Samples::Rgb8(channels.collect())
        }
        8 => Samples::Grey8(pixels.map(|v| v as u8).collect()),
        _ => Samples::Grey16(pixels.map(|v| v as u16).collect()),
    };
    Radiograph {
        bits_stored: bits as u8,
        ..Radiograph::plain(width, height, samples, "made")
    }
}

#[test]
fn a_recipe_gives_the_pixels_of_the_program_that_it_stands_for() {
    let reference = reference();
    let step = number(&reference, "step");
    let cases = list(&reference, "recipes");
    assert!(cases.len() >= 29, "the file of numbers lost its recipes");
    for case in cases {
        let name = text(case, "name");
        let is_colour = case["colour"].as_bool().unwrap();
        let mut worst = 0.0_f64;
        for picture in list(case, "pictures") {
            let (width, height) = (number(picture, "width"), number(picture, "height"));
            let film = large(width, height, number(case, "bits"), is_colour);
            let (preprocess, values) = prepared(text(case, "recipe"), &film);
            let shape: Vec<usize> = list(picture, "shape")
                .iter()
                .map(|side| side.as_u64().unwrap() as usize)
                .collect();
            let side = preprocess.size();
            assert_eq!(shape, [preprocess.channels(), side, side], "{name}");
            for (ours, theirs) in values.iter().step_by(step).zip(list(picture, "values")) {
                let difference = (f64::from(*ours) - theirs.as_f64().unwrap()).abs();
                worst = worst.max(difference);
            }
        }
        println!("{name}: max |Δ| {worst:.1e}");
        assert!(worst < PIXEL, "{name}: {worst}");
    }
}

/// What a recipe costs of memory and time is bounded by its own sizes, and not by the aspect of a film.
#[test]
fn a_film_of_one_row_is_prepared_like_any_other() {
    let long = Radiograph::plain(20_000, 1, Samples::Grey8(vec![7; 20_000]), "made");
    let high = Radiograph::plain(1, 20_000, Samples::Grey8(vec![7; 20_000]), "made");
    for sizes in [
        "size = 224, filter = \"opencv-area\"",
        "size = 224, filter = \"skimage\"",
        "short = 256, filter = \"torchvision-bicubic\"",
        "short = 256, filter = \"pillow-nearest\"",
        "long = 256, filter = \"torch-bilinear\"",
    ] {
        let recipe = format!(
            "preprocess = \"recipe-1\"\n[preprocessing]\n\
             film = {{ values = \"window\", depth = \"bytes\", colour = \"rgb\", channels = 3 }}\n\
             step = [{{ do = \"resize\", {sizes} }}, {{ do = \"crop\", centre = 224 }}]\n"
        );
        for film in [&long, &high] {
            let (_, values) = prepared(&recipe, film);
            assert_eq!(values.len(), 3 * 224 * 224);
            assert!(values.iter().all(|v| (0.0..=7.1).contains(v)), "{sizes}");
        }
    }
}
