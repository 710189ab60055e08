//! A product of two labels. It is not fitted: its thresholds are fixed anew on its scores, which move where one of its
//! factors was fitted. The scores must come from fits that have not seen the patient.

use super::label::HeldOutScore;
use super::reading::ScorePoints;
use super::{AdaptationError, FOLDS, LabelCases};

/// A product after its factors were fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedProduct {
    /// The new thresholds, from all cases.
    pub points: ScorePoints,
    /// One for each case, with thresholds from the other folds.
    pub answers: Vec<HeldOutScore>,
}

/// Fixes the thresholds of a product on the `scores` of its cases, and for each fold on the other folds.
///
/// # Errors
/// If the score is the same for all cases.
pub fn adapt_product(
    cases: &LabelCases,
    scores: &[f32],
) -> Result<AdaptedProduct, AdaptationError> {
    if scores.iter().all(|score| Some(score) == scores.first()) {
        return Err(AdaptationError::AllAlike);
    }
    let fold = cases.folds();
    let fix = |left_out: Option<usize>| {
        let seen = (0..scores.len()).filter(|&at| Some(fold[at]) != left_out);
        let seen: Vec<usize> = seen.collect();
        let positive: Vec<bool> = seen.iter().map(|&at| cases.positive[at]).collect();
        let sources = seen.iter().filter_map(|&at| cases.sources.get(at));
        let sources: Vec<&str> = sources.copied().collect();
        let scores: Vec<f32> = seen.iter().map(|&at| scores[at]).collect();
        ScorePoints::fix(&scores, &positive, &sources).ok_or(AdaptationError::AllAlike)
    };
    let of_folds = (0..FOLDS).map(|fold| fix(Some(fold)));
    let of_folds = of_folds.collect::<Result<Vec<ScorePoints>, _>>()?;
    let answer = |(&fold, &probability): (&usize, &f32)| HeldOutScore {
        fold,
        probability,
        is_called: probability >= of_folds[fold].balanced,
    };
    Ok(AdaptedProduct {
        points: fix(None)?,
        answers: fold.iter().zip(scores).map(answer).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 images of 50 patients, every fifth patient ill, with the scores n/100 shifted by a half for the ill.
    fn cases(names: &[String]) -> (LabelCases<'_>, Vec<f32>) {
        let is_ill = |n: usize| (n / 2).is_multiple_of(5);
        let cases = LabelCases {
            positive: (0..names.len()).map(is_ill).collect(),
            patients: names.iter().map(String::as_str).collect(),
            ..LabelCases::default()
        };
        let score = |n: usize| n as f32 / 250.0 + if is_ill(n) { 0.5 } else { 0.0 };
        (cases, (0..names.len()).map(score).collect())
    }

    fn names() -> Vec<String> {
        (0..100).map(|n| format!("p{}", n / 2)).collect()
    }

    #[test]
    fn thresholds_are_those_of_the_scores_and_calls_those_of_the_other_folds() {
        let names = names();
        let (cases, scores) = cases(&names);
        let adapted = adapt_product(&cases, &scores).unwrap();
        // The well reach 99/250, and the ill begin at 125/250.
        assert!(
            (adapted.points.balanced - 0.448).abs() < 1e-3,
            "{adapted:?}"
        );
        assert_eq!(adapted.points.sensitive, adapted.points.balanced);
        assert_eq!(adapted.points.found, 20);
        assert!(adapted.points.conformal.present >= 0.5);
        assert_eq!(adapted.answers.len(), 100);
        for (answer, (&score, &positive)) in adapted
            .answers
            .iter()
            .zip(scores.iter().zip(&cases.positive))
        {
            assert_eq!((answer.probability, answer.is_called), (score, positive));
        }
        let fold = |n: usize| adapted.answers[n].fold;
        assert!((0..50).all(|patient| fold(2 * patient) == fold(2 * patient + 1)));
    }

    #[test]
    fn equal_scores_have_no_thresholds() {
        let names = names();
        let (cases, _) = cases(&names);
        let error = adapt_product(&cases, &[0.5; 100]).unwrap_err();
        assert_eq!(error, AdaptationError::AllAlike);
    }
}
