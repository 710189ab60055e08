//! Completion of a filter that is being typed.

use super::{EXTENT, FilterTerms, OPACITY, PATH, REVIEWS, STATES, parse, quoted};

/// The completions of the last word.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// Labels first, in the card's order.
    pub candidates: Vec<String>,
    /// The text, completed as far as all candidates agree.
    pub text: String,
}

/// Completes the word at the end of `text`. `None` if there is no completion, or if the word is complete.
pub fn complete(text: &str, terms: Option<&FilterTerms>) -> Option<Completion> {
    let (start, typed) = last_word(text)?;
    let lower = typed.to_lowercase();
    let all = names(terms);
    let has_prefix = |name: &&String| name.to_lowercase().starts_with(&lower);
    let mut candidates: Vec<String> = all.iter().filter(has_prefix).cloned().collect();
    if candidates.is_empty() {
        let contains = |name: &&String| name.to_lowercase().contains(&lower);
        candidates = all.iter().filter(contains).cloned().collect();
    }
    let ending = match &candidates[..] {
        [] => return None,
        [only] if only == PATH => only.clone(),
        [only] => quoted(only),
        several => prefix(&common_prefix(several), typed),
    };
    let completed = format!("{}{ending}", &text[..start]);
    match candidates.len() {
        1 if completed == text => None,
        _ if ending.is_empty() => None,
        _ => Some(Completion {
            candidates,
            text: completed,
        }),
    }
}

fn names(terms: Option<&FilterTerms>) -> Vec<String> {
    let labels = terms.map_or(&[][..], |terms| &terms.labels);
    let severity = match terms {
        Some(terms) if terms.has_severity => &[EXTENT, OPACITY][..],
        _ => &[],
    };
    let words = severity.iter().chain(&STATES).chain(&REVIEWS);
    let labels = labels.iter().map(|(label, _)| label.clone());
    labels
        .chain(words.chain(&[PATH]).map(|word| (*word).to_owned()))
        .collect()
}

/// The start of the last word, including its quote, and the word without the quote.
fn last_word(text: &str) -> Option<(usize, &str)> {
    let quote = text.rfind('"').filter(|_| is_open(text));
    let (start, word) = match quote {
        Some(at) => (at, &text[at + 1..]),
        None => {
            let before = text
                .char_indices()
                .rev()
                .find(|(_, c)| parse::ends_a_word(*c));
            let start = before.map_or(0, |(at, c)| at + c.len_utf8());
            let word = text[start..].trim_start_matches('!');
            (text.len() - word.len(), word)
        }
    };
    let before = text[..start].trim_end();
    let is_number = before.ends_with(['<', '>', '=', '≤', '≥']);
    let is_part = parse::is_path(word) || parse::is_path(last_run(before));
    (!word.is_empty() && !is_number && !is_part).then_some((start, word))
}

/// The word right before a quote.
fn last_run(text: &str) -> &str {
    text.rsplit(parse::ends_a_word).next().unwrap_or(text)
}

/// Whether the last quote is not closed.
fn is_open(text: &str) -> bool {
    let mut open = false;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => open = !open,
            '\\' if open => drop(characters.next()),
            _ => {}
        }
    }
    open
}

/// The common prefix of all names, in the case of the first.
fn common_prefix(names: &[String]) -> String {
    let Some((first, rest)) = names.split_first() else {
        return String::new();
    };
    let same = |(i, c): &(usize, char)| {
        rest.iter().all(|name| {
            let other = name.chars().nth(*i);
            other.is_some_and(|other| other.to_lowercase().eq(c.to_lowercase()))
        })
    };
    first
        .chars()
        .enumerate()
        .take_while(same)
        .map(|(_, c)| c)
        .collect()
}

/// The common prefix, or the typed text if that is longer, in an open quote if it needs one.
fn prefix(common: &str, typed: &str) -> String {
    let is_more = common.to_lowercase().contains(&typed.to_lowercase());
    let longer = if is_more { common } else { typed };
    if longer.contains(parse::ends_a_word) {
        format!("\"{longer}")
    } else {
        longer.to_owned()
    }
}
