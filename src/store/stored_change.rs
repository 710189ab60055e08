//! The change of an opinion in a line of reviews.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calls::{StoredCall, StoredReading};
use super::stored::StoredVerdict;
use super::stored_mark::{self, StoredMark};
use crate::domain::{Call, CallChange, Judgement, MarksChange, NewValue, OpinionChange};

/// `unaided` is the first call, in any mode. An aided call is a list of none or one: `null` would stand for no change.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    judgement: Option<StoredNewValue<StoredJudgement>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_image: Option<StoredNewValue<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<StoredNewValue<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unaided: Option<StoredReading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aided: Option<StoredNewValue<Vec<StoredCall>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<StoredMarksChange>,
}

#[derive(Serialize, Deserialize)]
struct StoredMarksChange {
    added: Vec<StoredMark>,
    removed: Vec<StoredMark>,
}

#[derive(Serialize, Deserialize)]
struct StoredNewValue<T> {
    to: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<T>,
}

/// Verdict and label.
type StoredJudgement = (Option<StoredVerdict>, Option<String>);

impl<T> StoredNewValue<T> {
    fn new<V>(value: &NewValue<V>, stored: impl Fn(&V) -> T) -> Self {
        StoredNewValue {
            to: stored(&value.to),
            over: value.over.as_ref().map(stored),
        }
    }

    fn value<V>(self, read: impl Fn(T) -> V) -> NewValue<V> {
        NewValue {
            to: read(self.to),
            over: self.over.map(read),
        }
    }
}

impl From<&OpinionChange> for StoredChange {
    fn from(change: &OpinionChange) -> Self {
        let (judgement, key_image, note) = (&change.judgement, &change.key_image, &change.note);
        let (unaided, aided) = match &change.call {
            None => (None, None),
            Some(CallChange::First(reading)) => (Some(reading.into()), None),
            Some(CallChange::Aided(value)) => {
                let list = |call: &Option<Call>| -> Vec<StoredCall> {
                    call.iter().map(Into::into).collect()
                };
                (None, Some(StoredNewValue::new(value, list)))
            }
        };
        StoredChange {
            judgement: judgement
                .as_ref()
                .map(|value| StoredNewValue::new(value, stored_judgement)),
            key_image: key_image
                .as_ref()
                .map(|value| StoredNewValue::new(value, Clone::clone)),
            note: note
                .as_ref()
                .map(|value| StoredNewValue::new(value, Clone::clone)),
            unaided,
            aided,
            marks: change.marks.as_ref().map(|marks| StoredMarksChange {
                added: marks.added.iter().map(Into::into).collect(),
                removed: marks.removed.iter().map(Into::into).collect(),
            }),
        }
    }
}

impl TryFrom<StoredChange> for OpinionChange {
    type Error = &'static str;

    fn try_from(stored: StoredChange) -> Result<Self, Self::Error> {
        let unaided = stored
            .unaided
            .map(|reading| CallChange::First(reading.into()));
        let aided = match stored.aided {
            None => None,
            Some(value) if value.has_many() => return Err("several calls in place of one"),
            Some(value) => Some(CallChange::Aided(value.value(first_call))),
        };
        Ok(OpinionChange {
            judgement: stored.judgement.map(|value| value.value(judgement)),
            key_image: stored.key_image.map(|value| value.value(|flag| flag)),
            note: stored.note.map(|value| value.value(|note| note)),
            call: unaided.or(aided),
            marks: stored.marks.map(marks_change).transpose()?,
        })
    }
}

impl StoredNewValue<Vec<StoredCall>> {
    fn has_many(&self) -> bool {
        let over = self.over.as_ref().map_or(0, Vec::len);
        self.to.len().max(over) > 1
    }
}

fn marks_change(stored: StoredMarksChange) -> Result<MarksChange, &'static str> {
    Ok(MarksChange {
        added: stored_mark::marks(stored.added)?,
        removed: stored_mark::marks(stored.removed)?,
    })
}

fn first_call(calls: Vec<StoredCall>) -> Option<Call> {
    calls.into_iter().next().map(Into::into)
}

fn stored_judgement(judgement: &Judgement) -> StoredJudgement {
    let verdict = judgement.verdict.map(Into::into);
    (verdict, judgement.label.clone())
}

fn judgement((verdict, label): StoredJudgement) -> Judgement {
    Judgement {
        verdict: verdict.map(Into::into),
        label,
    }
}

pub fn serialize<S: Serializer>(change: &OpinionChange, to: S) -> Result<S::Ok, S::Error> {
    StoredChange::from(change).serialize(to)
}

pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<OpinionChange, D::Error> {
    StoredChange::deserialize(from)?
        .try_into()
        .map_err(D::Error::custom)
}
