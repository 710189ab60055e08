//! There is one way to skip a test, and `CXR_REQUIRE_ALL=1` finds each one that need not be skipped.

mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the child process of these tests which function it calls.
const CHILD: &str = "CXR_SKIP_CHILD";

/// Not a test by itself: the child process of the tests below.
#[test]
fn child_that_skips() {
    match std::env::var(CHILD).as_deref() {
        Ok("skip") => skip::skip("no tmux"),
        Ok("skip_on_this_machine") => skip::skip_on_this_machine("no AVX-512"),
        Ok("private_data") => assert_eq!(skip::private_data("cxr"), None),
        _ => {}
    }
}

/// Calls a function in a process with this value of `CXR_REQUIRE_ALL`. Returns whether its test passed, and what it
/// wrote to standard error.
fn child(function: &str, require_all: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_that_skips", "--nocapture"]);
    command
        .env(CHILD, function)
        .env("CXR_DATA", "/no such folder");
    match require_all {
        Some(value) => command.env("CXR_REQUIRE_ALL", value),
        None => command.env_remove("CXR_REQUIRE_ALL"),
    };
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), stderr)
}

#[test]
fn a_skip_prints_its_reason_and_passes() {
    for (function, reason) in [
        ("skip", "no tmux"),
        ("skip_on_this_machine", "no AVX-512"),
        ("private_data", "no radiographs at /no such folder/cxr"),
    ] {
        for require_all in [None, Some(""), Some("0")] {
            let (passed, stderr) = child(function, require_all);
            assert!(passed, "{function}: {stderr}");
            let line = format!("skipped: {reason}");
            assert!(
                stderr.lines().any(|l| l.starts_with(&line)),
                "{function}: {stderr}"
            );
        }
    }
}

#[test]
fn what_a_machine_can_have_is_required_if_everything_is() {
    for (function, reason) in [
        ("skip", "no tmux"),
        ("private_data", "no radiographs at /no such folder/cxr"),
    ] {
        let (passed, stderr) = child(function, Some("1"));
        assert!(!passed && stderr.contains(reason), "{function}: {stderr}");
        assert!(!stderr.contains("skipped: "), "{function}: {stderr}");
    }
    let (passed, stderr) = child("skip_on_this_machine", Some("1"));
    assert!(passed && stderr.contains("skipped: no AVX-512"), "{stderr}");
}

/// Otherwise `CXR_REQUIRE_ALL=1` would miss that skip.
#[test]
fn no_test_skips_in_a_way_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = [
        root.join("tests/skip/mod.rs"),
        root.join("tests/skipping.rs"),
    ];
    let mut files = Vec::new();
    for folder in ["src", "tests", "crates"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    for path in files.iter().filter(|path| !own.contains(path)) {
        let text = fs::read_to_string(path).unwrap();
        for sign in ["\"skipped: ", "CXR_REQUIRE_ALL\""] {
            assert!(!text.contains(sign), "{} has {sign}", path.display());
        }
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
