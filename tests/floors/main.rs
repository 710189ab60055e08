//! The house of the design has floors, and arrows point down only. This reads the source, not the
//! compiled program, and fails where a floor names one that it may not see, or a foreign crate that
//! belongs to another floor; where modules of a folder stand in a circle; and where two types share a name.

mod circles;
mod names;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use circles::circles;
use names::shared_names;
use tokens::tokens;

/// A floor, and the floors that it may name. The first part of a file's path below `src/` is its
/// floor: `tui/view/help.rs` is on `tui`.
const SEES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    // Files that are there whole or not at all.
    ("atomic_file", &[]),
    // Files that only one process at a time may have.
    ("locked_file", &[]),
    // No process is started while this one stops.
    ("starting", &[]),
    // Paths in, bytes out: what the bytes are is for others.
    ("sources", &["domain"]),
    // DICOM as bytes: what the elements mean is for others.
    ("data_elements", &[]),
    (
        "imaging",
        &["data_elements", "domain", "sources", "starting"],
    ),
    ("inference", &["atomic_file", "domain", "imaging"]),
    // Files in, tensors out: which network they belong to is for others.
    ("checkpoint", &["domain"]),
    (
        "model_library",
        &["atomic_file", "domain", "inference", "locked_file"],
    ),
    ("library", &["imaging", "sources"]),
    // Numbers in, numbers out: no image, no network, no screen.
    ("evaluation", &["domain"]),
    ("adaptation", &["domain", "evaluation"]),
    ("export", &["domain"]),
    // Objects out: no image is decoded there, and nothing is sent.
    ("dicom", &["domain"]),
    ("store", &["domain"]),
    // Texts in, lists out: nothing is opened there.
    ("study", &["domain"]),
    // DICOM's own protocol: objects in and out, as bytes.
    ("dimse", &["data_elements", "domain", "locked_file"]),
    // The answers that models gave before.
    ("predictions", &["domain", "store"]),
    ("worker", &["domain", "imaging", "inference", "predictions"]),
    // Pixels, yes; never a tensor.
    ("tui", &["domain", "library", "starting", "store", "worker"]),
    ("cli", &[]),
    // Where a redirect leads.
    ("web", &["domain"]),
    // A client of servers: no screen and no decoder.
    (
        "dicomweb",
        &[
            "atomic_file",
            "data_elements",
            "domain",
            "sources",
            "starting",
            "web",
        ],
    ),
    // Its keys are options, and their values are read alike.
    ("config", &["cli", "domain"]),
    (
        "commands",
        &[
            "adaptation",
            "atomic_file",
            "checkpoint",
            "cli",
            "config",
            "dicom",
            "dicomweb",
            "dimse",
            "domain",
            "evaluation",
            "export",
            "imaging",
            "inference",
            "library",
            "locked_file",
            "model_library",
            "predictions",
            "sources",
            "store",
            "study",
            "tui",
            "web",
            "worker",
        ],
    ),
    // Beside the house: a door to every parser of what others wrote. No floor names it.
    (
        "fuzzing",
        &[
            "checkpoint",
            "config",
            "dicomweb",
            "dimse",
            "domain",
            "evaluation",
            "export",
            "imaging",
            "inference",
            "sources",
            "store",
            "study",
            "tui",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli", "commands", "inference"]),
];

/// The beginning of a crate's name, and the only places that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["commands", "main"]),
    ("candle_", &["inference"]),
    ("clap", &["cli", "commands", "config"]),
    ("crossterm", &["tui"]),
    ("csv", &["evaluation", "export", "study"]),
    ("cxr_kernels", &["inference"]),
    ("dicom_", &["data_elements", "dicom", "dimse", "imaging"]),
    ("fax", &["imaging/raster/tiff"]),
    ("font8x8", &["dicom/bitmap_text"]),
    ("getrandom", &["dicom", "imaging/decoder"]),
    ("gif", &["imaging/raster/gif"]),
    (
        "half",
        &["checkpoint", "imaging/raster/tiff", "inference/weights"],
    ),
    ("hdf5_reader", &["checkpoint"]),
    ("hmac", &["dicom/pseudonym"]),
    ("icy_sixel", &["tui/preview"]),
    // viuer takes its pictures as this crate's, so the place that calls viuer makes them.
    ("image", &["imaging", "tui/preview"]),
    ("indicatif", &["commands"]),
    ("jpeg2k", &["imaging"]),
    ("landlock", &["imaging/decoder"]),
    ("libc", &["imaging/decoder"]),
    ("libjpeg_turbo_rs", &["imaging"]),
    ("png", &["imaging"]),
    ("libm", &["evaluation"]),
    (
        "memmap2",
        &[
            "imaging/decoder",
            "inference/model_file",
            "inference/weights",
        ],
    ),
    ("miniz_oxide", &["sources/archive"]),
    ("notify", &["library"]),
    ("parquet", &["export/columnar"]),
    ("plotters", &["evaluation/plots"]),
    ("ratatui", &["tui"]),
    (
        "rayon",
        &["commands/shared/batch/in_order.rs", "evaluation", "worker"],
    ),
    ("rusqlite", &["store"]),
    ("ruzstd", &["imaging/raster/tiff"]),
    ("safetensors", &["checkpoint", "inference"]),
    ("seccompiler", &["imaging/decoder"]),
    ("sha1", &["commands/models"]),
    ("signal_hook", &["commands", "tui"]),
    ("tar", &["sources/archive"]),
    ("time", &["commands/shared/date"]),
    // What uses the network by HTTP.
    ("ureq", &["commands/models", "dicomweb", "web"]),
    ("viuer", &["tui/preview"]),
    ("walkdir", &["library"]),
    ("weezl", &["imaging/raster/tiff"]),
    ("zip", &["checkpoint", "sources/archive"]),
];

/// Words of the standard library that a floor may not use.
const WORDS: [(&str, &[&str]); 2] = [
    // Channels are the worker's business; files of results are commands'.
    (
        "inference",
        &["mpsc", "stdout", "stderr", "println", "eprintln"],
    ),
    (
        "domain",
        &["mpsc", "fs", "stdout", "stderr", "println", "eprintln"],
    ),
];

/// Who in `commands` may write to the terminal: the doors for text that was cleaned, and what writes
/// tables whose cells are clean and bars that name nothing.
const DOORS: [(&str, &[&str]); 4] = [
    (
        "stdout",
        &[
            "commands/shared/print.rs",
            // Whether it is there at all.
            "commands/shared/standard_output.rs",
            "commands/export/mod.rs",
            "commands/predict/destination.rs",
        ],
    ),
    (
        "stderr",
        &[
            "commands/shared/print.rs",
            "commands/shared/batch/progress.rs",
            // Asks whether it is a terminal.
            "commands/predict/mod.rs",
        ],
    ),
    ("println", &[]),
    ("eprintln", &[]),
];

#[test]
fn every_arrow_points_down() {
    let files = sources();
    assert!(files.len() > 20, "only {} files found", files.len());
    let dependencies = dependencies();
    let faults: Vec<_> = files
        .iter()
        .flat_map(|(place, text)| faults(place, text, &dependencies))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_modules_of_a_folder_stand_in_a_circle() {
    // `fuzzing` is beside the house.
    let is_inside = |(place, _): &(String, String)| !place.starts_with("fuzzing");
    let files: Vec<_> = sources().into_iter().filter(is_inside).collect();
    let circles = circles(&files);
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn no_two_types_share_a_name() {
    let shared = shared_names(&sources());
    assert!(shared.is_empty(), "\n{}", shared.join("\n"));
}

#[test]
fn the_checker_sees_what_is_forbidden() {
    for (place, line) in [
        ("domain/finding.rs", "use crate::imaging::open;"),
        ("domain/finding.rs", "use serde::Serialize;"),
        ("domain/finding.rs", "#[derive(serde::Serialize)] struct A;"),
        ("imaging/mod.rs", "use crate::inference;"),
        (
            "imaging/mod.rs",
            "use crate::{domain::Radiograph, inference::Classify};",
        ),
        ("imaging/mod.rs", "fn f() { crate::tui::run() }"),
        ("imaging/mod.rs", "use super::inference;"),
        (
            "imaging/dicom/mod.rs",
            "use super::super::inference::Classifier;",
        ),
        (
            "imaging/dicom/attributes.rs",
            "use super::super::super::worker;",
        ),
        ("inference/mod.rs", "use std::sync::mpsc;"),
        (
            "inference/mod.rs",
            "fn f() { csv::Writer::from_writer(vec![]); }",
        ),
        ("inference/mod.rs", "use ratatui::style::Color;"),
        ("worker.rs", "use candle_core::Tensor;"),
        ("evaluation/mod.rs", "use crate::inference::Classifier;"),
        ("evaluation/tables.rs", "use plotters::prelude::WHITE;"),
        (
            "worker/latest_slot.rs",
            "use {candle_core::Tensor, std::io};",
        ),
        ("tui/view/help.rs", "use image::DynamicImage;"),
        ("tui/view/help.rs", "use viuer::Config;"),
        (
            "tui/update.rs",
            "let x = crate::inference::Classifier::bundled();",
        ),
        ("commands/predict/mod.rs", "use ratatui::Frame;"),
        ("commands/predict/mod.rs", "use dicom_object::open_file;"),
        ("store/mod.rs", "use crate::export::Cell;"),
        ("tui/mod.rs", "use rusqlite::Connection;"),
        ("main.rs", "use cxr::tui;"),
        ("main.rs", "use cxr::{commands, worker};"),
        (
            "commands/models/mod.rs",
            "fn f() { std::io::stdout().write_all(b\"\"); }",
        ),
        ("commands/doctor.rs", "fn f(t: &str) { println!(\"{t}\") }"),
        ("cellar.rs", "fn f() {}"),
    ] {
        assert_eq!(
            faults(place, line, &dependencies()).len(),
            1,
            "{place}: {line}"
        );
    }
}

#[test]
fn the_checker_lets_pass_what_is_allowed() {
    for (place, line) in [
        (
            "domain/prediction.rs",
            "use super::finding::Finding; use std::fmt;",
        ),
        (
            "domain/radiograph.rs",
            "/// what the eye sees (`crate::imaging::VoiLut`), serde::Serialize",
        ),
        (
            "domain/radiograph.rs",
            "/* crate::tui /* nested */ crate::tui */ fn f<'a>(c: &'a str) {}",
        ),
        (
            "domain/radiograph.rs",
            r##"const A: &str = "crate::tui"; const B: &str = r#"" crate::tui"#;"##,
        ),
        (
            "domain/radiograph.rs",
            r#"const A: char = '"'; const B: char = '\''; // crate::tui"#,
        ),
        (
            "imaging/mod.rs",
            "use crate::domain::{Radiograph, text}; use image::ImageFormat;",
        ),
        (
            "imaging/dicom/mod.rs",
            "use super::super::inflate; use crate::imaging::Fault;",
        ),
        ("tui/update.rs", "mod image; fn f() { image::zoom() }"),
        (
            "tui/preview/pixels.rs",
            "fn f(p: image::RgbImage) { viuer::print(&p) }",
        ),
        (
            "export.rs",
            "use crate::domain::ModelCard; use csv::Writer;",
        ),
        (
            "main.rs",
            "use cxr::cli::Cli; use cxr::{commands, inference};",
        ),
    ] {
        assert_eq!(
            faults(place, line, &dependencies()),
            [""; 0],
            "{place}: {line}"
        );
    }
}

/// Everything that a file below `src/` names and should not.
fn faults(place: &str, text: &str, dependencies: &[String]) -> Vec<String> {
    let floor = place.split(['/', '.']).next().unwrap_or_default();
    let Some((_, seen)) = SEES.iter().find(|(name, _)| *name == floor) else {
        return vec![format!(
            "{place}: {floor} is not a floor; give it a line in {}",
            file!()
        )];
    };
    let tokens = tokens(text);
    let upward = floors_named(&tokens, depth(place))
        .into_iter()
        .filter(|named| *named != floor && !seen.contains(&named.as_str()))
        .map(|named| format!("{place}: {floor} may not see {named}"));
    let foreign = crates_named(&tokens, dependencies)
        .into_iter()
        .filter(|named| floor == "domain" || !is_home(place, named))
        .map(|named| format!("{place}: {named} does not belong here"));
    let forbidden = WORDS
        .iter()
        .filter(|(name, _)| *name == floor)
        .flat_map(|(_, words)| *words);
    let words = forbidden
        .filter(|word| tokens.iter().any(|token| token == *word))
        .map(|word| format!("{place}: {floor} may not use {word}"));
    let doors = DOORS
        .iter()
        .filter(|(word, doors)| {
            floor == "commands" && !doors.contains(&place) && tokens.iter().any(|t| t == word)
        })
        .map(|(word, _)| format!("{place}: {word} is for {}", DOORS[0].1[0]));
    upward.chain(foreign).chain(words).chain(doors).collect()
}

fn is_home(place: &str, name: &str) -> bool {
    let homes = HOMES
        .iter()
        .find(|(crate_name, _)| name.starts_with(crate_name));
    homes.is_none_or(|(_, homes)| homes.iter().any(|home| place.starts_with(home)))
}

/// How many modules a file is below the root: `tui.rs` and `tui/mod.rs` 1, `tui/view.rs` 2.
fn depth(place: &str) -> usize {
    let parts = place.split('/').count();
    if place.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// Floors that are named from the root: `crate::x`, `cxr::x`, and enough `super::`s.
fn floors_named(tokens: &[String], depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    for start in 0..tokens.len() {
        if start > 0 && tokens[start - 1] == "::" {
            continue;
        }
        let supers = tokens[start..]
            .chunks(2)
            .take_while(|pair| pair.len() == 2 && pair[0] == "super" && pair[1] == "::")
            .count();
        let after = match tokens[start].as_str() {
            "crate" | "cxr" if tokens.get(start + 1).is_some_and(|t| t == "::") => start + 2,
            "super" if supers >= depth => start + 2 * supers,
            _ => continue,
        };
        named.extend(
            heads(&tokens[after..])
                .into_iter()
                .filter(|head| is_floor(head)),
        );
    }
    named.sort();
    named.dedup();
    named
}

fn is_floor(name: &str) -> bool {
    SEES.iter().any(|(floor, _)| *floor == name)
}

/// The first names of a path, or of each path of a group in braces.
fn heads(tokens: &[String]) -> Vec<String> {
    if tokens.first().is_none_or(|token| token != "{") {
        return tokens.first().cloned().into_iter().collect();
    }
    let (mut depth, mut heads) = (0, Vec::new());
    for pair in tokens.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (pair[0] == "{" || pair[0] == ",") {
            heads.push(pair[1].clone());
        }
    }
    heads
}

/// Dependencies that a path begins with, save where a module of the file has the same name.
fn crates_named(tokens: &[String], dependencies: &[String]) -> Vec<String> {
    let is = |index: usize, text: &str| tokens.get(index).is_some_and(|token| token == text);
    let mut named: Vec<String> = (0..tokens.len())
        .filter(|&i| is(i + 1, "::") || (i > 0 && is(i - 1, "use")))
        .filter(|&i| i == 0 || !is(i - 1, "::"))
        .map(|i| tokens[i].clone())
        .filter(|name| dependencies.contains(name))
        .filter(|name| {
            !tokens
                .windows(2)
                .any(|pair| pair[0] == "mod" && pair[1] == *name)
        })
        .collect();
    named.sort();
    named.dedup();
    named
}

/// Every Rust file below `src/`: its path there, and its text.
fn sources() -> Vec<(String, String)> {
    let root = root().join("src");
    walkdir::WalkDir::new(&root)
        .follow_links(true)
        .into_iter()
        .map(|entry| entry.expect("src/ is readable").into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let place = path
                .strip_prefix(&root)
                .expect("below src/")
                .display()
                .to_string();
            (
                place,
                fs::read_to_string(&path).expect("a source file is readable"),
            )
        })
        .collect()
}

/// The crates of `[dependencies]`, and of those of one system, as the source spells them.
fn dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is readable");
    let manifest: toml::Table = manifest.parse().expect("Cargo.toml is TOML");
    let systems = manifest["target"].as_table().expect("a table").values();
    let tables = systems.map(|system| &system["dependencies"]);
    tables
        .chain([&manifest["dependencies"]])
        .flat_map(|table| table.as_table().expect("a table").keys())
        .map(|name| name.replace('-', "_"))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
