//! A table of films: whose each is, when it was taken and its view, for films whose files do not say it.

use std::path::PathBuf;

use csv::ByteRecord;

use super::ManifestError;
use super::columns::{PATHS, PATIENTS, known, path_of, view_of};
use super::rows::{self, ColumnNames};
use crate::domain::{
    FilmSummary, Issuer, Origin, PatientIdentity, Sex, ViewPosition, counted_day, taken,
};

/// Columns that may hold when a film was taken. The first that exists is used.
const DATES: [&str; 7] = [
    "date",
    "study_date",
    "studydate",
    "acquisition_date",
    "day",
    "offset",
    "study day",
];

/// Which columns to read, where the file's own names do not say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilmColumns {
    pub path: Option<String>,
    pub patient: Option<String>,
    /// Dates, or days that are counted from a start of each patient's own.
    pub date: Option<String>,
}

/// A film of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownFilmRow {
    /// As the table has it, its folder before it where it has one.
    pub path: PathBuf,
    pub film: FilmSummary,
}

/// What a table says of films.
#[derive(Debug, Default)]
pub struct FilmTable {
    pub films: Vec<KnownFilmRow>,
    /// The cells of times that are neither a date nor a number of days.
    pub unread_dates: usize,
}

/// Reads the text of a CSV file. `name` is the table's: it stands for the issuer of its patients, so that none of them
/// is taken for a patient of a hospital with the same identifier.
///
/// # Errors
/// If there is no column of files or of patients, or a column that was asked for is absent.
pub fn films(bytes: &[u8], columns: &FilmColumns, name: &str) -> Result<FilmTable, ManifestError> {
    let begin = |names: &ColumnNames| {
        let places = FilmColumnIndices::new(names, columns)?;
        Ok((places, FilmTable::default()))
    };
    let (_, table) = rows::read(bytes, begin, |(places, table), _, record| {
        if let Some(row) = places.film(record, name) {
            let has_no_time = row.film.origin.taken.is_none();
            table.unread_dates += usize::from(has_no_time && places.states_time(record));
            table.films.push(row);
        }
        Ok(())
    })?;
    Ok(table)
}

/// Where the values of a row stand.
struct FilmColumnIndices {
    path: usize,
    folder: Option<usize>,
    patient: usize,
    date: Option<usize>,
    view: Option<usize>,
    age: Option<usize>,
    sex: Option<usize>,
}

impl FilmColumnIndices {
    fn new(names: &ColumnNames, columns: &FilmColumns) -> Result<Self, ManifestError> {
        let path = names.needed(columns.path.as_ref(), &PATHS, "file names")?;
        Ok(FilmColumnIndices {
            path,
            folder: names.folder_of(path)?,
            patient: names.needed(columns.patient.as_ref(), &PATIENTS, "patients")?,
            date: names.asked_or(columns.date.as_ref(), &DATES)?,
            view: names.find("view")?,
            age: names.find("age")?,
            sex: names.find("sex")?,
        })
    }

    /// Whether a row has a word for when its film was taken.
    fn states_time(&self, record: &ByteRecord) -> bool {
        self.date.is_some_and(|at| !known(record, at).is_empty())
    }

    /// The film of a row; `None` where the row names no file.
    fn film(&self, record: &ByteRecord, table: &str) -> Option<KnownFilmRow> {
        let path = path_of(record, self.path, self.folder)?;
        let cell = |at: Option<usize>| {
            let text = known(record, at?);
            (!text.is_empty()).then_some(text)
        };
        let id = cell(Some(self.patient));
        let issuer = Issuer {
            local: id.as_ref().map(|_| table.to_owned()),
            universal: None,
        };
        let sex = cell(self.sex).and_then(|sex| Sex::said(&sex));
        Some(KnownFilmRow {
            path,
            film: FilmSummary {
                origin: Origin {
                    patient: PatientIdentity {
                        id,
                        issuer,
                        sex,
                        ..PatientIdentity::default()
                    },
                    study: None,
                    taken: cell(self.date).and_then(|text| moment(&text)),
                },
                view: cell(self.view).map_or(ViewPosition::Unknown, |text| view_of(&text)),
                age: cell(self.age).and_then(|text| age(&text)),
            },
        })
    }
}

/// A date (`2020-03-01`, `20200301`, with or without a time), or a number of days.
fn moment(text: &str) -> Option<String> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let is_date = date.len() >= 8;
    if is_date && let Some(taken) = taken(&date.replace(['-', '/'], ""), time) {
        return Some(taken);
    }
    let days: f64 = text.parse().ok()?;
    let is_whole = days.fract() == 0.0 && days.abs() < 1e6;
    is_whole.then(|| counted_day(days as i64))?
}

/// An age in years as DICOM writes it: `054Y` (PS3.5 6.2).
fn age(text: &str) -> Option<String> {
    let years: f64 = text.trim_end_matches(['Y', 'y']).parse().ok()?;
    (0.0..200.0)
        .contains(&years)
        .then(|| format!("{:03}Y", years.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<KnownFilmRow>, ManifestError> {
        Ok(films(text.as_bytes(), &FilmColumns::default(), "table")?.films)
    }

    #[test]
    fn dates_that_cannot_be_read_are_counted() {
        let text = "path,patient,date\na,1,01/02/2024\nb,1,20240230\nc,1,\nd,1,2024-03-01\n,1,x\n";
        let table = films(text.as_bytes(), &FilmColumns::default(), "table").unwrap();
        assert_eq!((table.films.len(), table.unread_dates), (4, 2));
    }

    #[test]
    fn patient_time_view_and_age_are_read() {
        let rows = read(
            "path,patient,day,view,age,sex\n\
             a.png,P-1,-3,AP Supine,54,F\n\
             b.png,P-1,2020-03-01 10:20,PA,,\n\
             c.png,,x,L,300,\n\
             ,P-2,1,PA,1,\n",
        )
        .unwrap();
        assert_eq!(rows.len(), 3);
        let film = |at: usize| &rows[at].film;
        let patient = &film(0).origin.patient;
        assert_eq!(patient.id.as_deref(), Some("P-1"));
        assert_eq!(patient.issuer.local.as_deref(), Some("table"));
        assert_eq!(patient.sex, Some(Sex::Female));
        assert_eq!(film(0).origin.taken, counted_day(-3));
        assert_eq!(film(0).view, ViewPosition::Ap);
        assert_eq!(film(0).age.as_deref(), Some("054Y"));
        assert_eq!(film(1).origin.taken.as_deref(), Some("2020-03-01T10:20"));
        assert_eq!(film(2).origin, Origin::default());
        assert_eq!(film(2).view, ViewPosition::Lateral);
        assert_eq!(film(2).age, None);
    }

    #[test]
    fn a_number_of_eight_digits_is_a_date_and_other_words_are_no_time() {
        assert_eq!(moment("20200301").as_deref(), Some("2020-03-01"));
        assert_eq!(moment("2020/03/01").as_deref(), Some("2020-03-01"));
        assert_eq!(moment("12.0"), counted_day(12));
        for text in ["12.5", "1e300", "nan", "soon", "99999999", "-"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_without_patients_is_refused() {
        let error = read("path,finding\na.png,x\n").unwrap_err();
        assert!(
            error.to_string().contains("of patients (patient"),
            "{error}"
        );
        assert!(matches!(read(" \n"), Err(ManifestError::Empty)));
        let columns = FilmColumns {
            date: Some("taken".into()),
            ..FilmColumns::default()
        };
        let error = films(b"path,patient\na,1\n", &columns, "table").unwrap_err();
        assert!(error.to_string().contains("no column taken"), "{error}");
    }
}
