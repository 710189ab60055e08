//! Whether the films of a study name one patient. A number of one patient in a row of another would be worse than none.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{FilmStatus, StudyFilms, StudyTable};
use crate::domain::{PatientIdentity, Sameness};
use crate::export::path_of;
use crate::imaging::film_study;
use crate::sources::is_remote;

/// More different identities than this in one study are several patients, however they are written.
const MOST: usize = 64;

/// The studies whose films name several patients. The headers of films are read again for this, of studies with several
/// films only: what a file says of a patient is in no table. Remote films are not fetched again.
pub fn names_several_patients(
    studies: &HashMap<String, StudyFilms>,
    of: &StudyTable,
) -> HashSet<String> {
    let several: Vec<_> = studies
        .iter()
        .filter(|(_, study)| study.films.len() > 1)
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mixed = Vec::new();
        while !of.stop.load(Ordering::Relaxed) {
            let Some((name, study)) = several.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            if is_mixed(study, of) {
                mixed.push((*name).clone());
            }
        }
        mixed
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..of.threads).map(|_| scope.spawn(work)).collect();
        let mut mixed: HashSet<String> = work().into_iter().collect();
        for thread in threads {
            mixed.extend(thread.join().unwrap_or_default());
        }
        mixed
    })
}

fn is_mixed(study: &StudyFilms, of: &StudyTable) -> bool {
    let mut found: HashSet<PatientIdentity> = HashSet::new();
    for film in &study.films {
        let path = path_of(&film.path);
        let is_read = !matches!(film.status, FilmStatus::Failed | FilmStatus::Skipped);
        if !is_read || is_remote(&path) {
            continue;
        }
        // A film that is gone by now names no other patient.
        if let Ok(film) = film_study(&path, of.limits) {
            found.insert(film.patient);
        }
        if found.len() > MOST || are_several(&found) {
            return true;
        }
    }
    false
}

fn are_several(found: &HashSet<PatientIdentity>) -> bool {
    let differs = |one: &PatientIdentity| {
        let mut others = found.iter();
        others.any(|other| one.agrees(other) == Sameness::Different)
    };
    found.len() > 1 && found.iter().any(differs)
}
