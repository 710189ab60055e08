use super::row::FilmRow;
use super::*;
use crate::commands::shared::shard::part::RunDescription;
use crate::domain::{LabelCard, Question};
use crate::export::Cell;

const FILM_COLUMNS: [&str; 15] = [
    "path",
    "status",
    "reasons",
    "Pneumonia",
    "Viral",
    "Effusion",
    "geographic_extent",
    "opacity",
    "model_sha256",
    "preprocess",
    "elapsed_ms",
    "image_sha256",
    "card_digest",
    "prevalence",
    "study",
];

fn card() -> ModelCard {
    ModelCard {
        labels: vec![
            LabelCard::new("Pneumonia", Question::Presence, Some(0.5)),
            LabelCard::new("Viral", Question::GivenPneumonia, None),
            LabelCard::new("Effusion", Question::Presence, Some(0.1)),
        ],
        ..ModelCard::default()
    }
}

fn film_columns() -> Vec<String> {
    FILM_COLUMNS.map(str::to_owned).to_vec()
}

fn run() -> RunDescription {
    RunDescription {
        of: 1,
        unit: "study".into(),
        cxr: "1".into(),
        model: "double 1".into(),
        model_sha256: "ab".into(),
        preprocess: "cxr-1".into(),
        precision: "f32".into(),
        card_digest: "cd".into(),
        prevalence: String::new(),
        operating_points: json(),
        pseudonym_key: None,
        columns: study_columns(&film_columns()),
        roots: Vec::new(),
        roots_sha256: String::new(),
    }
}

fn json() -> serde_json::Value {
    serde_json::json!({})
}

/// A film: path, status, reasons and the three labels.
type Film<'a> = (&'a str, &'a str, &'a str, [&'a str; 3]);

fn row_of(films: &[Film], is_mixed: bool) -> (String, BTreeMap<String, String>) {
    row(films, is_mixed, &[])
}

/// The row where the files of some films are gone.
fn row_without(films: &[Film], gone: &[&str]) -> (String, BTreeMap<String, String>) {
    row(films, false, gone)
}

fn row(films: &[Film], is_mixed: bool, gone: &[&str]) -> (String, BTreeMap<String, String>) {
    let (columns, card, run) = (film_columns(), card(), run());
    let at = FilmPositions::of(&columns, &card);
    let mut study = StudyFilms::default();
    for (path, status, reasons, scores) in films {
        let cells = [
            *path, status, reasons, scores[0], scores[1], scores[2], "", "", "ab", "cxr-1", "1.5",
            "00", "cd", "", "name",
        ];
        study.add(&FlatRow::from(cells.to_vec()), &at);
    }
    for film in &mut study.films {
        if gone.contains(&&*film.path) {
            film.status = FilmStatus::Gone;
        }
    }
    let (path, _, cells) = study.row("name", is_mixed, &card, &run, TableFormat::Csv);
    assert_eq!(cells.len(), run.columns.len());
    let cells = cells.iter().map(Cell::to_csv);
    let named = run.columns.iter().cloned().zip(cells).collect();
    (path.to_str().unwrap().to_owned(), named)
}

#[test]
fn the_columns_of_studies_follow_from_those_of_films() {
    let columns = study_columns(&film_columns());
    assert_eq!(
        columns,
        [
            "path",
            "status",
            "reasons",
            "Pneumonia",
            "Viral",
            "Effusion",
            "geographic_extent",
            "opacity",
            "model_sha256",
            "preprocess",
            "elapsed_ms",
            "card_digest",
            "prevalence",
            "study",
            "highest_finding",
            "films",
            "films_refused",
            "films_failed",
            "film: Pneumonia",
            "film: Viral",
            "film: Effusion",
        ]
    );
    let labels = columns.iter().filter(|name| !is_reserved(name));
    assert_eq!(
        labels.collect::<Vec<_>>(),
        ["Pneumonia", "Viral", "Effusion"]
    );
}

#[test]
fn each_label_has_its_highest_number_and_the_film_that_it_is_of() {
    let (path, row) = row_of(
        &[
            ("a.dcm", "ok", "", ["0.400000", "0.900000", "0.200000"]),
            ("b.dcm", "ok", "", ["0.600000", "0.100000", "0.300000"]),
            // Not accepted, so that its number does not count.
            ("c.dcm", "refused", "lateral", ["0.990000", "", ""]),
        ],
        false,
    );
    assert_eq!(row["Pneumonia"], "0.600000");
    assert_eq!(row["film: Pneumonia"], "b.dcm");
    assert_eq!(row["Viral"], "0.900000");
    assert_eq!(row["film: Viral"], "a.dcm");
    // 0.3 stands further above 0.1 than 0.6 above 0.5; a cause is no finding of its own.
    assert_eq!(row["highest_finding"], "Effusion");
    assert_eq!((&*path, &*row["path"]), ("b.dcm", "b.dcm"));
    assert_eq!((&*row["status"], &*row["reasons"]), ("ok", ""));
    assert_eq!(
        (
            &*row["films"],
            &*row["films_refused"],
            &*row["films_failed"]
        ),
        ("3", "1", "0")
    );
    assert_eq!(
        (&*row["model_sha256"], &*row["elapsed_ms"]),
        ("ab", "4.500")
    );
    assert_eq!((&*row["opacity"], &*row["study"]), ("", "name"));
}

#[test]
fn of_films_with_the_same_number_the_first_is_named() {
    let twice = ["a.dcm", "b.dcm"].map(|path| (path, "ok", "", ["0.5", "", ""]));
    assert_eq!(row_of(&twice, false).0, "a.dcm");
}

#[test]
fn a_film_that_failed_makes_the_numbers_doubtful() {
    let film = ("a.dcm", "ok", "", ["0.4", "", "0.2"]);
    let failed = ("b.dcm", "error", "cannot be read: x; y", ["", "", ""]);
    let skipped = ("c.dcm", "skipped", "structured report", ["", "", ""]);
    let refused = ("d.dcm", "refused", "lateral", ["", "", ""]);
    let caution = ("e.dcm", "caution", "small; dark", ["0.1", "", ""]);
    for (films, status, reasons) in [
        (&[film, skipped][..], "ok", ""),
        (&[film, failed], "caution", "1 of 2 films could not be read"),
        (&[film, caution, caution], "caution", "small; dark"),
        (&[film, refused], "ok", ""),
        (
            &[refused, failed],
            "refused",
            "lateral; cannot be read: x; y",
        ),
        (
            &[failed, skipped],
            "error",
            "cannot be read: x; y; structured report",
        ),
        (&[skipped], "skipped", "structured report"),
    ] {
        let (_, row) = row_of(films, false);
        assert_eq!((&*row["status"], &*row["reasons"]), (status, reasons));
    }
    let (_, row) = row_of(&[failed], false);
    assert_eq!((&*row["model_sha256"], &*row["highest_finding"]), ("", ""));
    assert_eq!((&*row["path"], &*row["films_failed"]), ("b.dcm", "1"));
}

/// Nobody can tell any more whose the film is.
#[test]
fn a_film_that_is_gone_is_left_out_and_its_number_with_it() {
    let film = ("a.dcm", "caution", "small", ["0.9", "", "0.9"]);
    let other = ("b.dcm", "ok", "", ["0.4", "", "0.2"]);
    let refused = ("c.dcm", "refused", "lateral", ["", "", ""]);
    let gone = "cannot be read any more and are left out";
    for (films, status, reasons, path, counted, number) in [
        (
            &[film, other][..],
            "caution",
            format!("1 of 2 films {gone}"),
            "b.dcm",
            "1",
            "0.400000",
        ),
        (
            &[film, refused],
            "refused",
            format!("lateral; 1 of 2 films {gone}"),
            "c.dcm",
            "1",
            "",
        ),
        (
            &[film],
            "error",
            format!("1 of 1 films {gone}"),
            "a.dcm",
            "0",
            "",
        ),
    ] {
        let (main, row) = row_without(films, &["a.dcm"]);
        assert_eq!((&*row["status"], &*row["reasons"]), (status, &*reasons));
        assert_eq!((&*main, &*row["films"]), (path, counted));
        assert_eq!(row["Pneumonia"], number);
    }
}

#[test]
fn only_a_table_of_studies_is_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, is_one) in [
        ("s.csv", "path,status,study,films\n", true),
        (
            "s.jsonl",
            r#"{"path":"a","status":"ok","study":"b","films":1}"#,
            true,
        ),
        (
            "s.json",
            "[\n{\"path\":\"a\",\"status\":\"ok\",\"study\":\"b\",\"films\":1}\n]\n",
            true,
        ),
        ("films.csv", "path,status,study\n", false),
        ("other.csv", "id,name\n1,precious\n", false),
        ("other.json", "[1, 2]", false),
        ("bytes", "\u{fffd}\0\n", false),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        assert_eq!(is_study_table(&file), is_one, "{name}");
    }
}

#[test]
fn a_study_of_several_patients_has_no_numbers() {
    let films = ["a.dcm", "b.dcm"].map(|path| (path, "ok", "", ["0.9", "0.5", "0.9"]));
    let (_, row) = row_of(&films, true);
    assert_eq!(row["status"], "error");
    assert_eq!(row["reasons"], "its films name several patients");
    for column in [
        "Pneumonia",
        "Viral",
        "film: Viral",
        "highest_finding",
        "model_sha256",
    ] {
        assert_eq!(row[column], "", "{column}");
    }
    assert_eq!(row["films"], "2");
}

/// What is held of a film: see the module. A million of them stay below a gigabyte.
#[test]
fn a_film_takes_little_memory() {
    assert!(size_of::<FilmRow>() <= 96, "{}", size_of::<FilmRow>());
}
