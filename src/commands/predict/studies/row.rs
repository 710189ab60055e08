//! The row of one study or folder.

use std::path::PathBuf;

use serde_json::json;

use crate::commands::shared::shard::part::RunDescription;
use crate::domain::columns::{AFTER, FILM_COUNTS, FILM_OF, HIGHEST, PROGNOSIS, STUDY, WITHHELD};
use crate::domain::heat_maps::excess;
use crate::domain::{ModelCard, Question};
use crate::export::{Cell, FlatRow, TableFormat, path_of};

/// Between the parts of a cell that holds a list.
const BETWEEN: &str = "; ";
/// Digits after the point of numbers and milliseconds, as the rows of films have them.
const DECIMALS: usize = 6;
const TIME_DECIMALS: usize = 3;
/// Said of a study whose films name several patients.
const SEVERAL_PATIENTS: &str = "its films name several patients";

/// Where the cells of a film's row are.
pub struct FilmPositions {
    pub path: usize,
    pub study: usize,
    status: usize,
    reasons: usize,
    elapsed: usize,
    withheld: Option<usize>,
    /// Of labels, severities and outcomes, of which the highest counts, in the order of the columns.
    numbers: Vec<usize>,
}

impl FilmPositions {
    /// In a table with these columns, by the model of this card.
    pub fn of(columns: &[String], card: &ModelCard) -> Self {
        let find = |name: &str| columns.iter().position(|column| column == name);
        let numbers = (0..columns.len()).filter(|at| is_number(&columns[*at], card));
        FilmPositions {
            path: find("path").unwrap_or(0),
            study: find(STUDY).unwrap_or(0),
            status: find("status").unwrap_or(0),
            reasons: find("reasons").unwrap_or(0),
            elapsed: find("elapsed_ms").unwrap_or(0),
            withheld: find(WITHHELD),
            numbers: numbers.collect(),
        }
    }
}

/// Whether the highest number of the films counts: a label, a severity or an outcome.
fn is_number(column: &str, card: &ModelCard) -> bool {
    card.labels.iter().any(|label| label.name == column)
        || AFTER[..2].contains(&column)
        || column.starts_with(PROGNOSIS)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilmStatus {
    Ok,
    Caution,
    Refused,
    /// Of a format that is not read, or unreadable.
    Failed,
    /// No film.
    Skipped,
    /// Its header cannot be read any more, so that its patient is not known. It is left out.
    Gone,
}

impl FilmStatus {
    fn of(status: &str) -> Self {
        match status {
            "ok" => FilmStatus::Ok,
            "caution" => FilmStatus::Caution,
            "refused" => FilmStatus::Refused,
            "skipped" => FilmStatus::Skipped,
            _ => FilmStatus::Failed,
        }
    }

    fn has_scores(self) -> bool {
        matches!(self, FilmStatus::Ok | FilmStatus::Caution)
    }
}

/// What is held of a film.
pub struct FilmRow {
    /// As its table writes it.
    pub path: Box<str>,
    pub status: FilmStatus,
    reasons: Box<str>,
    withheld: Box<str>,
    /// In the order of [`FilmPositions::numbers`]; not a number where there is none.
    numbers: Box<[f64]>,
}

/// The films of a study or folder.
#[derive(Default)]
pub struct StudyFilms {
    pub films: Vec<FilmRow>,
    elapsed_ms: f64,
}

/// The row of a study, as a table takes it: cells, or a line of JSON.
pub struct StudyRow {
    pub path: PathBuf,
    pub status: &'static str,
    pub row: FlatRow,
    pub line: Vec<u8>,
}

impl StudyFilms {
    /// Adds the row of a film.
    pub fn add(&mut self, row: &FlatRow, at: &FilmPositions) {
        let number = |at: &usize| row[*at].parse::<f64>().unwrap_or(f64::NAN);
        self.elapsed_ms += row[at.elapsed].parse::<f64>().unwrap_or(0.0);
        self.films.push(FilmRow {
            path: row[at.path].into(),
            status: FilmStatus::of(&row[at.status]),
            reasons: row[at.reasons].into(),
            withheld: at.withheld.map_or("", |at| &row[at]).into(),
            numbers: at.numbers.iter().map(number).collect(),
        });
    }

    /// The path of the row, its status, and its cells in the order of the run's columns. Films come in the order of the
    /// walk.
    pub fn row(
        &self,
        study: &str,
        is_mixed: bool,
        card: &ModelCard,
        run: &RunDescription,
        format: TableFormat,
    ) -> (PathBuf, &'static str, Vec<Cell>) {
        let (status, reasons) = self.status(is_mixed);
        let highest = Highest {
            films: &self.films,
            is_none: is_mixed,
        };
        let foremost = highest.foremost(card);
        let main = foremost
            .and_then(|label| highest.of(label))
            .or_else(|| self.films.iter().position(|film| film.status.has_scores()))
            .or_else(|| {
                let mut films = self.films.iter();
                films.position(|film| film.status != FilmStatus::Gone)
            })
            .unwrap_or(0);
        let main = self.films.get(main).map_or("", |film| &film.path);
        let was_scored = !is_mixed
            && self
                .films
                .iter()
                .any(|film| film.status.has_scores() || film.status == FilmStatus::Refused);
        let made = |text: &str| {
            if was_scored {
                Cell::text(text)
            } else {
                Cell::Empty
            }
        };
        let mut numbers = 0..;
        let cell = |column: &String| match column.as_str() {
            "path" => Cell::Text(main.to_owned()),
            "status" => Cell::text(status),
            "reasons" => Cell::text(&reasons),
            "model_sha256" => made(&run.model_sha256),
            "preprocess" => made(&run.preprocess),
            "card_digest" => made(&run.card_digest),
            "prevalence" => made(&run.prevalence),
            "elapsed_ms" if was_scored => Cell::number(Some(self.elapsed_ms), TIME_DECIMALS),
            WITHHELD => self.withheld(&highest, card, format),
            STUDY => Cell::text(study),
            HIGHEST => {
                let label = foremost.map(|label| &card.labels[label].name);
                label.map_or(Cell::Empty, |name| Cell::text(name))
            }
            name if FILM_COUNTS.contains(&name) => Cell::Nested(json!(self.count(name))),
            name => match name.strip_prefix(FILM_OF) {
                Some(label) => {
                    let film = highest.of_label(label, card).map(|film| &self.films[film]);
                    film.map_or(Cell::Empty, |film| Cell::Text(film.path.to_string()))
                }
                None if is_number(name, card) => {
                    let at = numbers.next().unwrap_or(usize::MAX);
                    Cell::number(highest.value(at), DECIMALS)
                }
                None => Cell::Empty,
            },
        };
        let cells = run.columns.iter().map(cell).collect();
        (path_of(main), status, cells)
    }

    fn count(&self, column: &str) -> usize {
        let is_counted = |film: &&FilmRow| match film.status {
            FilmStatus::Skipped | FilmStatus::Gone => false,
            status if column == FILM_COUNTS[1] => status == FilmStatus::Refused,
            status if column == FILM_COUNTS[2] => status == FilmStatus::Failed,
            _ => true,
        };
        self.films.iter().filter(is_counted).count()
    }

    fn has(&self, status: FilmStatus) -> bool {
        self.films.iter().any(|film| film.status == status)
    }

    /// The status of the study, and its reasons. A film that could not be read may have had a higher number.
    fn status(&self, is_mixed: bool) -> (&'static str, String) {
        if is_mixed {
            return ("error", SEVERAL_PATIENTS.to_owned());
        }
        let failed = self.count(FILM_COUNTS[2]);
        let is_gone = |film: &&FilmRow| film.status == FilmStatus::Gone;
        let gone = self.films.iter().filter(is_gone).count();
        let has_scores = self.films.iter().any(|film| film.status.has_scores());
        let status = if has_scores && failed + gone == 0 && !self.has(FilmStatus::Caution) {
            "ok"
        } else if has_scores {
            "caution"
        } else if self.has(FilmStatus::Refused) {
            "refused"
        } else if failed + gone > 0 {
            "error"
        } else {
            "skipped"
        };
        // Of a study with scores, only reasons to doubt them are said: a lateral film is no such reason.
        let is_said = |film: &&FilmRow| match film.status {
            FilmStatus::Gone => false,
            status => !has_scores || status == FilmStatus::Caution,
        };
        let said = self.films.iter().filter(is_said).map(|film| &*film.reasons);
        let mut reasons: Vec<&str> = Vec::new();
        for reason in said.flat_map(|said| said.split(BETWEEN)) {
            if !reason.is_empty() && !reasons.contains(&reason) && reasons.len() < MOST_REASONS {
                reasons.push(reason);
            }
        }
        let films = self.count(FILM_COUNTS[0]);
        let unread = (has_scores && failed > 0)
            .then(|| format!("{failed} of {films} films could not be read"));
        let left_out = (gone > 0).then(|| {
            let all = films + gone;
            format!("{gone} of {all} films cannot be read any more and are left out")
        });
        let doubts = [&unread, &left_out].into_iter().flatten();
        reasons.extend(doubts.map(String::as_str));
        (status, reasons.join(BETWEEN))
    }

    /// The labels that get no number from any film, and were withheld for at least one.
    fn withheld(&self, highest: &Highest, card: &ModelCard, format: TableFormat) -> Cell {
        let is_withheld = |name: &str| {
            let is_held = |film: &FilmRow| film.withheld.split(BETWEEN).any(|held| held == name);
            let has = |film: &FilmRow| film.status != FilmStatus::Gone && is_held(film);
            self.films.iter().any(has) && highest.of_label(name, card).is_none()
        };
        let labels = card.labels.iter().map(|label| label.name.as_str());
        let names: Vec<&str> = labels.filter(|name| is_withheld(name)).collect();
        match names[..] {
            _ if format.is_json() => Cell::Nested(json!(names)),
            [] => Cell::Empty,
            _ => Cell::text(&names.join(BETWEEN)),
        }
    }
}

/// A cell names no more reasons.
const MOST_REASONS: usize = 16;

/// The highest numbers of a study's films.
struct Highest<'a> {
    films: &'a [FilmRow],
    /// Whether the study has no numbers at all.
    is_none: bool,
}

impl Highest<'_> {
    /// The film with the highest of these numbers, the first of several.
    fn of(&self, number: usize) -> Option<usize> {
        let value = |film: usize| {
            let film = &self.films[film];
            let value = film.numbers.get(number).copied().filter(|v| !v.is_nan());
            value.filter(|_| film.status.has_scores() && !self.is_none)
        };
        let mut highest: Option<(usize, f64)> = None;
        for film in 0..self.films.len() {
            if let Some(value) = value(film)
                && highest.is_none_or(|(_, most)| value > most)
            {
                highest = Some((film, value));
            }
        }
        highest.map(|(film, _)| film)
    }

    fn value(&self, number: usize) -> Option<f64> {
        self.of(number).map(|film| self.films[film].numbers[number])
    }

    /// The film of a label. The labels come first among the numbers, in the order of the card.
    fn of_label(&self, label: &str, card: &ModelCard) -> Option<usize> {
        let number = card.labels.iter().position(|known| known.name == label)?;
        self.of(number)
    }

    /// The label that stands out most, causes excluded, as [`foremost`](crate::domain::Prediction::foremost) chooses it
    /// for one film; the first of several.
    fn foremost(&self, card: &ModelCard) -> Option<usize> {
        let mut foremost: Option<(usize, f32)> = None;
        for (number, label) in card.labels.iter().enumerate() {
            let value = self
                .value(number)
                .filter(|_| label.question == Question::Presence);
            let excess = value.map(|value| excess(value as f32, label.operating_point));
            if let Some(excess) = excess
                && foremost.is_none_or(|(_, most)| excess > most)
            {
                foremost = Some((number, excess));
            }
        }
        foremost.map(|(number, _)| number)
    }
}
