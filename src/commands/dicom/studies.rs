//! The films of the paths, by study. Only headers are read here.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::commands::shared::batch::{AHEAD, Signals, Workers, header_readers, in_order};
use crate::dicom::Evidence;
use crate::domain::SourceHeader;
use crate::domain::patient::{comparable_birth_date, comparable_name};
use crate::export::path_text;
use crate::imaging::DecodeLimits;
use crate::library::{WalkItem, scan};

/// A film, and its header.
pub struct StudyFilm {
    pub path: PathBuf,
    pub header: SourceHeader,
    stated: Evidence,
}

/// The films of one study.
pub struct Study {
    pub films: Vec<StudyFilm>,
}

/// All studies of a run.
#[derive(Default)]
pub struct Studies {
    /// In the order in which their first films were found.
    pub studies: Vec<Study>,
    /// Files that belong to no study, each as a line that names it.
    pub problems: Vec<String>,
}

/// Patient ID, its issuer, birth date and name in a header.
const PATIENT: [(u16, u16); 4] = [(0x0010, 0x0020), (0x0010, 0x0021), BIRTH_DATE, PATIENT_NAME];
const BIRTH_DATE: (u16, u16) = (0x0010, 0x0030);
const PATIENT_NAME: (u16, u16) = (0x0010, 0x0010);

/// Reads the headers of all films below the paths.
///
/// # Errors
/// If a thread cannot be started.
pub fn studies(
    paths: &[PathBuf],
    limits: &DecodeLimits,
    jobs: usize,
    signals: &Signals,
) -> Result<Studies> {
    let open = header_readers(limits);
    let mut found: Vec<(PathBuf, Result<SourceHeader, String>)> = Vec::new();
    in_order(
        Workers { jobs, ahead: AHEAD },
        signals.stop(),
        |give: &mut dyn FnMut(WalkItem) -> ControlFlow<()>| scan(paths, give),
        || {
            let mut read = open();
            move |item| match item {
                WalkItem::Image(path) => {
                    let header = read(&path).map_err(|error| error.to_string());
                    (path, header)
                }
                WalkItem::Unread { path, format } => (path, Err(format!("not read: {format}"))),
                WalkItem::Problem { path, reason } => (path, Err(reason)),
            }
        },
        |result| {
            found.push(result);
            Ok(())
        },
    )
    .context("reading headers")?;
    Ok(grouped(found))
}

fn grouped(found: Vec<(PathBuf, Result<SourceHeader, String>)>) -> Studies {
    let mut grouped = Studies::default();
    let mut films = Vec::new();
    for (path, header) in found {
        let film = header.and_then(|header| {
            let stated = Evidence::stated(&header).map_err(|error| error.to_string())?;
            Ok(StudyFilm {
                path: path.clone(),
                header,
                stated,
            })
        });
        match film {
            Err(reason) => grouped.problems.push(line(&path, &reason)),
            Ok(film) => films.push(film),
        }
    }
    let Studies { studies, problems } = &mut grouped;
    let mut places: HashMap<String, usize> = HashMap::new();
    for film in undisputed(films, problems) {
        let place = *places
            .entry(film.stated.study.clone())
            .or_insert(studies.len());
        if place == studies.len() {
            studies.push(Study { films: Vec::new() });
        }
        studies[place].films.push(film);
    }
    studies.retain(|study| study.is_of_one_patient(problems));
    grouped
}

fn line(path: &Path, reason: &str) -> String {
    format!("{}: {reason}", path_text(path))
}

/// Leaves out copies of a film, and films that claim to be the same one. Objects are named and joined by this claim, so it
/// is settled over all studies: two patients' films may make it.
fn undisputed(films: Vec<StudyFilm>, problems: &mut Vec<String>) -> Vec<StudyFilm> {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<StudyFilm> = Vec::new();
    let mut disputed = HashSet::new();
    for film in films {
        let instance = film.stated.instance.clone();
        let Some(&before) = first.get(&instance) else {
            first.insert(instance, kept.len());
            kept.push(film);
            continue;
        };
        if kept[before].header.content != film.header.content {
            problems.push(line(
                &film.path,
                &format!(
                    "it has the SOP Instance UID of {}, and is another file; neither gets a result",
                    path_text(&kept[before].path)
                ),
            ));
            disputed.insert(instance);
        }
    }
    kept.retain(|film| !disputed.contains(&film.stated.instance));
    kept
}

impl Study {
    /// Whether the study can have a result.
    fn is_of_one_patient(&self, problems: &mut Vec<String>) -> bool {
        let Some((one, other)) = several_patients(&self.films) else {
            return true;
        };
        problems.push(line(
            &other.path,
            &format!(
                "it is of the same study as {} and names another patient; the study gets no result",
                path_text(&one.path)
            ),
        ));
        false
    }
}

/// Two films that name different patients. What a film leaves out is no difference, so a film without a patient does not
/// come between two that do.
fn several_patients(films: &[StudyFilm]) -> Option<(&StudyFilm, &StudyFilm)> {
    PATIENT.into_iter().find_map(|tag| {
        let mut stated = films
            .iter()
            .filter_map(|film| Some((comparable(&film.header, tag)?, film)));
        let (known, one) = stated.next()?;
        let (_, other) = stated.find(|(other, _)| *other != known)?;
        Some((one, other))
    })
}

/// What a header says of a patient in this attribute, however it is spelled.
fn comparable(header: &SourceHeader, tag: (u16, u16)) -> Option<String> {
    let stated = header.text(tag.0, tag.1)?;
    match tag {
        PATIENT_NAME => comparable_name(stated),
        BIRTH_DATE => comparable_birth_date(stated),
        _ => Some(stated.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContentId, HeaderText};

    fn header(content: u8, instance: &str, more: &[((u16, u16), &str)]) -> SourceHeader {
        let fixed = [
            ((0x0008, 0x0016), "1.2.840.10008.5.1.4.1.1.1"),
            ((0x0008, 0x0018), instance),
            ((0x0020, 0x000d), "1.2.3"),
            ((0x0020, 0x000e), "1.2.4"),
        ];
        let texts = fixed.iter().chain(more);
        let text = |((group, element), value): &((u16, u16), &str)| HeaderText {
            group: *group,
            element: *element,
            value: (*value).to_owned(),
        };
        SourceHeader {
            content: ContentId::from_digest([content; 32]),
            texts: texts.map(text).collect(),
        }
    }

    fn found(name: &str, header: SourceHeader) -> (PathBuf, Result<SourceHeader, String>) {
        (PathBuf::from(name), Ok(header))
    }

    #[test]
    fn a_study_that_names_two_patients_gets_no_result() {
        const ID: (u16, u16) = PATIENT[0];
        let one = found(
            "a",
            header(1, "1.1", &[(ID, "P1"), (PATIENT_NAME, "DOE^J")]),
        );
        let same = found(
            "b",
            header(2, "1.2", &[(ID, "P1"), (PATIENT_NAME, "Doe^J^^")]),
        );
        let other = found("c", header(3, "1.3", &[(ID, "P2")]));
        let both = grouped(vec![one.clone(), same]);
        assert_eq!((both.studies.len(), both.problems.len()), (1, 0));
        assert_eq!(both.studies[0].films.len(), 2);
        let mixed = grouped(vec![one, other]);
        assert_eq!(mixed.studies.len(), 0);
        assert!(mixed.problems[0].contains("names another patient"));
        assert!(!mixed.problems[0].contains("P2"));
    }

    #[test]
    fn two_patients_are_found_behind_a_film_that_names_none() {
        let silent = found("a", header(1, "1.1", &[]));
        for (tag, one, other) in [
            (PATIENT[0], "P1", "P2"),
            (PATIENT[1], "WARD", "CLINIC"),
            (PATIENT[2], "19500102", "19610203"),
            (PATIENT_NAME, "DOE^J", "ROE^R"),
        ] {
            let films = |other: &str| {
                let one = found("b", header(2, "1.2", &[(tag, one)]));
                let other = found("c", header(3, "1.3", &[(tag, other)]));
                grouped(vec![silent.clone(), one, other])
            };
            let mixed = films(other);
            assert_eq!(mixed.studies.len(), 0, "{tag:?}");
            let line = &mixed.problems[0];
            assert!(line.starts_with("c: ") && line.contains("study as b"));
            assert!(!line.contains(other), "{line}");
            assert_eq!(films(one).studies.len(), 1, "{tag:?}");
        }
        let of = |name, content, date| found(name, header(content, name, &[(BIRTH_DATE, date)]));
        let same = grouped(vec![of("1.1", 1, "19500102"), of("1.2", 2, "1950.01.02")]);
        assert_eq!((same.studies.len(), same.problems.len()), (1, 0));
    }

    #[test]
    fn a_copy_counts_once_and_two_films_of_one_uid_not_at_all() {
        let film = header(1, "1.1", &[]);
        let copied = grouped(vec![found("a", film.clone()), found("b", film.clone())]);
        assert_eq!(copied.studies[0].films.len(), 1);
        assert_eq!(copied.problems, [""; 0]);
        let third = header(3, "1.3", &[]);
        let twice = grouped(vec![
            found("a", film),
            found("b", header(2, "1.1", &[])),
            found("c", third),
        ]);
        assert_eq!(twice.studies[0].films.len(), 1);
        assert_eq!(twice.studies[0].films[0].path, Path::new("c"));
        assert_eq!(twice.problems.len(), 1);
    }

    /// Its objects would have the same names, and one patient's would lie over the other's.
    #[test]
    fn two_films_of_one_uid_in_two_studies_get_no_result() {
        let mut other = header(2, "1.1", &[(PATIENT[0], "P2")]);
        let study = other.texts.iter_mut();
        let study = study.filter(|text| (text.group, text.element) == (0x0020, 0x000d));
        study.for_each(|text| text.value = "1.2.9".to_owned());
        let both = grouped(vec![
            found("a", header(1, "1.1", &[(PATIENT[0], "P1")])),
            found("b", other.clone()),
        ]);
        assert_eq!(both.studies.len(), 0);
        let [line] = &both.problems[..] else {
            panic!("{:?}", both.problems);
        };
        assert!(line.starts_with("b: ") && line.contains("of a,"), "{line}");
        let alone = grouped(vec![found("b", other)]);
        assert_eq!((alone.studies.len(), alone.problems.len()), (1, 0));
    }

    #[test]
    fn a_film_without_its_identifiers_is_a_problem() {
        let mut film = header(1, "1.1", &[]);
        film.texts.remove(2);
        let none = grouped(vec![found("a", film)]);
        assert_eq!(none.studies.len(), 0);
        assert!(none.problems[0].contains("Study Instance UID"));
        let bad = grouped(vec![found("a", header(1, "1.01", &[]))]);
        assert!(bad.problems[0].contains("SOP Instance UID"));
    }
}
