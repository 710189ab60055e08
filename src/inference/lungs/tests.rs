//! The network and all that is measured by it, on drawn films.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::domain::{InputCheck, LabelActivation, Samples};

/// Largest difference of a probability, from the film to the fields.
const OF_A_PROBABILITY: f64 = 2e-3;
/// Largest difference of the score of the heart's side, whose weights reach a few units.
const OF_A_SIDE: f64 = 2e-2;

/// The film of `lung_film` in `training/parity.py`: a trunk with two dark lungs, ribs, a spine and a heart, in whole
/// numbers.
fn film() -> Radiograph {
    const WIDTH: i32 = 300;
    const HEIGHT: i32 = 260;
    let grey = |y: i32, x: i32| {
        let aside = (x - 150).abs();
        let is_lung = (2 * (aside - 66)).pow(2) + (y - 130).pow(2) < 8100 && y < 200;
        let is_heart = 2 * (x - 165).pow(2) + (y - 165).pow(2) < 3600;
        let grey = match aside {
            _ if is_heart => 175,
            _ if is_lung => 100 + 25 * i32::from((3 * y + aside) % 36 < 12),
            ..=14 => 190,
            15..=132 => 160 + 20 * i32::from(y > 200),
            _ => 30,
        };
        grey + (x * 7 + y * 13) % 11
    };
    let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x)));
    let pixels = places.map(|(y, x)| grey(y, x) as u8).collect();
    let (width, height) = (WIDTH as usize, HEIGHT as usize);
    Radiograph::plain(width, height, Samples::Grey8(pixels), "test")
}

/// `python -m training.parity --data ../shared/data` makes the numbers with the weights of the program, by
///
/// ```python
/// fields = torch.sigmoid(student(torch.from_numpy(lung_input(lung_film()))[None, None]))[0, 0].numpy()
/// lung_box(fields, 300, 260)
/// ```
#[test]
fn the_lungs_are_where_pytorch_finds_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lungs_parity.json");
    let expected: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let lungs = Lungs::of(&film()).unwrap();
    let fields = lungs.fields();
    assert_eq!(fields.cells.len(), SIDE * SIDE);
    let cells = expected["cells"].as_object().unwrap();
    assert!(cells.len() > 100, "the file of numbers lost its cells");
    let mut worst = 0.0_f64;
    for (index, p) in cells {
        let ours = f64::from(fields.cells[index.parse::<usize>().unwrap()]);
        worst = worst.max((ours - p.as_f64().unwrap()).abs());
    }
    assert!(worst < OF_A_PROBABILITY, "{worst}");
    let found = lungs.region().map(|r| [r.left, r.top, r.width, r.height]);
    let found = found.expect("two lungs");
    let theirs: [usize; 4] = serde_json::from_value(expected["box"].clone()).unwrap();
    // A cell whose probability is 0.5 but for rounding moves an edge by one cell: 2.3 pixels.
    for (ours, theirs) in found.into_iter().zip(theirs) {
        assert!(ours.abs_diff(theirs) <= 6, "{found:?} {theirs:?}");
    }
    let side = &LungFinder::bundled().unwrap().side;
    let ours = side.score(&lungs.picture, SIDE, two_lungs(&lungs.parts).unwrap());
    let (ours, theirs) = (ours.unwrap(), expected["side"].as_f64().unwrap());
    assert!((ours - theirs).abs() < OF_A_SIDE, "{ours} {theirs}");
}

fn sample(name: &str) -> Radiograph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name);
    crate::imaging::open(&path, &crate::imaging::DecodeLimits::default()).unwrap()
}

fn checked(lungs: &Lungs) -> InputCheck {
    let mut reasons = Reasons::default();
    lungs.check(false, &mut reasons);
    reasons.verdict()
}

#[test]
fn a_radiograph_has_two_lungs_and_a_heart() {
    let lungs = Lungs::of(&sample("clear_1.png")).unwrap();
    assert_eq!(checked(&lungs), InputCheck::Accepted);
    let region = lungs.region().unwrap();
    let film = lungs.fields().region;
    assert!(region.width * 2 > film.width && region.height * 2 > film.height);
    assert!(region.left + region.width <= film.width && region.top + region.height <= film.height);
    let measures = lungs.measures(None);
    let ratio = measures.cardiothoracic_ratio.unwrap();
    assert!((0.3..0.65).contains(&ratio), "{ratio}");
    assert_eq!(measures.evidence_inside, None, "without maps");
}

/// The picture with left and right exchanged.
fn mirrored(film: &Radiograph) -> Radiograph {
    let Samples::Grey8(pixels) = &film.samples else {
        panic!("{:?} is not 8-bit grey", film.modality)
    };
    let rows = pixels.chunks_exact(film.width);
    let pixels = rows.flat_map(|row| row.iter().rev().copied()).collect();
    Radiograph::plain(film.width, film.height, Samples::Grey8(pixels), "test")
}

#[test]
fn a_mirrored_film_is_doubted() {
    let film = sample("clear_1.png");
    let InputCheck::Caution(reasons) = checked(&Lungs::of(&mirrored(&film)).unwrap()) else {
        panic!("the mirrored film passed")
    };
    assert!(
        reasons[0].starts_with("looks mirrored: the heart on the right (score "),
        "{reasons:?}"
    );
    let twice = mirrored(&mirrored(&film));
    assert_eq!(checked(&Lungs::of(&twice).unwrap()), InputCheck::Accepted);
}

#[test]
fn evidence_is_that_of_pneumonia_alone() {
    let lungs = Lungs::of(&sample("clear_1.png")).unwrap();
    let maps = |label: &str| ClassActivationMap {
        attention: Vec::new(),
        width: 1,
        height: 1,
        labels: vec![LabelActivation {
            label: Pathology(label.to_owned()),
            bias: 0.0,
            values: vec![1.0],
        }],
        region: lungs.fields().region,
    };
    let cells = &lungs.fields().cells;
    let inside = cells.iter().filter(|p| **p >= LungFields::IS_LUNG).count();
    let expected = inside as f32 / cells.len() as f32;
    let found = lungs.measures(Some(&maps(PNEUMONIA))).evidence_inside;
    assert!(
        (found.unwrap() - expected).abs() < 1e-6,
        "{found:?} {expected}"
    );
    assert_eq!(
        lungs.measures(Some(&maps("COVID-19"))).evidence_inside,
        None
    );
}

#[test]
fn other_pictures_have_no_lungs() {
    let waves = |i: usize| {
        let (x, y) = ((i % 300) as f64, (i / 300) as f64);
        (120.0 + 60.0 * (x / 37.0).sin() + 60.0 * (y / 53.0).cos()) as u8
    };
    let waves = Samples::Grey8((0..300 * 320).map(waves).collect());
    for picture in [
        sample("not_an_xray.png"),
        Radiograph::plain(300, 320, waves, "test"),
    ] {
        let lungs = Lungs::of(&picture).unwrap();
        let InputCheck::Refused(reasons) = checked(&lungs) else {
            panic!("{:?}", checked(&lungs))
        };
        assert!(
            reasons[0].starts_with("no two lungs found ("),
            "{reasons:?}"
        );
        let mut turned = Reasons::default();
        lungs.check(true, &mut turned);
        assert!(!turned.is_refusal(), "turned films are only doubted");
        assert_eq!(lungs.region(), None);
        assert_eq!(lungs.measures(None), LungMeasures::default());
    }
}

#[test]
fn weights_that_do_not_fit_the_card_are_one_clear_error() {
    let error = |card: &str, bytes: &[u8]| LungFinder::new(card, bytes).err().unwrap();
    let mut other = LUNG_WEIGHTS.to_vec();
    *other.last_mut().unwrap() ^= 1;
    let digest = error(LUNG_CARD, &other);
    assert!(
        digest.contains("lungs.safetensors: model weights: SHA-256"),
        "{digest}"
    );
    assert!(error("", LUNG_WEIGHTS).starts_with("weights/lungs.toml: missing field"));
}
