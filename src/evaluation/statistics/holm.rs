//! Holm's step-down adjustment for several questions of one study (Holm 1979, *A simple sequentially rejective
//! multiple test procedure*, Scandinavian Journal of Statistics 6:65). It bounds the chance of any false alarm
//! whatever the tests have to do with each other.

/// Adjusted p-values in the order of `p`: each is compared with the level of the whole study. `None`, an
/// undefined test, stays so and is not counted among the tests.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = p
        .iter()
        .enumerate()
        .filter_map(|(at, p)| Some((at, (*p)?)))
        .collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, &(at, value)) in order.iter().enumerate() {
        let remaining = (order.len() - rank) as f64;
        largest = largest.max((remaining * value).min(1.0));
        adjusted[at] = Some(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R 4.2.2: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.04, 0.5), "holm").
    #[test]
    fn it_is_rs_p_adjust() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.04, 0.5].map(Some);
        let expected = [0.05, 0.12, 0.12, 0.03, 0.12, 0.5];
        for (found, expected) in holm(&p).into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn an_undefined_test_counts_as_none() {
        assert_eq!(
            holm(&[None, Some(0.02), None, Some(0.9)]),
            [None, Some(0.04), None, Some(0.9)]
        );
        assert_eq!(holm(&[]), []);
        assert_eq!(holm(&[Some(0.7), Some(0.8)]), [Some(1.0), Some(1.0)]);
    }
}
