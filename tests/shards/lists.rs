//! `--files-from`.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use super::{Archive, Outcome};

fn with_input(archive: &Archive, arguments: &[&str], input: &[u8]) -> Outcome {
    let mut command = archive.command(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // cxr may refuse the options before it reads.
    let _ = child.stdin.take().unwrap().write_all(input);
    Outcome::of(child.wait_with_output().unwrap())
}

fn paths(outcome: &Outcome) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(outcome.stdout.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| format!("{} {}", &row[0], &row[1])).collect()
}

#[test]
fn names_with_anything_in_them_are_read_in_the_order_of_the_list() {
    let archive = Archive::new(1);
    let film = archive.at("archive/w0/IM 0.png");
    let names: [&[u8]; 4] = [b"b \n.png", b"\xff\xfe.png", b"-a*.png", b" c.png "];
    for name in names {
        fs::copy(&film, archive.at(OsStr::from_bytes(name))).unwrap();
    }
    let list = [&names.join(&0)[..], b"\0gone.png\0archive\0"].concat();
    let outcome = with_input(&archive, &["predict", "--files-from", "-", "-0"], &list);
    assert_eq!(
        paths(&outcome),
        [
            r"b \x0A.png ok",
            r"\xFF\xFE.png ok",
            "./-a*.png ok",
            " c.png  ok",
            "gone.png error",
            "archive/w0/IM 0.png ok",
        ]
    );
    assert_eq!(outcome.code, 1);
    fs::write(archive.at("list"), b" c.png \n\ngone\narchive").unwrap();
    let outcome = archive.run(&["predict", "--files-from", "list"]);
    assert_eq!(
        paths(&outcome),
        [" c.png  ok", "gone error", "archive/w0/IM 0.png ok"]
    );
    assert!(
        outcome.stderr.contains("gone: no such file"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_list_that_is_none_is_refused() {
    let archive = Archive::new(1);
    fs::write(archive.at("empty"), "\n\n").unwrap();
    for (arguments, words) in [
        (&["--files-from", "gone"][..], "gone: no such file"),
        (&["--files-from", "empty"], "names no file"),
        (&["--files-from", "archive"], "archive: is a directory"),
        (&["--files-from", "empty", "archive"], "cannot be used with"),
        (&["-0", "archive"], "--files-from"),
        (&[], "required"),
    ] {
        let outcome = archive.run(&[&["predict"], arguments].concat());
        assert_eq!(outcome.code, 2, "{arguments:?}");
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

#[test]
fn a_pattern_that_the_shell_left_is_said_to_be_one() {
    let archive = Archive::new(1);
    let alone = archive.run(&["predict", "archive/*.dcm"]);
    assert_eq!(alone.code, 2);
    assert!(alone.stderr.contains("did not expand"), "{}", alone.stderr);
    let beside = archive.run(&["predict", "archive", "scans/[ab].png"]);
    assert_eq!(beside.code, 1);
    assert!(
        beside.stdout.contains("did not expand"),
        "{}",
        beside.stdout
    );
    let plain = archive.run(&["predict", "gone.png"]);
    assert!(!plain.stderr.contains("expand"), "{}", plain.stderr);
}

#[test]
fn a_list_is_divided_into_shards_like_a_folder() {
    let archive = Archive::new(9);
    let find = std::process::Command::new("find")
        .args(["archive", "-type", "f", "-print0"])
        .current_dir(archive.0.path())
        .output()
        .unwrap();
    fs::write(archive.at("list"), &find.stdout).unwrap();
    let mut parts = Vec::new();
    for number in 1..=3 {
        let (shard, part) = (format!("{number}/3"), format!("{number}.csv"));
        let arguments = ["predict", "--files-from", "list", "-0", "--shard", &shard];
        let outcome = archive.run(&[&arguments[..], &["-o", &part]].concat());
        assert!(outcome.code < 2, "{}", outcome.stderr);
        parts.push(part);
    }
    let merged = archive.merge(&parts, &["-o", "all.csv"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    // The table comes by name, and the list as find wrote it.
    assert_eq!(archive.rows("all.csv"), archive.rows("whole.csv"));

    // Parts of two lists are of two runs, and a part is not continued with another list.
    let names = String::from_utf8(find.stdout).unwrap();
    let (first, rest) = names.split_once('\0').unwrap();
    fs::write(archive.at("fewer"), rest).unwrap();
    fs::write(archive.at("turned"), format!("{rest}{first}\0")).unwrap();
    for list in ["fewer", "turned"] {
        let arguments = ["predict", "--files-from", list, "-0", "--shard", "2/3"];
        let resumed = archive.run(&[&arguments[..], &["-o", "2.csv", "--resume"]].concat());
        assert_eq!(resumed.code, 2, "{list}");
        assert!(
            resumed.stderr.contains("another run; list of files"),
            "{}",
            resumed.stderr
        );
        let outcome = archive.run(&[&arguments[..], &["-o", "other.csv", "--force"]].concat());
        assert!(outcome.code < 2, "{}", outcome.stderr);
        let mixed = ["1.csv", "other.csv", "3.csv"].map(str::to_owned);
        let refused = archive.merge(&mixed, &["-o", "mixed.csv"]);
        assert_eq!((refused.code, &*refused.stdout), (2, ""), "{list}");
        assert!(
            refused.stderr.contains("list of files"),
            "{}",
            refused.stderr
        );
    }
    assert!(!archive.at("mixed.csv").exists());
}
