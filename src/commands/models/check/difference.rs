//! How far a picture is from the array that another program has at the same step.

use std::fmt;

use crate::checkpoint::StoredTensor;
use crate::inference::{Preprocess, SeenStep};

/// From which difference on two numbers, and two values of a picture, are not the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    pub number: f64,
    /// As a share of the range of the reference's values.
    pub step: f64,
}

/// Whether a picture and an array are apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Apart {
    No,
    /// The array is of another shape than the picture, of these rows, columns and channels.
    Shape {
        theirs: Vec<usize>,
        ours: [usize; 3],
    },
    Values {
        differing: usize,
        of: usize,
        /// Of the largest difference: channel, row and column.
        place: [usize; 3],
        ours: f32,
        theirs: f32,
    },
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Apart::No => f.write_str("the same"),
            Apart::Shape {
                theirs,
                ours: [rows, columns, channels],
            } => write!(
                f,
                "the array has the shape {theirs:?}, and the picture {rows} rows, {columns} columns and {channels} channels"
            ),
            Apart::Values {
                differing,
                of,
                place: [channel, row, column],
                ours,
                theirs,
            } => write!(
                f,
                "{differing} of {of} values differ, most in channel {channel}, row {row}, column {column}: {ours} here, {theirs} in the reference"
            ),
        }
    }
}

/// `Pneumonia 0.812345 here, 0.790000 in the reference`
pub fn number_words(label: &str, ours: f64, theirs: f64) -> String {
    format!("{label} {ours:.6} here, {theirs:.6} in the reference")
}

/// An array as planes of rows.
struct ArrayView<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    channels: usize,
    /// The channels of a pixel lie together.
    is_interleaved: bool,
}

impl<'a> ArrayView<'a> {
    /// A picture of these rows and columns: `[H, W]`, `[C, H, W]` or `[H, W, C]`, with or without an axis of one image
    /// before it. `None` if it is none.
    fn of(tensor: &'a StoredTensor, (rows, columns): (usize, usize)) -> Option<Self> {
        let shape = match tensor.shape[..] {
            [1, _, _, _] => &tensor.shape[1..],
            _ => &tensor.shape[..],
        };
        let (channels, is_interleaved) = match *shape {
            [height, width] if (height, width) == (rows, columns) => (1, false),
            [channels @ (1 | 3), height, width] if (height, width) == (rows, columns) => {
                (channels, false)
            }
            [height, width, channels @ (1 | 3)] if (height, width) == (rows, columns) => {
                (channels, true)
            }
            _ => return None,
        };
        Some(ArrayView {
            values: &tensor.values,
            rows,
            columns,
            channels,
            is_interleaved,
        })
    }

    fn value(&self, channel: usize, pixel: usize) -> f32 {
        if self.is_interleaved {
            self.values[pixel * self.channels + channel]
        } else {
            self.values[channel * self.rows * self.columns + pixel]
        }
    }
}

/// Whether a picture is another than an array, where values differ by more than this share of the array's range.
pub fn between(step: &SeenStep, theirs: &StoredTensor, tolerance: f64) -> Apart {
    let (rows, columns, planes) = (step.height, step.width, step.planes.len());
    let view = ArrayView::of(theirs, (rows, columns));
    // One plane stands for all channels, and no three planes for one.
    let Some(view) = view.filter(|view| planes == 1 || view.channels == planes) else {
        return Apart::Shape {
            theirs: theirs.shape.clone(),
            ours: [rows, columns, planes],
        };
    };
    let most = tolerance * range(&theirs.values);
    let (mut differing, mut largest) = (0, 0.0);
    let mut apart = Apart::No;
    let pixels = rows * columns;
    for channel in 0..view.channels {
        let plane = &step.planes[channel.min(planes - 1)];
        for (pixel, ours) in plane.iter().enumerate() {
            let theirs = view.value(channel, pixel);
            let difference = (f64::from(*ours) - f64::from(theirs)).abs();
            if difference <= most {
                continue;
            }
            differing += 1;
            // A value that is no number is the largest difference of all.
            if difference > largest || difference.is_nan() {
                largest = if difference.is_nan() {
                    f64::INFINITY
                } else {
                    difference
                };
                apart = Apart::Values {
                    differing,
                    of: view.channels * pixels,
                    place: [channel, pixel / columns, pixel % columns],
                    ours: *ours,
                    theirs,
                };
            }
        }
    }
    if let Apart::Values { differing: all, .. } = &mut apart {
        *all = differing;
    }
    apart
}

/// The range of the values; 1 where they are all the same.
fn range(values: &[f32]) -> f64 {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let low = finite().fold(f32::INFINITY, f32::min);
    let high = finite().fold(f32::NEG_INFINITY, f32::max);
    let range = f64::from(high) - f64::from(low);
    if range > 0.0 { range } else { 1.0 }
}

/// The values of an array as the input of a network, channel by channel; `None` if it is of another shape.
pub fn as_input(tensor: &StoredTensor, preprocess: &Preprocess) -> Option<Vec<f32>> {
    let (side, channels) = (preprocess.size(), preprocess.channels());
    let view = ArrayView::of(tensor, (side, side))?;
    if view.channels != channels {
        return None;
    }
    let planes = 0..channels;
    let pixels = |channel: usize| (0..side * side).map(move |pixel| (channel, pixel));
    let places = planes.flat_map(pixels);
    Some(
        places
            .map(|(channel, pixel)| view.value(channel, pixel))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> StoredTensor {
        StoredTensor {
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    fn step(planes: &[&[f32]]) -> SeenStep {
        SeenStep {
            number: 1,
            words: "crop".to_owned(),
            width: 3,
            height: 2,
            planes: planes.iter().map(|plane| plane.to_vec()).collect(),
        }
    }

    const GREY: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

    #[test]
    fn an_array_may_lie_in_any_order() {
        let three = step(&[&GREY, &[10.0; 6], &[20.0; 6]]);
        let planes = [GREY, [10.0; 6], [20.0; 6]].concat();
        let pixels: Vec<f32> = GREY.iter().flat_map(|v| [*v, 10.0, 20.0]).collect();
        for shape in [&[3, 2, 3][..], &[1, 3, 2, 3]] {
            assert_eq!(
                between(&three, &tensor(shape, &planes), 1e-6),
                Apart::No,
                "{shape:?}"
            );
        }
        for shape in [&[2, 3, 3][..], &[1, 2, 3, 3]] {
            assert_eq!(
                between(&three, &tensor(shape, &pixels), 1e-6),
                Apart::No,
                "{shape:?}"
            );
        }
        // One plane stands for three, and for one.
        let grey = step(&[&GREY]);
        assert_eq!(between(&grey, &tensor(&[2, 3], &GREY), 1e-6), Apart::No);
        assert_eq!(
            between(&grey, &tensor(&[3, 2, 3], &GREY.repeat(3)), 1e-6),
            Apart::No
        );
        assert!(matches!(
            between(&three, &tensor(&[2, 3], &GREY), 1e-6),
            Apart::Shape { .. }
        ));
        let other = between(&grey, &tensor(&[3, 2], &GREY), 1e-6).to_string();
        assert!(
            other.contains("shape [3, 2]") && other.contains("2 rows, 3 columns"),
            "{other}"
        );
    }

    #[test]
    fn the_largest_difference_is_told_with_its_place() {
        let mut theirs = GREY;
        theirs[1] += 0.5;
        theirs[5] -= 2.0;
        let words = between(&step(&[&GREY]), &tensor(&[2, 3], &theirs), 1e-5).to_string();
        assert_eq!(
            words,
            "2 of 6 values differ, most in channel 0, row 1, column 2: 5 here, 3 in the reference"
        );
        // Of a range of 4, 0.6 is 15 %.
        assert!(matches!(
            between(&step(&[&GREY]), &tensor(&[2, 3], &theirs), 0.6),
            Apart::No
        ));
        theirs[0] = f32::NAN;
        let words = between(&step(&[&GREY]), &tensor(&[2, 3], &theirs), 1e-5).to_string();
        assert!(
            words.starts_with("3 of 6 values") && words.contains("column 0: 0 here, NaN"),
            "{words}"
        );
    }

    #[test]
    fn an_array_becomes_an_input_channel_by_channel() {
        let preprocess = Preprocess::named("chexnet-224-1", 224).unwrap();
        let pixels = 224 * 224;
        let values: Vec<f32> = (0..3 * pixels).map(|i| (i % 3) as f32).collect();
        let input = as_input(&tensor(&[224, 224, 3], &values), &preprocess).unwrap();
        assert_eq!(
            [input[0], input[pixels], input[3 * pixels - 1]],
            [0.0, 1.0, 2.0]
        );
        assert_eq!(
            as_input(&tensor(&[224, 224], &values[..pixels]), &preprocess),
            None
        );
    }
}
