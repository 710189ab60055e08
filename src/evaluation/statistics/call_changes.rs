//! What a reader did with the model's answer: calls before and after it, against the reference standard. Helped and
//! misled are the *negative* and *positive consultations* of decision support, and automation bias is to follow advice
//! that is wrong (Goddard, Roudsari and Wyatt 2012, doi:10.1136/amiajnl-2011-000089).

use serde::Serialize;

use super::ratio;

/// One image: the reader's two calls, the model's and the reference standard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPair {
    pub unaided: bool,
    pub aided: bool,
    /// `None` where the model gave no answer.
    pub model: Option<bool>,
    pub truth: bool,
}

/// Images by what became of the call: the four counts are all images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ChangeCounts {
    /// Wrong before and right after.
    pub helped: usize,
    /// Right before and wrong after.
    pub misled: usize,
    pub right_both: usize,
    pub wrong_both: usize,
}

impl ChangeCounts {
    pub fn images(&self) -> usize {
        self.helped + self.misled + self.right_both + self.wrong_both
    }
}

/// The counts over all images, and over those where the model was right, was wrong, and gave no answer: these three are
/// all images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CallChanges {
    pub all: ChangeCounts,
    pub model_right: ChangeCounts,
    pub model_wrong: ChangeCounts,
    pub no_answer: ChangeCounts,
}

/// Counts of the changes.
pub fn call_changes(calls: &[CallPair]) -> CallChanges {
    let mut changes = CallChanges::default();
    for call in calls {
        let part = match call.model.map(|model| model == call.truth) {
            Some(true) => &mut changes.model_right,
            Some(false) => &mut changes.model_wrong,
            None => &mut changes.no_answer,
        };
        for counts in [part, &mut changes.all] {
            *match (call.unaided == call.truth, call.aided == call.truth) {
                (false, true) => &mut counts.helped,
                (true, false) => &mut counts.misled,
                (true, true) => &mut counts.right_both,
                (false, false) => &mut counts.wrong_both,
            } += 1;
        }
    }
    changes
}

/// Shares of the images where the model was wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutomationBias {
    /// Wrong aided calls, and wrong unaided calls.
    pub aided: f64,
    pub unaided: f64,
    /// The first less the second: how much more often the reader is wrong where the model is.
    pub bias: f64,
}

/// Each image counts as often as its weight says. `None` where the model was never wrong.
pub fn automation_bias(calls: &[CallPair], weights: &[f64]) -> Option<AutomationBias> {
    let share = |call: fn(&CallPair) -> bool| {
        let wrong = calls.iter().zip(weights);
        let wrong = wrong.filter(|(pair, _)| pair.model.is_some_and(|model| model != pair.truth));
        let (part, whole) = wrong.fold((0.0, 0.0), |(part, whole), (pair, weight)| {
            let is_wrong = call(pair) != pair.truth;
            (part + if is_wrong { *weight } else { 0.0 }, whole + weight)
        });
        ratio(part, whole)
    };
    let (aided, unaided) = (share(|pair| pair.aided)?, share(|pair| pair.unaided)?);
    Some(AutomationBias {
        aided,
        unaided,
        bias: aided - unaided,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(unaided: bool, aided: bool, model: Option<bool>, truth: bool) -> CallPair {
        CallPair {
            unaided,
            aided,
            model,
            truth,
        }
    }

    /// Counted by hand.
    #[test]
    fn known_answers() {
        let calls = [
            pair(false, true, Some(true), true),
            pair(true, true, Some(true), true),
            pair(false, true, Some(true), false),
            pair(false, false, Some(true), false),
            pair(true, true, Some(true), false),
            pair(true, false, Some(false), true),
            pair(true, false, None, true),
            pair(true, true, Some(false), false),
        ];
        let changes = call_changes(&calls);
        let counts = |helped, misled, right_both, wrong_both| ChangeCounts {
            helped,
            misled,
            right_both,
            wrong_both,
        };
        assert_eq!(changes.all, counts(1, 3, 2, 2));
        assert_eq!(changes.model_right, counts(1, 0, 1, 1));
        assert_eq!(changes.model_wrong, counts(0, 2, 1, 1));
        assert_eq!(changes.no_answer, counts(0, 1, 0, 0));
        let parts = [changes.model_right, changes.model_wrong, changes.no_answer];
        assert_eq!(
            parts.iter().map(ChangeCounts::images).sum::<usize>(),
            calls.len()
        );
        let found = automation_bias(&calls, &[1.0; 8]).unwrap();
        assert_eq!((found.aided, found.unaided, found.bias), (0.75, 0.25, 0.5));
        let doubled = automation_bias(&calls, &[1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
        assert!((doubled.bias - 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_wrong_answer_there_is_no_bias() {
        assert_eq!(
            automation_bias(&[pair(true, true, Some(true), true)], &[1.0]),
            None
        );
        assert_eq!(
            automation_bias(&[pair(true, true, None, true)], &[1.0]),
            None
        );
        assert_eq!(automation_bias(&[], &[]), None);
    }
}
