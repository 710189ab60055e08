//! The parts of a reader's opinion that one act changes. The other parts stay as they are in the log when
//! the act is recorded: another session of the same reader may have changed them meanwhile.

use super::blinded::{BlindedReading, Call};
use super::mark::Mark;
use super::opinion::{Opinion, Verdict};

/// A change of an opinion; `None` leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpinionChange {
    /// Verdict and label.
    pub judgement: Option<NewValue<Judgement>>,
    /// The flag for other readers.
    pub key_image: Option<NewValue<bool>>,
    /// One line; empty removes the note.
    pub note: Option<NewValue<String>>,
    /// A call of blinded reading.
    pub call: Option<CallChange>,
    /// Marks that came and went.
    pub marks: Option<MarksChange>,
}

/// Marks that came and went. A mark is known by all that it holds, so an undo, or another session, takes away no mark
/// but this one, and none comes twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarksChange {
    /// They come after those that are there; one that replaces one takes its place.
    pub added: Vec<Mark>,
    /// Those of them that are still there go.
    pub removed: Vec<Mark>,
}

impl MarksChange {
    fn between(from: &[Mark], to: &[Mark]) -> Option<Self> {
        let not_in = |these: &[Mark], those: &[Mark]| -> Vec<Mark> {
            let missing = these.iter().filter(|mark| !those.contains(mark));
            missing.cloned().collect()
        };
        let change = MarksChange {
            added: not_in(to, from),
            removed: not_in(from, to),
        };
        (change != MarksChange::default()).then_some(change)
    }

    fn on(&self, held: &mut Vec<Mark>) {
        if let ([added], [removed]) = (&self.added[..], &self.removed[..])
            && let Some(at) = held.iter().position(|mark| mark == removed)
            && !held.contains(added)
        {
            held[at] = added.clone();
            return;
        }
        held.retain(|mark| !self.removed.contains(mark));
        for mark in &self.added {
            if !held.contains(mark) {
                held.push(mark.clone());
            }
        }
    }

    /// The same change without what a later one took back; `None` if nothing is left.
    fn not_over_later(mut self, later: Option<&MarksChange>) -> Option<Self> {
        if let Some(later) = later {
            self.added.retain(|mark| !later.removed.contains(mark));
            self.removed.retain(|mark| !later.added.contains(mark));
        }
        (self != MarksChange::default()).then_some(self)
    }
}

/// A verdict and the label that it is about. They change together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// `None` takes the verdict back.
    pub verdict: Option<Verdict>,
    /// The label that the reader disagrees with.
    pub label: Option<String>,
}

/// The new value of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewValue<T> {
    /// The value after the change.
    pub to: T,
    /// The change applies only over this value, so that an undo does not revert later changes. `None`:
    /// over any value.
    pub over: Option<T>,
}

/// A change of a blinded reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallChange {
    /// The first call. It is made once: where there is one already, this changes nothing.
    First(BlindedReading),
    /// The call after the answer was shown, or its removal.
    Aided(NewValue<Option<Call>>),
}

impl<T: PartialEq + Clone> NewValue<T> {
    fn between(from: &T, to: &T) -> Option<Self> {
        (from != to).then(|| NewValue {
            to: to.clone(),
            over: None,
        })
    }

    fn on(&self, held: T) -> T {
        match &self.over {
            Some(over) if *over != held => held,
            _ => self.to.clone(),
        }
    }
}

impl OpinionChange {
    /// The change from one opinion to another. A first call is never removed.
    pub fn between(from: &Opinion, to: &Opinion) -> Self {
        OpinionChange {
            judgement: NewValue::between(&Judgement::of(from), &Judgement::of(to)),
            key_image: NewValue::between(&from.key_image, &to.key_image),
            note: NewValue::between(&from.note, &to.note),
            call: match (&from.blinded, &to.blinded) {
                (_, None) => None,
                (None, Some(to)) => Some(CallChange::First(to.clone())),
                (Some(from), Some(to)) => {
                    NewValue::between(&from.aided, &to.aided).map(CallChange::Aided)
                }
            },
            marks: MarksChange::between(&from.marks, &to.marks),
        }
    }

    /// The change from no opinion to this one.
    pub fn to(opinion: &Opinion) -> Self {
        Self::between(&Opinion::default(), opinion)
    }

    /// The same change, but only of the parts that are still as in `held`.
    pub fn only_over(mut self, held: &Opinion) -> Self {
        if let Some(judgement) = &mut self.judgement {
            judgement.over = Some(Judgement::of(held));
        }
        if let Some(key_image) = &mut self.key_image {
            key_image.over = Some(held.key_image);
        }
        if let Some(note) = &mut self.note {
            note.over = Some(held.note.clone());
        }
        if let Some(CallChange::Aided(aided)) = &mut self.call {
            aided.over = held.blinded.as_ref().map(|reading| reading.aided.clone());
        }
        self
    }

    /// The same change without the parts that a later act changed between `then` and `now`.
    pub fn not_over_later(mut self, then: &Opinion, now: &Opinion) -> Self {
        let later = Self::between(then, now);
        self.judgement = self.judgement.filter(|_| later.judgement.is_none());
        self.key_image = self.key_image.filter(|_| later.key_image.is_none());
        self.note = self.note.filter(|_| later.note.is_none());
        self.call = self.call.filter(|_| later.call.is_none());
        let marks = self.marks.take();
        self.marks = marks.and_then(|marks| marks.not_over_later(later.marks.as_ref()));
        self
    }

    /// The opinion after the change.
    pub fn on(&self, held: &Opinion) -> Opinion {
        let mut after = held.clone();
        if let Some(judgement) = &self.judgement {
            let Judgement { verdict, label } = judgement.on(Judgement::of(held));
            (after.verdict, after.label) = (verdict, label);
        }
        if let Some(key_image) = &self.key_image {
            after.key_image = key_image.on(held.key_image);
        }
        if let Some(note) = &self.note {
            after.note = note.on(held.note.clone());
        }
        match (&self.call, &mut after.blinded) {
            (Some(CallChange::First(reading)), blinded @ None) => {
                *blinded = Some(reading.clone());
            }
            (Some(CallChange::Aided(aided)), Some(reading)) => {
                reading.aided = aided.on(reading.aided.take());
            }
            _ => {}
        }
        if let Some(marks) = &self.marks {
            marks.on(&mut after.marks);
        }
        after
    }
}

impl Judgement {
    fn of(opinion: &Opinion) -> Self {
        Judgement {
            verdict: opinion.verdict,
            label: opinion.label.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::{FilmScale, MarkKind, MarkPoint};
    use super::*;

    fn noted(note: &str, verdict: Option<Verdict>) -> Opinion {
        Opinion {
            verdict,
            note: note.to_owned(),
            ..Opinion::default()
        }
    }

    fn called(unaided: &str, aided: Option<&str>) -> Opinion {
        let call = |label: &str| Call {
            present: vec![label.to_owned()],
            ..Call::default()
        };
        Opinion {
            blinded: Some(BlindedReading {
                unaided: Some(call(unaided)),
                aided: aided.map(call),
                ..BlindedReading::default()
            }),
            ..Opinion::default()
        }
    }

    #[test]
    fn a_change_leaves_the_other_parts_as_they_are() {
        let flag = Opinion {
            key_image: true,
            ..Opinion::default()
        };
        let held = noted("critical", Some(Verdict::Agree));
        let after = OpinionChange::to(&flag).on(&held);
        assert_eq!(
            after,
            Opinion {
                key_image: true,
                ..held
            }
        );
    }

    #[test]
    fn an_undo_reverts_its_own_step_and_no_later_change() {
        let (before, after) = (noted("", None), noted("", Some(Verdict::Agree)));
        let back = OpinionChange::between(&after, &before).only_over(&after);
        let noted_since = noted("since", Some(Verdict::Agree));
        assert_eq!(back.on(&noted_since), noted("since", None));
        let judged_since = noted("", Some(Verdict::Disagree));
        assert_eq!(back.on(&judged_since), judged_since);
    }

    #[test]
    fn the_first_unaided_call_stands_and_a_later_one_changes_nothing() {
        let first = called("Pneumonia", None);
        let second = OpinionChange::to(&called("COVID-19", None));
        assert_eq!(second.on(&Opinion::default()), called("COVID-19", None));
        assert_eq!(second.on(&first), first);
        let gone = OpinionChange::between(&first, &Opinion::default());
        assert_eq!(gone.on(&first), first);
        let aided = called("Pneumonia", Some("COVID-19"));
        let seen = OpinionChange::between(&first, &aided);
        assert_eq!(seen.on(&first), aided);
        let back = OpinionChange::between(&aided, &first).only_over(&aided);
        assert_eq!(back.on(&aided), first);
    }

    fn marked(places: &[f64]) -> Opinion {
        let point = |x: &f64| {
            let points = vec![MarkPoint::at(*x, 0.0)];
            Mark::new(MarkKind::Point, points, FilmScale::PIXELS).unwrap()
        };
        Opinion {
            marks: places.iter().map(point).collect(),
            ..Opinion::default()
        }
    }

    #[test]
    fn marks_of_two_sessions_are_kept_and_an_undo_takes_back_its_own() {
        let mine = OpinionChange::between(&marked(&[1.0]), &marked(&[1.0, 2.0]));
        let theirs = marked(&[1.0, 3.0]);
        assert_eq!(mine.on(&theirs), marked(&[1.0, 3.0, 2.0]));
        assert_eq!(mine.on(&mine.on(&theirs)), marked(&[1.0, 3.0, 2.0]));
        let back = OpinionChange::between(&marked(&[1.0, 2.0]), &marked(&[1.0]));
        let back = back.only_over(&marked(&[1.0, 2.0]));
        assert_eq!(back.on(&marked(&[1.0, 3.0, 2.0])), marked(&[1.0, 3.0]));
        assert_eq!(back.on(&theirs), theirs, "it is gone already");
        // A mark with another label stays in its place.
        let moved = OpinionChange::between(&marked(&[1.0, 2.0]), &marked(&[9.0, 2.0]));
        assert_eq!(moved.on(&marked(&[1.0, 2.0])), marked(&[9.0, 2.0]));
        let gone = moved.on(&marked(&[2.0]));
        assert_eq!(gone, marked(&[2.0, 9.0]));
    }

    #[test]
    fn a_late_mark_does_not_come_back_where_it_was_removed_since() {
        let late = OpinionChange::between(&marked(&[]), &marked(&[1.0, 2.0]));
        let late = late.not_over_later(&marked(&[1.0, 2.0]), &marked(&[2.0]));
        assert_eq!(late.on(&marked(&[2.0])), marked(&[2.0]));
        let late = OpinionChange::between(&marked(&[1.0]), &marked(&[]));
        let late = late.not_over_later(&marked(&[]), &marked(&[1.0]));
        assert_eq!(late, OpinionChange::default());
    }

    #[test]
    fn a_late_change_does_not_revert_a_newer_one() {
        let (then, now) = (noted("", None), noted("newer", None));
        let late = OpinionChange::to(&noted("older", Some(Verdict::Unsure)));
        let after = late.not_over_later(&then, &now).on(&now);
        assert_eq!(after, noted("newer", Some(Verdict::Unsure)));
    }
}
