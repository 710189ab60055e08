//! The orders of the worklist. Images without a value to sort by come last, in the order of names, even if
//! the order is reversed.

use std::borrow::Cow;
use std::path::Path;

use super::filter::below_root;
use super::{EntryState, OpinionState, Worklist, WorklistEntry};
use crate::domain::prevalence::log_odds;
use crate::domain::{Finding, InputCheck, ModelCard, Prediction, Question, Verdict};

/// Prefix of a label in a [`Sort::key`].
const LABEL: &str = "label ";

/// The order of the worklist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sort {
    /// As found: by name within each folder.
    #[default]
    Name,
    /// By the score of this label, highest first.
    Score(String),
    /// Nearest to an operating point first: see [`nearest`].
    Uncertainty,
    /// Greatest difference between two models first: see [`Worklist::disagreement`].
    Disagreement,
    /// Failed, refused, cautioned, accepted.
    InputCheck,
    /// No verdict, then unsure, disagree, agree.
    Review,
    /// By patient, then study, then time.
    Patient,
    /// By the modification time of the file, oldest first.
    Time,
    /// By a hash of this seed and the path below the folder that was opened.
    Random(u64),
}

impl Sort {
    /// Its name on the screen.
    pub fn word(&self) -> &str {
        match self {
            Sort::Name => "name",
            Sort::Score(label) => label,
            Sort::Uncertainty => "uncertainty",
            Sort::Disagreement => "disagreement",
            Sort::InputCheck => "input check",
            Sort::Review => "review",
            Sort::Patient => "patient",
            Sort::Time => "file time",
            Sort::Random(_) => "random",
        }
    }

    /// Its name in a bookmark. Bookmarks of earlier versions hold these names, so they never change.
    pub fn key(&self) -> String {
        let name = match self {
            Sort::Score(label) => return format!("{LABEL}{label}"),
            Sort::Name => "name",
            Sort::Uncertainty => "uncertainty",
            Sort::Disagreement => "disagreement",
            Sort::InputCheck => "input check",
            Sort::Review => "review",
            Sort::Patient => "patient",
            Sort::Time => "file time",
            Sort::Random(_) => "random",
        };
        name.to_owned()
    }

    /// The order with that [`Sort::key`].
    pub fn of_key(key: &str) -> Option<Self> {
        if let Some(label) = key.strip_prefix(LABEL) {
            return Some(Sort::Score(label.to_owned()));
        }
        let others = Sort::all(None, 2).into_iter().chain([Sort::Uncertainty]);
        others.into_iter().find(|sort| sort.key() == key)
    }

    /// The available orders, as a key steps through them. `models` is the number of models: two can disagree.
    pub fn all(card: Option<&ModelCard>, models: usize) -> Vec<Sort> {
        let labels = card.map_or(&[][..], |card| &card.labels);
        let alone = labels
            .iter()
            .filter(|label| label.question == Question::Presence);
        let has_points = alone.clone().any(|label| label.operating_point.is_some());
        let mut sorts = vec![Sort::Name];
        sorts.extend(alone.map(|label| Sort::Score(label.name.clone())));
        sorts.extend(has_points.then_some(Sort::Uncertainty));
        sorts.extend((models > 1).then_some(Sort::Disagreement));
        sorts.extend([Sort::InputCheck, Sort::Review, Sort::Patient, Sort::Time]);
        sorts
    }

    /// Whether the order tells the model's answers.
    pub(super) fn tells_answers(&self) -> bool {
        self.uses_answers() && *self != Sort::Patient
    }

    /// Whether a new answer of the model, or the facts that are read with it, may change the order.
    pub(super) fn uses_answers(&self) -> bool {
        !matches!(
            self,
            Sort::Name | Sort::Review | Sort::Time | Sort::Random(_)
        )
    }
}

impl Worklist {
    /// Sorts the rows, which are in the order of names.
    pub(super) fn sort_rows(&mut self) {
        if self.sort == Sort::Name {
            if self.reversed {
                self.rows.reverse();
            }
            return;
        }
        if self.sort == Sort::Patient {
            self.patients.number();
            return self.patients.sort(&mut self.rows, self.reversed);
        }
        let keyed = self.rows.iter().map(|i| (self.key(*i), *i));
        let (mut known, unknown): (Vec<_>, Vec<_>) = keyed.partition(|(key, _)| key.is_some());
        // A stable sort: equal rows stay in the order of names.
        known.sort_by(|(a, _), (b, _)| {
            let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
            if self.reversed {
                b.total_cmp(&a)
            } else {
                a.total_cmp(&b)
            }
        });
        self.rows = known.into_iter().chain(unknown).map(|(_, i)| i).collect();
    }

    /// The value to sort by, smallest first; `None` if there is none.
    fn key(&self, index: u32) -> Option<f64> {
        let entry = &self.entries[index as usize];
        match &self.sort {
            Sort::Name | Sort::Patient => None,
            Sort::Score(label) => self
                .shown_score(entry, label)
                .map(|score| -f64::from(score)),
            Sort::Uncertainty => nearest(entry.prediction()?).map(|(_, distance)| distance),
            Sort::Disagreement => {
                let (_, other) = self.other_prediction_of(index)?;
                difference(entry.prediction()?, other).map(|(_, difference)| -difference)
            }
            Sort::InputCheck => check_rank(entry),
            Sort::Review => Some(review_rank(self.shown_opinion_of(index))),
            Sort::Time => self.times.of(index),
            Sort::Random(seed) => Some(random_rank(*seed, below_root(&entry.path, &self.roots))),
        }
    }

    /// The score of a label as the screen shows it; `None` if it shows none.
    fn shown_score(&self, entry: &WorklistEntry, label: &str) -> Option<f32> {
        let prediction = entry.prediction()?;
        let prediction = match &self.terms {
            Some(terms) => terms.shown(prediction),
            None => Cow::Borrowed(prediction),
        };
        prediction.told_score(prediction.finding(label)?)
    }

    /// The finding for which the model in use and another one differ most, and by how much, 0 to 1. Each score is
    /// put on a scale on which 0.5 is its own operating point, so that scores of different kinds can be
    /// compared. `None` without a common label.
    pub fn disagreement(&self, row: usize) -> Option<(&Finding, f64)> {
        let (_, other) = self.other_prediction(row)?;
        difference(self.row(row)?.prediction()?, other)
    }
}

/// The finding on its own that is nearest to its operating point, and the distance
/// |ln odds(score) − ln odds(point)|, which does not depend on the assumed prevalence. `None` if no finding
/// has an operating point.
pub fn nearest(prediction: &Prediction) -> Option<(&Finding, f64)> {
    let alone = alone(prediction).filter_map(|finding| {
        let point = finding.operating_point?.0;
        let score = match finding.calibrated {
            // More precise than the score where that is nearly 0 or 1.
            Some(calibrated) => calibrated.log_odds,
            None => log_odds(finding.score.value().into()),
        };
        let distance = (score - log_odds(point.into())).abs();
        (!distance.is_nan()).then_some((finding, distance))
    });
    alone.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// See [`Worklist::disagreement`].
fn difference<'a>(prediction: &'a Prediction, other: &Prediction) -> Option<(&'a Finding, f64)> {
    let both = alone(prediction).filter_map(|finding| {
        let other = alone(other).find(|other| other.label == finding.label)?;
        let difference = (normalised(finding)? - normalised(other)?).abs();
        Some((finding, difference))
    });
    both.max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// torchxrayvision's `op_norm`: linear on each side of the operating point, which becomes 0.5.
fn normalised(finding: &Finding) -> Option<f64> {
    let point = f64::from(finding.operating_point?.0);
    let score = f64::from(finding.score.value());
    Some(if score < point {
        score / (2.0 * point)
    } else if point >= 1.0 {
        // No score is above a point at 1.
        0.5
    } else {
        1.0 - (1.0 - score) / (2.0 * (1.0 - point))
    })
}

/// The findings on their own, without causes given pneumonia.
fn alone(prediction: &Prediction) -> impl Iterator<Item = &Finding> {
    let findings = prediction.findings.iter();
    findings.filter(|finding| finding.question == Question::Presence)
}

/// `None` if the image was not read.
fn check_rank(entry: &WorklistEntry) -> Option<f64> {
    match &entry.state {
        EntryState::Unread => None,
        EntryState::Failed(_) => Some(0.0),
        // Last: the reader need not do anything about it.
        EntryState::NoPicture(_) => Some(4.0),
        EntryState::Read(prediction) => Some(match prediction.input {
            InputCheck::Refused(_) => 1.0,
            InputCheck::Caution(_) => 2.0,
            InputCheck::Accepted => 3.0,
        }),
    }
}

/// A number from 0 to 1: FNV-1a of the path's bytes, then SplitMix64's finaliser with the seed. The order of two
/// images depends on nothing else, so it stays the same if the folder is moved or files are added.
pub(super) fn random_rank(seed: u64, path: &Path) -> f64 {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut mixed = fnv ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn review_rank(state: Option<&OpinionState>) -> f64 {
    match state.and_then(OpinionState::current_verdict) {
        None => 0.0,
        Some(Verdict::Unsure) => 1.0,
        Some(Verdict::Disagree) => 2.0,
        Some(Verdict::Agree) => 3.0,
    }
}
