//! The words of the store: verdicts, acts, questions and the like, as they stand in rows.
//!
//! These are not the words of the screen, which may change at any time. A word in this file never changes:
//! rows of earlier versions hold it, and the hash of a review covers it (see `chain`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{
    Act, Conformal, InputCheck, PresenceSet, Question, ReadingMode, ScoreKind, Sex, Verdict,
};

/// The word of a value, for a column of text.
pub fn to_word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        other => unreachable!("an enum without fields is a word, not {other:?}"),
    }
}

/// The value of a word; `None` for a word that this version does not know.
pub fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredVerdict {
    #[serde(rename = "agree")]
    Agree,
    #[serde(rename = "disagree")]
    Disagree,
    #[serde(rename = "unsure")]
    Unsure,
}

impl From<Verdict> for StoredVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Agree => StoredVerdict::Agree,
            Verdict::Disagree => StoredVerdict::Disagree,
            Verdict::Unsure => StoredVerdict::Unsure,
        }
    }
}

impl From<StoredVerdict> for Verdict {
    fn from(stored: StoredVerdict) -> Self {
        match stored {
            StoredVerdict::Agree => Verdict::Agree,
            StoredVerdict::Disagree => Verdict::Disagree,
            StoredVerdict::Unsure => Verdict::Unsure,
        }
    }
}

/// Acts are written and never read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum StoredAct {
    #[serde(rename = "verdict")]
    Judged,
    #[serde(rename = "call")]
    Called,
    #[serde(rename = "key image")]
    Flagged,
    #[serde(rename = "note")]
    Noted,
    #[serde(rename = "mark")]
    Marked,
    #[serde(rename = "undo")]
    Undone,
    #[serde(rename = "redo")]
    Redone,
}

impl From<Act> for StoredAct {
    fn from(act: Act) -> Self {
        match act {
            Act::Judged => StoredAct::Judged,
            Act::Called => StoredAct::Called,
            Act::Flagged => StoredAct::Flagged,
            Act::Noted => StoredAct::Noted,
            Act::Marked => StoredAct::Marked,
            Act::Undone => StoredAct::Undone,
            Act::Redone => StoredAct::Redone,
        }
    }
}

/// Where the model's answer was, except in the sequential mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredMode {
    #[serde(rename = "unaided")]
    Unaided,
    #[serde(rename = "aided")]
    Aided,
}

impl StoredMode {
    pub fn of(mode: ReadingMode) -> Option<Self> {
        match mode {
            ReadingMode::Sequential => None,
            ReadingMode::Unaided => Some(StoredMode::Unaided),
            ReadingMode::Aided => Some(StoredMode::Aided),
        }
    }
}

impl From<StoredMode> for ReadingMode {
    fn from(stored: StoredMode) -> Self {
        match stored {
            StoredMode::Unaided => ReadingMode::Unaided,
            StoredMode::Aided => ReadingMode::Aided,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredQuestion {
    #[serde(rename = "presence")]
    Presence,
    #[serde(rename = "given pneumonia")]
    GivenPneumonia,
}

impl From<Question> for StoredQuestion {
    fn from(question: Question) -> Self {
        match question {
            Question::Presence => StoredQuestion::Presence,
            Question::GivenPneumonia => StoredQuestion::GivenPneumonia,
        }
    }
}

impl From<StoredQuestion> for Question {
    fn from(stored: StoredQuestion) -> Self {
        match stored {
            StoredQuestion::Presence => Question::Presence,
            StoredQuestion::GivenPneumonia => Question::GivenPneumonia,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredScoreKind {
    #[serde(rename = "score")]
    Sigmoid,
    #[serde(rename = "operating-point-normalised score")]
    OperatingPointNormalised,
    #[serde(rename = "probability")]
    Calibrated,
}

impl From<ScoreKind> for StoredScoreKind {
    fn from(kind: ScoreKind) -> Self {
        match kind {
            ScoreKind::Sigmoid => StoredScoreKind::Sigmoid,
            ScoreKind::OperatingPointNormalised => StoredScoreKind::OperatingPointNormalised,
            ScoreKind::Calibrated => StoredScoreKind::Calibrated,
        }
    }
}

impl From<StoredScoreKind> for ScoreKind {
    fn from(stored: StoredScoreKind) -> Self {
        match stored {
            StoredScoreKind::Sigmoid => ScoreKind::Sigmoid,
            StoredScoreKind::OperatingPointNormalised => ScoreKind::OperatingPointNormalised,
            StoredScoreKind::Calibrated => ScoreKind::Calibrated,
        }
    }
}

/// The reasons stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredInputCheck {
    #[serde(rename = "ok")]
    Accepted,
    #[serde(rename = "caution")]
    Caution,
    #[serde(rename = "refused")]
    Refused,
}

impl From<&InputCheck> for StoredInputCheck {
    fn from(check: &InputCheck) -> Self {
        match check {
            InputCheck::Accepted => StoredInputCheck::Accepted,
            InputCheck::Caution(_) => StoredInputCheck::Caution,
            InputCheck::Refused(_) => StoredInputCheck::Refused,
        }
    }
}

impl StoredInputCheck {
    pub fn with(self, reasons: Vec<String>) -> InputCheck {
        match self {
            StoredInputCheck::Accepted => InputCheck::Accepted,
            StoredInputCheck::Caution => InputCheck::Caution(reasons),
            StoredInputCheck::Refused => InputCheck::Refused(reasons),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredConformal {
    #[serde(rename = "present")]
    Present,
    #[serde(rename = "absent")]
    Absent,
    #[serde(rename = "either")]
    Either,
    #[serde(rename = "neither")]
    Neither,
    #[serde(rename = "in the set")]
    Cause,
    #[serde(rename = "not in the set")]
    NoCause,
}

impl From<Conformal> for StoredConformal {
    fn from(conformal: Conformal) -> Self {
        match conformal {
            Conformal::Presence(PresenceSet::Present) => StoredConformal::Present,
            Conformal::Presence(PresenceSet::Absent) => StoredConformal::Absent,
            Conformal::Presence(PresenceSet::Either) => StoredConformal::Either,
            Conformal::Presence(PresenceSet::Neither) => StoredConformal::Neither,
            Conformal::Cause(true) => StoredConformal::Cause,
            Conformal::Cause(false) => StoredConformal::NoCause,
        }
    }
}

impl From<StoredConformal> for Conformal {
    fn from(stored: StoredConformal) -> Self {
        match stored {
            StoredConformal::Present => Conformal::Presence(PresenceSet::Present),
            StoredConformal::Absent => Conformal::Presence(PresenceSet::Absent),
            StoredConformal::Either => Conformal::Presence(PresenceSet::Either),
            StoredConformal::Neither => Conformal::Presence(PresenceSet::Neither),
            StoredConformal::Cause => Conformal::Cause(true),
            StoredConformal::NoCause => Conformal::Cause(false),
        }
    }
}

/// The codes of DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredSex {
    #[serde(rename = "F")]
    Female,
    #[serde(rename = "M")]
    Male,
}

impl From<Sex> for StoredSex {
    fn from(sex: Sex) -> Self {
        match sex {
            Sex::Female => StoredSex::Female,
            Sex::Male => StoredSex::Male,
        }
    }
}

impl From<StoredSex> for Sex {
    fn from(stored: StoredSex) -> Self {
        match stored {
            StoredSex::Female => Sex::Female,
            StoredSex::Male => Sex::Male,
        }
    }
}

/// A single-precision number as the shortest decimal that stands for it, so that every bit is read back;
/// `null` where it is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "f64", from = "f64")]
pub struct StoredNumber(pub f32);

impl From<StoredNumber> for f64 {
    fn from(number: StoredNumber) -> Self {
        number.0.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl From<f64> for StoredNumber {
    fn from(decimal: f64) -> Self {
        StoredNumber(decimal.to_string().parse().unwrap_or(f32::NAN))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde_json::json;

    use super::*;

    /// Every word is a literal of this test: rows of every store hold them.
    fn pinned<Noun, Stored>(words: &[(Noun, &str)])
    where
        Noun: Copy + Debug + PartialEq + From<Stored>,
        Stored: Serialize + DeserializeOwned + From<Noun>,
    {
        for (noun, word) in words {
            assert_eq!(to_word(Stored::from(*noun)), *word);
            let read = from_word::<Stored>(word).map(Noun::from);
            assert_eq!(read, Some(*noun), "{word}");
        }
        assert!(from_word::<Stored>("another word").is_none());
    }

    #[test]
    fn the_words_of_the_store_stay_what_they_are() {
        pinned::<Verdict, StoredVerdict>(&[
            (Verdict::Agree, "agree"),
            (Verdict::Disagree, "disagree"),
            (Verdict::Unsure, "unsure"),
        ]);
        pinned::<Question, StoredQuestion>(&[
            (Question::Presence, "presence"),
            (Question::GivenPneumonia, "given pneumonia"),
        ]);
        pinned::<ScoreKind, StoredScoreKind>(&[
            (ScoreKind::Sigmoid, "score"),
            (
                ScoreKind::OperatingPointNormalised,
                "operating-point-normalised score",
            ),
            (ScoreKind::Calibrated, "probability"),
        ]);
        pinned::<Conformal, StoredConformal>(&[
            (Conformal::Presence(PresenceSet::Present), "present"),
            (Conformal::Presence(PresenceSet::Absent), "absent"),
            (Conformal::Presence(PresenceSet::Either), "either"),
            (Conformal::Presence(PresenceSet::Neither), "neither"),
            (Conformal::Cause(true), "in the set"),
            (Conformal::Cause(false), "not in the set"),
        ]);
        pinned::<Sex, StoredSex>(&[(Sex::Female, "F"), (Sex::Male, "M")]);
    }

    #[test]
    fn the_words_of_acts_stay_what_they_are() {
        for (act, word) in [
            (Act::Judged, "verdict"),
            (Act::Called, "call"),
            (Act::Flagged, "key image"),
            (Act::Noted, "note"),
            (Act::Marked, "mark"),
            (Act::Undone, "undo"),
            (Act::Redone, "redo"),
        ] {
            assert_eq!(to_word(StoredAct::from(act)), word);
        }
    }

    #[test]
    fn the_words_of_input_checks_stay_what_they_are() {
        let reasons = || vec!["dark".to_owned()];
        for (check, word) in [
            (InputCheck::Accepted, "ok"),
            (InputCheck::Caution(reasons()), "caution"),
            (InputCheck::Refused(reasons()), "refused"),
        ] {
            assert_eq!(to_word(StoredInputCheck::from(&check)), word);
            let read: StoredInputCheck = from_word(word).unwrap();
            assert_eq!(read.with(reasons()), check);
        }
    }

    #[test]
    fn a_number_is_its_shortest_decimal() {
        for (number, text) in [
            (0.3_f32, "0.3"),
            (1.0, "1.0"),
            (-1.234_567_9e-7, "-1.2345679e-7"),
        ] {
            assert_eq!(json!(StoredNumber(number)).to_string(), text);
            let read: StoredNumber = serde_json::from_str(text).unwrap();
            assert_eq!(read.0.to_bits(), number.to_bits(), "{text}");
        }
        assert_eq!(json!(StoredNumber(f32::NAN)), Value::Null);
    }
}
