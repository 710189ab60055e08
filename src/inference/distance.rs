//! The distance of an image's features from those of training: a shrunk Mahalanobis distance (Lee et al. 2018,
//! arXiv:1807.03888). Shrinking towards the identity leaves the first `k` eigenvectors of the covariance, and one
//! variance for all other directions.

use super::InferenceError;
use super::weights::Tensors;

pub struct Distance {
    /// `[C]`
    mean: Vec<f32>,
    /// Orthonormal rows, `[k, C]`, row by row.
    components: Vec<f32>,
    /// `[k + 1]`: 1/λ of each component, and one of the residual.
    precision: Vec<f32>,
}

impl Distance {
    /// # Errors
    /// If a tensor has another shape, or a precision is negative.
    pub fn load(
        tensors: &Tensors,
        [mean, components, precision]: [&str; 3],
        channels: usize,
    ) -> Result<Self, InferenceError> {
        let k = tensors.rows(components);
        let distance = Distance {
            mean: tensors.values(mean, &[channels])?,
            components: tensors.values(components, &[k, channels])?,
            precision: tensors.values(precision, &[k + 1])?,
        };
        if distance.precision.iter().any(|p| *p < 0.0) {
            return Err(InferenceError::Weights(format!(
                "{precision} holds a negative number"
            )));
        }
        Ok(distance)
    }

    /// d = √((Σᵢ precisionᵢ (Uᵢ·z)² + precisionₖ (|z|² − Σᵢ (Uᵢ·z)²)) / C), z = features − mean.
    pub fn of(&self, features: &[f32]) -> f64 {
        let centred = features.iter().zip(&self.mean);
        let z: Vec<f64> = centred
            .map(|(f, m)| f64::from(*f) - f64::from(*m))
            .collect();
        let mut residual: f64 = z.iter().map(|x| x * x).sum();
        let mut sum = 0.0;
        for (row, precision) in self.components.chunks_exact(z.len()).zip(&self.precision) {
            let square = dot(row, z.iter().copied()).powi(2);
            sum += f64::from(*precision) * square;
            residual -= square;
        }
        // If the rows are not exactly orthonormal, the rest may be negative.
        sum += self.precision.last().copied().map_or(0.0, f64::from) * residual.max(0.0);
        (sum / z.len() as f64).sqrt()
    }
}

/// The scalar product, in double precision.
pub fn dot(row: &[f32], values: impl Iterator<Item = f64>) -> f64 {
    row.iter().zip(values).map(|(a, b)| f64::from(*a) * b).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// ```python
    /// m = np.array([1., 0, -1, 2]); U = np.array([[.6, .8, 0, 0], [0, 0, 0, 1.]])
    /// p = np.array([.25, 4, 2]); z = np.array([2., 1, 1, 0]) - m; s = (U @ z) ** 2
    /// np.sqrt((p[:2] @ s + p[2] * (z @ z - s.sum())) / 4)
    /// ```
    #[test]
    fn the_distance_as_numpy_has_it() {
        let distance = Distance {
            mean: vec![1.0, 0.0, -1.0, 2.0],
            components: vec![0.6, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            precision: vec![0.25, 4.0, 2.0],
        };
        let d = distance.of(&[2.0, 1.0, 1.0, 0.0]);
        assert!((d - 2.478406746).abs() < 1e-6, "{d}");
        assert_eq!(distance.of(&distance.mean), 0.0);
    }

    proptest! {
        /// If all variances are the same, it is the Euclidean distance over √(C · λ) for any components.
        #[test]
        fn with_equal_variances_it_is_the_euclidean_distance(f in prop::array::uniform3(-9.0_f32..9.0), angle in 0.0_f32..7.0) {
            let distance = Distance {
                mean: vec![0.0; 3],
                components: vec![angle.cos(), angle.sin(), 0.0],
                precision: vec![0.5, 0.5],
            };
            let euclidean = f.iter().map(|x| f64::from(x * x)).sum::<f64>();
            prop_assert!((distance.of(&f) - (euclidean * 0.5 / 3.0).sqrt()).abs() < 1e-4);
        }
    }

    #[test]
    fn rows_that_are_not_orthonormal_make_no_nan() {
        let distance = Distance {
            mean: vec![0.0; 2],
            components: vec![2.0, 0.0],
            precision: vec![0.0, 1.0],
        };
        assert_eq!(distance.of(&[1.0, 0.0]), 0.0);
    }
}
