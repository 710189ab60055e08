//! Modules of one folder that name each other in a circle. Such modules can only be understood and
//! changed together: they are one module, or a third one is missing below them.
//!
//! A file may name what lies below it and the public face of the folders above it. Between two siblings
//! of a folder, with all that is inside them, the arrow goes one way.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::tokens;

type Module = Vec<String>;
type Names = BTreeSet<String>;
/// For each folder, the modules that each of its modules names.
type Arrows = BTreeMap<Module, BTreeMap<String, Names>>;

/// Each circle as one line. `files` are paths below `src/` with their text; tests are left out.
pub fn circles(files: &[(String, String)]) -> Vec<String> {
    let modules: Vec<(Module, &str)> = files
        .iter()
        .map(|(place, text)| (module(place), text.as_str()))
        .filter(|(module, _)| !module.iter().any(|part| part == "tests"))
        .collect();
    let known: BTreeSet<&[String]> = modules
        .iter()
        .flat_map(|(module, _)| (1..=module.len()).map(|length| &module[..length]))
        .collect();
    let mut arrows = Arrows::new();
    for (module, text) in &modules {
        for path in paths(module, &without_tests(tokens(text))) {
            if let Some((folder, from, to)) = arrow(module, &path, &known) {
                let of_folder = arrows.entry(folder).or_default();
                of_folder.entry(from).or_default().insert(to);
            }
        }
    }
    arrows.iter().flat_map(circles_of).collect()
}

/// `tui/view/mod.rs` and `tui/view.rs` are `[tui, view]`.
fn module(place: &str) -> Module {
    let stem = place.trim_end_matches(".rs").trim_end_matches("/mod");
    stem.split('/').map(str::to_owned).collect()
}

/// The folder in which the two part, and its two modules; `None` where one is above the other.
fn arrow(
    from: &[String],
    path: &[String],
    known: &BTreeSet<&[String]>,
) -> Option<(Module, String, String)> {
    let mut lengths = (1..=path.len()).rev();
    let length = lengths.find(|&length| known.contains(&path[..length]))?;
    let to = &path[..length];
    let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (from, other) = (from.get(common)?, to.get(common)?);
    Some((to[..common].to_vec(), from.clone(), other.clone()))
}

fn circles_of((folder, arrows): (&Module, &BTreeMap<String, Names>)) -> Vec<String> {
    let mut left: BTreeSet<&String> = arrows.keys().collect();
    let mut circles = Vec::new();
    while let Some(start) = left.pop_first() {
        let ahead = reached(start, arrows);
        let in_circle = |module: &&String| reached(module, arrows).contains(start);
        let circle: BTreeSet<&String> = ahead.into_iter().filter(in_circle).collect();
        if !circle.is_empty() {
            let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
            circles.push(format!("{}: {}", folder.join("/"), names.join(", ")));
        }
        left.retain(|module| !circle.contains(module));
    }
    circles
}

/// All modules that can be reached by arrows, the start itself only in a circle.
fn reached<'a>(start: &String, arrows: &'a BTreeMap<String, Names>) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&String> = arrows.get(start).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if found.insert(module) {
            next.extend(arrows.get(module).into_iter().flatten());
        }
    }
    found
}

/// Paths from the root that begin with `crate`, `self` or `super`.
fn paths(module: &[String], tokens: &[String]) -> Vec<Module> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token == text);
    let mut paths = Vec::new();
    for start in 0..tokens.len() {
        if (start > 0 && is(start - 1, "::")) || !is(start + 1, "::") {
            continue;
        }
        let (mut base, mut at) = match tokens[start].as_str() {
            "crate" => (Vec::new(), start + 2),
            "self" => (module.to_vec(), start + 2),
            "super" => (module.to_vec(), start),
            _ => continue,
        };
        while is(at, "super") && is(at + 1, "::") {
            base.pop();
            at += 2;
        }
        paths.extend(tree(&base, tokens, &mut at));
    }
    paths
}

/// The paths of a use tree, `PATH` or `PATH::{TREE, …}`.
fn tree(base: &[String], tokens: &[String], at: &mut usize) -> Vec<Module> {
    let mut path = base.to_vec();
    while let Some(token) = tokens.get(*at) {
        if token == "{" {
            *at += 1;
            let mut all = Vec::new();
            while tokens.get(*at).is_some_and(|token| token != "}") {
                let before = *at;
                all.extend(tree(&path, tokens, at));
                // A comma, or `as` and a name.
                *at = (*at).max(before + 1);
            }
            *at += 1;
            return all;
        }
        if !token.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            break;
        }
        path.push(token.clone());
        *at += 1;
        if tokens.get(*at).is_none_or(|token| token != "::") {
            break;
        }
        *at += 1;
    }
    vec![path]
}

/// Without the items that are compiled for tests alone.
pub fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&ATTRIBUTE.map(str::to_owned)) {
            at = end_of_item(&tokens, at + ATTRIBUTE.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// After the semicolon, or the braces, that an item ends with.
fn end_of_item(tokens: &[String], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            ";" if depth == 0 => return at + 1,
            "{" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

#[test]
fn a_circle_is_found_and_arrows_one_way_are_none() {
    let files = |texts: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = texts.iter().map(|(a, b)| (a.to_string(), b.to_string()));
        owned.collect()
    };
    let one_way = files(&[
        ("a/mod.rs", "mod b; mod c; pub struct Face;"),
        (
            "a/b.rs",
            "use super::{Face, c::{self, D}}; fn f() { crate::a::c::g() }",
        ),
        (
            "a/c.rs",
            "use super::Face; #[cfg(test)] mod tests { use super::super::b::f; }",
        ),
        ("a/c/tests.rs", "use crate::a::b;"),
    ]);
    assert_eq!(circles(&one_way), [""; 0]);
    let through_a_third = files(&[
        ("a/b.rs", "use super::c::C;"),
        ("a/c.rs", "fn f() { crate::a::d::inside::g() }"),
        ("a/d/inside.rs", "use super::super::{e, b as other};"),
        ("a/e.rs", ""),
    ]);
    assert_eq!(circles(&through_a_third), ["a: b, c, d"]);
}
