//! Which images are of one patient, in the order in which they were taken.

use std::collections::HashMap;
use std::path::Path;

use super::{Sort, Worklist};
use crate::domain::patient::{MOST_PEOPLE, persons};
use crate::domain::{Origin, PatientIdentity, Sameness, Severity, days_between, is_before};

/// As far as files say: what no file says of is not among them.
#[derive(Default)]
pub struct Patients {
    of: HashMap<u32, Placed>,
    all: Vec<Patient>,
    /// Which of all has this place among the bearers of this number.
    by_place: HashMap<(u32, Membership), u32>,
    bearers: Vec<SharedIdentifier>,
    by_key: HashMap<PatientKey, u32>,
    identities: Vec<StatedIdentity>,
    /// By bearers and what is said, where they are a crowd: few are looked through.
    by_identity: HashMap<(u32, PatientIdentity), u32>,
}

/// Where an image belongs.
struct Placed {
    study: Option<String>,
    taken: Option<String>,
    /// Index into all.
    patient: u32,
    /// Index into identities.
    identity: u32,
}

struct Patient {
    /// Index into bearers.
    bearers: u32,
    /// By the time at which they were taken; those that do not say come last.
    images: Vec<u32>,
    /// From 1, in the order of their first images; 0 before the list was sorted by patients.
    number: u32,
}

/// What images have in common that may be of one patient: the identifier, or else the study.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PatientKey {
    Id(String),
    Study(String),
}

impl PatientKey {
    fn of(origin: &Origin) -> Option<Self> {
        let id = origin.patient.id.clone().map(PatientKey::Id);
        id.or_else(|| origin.study.clone().map(PatientKey::Study))
    }
}

/// Everybody who has one identifier: one patient, if files and hospitals do as they should.
struct SharedIdentifier {
    key: PatientKey,
    /// Different ones, of which there are images.
    identities: Vec<u32>,
    /// All that have been among them.
    patients: Vec<u32>,
}

/// What some of the bearers' images say of their patient.
struct StatedIdentity {
    /// Index into bearers.
    bearers: u32,
    said: PatientIdentity,
    images: u32,
    /// The same number for identities of one person; `None` where it does not say which one.
    person: Option<u32>,
    sharing: Option<Sharing>,
}

/// Who an image of a bearer belongs with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Membership {
    Person(u32),
    /// With others of its study that say the same, where it does not say who it is of.
    Study(u32, String),
    Alone(u32),
}

/// Why an identifier is not enough to say whose an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// Others bear it whose name or birth date is another.
    OtherPerson,
    /// Others bear it by another issuer, or perhaps by another.
    OtherIssuer,
    /// Nothing says which of those who bear it this one is.
    Unsaid,
}

/// Which patient a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatientRow<'a> {
    /// From 1.
    pub number: u32,
    /// *Patient ID*: not to be shown unless asked for.
    pub id: Option<&'a str>,
    /// Why that identifier is not all that tells this patient from others.
    pub sharing: Option<Sharing>,
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
        let is_same = |placed: &Placed| {
            let said = &self.identities[placed.identity as usize].said;
            (said, &placed.study, &placed.taken) == (&origin.patient, &origin.study, &origin.taken)
        };
        if self.of.get(&index).is_some_and(is_same) {
            return false;
        }
        let was_there = self.remove(index);
        let Some(key) = PatientKey::of(&origin) else {
            return was_there;
        };
        let (identity, is_new) = self.identity(key, &origin.patient);
        self.identities[identity as usize].images += 1;
        let placed = Placed {
            study: origin.study,
            taken: origin.taken,
            patient: u32::MAX,
            identity,
        };
        self.of.insert(index, placed);
        let bearers = self.identities[identity as usize].bearers;
        if is_new {
            self.weigh(bearers);
        }
        self.seat(index);
        true
    }

    /// What an image says of its patient, and whether it is the first to say so.
    fn identity(&mut self, key: PatientKey, said: &PatientIdentity) -> (u32, bool) {
        let bearers = *self.by_key.entry(key.clone()).or_insert_with(|| {
            self.bearers.push(SharedIdentifier {
                key,
                identities: Vec::new(),
                patients: Vec::new(),
            });
            self.bearers.len() as u32 - 1
        });
        if let Some(known) = self.known(bearers, said) {
            let is_new = self.identities[known as usize].images == 0;
            if is_new {
                self.bearers[bearers as usize].identities.push(known);
            }
            return (known, is_new);
        }
        let identity = self.identities.len() as u32;
        self.identities.push(StatedIdentity {
            bearers,
            said: said.clone(),
            images: 0,
            person: None,
            sharing: None,
        });
        let all = &mut self.bearers[bearers as usize].identities;
        all.push(identity);
        if all.len() > MOST_PEOPLE {
            // They have just become a crowd, or are one already and lack the last.
            let new = if all.len() == MOST_PEOPLE + 1 {
                all.len()
            } else {
                1
            };
            for identity in all.iter().rev().take(new) {
                let said = &self.identities[*identity as usize].said;
                self.by_identity.insert((bearers, said.clone()), *identity);
            }
        }
        (identity, true)
    }

    fn known(&self, bearers: u32, said: &PatientIdentity) -> Option<u32> {
        let mut few = self.bearers[bearers as usize].identities.iter().copied();
        if few.len() <= MOST_PEOPLE {
            return few.find(|identity| self.identities[*identity as usize].said == *said);
        }
        self.by_identity.get(&(bearers, said.clone())).copied()
    }

    /// Says anew who among the bearers is whom, after one has come or gone, and seats their images
    /// anew: what is known of one may say more, or less, of another.
    fn weigh(&mut self, bearers: u32) {
        let SharedIdentifier {
            key,
            identities,
            patients,
        } = &self.bearers[bearers as usize];
        if identities.len() > MOST_PEOPLE + 1 {
            // In a crowd nobody is weighed against others: only the last has changed.
            let last = identities[identities.len() - 1];
            let identity = &mut self.identities[last as usize];
            let is_somebody = identity.said.is_full();
            identity.person = is_somebody.then_some(last);
            identity.sharing = Some(match is_somebody {
                true => Sharing::OtherPerson,
                false => Sharing::Unsaid,
            });
            return;
        }
        let said = identities.iter();
        let said: Vec<&PatientIdentity> =
            said.map(|at| &self.identities[*at as usize].said).collect();
        let persons = persons(&said, matches!(key, PatientKey::Study(_)));
        let sharing: Vec<_> = (0..said.len())
            .map(|at| sharing(at, &said, &persons))
            .collect();
        for ((at, person), sharing) in identities.iter().zip(&persons).zip(sharing) {
            let identity = &mut self.identities[*at as usize];
            identity.person = person.map(|first| identities[first]);
            identity.sharing = sharing;
        }
        let images: Vec<u32> = patients
            .iter()
            .flat_map(|patient| std::mem::take(&mut self.all[*patient as usize].images))
            .collect();
        for image in images {
            self.seat(image);
        }
    }

    /// Puts an image whose identity has been weighed among those of its patient.
    fn seat(&mut self, index: u32) {
        let placed = &self.of[&index];
        let identity = &self.identities[placed.identity as usize];
        let bearers = identity.bearers;
        let place = match (identity.person, &placed.study) {
            (Some(person), _) => Membership::Person(person),
            (None, Some(study)) => Membership::Study(placed.identity, study.clone()),
            (None, None) => Membership::Alone(index),
        };
        let patient = *self.by_place.entry((bearers, place)).or_insert_with(|| {
            self.all.push(Patient {
                bearers,
                images: Vec::new(),
                number: 0,
            });
            let patient = self.all.len() as u32 - 1;
            self.bearers[bearers as usize].patients.push(patient);
            patient
        });
        if let Some(placed) = self.of.get_mut(&index) {
            placed.patient = patient;
        }
        let moment = |index: u32| (when(&self.of[&index]), index);
        let images = &mut self.all[patient as usize].images;
        let at = images.partition_point(|other| moment(*other) < moment(index));
        images.insert(at, index);
    }

    /// A file may have been replaced by another.
    fn remove(&mut self, index: u32) -> bool {
        let Some(placed) = self.of.remove(&index) else {
            return false;
        };
        let images = &mut self.all[placed.patient as usize].images;
        images.retain(|other| *other != index);
        let identity = &mut self.identities[placed.identity as usize];
        identity.images -= 1;
        if identity.images == 0 {
            let bearers = identity.bearers;
            let of = &mut self.bearers[bearers as usize];
            of.identities.retain(|other| *other != placed.identity);
            if of.identities.len() <= MOST_PEOPLE + 1 {
                self.weigh(bearers);
            }
        }
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
            let placed = &self.of[index];
            let number = self.all[placed.patient as usize].number;
            let study = placed.study.as_deref();
            let began = began.get(&(placed.patient, study)).copied();
            (number, began, study, when(placed), *index)
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
            let time = when(placed);
            let study = (placed.patient, placed.study.as_deref());
            let first = began.entry(study).or_insert(time);
            *first = time.min(*first);
        }
        began
    }
}

/// What there is to say of an identifier that this one bears, if others do.
fn sharing(at: usize, said: &[&PatientIdentity], persons: &[Option<usize>]) -> Option<Sharing> {
    let (this, person) = (said[at], persons[at]);
    this.id.as_ref()?;
    if person.is_none() {
        return Some(Sharing::Unsaid);
    }
    let others = said
        .iter()
        .zip(persons)
        .filter(|(_, other)| **other != person);
    let why = others.map(|(other, _)| match this.issuer.agrees(&other.issuer) {
        Sameness::Same => Sharing::OtherPerson,
        Sameness::Different | Sameness::Unproven => Sharing::OtherIssuer,
    });
    // Another name is the graver.
    why.min_by_key(|why| *why != Sharing::OtherPerson)
}

/// Sorts what does not say last.
fn when(placed: &Placed) -> (bool, &str) {
    let taken = placed.taken.as_deref();
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
        let id = match &self.patients.bearers[patient.bearers as usize].key {
            PatientKey::Id(id) => Some(id.as_str()),
            PatientKey::Study(_) => None,
        };
        let is_first = row == 0 || of(row - 1) != Some(at);
        // One that came since the list was sorted has no number yet.
        (patient.number > 0).then_some(PatientRow {
            number: patient.number,
            id,
            sharing: self.sharing(row),
            is_first,
        })
    }

    /// Why the identifier of a row's patient is not enough to say whose image it is; `None` where it is,
    /// and where there is none.
    pub fn sharing(&self, row: usize) -> Option<Sharing> {
        let placed = self.patients.of.get(self.rows.get(row)?)?;
        self.patients.identities[placed.identity as usize].sharing
    }

    /// What became of the severity since the patient's image before, whatever the filter hides. Only
    /// what the same model says of both is compared.
    pub fn progression(&self, row: usize) -> Option<Change> {
        let index = self.rows.get(row)?;
        let placed = self.patients.of.get(index)?;
        let taken = placed.taken.as_deref()?;
        let said = self.shown_of(*index)?;
        let now = said.severity?;
        let images = &self.patients.all[placed.patient as usize].images;
        let at = images.partition_point(|other| when(&self.patients.of[other]) < (false, taken));
        let (before, severity) = images[..at].iter().rev().find_map(|other| {
            let earlier = self.patients.of[other].taken.as_deref()?;
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
