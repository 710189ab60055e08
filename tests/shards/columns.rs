//! Parquet, out and in.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Archive;
use crate::skip::skip_on_this_machine;

#[test]
fn a_table_in_parquet_is_written_whole_or_not_at_all_and_continued() {
    let archive = Archive::new(9);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    let written = archive.run(&["predict", "archive", "-o", "t.parquet", "--quiet"]);
    assert_eq!(written.code, 1, "{}", written.stderr);
    assert_eq!(archive.files("."), ["archive", "t.parquet", "whole.csv"]);
    let again = archive.run(&["predict", "archive", "-o", "t.parquet", "--quiet"]);
    assert_eq!(again.code, 2);
    assert!(
        again
            .stderr
            .contains("use --resume to continue it, or --force"),
        "{}",
        again.stderr
    );

    let before = fs::read(archive.at("t.parquet")).unwrap();
    let resumed = archive.run(&["predict", "archive", "-o", "t.parquet", "--resume"]);
    assert!(resumed.stderr.contains("8 kept"), "{}", resumed.stderr);
    assert_eq!(archive.files("."), ["archive", "t.parquet", "whole.csv"]);
    assert_ne!(
        fs::read(archive.at("t.parquet")).unwrap(),
        before,
        "its error was tried again"
    );

    for (arguments, words) in [
        (&["--format", "parquet"][..], "needs a file"),
        (&["-o", "t.parquet", "--append"], "--append"),
        (
            &["-o", "t.parquet", "--resume", "--prognosis"],
            "cannot be resumed",
        ),
    ] {
        let outcome = archive.run(&[&["predict", "archive"], arguments].concat());
        assert_eq!(outcome.code, 2, "{arguments:?}");
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    assert_eq!(archive.files("."), ["archive", "t.parquet", "whole.csv"]);
}

#[test]
fn parts_in_parquet_are_merged_like_others() {
    let archive = Archive::new(9);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    let parts = archive.shards(3, "parquet");
    let merged = archive.merge(&parts, &["-o", "all.csv"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert_eq!(archive.rows("all.csv"), archive.rows("whole.csv"));
    let kept = archive.shard("2/3", &parts[1]);
    assert!(kept.code < 2, "{}", kept.stderr);
    assert_eq!(archive.merge(&parts, &["-o", "all.csv", "--force"]).code, 0);
    assert_eq!(archive.rows("all.csv"), archive.rows("whole.csv"));

    let length = fs::metadata(archive.at(&parts[2])).unwrap().len();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(archive.at(&parts[2]))
        .unwrap();
    file.set_len(length - 1).unwrap();
    let torn = archive.merge(&parts, &["-o", "b.csv"]);
    assert_eq!((torn.code, &*torn.stdout), (1, "--array=3\n"));
    assert!(
        torn.stderr.contains("3.parquet: no whole Parquet file"),
        "{}",
        torn.stderr
    );
}

#[test]
fn other_programs_read_the_same_rows_and_what_they_write_is_read() {
    let archive = Archive::new(15);
    let parts = archive.shards(2, "csv");
    for table in ["t.csv", "t.parquet"] {
        let merged = archive.merge(&parts, &["-o", table]);
        assert_eq!(merged.code, 0, "{}", merged.stderr);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet_peers.py");
    let python = std::env::var("CXR_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python)
        .arg(script)
        .args(["t.csv", "t.parquet", "."])
        .current_dir(archive.0.path())
        .output();
    let output = match output {
        Err(error) => return skip_on_this_machine(format_args!("no {python}: {error}")),
        Ok(output) => output,
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(77) {
        return skip_on_this_machine(format_args!(
            "{python} (CXR_TEST_PYTHON names another): {said}"
        ));
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{stderr}");
    assert_eq!(said.lines().count(), 4, "{said}");

    fs::write(archive.at("cases.csv"), cases(&archive)).unwrap();
    let evaluated = |manifest: &str, table: &str| {
        let arguments = [
            "evaluate",
            "--manifest",
            manifest,
            "--predictions",
            table,
            "--quiet",
        ];
        let outcome = archive.run(&arguments);
        assert!(outcome.code < 2, "{table}: {}", outcome.stderr);
        let figures = outcome.stdout.lines();
        let figures = figures.filter(|line| !line.contains(".parquet") && !line.contains(".csv"));
        figures.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = evaluated("cases.csv", "t.csv");
    assert!(!expected.is_empty());
    for table in [
        "t.parquet",
        "pandas.parquet",
        "polars.parquet",
        "duckdb.parquet",
    ] {
        assert_eq!(evaluated("cases.csv", table), expected, "{table}");
    }
    let zstd = archive.run(&[
        "evaluate",
        "--manifest",
        "cases.csv",
        "--predictions",
        "zstd.parquet",
    ]);
    assert_eq!(zstd.code, 2);
    assert!(zstd.stderr.contains("snappy"), "{}", zstd.stderr);
    // A manifest in Parquet, and one that is a table of something else.
    let manifest = archive.run(&[
        "evaluate",
        "--manifest",
        "cases.parquet",
        "--predictions",
        "t.parquet",
        "--quiet",
    ]);
    assert!(manifest.code < 2, "{}", manifest.stderr);
    let other = archive.run(&[
        "evaluate",
        "--manifest",
        "cases.csv",
        "--predictions",
        "cases.parquet",
    ]);
    assert_eq!(other.code, 2);
    assert!(
        other.stderr.contains("not a table of cxr predict"),
        "{}",
        other.stderr
    );
}

/// A case for each image, half of them with pneumonia.
fn cases(archive: &Archive) -> String {
    let rows = archive.rows("t.csv");
    let rows = rows.iter().enumerate().map(|(number, row)| {
        let finding = ["Pneumonia", "No Finding"][number % 2];
        format!("\"{}\",{finding}\n", row[0])
    });
    format!("path,finding\n{}", rows.collect::<String>())
}

#[test]
fn only_content_that_earlier_tables_do_not_have_is_scored() {
    let archive = Archive::new(6);
    archive.run(&["predict", "archive", "-o", "january.csv", "--quiet"]);
    archive.run(&["predict", "archive", "-o", "january.parquet", "--quiet"]);
    archive.run(&["predict", "archive", "-o", "january.jsonl", "--quiet"]);
    let film = archive.at("archive/w0/IM 0.png");
    fs::rename(&film, archive.at("archive/moved.png")).unwrap();
    let new = [
        &fs::read(archive.at("archive/moved.png")).unwrap()[..],
        b" ",
    ]
    .concat();
    fs::write(archive.at("archive/new.png"), new).unwrap();
    for table in ["january.csv", "january.parquet", "january.jsonl"] {
        let arguments = ["predict", "archive", "--since", table];
        let outcome = archive.run(&arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let rows = outcome.stdout.lines().skip(1).collect::<Vec<_>>();
        assert_eq!(rows.len(), 1, "{table}: {rows:?}");
        assert!(rows[0].starts_with("archive/new.png,"), "{rows:?}");
        assert!(outcome.stderr.contains("6 known"), "{}", outcome.stderr);
    }
    for (table, words) in [
        ("gone.csv", "not found"),
        ("archive/new.png", "--since archive/new.png"),
    ] {
        let outcome = archive.run(&["predict", "archive", "--since", table]);
        assert_eq!(outcome.code, 2);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    let other = [
        "predict",
        "archive",
        "--since",
        "january.csv",
        "--prevalence",
        "COVID-19=9%",
    ];
    let outcome = archive.run(&other);
    // A model without calibrated labels takes no prevalence at all.
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}

#[test]
fn a_part_is_no_earlier_table_and_no_table_leaves_no_journal() {
    let archive = Archive::new(3);
    let parts = archive.shards(1, "csv");
    let outcome = archive.run(&["predict", "archive", "--since", &parts[0]]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("cxr merge"), "{}", outcome.stderr);
    fs::write(archive.at("t.parquet"), "no columns").unwrap();
    let arguments = ["predict", "archive", "-q", "-o", "t.parquet", "--resume"];
    let outcome = archive.run(&arguments);
    assert_ne!(outcome.code, 0);
    assert_eq!(archive.files("."), ["archive", "parts", "t.parquet"]);
    assert_eq!(fs::read(archive.at("t.parquet")).unwrap(), b"no columns");
}

#[test]
fn the_cache_gives_the_same_rows_without_scoring() {
    let archive = Archive::new(6);
    archive.run(&["predict", "archive", "-o", "plain.csv", "--quiet"]);
    for table in ["first.csv", "second.csv"] {
        let outcome = archive.run(&["predict", "archive", "--cache", "-o", table, "--quiet"]);
        assert_eq!((outcome.code, &*outcome.stderr), (0, ""));
        assert_eq!(archive.rows(table), archive.rows("plain.csv"), "{table}");
    }
    let elapsed = |table: &str| {
        let mut reader = csv::Reader::from_path(archive.at(table)).unwrap();
        let head = reader.headers().unwrap().clone();
        let at = head.iter().position(|name| name == super::ELAPSED).unwrap();
        let rows = reader.records().map(move |row| row.unwrap()[at].to_owned());
        rows.collect::<Vec<_>>()
    };
    // Some of these films are the same, and the second of them may find the first in the cache.
    let scored = elapsed("first.csv");
    assert!(scored.iter().any(|time| time != "0.000"), "{scored:?}");
    assert!(elapsed("second.csv").iter().all(|time| time == "0.000"));
}
