//! Types that share a name: a reader of one file takes the one for the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::circles::without_tests;
use crate::tokens::tokens;

/// Each name that types of several files have, with the files. Tests are left out. One file may declare
/// a type several times, for several systems.
pub fn shared_names(files: &[(String, String)]) -> Vec<String> {
    let mut homes: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let is_test = |place: &str| place.split(['/', '.']).any(|part| part == "tests");
    for (place, text) in files.iter().filter(|(place, _)| !is_test(place)) {
        for name in types(&without_tests(tokens(text))) {
            homes.entry(name).or_default().insert(place);
        }
    }
    homes
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("{name}: {}", Vec::from_iter(files).join(", ")))
        .collect()
}

/// Names that are declared, but those of associated types, which lie in braces.
fn types(tokens: &[String]) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    for pair in tokens.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "struct" | "enum" | "trait" | "union" => names.push(pair[1].clone()),
            "type" if depth == 0 => names.push(pair[1].clone()),
            _ => {}
        }
    }
    let is_type = |name: &String| name.starts_with(char::is_uppercase);
    names.into_iter().filter(is_type).collect()
}

#[test]
fn a_shared_name_is_found() {
    let files = |texts: [(&str, &str); 2]| texts.map(|(a, b)| (a.to_owned(), b.to_owned()));
    let shared = files([
        (
            "a.rs",
            "pub struct Reader; impl Iterator for Reader { type Item = u8; }",
        ),
        (
            "b/c.rs",
            "mod inside { enum Reader { A } } trait Other { type Item; }",
        ),
    ]);
    assert_eq!(shared_names(&shared), ["Reader: a.rs, b/c.rs"]);
    let apart = files([
        ("a.rs", "#[cfg(unix)] struct A; #[cfg(not(unix))] struct A;"),
        ("b.rs", "#[cfg(test)] mod tests { struct A; }"),
    ]);
    assert_eq!(shared_names(&apart), [""; 0]);
}
