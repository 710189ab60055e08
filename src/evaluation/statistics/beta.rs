//! The beta distribution with whole parameters: the share of new cases beyond an order statistic of a
//! sample, for any distribution (Wilks 1941, doi:10.1214/aoms/1177731788).

/// Halvings of the interval from 0 to 1: 2⁻⁵⁰ is far below what is shown.
const HALVINGS: usize = 50;
/// Between these shares lie the middle 95 %.
const TAILS: [f64; 2] = [0.025, 0.975];

/// The central 95 % interval of Beta(a, b); `None` unless both are 1 or more.
pub fn beta_interval(a: usize, b: usize) -> Option<(f64, f64)> {
    if a == 0 || b == 0 {
        return None;
    }
    let tail = BinomialTail::new(a, b);
    let [low, high] = TAILS.map(|share| tail.quantile(share));
    Some((low, high))
}

/// P(Beta(a, b) ≤ x) as P(at least a of a + b − 1 trials succeed), each with probability x.
struct BinomialTail {
    a: usize,
    /// Trials.
    n: usize,
    /// ln of the ways to choose a, a + 1 … n of n.
    ways: Vec<f64>,
}

impl BinomialTail {
    fn new(a: usize, b: usize) -> Self {
        let n = a + b - 1;
        let factorial = |of: usize| libm::lgamma(of as f64 + 1.0);
        let ways = (a..=n).map(|k| factorial(n) - factorial(k) - factorial(n - k));
        BinomialTail {
            a,
            n,
            ways: ways.collect(),
        }
    }

    /// The probability for `x` between 0 and 1, ends excluded.
    fn at(&self, x: f64) -> f64 {
        let (yes, no) = (x.ln(), (-x).ln_1p());
        let terms = (self.a..=self.n).zip(&self.ways);
        terms
            .map(|(k, ways)| (ways + k as f64 * yes + (self.n - k) as f64 * no).exp())
            .sum()
    }

    fn quantile(&self, share: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if self.at(middle) < share {
                low = middle;
            } else {
                high = middle;
            }
        }
        (low + high) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // scipy.stats.beta.ppf([0.025, 0.975], a, b), SciPy 1.17.1
        for (a, b, low, high) in [
            (1, 1, 0.025000000000, 0.975000000000),
            (18, 3, 0.683017285981, 0.967929062815),
            (19, 2, 0.751267237228, 0.987651472830),
            (901, 100, 0.880791517314, 0.917894665644),
            (20, 1, 0.831566529017, 0.998734910502),
            (45000, 5001, 0.897337165527, 0.902596528543),
        ] {
            let (l, h) = beta_interval(a, b).unwrap();
            assert!((l - low).abs() < 1e-8 && (h - high).abs() < 1e-8, "{l} {h}");
        }
        assert_eq!(beta_interval(0, 3), None);
        assert_eq!(beta_interval(3, 0), None);
    }

    /// Clopper and Pearson 1934 for 81 of 263, Newcombe 1998 (table I, method 5): 0.2527 to 0.3676.
    #[test]
    fn its_bounds_are_those_of_the_exact_interval_of_a_proportion() {
        let (low, _) = beta_interval(81, 263 - 81 + 1).unwrap();
        let (_, high) = beta_interval(81 + 1, 263 - 81).unwrap();
        assert!(
            (low - 0.2527).abs() < 5e-5 && (high - 0.3676).abs() < 5e-5,
            "{low} {high}"
        );
    }
}
