//! The orders of the worklist. What has no value to be sorted by comes last, in the order of names,
//! reversed or not.

use std::borrow::Cow;
use std::path::Path;

use super::filter::below_root;
use super::{EntryState, HeldOpinion, Worklist, WorklistEntry};
use crate::domain::prevalence::log_odds;
use crate::domain::{Finding, InputCheck, ModelCard, Prediction, Question, Verdict};

/// Before a label in a [`Sort::key`].
const LABEL: &str = "label ";

/// What the worklist is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sort {
    /// The order in which they were found: by name within each folder.
    #[default]
    Name,
    /// Highest first.
    Score(String),
    /// The nearest to an operating point first. See [`nearest`].
    Uncertainty,
    /// Where two models differ most. See [`difference`].
    Disagreement,
    /// Failed, refused, cautioned, accepted.
    InputCheck,
    /// What has no verdict, then unsure, disagree, agree.
    Review,
    /// One patient after another, in each the studies in their order. See [`Patients`](super::patients::Patients).
    Patient,
    /// When the file was changed last, oldest first.
    Time,
    /// By a hash of this seed and the path below the folder that was opened.
    Random(u64),
}

impl Sort {
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

    /// What stands for it in a bookmark.
    pub fn key(&self) -> String {
        match self {
            Sort::Score(label) => format!("{LABEL}{label}"),
            sort => sort.word().to_owned(),
        }
    }

    /// The one of that key.
    pub fn of_key(key: &str) -> Option<Self> {
        if let Some(label) = key.strip_prefix(LABEL) {
            return Some(Sort::Score(label.to_owned()));
        }
        let others = Sort::all(None, 2).into_iter().chain([Sort::Uncertainty]);
        others.into_iter().find(|sort| sort.word() == key)
    }

    /// Those that there are, in the order in which a key goes through them. Two models can disagree.
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

    /// Whether the order tells what the model says.
    pub(super) fn tells_answers(&self) -> bool {
        self.asks_of_answers() && *self != Sort::Patient
    }

    /// Whether a new answer of the model, or what is read with it, may change the order.
    pub(super) fn asks_of_answers(&self) -> bool {
        !matches!(
            self,
            Sort::Name | Sort::Review | Sort::Time | Sort::Random(_)
        )
    }
}

impl Worklist {
    /// Of rows in the order of names.
    pub(super) fn sort_rows(&mut self) {
        if self.sort == Sort::Name {
            if self.reversed {
                self.rows.reverse();
            }
            return;
        }
        if self.sort == Sort::Patient {
            self.patients.count();
            return self.patients.sort(&mut self.rows, self.reversed);
        }
        let keyed = self.rows.iter().map(|i| (self.key(*i), *i));
        let (mut known, unknown): (Vec<_>, Vec<_>) = keyed.partition(|(key, _)| key.is_some());
        // Stable: what is equal stays in the order of names.
        known.sort_by(|(a, _), (b, _)| {
            let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
            match self.reversed {
                true => b.total_cmp(&a),
                false => a.total_cmp(&b),
            }
        });
        self.rows = known.into_iter().chain(unknown).map(|(_, i)| i).collect();
    }

    /// Smallest first; `None` where there is nothing to sort by.
    fn key(&self, index: u32) -> Option<f64> {
        let entry = &self.entries[index as usize];
        match &self.sort {
            Sort::Name | Sort::Patient => None,
            Sort::Score(label) => self.told_score(entry, label).map(|score| -f64::from(score)),
            Sort::Uncertainty => nearest(entry.prediction()?).map(|(_, distance)| distance),
            Sort::Disagreement => {
                let (_, other) = self.said_elsewhere_of(index)?;
                difference(entry.prediction()?, other).map(|(_, difference)| -difference)
            }
            Sort::InputCheck => check_rank(entry),
            Sort::Review => Some(review_rank(self.shown_held_of(index))),
            Sort::Time => self.times.of(index),
            Sort::Random(seed) => Some(random_rank(*seed, below_root(&entry.path, &self.roots))),
        }
    }

    /// As it is shown; `None` where a row has no number of this label.
    fn told_score(&self, entry: &WorklistEntry, label: &str) -> Option<f32> {
        let said = entry.prediction()?;
        let said = match &self.terms {
            Some(terms) => terms.shown(said),
            None => Cow::Borrowed(said),
        };
        said.told_score(said.finding(label)?)
    }

    /// Where the model in use and another differ most over a row, and by how much.
    pub fn disagreement(&self, row: usize) -> Option<(&Finding, f64)> {
        let (_, other) = self.said_elsewhere(row)?;
        difference(self.row(row)?.prediction()?, other)
    }
}

/// The finding that stands on its own and is nearest to its operating point, and how far that is:
/// |ln odds(score) − ln odds(point)|, which no assumed prevalence changes. `None` where no finding
/// has such a point.
pub fn nearest(prediction: &Prediction) -> Option<(&Finding, f64)> {
    let alone = alone(prediction).filter_map(|finding| {
        let point = finding.operating_point?.0;
        let score = match finding.calibrated {
            // It says more where the score is nearly 0 or 1.
            Some(calibrated) => calibrated.log_odds,
            None => log_odds(finding.score.value().into()),
        };
        let distance = (score - log_odds(point.into())).abs();
        (!distance.is_nan()).then_some((finding, distance))
    });
    alone.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The finding over which two models differ most, of the labels that both have on their own, and by
/// how much, 0 to 1. Each score is put on the scale on which 0.5 is its own operating point, so that
/// scores of different kinds can be compared. `None` without such a label.
fn difference<'a>(said: &'a Prediction, other: &Prediction) -> Option<(&'a Finding, f64)> {
    let both = alone(said).filter_map(|finding| {
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
    Some(match score < point {
        true => score / (2.0 * point),
        // A point at 1 is only reached, never passed.
        false if point >= 1.0 => 0.5,
        false => 1.0 - (1.0 - score) / (2.0 * (1.0 - point)),
    })
}

fn alone(prediction: &Prediction) -> impl Iterator<Item = &Finding> {
    let findings = prediction.findings.iter();
    findings.filter(|finding| finding.question == Question::Presence)
}

/// `None` for what is not read.
fn check_rank(entry: &WorklistEntry) -> Option<f64> {
    match &entry.state {
        EntryState::Unread => None,
        EntryState::Failed(_) => Some(0.0),
        // Nothing is to be done about it.
        EntryState::NoPicture(_) => Some(4.0),
        EntryState::Read(prediction) => Some(match prediction.input {
            InputCheck::Refused(_) => 1.0,
            InputCheck::Caution(_) => 2.0,
            InputCheck::Accepted => 3.0,
        }),
    }
}

/// 0 to 1: FNV-1a of the path's bytes, then SplitMix64's finaliser with the seed. The order of two
/// images rests on nothing else, so that it is the same wherever the folder lies and whatever is
/// added to it.
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

fn review_rank(held: Option<&HeldOpinion>) -> f64 {
    match held.and_then(|held| held.opinion.verdict) {
        None => 0.0,
        Some(Verdict::Unsure) => 1.0,
        Some(Verdict::Disagree) => 2.0,
        Some(Verdict::Agree) => 3.0,
    }
}
