//! Which images are of one patient, in the order in which they were taken.

use std::collections::HashMap;
use std::path::Path;

use super::{Sort, Worklist};
use crate::domain::{Origin, Severity, days_between, is_before};

/// As far as files say: what no file says of is not among them.
#[derive(Default)]
pub struct Patients {
    of: HashMap<u32, Placed>,
    all: Vec<Patient>,
    by_key: HashMap<Key, u32>,
}

/// Where an image belongs.
struct Placed {
    origin: Origin,
    /// Index into all.
    patient: u32,
}

struct Patient {
    key: Key,
    /// By the time at which they were taken; those that do not say come last.
    images: Vec<u32>,
    /// From 1, in the order of their first images; 0 before the list was sorted by patients.
    number: u32,
}

/// What makes images those of one patient. Two images of one study are of one, whoever that is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(String),
    Study(String),
}

impl Key {
    fn of(origin: &Origin) -> Option<Self> {
        let id = origin.patient.clone().map(Key::Id);
        id.or_else(|| origin.study.clone().map(Key::Study))
    }
}

/// Which patient a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatientRow<'a> {
    /// From 1.
    pub number: u32,
    /// *Patient ID*: not to be shown unless asked for.
    pub id: Option<&'a str>,
    /// The row before is of another.
    pub is_first: bool,
}

/// How far the opacities of a patient's image reach beyond those of the image before it in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Of the image before.
    pub before: Severity,
    /// Difference of the geographic extents, −8 to 8.
    pub extent: f32,
    /// Between the two; `None` where a file does not say.
    pub days: Option<i64>,
    /// More than the model's mean error, where that is known.
    pub is_clear: bool,
}

/// Differences that are shown as none.
const NONE: f32 = 0.05;

impl Patients {
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Whether something is new.
    fn place(&mut self, index: u32, origin: Origin) -> bool {
        if self
            .of
            .get(&index)
            .is_some_and(|placed| placed.origin == origin)
        {
            return false;
        }
        let was_there = self.remove(index);
        let Some(key) = Key::of(&origin) else {
            return was_there;
        };
        let patient = *self.by_key.entry(key.clone()).or_insert_with(|| {
            self.all.push(Patient {
                key,
                images: Vec::new(),
                number: 0,
            });
            self.all.len() as u32 - 1
        });
        self.of.insert(index, Placed { origin, patient });
        let moment = |index: u32| (when(&self.of[&index].origin), index);
        let images = &mut self.all[patient as usize].images;
        let at = images.partition_point(|other| moment(*other) < moment(index));
        images.insert(at, index);
        true
    }

    /// A file may have been replaced by another.
    fn remove(&mut self, index: u32) -> bool {
        let Some(placed) = self.of.remove(&index) else {
            return false;
        };
        let images = &mut self.all[placed.patient as usize].images;
        images.retain(|other| *other != index);
        true
    }

    /// Numbers them in the order of names.
    pub(super) fn count(&mut self) {
        let first = |patient: &Patient| patient.images.iter().min().copied();
        let mut order: Vec<(u32, usize)> = (0..)
            .zip(&self.all)
            .filter_map(|(at, patient)| Some((first(patient)?, at)))
            .collect();
        order.sort_unstable();
        for (number, (_, at)) in (1..).zip(order) {
            self.all[at].number = number;
        }
    }

    /// Patients one after another, in each the studies and in each study the images in their order;
    /// then those of which nothing is known.
    pub(super) fn sort(&self, rows: &mut Vec<u32>, reversed: bool) {
        let (mut known, unknown): (Vec<u32>, Vec<u32>) =
            rows.iter().partition(|index| self.of.contains_key(*index));
        let began = self.studies();
        known.sort_by_cached_key(|index| {
            let Placed { origin, patient } = &self.of[index];
            let number = self.all[*patient as usize].number;
            let study = origin.study.as_deref();
            let began = began.get(&(*patient, study)).copied();
            (number, began, study, when(origin), *index)
        });
        if reversed {
            known.reverse();
        }
        rows.clear();
        rows.extend(known.into_iter().chain(unknown));
    }

    /// When each study began.
    fn studies(&self) -> HashMap<(u32, Option<&str>), (bool, &str)> {
        let mut began = HashMap::new();
        for placed in self.of.values() {
            let time = when(&placed.origin);
            let study = (placed.patient, placed.origin.study.as_deref());
            let first = began.entry(study).or_insert(time);
            *first = time.min(*first);
        }
        began
    }
}

/// Sorts what does not say last.
fn when(origin: &Origin) -> (bool, &str) {
    let taken = origin.taken.as_deref();
    (taken.is_none(), taken.unwrap_or_default())
}

impl Worklist {
    /// What a file says of its patient.
    pub fn set_origin(&mut self, path: &Path, origin: Origin) {
        if let Some(index) = self.index_of(path) {
            self.set_origin_at(index as u32, origin);
        }
    }

    /// The same by number.
    pub fn set_origin_at(&mut self, index: u32, origin: Origin) {
        let is_new = (index as usize) < self.entries.len() && self.patients.place(index, origin);
        self.stale |= is_new && self.sort == Sort::Patient;
    }

    /// Whether any file says of which patient it is.
    pub fn has_patients(&self) -> bool {
        !self.patients.is_empty()
    }

    /// Which patient a row is of, where the list is sorted by them.
    pub fn patient(&self, row: usize) -> Option<PatientRow<'_>> {
        let of = |row: usize| Some(self.patients.of.get(self.rows.get(row)?)?.patient);
        let at = of(row).filter(|_| self.sort == Sort::Patient)?;
        let patient = &self.patients.all[at as usize];
        let id = match &patient.key {
            Key::Id(id) => Some(id.as_str()),
            Key::Study(_) => None,
        };
        let is_first = row == 0 || of(row - 1) != Some(at);
        // One that came since the list was sorted has no number yet.
        (patient.number > 0).then_some(PatientRow {
            number: patient.number,
            id,
            is_first,
        })
    }

    /// What became of the severity since the patient's image before, whatever the filter hides. Only
    /// what the same model says of both is compared.
    pub fn progression(&self, row: usize) -> Option<Change> {
        let index = self.rows.get(row)?;
        let placed = self.patients.of.get(index)?;
        let taken = placed.origin.taken.as_deref()?;
        let said = self.shown_of(*index)?;
        let now = said.severity?;
        let images = &self.patients.all[placed.patient as usize].images;
        let at =
            images.partition_point(|other| when(&self.patients.of[other].origin) < (false, taken));
        let (before, severity) = images[..at].iter().rev().find_map(|other| {
            let earlier = self.patients.of[other].origin.taken.as_deref()?;
            let answer = self.shown_of(*other)?;
            let is_same = (&answer.model_sha256, &answer.preprocess)
                == (&said.model_sha256, &said.preprocess);
            let severity = answer
                .severity
                .filter(|_| is_same && is_before(earlier, taken))?;
            Some((earlier, severity))
        })?;
        let extent = now.geographic_extent - severity.geographic_extent;
        let error = now.geographic_extent_error.unwrap_or(NONE).max(NONE);
        Some(Change {
            before: severity,
            extent,
            days: days_between(before, taken),
            is_clear: extent.abs() > error,
        })
    }
}

#[cfg(test)]
mod tests;
