//! A review in the words of the store. A row of the log is made from it, and a line of the file in which
//! reviews wait after a program ended without writing them. Each line is one JSON object:
//!
//! ```text
//! { token, image: { sha256, path, study, series, sop, patient }, reviewer, at_ms, act,
//!   change: { judgement: { to: [verdict, label], over }, key_image: { to, over }, note: { to, over },
//!             unaided: calls, aided: { to: [call], over }, marks: { added: [mark], removed: [mark] } },
//!   seen: "JSON", program, said: null | { model, preprocess, answer: "JSON" } }
//! ```
//!
//! A path that is not UTF-8 is an array of its bytes.

use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stored::{StoredAct, to_word};
use super::{ReviewEntry, seen, stored_change, stored_image};
use crate::domain::{ContentId, ImageIdentity, OpinionChange, Prediction};

/// A review on its way into the log, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub token: String,
    #[serde(with = "stored_image")]
    pub image: ImageIdentity,
    pub reviewer: String,
    pub at_ms: i64,
    /// A word of [`StoredAct`], or of a newer version.
    pub act: String,
    #[serde(with = "stored_change")]
    pub change: OpinionChange,
    /// Text, so that no number changes on its way.
    pub seen: String,
    /// Version of the program that the review was made with.
    pub program: String,
    #[serde(rename = "said")]
    pub model_answer: Option<ModelAnswer>,
    /// It waited in a file since an earlier session: newer reviews may be in the log already.
    #[serde(skip)]
    pub is_late: bool,
}

impl LogLine {
    /// Whether this program could have written it: the image is a digest, and texts of JSON are JSON.
    pub fn is_sound(&self) -> bool {
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        let model = self.model_answer.as_ref();
        self.image.sha256.parse::<ContentId>().is_ok()
            && self.at_ms >= 0
            && is_json(&self.seen)
            && model.is_none_or(|model| is_json(&model.answer))
    }
}

/// A model's answer for the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAnswer {
    pub model: String,
    pub preprocess: String,
    /// JSON of `seen`, or of `cached`.
    pub answer: String,
}

impl ModelAnswer {
    pub fn new(prediction: &Prediction) -> Self {
        ModelAnswer {
            model: prediction.model_sha256.clone(),
            preprocess: prediction.preprocess.clone(),
            answer: seen::prediction(prediction).to_string(),
        }
    }
}

impl From<&ReviewEntry> for LogLine {
    fn from(entry: &ReviewEntry) -> Self {
        let review = &entry.review;
        let since = review.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        LogLine {
            token: entry.token.clone(),
            image: entry.image.clone(),
            reviewer: review.reviewer.clone(),
            at_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            act: to_word(StoredAct::from(review.act)),
            change: review.change.clone(),
            seen: seen::seen(&review.seen).to_string(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            model_answer: entry.prediction.as_ref().map(ModelAnswer::new),
            is_late: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::place::path_from;
    use super::super::tests::entry;
    use super::*;
    use crate::domain::{BlindedReading, Call, Opinion, Verdict};

    fn there_and_back(line: &LogLine) -> LogLine {
        let text = serde_json::to_string(line).unwrap();
        assert!(!text.contains('\n'));
        let read: LogLine = serde_json::from_str(&text).unwrap();
        // The file of waiting reviews takes every difference here for a part that only a newer version knows.
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), value);
        read
    }

    #[test]
    fn a_line_is_read_back_as_it_was() {
        let call = |label: &str| Call {
            present: vec![label.to_owned()],
            took: Duration::from_millis(1_234),
            ratings: [(label.to_owned(), 70)].into(),
        };
        let given = Opinion {
            verdict: Some(Verdict::Disagree),
            label: Some("COVID-19".into()),
            key_image: true,
            note: "Müller \"links\"".into(),
            marks: super::super::stored_mark::tests::all_kinds(),
            blinded: Some(BlindedReading {
                asked: vec!["Pneumonia".into()],
                unaided: Some(call("Pneumonia")),
                seed: Some(u64::MAX),
                ..BlindedReading::default()
            }),
        };
        let mut seen = given.clone();
        seen.blinded.as_mut().unwrap().aided = Some(call("COVID-19"));
        let nothing = Opinion::default();
        let changes = [
            OpinionChange::default(),
            OpinionChange::to(&given),
            OpinionChange::between(&given, &nothing).only_over(&given),
            OpinionChange::between(&given, &seen),
            OpinionChange::between(&given, &seen).only_over(&given),
            OpinionChange::between(&seen, &given).only_over(&seen),
        ];
        for change in changes {
            let mut entry = entry(1, "agree");
            entry.review.change = change;
            let line = LogLine::from(&entry);
            assert_eq!(there_and_back(&line), line);
        }
        let mut odd = LogLine::from(&entry(1, "agree"));
        odd.image.path = path_from(b"/x/\xff.png".to_vec());
        odd.model_answer = None;
        assert_eq!(there_and_back(&odd), odd);
    }

    #[test]
    fn an_unknown_word_is_refused_and_not_left_out() {
        let text = serde_json::to_string(&LogLine::from(&entry(1, "agree"))).unwrap();
        assert!(serde_json::from_str::<LogLine>(&text).is_ok());
        let strange = text.replace("[\"agree\",null]", "[\"certainly\",null]");
        assert_ne!(strange, text);
        assert!(serde_json::from_str::<LogLine>(&strange).is_err());
    }

    /// Lines of earlier versions are read by these names.
    #[test]
    fn the_text_of_a_line_stays_what_it_is() {
        let call = Call {
            present: vec!["COVID-19".into()],
            took: Duration::from_millis(5),
            ..Call::default()
        };
        let mut called = Opinion {
            verdict: Some(Verdict::Disagree),
            label: Some("COVID-19".into()),
            key_image: true,
            note: "n".into(),
            blinded: Some(BlindedReading {
                unaided: Some(Call::default()),
                ..BlindedReading::default()
            }),
            marks: Vec::new(),
        };
        let mut entry = entry(1, "agree");
        entry.review.change = OpinionChange::to(&called);
        let text = serde_json::to_string(&LogLine::from(&entry)).unwrap();
        let expected = concat!(
            r#""change":{"judgement":{"to":["disagree","COVID-19"]},"key_image":{"to":true},"#,
            r#""note":{"to":"n"},"unaided":{"aided":null,"asked":[],"model_sha256":"","position":0,"#,
            r#""seed":null,"unaided":{"present":[],"took_ms":0}}}"#,
        );
        assert!(text.contains(expected), "{text}");
        let expected = r#","said":{"model":"ab","preprocess":"cxr-1","answer":"{"#;
        assert!(text.contains(expected), "{text}");
        let before = called.clone();
        called.blinded.as_mut().unwrap().aided = Some(call);
        entry.review.change = OpinionChange::between(&before, &called).only_over(&before);
        let text = serde_json::to_string(&LogLine::from(&entry)).unwrap();
        let expected =
            r#""change":{"aided":{"to":[{"present":["COVID-19"],"took_ms":5}],"over":[]}}"#;
        assert!(text.contains(expected), "{text}");
        let marked = Opinion {
            marks: super::super::stored_mark::tests::all_kinds()[4..].to_vec(),
            ..before.clone()
        };
        entry.review.change = OpinionChange::between(&marked, &before);
        let text = serde_json::to_string(&LogLine::from(&entry)).unwrap();
        let expected = concat!(
            r#""change":{"marks":{"added":[],"removed":[{"kind":"box","points":[[0,456789],"#,
            r#"[123,456689]],"label":"nodule","confidence":80,"offered":false,"spacing":null,"#,
            r#""aspect":1031000}]}}"#,
        );
        assert!(text.contains(expected), "{text}");
    }
}
