//! `THIRD-PARTY.md` lists every crate in the program, as in `Cargo.lock`, and the other third-party work
//! in it. `CXR_WRITE_THIRD_PARTY=1 cargo test --test third_party` writes its table.

mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The platform of the table. Other platforms differ in a few crates.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
const BEGIN: &str = "<!-- crates: CXR_WRITE_THIRD_PARTY=1 cargo test --test third_party -->\n";
const END: &str = "<!-- end of crates -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Cargo's metadata, read without network access. `None` if crates for this platform were never fetched.
fn metadata() -> Option<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", PLATFORM])
        .output()
        .expect("cargo runs");
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        skip::skip(format_args!("cargo metadata of {PLATFORM}: {reason}"));
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The packages whose code is in the program. Build and test dependencies are not, nor are procedural
/// macros and their dependencies.
fn linked(metadata: &Value) -> Vec<&Value> {
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let ours = text(&metadata["resolve"]["root"]);
    let (mut seen, mut waiting) = (BTreeSet::from([ours]), vec![ours]);
    while let Some(id) = waiting.pop() {
        let normal = list(&nodes[id]["deps"]).iter().filter(|dependency| {
            let kinds = list(&dependency["dep_kinds"]);
            kinds.iter().any(|kind| kind["kind"].is_null())
        });
        for dependency in normal {
            let id = text(&dependency["pkg"]);
            if !is_macro(packages[id]) && seen.insert(id) {
                waiting.push(id);
            }
        }
    }
    // Packages of this workspace have no source.
    let packages = seen.into_iter().map(|id| packages[id]);
    let mut linked: Vec<_> = packages
        .filter(|package| !package["source"].is_null())
        .collect();
    linked.sort_by_key(|package| (text(&package["name"]), text(&package["version"])));
    linked
}

fn is_macro(package: &Value) -> bool {
    let kinds = list(&package["targets"])
        .iter()
        .flat_map(|t| list(&t["kind"]));
    kinds.into_iter().any(|kind| kind == "proc-macro")
}

/// The licence that the crate states. One crate states it only in a file.
fn licence(package: &Value) -> &str {
    match (text(&package["name"]), text(&package["license"])) {
        ("icy_sixel", "") => "MIT",
        (name, "") => panic!("{name} names no licence"),
        (_, licence) => licence,
    }
}

fn table(linked: &[&Value]) -> String {
    let row = |package: &&Value| {
        let [name, version] = ["name", "version"].map(|key| text(&package[key]));
        let source = text(&package["repository"]);
        let source = source.trim_end_matches('/');
        format!("| {name} | {version} | {} | {source} |\n", licence(package))
    };
    let rows: String = linked.iter().map(row).collect();
    format!("| crate | version | licence | source |\n|---|---|---|---|\n{rows}")
}

/// The parts of the page before, in and after the table.
fn parts(page: &str) -> [&str; 3] {
    let (before, rest) = page.split_once(BEGIN).expect("the table's beginning");
    let (table, after) = rest.split_once(END).expect("the table's end");
    [before, table, after]
}

#[test]
fn every_crate_is_listed_as_in_the_lock_file() {
    let Some(metadata) = metadata() else { return };
    let linked = linked(&metadata);
    assert!(linked.len() > 100, "only {} crates", linked.len());
    let path = root().join("THIRD-PARTY.md");
    let page = fs::read_to_string(&path).unwrap();
    let [before, named, after] = parts(&page);
    let table = table(&linked);
    if std::env::var_os("CXR_WRITE_THIRD_PARTY").is_some() {
        fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert!(
        named == table,
        "THIRD-PARTY.md is out of date: CXR_WRITE_THIRD_PARTY=1 cargo test --test third_party"
    );
}

/// A licence that requires more than attribution is explained, and its text is included.
#[test]
fn licences_with_further_duties_are_explained() {
    let Some(metadata) = metadata() else { return };
    let page = fs::read_to_string(root().join("THIRD-PARTY.md")).unwrap();
    let [before, _, after] = parts(&page);
    let prose = [before, after].concat();
    let linked = linked(&metadata);
    let has_duties = |licence: &str| licence.contains("GPL") && !licence.contains(" OR ");
    let copyleft: Vec<_> = linked
        .iter()
        .filter(|package| has_duties(licence(package)))
        .map(|package| text(&package["name"]))
        .collect();
    assert!(!copyleft.is_empty());
    for name in copyleft {
        assert!(prose.contains(&format!("`{name}`")), "{name}");
    }
    for file in ["licences/LGPL-3.0.txt", "licences/GPL-3.0.txt"] {
        assert!(prose.contains(file) && root().join(file).exists(), "{file}");
    }
}

/// The bundled models are built on third-party work, too.
#[test]
fn the_sources_of_the_weights_are_named() {
    let page = fs::read_to_string(root().join("THIRD-PARTY.md")).unwrap();
    let cards = fs::read_dir(root().join("weights")).unwrap();
    let cards = cards.map(|entry| entry.unwrap().path());
    let cards: Vec<_> = cards
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    assert!(!cards.is_empty());
    for path in cards {
        let card: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for key in ["pretrained", "licence"] {
            let stated = card[key].as_str().unwrap();
            assert!(page.contains(stated), "{} {key}: {stated}", path.display());
        }
    }
}
