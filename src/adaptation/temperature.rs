//! The temperature of the causes given pneumonia (Guo et al. 2017, arXiv:1706.04599): the T for which
//! softmax(logits / T) has the greatest likelihood.

use super::folds::{FOLDS, folds};
use super::reading::conformal;
use super::{AdaptationError, Count};

/// The interval in which 1/T is searched. The likelihood is concave in 1/T.
const INVERSE: [f64; 2] = [0.05, 20.0];
/// Number of halvings of that interval: 2⁻⁶⁰ of it is far below the precision of a card.
const HALVINGS: usize = 60;

/// Cases with a known cause. All fields have one element for each case.
#[derive(Debug, Clone, Default)]
pub struct CauseCases<'a> {
    /// The logits of all causes, in the card's order.
    pub logits: Vec<Vec<f64>>,
    /// The index of the true cause.
    pub cause: Vec<usize>,
    pub patients: Vec<&'a str>,
}

impl CauseCases<'_> {
    /// The number of cases of one cause.
    pub fn count(&self, cause: usize) -> Count {
        Count::of(&self.patients, |at| self.cause[at] == cause)
    }
}

/// The causes after the fit.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedCauses {
    pub temperature: f64,
    /// For each cause, the least share with which the conformal set holds it.
    pub thresholds: Vec<f32>,
    /// For each case, the share of each cause at the temperature from the other folds.
    pub shares: Vec<Vec<f32>>,
}

impl AdaptedCauses {
    /// The share of each cause, from the logits of all of them, for a case that the fit did not see.
    pub fn shares_of(&self, logits: &[f64]) -> Vec<f32> {
        softmax(logits, self.temperature)
    }
}

/// Fits the temperature and the thresholds of the conformal sets.
///
/// # Errors
/// If no temperature fits, because the logits do not depend on the cause.
pub fn adapt_causes(cases: &CauseCases) -> Result<AdaptedCauses, AdaptationError> {
    let fold = folds(&cases.patients, &cases.cause);
    let fit = |without: Option<usize>| {
        let rows = (0..cases.cause.len()).filter(|&at| Some(fold[at]) != without);
        let rows: Vec<_> = rows
            .map(|at| (cases.logits[at].as_slice(), cases.cause[at]))
            .collect();
        temperature(&rows).ok_or(AdaptationError::NoTemperature)
    };
    let all = fit(None)?;
    let others = (0..FOLDS)
        .map(|fold| fit(Some(fold)))
        .collect::<Result<Vec<_>, _>>()?;
    let shares = |at: usize, t: f64| softmax(&cases.logits[at], t);
    let causes = cases.logits.first().map_or(0, Vec::len);
    let threshold = |cause: usize| {
        let of_cause = (0..cases.cause.len()).filter(|&at| cases.cause[at] == cause);
        conformal(of_cause.map(|at| shares(at, all)[cause]).collect())
    };
    Ok(AdaptedCauses {
        temperature: all,
        thresholds: (0..causes).map(threshold).collect(),
        shares: (0..cases.cause.len())
            .map(|at| shares(at, others[fold[at]]))
            .collect(),
    })
}

/// `None` if even the highest temperature is too low.
fn temperature(cases: &[(&[f64], usize)]) -> Option<f64> {
    let [mut low, mut high] = INVERSE;
    if cases.is_empty() || slope(cases, low) >= 0.0 {
        return None;
    }
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if slope(cases, middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(2.0 / (low + high))
}

/// The derivative of the negative log-likelihood with respect to 1/T: Σ (mean logit under the shares − logit of
/// the cause). It rises with 1/T.
fn slope(cases: &[(&[f64], usize)], inverse: f64) -> f64 {
    let one = |(logits, cause): &(&[f64], usize)| {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut weighted) = (0.0, 0.0);
        for logit in *logits {
            let weight = ((logit - max) * inverse).exp();
            sum += weight;
            weighted += weight * logit;
        }
        weighted / sum - logits[*cause]
    };
    cases.iter().map(one).sum()
}

fn softmax(logits: &[f64], temperature: f64) -> Vec<f32> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |logit: &f64| ((logit - max) / temperature).exp();
    let sum: f64 = logits.iter().map(weight).sum();
    // As in the model: rounding may put the share of a single cause just above one.
    logits
        .iter()
        .map(|logit| (weight(logit) / sum).min(1.0) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logits of two causes differ by 2, and three cases in four have the likelier cause, so e^(2/T) = 3.
    #[test]
    fn a_known_temperature_is_found() {
        let logits = [1.0, -1.0];
        let cases: Vec<(&[f64], usize)> = (0..40)
            .map(|n| (&logits[..], usize::from(n % 4 == 0)))
            .collect();
        let found = temperature(&cases).unwrap();
        assert!((found - 2.0 / 3.0_f64.ln()).abs() < 1e-9, "{found}");
    }

    #[test]
    fn uninformative_and_wrong_logits_have_no_temperature() {
        let logits = [1.0, -1.0];
        let wrong: Vec<(&[f64], usize)> = (0..40)
            .map(|n| (&logits[..], usize::from(n % 4 != 0)))
            .collect();
        assert_eq!(temperature(&wrong), None);
        assert_eq!(temperature(&[(&[0.5, 0.5], 0)]), None);
        assert_eq!(temperature(&[]), None);
    }

    #[test]
    fn every_case_is_scored_at_a_temperature_from_other_cases() {
        let names: Vec<String> = (0..60).map(|n| format!("p{}", n / 2)).collect();
        let one_hot = |at: usize| (0..3).map(|c| f64::from(u8::from(c == at))).collect();
        let cases = CauseCases {
            logits: (0..60).map(|n| one_hot(n % 3)).collect(),
            cause: (0..60).map(|n| (n + 1) % 3).collect(),
            patients: names.iter().map(String::as_str).collect(),
        };
        let adapted = adapt_causes(&cases);
        // The logits point at a wrong cause.
        assert_eq!(adapted, Err(AdaptationError::NoTemperature));
        let cases = CauseCases {
            logits: (0..60)
                .map(|n| {
                    let mut logits = vec![0.0, 0.3, f64::from(n % 7) * 0.4];
                    logits[n as usize % 3] += 1.0;
                    logits
                })
                .collect(),
            cause: (0..60).map(|n| n % 3).collect(),
            ..cases
        };
        let adapted = adapt_causes(&cases).unwrap();
        assert_eq!((adapted.shares.len(), adapted.thresholds.len()), (60, 3));
        for shares in &adapted.shares {
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        let same =
            |at: usize| adapted.shares[at] == softmax(&cases.logits[at], adapted.temperature);
        assert!(
            !(0..60).all(same),
            "shares out of fold differ from those of the final fit"
        );
    }
}
