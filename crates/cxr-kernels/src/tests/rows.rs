//! The loops over rows of tokens against their formulas, with every instruction set of this processor.

use super::passes::{assert_close, numbers};
use crate::isa::Kernels;
use crate::memory::AlignedBuf;
use crate::row_kernels::{RowBlock, RowNorm, ScoreRows};

/// Rows of this many numbers: fewer than a vector, whole vectors, and a rest.
const LENGTHS: [usize; 6] = [1, 3, 16, 17, 49, 96];
const ROWS: usize = 3;

fn block(values: &mut [f32], channels: usize) -> RowBlock {
    let rows = values.len() / channels;
    let output = values.as_mut_ptr();
    RowBlock {
        input: output.cast_const(),
        input_row: channels,
        output,
        output_row: channels,
        rows,
        channels,
    }
}

#[test]
fn a_layer_normalisation_is_its_formula() {
    for kernels in Kernels::all() {
        for channels in LENGTHS {
            // Far from zero, where a sum of squares minus a squared sum would lose all digits.
            let near = |value: f32| 10.0 + value;
            let input: Vec<f32> = numbers(ROWS * channels, 1).into_iter().map(near).collect();
            let (weight, bias) = (numbers(channels, 2), numbers(channels, 3));
            let (held, shift) = (AlignedBuf::of(&weight), AlignedBuf::of(&bias));
            let norm = RowNorm {
                weight: held.as_ptr(),
                bias: shift.as_ptr(),
                epsilon: 1e-6,
            };
            let mut found = input.clone();
            // SAFETY: rows of `found`; weight and bias are padded to whole lines.
            unsafe { (kernels.rows.layer_norm)(&block(&mut found, channels), &norm) };
            let rows = input
                .chunks_exact(channels)
                .zip(found.chunks_exact(channels));
            for (row, found) in rows {
                let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
                let mean = row.iter().sum::<f64>() / channels as f64;
                let squares = row.iter().map(|v| (v - mean).powi(2));
                let deviation = (squares.sum::<f64>() / channels as f64 + 1e-6).sqrt();
                for (n, found) in found.iter().enumerate() {
                    let normal = (row[n] - mean) / deviation;
                    let expected = normal * f64::from(weight[n]) + f64::from(bias[n]);
                    let what = format!("{}: {channels}", kernels.name());
                    assert_close(*found, expected as f32, &what);
                }
            }
        }
    }
}

#[test]
fn shares_are_the_softmax_of_scaled_scores_with_what_is_added() {
    for kernels in Kernels::all() {
        for count in LENGTHS {
            let large = |value: f32| 40.0 * value;
            let scores: Vec<f32> = numbers(ROWS * count, 1).into_iter().map(large).collect();
            let (bias, mask) = (numbers(ROWS * count, 2), numbers(ROWS * count, 3));
            for is_added in [false, true] {
                let pointer = |values: &[f32]| {
                    if is_added {
                        values.as_ptr()
                    } else {
                        std::ptr::null()
                    }
                };
                let mut found = scores.clone();
                let rows = ScoreRows {
                    scores: found.as_mut_ptr(),
                    row: count,
                    rows: ROWS,
                    count,
                    scale: 0.5,
                    bias: pointer(&bias),
                    mask: pointer(&mask),
                    added_row: count,
                };
                // SAFETY: rows of the three arrays.
                unsafe { (kernels.rows.softmax)(&rows) };
                for (n, found) in found.chunks_exact(count).enumerate() {
                    let score = |at: usize| {
                        let at = n * count + at;
                        let added = if is_added { bias[at] + mask[at] } else { 0.0 };
                        f64::from(0.5 * scores[at] + added)
                    };
                    let all: f64 = (0..count).map(|at| score(at).exp()).sum();
                    for (at, found) in found.iter().enumerate() {
                        let what = format!("{}: {count}", kernels.name());
                        assert_close(*found, (score(at).exp() / all) as f32, &what);
                    }
                    assert_close(found.iter().sum(), 1.0, "the sum of shares");
                }
            }
        }
    }
}

#[test]
fn a_score_that_is_no_number_leaves_no_share() {
    for kernels in Kernels::all() {
        for count in [5, 20] {
            let mut scores = vec![1.0_f32; count];
            scores[count / 2] = f32::NAN;
            let rows = ScoreRows {
                scores: scores.as_mut_ptr(),
                row: count,
                rows: 1,
                count,
                scale: 1.0,
                bias: std::ptr::null(),
                mask: std::ptr::null(),
                added_row: 0,
            };
            // SAFETY: one row of scores.
            unsafe { (kernels.rows.softmax)(&rows) };
            assert!(scores.iter().all(|share| share.is_nan()), "{scores:?}");
        }
    }
}

#[test]
fn sums_and_products_of_rows_are_their_formulas() {
    for kernels in Kernels::all() {
        for channels in LENGTHS {
            let input = numbers(2 * ROWS * channels, 1);
            let (scale, shift) = (numbers(channels, 2), numbers(channels, 3));
            let held = [AlignedBuf::of(&scale), AlignedBuf::of(&shift)];
            let what = format!("{}: {channels}", kernels.name());

            let mut found = input.clone();
            // SAFETY: rows of `found`; scale and shift are padded to whole lines.
            unsafe {
                let [scale, shift] = [held[0].as_ptr(), held[1].as_ptr()];
                (kernels.rows.scale_shift)(&block(&mut found, channels), scale, shift);
            }
            for (at, found) in found.iter().enumerate() {
                let expected = input[at] * scale[at % channels] + shift[at % channels];
                assert_close(*found, expected, &what);
            }

            let mut sums = scale.clone();
            let mut squares = RowBlock {
                input: input.as_ptr(),
                input_row: channels,
                output: sums.as_mut_ptr(),
                output_row: 0,
                rows: 2 * ROWS,
                channels,
            };
            // SAFETY: rows of the input, and one row of sums.
            unsafe { (kernels.rows.add_squares)(&squares) };
            for (at, found) in sums.iter().enumerate() {
                let column = input[at..].iter().step_by(channels);
                let expected = scale[at] + column.map(|v| v * v).sum::<f32>();
                assert_close(*found, expected, &what);
            }

            let mut added = numbers(2 * ROWS * channels, 4);
            let before = added.clone();
            squares.output = added.as_mut_ptr();
            squares.output_row = channels;
            // SAFETY: rows of the input and of `added`.
            unsafe { (kernels.rows.add_scaled)(&squares, 0.25) };
            for (at, found) in added.iter().enumerate() {
                assert_close(*found, before[at] + 0.25 * input[at], &what);
            }

            let mut gated = input.clone();
            let halves = RowBlock {
                input_row: 2 * channels,
                output_row: 2 * channels,
                rows: ROWS,
                ..block(&mut gated, channels)
            };
            // SAFETY: rows of two halves each.
            unsafe { (kernels.rows.gate)(&halves) };
            for (at, found) in gated.iter().enumerate() {
                let expected = match at % (2 * channels) {
                    n if n < channels => {
                        let x = input[at];
                        x / (1.0 + (-x).exp()) * input[at + channels]
                    }
                    _ => input[at],
                };
                assert_close(*found, expected, &what);
            }
        }
    }
}
