//! Sizes of pictures after each step, and where they lie on the film.

use super::cxr;
use crate::domain::{
    CropRounding, CropTo, FilmPart, PadPlace, Radiograph, RecipeStep, Region, ResizeTo,
    SideRounding,
};

/// A share of a side that is none: the rounding of the numbers before.
const NONE: f64 = 1e-9;

/// Columns and rows of a picture of these sides after resizing.
pub fn resized(to: ResizeTo, sides: (usize, usize)) -> (usize, usize) {
    let (width, height) = sides;
    match to {
        ResizeTo::Square(side) => (side, side),
        // `int(size * long / short)` of torchvision: the quotient is never so close to a whole number that single
        // steps of double precision would matter.
        ResizeTo::Short(side, SideRounding::Down) if width <= height => {
            (side, side * height / width)
        }
        ResizeTo::Short(side, SideRounding::Down) => (side * width / height, side),
        ResizeTo::Short(side, SideRounding::Nearest) => {
            nearest(sides, width.min(height) as f64 / side as f64)
        }
        // `get_image_size_for_max_height_width` of transformers.
        ResizeTo::Long(side, SideRounding::Down) => {
            let scale = |length: usize| side as f64 / length as f64;
            let scale = scale(height).min(scale(width));
            let scaled = |length: usize| (length as f64 * scale) as usize;
            (scaled(width).max(1), scaled(height).max(1))
        }
        ResizeTo::Long(side, SideRounding::Nearest) => {
            let (width, height) = nearest(sides, width.max(height) as f64 / side as f64);
            (width.min(side), height.min(side))
        }
    }
}

/// `round(x / ratio)` of timm's `ResizeKeepRatio`. Python rounds halves to even.
fn nearest((width, height): (usize, usize), ratio: f64) -> (usize, usize) {
    let rounded = |length: usize| (length as f64 / ratio).round_ties_even() as usize;
    (rounded(width).max(1), rounded(height).max(1))
}

/// Where a centre crop of `size` begins on a side of this length; negative where it pads before it.
pub fn centre(length: usize, size: usize, like: CropRounding) -> isize {
    if length >= size {
        let rest = length - size;
        let start = match like {
            // `int(round((image_height - crop_height) / 2.0))`. Python rounds halves to even.
            CropRounding::Torchvision => (rest as f64 / 2.0).round_ties_even() as usize,
            CropRounding::Transformers | CropRounding::TransformersPil => rest / 2,
        };
        start as isize
    } else {
        let rest = size - length;
        let before = match like {
            CropRounding::Torchvision | CropRounding::Transformers => rest / 2,
            CropRounding::TransformersPil => rest.div_ceil(2),
        };
        -(before as isize)
    }
}

/// Where padding to `size` begins on a side of this length: at 0 or before it.
pub fn pad(length: usize, size: usize, at: PadPlace) -> isize {
    match at {
        PadPlace::Centre => -((size.saturating_sub(length) / 2) as isize),
        PadPlace::TopLeft => 0,
    }
}

/// `XRayCenterCrop`: the largest square in pixels, with its integer arithmetic: left, top and side.
pub fn square((width, height): (usize, usize)) -> (usize, usize, usize) {
    let side = width.min(height);
    (width / 2 - side / 2, height / 2 - side / 2, side)
}

/// The part of a film that a crop leaves, as the first step. `None` for a crop that is not made on films.
pub fn film_crop(to: &CropTo, radiograph: &Radiograph, lungs: Option<Region>) -> Option<Region> {
    match to {
        CropTo::Square => {
            let (left, top, side) = square((radiograph.width, radiograph.height));
            Some(Region {
                left,
                top,
                width: side,
                height: side,
            })
        }
        CropTo::SquareMillimetres => Some(cxr::centre_square(radiograph)),
        CropTo::Lungs => Some(lungs.unwrap_or_else(|| cxr::centre_square(radiograph))),
        CropTo::Centre { .. } => None,
    }
}

/// Where one axis of a picture lies on the film: pixel p begins at `base + (shift + p) · pixels ÷ of`.
#[derive(Debug, Clone, Copy)]
struct AxisPlace {
    /// Pixels of the picture.
    length: usize,
    base: f64,
    shift: f64,
    pixels: f64,
    of: f64,
}

impl AxisPlace {
    fn film(start: usize, length: usize) -> Self {
        AxisPlace {
            length,
            base: 0.0,
            shift: start as f64,
            pixels: 1.0,
            of: 1.0,
        }
    }

    /// `length` pixels from `start` on.
    fn framed(self, start: isize, length: usize) -> Self {
        AxisPlace {
            length,
            shift: self.shift + start as f64,
            ..self
        }
    }

    fn resized(self, length: usize) -> Self {
        AxisPlace {
            length,
            base: self.at(0),
            shift: 0.0,
            pixels: self.pixels * self.length as f64,
            of: self.of * length as f64,
        }
    }

    /// Where pixel `at` begins on the film.
    fn at(&self, at: usize) -> f64 {
        self.base + (self.shift + at as f64) * self.pixels / self.of
    }

    /// The pixels of the film, of `side` pixels, that it covers: the first and how many; and the share of the picture
    /// that lies on the film, from and to.
    fn on(&self, side: usize) -> ((usize, usize), (f64, f64)) {
        let (start, end) = (self.at(0), self.at(self.length));
        let first = (start.round().max(0.0) as usize).min(side.saturating_sub(1));
        let after = (end.round().max(0.0) as usize).min(side).max(first + 1);
        let share = |place: f64| ((place - start) / (end - start)).clamp(0.0, 1.0);
        ((first, after - first), (share(0.0), share(side as f64)))
    }
}

/// The part of a film that a network sees after these steps, in stored pixels, and the part of its input that shows
/// film, where some of it is padding.
pub fn seen(
    steps: &[RecipeStep],
    radiograph: &Radiograph,
    lungs: Option<Region>,
) -> (Region, Option<FilmPart>) {
    let mut x = AxisPlace::film(0, radiograph.width);
    let mut y = AxisPlace::film(0, radiograph.height);
    for (index, step) in steps.iter().enumerate() {
        match step {
            RecipeStep::Crop(CropTo::Centre { size, like, .. }) => {
                x = x.framed(centre(x.length, *size, *like), *size);
                y = y.framed(centre(y.length, *size, *like), *size);
            }
            RecipeStep::Crop(to) if index == 0 => {
                if let Some(region) = film_crop(to, radiograph, lungs) {
                    x = AxisPlace::film(region.left, region.width);
                    y = AxisPlace::film(region.top, region.height);
                }
            }
            RecipeStep::Crop(_) => {
                let (left, top, side) = square((x.length, y.length));
                x = x.framed(left as isize, side);
                y = y.framed(top as isize, side);
            }
            RecipeStep::Resize { to, .. } => {
                let (width, height) = resized(*to, (x.length, y.length));
                (x, y) = (x.resized(width), y.resized(height));
            }
            RecipeStep::Pad { size, at, .. } => {
                x = x.framed(pad(x.length, *size, *at), *size);
                y = y.framed(pad(y.length, *size, *at), *size);
            }
            RecipeStep::Range { .. }
            | RecipeStep::Scale { .. }
            | RecipeStep::Normalise { .. }
            | RecipeStep::Stretch { .. }
            | RecipeStep::Standardise
            | RecipeStep::Clip { .. } => {}
        }
    }
    let ((left, width), columns) = x.on(radiograph.width);
    let ((top, height), rows) = y.on(radiograph.height);
    let region = Region {
        left,
        top,
        width,
        height,
    };
    let is_all = [columns, rows]
        .iter()
        .all(|(from, to)| *from < NONE && *to > 1.0 - NONE);
    (region, (!is_all).then_some(FilmPart { columns, rows }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ResizeFilter, Samples};

    fn film(width: usize, height: usize) -> Radiograph {
        let samples = Samples::Grey8(vec![100; width * height]);
        Radiograph::plain(width, height, samples, "test")
    }

    fn to(to: ResizeTo) -> RecipeStep {
        let filter = ResizeFilter::PillowBilinear;
        RecipeStep::Resize { to, filter }
    }

    fn centred(size: usize) -> RecipeStep {
        RecipeStep::Crop(CropTo::Centre {
            size,
            like: CropRounding::Torchvision,
            fill: vec![0.0],
        })
    }

    /// torchvision's `Resize(256)` and timm's `ResizeKeepRatio`.
    #[test]
    fn sides_are_rounded_as_their_libraries_do() {
        let short = |rounding| ResizeTo::Short(256, rounding);
        // int(256 * 900 / 600) and int(256 * 611 / 480) = int(325.87)
        assert_eq!(resized(short(SideRounding::Down), (900, 600)), (384, 256));
        assert_eq!(resized(short(SideRounding::Down), (480, 611)), (256, 325));
        assert_eq!(
            resized(short(SideRounding::Nearest), (480, 611)),
            (256, 326)
        );
        assert_eq!(resized(short(SideRounding::Down), (1, 1)), (256, 256));
        let long = |rounding| ResizeTo::Long(224, rounding);
        // int(480 * (224 / 611)) = int(175.97)
        assert_eq!(resized(long(SideRounding::Down), (480, 611)), (175, 224));
        assert_eq!(resized(long(SideRounding::Nearest), (480, 611)), (176, 224));
        assert_eq!(resized(long(SideRounding::Nearest), (5000, 1)), (224, 1));
        assert_eq!(resized(ResizeTo::Square(8), (480, 611)), (8, 8));
    }

    #[test]
    fn the_centre_is_found_as_each_library_finds_it() {
        let starts = |length, size| {
            [
                CropRounding::Torchvision,
                CropRounding::Transformers,
                CropRounding::TransformersPil,
            ]
            .map(|like| centre(length, size, like))
        };
        assert_eq!(starts(384, 224), [80, 80, 80]);
        // int(round(32.5)) is 32, int(round(33.5)) is 34.
        assert_eq!(starts(289, 224), [32, 32, 32]);
        assert_eq!(starts(291, 224), [34, 33, 33]);
        assert_eq!(starts(221, 224), [-1, -1, -2]);
        assert_eq!(starts(224, 224), [0, 0, 0]);
        assert_eq!(
            [PadPlace::Centre, PadPlace::TopLeft].map(|at| pad(5, 8, at)),
            [-1, 0]
        );
    }

    #[test]
    fn the_square_is_torchxrayvisions_to_the_pixel() {
        assert_eq!(square((6, 6)), (0, 0, 6));
        // x // 2 - size // 2 is 4 − 2, while rounding half of the rest would give 1 or 2.
        assert_eq!(square((8, 5)), (2, 0, 5));
        assert_eq!(square((5, 8)), (0, 2, 5));
        assert_eq!(square((7, 4)), (1, 0, 4));
    }

    #[test]
    fn a_crop_after_resizing_lies_where_the_map_is_drawn() {
        let steps = [to(ResizeTo::Short(256, SideRounding::Down)), centred(224)];
        let (region, part) = seen(&steps, &film(900, 600), None);
        // 80 · 900 / 384 = 187.5, 304 · 900 / 384 = 712.5, and 16 · 600 / 256 = 37.5.
        assert_eq!((region.left, region.width), (188, 525));
        assert_eq!((region.top, region.height), (38, 525));
        assert_eq!(part, None);
        let (tiny, _) = seen(&steps, &film(1, 1), None);
        assert_eq!((tiny.width, tiny.height), (1, 1));
        let squares = [RecipeStep::Crop(CropTo::Square), to(ResizeTo::Square(224))];
        let (region, part) = seen(&squares, &film(8, 5), None);
        assert_eq!(
            [region.left, region.top, region.width, region.height],
            [2, 0, 5, 5]
        );
        assert_eq!(part, None);
    }

    #[test]
    fn a_padded_picture_shows_the_whole_film_in_a_part_of_it() {
        let steps = [
            to(ResizeTo::Long(224, SideRounding::Nearest)),
            RecipeStep::Pad {
                size: 224,
                at: PadPlace::Centre,
                fill: vec![0.0],
            },
        ];
        let (region, part) = seen(&steps, &film(100, 200), None);
        assert_eq!(
            [region.left, region.top, region.width, region.height],
            [0, 0, 100, 200]
        );
        let part = part.unwrap();
        // 112 of 224 columns, from 56 on.
        assert_eq!((part.columns, part.rows), ((0.25, 0.75), (0.0, 1.0)));
    }
}
