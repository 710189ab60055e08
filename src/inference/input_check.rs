//! The plain checks of an image, which need no network: may the model score it? Each check reports a number, which a
//! reader can judge. [`heads`](super::heads) adds the checks that need the network's features.

use crate::domain::{InputCheck, Modality, Radiograph, Samples, ViewPosition};

/// A side shorter than the first shows no chest, and shorter than the second, little detail.
const MIN_SIDE: usize = 64;
const SMALL_SIDE: usize = 160;
/// Long side ÷ short side. Chest films are 1 to 1.25.
const REFUSED_ASPECT: f64 = 2.5;
const UNUSUAL_ASPECT: f64 = 1.7;
/// Distinct grey levels between the 1st and the 99th percentile.
const MIN_LEVELS: usize = 12;
const FEW_LEVELS: usize = 40;
/// A pixel has colour if its largest channel exceeds its smallest by this much of 255 …
const CHROMA: i32 = 40;
/// … and more colour than any film if it exceeds by this much, or if its tint is this far from the mean tint of pixels
/// of the same brightness. A film scanned on a blue base has one tint everywhere, while a picture has several hues.
const VIVID: i32 = 96;
const OFF_TINT: i32 = 30;
/// Share of coloured pixels in a picture, and in a film with coloured marks on it or a tint.
const REFUSED_COLOUR: f64 = 0.2;
const SOME_COLOUR: f64 = 0.005;
/// Pixels that are checked, evenly spread: enough for shares of half a per cent.
const SAMPLED_PIXELS: usize = 65_536;

/// The version of these checks, of how a film's values are read, and of the network that finds the lungs and all that is
/// measured by it. It must change whenever the same image and card may get another result, so that stored predictions of
/// other versions are not used.
pub const RULES: u32 = 9;

/// All reasons of the plain checks.
pub fn check(radiograph: &Radiograph) -> Reasons {
    let mut reasons = Reasons::default();
    check_origin(radiograph, &mut reasons);
    check_shape(radiograph, &mut reasons);
    match &radiograph.samples {
        Samples::Rgb8(rgb) => check_colour(rgb, &mut reasons),
        grey => check_levels(grey_levels(grey), &mut reasons),
    }
    reasons
}

/// The reasons against an image.
#[derive(Debug, Default)]
pub struct Reasons {
    refuse: Vec<String>,
    doubt: Vec<String>,
}

impl Reasons {
    /// Adds a reason to refuse.
    pub fn refuse(&mut self, reason: String) {
        self.refuse.push(reason);
    }

    /// Adds a reason to doubt.
    pub fn doubt(&mut self, reason: String) {
        self.doubt.push(reason);
    }

    /// Whether there is a reason to refuse.
    pub fn is_refusal(&self) -> bool {
        !self.refuse.is_empty()
    }

    /// All reasons to refuse, or else all reasons to doubt.
    pub fn verdict(self) -> InputCheck {
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
            .push("a lateral view; the model scores frontal ones".into());
    }
    let objections = &radiograph.admission.objections;
    reasons
        .doubt
        .extend(objections.iter().map(ToString::to_string));
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
    let sampled = rgb.chunks_exact(3).step_by(stride(rgb.len() / 3));
    let pixels: Vec<Tinted> = sampled.map(Tinted::of).collect();
    let tints = tints(&pixels);
    let share = |is: &dyn Fn(&Tinted) -> bool| {
        pixels.iter().filter(|p| is(p)).count() as f64 / pixels.len().max(1) as f64
    };
    let vivid = share(&|p| p.chroma >= VIVID || p.distance(tints[p.bin()]) >= OFF_TINT);
    let coloured = share(&|p| p.chroma >= CHROMA);
    if vivid > REFUSED_COLOUR {
        reasons
            .refuse
            .push(format!("a colour picture ({:.0} % of it)", vivid * 100.0));
    } else if coloured > SOME_COLOUR {
        reasons
            .doubt
            .push(format!("colour on {:.1} % of it", coloured * 100.0));
    }
    check_levels(pixels.iter().map(|p| p.luma as f32).collect(), reasons);
}

/// A pixel as brightness, and the differences of red and blue from it.
struct Tinted {
    luma: i32,
    red: i32,
    blue: i32,
    chroma: i32,
}

impl Tinted {
    fn of(rgb: &[u8]) -> Self {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(i32::from);
        let luma = (r + g + b) / 3;
        let chroma = r.max(g).max(b) - r.min(g).min(b);
        Tinted {
            luma,
            red: r - luma,
            blue: b - luma,
            chroma,
        }
    }

    /// Its brightness in sixteen steps.
    fn bin(&self) -> usize {
        (self.luma / 16) as usize
    }

    fn distance(&self, (red, blue): (i32, i32)) -> i32 {
        (self.red - red).abs().max((self.blue - blue).abs())
    }
}

/// Mean tint, red and blue, of the pixels of each brightness.
fn tints(pixels: &[Tinted]) -> [(i32, i32); 16] {
    let mut sums = [(0, 0, 0); 16];
    for pixel in pixels {
        let (red, blue, n) = &mut sums[pixel.bin()];
        (*red, *blue, *n) = (*red + pixel.red, *blue + pixel.blue, *n + 1);
    }
    sums.map(|(red, blue, n)| (red / n.max(1), blue / n.max(1)))
}

fn check_levels(mut values: Vec<f32>, reasons: &mut Reasons) {
    values.sort_unstable_by(f32::total_cmp);
    let tail = values.len() / 100;
    let middle = &values[tail..values.len() - tail];
    let levels = middle.chunk_by(|a, b| a.to_bits() == b.to_bits()).count();
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

/// The step between checked pixels. It is odd, because with an even width an even step would see only some columns.
fn stride(pixels: usize) -> usize {
    (pixels / SAMPLED_PIXELS) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Objection;

    fn check(radiograph: &Radiograph) -> InputCheck {
        super::check(radiograph).verdict()
    }

    fn radiograph(width: usize, height: usize, samples: Samples) -> Radiograph {
        Radiograph::plain(width, height, samples, "test")
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
    fn an_objection_from_the_header_is_a_caution_with_its_reason() {
        let mut hand = gradient(300, 300);
        hand.admission.objections =
            vec![Objection::BodyPart("HAND".into()), Objection::ForProcessing];
        let InputCheck::Caution(reasons) = check(&hand) else {
            panic!("no caution")
        };
        assert_eq!(
            reasons,
            [
                "body part HAND, not chest",
                "for processing, not for presentation"
            ]
        );
    }

    #[test]
    fn a_film_on_a_blue_base_is_a_caution_and_a_picture_of_several_hues_is_refused() {
        let blue = |i: usize| {
            let v = (i % 200) as u8;
            [v, v.saturating_add(20), v.saturating_add(50)]
        };
        let film: Vec<u8> = (0..90_000).flat_map(blue).collect();
        let checked = check(&radiograph(300, 300, Samples::Rgb8(film)));
        assert!(matches!(checked, InputCheck::Caution(_)), "{checked:?}");

        let hues = |i: usize| match i / 30 % 3 {
            0 => [150, 90, 90],
            1 => [90, 150, 90],
            _ => [90, 90, 150],
        };
        let picture: Vec<u8> = (0..90_000).flat_map(hues).collect();
        let checked = check(&radiograph(300, 300, Samples::Rgb8(picture)));
        assert!(matches!(checked, InputCheck::Refused(_)), "{checked:?}");
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
