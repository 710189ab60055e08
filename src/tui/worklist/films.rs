//! What is known of films before they are opened: from the headers of their files, and from a table of the reader.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Worklist, WorklistEntry};
use crate::domain::{FilmSummary, ViewPosition};
use crate::worker::{HeaderBatch, HeaderJobs};

/// Endings of formats whose files state no patient. Such a file is not opened for it. A DICOM file under such a name
/// is recognised once it is selected or scored.
const SILENT: [&str; 20] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "btf", "bmp", "dib", "gif",
    "jp2", "jpx", "jpf", "j2k", "j2c", "jpc", "jph",
];

/// Films of which a table tells patient, time or view.
#[derive(Default)]
pub struct KnownFilms {
    /// By their whole paths.
    pub films: HashMap<PathBuf, FilmSummary>,
    /// The folders that were opened, as they were given and as whole paths.
    pub roots: Vec<(PathBuf, PathBuf)>,
    /// How many films have rows that say different things. Nothing is known of them.
    pub contradicted: usize,
    /// How many dates could not be read.
    pub unread_dates: usize,
}

impl KnownFilms {
    /// How many films the table names below what was opened.
    fn below_roots(&self) -> usize {
        let is_below = |path: &&PathBuf| self.roots.iter().any(|(_, root)| path.starts_with(root));
        self.films.keys().filter(is_below).count()
    }

    fn get(&self, path: &Path) -> Option<&FilmSummary> {
        if self.films.is_empty() {
            return None;
        }
        let whole = self.roots.iter().find_map(|(given, whole)| {
            let below = path.strip_prefix(given).ok()?;
            let is_it = below.as_os_str().is_empty();
            Some(if is_it {
                whole.clone()
            } else {
                whole.join(below)
            })
        });
        self.films.get(whole.as_deref().unwrap_or(path))
    }
}

/// Which headers were asked for.
#[derive(Default)]
pub struct HeadersAsked {
    /// All entries before this one were.
    next: usize,
    /// Files that were written to since.
    again: Vec<u32>,
    /// How many are still to come.
    outstanding: usize,
    /// How many files the table names.
    named: usize,
}

impl WorklistEntry {
    fn may_state_a_patient(&self) -> bool {
        let ending = self.path.extension().and_then(|ending| ending.to_str());
        let is_silent = |ending: &str| {
            SILENT
                .iter()
                .any(|known| known.eq_ignore_ascii_case(ending))
        };
        !ending.is_some_and(is_silent)
    }
}

impl Worklist {
    /// Sets what a table says, before any file is added.
    pub fn set_known_films(&mut self, films: KnownFilms) {
        self.known_films = films;
    }

    /// The files whose headers were not asked for yet.
    pub fn headers_to_read(&mut self) -> HeaderJobs {
        let asked = &mut self.headers;
        let new = asked.next..self.entries.len();
        asked.next = self.entries.len();
        let new = new.map(|index| index as u32);
        let indices = asked.again.drain(..).chain(new);
        let jobs: HeaderJobs = indices
            .filter(|index| self.entries[*index as usize].may_state_a_patient())
            .map(|index| (index, self.entries[index as usize].path.clone()))
            .collect();
        asked.outstanding += jobs.len();
        jobs
    }

    /// Takes in what some headers say.
    pub fn take_headers(&mut self, batch: HeaderBatch) {
        self.headers.outstanding = self.headers.outstanding.saturating_sub(batch.read);
        for (index, stamp, film) in batch.films {
            self.set_film_at(index, film);
            self.note_header(index, stamp);
        }
    }

    /// Whether headers are still being read, so that an earlier film of a patient may be found yet.
    pub fn is_reading_headers(&self) -> bool {
        self.headers.outstanding > 0
    }

    pub(super) fn ask_header_again(&mut self, index: u32) {
        self.headers.again.push(index);
    }

    /// Forgets what a file said of itself. What a table says of it stays.
    pub(super) fn forget_film(&mut self, index: u32) {
        self.set_film_at(index, FilmSummary::default());
    }

    /// Takes in what a file says of itself.
    pub fn set_film(&mut self, path: &Path, film: FilmSummary) {
        if let Some(index) = self.index_of(path) {
            self.set_film_at(index as u32, film);
        }
    }

    /// The same by index.
    pub fn set_film_at(&mut self, index: u32, film: FilmSummary) {
        let Some(entry) = self.entries.get(index as usize) else {
            return;
        };
        let film = match self.known_films.get(&entry.path) {
            Some(known) => film.or(known),
            None => film,
        };
        self.record_film(index, film);
    }

    /// Of the files from `first` on, what the table says.
    pub(super) fn take_known_films(&mut self, first: usize) {
        for index in first..self.entries.len() {
            if let Some(known) = self.known_films.get(&self.entries[index].path).cloned() {
                self.headers.named += 1;
                self.record_film(index as u32, known);
            }
        }
    }

    /// What of the table is of no use here, once all files are found; `None` if all of it is.
    pub fn table_fault(&self) -> Option<String> {
        let known = &self.known_films;
        let films = known.films.len();
        if films > 0 && self.headers.named == 0 && !self.entries.is_empty() {
            return Some(format!(
                "the table names {films} films and none of these: --root names the folder that its names are relative to"
            ));
        }
        let missing = known.below_roots().saturating_sub(self.headers.named);
        let counted = [
            (known.contradicted, "film", " stated twice differently"),
            (known.unread_dates, "date", " not read"),
            (missing, "file", " not here"),
        ];
        let some = counted.into_iter().filter(|(count, ..)| *count > 0);
        let words: Vec<String> = some
            .map(|(count, what, rest)| match count {
                1 => format!("1 {what}{rest}"),
                count => format!("{count} {what}s{rest}"),
            })
            .collect();
        (!words.is_empty()).then(|| format!("the table: {}", words.join(", ")))
    }

    fn record_film(&mut self, index: u32, film: FilmSummary) {
        let entry = &mut self.entries[index as usize];
        entry.view = film.view;
        entry.age = film.age.map(String::into_boxed_str);
        self.insert_origin(index, film.origin);
    }

    /// The view and the age of the patient of a row.
    pub fn view_and_age(&self, row: usize) -> (ViewPosition, Option<&str>) {
        match self.row(row) {
            Some(entry) => (entry.view, entry.age.as_deref()),
            None => Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Origin, PatientIdentity};
    use crate::tui::worklist::Sort;

    fn film(id: &str, view: ViewPosition) -> FilmSummary {
        FilmSummary {
            origin: Origin {
                patient: PatientIdentity {
                    id: Some(id.to_owned()),
                    ..PatientIdentity::default()
                },
                ..Origin::default()
            },
            view,
            age: Some("054Y".into()),
        }
    }

    fn list(names: &[&str]) -> Worklist {
        let mut list = Worklist::default();
        list.add(names.iter().map(|name| Path::new(name).into()));
        list
    }

    #[test]
    fn each_header_is_asked_for_once_and_those_of_pictures_never() {
        let mut list = list(&["a.dcm", "b.png", "c", "d.JPEG"]);
        let indices =
            |jobs: HeaderJobs| jobs.into_iter().map(|(index, _)| index).collect::<Vec<_>>();
        assert_eq!(indices(list.headers_to_read()), [0, 2]);
        assert!(list.is_reading_headers() && list.headers_to_read().is_empty());
        list.take_headers(HeaderBatch {
            films: vec![
                (0, None, film("1", ViewPosition::Pa)),
                (99, None, FilmSummary::default()),
            ],
            read: 2,
        });
        assert!(!list.is_reading_headers() && list.has_patients());
        assert_eq!(list.view_and_age(0), (ViewPosition::Pa, Some("054Y")));
        list.ask_header_again(2);
        assert_eq!(indices(list.headers_to_read()), [2]);
    }

    /// Else the words about a prior would sound as if the table were complete.
    #[test]
    fn what_of_a_table_is_lost_is_counted() {
        let mut list = Worklist::default();
        let known = ["cases/a.png", "cases/b.png", "elsewhere/c.png"]
            .map(|name| (Path::new("/data").join(name), FilmSummary::default()));
        list.set_known_films(KnownFilms {
            films: known.into(),
            roots: vec![("cases".into(), "/data/cases".into())],
            contradicted: 2,
            unread_dates: 1,
        });
        list.add([Path::new("cases/a.png").into()]);
        let words = "the table: 2 films stated twice differently, 1 date not read, 1 file not here";
        assert_eq!(list.table_fault().as_deref(), Some(words));
    }

    #[test]
    fn a_table_counts_where_the_file_is_silent() {
        let mut list = Worklist::default();
        let known = ["a.png", "b.dcm"].map(|name| {
            let path = Path::new("/data/cases").join(name);
            (path, film("t", ViewPosition::Ap))
        });
        list.set_known_films(KnownFilms {
            films: known.into(),
            roots: vec![("cases".into(), "/data/cases".into())],
            ..KnownFilms::default()
        });
        list.add(["cases/a.png", "cases/b.dcm", "cases/c.png"].map(|name| Path::new(name).into()));
        assert_eq!(list.view_and_age(0).0, ViewPosition::Ap);
        assert_eq!(list.view_and_age(2).0, ViewPosition::Unknown);
        assert_eq!(list.table_fault(), None);
        list.set_film_at(1, film("4711", ViewPosition::Pa));
        assert_eq!(list.view_and_age(1).0, ViewPosition::Pa);
        list.set_film_at(0, FilmSummary::default());
        assert_eq!(list.view_and_age(0).0, ViewPosition::Ap);
        list.set_sort(Sort::Patient);
        list.go_to(0);
        let ids: Vec<_> = (0..2).filter_map(|row| list.patient(row)?.id).collect();
        assert_eq!(ids, ["t", "4711"]);
    }
}
