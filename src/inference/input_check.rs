//! Whether an image is one that the model may speak about: the plain checks, which need no
//! network. Each has a number that a reader can argue with.

use std::collections::HashSet;

use crate::domain::{InputCheck, Modality, Radiograph, Samples, ViewPosition};

/// A side shorter than this holds no chest; shorter than the caution, little detail.
const MIN_SIDE: usize = 64;
const SMALL_SIDE: usize = 160;
/// Long side ÷ short side. Chest films are 1 to 1.25.
const REFUSED_ASPECT: f64 = 2.5;
const UNUSUAL_ASPECT: f64 = 1.7;
/// Distinct grey levels between the 1st and the 99th percentile.
const MIN_LEVELS: usize = 12;
const FEW_LEVELS: usize = 40;
/// A pixel is coloured if its largest channel exceeds its smallest by this much of 255.
const CHROMA: u8 = 40;
/// Share of coloured pixels in a picture, and in a film with coloured marks on it or a tint.
const REFUSED_COLOUR: f64 = 0.2;
const SOME_COLOUR: f64 = 0.005;
/// Pixels looked at, evenly spread: enough for shares of a half per cent.
const SAMPLED_PIXELS: usize = 65_536;

/// Every reason at once: all those to refuse, or else all those to doubt.
pub fn check(radiograph: &Radiograph) -> InputCheck {
    let mut reasons = Reasons::default();
    check_origin(radiograph, &mut reasons);
    check_shape(radiograph, &mut reasons);
    match &radiograph.samples {
        Samples::Rgb8(rgb) => check_colour(rgb, &mut reasons),
        grey => check_levels(grey_levels(grey), &mut reasons),
    }
    reasons.verdict()
}

#[derive(Default)]
struct Reasons {
    refuse: Vec<String>,
    doubt: Vec<String>,
}

impl Reasons {
    fn verdict(self) -> InputCheck {
        if !self.refuse.is_empty() {
            InputCheck::Refused(self.refuse)
        } else if !self.doubt.is_empty() {
            InputCheck::Caution(self.doubt)
        } else {
            InputCheck::Accepted
        }
    }
}

fn check_origin(radiograph: &Radiograph, reasons: &mut Reasons) {
    if let Modality::Other(modality) = &radiograph.modality {
        reasons
            .refuse
            .push(format!("modality {modality} is not plain radiography"));
    }
    if radiograph.view == ViewPosition::Lateral {
        reasons
            .refuse
            .push("a lateral view; the model reads frontal ones".into());
    }
    if radiograph.frames > 1 {
        reasons
            .doubt
            .push(format!("first of {} frames", radiograph.frames));
    }
}

fn check_shape(radiograph: &Radiograph, reasons: &mut Reasons) {
    let (width, height) = (radiograph.width, radiograph.height);
    let short = width.min(height);
    if short < MIN_SIDE {
        reasons
            .refuse
            .push(format!("too small ({width} × {height} pixels)"));
    } else if short < SMALL_SIDE {
        reasons
            .doubt
            .push(format!("small ({width} × {height} pixels)"));
    }
    let tall = height as f64 * radiograph.pixel_aspect;
    let aspect = (width as f64 / tall).max(tall / width as f64);
    if aspect > REFUSED_ASPECT {
        reasons.refuse.push(format!(
            "{aspect:.1} times as long as wide: not a chest film"
        ));
    } else if aspect > UNUSUAL_ASPECT {
        reasons
            .doubt
            .push(format!("{aspect:.1} times as long as wide"));
    }
}

fn check_colour(rgb: &[u8], reasons: &mut Reasons) {
    let (mut seen, mut coloured) = (0_usize, 0_usize);
    let mut luma = Vec::new();
    for pixel in rgb.chunks_exact(3).step_by(stride(rgb.len() / 3)) {
        let (low, high) = (pixel.iter().min(), pixel.iter().max());
        let chroma = high.zip(low).map_or(0, |(high, low)| high - low);
        seen += 1;
        coloured += usize::from(chroma >= CHROMA);
        luma.push(pixel.iter().map(|v| f32::from(*v)).sum::<f32>().round() / 3.0);
    }
    let share = coloured as f64 / seen.max(1) as f64;
    if share > REFUSED_COLOUR {
        reasons
            .refuse
            .push(format!("a colour picture ({:.0} % of it)", share * 100.0));
    } else if share > SOME_COLOUR {
        reasons
            .doubt
            .push(format!("colour on {:.1} % of it", share * 100.0));
    }
    check_levels(luma, reasons);
}

fn check_levels(mut values: Vec<f32>, reasons: &mut Reasons) {
    values.sort_unstable_by(f32::total_cmp);
    let tail = values.len() / 100;
    let middle = &values[tail..values.len() - tail];
    let levels = middle
        .iter()
        .map(|v| v.to_bits())
        .collect::<HashSet<_>>()
        .len();
    if levels < MIN_LEVELS {
        reasons
            .refuse
            .push(format!("blank or nearly so ({levels} grey levels)"));
    } else if levels < FEW_LEVELS {
        reasons
            .doubt
            .push(format!("little contrast ({levels} grey levels)"));
    }
}

fn grey_levels(samples: &Samples) -> Vec<f32> {
    let step = stride(samples.pixels());
    match samples {
        Samples::Grey8(v) | Samples::Rgb8(v) => spread(v, step, |v| f32::from(*v)),
        Samples::Grey16(v) => spread(v, step, |v| f32::from(*v)),
        Samples::GreySigned16(v) => spread(v, step, |v| f32::from(*v)),
        Samples::GreyF32(v) => spread(v, step, |v| *v),
    }
}

fn spread<T>(values: &[T], step: usize, grey: impl Fn(&T) -> f32) -> Vec<f32> {
    values.iter().step_by(step).map(grey).collect()
}

/// Odd, so that it does not fall in step with an even width and see only some columns.
fn stride(pixels: usize) -> usize {
    (pixels / SAMPLED_PIXELS) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PatientFacts, PhotometricInterpretation, PixelTransform, Rescale};

    fn radiograph(width: usize, height: usize, samples: Samples) -> Radiograph {
        Radiograph {
            width,
            height,
            samples,
            bits_stored: 8,
            photometric: PhotometricInterpretation::Monochrome2,
            modality_transform: PixelTransform::Linear(Rescale::default()),
            padding: None,
            windows: vec![],
            voi_luts: vec![],
            inverted: false,
            pixel_aspect: 1.0,
            view: ViewPosition::Unknown,
            modality: Modality::Unknown,
            patient: PatientFacts::default(),
            frames: 1,
            format: "test".into(),
        }
    }

    fn gradient(width: usize, height: usize) -> Radiograph {
        let pixels = (0..width * height)
            .map(|i| (i % width * 255 / width) as u8)
            .collect();
        radiograph(width, height, Samples::Grey8(pixels))
    }

    #[test]
    fn a_plain_film_is_accepted() {
        assert_eq!(check(&gradient(300, 320)), InputCheck::Accepted);
    }

    #[test]
    fn each_reason_to_refuse_refuses_by_itself() {
        let mut ct = gradient(300, 300);
        ct.modality = Modality::Other("CT".into());
        let mut lateral = gradient(300, 300);
        lateral.view = ViewPosition::Lateral;
        let blank = radiograph(300, 300, Samples::Grey16(vec![900; 90_000]));
        let picture = [200, 40, 10].repeat(90_000);
        for (image, word) in [
            (ct, "modality CT"),
            (lateral, "lateral"),
            (blank, "blank"),
            (gradient(300, 40), "too small"),
            (gradient(1200, 300), "4.0 times"),
            (radiograph(300, 300, Samples::Rgb8(picture)), "colour"),
        ] {
            let InputCheck::Refused(reasons) = check(&image) else {
                panic!("{word} passed")
            };
            assert!(reasons.iter().any(|r| r.contains(word)), "{reasons:?}");
        }
    }

    #[test]
    fn coloured_marks_and_small_films_are_cautions() {
        let mut marked: Vec<u8> = (0..90_000_usize)
            .flat_map(|i| [(i % 250) as u8; 3])
            .collect();
        for pixel in marked.chunks_exact_mut(3).take(2_000) {
            pixel.copy_from_slice(&[255, 0, 0]);
        }
        assert!(matches!(
            check(&radiograph(300, 300, Samples::Rgb8(marked))),
            InputCheck::Caution(_)
        ));
        assert!(matches!(check(&gradient(120, 120)), InputCheck::Caution(_)));
    }
}
