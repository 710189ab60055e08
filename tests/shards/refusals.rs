//! Parts that do not belong together, and options that make no sense.

use std::fs;
use std::process::Command;

use super::Archive;

#[test]
fn a_shard_that_cannot_be_is_refused_before_anything_is_made() {
    let archive = Archive::new(1);
    for (shard, words) in [
        ("3/2", "no shard 3 of 2"),
        ("0/2", "no shard 0 of 2"),
        ("1/0", "at least 1"),
        ("1", "K/N"),
        ("1/2/3", "K/N"),
        ("-1/2", "K/N"),
        ("auto/0", "at least 1"),
        ("auto", "none of SLURM_ARRAY_TASK_ID"),
    ] {
        let shard = format!("--shard={shard}");
        let outcome = archive.run(&["predict", "archive", &shard, "-o", "p.csv"]);
        assert_eq!(outcome.code, 2, "{shard}");
        assert!(
            outcome.stderr.contains(words),
            "{shard}: {}",
            outcome.stderr
        );
    }
    for (more, words) in [
        (&["--shard", "1/2"][..], "--output"),
        (&["--shard", "1/2", "-o", "-"], "needs a file"),
        (&["--shard", "1/2", "-o", "p.json"], "jsonl"),
        (&["--shard", "1/2", "-o", "p.csv", "--append"], "--append"),
    ] {
        let outcome = archive.run(&[&["predict", "archive"], more].concat());
        assert_eq!(outcome.code, 2);
        assert!(
            outcome.stderr.contains(words),
            "{more:?}: {}",
            outcome.stderr
        );
    }
    assert_eq!(archive.files("."), ["archive"]);
}

#[test]
fn what_is_missing_is_printed_as_the_array_that_is_still_to_run() {
    let archive = Archive::new(9);
    let parts = archive.shards(6, "csv");
    let some = [parts[0].clone(), parts[3].clone()];
    let outcome = archive.merge(&some, &["-o", "all.csv"]);
    assert_eq!((outcome.code, &*outcome.stdout), (1, "--array=2-3,5-6\n"));
    assert!(
        outcome.stderr.contains("4 of 6 shards missing"),
        "{}",
        outcome.stderr
    );

    // Cut off at any place, or changed, a part counts as missing.
    let whole = fs::read(archive.at(&parts[1])).unwrap();
    let end = String::from_utf8_lossy(&whole).find("#cxr-part").unwrap();
    for cut in [0, 10, end - 1, end, end + 5, whole.len() - 1] {
        fs::write(archive.at(&parts[1]), &whole[..cut]).unwrap();
        let outcome = archive.merge(&parts, &["-o", "all.csv"]);
        assert_eq!(
            (outcome.code, &*outcome.stdout),
            (1, "--array=2\n"),
            "{cut}"
        );
        assert!(outcome.stderr.contains(&parts[1]), "{}", outcome.stderr);
    }
    let mut changed = whole.clone();
    let digit = end - 3;
    changed[digit] = if changed[digit] == b'1' { b'2' } else { b'1' };
    fs::write(archive.at(&parts[1]), &changed).unwrap();
    let outcome = archive.merge(&parts, &["-o", "all.csv"]);
    assert_eq!((outcome.code, &*outcome.stdout), (1, "--array=2\n"));
    assert!(outcome.stderr.contains("was changed"), "{}", outcome.stderr);
    assert_eq!(archive.files("."), ["archive", "parts"]);

    fs::write(archive.at(&parts[1]), &whole).unwrap();
    assert_eq!(archive.merge(&parts, &["-o", "all.csv"]).code, 0);
    let again = archive.merge(&parts, &["-o", "all.csv"]);
    assert_eq!(again.code, 2, "it is not replaced");
    assert_eq!(archive.merge(&parts, &["-o", "all.csv", "--force"]).code, 0);
}

#[test]
fn parts_of_two_runs_are_refused() {
    let archive = Archive::new(6);
    let parts = archive.shards(2, "csv");
    let other = |more: &[&str], words: &str| {
        let arguments = ["predict", "-o", "other.csv", "--quiet", "--force"];
        let outcome = archive.run(&[&arguments[..], more].concat());
        assert!(outcome.code < 2, "{}", outcome.stderr);
        let mixed = [parts[0].clone(), "other.csv".to_owned()];
        let outcome = archive.merge(&mixed, &["-o", "all.csv"]);
        assert_eq!((outcome.code, &*outcome.stdout), (2, ""), "{more:?}");
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    };
    other(
        &["archive/w0", "--shard=2/2"],
        "folders: archive and archive/w0",
    );
    other(&["archive", "--prognosis", "--shard=2/2"], "columns");
    other(&["archive", "--shard=2/3"], "number of parts: 2 and 3");

    fs::copy(archive.at(&parts[0]), archive.at("copy.csv")).unwrap();
    let twice = [parts[0].clone(), "copy.csv".to_owned()];
    let outcome = archive.merge(&twice, &["-o", "all.csv"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("both shard 1 of 2"),
        "{}",
        outcome.stderr
    );

    // A part that calls itself another shard holds images that do not belong there.
    let text = fs::read_to_string(archive.at(&parts[0])).unwrap();
    fs::write(
        archive.at("posing.csv"),
        text.replace("\"shard\":1", "\"shard\":2"),
    )
    .unwrap();
    let posing = [parts[0].clone(), "posing.csv".to_owned()];
    let outcome = archive.merge(&posing, &["-o", "all.csv"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("belongs to shard 1"),
        "{}",
        outcome.stderr
    );

    // Nor does another run go on with a part.
    let arguments = [
        "predict",
        "archive/w0",
        "--shard",
        "1/2",
        "-o",
        &parts[0],
        "--resume",
    ];
    let outcome = archive.run(&arguments);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("another run"), "{}", outcome.stderr);
    let outcome = archive.shard("2/2", &parts[0]);
    assert!(
        outcome.stderr.contains("is shard 1 of 2, and not 2/2"),
        "{}",
        outcome.stderr
    );
    assert_eq!(archive.files("parts"), ["1.csv", "2.csv"]);
}

/// Not even `--force` replaces a part with the table that is made of it.
#[test]
fn no_part_is_replaced_by_the_table_of_all() {
    let archive = Archive::new(3);
    let parts = archive.shards(2, "csv");
    let there = parts.iter().map(|part| fs::read(archive.at(part)).unwrap());
    let there: Vec<_> = there.collect();
    for output in ["parts/1.csv", "./parts/../parts/2.csv"] {
        let outcome = archive.merge(&parts, &["-o", output, "--force"]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("would be lost"),
            "{}",
            outcome.stderr
        );
    }
    for (part, there) in parts.iter().zip(there) {
        assert_eq!(fs::read(archive.at(part)).unwrap(), there, "{part}");
    }
}

#[test]
fn what_is_no_part_is_said_to_be_none() {
    let archive = Archive::new(1);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    for (file, words) in [
        ("whole.csv", "no part of a run"),
        ("gone.csv", "no such file"),
        ("archive", "not a file"),
    ] {
        let outcome = archive.run(&["merge", file, "-o", "all.csv"]);
        assert_eq!((outcome.code, &*outcome.stdout), (2, ""));
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    let parts = archive.shards(1, "csv");
    let outcome = archive.merge(&parts, &["-o", "all.csv", "--sort", "colour"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("one of the columns: path"),
        "{}",
        outcome.stderr
    );
}

/// Runs cxr with a limit on the size of files, in blocks, which stands for a full disk: writing fails in the middle.
fn limited(archive: &Archive, blocks: u32, arguments: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_cxr");
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("ulimit -f {blocks}; exec '{program}' {arguments}"),
        ])
        .current_dir(archive.0.path())
        .env("CXR_CONFIG", "");
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr)
}

#[test]
fn a_full_disk_leaves_parts_as_they_were_and_no_table() {
    let archive = Archive::new(12);
    let parts = archive.shards(1, "csv");
    let (code, stderr) = limited(&archive, 1, &format!("merge {} -o all.csv", parts[0]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("all.csv"), "{stderr}");
    assert_eq!(archive.files("."), ["archive", "parts"]);

    // A table that is there stays as it is.
    for table in ["old.csv", "old.parquet"] {
        fs::write(archive.at(table), "before").unwrap();
        let arguments = format!("merge {} --force -o {table}", parts[0]);
        let (code, stderr) = limited(&archive, 1, &arguments);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains(table) && stderr.lines().count() == 1,
            "{stderr}"
        );
        assert_eq!(fs::read(archive.at(table)).unwrap(), b"before");
        fs::remove_file(archive.at(table)).unwrap();
    }
    assert_eq!(archive.files("."), ["archive", "parts"]);

    let (code, stderr) = limited(&archive, 1, "predict archive --shard 1/1 -o p.csv --quiet");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("p.csv"), "{stderr}");
    assert_eq!(archive.files("."), ["archive", "p.csv.partial", "parts"]);
    // There is room again.
    assert!(archive.shard("1/1", "p.csv").code < 2);
    let merged = archive.merge(&["p.csv".to_owned()], &["-o", "all.csv"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    archive.merge(&parts, &["-o", "before.csv"]);
    assert_eq!(archive.rows("all.csv"), archive.rows("before.csv"));
}

/// The rows are all there, and only the table that is made of them does not fit.
#[test]
fn a_full_disk_at_the_end_keeps_the_rows_and_the_table_that_was_there() {
    let archive = Archive::new(6);
    for (table, beside, unit) in [
        ("t.parquet", "t.parquet.partial", "image"),
        ("s.csv", "s.csv.films", "study"),
        ("s.parquet", "s.parquet.films", "study"),
    ] {
        let arguments = format!("predict archive --quiet --unit {unit} --resume -o {table}");
        let typed: Vec<&str> = arguments.split(' ').collect();
        assert_eq!(archive.run(&typed).code, 0, "{table}");
        if unit == "image" {
            // As a run leaves it that was killed at its end.
            archive.run(&["predict", "archive", "-o", beside, "-f", "csv", "--quiet"]);
        }
        let before = (
            fs::read(archive.at(table)).unwrap(),
            fs::read(archive.at(beside)).unwrap(),
        );
        let files = archive.files(".");
        let (code, stderr) = limited(&archive, 1, &arguments);
        assert_eq!(code, Some(1), "{table}: {stderr}");
        assert!(
            stderr.contains(table) && stderr.lines().count() == 1,
            "{stderr}"
        );
        let after = (
            fs::read(archive.at(table)).unwrap(),
            fs::read(archive.at(beside)).unwrap(),
        );
        assert!(before == after, "{table}");
        assert_eq!(archive.files("."), files);
        assert_eq!(archive.run(&typed).code, 0, "{table}");
    }
}
