//! Finds out which commit is built, for `cxr --version --json`.
//!
//! `CXR_COMMIT` says it where there is no repository. Otherwise git is asked, and only for what is given away: an
//! ordinary build would begin anew after each commit.

use std::env;
use std::path::Path;
use std::process::Command;

/// What the program is made of: a change in it may make the commit *dirty*.
const SOURCES: [&str; 6] = [
    "build.rs",
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "src",
    "weights",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CXR_COMMIT");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let named = env::var("CXR_COMMIT").ok();
    let commit = named
        .filter(|commit| is_commit(commit))
        .or_else(|| if is_release { head() } else { None });
    println!("cargo:rustc-env=CXR_COMMIT={}", commit.unwrap_or_default());
    let target = env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=CXR_TARGET={target}");
}

/// Whether this is the name of a commit, perhaps with `-dirty` after it: it ends up in the program.
fn is_commit(text: &str) -> bool {
    let name = text.strip_suffix("-dirty").unwrap_or(text);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The commit of this repository, with `-dirty` if what the program is made of differs from it.
fn head() -> Option<String> {
    // Where this package lies within another repository, its commit says nothing.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    // The log of HEAD grows with each commit and each checkout. The index changes also when git only reads.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        // For cargo, a file that is not there has always changed.
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = [&["status", "--porcelain", "--"], SOURCES.as_slice()].concat();
    let dirty = if git(&changed)?.is_empty() {
        ""
    } else {
        "-dirty"
    };
    Some(commit + dirty).filter(|commit| is_commit(commit))
}

/// What git prints.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
