//! A review in the words of the store: what a row of the log is made from, and a line of the file that
//! reviews wait in when the program ends before they could be written. One JSON object a line:
//!
//! ```text
//! { token, image: { sha256, path, study, series, sop, patient }, reviewer, at_ms, act,
//!   change: { judgement: { to: [verdict, label], over }, key_image: { to, over }, note: { to, over },
//!             unaided: calls, aided: { to: [call], over } },
//!   seen: "JSON", program, said: null | { model, preprocess, answer: "JSON" } }
//! ```
//!
//! A path that is no UTF-8 is an array of its bytes.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{ReviewEntry, bytes_of, calls, path_from, seen};
use crate::domain::{
    CallChange, ContentId, ImageIdentity, Judgement, NewValue, OpinionChange, Prediction, Uids,
    Verdict,
};

/// A review on its way into the log, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub token: String,
    #[serde(with = "image_words")]
    pub image: ImageIdentity,
    pub reviewer: String,
    pub at_ms: i64,
    pub act: String,
    #[serde(with = "change_words")]
    pub change: OpinionChange,
    /// Text, so that no number changes on its way.
    pub seen: String,
    /// Version of the program that the review was made with.
    pub program: String,
    pub said: Option<ModelAnswer>,
    /// It waited in a file, and what was said since comes before it.
    #[serde(skip)]
    pub is_late: bool,
}

impl LogLine {
    /// Whether it is one that this program writes: an image by its digest, and JSON where JSON belongs.
    pub fn is_sound(&self) -> bool {
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        let said = self.said.as_ref();
        self.image.sha256.parse::<ContentId>().is_ok()
            && self.at_ms >= 0
            && is_json(&self.seen)
            && said.is_none_or(|said| is_json(&said.answer))
    }
}

/// What a model said of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAnswer {
    pub model: String,
    pub preprocess: String,
    /// See `seen`.
    pub answer: String,
}

impl ModelAnswer {
    pub fn new(said: &Prediction) -> Self {
        ModelAnswer {
            model: said.model_sha256.clone(),
            preprocess: said.preprocess.clone(),
            answer: seen::prediction(said).to_string(),
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
            act: review.act.word().to_owned(),
            change: review.change.clone(),
            seen: seen::seen(&review.seen).to_string(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            said: entry.prediction.as_ref().map(ModelAnswer::new),
            is_late: false,
        }
    }
}

mod image_words {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct ReviewWords {
        sha256: String,
        path: PathWords,
        study: Option<String>,
        series: Option<String>,
        sop: Option<String>,
        patient: Option<String>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum PathWords {
        Text(String),
        Bytes(Vec<u8>),
    }

    impl PathWords {
        fn of(path: &Path) -> Self {
            match path.to_str() {
                Some(text) => PathWords::Text(text.to_owned()),
                None => PathWords::Bytes(bytes_of(path).to_vec()),
            }
        }

        fn path(self) -> PathBuf {
            match self {
                PathWords::Text(text) => text.into(),
                PathWords::Bytes(bytes) => path_from(bytes),
            }
        }
    }

    pub fn serialize<S: Serializer>(image: &ImageIdentity, to: S) -> Result<S::Ok, S::Error> {
        let ImageIdentity {
            sha256,
            path,
            uids,
            patient_id,
        } = image.clone();
        ReviewWords {
            sha256,
            path: PathWords::of(&path),
            study: uids.study,
            series: uids.series,
            sop: uids.sop_instance,
            patient: patient_id,
        }
        .serialize(to)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<ImageIdentity, D::Error> {
        let words = ReviewWords::deserialize(from)?;
        Ok(ImageIdentity {
            sha256: words.sha256,
            path: words.path.path(),
            uids: Uids {
                study: words.study,
                series: words.series,
                sop_instance: words.sop,
            },
            patient_id: words.patient,
        })
    }
}

mod change_words {
    use serde::de::Error;

    use super::*;

    /// Of both values, `to` and `over`.
    #[derive(Serialize, Deserialize)]
    struct OpinionPair<T> {
        to: T,
        #[serde(skip_serializing_if = "Option::is_none")]
        over: Option<T>,
    }

    type JudgementWords = (Option<String>, Option<String>);

    /// The calls are as `calls` has them; an aided one is a list of none or one, since `null` would be
    /// no value at all.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(default)]
    struct CallWords {
        #[serde(skip_serializing_if = "Option::is_none")]
        judgement: Option<OpinionPair<JudgementWords>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key_image: Option<OpinionPair<bool>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<OpinionPair<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unaided: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        aided: Option<OpinionPair<Vec<Value>>>,
    }

    pub fn serialize<S: Serializer>(change: &OpinionChange, to: S) -> Result<S::Ok, S::Error> {
        let mut words = CallWords {
            judgement: change.judgement.as_ref().map(|value| pair(value, judged)),
            key_image: change
                .key_image
                .as_ref()
                .map(|value| pair(value, Clone::clone)),
            note: change.note.as_ref().map(|value| pair(value, Clone::clone)),
            ..CallWords::default()
        };
        match &change.call {
            Some(CallChange::Unaided(reading)) => words.unaided = Some(calls::value(reading)),
            Some(CallChange::Aided(value)) => {
                let one = |call: &Option<_>| call.iter().map(calls::call_value).collect();
                words.aided = Some(pair(value, one));
            }
            None => {}
        }
        words.serialize(to)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<OpinionChange, D::Error> {
        let words = CallWords::deserialize(from)?;
        let unaided = words.unaided.map(|value| {
            let reading = calls::from_value(&value);
            reading.map(CallChange::Unaided)
        });
        let aided = words.aided.map(|value| {
            let aided = value_of(value, |calls| match &calls[..] {
                [] => Some(None),
                [call] => calls::call_of(call).map(Some),
                _ => None,
            });
            aided.map(CallChange::Aided)
        });
        let strange = || D::Error::custom("a call or verdict that is not known");
        let judgement = words.judgement.map(|value| value_of(value, judgement));
        Ok(OpinionChange {
            judgement: known(judgement).ok_or_else(strange)?,
            key_image: known(words.key_image.map(|value| value_of(value, Some)))
                .ok_or_else(strange)?,
            note: known(words.note.map(|value| value_of(value, Some))).ok_or_else(strange)?,
            call: known(unaided.or(aided)).ok_or_else(strange)?,
        })
    }

    /// `None` where something is there that could not be read.
    fn known<T>(value: Option<Option<T>>) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(read) => read.map(Some),
        }
    }

    fn pair<T, W>(value: &NewValue<T>, words: impl Fn(&T) -> W) -> OpinionPair<W> {
        OpinionPair {
            to: words(&value.to),
            over: value.over.as_ref().map(words),
        }
    }

    fn value_of<W, T>(pair: OpinionPair<W>, read: impl Fn(W) -> Option<T>) -> Option<NewValue<T>> {
        Some(NewValue {
            to: read(pair.to)?,
            over: match pair.over {
                None => None,
                Some(over) => Some(read(over)?),
            },
        })
    }

    fn judged(judgement: &Judgement) -> JudgementWords {
        let verdict = judgement.verdict.map(|verdict| verdict.word().to_owned());
        (verdict, judgement.label.clone())
    }

    fn judgement((verdict, label): JudgementWords) -> Option<Judgement> {
        let verdict = match verdict {
            None => None,
            Some(word) => Some(Verdict::named(&word)?),
        };
        Some(Judgement { verdict, label })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::entry;
    use super::*;
    use crate::domain::{BlindedReading, Call, Opinion};

    fn there_and_back(line: &LogLine) -> LogLine {
        let text = serde_json::to_string(line).unwrap();
        assert!(!text.contains('\n'));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_comes_back_as_it_was() {
        let call = |label: &str| Call {
            present: vec![label.to_owned()],
            took: Duration::from_millis(1_234),
        };
        let held = Opinion {
            verdict: Some(Verdict::Disagree),
            label: Some("COVID-19".into()),
            key_image: true,
            note: "Müller \"links\"".into(),
            blinded: Some(BlindedReading {
                asked: vec!["Pneumonia".into()],
                unaided: call("Pneumonia"),
                seed: Some(u64::MAX),
                ..BlindedReading::default()
            }),
        };
        let mut seen = held.clone();
        seen.blinded.as_mut().unwrap().aided = Some(call("COVID-19"));
        let nothing = Opinion::default();
        let changes = [
            OpinionChange::default(),
            OpinionChange::to(&held),
            OpinionChange::between(&held, &nothing).only_over(&held),
            OpinionChange::between(&held, &seen),
            OpinionChange::between(&held, &seen).only_over(&held),
            OpinionChange::between(&seen, &held).only_over(&seen),
        ];
        for change in changes {
            let mut entry = entry(1, "agree");
            entry.review.change = change;
            let line = LogLine::from(&entry);
            assert_eq!(there_and_back(&line), line);
        }
        let mut odd = LogLine::from(&entry(1, "agree"));
        odd.image.path = path_from(b"/x/\xff.png".to_vec());
        odd.said = None;
        assert_eq!(there_and_back(&odd), odd);
    }

    #[test]
    fn what_is_not_known_is_refused_rather_than_left_out() {
        let text = serde_json::to_string(&LogLine::from(&entry(1, "agree"))).unwrap();
        assert!(serde_json::from_str::<LogLine>(&text).is_ok());
        let strange = text.replace("[\"agree\",null]", "[\"certainly\",null]");
        assert_ne!(strange, text);
        assert!(serde_json::from_str::<LogLine>(&strange).is_err());
    }
}
