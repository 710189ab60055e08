//! Finds out which commit is built, for `cxr --version --json`.
//!
//! `CXR_COMMIT` says it where there is no repository. Otherwise git is asked, and only for what is given away: an
//! ordinary build would begin anew after each commit.

use std::env;
use std::process::Command;

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

/// The commit of this repository, with `-dirty` if files differ from it.
fn head() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Where this package lies within another repository, its commit says nothing.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    for name in ["HEAD", "index"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        println!("cargo:rerun-if-changed={path}");
    }
    let commit = git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ])?;
    is_commit(&commit).then_some(commit)
}
