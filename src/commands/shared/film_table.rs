//! The table that tells patient, time and view of films on the screen.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::{Usage, cases};
use crate::cli::FilmTableArguments;
use crate::domain::FilmSummary;
use crate::domain::text::clean;
use crate::evaluation::manifest::{FilmColumns, KnownFilmRow, films};
use crate::export::path_text;
use crate::sources::Sources;
use crate::tui::KnownFilms;

/// What the table says of the films below the folders that are opened.
///
/// # Errors
/// [`Usage`], if the table cannot be used.
pub fn read(arguments: &FilmTableArguments, opened: &[PathBuf]) -> Result<KnownFilms> {
    let Some(table) = &arguments.manifest else {
        return Ok(KnownFilms::default());
    };
    let columns = FilmColumns {
        path: arguments.path_column.clone(),
        patient: arguments.patient_column.clone(),
        date: arguments.date_column.clone(),
    };
    let bytes = cases::table_bytes(table)?;
    let name = clean(&path_text(table));
    let read = films(&bytes, &columns, &name);
    let read = read.map_err(|error| Usage::error(format!("{name}: {error}")))?;
    let beside = table.parent().map_or_else(PathBuf::new, Path::to_owned);
    let root = arguments.root.clone().unwrap_or(beside);
    let root = if root.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        root
    };
    let real = |path: &Path| Sources::of_process().real(path).ok();
    let root =
        real(&root).ok_or_else(|| Usage::error(format!("{}: no such folder", path_text(&root))))?;
    let whole = |path: &PathBuf| Some((path.clone(), real(path)?));
    let (films, contradicted) = by_path(read.films, &root);
    Ok(KnownFilms {
        films,
        contradicted,
        unread_dates: read.unread_dates,
        roots: opened.iter().filter_map(whole).collect(),
    })
}

/// The films by their whole paths, and how many were contradicted. Of a film of which two rows say different things nothing
/// is known.
fn by_path(rows: Vec<KnownFilmRow>, root: &Path) -> (HashMap<PathBuf, FilmSummary>, usize) {
    let mut films: HashMap<PathBuf, FilmSummary> = HashMap::with_capacity(rows.len());
    let mut contradicted = HashSet::new();
    for KnownFilmRow { path, film } in rows {
        let path = normal(&root.join(path));
        match films.get(&path) {
            Some(known) if *known != film => drop(contradicted.insert(path)),
            Some(_) => {}
            None => drop(films.insert(path, film)),
        }
    }
    for path in &contradicted {
        films.insert(path.clone(), FilmSummary::default());
    }
    (films, contradicted.len())
}

/// The path without `.` and `..`, by its words alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn arguments(table: &Path) -> FilmTableArguments {
        FilmTableArguments {
            manifest: Some(table.to_owned()),
            ..FilmTableArguments::default()
        }
    }

    #[test]
    fn films_are_known_by_their_whole_paths_and_contradictions_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("cases.csv");
        let text = "path,patient,day\na.png,1,0\n./sub/../b.png,1,4\na.png,2,0\n\
                    a.png,1,0\nc.png,1,3\n./c.png,1,4\nd.png,1,soon\n";
        fs::write(&table, text).unwrap();
        let known = read(&arguments(&table), &[folder.path().to_owned()]).unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        let id = |name: &str| known.films[&real.join(name)].origin.patient.id.clone();
        assert_eq!(id("b.png").as_deref(), Some("1"));
        assert_eq!(id("a.png"), None);
        let day = |name: &str| known.films[&real.join(name)].origin.taken.clone();
        assert!(day("b.png").is_some() && day("c.png").is_none());
        assert_eq!((known.contradicted, known.unread_dates), (2, 1));
        assert_eq!(known.roots, [(folder.path().to_owned(), real)]);
    }

    #[test]
    fn a_table_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("cases.csv");
        let message = || read(&arguments(&table), &[]).err().unwrap().to_string();
        assert!(
            message().contains("cases.csv: no such file"),
            "{}",
            message()
        );
        fs::write(&table, "path,finding\n").unwrap();
        assert!(
            message().contains("cases.csv: no column of patients"),
            "{}",
            message()
        );
        assert!(
            read(&FilmTableArguments::default(), &[])
                .unwrap()
                .films
                .is_empty()
        );
    }
}
