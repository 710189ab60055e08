//! Which images belong to one patient, in the order in which they were taken.

mod rows;
mod timeline;

use std::collections::HashMap;

pub use rows::Change;
pub use timeline::{FilmRelation, NoPrior, TimelineFilm};

use crate::domain::patient::{MOST_PEOPLE, persons};
use crate::domain::{Origin, PatientIdentity, Sameness, sortable};

/// The patients of all images whose files name a patient or a study. Elements refer to each other by index.
#[derive(Default)]
pub struct Patients {
    /// By the index of the image in the worklist.
    images: HashMap<u32, PatientImage>,
    patients: Vec<Patient>,
    /// The patient with this membership among those with this identifier.
    by_membership: HashMap<(u32, Membership), u32>,
    identifiers: Vec<SharedIdentifier>,
    by_key: HashMap<PatientKey, u32>,
    identities: Vec<StatedIdentity>,
    /// By identifier and identity, for identifiers with more than [`MOST_PEOPLE`] identities. Shorter lists are
    /// scanned.
    by_identity: HashMap<(u32, PatientIdentity), u32>,
}

/// Where an image belongs.
struct PatientImage {
    study: Option<String>,
    taken: Option<String>,
    /// The same in a form that sorts by time.
    sortable: Option<String>,
    /// Index into `patients`.
    patient: u32,
    /// Index into `identities`.
    identity: u32,
}

struct Patient {
    /// Index into `identifiers`.
    identifier: u32,
    /// By the time at which they were taken; images without a time come last.
    images: Vec<u32>,
    /// From 1, in the order of their first images; 0 until the list is sorted by patients.
    number: u32,
}

/// What images of one patient have in common: the Patient ID, or without one the study.
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

/// A key, and the patients that share it. There should be one, but hospitals and files make mistakes.
struct SharedIdentifier {
    key: PatientKey,
    /// The different identities that images have now.
    identities: Vec<u32>,
    /// All patients that ever had this key. Some may have no image any more.
    patients: Vec<u32>,
}

/// One identity as files state it, under one identifier.
struct StatedIdentity {
    /// Index into `identifiers`.
    identifier: u32,
    stated: PatientIdentity,
    /// How many images state it.
    images: u32,
    /// The same number for all identities of one person; `None` if it is unknown which person it is.
    person: Option<u32>,
    sharing: Option<Sharing>,
}

/// The images under one identifier that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Membership {
    Person(u32),
    /// The person is unknown: images of one study that state the same identity.
    Study(u32, String),
    /// Neither person nor study is known.
    Alone(u32),
}

/// Why an identifier is not enough to tell whose image it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// Other images have the identifier with another name or birth date.
    OtherPerson,
    /// Other images have it from another issuer, or from an unknown one.
    OtherIssuer,
    /// Several persons have it, and this file does not state which one it is.
    Unsaid,
}

impl Patients {
    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Takes in the origin of an image. Returns whether it is new.
    fn insert(&mut self, index: u32, origin: Origin) -> bool {
        let is_same = |image: &PatientImage| {
            let stated = &self.identities[image.identity as usize].stated;
            (stated, &image.study, &image.taken) == (&origin.patient, &origin.study, &origin.taken)
        };
        if self.images.get(&index).is_some_and(is_same) {
            return false;
        }
        let was_there = self.remove(index);
        let Some(key) = PatientKey::of(&origin) else {
            return was_there;
        };
        let identifier = self.identifier(key);
        let (identity, is_new) = self.identity(identifier, &origin.patient);
        self.identities[identity as usize].images += 1;
        let image = PatientImage {
            study: origin.study,
            sortable: origin.taken.as_deref().map(|taken| sortable(taken).into()),
            taken: origin.taken,
            patient: u32::MAX,
            identity,
        };
        self.images.insert(index, image);
        if is_new {
            self.resolve(identifier);
        }
        self.assign(index);
        true
    }

    fn identifier(&mut self, key: PatientKey) -> u32 {
        *self.by_key.entry(key.clone()).or_insert_with(|| {
            self.identifiers.push(SharedIdentifier {
                key,
                identities: Vec::new(),
                patients: Vec::new(),
            });
            self.identifiers.len() as u32 - 1
        })
    }

    /// The identity as stated under an identifier, and whether this is its first image.
    fn identity(&mut self, identifier: u32, stated: &PatientIdentity) -> (u32, bool) {
        if let Some(known) = self.known(identifier, stated) {
            let is_new = self.identities[known as usize].images == 0;
            if is_new {
                self.identifiers[identifier as usize].identities.push(known);
            }
            return (known, is_new);
        }
        let identity = self.identities.len() as u32;
        self.identities.push(StatedIdentity {
            identifier,
            stated: stated.clone(),
            images: 0,
            person: None,
            sharing: None,
        });
        let all = &mut self.identifiers[identifier as usize].identities;
        all.push(identity);
        if all.len() > MOST_PEOPLE {
            // From here on the map is used: it lacks all of them at first, and later the last one.
            let missing = if all.len() == MOST_PEOPLE + 1 {
                all.len()
            } else {
                1
            };
            for identity in all.iter().rev().take(missing) {
                let stated = &self.identities[*identity as usize].stated;
                self.by_identity
                    .insert((identifier, stated.clone()), *identity);
            }
        }
        (identity, true)
    }

    fn known(&self, identifier: u32, stated: &PatientIdentity) -> Option<u32> {
        let mut few = self.identifiers[identifier as usize]
            .identities
            .iter()
            .copied();
        if few.len() <= MOST_PEOPLE {
            return few.find(|identity| self.identities[*identity as usize].stated == *stated);
        }
        self.by_identity.get(&(identifier, stated.clone())).copied()
    }

    /// Decides again which identities under an identifier are one person, after one was added or removed, and
    /// assigns their images again: one identity may decide about the others.
    fn resolve(&mut self, identifier: u32) {
        let SharedIdentifier {
            key,
            identities,
            patients,
        } = &self.identifiers[identifier as usize];
        if identities.len() > MOST_PEOPLE + 1 {
            // Above this number identities are not compared with each other: only the last has changed.
            let last = identities[identities.len() - 1];
            let identity = &mut self.identities[last as usize];
            let is_full = identity.stated.is_full();
            identity.person = is_full.then_some(last);
            identity.sharing = Some(if is_full {
                Sharing::OtherPerson
            } else {
                Sharing::Unsaid
            });
            return;
        }
        let stated: Vec<&PatientIdentity> = identities
            .iter()
            .map(|at| &self.identities[*at as usize].stated)
            .collect();
        let persons = persons(&stated, matches!(key, PatientKey::Study(_)));
        let sharing: Vec<_> = (0..stated.len())
            .map(|at| sharing(at, &stated, &persons))
            .collect();
        for ((at, person), sharing) in identities.iter().zip(&persons).zip(sharing) {
            let identity = &mut self.identities[*at as usize];
            identity.person = person.map(|first| identities[first]);
            identity.sharing = sharing;
        }
        let images: Vec<u32> = patients
            .iter()
            .flat_map(|patient| std::mem::take(&mut self.patients[*patient as usize].images))
            .collect();
        for image in images {
            self.assign(image);
        }
    }

    /// Adds an image, whose identity is resolved, to its patient.
    fn assign(&mut self, index: u32) {
        let image = &self.images[&index];
        let identity = &self.identities[image.identity as usize];
        let identifier = identity.identifier;
        let membership = match (identity.person, &image.study) {
            (Some(person), _) => Membership::Person(person),
            (None, Some(study)) => Membership::Study(image.identity, study.clone()),
            (None, None) => Membership::Alone(index),
        };
        let patient = *self
            .by_membership
            .entry((identifier, membership))
            .or_insert_with(|| {
                self.patients.push(Patient {
                    identifier,
                    images: Vec::new(),
                    number: 0,
                });
                let patient = self.patients.len() as u32 - 1;
                self.identifiers[identifier as usize].patients.push(patient);
                patient
            });
        if let Some(image) = self.images.get_mut(&index) {
            image.patient = patient;
        }
        let moment = |index: u32| (time_key(&self.images[&index]), index);
        let images = &mut self.patients[patient as usize].images;
        let at = images.partition_point(|other| moment(*other) < moment(index));
        images.insert(at, index);
    }

    /// Removes an image, whose file may have been replaced. Returns whether it was there.
    fn remove(&mut self, index: u32) -> bool {
        let Some(image) = self.images.remove(&index) else {
            return false;
        };
        let images = &mut self.patients[image.patient as usize].images;
        images.retain(|other| *other != index);
        let identity = &mut self.identities[image.identity as usize];
        identity.images -= 1;
        if identity.images == 0 {
            let identifier = identity.identifier;
            let shared = &mut self.identifiers[identifier as usize];
            shared.identities.retain(|other| *other != image.identity);
            if shared.identities.len() <= MOST_PEOPLE + 1 {
                self.resolve(identifier);
            }
        }
        true
    }

    /// Numbers the patients by their first images in the order of names.
    pub(super) fn number(&mut self) {
        let first = |patient: &Patient| patient.images.iter().min().copied();
        let mut order: Vec<(u32, usize)> = (0..)
            .zip(&self.patients)
            .filter_map(|(at, patient)| Some((first(patient)?, at)))
            .collect();
        order.sort_unstable();
        for (number, (_, at)) in (1..).zip(order) {
            self.patients[at].number = number;
        }
    }

    /// Sorts by patient, in each patient by study, and in each study by time. Images without a patient come
    /// last.
    pub(super) fn sort(&self, rows: &mut Vec<u32>, reversed: bool) {
        let (mut known, unknown): (Vec<u32>, Vec<u32>) = rows
            .iter()
            .partition(|index| self.images.contains_key(*index));
        let began = self.study_starts();
        known.sort_by_cached_key(|index| {
            let image = &self.images[index];
            let number = self.patients[image.patient as usize].number;
            let study = image.study.as_deref();
            let began = began.get(&(image.patient, study)).copied();
            (number, began, study, time_key(image), *index)
        });
        if reversed {
            known.reverse();
        }
        rows.clear();
        rows.extend(known.into_iter().chain(unknown));
    }

    /// The time of the first image of each study, by patient and study.
    fn study_starts(&self) -> HashMap<(u32, Option<&str>), (bool, &str)> {
        let mut began = HashMap::new();
        for image in self.images.values() {
            let time = time_key(image);
            let study = (image.patient, image.study.as_deref());
            let first = began.entry(study).or_insert(time);
            *first = time.min(*first);
        }
        began
    }
}

/// Whether and why the identifier of one identity is shared with other persons.
fn sharing(at: usize, stated: &[&PatientIdentity], persons: &[Option<usize>]) -> Option<Sharing> {
    let (this, person) = (stated[at], persons[at]);
    this.id.as_ref()?;
    if person.is_none() {
        return Some(Sharing::Unsaid);
    }
    let others = stated
        .iter()
        .zip(persons)
        .filter(|(_, other)| **other != person);
    let why = others.map(|(other, _)| match this.issuer.agrees(&other.issuer) {
        Sameness::Same => Sharing::OtherPerson,
        Sameness::Different | Sameness::Unproven => Sharing::OtherIssuer,
    });
    // Another person is the graver reason.
    why.min_by_key(|why| *why != Sharing::OtherPerson)
}

/// Sorts by time, and images without a time last.
fn time_key(image: &PatientImage) -> (bool, &str) {
    let taken = image.sortable.as_deref();
    (taken.is_none(), taken.unwrap_or_default())
}

#[cfg(test)]
mod tests;
