//! The input pixels of an output pixel, and their weights.

/// One output pixel of one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// The first input pixel.
    pub first: usize,
    /// Of it and those after it, at least one. They sum to 1.
    pub weights: Vec<f64>,
}

impl Tap {
    /// Weights of the pixels from `start` on, which may be beyond the ends: those at the ends take their weights.
    pub fn clamped(start: isize, weights: &[f64], from: usize) -> Self {
        let last = from.saturating_sub(1);
        let place = |i: usize| ((start + i as isize).max(0) as usize).min(last);
        let first = place(0);
        let mut merged = vec![0.0; place(weights.len().saturating_sub(1)) - first + 1];
        for (i, weight) in weights.iter().enumerate() {
            merged[place(i) - first] += weight;
        }
        Tap {
            first,
            weights: merged,
        }
    }

    /// The first pixel after those with weights.
    pub fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    /// The largest weight.
    pub fn largest(&self) -> f64 {
        self.weights.iter().copied().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_at_the_ends_take_the_weights_beyond() {
        let tap = |start, weights: &[f64]| {
            let tap = Tap::clamped(start, weights, 4);
            (tap.first, tap.weights)
        };
        assert_eq!(tap(1, &[0.25, 0.75]), (1, vec![0.25, 0.75]));
        assert_eq!(tap(-1, &[0.25, 0.75]), (0, vec![1.0]));
        assert_eq!(tap(-1, &[0.5, 0.25, 0.25]), (0, vec![0.75, 0.25]));
        assert_eq!(tap(2, &[0.5, 0.25, 0.125, 0.125]), (2, vec![0.5, 0.5]));
        assert_eq!(tap(5, &[0.5, 0.5]), (3, vec![1.0]));
    }
}
