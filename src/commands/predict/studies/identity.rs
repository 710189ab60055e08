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

/// What the headers of the films say when the rows of studies are made.
#[derive(Default)]
pub struct Judged {
    /// The studies whose films name several patients.
    mixed: HashSet<String>,
    /// For each other study, its films whose header cannot be read any more.
    gone: HashMap<String, Vec<usize>>,
}

impl Judged {
    pub fn is_mixed(&self, study: &str) -> bool {
        self.mixed.contains(study)
    }

    /// Leaves the films out that are gone, since their patients are not known any more. Returns how many.
    pub fn leave_out(&self, studies: &mut HashMap<String, StudyFilms>) -> usize {
        for (study, gone) in &self.gone {
            if let Some(study) = studies.get_mut(study) {
                gone.iter()
                    .for_each(|film| study.films[*film].status = FilmStatus::Gone);
            }
        }
        self.gone.values().map(Vec::len).sum()
    }

    fn extend(&mut self, other: Judged) {
        self.mixed.extend(other.mixed);
        self.gone.extend(other.gone);
    }
}

/// Reads the headers of films again, of studies with several films only: what a file says of a patient is in no table.
/// Remote films are not fetched again.
pub fn judge(studies: &HashMap<String, StudyFilms>, of: &StudyTable) -> Judged {
    let several: Vec<_> = studies
        .iter()
        .filter(|(_, study)| study.films.len() > 1)
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Judged::default();
        while !of.stop.load(Ordering::Relaxed) {
            let Some((name, study)) = several.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match gone_films(study, of) {
                None => drop(judged.mixed.insert((*name).clone())),
                Some(gone) if gone.is_empty() => {}
                Some(gone) => drop(judged.gone.insert((*name).clone(), gone)),
            }
        }
        judged
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..of.threads).map(|_| scope.spawn(work)).collect();
        let mut judged = work();
        for thread in threads {
            judged.extend(thread.join().unwrap_or_default());
        }
        judged
    })
}

/// The films of a study whose header cannot be read now; `None` if the others name several patients.
fn gone_films(study: &StudyFilms, of: &StudyTable) -> Option<Vec<usize>> {
    let mut gone = Vec::new();
    let mut found: HashSet<PatientIdentity> = HashSet::new();
    for (number, film) in study.films.iter().enumerate() {
        let path = path_of(&film.path);
        let is_read = !matches!(film.status, FilmStatus::Failed | FilmStatus::Skipped);
        if !is_read || is_remote(&path) {
            continue;
        }
        match film_study(&path, of.limits) {
            Ok(film) => drop(found.insert(film.patient)),
            Err(_) => gone.push(number),
        }
        if found.len() > MOST || are_several(&found) {
            return None;
        }
    }
    Some(gone)
}

fn are_several(found: &HashSet<PatientIdentity>) -> bool {
    let differs = |one: &PatientIdentity| {
        let mut others = found.iter();
        others.any(|other| one.agrees(other) == Sameness::Different)
    };
    found.len() > 1 && found.iter().any(differs)
}
