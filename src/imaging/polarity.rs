//! Polarity: whether the bones of a frontal chest film are bright or dark, found from its samples.
//!
//! Some films are saved bone-black by accident, and only the picture shows it: a model scores the
//! negative with the same confidence. So polarity is settled once, where the file is decoded. If the
//! picture contradicts its header, [`Radiograph::inverted`] is changed, and the eye, the model, the heat
//! map, the table and the report all get the same correct film. An [`Objection::Inverted`] on the row
//! says so. The reader is not asked first: batch runs have no reader, and one content must have one
//! score in every table. If a film is inverted wrongly, the caution names it. What the reader inverts on
//! the screen is added to this.
//!
//! A small network *f* gives one number for a thumbnail of ranks *x*, whose negative is −*x*. The
//! softmax over *f*(*x*), *f*(−*x*) and 0 gives the probabilities that *x* is a film, the negative of
//! one, or neither. So the answer for the negative mirrors that for the film. Pictures that are neither,
//! and doubtful ones, stay as they are. `training/polarity.py` trains and measures the network;
//! `weights/polarity.md` names its data and how often it is wrong.

use std::ops::Range;
use std::sync::LazyLock;

use super::values::{luma, modality};
use crate::domain::{
    Modality, Objection, PhotometricInterpretation, Radiograph, Region, Samples, ViewPosition,
};

/// Cells per side of the thumbnail, and sampled positions per side of a cell.
const CELLS: usize = 32;
const LOOKS: usize = 4;
const GRID: usize = CELLS * LOOKS;
/// A row or column is border if its greys span at most this share of the range of the whole picture.
const BORDER_SPAN: f64 = 0.04;
/// The least number of cells that must hold more than padding.
const FEWEST_CELLS: usize = CELLS * CELLS / 4;

/// The probability of a negative from which a film is inverted. Chosen on validation films.
const SURE: f64 = 0.75;

/// The film with its polarity settled. `stated` is whether its file states a polarity.
pub(super) fn settled(film: Radiograph, stated: bool) -> Radiograph {
    if !may_be_frontal(&film) || !is_negative(&film) {
        return film;
    }
    inverted(film, stated)
}

/// A film that its header excludes keeps the polarity of the header.
fn may_be_frontal(film: &Radiograph) -> bool {
    !matches!(film.modality, Modality::Other(_)) && film.view != ViewPosition::Lateral
}

/// Whether the picture is surely the negative of a frontal chest film. Its header is not considered.
pub fn is_negative(film: &Radiograph) -> bool {
    thumbnail(film).is_some_and(|seen| negative_probability(&seen) >= SURE)
}

fn inverted(mut film: Radiograph, stated: bool) -> Radiograph {
    let header = stated.then(|| polarity_in_words(&film).to_owned());
    film.admission.objections.push(Objection::Inverted(header));
    film.inverted = !film.inverted;
    film
}

fn polarity_in_words(film: &Radiograph) -> &'static str {
    match (film.photometric, film.inverted) {
        (PhotometricInterpretation::Monochrome1, _) => "MONOCHROME1",
        (PhotometricInterpretation::Monochrome2, true) => "Presentation LUT Shape INVERSE",
        (PhotometricInterpretation::Monochrome2, false) => "MONOCHROME2",
        (PhotometricInterpretation::Palette, _) => "PALETTE COLOR",
        (PhotometricInterpretation::Rgb, _) => "RGB",
    }
}

/// 32 × 32 ranks from −1 to 1, row by row.
type Thumbnail = [f32; CELLS * CELLS];

/// The rank of each cell's mean among all cells, which is the same after every increasing grey curve.
/// Cells of equal means get the mean of their ranks, cells of padding 0. Borders of one grey are left
/// out. Only 128 × 128 pixels of a large film are sampled, once to find its borders and once within
/// them.
fn thumbnail(film: &Radiograph) -> Option<Thumbnail> {
    let whole = Region {
        left: 0,
        top: 0,
        width: film.width,
        height: film.height,
    };
    let within = within_borders(film, &sampled(film, whole));
    ranks(&means(&sampled(film, within)))
}

/// The thumbnail of these means; `None` if too many cells are padding.
fn ranks(means: &[f64]) -> Option<Thumbnail> {
    let mut order: Vec<usize> = (0..means.len()).filter(|&i| means[i].is_finite()).collect();
    if order.len() < FEWEST_CELLS {
        return None;
    }
    order.sort_unstable_by(|&a, &b| means[a].total_cmp(&means[b]));
    let last = (order.len() - 1) as f64;
    let (mut ranks, mut first) = ([0.0; CELLS * CELLS], 0);
    for equal in order.chunk_by(|&a, &b| means[a] == means[b]) {
        let middle = first as f64 + (equal.len() - 1) as f64 / 2.0;
        let rank = (middle * 2.0 / last - 1.0) as f32;
        equal.iter().for_each(|&cell| ranks[cell] = rank);
        first += equal.len();
    }
    Some(ranks)
}

/// The mean of the samples in each cell without padding; NaN if all are padding.
fn means(grid: &[f64]) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; CELLS * CELLS], [0_u32; CELLS * CELLS]);
    for (i, &value) in grid.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let cell = i / GRID / LOOKS * CELLS + i % GRID / LOOKS;
        sums[cell] += value;
        counts[cell] += 1;
    }
    let cells = sums.iter().zip(counts);
    cells.map(|(sum, count)| sum / f64::from(count)).collect()
}

/// Greys in the centres of 128 × 128 equal parts of a region; NaN for padding.
fn sampled(film: &Radiograph, region: Region) -> Vec<f64> {
    let middle = |part: usize, side: usize| (2 * part + 1) * side / (2 * GRID);
    let mut greys = Vec::with_capacity(GRID * GRID);
    for row in 0..GRID {
        let start = (region.top + middle(row, region.height)) * film.width + region.left;
        greys.extend((0..GRID).map(|column| grey(film, start + middle(column, region.width))));
    }
    greys
}

/// The film without the outer rows and columns of almost one grey.
fn within_borders(film: &Radiograph, grid: &[f64]) -> Region {
    let little = BORDER_SPAN * span(grid.iter().copied());
    let (mut rows, mut columns) = (0..GRID, 0..GRID);
    // Twice, because borders above and beside may have different greys.
    for _ in 0..2 {
        rows = spanning(|row| span(columns.clone().map(|c| grid[row * GRID + c])) > little);
        columns = spanning(|column| span(rows.clone().map(|r| grid[r * GRID + column])) > little);
    }
    let (top, height) = part_of(film.height, &rows);
    let (left, width) = part_of(film.width, &columns);
    Region {
        left,
        top,
        width,
        height,
    }
}

/// The largest difference of two greys.
fn span(greys: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = greys.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), grey| {
        (low.min(grey), high.max(grey))
    });
    high - low
}

/// The range from the first to the last kept row or column; all of them if it is less than a quarter.
fn spanning(is_kept: impl Fn(usize) -> bool) -> Range<usize> {
    let first = (0..GRID).find(|&i| is_kept(i));
    let last = (0..GRID).rfind(|&i| is_kept(i));
    match (first, last) {
        (Some(first), Some(last)) if last + 1 - first >= GRID / 4 => first..last + 1,
        _ => 0..GRID,
    }
}

/// Start and length in pixels of a range of the 128 parts of a side.
fn part_of(side: usize, parts: &Range<usize>) -> (usize, usize) {
    let start = parts.start * side / GRID;
    (
        start,
        (parts.end * side / GRID).saturating_sub(start).max(1),
    )
}

/// The grey of a pixel, with the brightness of [`grey_values`](super::grey_values); NaN for padding.
fn grey(film: &Radiograph, at: usize) -> f64 {
    let stored = match &film.samples {
        Samples::Grey8(v) => f32::from(v[at]),
        Samples::Grey16(v) => f32::from(v[at]),
        Samples::GreySigned16(v) => f32::from(v[at]),
        Samples::GreyF32(v) => v[at],
        Samples::Rgb8(v) => luma(&v[3 * at..]),
    };
    let pads = |(low, high): (i32, i32)| (low as f32..=high as f32).contains(&stored);
    if film.samples.channels() == 1 && film.padding.is_some_and(pads) {
        return f64::NAN;
    }
    let value = modality(&film.modality_transform, stored);
    if film.inverted { -value } else { value }
}

/// The probability that a thumbnail is that of the negative of a frontal chest film.
fn negative_probability(seen: &Thumbnail) -> f64 {
    let [film, negative] = [*seen, seen.map(|v| -v)].map(|x| f64::from(NETWORK.of(&x)));
    // The largest is subtracted first, so that no exponential overflows.
    let largest = film.max(negative).max(0.0);
    let [film, negative, neither] = [film, negative, 0.0].map(|v: f64| (v - largest).exp());
    negative / (film + negative + neither)
}

static NETWORK: LazyLock<PolarityNetwork> =
    LazyLock::new(|| PolarityNetwork::read(include_bytes!("../../weights/polarity.bin")));

/// Channels after each convolution.
const WIDTHS: [usize; 3] = [8, 16, 32];
/// Weights of one 3 × 3 kernel.
const TAPS: usize = 9;

/// Three 3 × 3 convolutions of stride 2, each with a ReLU, and a linear layer from the 4 × 4 × 32 values
/// to one number.
struct PolarityNetwork {
    convolutions: Vec<PolarityLayer>,
    last: PolarityLayer,
}

/// Weights of one output after another, and a bias for each output.
struct PolarityLayer {
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl PolarityNetwork {
    /// Reads little-endian numbers: weights and biases of each layer.
    fn read(bytes: &[u8]) -> PolarityNetwork {
        let numbers = bytes.as_chunks::<4>().0.iter();
        let mut numbers = numbers.map(|&bytes| f32::from_le_bytes(bytes));
        let mut layer = |inputs: usize, outputs: usize| PolarityLayer {
            weights: numbers.by_ref().take(inputs * outputs).collect(),
            biases: numbers.by_ref().take(outputs).collect(),
        };
        let mut channels = 1;
        let convolutions = WIDTHS.map(|width| {
            let inputs = std::mem::replace(&mut channels, width) * TAPS;
            layer(inputs, width)
        });
        let left = CELLS >> WIDTHS.len();
        let last = layer(channels * left * left, 1);
        PolarityNetwork {
            convolutions: convolutions.into(),
            last,
        }
    }

    /// The output for a thumbnail.
    fn of(&self, seen: &Thumbnail) -> f32 {
        let (mut values, mut side) = (seen.to_vec(), CELLS);
        for layer in &self.convolutions {
            values = layer.convolve(&values, side);
            side /= 2;
        }
        let products = values.iter().zip(&self.last.weights).map(|(v, w)| v * w);
        products.sum::<f32>() + self.last.biases[0]
    }
}

impl PolarityLayer {
    /// Convolves planes of `side × side`, with zeros around them, to planes of half the side. `side` is
    /// even.
    fn convolve(&self, planes: &[f32], side: usize) -> Vec<f32> {
        let half = side / 2;
        let inputs = planes.len() / (side * side);
        let rows = tap_rows(planes, side);
        let mut values = vec![0.0; self.biases.len() * half * half];
        let kernels = self.weights.chunks(inputs * TAPS).zip(&self.biases);
        for (outputs, (kernels, bias)) in values.chunks_mut(half * half).zip(kernels) {
            outputs.fill(*bias);
            let planes = rows.chunks_exact((side + 1) * 3 * half);
            for (plane, kernel) in planes.zip(kernels.as_chunks::<TAPS>().0) {
                for (y, output) in outputs.chunks_mut(half).enumerate() {
                    let from = 2 * y * 3 * half;
                    add_row(output, &plane[from..from + TAPS * half], kernel);
                }
            }
            outputs.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        values
    }
}

/// The values that each column of a kernel meets, side by side, so that a row is computed in vectors: for
/// each plane, from the row of zeros above it, three rows of half the side.
fn tap_rows(planes: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    let mut rows = Vec::with_capacity(planes.len() / side * (side + 1) * 3 / 2);
    for plane in planes.chunks_exact(side * side) {
        rows.resize(rows.len() + 3 * half, 0.0);
        for row in plane.chunks_exact(side) {
            let pairs = row.as_chunks::<2>().0;
            // Before the first column is a zero.
            rows.push(0.0);
            rows.extend(pairs[..half - 1].iter().map(|[_, odd]| odd));
            rows.extend(pairs.iter().map(|[even, _]| even));
            rows.extend(pairs.iter().map(|[_, odd]| odd));
        }
    }
    rows
}

/// Adds the products of a 3 × 3 kernel to a row of outputs. `taps` has one row for each of its values.
fn add_row(output: &mut [f32], taps: &[f32], kernel: &[f32; TAPS]) {
    for (tap, weight) in taps.chunks_exact(output.len()).zip(kernel) {
        for (sum, value) in output.iter_mut().zip(tap) {
            *sum += weight * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::domain::{PixelTransform, Rescale};

    /// Whole numbers 0 to 4095, as `training/polarity.py` makes them.
    fn made(kind: &str) -> Vec<i32> {
        let pattern = |y: i32, x: i32| (x * x * 7 + y * y * 3 + x * y * 11) % 4096;
        let trunk = |y: i32, x: i32| {
            let aside = (2 * x - 130).abs();
            let lung = (aside - 56).abs() < 38 && (2 * y - 130).abs() < 90;
            let grey = if lung { 900 } else { 2600 } + 4 * y + (x * 7 + y * 13) % 50;
            if aside < 118 { grey } else { 30 }
        };
        let places = (0..150).flat_map(|y| (0..131).map(move |x| (y, x)));
        places
            .map(|(y, x)| match kind {
                "pattern" => pattern(y, x),
                _ => trunk(y, x),
            })
            .collect()
    }

    fn radiograph(values: &[i32]) -> Radiograph {
        let values = values.iter().map(|&v| v as i16).collect();
        Radiograph::plain(131, 150, Samples::GreySigned16(values), "test")
    }

    fn negated(values: &[i32]) -> Vec<i32> {
        values.iter().map(|v| -v).collect()
    }

    #[test]
    fn synthetic_pictures_get_the_numbers_of_the_training_program() {
        let expected = include_str!("../../tests/data/polarity.json");
        let expected: Value = serde_json::from_str(expected).unwrap();
        let cases = expected["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let made = made(case["kind"].as_str().unwrap());
            let negative = case["negative"].as_bool().unwrap();
            let film = radiograph(&if negative { negated(&made) } else { made });
            let seen = thumbnail(&film).unwrap();
            let some = (0..CELLS).step_by(5).flat_map(|y| {
                let seen = &seen;
                (0..CELLS).step_by(7).map(move |x| seen[y * CELLS + x])
            });
            for (ours, theirs) in some.zip(case["thumbnail"].as_array().unwrap()) {
                assert!((f64::from(ours) - theirs.as_f64().unwrap()).abs() < 1e-6);
            }
            for (seen, name) in [(seen, "film"), (seen.map(|v| -v), "negative_of_a_film")] {
                let (ours, theirs) = (NETWORK.of(&seen), case[name].as_f64().unwrap());
                assert!((f64::from(ours) - theirs).abs() < 1e-3, "{ours} {theirs}");
            }
            assert_eq!(is_negative(&film), case["turned"].as_bool().unwrap());
        }
    }

    #[test]
    fn the_thumbnail_does_not_depend_on_how_greys_are_stored() {
        let values = made("trunk");
        let seen = thumbnail(&radiograph(&values));
        let plain = |samples| Radiograph::plain(131, 150, samples, "test");
        let unsigned = plain(Samples::Grey16(values.iter().map(|&v| v as u16).collect()));
        let squared = values.iter().map(|&v| (v * v) as f32).collect();
        // The mean of squares is not the square of the mean, so a few ranks differ.
        let squared = thumbnail(&plain(Samples::GreyF32(squared))).unwrap();
        let mut falling = radiograph(&negated(&values));
        falling.modality_transform = PixelTransform::Linear(Rescale {
            slope: -0.5,
            intercept: 7.0,
        });
        let mut inverted = radiograph(&negated(&values));
        inverted.inverted = true;
        for film in [unsigned, falling, inverted] {
            assert_eq!(thumbnail(&film), seen);
        }
        let seen = seen.unwrap();
        let apart = seen.iter().zip(squared).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 0.1);
        let negative = thumbnail(&radiograph(&negated(&values))).unwrap();
        assert_eq!(negative, seen.map(|v| -v));
    }

    #[test]
    fn padding_is_neither_bright_nor_dark() {
        let mut values = made("trunk");
        values[131 * 60..131 * 90].fill(-9);
        let mut film = radiograph(&values);
        film.padding = Some((-9, -9));
        let seen = thumbnail(&film).unwrap();
        let padded = |row: &&[f32]| row.iter().all(|&v| v == 0.0);
        assert!(seen.chunks(CELLS).filter(padded).count() >= 6);
        assert!(seen.iter().any(|&v| v > 0.9) && seen.iter().any(|&v| v < -0.9));
        film.padding = Some((-9, 9999));
        assert_eq!(thumbnail(&film), None);
    }

    #[test]
    fn borders_of_any_grey_are_left_out() {
        let film = radiograph(&made("trunk"));
        let seen = thumbnail(&film).unwrap();
        for (above, beside) in [(30, 30), (9000, 9000), (2000, 0)] {
            let (width, height) = (131 + 2 * 131, 150 + 150);
            let row = |y: usize| match y {
                75..225 => [
                    vec![beside; 131],
                    made("trunk")[131 * (y - 75)..131 * (y - 74)].to_vec(),
                    vec![beside; 131],
                ]
                .concat(),
                _ => vec![above; width],
            };
            let values = (0..height).flat_map(row).map(|v| v as i16).collect();
            let film = Radiograph::plain(width, height, Samples::GreySigned16(values), "test");
            let apart = thumbnail(&film).unwrap();
            let apart = apart.iter().zip(seen).map(|(a, b)| (a - b).abs());
            // Borders are found to the nearest of 128 parts only.
            let mean = apart.sum::<f32>() / (CELLS * CELLS) as f32;
            assert!(mean < 0.15, "{above} {beside}: {mean}");
        }
    }

    #[test]
    fn films_that_their_header_excludes_are_not_inverted() {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
        let limits = crate::imaging::DecodeLimits::default();
        let mut negative = crate::imaging::open(sample.as_ref(), &limits).unwrap();
        negative.inverted = true;
        assert!(!settled(negative.clone(), false).inverted);
        let mut lateral = negative.clone();
        lateral.view = ViewPosition::Lateral;
        negative.modality = Modality::Other("CT".into());
        for refused in [negative, lateral] {
            assert_eq!(settled(refused.clone(), false), refused);
        }
    }

    proptest! {
        #[test]
        fn no_picture_of_any_size_panics(
            width in 1..70_usize,
            height in 1..70_usize,
            noise in proptest::collection::vec(any::<f32>(), 1..99),
        ) {
            let values = noise.iter().cycle().take(width * height).copied().collect();
            let film = Radiograph::plain(width, height, Samples::GreyF32(values), "test");
            if let Some(seen) = thumbnail(&film) {
                let share = negative_probability(&seen);
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }

        #[test]
        fn a_picture_of_one_grey_stays_as_it_is(grey in any::<u8>(), inverted in any::<bool>()) {
            let mut blank = Radiograph::plain(300, 200, Samples::Grey8(vec![grey; 60_000]), "test");
            blank.inverted = inverted;
            prop_assert_eq!(settled(blank.clone(), false), blank);
        }
    }
}
