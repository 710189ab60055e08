//! Follows a recipe, from a film to the values of a tensor.

use super::picture::Picture;
use super::resize::{ResizeTarget, resized};
use super::{cxr, geometry, read, values, whole};
use crate::domain::{
    CropTo, FilmRange, PreprocessRecipe, Radiograph, RecipeStep, Region, ResizeFilter, ResizeTo,
};

/// The largest picture that is made whole, to be looked at, where only a part of it is needed.
const LARGEST_SEEN: usize = 1 << 24;

/// What is there between two steps.
enum Stage {
    /// A part of the film that is not read yet.
    Film(Region),
    Made(Picture),
}

/// Looks at the picture after a step, by its number; the film itself is 0.
pub type Watch<'a> = dyn FnMut(usize, &Picture) + 'a;

/// One run of a recipe over a film.
pub struct RecipeRun<'a> {
    pub recipe: &'a PreprocessRecipe,
    pub radiograph: &'a Radiograph,
    /// The box around the lungs; `None` if no two lungs were found.
    pub lungs: Option<Region>,
}

impl RecipeRun<'_> {
    /// The last picture. With `watch`, each picture on the way is made whole and shown; a step is left out only where
    /// the whole would be very large.
    pub fn picture(&self, mut watch: Option<&mut Watch>) -> Picture {
        let mut stage = Stage::Film(whole(self.radiograph));
        self.show(0, &stage, &mut watch);
        let mut steps = self.recipe.steps.iter().enumerate().peekable();
        while let Some((index, step)) = steps.next() {
            stage = match (stage, step) {
                (Stage::Film(region), RecipeStep::Crop(to)) if index == 0 => {
                    match geometry::film_crop(to, self.radiograph, self.lungs) {
                        Some(part) => Stage::Film(part),
                        None => Stage::Made(taken(self.read(region), step)),
                    }
                }
                (Stage::Film(region), RecipeStep::Resize { to, filter })
                    if self.is_banded(*to, *filter) =>
                {
                    Stage::Made(self.banded(region, *to))
                }
                (stage, RecipeStep::Resize { to, filter }) => {
                    let picture = self.made(stage);
                    let size = geometry::resized(*to, (picture.width, picture.height));
                    let is_small = size.0.saturating_mul(size.1) <= LARGEST_SEEN;
                    match steps.peek() {
                        Some((_, next)) if watch.is_none() || !is_small => {
                            let made = resized_for(picture, *filter, size, next);
                            // A crop that was made with the resize is done.
                            if made.has_cropped {
                                steps.next();
                            }
                            Stage::Made(made.picture)
                        }
                        _ => Stage::Made(resized(picture, *filter, ResizeTarget::whole(size))),
                    }
                }
                (stage, step) => Stage::Made(taken(self.made(stage), step)),
            };
            // After a crop that was made with the resize, this is the picture of the crop.
            let number = steps
                .peek()
                .map_or(self.recipe.steps.len(), |(next, _)| *next);
            self.show(number, &stage, &mut watch);
        }
        self.made(stage)
    }

    fn read(&self, region: Region) -> Picture {
        read::read(&self.recipe.film, self.radiograph, region)
    }

    fn made(&self, stage: Stage) -> Picture {
        match stage {
            Stage::Film(region) => self.read(region),
            Stage::Made(picture) => picture,
        }
    }

    fn show(&self, number: usize, stage: &Stage, watch: &mut Option<&mut Watch>) {
        let Some(watch) = watch else { return };
        match stage {
            Stage::Film(region) => (**watch)(number, &self.read(*region)),
            Stage::Made(picture) => (**watch)(number, picture),
        }
    }

    /// Whether a film can be resized in bands, without being in memory as a whole.
    fn is_banded(&self, to: ResizeTo, filter: ResizeFilter) -> bool {
        self.recipe.film.range == FilmRange::Physical
            && filter == ResizeFilter::PillowBilinear
            && matches!(to, ResizeTo::Square(_))
    }

    fn banded(&self, region: Region, to: ResizeTo) -> Picture {
        let (side, _) = geometry::resized(to, (region.width, region.height));
        let values = cxr::resampled(self.radiograph, region, side);
        Picture::floats((side, side), vec![values])
    }
}

/// A resized picture, and whether the crop after it was made too.
struct ResizedPicture {
    picture: Picture,
    has_cropped: bool,
}

/// A resize, and if the next step is a crop to the centre, that too: nothing is computed that it cuts off.
fn resized_for(
    picture: Picture,
    filter: ResizeFilter,
    (width, height): (usize, usize),
    next: &RecipeStep,
) -> ResizedPicture {
    let RecipeStep::Crop(CropTo::Centre { size, like, fill }) = next else {
        return ResizedPicture {
            picture: resized(picture, filter, ResizeTarget::whole((width, height))),
            has_cropped: false,
        };
    };
    let wanted = |length: usize| {
        let start = geometry::centre(length, *size, *like);
        let first = start.max(0).unsigned_abs();
        (start.min(0), first..(first + size).min(length))
    };
    let ((before_x, columns), (before_y, rows)) = (wanted(width), wanted(height));
    let target = ResizeTarget {
        size: (width, height),
        columns,
        rows,
    };
    let part = resized(picture, filter, target);
    ResizedPicture {
        picture: part.framed((before_x, before_y), (*size, *size), fill),
        has_cropped: true,
    }
}

/// A picture after any step but a resize.
fn taken(picture: Picture, step: &RecipeStep) -> Picture {
    let (width, height) = (picture.width, picture.height);
    match step {
        RecipeStep::Crop(CropTo::Centre { size, like, fill }) => {
            let start = |length: usize| geometry::centre(length, *size, *like);
            picture.framed((start(width), start(height)), (*size, *size), fill)
        }
        // Only a square in pixels is cut out of a picture that was read.
        RecipeStep::Crop(_) => {
            let (left, top, side) = geometry::square((width, height));
            picture.framed((left as isize, top as isize), (side, side), &[0.0])
        }
        RecipeStep::Resize { to, filter } => {
            let size = geometry::resized(*to, (width, height));
            resized(picture, *filter, ResizeTarget::whole(size))
        }
        RecipeStep::Pad { size, at, fill } => {
            let start = |length: usize| geometry::pad(length, *size, *at);
            picture.framed((start(width), start(height)), (*size, *size), fill)
        }
        RecipeStep::Range { low, high } => values::range(picture, *low, *high),
        RecipeStep::Scale { times, plus } => values::scale(picture, *times, *plus),
        RecipeStep::Normalise { mean, deviation } => values::normalise(picture, mean, deviation),
        RecipeStep::Stretch {
            percentiles,
            low,
            high,
        } => values::stretch(picture, *percentiles, *low, *high),
        RecipeStep::Standardise => values::standardise(picture),
        RecipeStep::Clip { low, high } => values::clip(picture, *low, *high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CropRounding, FilmReading, PadPlace, Samples, SideRounding};

    fn film(width: usize, height: usize) -> Radiograph {
        let grey = |i: usize| ((i % width) * 3 + (i / width) * 5) as u8;
        let grey = (0..width * height).map(grey).collect();
        Radiograph::plain(width, height, Samples::Grey8(grey), "test")
    }

    fn centre_crop(short: usize, crop: usize) -> PreprocessRecipe {
        PreprocessRecipe::centre_crop(
            FilmReading::PICTURE,
            (short, crop),
            ResizeFilter::PillowBicubic,
            CropRounding::Torchvision,
            Some((vec![0.5; 3], vec![0.25; 3])),
        )
    }

    fn run(recipe: &PreprocessRecipe, radiograph: &Radiograph) -> Picture {
        let run = RecipeRun {
            recipe,
            radiograph,
            lungs: None,
        };
        run.picture(None)
    }

    /// The number, the size and the largest value of each picture.
    fn watched(
        recipe: &PreprocessRecipe,
        radiograph: &Radiograph,
    ) -> (Picture, Vec<(usize, usize, usize)>) {
        let run = RecipeRun {
            recipe,
            radiograph,
            lungs: None,
        };
        let mut seen = Vec::new();
        let mut watch = |number: usize, picture: &Picture| {
            seen.push((number, picture.width, picture.height));
        };
        let last = run.picture(Some(&mut watch));
        (last, seen)
    }

    #[test]
    fn what_is_watched_is_what_is_computed() {
        for (short, crop) in [(16, 11), (11, 16), (9, 9)] {
            for (width, height) in [(40, 30), (13, 37), (5, 5)] {
                let recipe = centre_crop(short, crop);
                let film = film(width, height);
                let (last, seen) = watched(&recipe, &film);
                assert_eq!(last, run(&recipe, &film), "{short} {crop} {width} {height}");
                let numbers: Vec<usize> = seen.iter().map(|(number, ..)| *number).collect();
                assert_eq!(numbers, [0, 1, 2, 3, 4]);
                assert_eq!(seen[0], (0, width, height));
                assert_eq!(seen[1].1.min(seen[1].2), short);
                assert_eq!(seen[2], (2, crop, crop));
            }
        }
    }

    #[test]
    fn a_picture_of_any_length_costs_no_more_than_its_crop() {
        let recipe = centre_crop(64, 48);
        let long = film(20_000, 1);
        let (last, seen) = watched(&recipe, &long);
        // 64 · 20,000 columns: the resize is left out, and its crop is there.
        let numbers: Vec<usize> = seen.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, [0, 2, 3, 4]);
        assert_eq!((last.width, last.height), (48, 48));
        assert_eq!(last, run(&recipe, &long));
    }

    #[test]
    fn a_letterbox_shows_the_whole_film() {
        let recipe = PreprocessRecipe {
            film: FilmReading::PICTURE,
            steps: vec![
                RecipeStep::Resize {
                    to: ResizeTo::Long(8, SideRounding::Nearest),
                    filter: ResizeFilter::OpencvArea,
                },
                RecipeStep::Pad {
                    size: 8,
                    at: PadPlace::Centre,
                    fill: vec![1.0, 2.0, 3.0],
                },
            ],
        };
        let grey = Radiograph::plain(32, 16, Samples::Grey8(vec![7; 32 * 16]), "test");
        let values = run(&recipe, &grey).input(3);
        for (channel, plane) in values.chunks_exact(64).enumerate() {
            let fill = (channel + 1) as f32;
            let expected = |row: usize| if (2..6).contains(&row) { 7.0 } else { fill };
            for (row, line) in plane.chunks_exact(8).enumerate() {
                assert!(line.iter().all(|v| *v == expected(row)), "{channel} {row}");
            }
        }
    }
}
