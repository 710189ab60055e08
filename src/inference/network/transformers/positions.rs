//! Position embeddings for another number of squares than a network was trained with.

use candle_core::{Result, Tensor};

/// How a row of embeddings is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionFilter {
    /// `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`: a cubic convolution with a = −0.75
    /// between the nearest four, and the last ones repeated beyond the edges.
    Bicubic,
    /// The same with `antialias=True`: a = −0.5 and, where the result is smaller, a kernel that is as much wider;
    /// beyond the edges there is nothing.
    BicubicAntialias,
}

/// The embeddings `[from², C]` of a square as those of another one, `[to², C]`, in `f32`.
///
/// # Errors
/// If the shape is another.
pub fn resized(
    positions: &Tensor,
    from: usize,
    to: usize,
    filter: PositionFilter,
) -> Result<Tensor> {
    let (_, channels) = positions.dims2()?;
    let values = positions.reshape((from, from, channels))?;
    let values: Vec<f32> = values.flatten_all()?.to_vec1()?;
    let rows = filter.rows(from, to);
    // Down, then across.
    let down = weighed(&values, &rows, from * channels);
    let across = |row: &[f32]| weighed(row, &rows, channels);
    let made = down.chunks_exact(from * channels).flat_map(across);
    Tensor::from_vec(made.collect(), (to * to, channels), positions.device())
}

/// The weights of old places for a new one.
struct PlaceWeights(Vec<(usize, f32)>);

/// Each row of the result is a sum of rows of `length` numbers.
fn weighed(values: &[f32], rows: &[PlaceWeights], length: usize) -> Vec<f32> {
    let mut made = vec![0.0; rows.len() * length];
    for (row, PlaceWeights(weights)) in made.chunks_exact_mut(length).zip(rows) {
        for (from, weight) in weights {
            let from = &values[from * length..][..length];
            for (to, value) in row.iter_mut().zip(from) {
                *to += weight * value;
            }
        }
    }
    made
}

impl PositionFilter {
    fn rows(self, from: usize, to: usize) -> Vec<PlaceWeights> {
        let scale = from as f32 / to as f32;
        let row = |at: usize| match self {
            PositionFilter::Bicubic => nearest_four(scale * (at as f32 + 0.5) - 0.5, from),
            PositionFilter::BicubicAntialias => under(scale * (at as f32 + 0.5), scale, from),
        };
        (0..to).map(row).collect()
    }
}

/// The cubic convolution kernel of Keys 1981, at a distance.
fn cubic(a: f32, distance: f32) -> f32 {
    let x = distance.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// As PyTorch's `upsample_bicubic2d`.
fn nearest_four(place: f32, from: usize) -> PlaceWeights {
    const A: f32 = -0.75;
    let floor = place.floor();
    let part = place - floor;
    let last = from as f32 - 1.0;
    let near = [-1.0, 0.0, 1.0, 2.0].map(|step: f32| {
        let at = (floor + step).clamp(0.0, last) as usize;
        (at, cubic(A, part - step))
    });
    PlaceWeights(near.into())
}

/// As PyTorch's `_upsample_bicubic2d_aa`.
fn under(centre: f32, scale: f32, from: usize) -> PlaceWeights {
    const A: f32 = -0.5;
    let wider = scale.max(1.0);
    let support = 2.0 * wider;
    // Casts round towards zero and take what is negative as 0.
    let first = (centre - support + 0.5) as usize;
    let end = ((centre + support + 0.5) as usize).min(from);
    let weight = |at: usize| cubic(A, (at as f32 - centre + 0.5) / wider);
    let sum: f32 = (first..end).map(weight).sum();
    PlaceWeights((first..end).map(|at| (at, weight(at) / sum)).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// By PyTorch 2.15:
    ///
    /// ```python
    /// x = torch.tensor([[1., 4., 2.], [8., 5., 7.], [3., 6., 9.]])[None, None]
    /// F.interpolate(x, size=(2, 2), mode="bicubic", align_corners=False, antialias=antialias)
    /// F.interpolate(x, size=(4, 4), mode="bicubic", align_corners=False, antialias=antialias)[0, 0, :2]
    /// ```
    #[test]
    fn a_resized_square_is_pytorchs() {
        let nine = [1.0_f32, 4.0, 2.0, 8.0, 5.0, 7.0, 3.0, 6.0, 9.0];
        let nine = Tensor::from_slice(&nine, (9, 1), &Device::Cpu).unwrap();
        for (filter, to, expected) in EXPECTED {
            let found = resized(&nine, 3, *to, *filter).unwrap();
            assert_eq!(found.dims(), [to * to, 1]);
            let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
            for (found, expected) in found.iter().zip(*expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{filter:?}: {found}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn channels_stay_apart() {
        let values: Vec<f32> = (0..8).map(|n| (n % 2) as f32).collect();
        let values = Tensor::from_vec(values, (4, 2), &Device::Cpu).unwrap();
        let found = resized(&values, 2, 3, PositionFilter::Bicubic).unwrap();
        for row in found.to_vec2::<f32>().unwrap() {
            assert!(
                row[0].abs() < 1e-6 && (row[1] - 1.0).abs() < 1e-6,
                "{row:?}"
            );
        }
    }

    const EXPECTED: &[(PositionFilter, usize, &[f32])] = &[
        (
            PositionFilter::Bicubic,
            2,
            &[3.12532, 3.36853, 4.600372, 8.112701],
        ),
        (
            PositionFilter::Bicubic,
            4,
            &[
                0.251315, 2.943247, 3.480963, 1.476951, 6.134311, 5.019958, 4.527013, 5.010724,
            ],
        ),
        (
            PositionFilter::BicubicAntialias,
            2,
            &[3.906626, 3.91992, 5.148558, 7.543793],
        ),
        (
            PositionFilter::BicubicAntialias,
            4,
            &[
                0.461239, 2.866014, 3.355745, 1.623413, 5.799792, 4.966928, 4.636759, 5.016273,
            ],
        ),
    ];
}
