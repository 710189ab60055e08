use std::fs::File;
use std::io::{Seek, SeekFrom};

use super::*;
use crate::export::predictions::tests::{columns, three_rows, written};
use crate::export::{FlatReader, FlatRow, FlatWriter, TableFormat};

/// The three rows as a Parquet file.
fn three_in_columns(metadata: &[(String, String)]) -> File {
    let text = written(TableFormat::Csv, &three_rows(TableFormat::Csv));
    let columns = columns(TableFormat::Csv);
    let from = Box::new(std::io::Cursor::new(text.into_bytes()));
    let mut rows = FlatReader::new(TableFormat::Csv, from, &columns).unwrap();
    let file = tempfile::tempfile().unwrap();
    let out = file.try_clone().unwrap();
    let mut table = FlatWriter::about(out, TableFormat::Parquet, &columns, metadata).unwrap();
    let (mut row, mut line) = (FlatRow::new(), Vec::new());
    while rows.next(&mut row, &mut line).unwrap() {
        table.row(&row, &line).unwrap();
    }
    let mut file = table.finish().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

#[test]
fn rows_come_back_as_the_cells_that_they_were() {
    let own = [("cxr.version".to_owned(), "1".to_owned())];
    let mut rows = ColumnarRows::open(three_in_columns(&own)).unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows.columns(), columns(TableFormat::Csv));
    assert_eq!(rows.metadata("cxr.version").as_deref(), Some("1"));
    assert_eq!(rows.metadata("cxr.part"), None);
    let mut table = FlatWriter::begin(Vec::new(), TableFormat::Csv, &rows.columns()).unwrap();
    let mut row = FlatRow::new();
    while rows.next(&mut row).unwrap() {
        table.row(&row, b"").unwrap();
    }
    let text = String::from_utf8(table.finish().unwrap()).unwrap();
    assert_eq!(
        text,
        written(TableFormat::Csv, &three_rows(TableFormat::Csv))
    );
}

#[test]
fn numbers_of_other_programs_are_not_given_digits() {
    let mut rows = ColumnarRows::open(three_in_columns(&[])).unwrap();
    let mut row = FlatRow::new();
    rows.next(&mut row).unwrap();
    let at = |name: &str| rows.columns().iter().position(|c| c == name).unwrap();
    assert_eq!(&row[at("elapsed_ms")], "11");
}

#[test]
fn a_file_that_was_cut_off_is_none() {
    let file = three_in_columns(&[]);
    let length = file.metadata().unwrap().len();
    for cut in [0, 4, 100, length / 2, length - 4, length - 1] {
        file.set_len(cut).unwrap();
        let opened = ColumnarRows::open(file.try_clone().unwrap());
        assert!(matches!(opened, Err(ColumnarError::Damaged(_))), "{cut}");
        file.set_len(length).unwrap();
    }
}

#[test]
fn what_a_column_holds_follows_from_its_name() {
    for (name, kind) in [
        ("path", ColumnKind::Text),
        ("reasons", ColumnKind::List),
        ("withheld", ColumnKind::List),
        ("Pneumonia", ColumnKind::Number),
        ("opacity", ColumnKind::Number),
        ("prognosis: death", ColumnKind::Number),
        ("elapsed_ms", ColumnKind::Number),
        ("image_sha256", ColumnKind::Text),
        ("prevalence", ColumnKind::Text),
        ("study", ColumnKind::Text),
        ("highest_finding", ColumnKind::Text),
        ("films", ColumnKind::Integer),
        ("film: Pneumonia", ColumnKind::Text),
    ] {
        assert_eq!(prediction_column(name), kind, "{name}");
    }
    assert_eq!(entries("small; dark", "ok"), ["small", "dark"]);
    assert_eq!(entries("not; an image", "error"), ["not; an image"]);
}

#[test]
fn many_groups_of_rows_come_back_in_order() {
    let kinds = [
        ("path".to_owned(), ColumnKind::Text),
        ("n".to_owned(), ColumnKind::Integer),
        ("reasons".to_owned(), ColumnKind::List),
    ];
    let file = tempfile::tempfile().unwrap();
    let mut table = ColumnarWriter::begin(file, &kinds, &[]).unwrap();
    const ROWS: usize = 150_000;
    for n in 0..ROWS {
        let number = if n % 3 == 0 {
            String::new()
        } else {
            n.to_string()
        };
        let reasons = ["", "one", "one; two"][n % 3];
        let row = [format!("{n}.png"), number, reasons.to_owned()];
        table.row(&FlatRow::from(row.to_vec())).unwrap();
    }
    let mut file = table.finish().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut rows = ColumnarRows::open(file).unwrap();
    let mut row = FlatRow::new();
    for n in 0..ROWS {
        assert!(rows.next(&mut row).unwrap());
        assert_eq!(row[0], format!("{n}.png"));
        assert_eq!(row[1].is_empty(), n % 3 == 0);
        assert_eq!(&row[2], ["", "one", "one; two"][n % 3]);
    }
    assert!(!rows.next(&mut row).unwrap());
}

/// Whichever of the two a reader of the table takes, it may be the wrong one.
#[test]
fn a_name_that_two_columns_have_is_refused_wherever_they_stand() {
    for columns in [
        ["path", "status", "x", "x"],
        ["path", "x", "status", "x"],
        ["path", "status", "x", "path"],
    ] {
        let columns = columns.map(str::to_owned);
        let file = tempfile::tempfile().unwrap();
        let out = file.try_clone().unwrap();
        let mut table = FlatWriter::begin(out, TableFormat::Parquet, &columns).unwrap();
        table.row(&FlatRow::from(vec!["0.5"; 4]), b"").unwrap();
        let mut file = table.finish().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let fault = ColumnarRows::open(file)
            .err()
            .map(|fault| fault.to_string());
        let fault = fault.unwrap_or_default();
        assert!(fault.ends_with("is there twice"), "{columns:?}: {fault}");
    }
}
