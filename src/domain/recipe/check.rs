//! What must hold of a recipe, so that it makes a square of one size of any film, and of the numbers in it.

use super::{
    ColourReading, CropTo, FilmRange, PreprocessRecipe, RecipeFault, RecipeStep, ResizeFilter,
    ResizeTo, ValueDepth,
};

/// The shape of what a recipe makes: `channels × side × side` values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipeInput {
    pub channels: usize,
    pub side: usize,
}

/// More steps than any preprocessing has.
const MOST_STEPS: usize = 16;
/// The largest side, in pixels: networks see 224 to 1,024.
const LARGEST_SIDE: usize = 2_048;
/// The largest number. Grey values have 16 bits.
const LARGEST_NUMBER: f64 = 1e9;
/// The smallest deviation.
const SMALLEST_DEVIATION: f64 = 1e-9;

impl PreprocessRecipe {
    /// Whether it can be followed, and what it makes.
    ///
    /// # Errors
    /// If two parts contradict each other, a number is out of range, or the last picture is not a square of one size.
    pub fn check(&self) -> Result<RecipeInput, RecipeFault> {
        let whole = |reason: String| RecipeFault { step: None, reason };
        self.check_film()
            .map_err(|reason| whole(format!("film: {reason}")))?;
        if self.steps.len() > MOST_STEPS {
            let steps = self.steps.len();
            return Err(whole(format!(
                "{steps} steps, and at most {MOST_STEPS} are taken"
            )));
        }
        let mut state = StepState {
            size: PictureSize::Any,
            has_range: self.film.range != FilmRange::Physical,
            channels: self.film.channels,
        };
        for (number, step) in (1..).zip(&self.steps) {
            let of_step = |reason: String| RecipeFault {
                step: Some((number, step.word())),
                reason,
            };
            state.take(number, step).map_err(of_step)?;
        }
        match state.size {
            PictureSize::Square(side) => Ok(RecipeInput {
                channels: self.film.channels,
                side,
            }),
            _ => Err(whole(
                "the last picture is not a square of one size: resize, crop or pad to one"
                    .to_owned(),
            )),
        }
    }

    fn check_film(&self) -> Result<(), String> {
        let film = self.film;
        let is_colour = matches!(film.colour, ColourReading::Rgb | ColourReading::Bgr);
        if !matches!(film.channels, 1 | 3) {
            return Err(format!("channels is {}, not 1 or 3", film.channels));
        }
        if is_colour && film.channels != 3 {
            return Err(format!("colour {} has 3 channels", film.colour.code()));
        }
        match (film.range, film.depth) {
            (FilmRange::Window, ValueDepth::Bytes) => Ok(()),
            (FilmRange::Window, _) => Err("a window gives bytes".to_owned()),
            (FilmRange::Physical, ValueDepth::Floats) if film.colour == ColourReading::Luma => {
                Ok(())
            }
            (FilmRange::Physical, _) => Err("physical values are floats, and luma".to_owned()),
            _ => Ok(()),
        }
    }
}

/// What is known of a picture's size, for every film.
#[derive(Debug, Clone, Copy, PartialEq)]
enum PictureSize {
    Any,
    /// A square of a side that depends on the film.
    AnySquare,
    /// The shorter side has this length.
    Short(usize),
    /// The longer side has this length.
    Long(usize),
    Square(usize),
}

/// What is known of the picture after a step.
struct StepState {
    size: PictureSize,
    /// Whether black and white are known.
    has_range: bool,
    channels: usize,
}

impl StepState {
    fn take(&mut self, number: usize, step: &RecipeStep) -> Result<(), String> {
        if let (PictureSize::Short(_), false) = (self.size, is_centre(step)) {
            return Err("after a resize to the shorter side comes a crop to the centre".to_owned());
        }
        match step {
            RecipeStep::Crop(to) => self.crop(number, to)?,
            RecipeStep::Resize { to, filter } => self.resize(*to, *filter)?,
            RecipeStep::Pad { size, fill, .. } => {
                side("size", *size)?;
                self.per_channel("fill", fill)?;
                match self.size {
                    PictureSize::Long(of) | PictureSize::Square(of) if of <= *size => {}
                    PictureSize::Long(of) | PictureSize::Square(of) => {
                        return Err(format!("size is {size}, and the picture has {of}"));
                    }
                    _ => return Err("before padding comes a resize to the longer side".to_owned()),
                }
                self.size = PictureSize::Square(*size);
            }
            RecipeStep::Range { low, high } => {
                if !self.has_range {
                    return Err("black and white of these values are not known".to_owned());
                }
                ascending(*low, *high)?;
            }
            RecipeStep::Scale { times, plus } => {
                number_in_range("times", *times)?;
                number_in_range("plus", *plus)?;
                if *times == 0.0 {
                    return Err("times is 0".to_owned());
                }
            }
            RecipeStep::Normalise { mean, deviation } => self.normalise(mean, deviation)?,
            RecipeStep::Stretch {
                percentiles: [from, to],
                low,
                high,
            } => {
                if !(0.0 <= *from && from < to && *to <= 100.0) {
                    return Err(format!(
                        "percentiles are {from} and {to}, not ascending from 0 to 100"
                    ));
                }
                ascending(*low, *high)?;
            }
            RecipeStep::Standardise => {}
            RecipeStep::Clip { low, high } => ascending(*low, *high)?,
        }
        let moves_values = !matches!(
            step,
            RecipeStep::Crop(_) | RecipeStep::Resize { .. } | RecipeStep::Pad { .. }
        );
        self.has_range &= !moves_values;
        Ok(())
    }

    fn crop(&mut self, number: usize, to: &CropTo) -> Result<(), String> {
        match to {
            CropTo::Lungs | CropTo::SquareMillimetres if number > 1 => {
                return Err(
                    "only the first step can crop to the lungs or by millimetres".to_owned(),
                );
            }
            CropTo::Lungs => {}
            CropTo::Square | CropTo::SquareMillimetres => {
                self.size = match self.size {
                    PictureSize::Any | PictureSize::AnySquare => PictureSize::AnySquare,
                    PictureSize::Square(side) => PictureSize::Square(side),
                    PictureSize::Short(_) | PictureSize::Long(_) => {
                        return Err("a crop to the largest square comes before resizing".to_owned());
                    }
                };
                // A square in millimetres need not be one in pixels.
                if *to == CropTo::SquareMillimetres {
                    self.size = PictureSize::Any;
                }
            }
            CropTo::Centre { size, fill, .. } => {
                side("centre", *size)?;
                self.per_channel("fill", fill)?;
                self.size = PictureSize::Square(*size);
            }
        }
        Ok(())
    }

    fn resize(&mut self, to: ResizeTo, filter: ResizeFilter) -> Result<(), String> {
        let is_square = matches!(self.size, PictureSize::AnySquare | PictureSize::Square(_));
        self.size = match to {
            ResizeTo::Square(size) => {
                side("size", size)?;
                PictureSize::Square(size)
            }
            ResizeTo::Short(size, _) => {
                side("short", size)?;
                if is_square {
                    PictureSize::Square(size)
                } else if filter.makes_floats() {
                    // It is not made for a part of a picture, and the whole may be of any length.
                    return Err("scikit-image resizes to a square, or a square".to_owned());
                } else {
                    PictureSize::Short(size)
                }
            }
            ResizeTo::Long(size, _) => {
                side("long", size)?;
                if is_square {
                    PictureSize::Square(size)
                } else {
                    PictureSize::Long(size)
                }
            }
        };
        Ok(())
    }

    fn normalise(&self, mean: &[f64], deviation: &[f64]) -> Result<(), String> {
        self.per_channel("mean", mean)?;
        self.per_channel("deviation", deviation)?;
        match deviation.iter().find(|d| **d < SMALLEST_DEVIATION) {
            Some(small) => Err(format!("deviation is {small}, not above 0")),
            None => Ok(()),
        }
    }

    /// One number for all channels, or one for each.
    fn per_channel(&self, name: &str, values: &[f64]) -> Result<(), String> {
        if values.len() != 1 && values.len() != self.channels {
            let (found, channels) = (values.len(), self.channels);
            return Err(format!("{name} has {found} numbers, not 1 or {channels}"));
        }
        let mut values = values.iter();
        values.try_for_each(|value| number_in_range(name, *value))
    }
}

fn is_centre(step: &RecipeStep) -> bool {
    matches!(step, RecipeStep::Crop(CropTo::Centre { .. }))
}

fn side(name: &str, pixels: usize) -> Result<(), String> {
    if (1..=LARGEST_SIDE).contains(&pixels) {
        Ok(())
    } else {
        Err(format!("{name} is {pixels}, not from 1 to {LARGEST_SIDE}"))
    }
}

fn number_in_range(name: &str, value: f64) -> Result<(), String> {
    if value.abs() <= LARGEST_NUMBER {
        Ok(())
    } else {
        Err(format!("{name} is {value}: out of range"))
    }
}

fn ascending(low: f64, high: f64) -> Result<(), String> {
    number_in_range("low", low)?;
    number_in_range("high", high)?;
    if low < high {
        Ok(())
    } else {
        Err(format!("low is {low}, not below high, {high}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recipe::{CropRounding, FilmReading, PadPlace, SideRounding};

    const FLOATS: FilmReading = FilmReading {
        range: FilmRange::BitDepth,
        depth: ValueDepth::Floats,
        colour: ColourReading::Red,
        channels: 1,
    };

    fn resize(to: ResizeTo) -> RecipeStep {
        let filter = ResizeFilter::PillowBicubic;
        RecipeStep::Resize { to, filter }
    }

    fn short(size: usize) -> RecipeStep {
        resize(ResizeTo::Short(size, SideRounding::Down))
    }

    fn long(size: usize) -> RecipeStep {
        resize(ResizeTo::Long(size, SideRounding::Nearest))
    }

    fn gaussian_short() -> RecipeStep {
        RecipeStep::Resize {
            to: ResizeTo::Short(9, SideRounding::Down),
            filter: ResizeFilter::Skimage,
        }
    }

    fn centre(size: usize) -> RecipeStep {
        RecipeStep::Crop(CropTo::Centre {
            size,
            like: CropRounding::Torchvision,
            fill: vec![0.0],
        })
    }

    fn pad(size: usize, fill: &[f64]) -> RecipeStep {
        RecipeStep::Pad {
            size,
            at: PadPlace::Centre,
            fill: fill.to_vec(),
        }
    }

    fn range(low: f64, high: f64) -> RecipeStep {
        RecipeStep::Range { low, high }
    }

    fn check(film: FilmReading, steps: Vec<RecipeStep>) -> Result<RecipeInput, String> {
        let recipe = PreprocessRecipe { film, steps };
        recipe.check().map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_recipe_makes_a_square_of_one_size() {
        let square = || RecipeStep::Crop(CropTo::Square);
        for (steps, side) in [
            (vec![resize(ResizeTo::Square(224))], 224),
            (vec![short(256), centre(224), range(0.0, 1.0)], 224),
            (vec![short(200), centre(224)], 224),
            (vec![long(224), pad(256, &[0.5])], 256),
            (vec![long(256), centre(224)], 224),
            (vec![square(), short(224)], 224),
            (vec![square(), long(384), square()], 384),
            (vec![centre(64)], 64),
        ] {
            let made = check(FLOATS, steps.clone());
            let expected = RecipeInput { channels: 1, side };
            assert_eq!(made, Ok(expected), "{steps:?}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_step() {
        let normalise = |mean: &[f64], deviation: &[f64]| RecipeStep::Normalise {
            mean: mean.to_vec(),
            deviation: deviation.to_vec(),
        };
        let stretch = |from, to| RecipeStep::Stretch {
            percentiles: [from, to],
            low: 0.0,
            high: 1.0,
        };
        let scale = |times| RecipeStep::Scale { times, plus: 0.0 };
        let done = || resize(ResizeTo::Square(8));
        for (steps, words) in [
            (vec![], "the last picture is not a square"),
            (vec![RecipeStep::Crop(CropTo::Square)], "the last picture"),
            (
                vec![RecipeStep::Crop(CropTo::SquareMillimetres), short(9)],
                "the last picture",
            ),
            (vec![long(9)], "the last picture"),
            (
                vec![short(9), range(0.0, 1.0), centre(8)],
                "step 2, range: after a resize",
            ),
            (vec![short(9), short(9)], "step 2, resize: after a resize"),
            (vec![pad(9, &[0.0])], "step 1, pad: before padding"),
            (
                vec![long(10), pad(9, &[0.0])],
                "size is 9, and the picture has 10",
            ),
            (
                vec![long(9), pad(9, &[0.0, 1.0])],
                "fill has 2 numbers, not 1 or 1",
            ),
            (
                vec![long(9), RecipeStep::Crop(CropTo::Square)],
                "comes before resizing",
            ),
            (
                vec![done(), RecipeStep::Crop(CropTo::Lungs)],
                "only the first step",
            ),
            (vec![resize(ResizeTo::Square(0))], "size is 0, not from 1"),
            (vec![short(1_000_000), centre(8)], "short is 1000000"),
            (
                vec![gaussian_short(), centre(8)],
                "step 1, resize: scikit-image",
            ),
            (
                vec![done(), range(0.0, 1.0), range(0.0, 1.0)],
                "step 3, range: black and white",
            ),
            (vec![done(), scale(2.0), range(0.0, 1.0)], "black and white"),
            (vec![done(), range(1.0, 1.0)], "low is 1, not below high, 1"),
            (
                vec![done(), range(f64::NAN, 1.0)],
                "low is NaN: out of range",
            ),
            (vec![done(), scale(f64::INFINITY)], "times is inf"),
            (vec![done(), scale(0.0)], "times is 0"),
            (vec![done(), stretch(99.0, 1.0)], "percentiles are 99 and 1"),
            (vec![done(), stretch(f64::NAN, 1.0)], "percentiles are NaN"),
            (vec![done(), normalise(&[], &[1.0])], "mean has 0 numbers"),
            (
                vec![done(), normalise(&[0.0], &[1.0, 1.0, 1.0])],
                "deviation has 3 numbers",
            ),
            (
                vec![done(), normalise(&[0.0], &[0.0])],
                "deviation is 0, not above 0",
            ),
            (
                vec![done(), normalise(&[0.0], &[f64::NAN])],
                "deviation is NaN",
            ),
            (vec![done(); 17], "17 steps"),
        ] {
            let fault = check(FLOATS, steps.clone()).unwrap_err();
            assert!(fault.contains(words), "{fault} of {steps:?}");
        }
    }

    #[test]
    fn a_film_that_cannot_be_read_so_is_refused() {
        let film = |range, depth, colour, channels| FilmReading {
            range,
            depth,
            colour,
            channels,
        };
        let rgb = ColourReading::Rgb;
        for (film, words) in [
            (
                film(FilmRange::Window, ValueDepth::Floats, rgb, 3),
                "a window gives bytes",
            ),
            (
                film(FilmRange::BitDepth, ValueDepth::Bytes, rgb, 1),
                "colour rgb has 3 channels",
            ),
            (
                film(FilmRange::BitDepth, ValueDepth::Bytes, rgb, 4),
                "channels is 4",
            ),
            (
                film(
                    FilmRange::Physical,
                    ValueDepth::Bytes,
                    ColourReading::Luma,
                    1,
                ),
                "physical",
            ),
            (
                film(
                    FilmRange::Physical,
                    ValueDepth::Floats,
                    ColourReading::Red,
                    1,
                ),
                "physical",
            ),
        ] {
            let fault = check(film, vec![resize(ResizeTo::Square(8))]).unwrap_err();
            assert!(
                fault.starts_with("film: ") && fault.contains(words),
                "{fault}"
            );
        }
        let physical = film(
            FilmRange::Physical,
            ValueDepth::Floats,
            ColourReading::Luma,
            3,
        );
        let steps = vec![resize(ResizeTo::Square(8)), range(0.0, 1.0)];
        assert!(
            check(physical, steps)
                .unwrap_err()
                .contains("black and white")
        );
    }
}
