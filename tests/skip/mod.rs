//! The two ways in which a test skips what it cannot test here. The difference is whether the machine could have
//! what is missing.

#![allow(dead_code)] // Each test program uses only some of these functions.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Skips because something is missing that a test machine can have: a program, a package, the private radiographs.
/// It prints the reason to standard error, and the caller returns.
///
/// # Panics
///
/// If the environment variable `CXR_REQUIRE_ALL` is `1`: a machine that should have everything must not lose a test
/// in silence.
pub fn skip(reason: impl Display) {
    let everything_is_required = std::env::var_os("CXR_REQUIRE_ALL").is_some_and(|v| v == "1");
    assert!(!everything_is_required, "{reason}");
    eprintln!("skipped: {reason}");
}

/// Skips because of the kind of machine: its instruction set, its kernel, the rights of its user. The public corpora of
/// `CXR_CORPORA` count as well, because a test machine may have no network to fetch them.
///
/// It prints the reason to standard error and never fails. Nothing that one could install would change the outcome,
/// so a failure under `CXR_REQUIRE_ALL` would only make that variable useless on such a machine.
pub fn skip_on_this_machine(reason: impl Display) {
    eprintln!("skipped: {reason}");
}

/// The folder of the private radiographs: `CXR_DATA`, or `../shared/data` beside the project. `None`, after [`skip`],
/// if it does not hold `needed`, a path below it.
pub fn private_data(needed: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("CXR_DATA").map_or(beside, PathBuf::from);
    let path = folder.join(needed);
    if path.exists() {
        return Some(folder);
    }
    skip(format_args!(
        "no radiographs at {} (CXR_DATA names another folder)",
        path.display()
    ));
    None
}
