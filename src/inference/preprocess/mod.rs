//! The preprocessing of a radiograph for the network. It depends on the stored samples only: window, zoom and inversion
//! that a reader sets never change it.
//!
//! ```text
//! card ─ name or [preprocessing] ─► PreprocessRecipe ─ run ─► read, crop, resize, pad, range … ─► tensor
//! ```

pub(in crate::inference) mod cxr;
mod families;
mod geometry;
mod picture;
mod read;
mod resize;
mod run;
mod values;

use sha2::{Digest, Sha256};

pub(in crate::inference) use self::families::KERAS_SIDE;
use self::picture::Picture;
use self::run::RecipeRun;
use super::InferenceError;
use crate::domain::hex::hex;
use crate::domain::{
    FilmPart, ModelCard, PreprocessRecipe, RECIPE_1, Radiograph, RecipeFault, RecipeInput, Region,
};

/// The preprocessing of cxr's own models, with its version. A change that moves any score needs a new version.
pub const CXR_1: &str = "cxr-1";
/// The same, within the box around the lungs.
pub const CXR_2: &str = "cxr-2";
/// torchxrayvision's preprocessing, to 224 × 224.
pub const XRV_224_1: &str = "xrv-224-1";
/// torchxrayvision's preprocessing, to 512 × 512.
pub const XRV_512_1: &str = "xrv-512-1";
/// CheXNet's single centre crop.
pub const CHEXNET_224_1: &str = "chexnet-224-1";
/// torchvision's `ImageClassification(crop_size=224)` of a picture.
pub const IMAGENET_224_1: &str = "imagenet-224-1";
/// `load_img(path, target_size=(224, 224)) / 255` of Keras.
pub const KERAS_224_1: &str = "keras-224-1";

/// Digits of the digest in the name of a recipe.
const DIGITS: usize = 12;

/// The name of a recipe in tables and stores, `recipe-1-` and a digest: two recipes are never taken for one.
pub fn recipe_name(recipe: &PreprocessRecipe) -> String {
    let digest = hex(&Sha256::digest(recipe.digest_text().as_bytes()));
    format!("{RECIPE_1}-{}", &digest[..DIGITS])
}

/// The recipe of a family of models by its name, if it makes images of one size only.
pub fn family_recipe(name: &str) -> Option<PreprocessRecipe> {
    let (recipe, only) = families::named(name, families::ANY_SIDE)?;
    only.map(|_| recipe)
}

/// From a radiograph to the values of a `[1, channels, size, size]` tensor.
#[derive(Debug, Clone)]
pub struct Preprocess {
    recipe: PreprocessRecipe,
    input: RecipeInput,
}

/// The picture after one step of a preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenStep {
    /// 0 for the film as it was read, then the steps from 1.
    pub number: usize,
    /// What was done, in a few words.
    pub words: String,
    pub width: usize,
    pub height: usize,
    /// One plane for each channel, or one for all where they are the same; row by row.
    pub planes: Vec<Vec<f32>>,
}

impl Preprocess {
    /// The preprocessing of a model.
    ///
    /// # Errors
    /// If this program does not have it, or it makes images of another size.
    pub fn of(card: &ModelCard) -> Result<Self, InferenceError> {
        let Some(recipe) = &card.recipe else {
            return Self::named(&card.preprocess, card.input_size);
        };
        let preprocess = Self::by(recipe)?;
        same_size("[preprocessing]", preprocess.size(), card.input_size)?;
        Ok(preprocess)
    }

    /// The preprocessing that a recipe describes.
    ///
    /// # Errors
    /// If it contradicts itself.
    pub fn by(recipe: &PreprocessRecipe) -> Result<Self, InferenceError> {
        let fault = |fault: RecipeFault| InferenceError::Card(format!("[preprocessing] {fault}"));
        Ok(Preprocess {
            input: recipe.check().map_err(fault)?,
            recipe: recipe.clone(),
        })
    }

    /// The preprocessing of a family of models.
    ///
    /// # Errors
    /// If this program does not have it, or it makes images of another size.
    pub fn named(name: &str, size: usize) -> Result<Self, InferenceError> {
        let unknown = || InferenceError::UnknownPreprocess(name.to_owned());
        let (recipe, only) = families::named(name, size).ok_or_else(unknown)?;
        if let Some(only) = only {
            same_size(name, only, size)?;
        }
        Self::by(&recipe)
    }

    /// The recipe, for a preprocessing of any name.
    pub fn recipe(&self) -> &PreprocessRecipe {
        &self.recipe
    }

    /// Side of the square in pixels.
    pub fn size(&self) -> usize {
        self.input.side
    }

    /// Values for each pixel.
    pub fn channels(&self) -> usize {
        self.input.channels
    }

    /// Whether it depends on where the lungs are.
    pub fn needs_lungs(&self) -> bool {
        self.recipe.needs_lungs()
    }

    /// The part of a radiograph that [`Preprocess::apply`] uses, in its stored pixels. `lungs` is the box around
    /// the lungs; `None` if no two lungs were found.
    pub fn region(&self, radiograph: &Radiograph, lungs: Option<Region>) -> Region {
        geometry::seen(&self.recipe.steps, radiograph, lungs).0
    }

    /// The part of the input that shows [`region`](Self::region), where the rest of it is padding; `None` where there
    /// is none.
    pub fn film_part(&self, radiograph: &Radiograph, lungs: Option<Region>) -> Option<FilmPart> {
        geometry::seen(&self.recipe.steps, radiograph, lungs).1
    }

    /// `channels · size²` values, channel by channel and row by row. `lungs` as in [`region`](Self::region).
    pub fn apply(&self, radiograph: &Radiograph, lungs: Option<Region>) -> Vec<f32> {
        let run = self.run(radiograph, lungs);
        run.picture(None).input(self.channels())
    }

    /// The picture after each step whose number is wanted, the last one being the input. A picture that would be very
    /// large is left out.
    pub fn steps(
        &self,
        radiograph: &Radiograph,
        lungs: Option<Region>,
        is_wanted: &dyn Fn(usize) -> bool,
    ) -> Vec<SeenStep> {
        let words = self.recipe.step_words();
        let mut steps = Vec::new();
        let mut watch = |number: usize, picture: &Picture| {
            if !is_wanted(number) {
                return;
            }
            steps.push(SeenStep {
                number,
                words: words[number].clone(),
                width: picture.width,
                height: picture.height,
                planes: picture.clone().float_planes(),
            });
        };
        self.run(radiograph, lungs).picture(Some(&mut watch));
        steps
    }

    fn run<'a>(&'a self, radiograph: &'a Radiograph, lungs: Option<Region>) -> RecipeRun<'a> {
        RecipeRun {
            recipe: &self.recipe,
            radiograph,
            lungs,
        }
    }
}

/// Whether a preprocessing makes what the network takes.
fn same_size(name: &str, made: usize, taken: usize) -> Result<(), InferenceError> {
    if made == taken {
        return Ok(());
    }
    Err(InferenceError::Card(format!(
        "input_size is {taken}, and {name} makes {made} × {made} pixels"
    )))
}

/// The whole film.
pub(in crate::inference) fn whole(radiograph: &Radiograph) -> Region {
    Region {
        left: 0,
        top: 0,
        width: radiograph.width,
        height: radiograph.height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FilmReading, ResizeFilter, Samples};

    #[test]
    fn a_preprocessing_has_its_own_size_and_channels() {
        for (name, size, channels) in [
            (CXR_1, 192, 1),
            (CXR_2, 224, 1),
            (XRV_224_1, 224, 1),
            (XRV_512_1, 512, 1),
            (CHEXNET_224_1, 224, 3),
            (IMAGENET_224_1, 224, 3),
            (KERAS_224_1, 224, 3),
        ] {
            let preprocess = Preprocess::named(name, size).unwrap();
            assert_eq!((preprocess.size(), preprocess.channels()), (size, channels));
        }
        for (name, size) in [(XRV_224_1, 512), (XRV_512_1, 224), (CHEXNET_224_1, 256)] {
            let error = Preprocess::named(name, size).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains(&size.to_string()),
                "{error}"
            );
        }
        assert!(Preprocess::named("xrv-224-2", 224).is_err());
        // A side of 0 is no picture.
        assert!(Preprocess::named(CXR_1, 0).is_err());
    }

    #[test]
    fn a_card_with_a_recipe_has_the_size_of_its_recipe() {
        let recipe =
            PreprocessRecipe::squeezed(FilmReading::PICTURE, 96, ResizeFilter::PillowBicubic, None);
        let card = |input_size| ModelCard {
            input_size,
            preprocess: RECIPE_1.to_owned(),
            recipe: Some(recipe.clone()),
            ..ModelCard::default()
        };
        let preprocess = Preprocess::of(&card(96)).unwrap();
        assert_eq!((preprocess.size(), preprocess.channels()), (96, 3));
        let error = Preprocess::of(&card(224)).unwrap_err().to_string();
        assert!(
            error.contains("input_size is 224, and [preprocessing] makes 96"),
            "{error}"
        );
    }

    /// Dark in the box `(20, 30)` to `(60, 90)`, and bright around it.
    fn film() -> Radiograph {
        let grey = |i: usize| {
            let (x, y) = (i % 100, i / 100);
            let is_inside = (20..60).contains(&x) && (30..90).contains(&y);
            if is_inside { (x + y) as u8 } else { 200 }
        };
        let samples = Samples::Grey8((0..100 * 140).map(grey).collect());
        Radiograph::plain(100, 140, samples, "test")
    }

    #[test]
    fn the_box_around_the_lungs_is_all_that_cxr_2_sees() {
        let lungs = Region {
            left: 20,
            top: 30,
            width: 40,
            height: 60,
        };
        let preprocess = Preprocess::named(CXR_2, 32).unwrap();
        assert!(preprocess.needs_lungs());
        assert_eq!(preprocess.region(&film(), Some(lungs)), lungs);
        let inside = preprocess.apply(&film(), Some(lungs));
        let mut brighter = film();
        let Samples::Grey8(grey) = &mut brighter.samples else {
            panic!("the film has 8 bits")
        };
        grey.iter_mut()
            .filter(|v| **v == 200)
            .for_each(|v| *v = 250);
        assert_eq!(preprocess.apply(&brighter, Some(lungs)), inside);
        // The box is no square, and it fills the input: the corners are the corners of the box.
        assert_eq!(inside.len(), 32 * 32);
        let corners = [inside[0], inside[31], inside[31 * 32], inside[32 * 32 - 1]];
        assert!(
            corners.windows(2).all(|pair| pair[0] < pair[1]),
            "{corners:?}"
        );
    }

    #[test]
    fn without_lungs_cxr_2_is_cxr_1_and_lungs_change_no_other() {
        let [one, two] = [CXR_1, CXR_2].map(|name| Preprocess::named(name, 32).unwrap());
        assert_eq!(two.apply(&film(), None), one.apply(&film(), None));
        let square = one.region(&film(), None);
        assert_eq!(two.region(&film(), None), square);
        let lungs = Region { top: 0, ..square };
        assert_eq!(one.region(&film(), Some(lungs)), square);
        assert_eq!(one.apply(&film(), Some(lungs)), one.apply(&film(), None));
        assert!(!one.needs_lungs());
    }

    #[test]
    fn torchxrayvision_only_scales_an_image_of_the_right_size() {
        let pixels = (0..224 * 224).map(|i| (i % 256) as u8).collect();
        let radiograph = Radiograph::plain(224, 224, Samples::Grey8(pixels), "test");
        let values = Preprocess::named(XRV_224_1, 224)
            .unwrap()
            .apply(&radiograph, None);
        assert_eq!((values[0], values[255]), (-1024.0, 1024.0));
        assert!((values[51] - -614.4).abs() < 1e-3, "{}", values[51]);
    }

    #[test]
    fn grey_is_three_times_the_same_plane_for_chexnet_and_colour_is_not() {
        const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
        const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
        let preprocess = Preprocess::named(CHEXNET_224_1, 224).unwrap();
        let grey = Samples::Grey8(vec![100; 300 * 260]);
        let values = preprocess.apply(&Radiograph::plain(300, 260, grey, "test"), None);
        assert_eq!(values.len(), 3 * 224 * 224);
        for (channel, plane) in values.chunks_exact(224 * 224).enumerate() {
            let expected = (100.0 / 255.0 - MEAN[channel]) / DEVIATION[channel];
            assert!(plane.iter().all(|v| (v - expected).abs() < 1e-6));
        }
        let colour = Samples::Rgb8([255, 0, 128].repeat(300 * 260));
        let values = preprocess.apply(&Radiograph::plain(300, 260, colour, "test"), None);
        assert!((values[0] - (1.0 - MEAN[0]) / DEVIATION[0]).abs() < 1e-6);
        assert!((values[224 * 224] - -MEAN[1] / DEVIATION[1]).abs() < 1e-6);
    }

    #[test]
    fn keras_gets_eight_bits_as_they_are_and_colours_as_planes() {
        let preprocess = Preprocess::named(KERAS_224_1, KERAS_SIDE).unwrap();
        let pixels = KERAS_SIDE * KERAS_SIDE;
        let grey: Vec<u8> = (0..pixels).map(|i| (i % 256) as u8).collect();
        let samples = Samples::Grey8(grey.clone());
        let radiograph = Radiograph::plain(KERAS_SIDE, KERAS_SIDE, samples, "PNG");
        let values = preprocess.apply(&radiograph, None);
        for channel in values.chunks_exact(pixels) {
            for (value, grey) in channel.iter().zip(&grey) {
                assert_eq!(*value, f32::from(*grey) / 255.0);
            }
        }
        let samples = Samples::Rgb8([1, 2, 3].repeat(pixels));
        let radiograph = Radiograph::plain(KERAS_SIDE, KERAS_SIDE, samples, "PNG");
        let values = preprocess.apply(&radiograph, None);
        assert_eq!(values[0], 1.0 / 255.0);
        assert_eq!(values[pixels], 2.0 / 255.0);
        assert_eq!(values[2 * pixels], 3.0 / 255.0);
    }

    #[test]
    fn cxrs_own_recipe_is_what_finds_the_lungs_too() {
        let preprocess = Preprocess::named(CXR_1, 32).unwrap();
        let region = preprocess.region(&film(), None);
        assert_eq!(
            preprocess.apply(&film(), None),
            cxr::apply(&film(), region, 32)
        );
    }

    #[test]
    fn every_step_is_seen_and_the_last_is_the_input() {
        let preprocess = Preprocess::named(CHEXNET_224_1, 224).unwrap();
        let steps = preprocess.steps(&film(), None, &|_| true);
        let sides: Vec<_> = steps
            .iter()
            .map(|s| (s.number, s.width, s.height))
            .collect();
        // int(256 * 140 / 100) = 358
        let expected = [
            (0, 100, 140),
            (1, 256, 358),
            (2, 224, 224),
            (3, 224, 224),
            (4, 224, 224),
        ];
        assert_eq!(sides, expected);
        assert!(steps[1].words.contains("shorter side to 256"));
        let last = steps.last().unwrap().planes.concat();
        assert_eq!(last, preprocess.apply(&film(), None));
    }
}
