//! The words that a filter being typed may go on with.

use super::{EXTENT, FilterTerms, OPACITY, PATH, REVIEWS, STATES, parse, quoted};

/// What the last word of a text may become.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// Labels first, in the card's order.
    pub candidates: Vec<String>,
    /// The text as far as it is certain.
    pub text: String,
}

/// Of the word at the end of `text`; `None` where that is none that has a name, or is complete.
pub fn complete(text: &str, terms: Option<&FilterTerms>) -> Option<Completion> {
    let (start, typed) = last_word(text)?;
    let lower = typed.to_lowercase();
    let all = names(terms);
    let begin_so = |name: &&String| name.to_lowercase().starts_with(&lower);
    let mut candidates: Vec<String> = all.iter().filter(begin_so).cloned().collect();
    if candidates.is_empty() {
        let has_it = |name: &&String| name.to_lowercase().contains(&lower);
        candidates = all.iter().filter(has_it).cloned().collect();
    }
    let ending = match &candidates[..] {
        [] => return None,
        [only] if only == PATH => only.clone(),
        [only] => quoted(only),
        several => beginning(&common_beginning(several), typed),
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

/// Where the word at the end begins, its quote included, and the word without the quote.
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

/// The word before a quote that begins right after it.
fn last_run(text: &str) -> &str {
    text.rsplit(parse::ends_a_word).next().unwrap_or(text)
}

/// Whether a quote at the end is not closed.
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

/// What all begin with, whatever the case.
fn common_beginning(names: &[String]) -> String {
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

/// What is certain of several, in an open quote where it takes one; never less than was typed.
fn beginning(certain: &str, typed: &str) -> String {
    let is_more = certain.to_lowercase().contains(&typed.to_lowercase());
    let longer = if is_more { certain } else { typed };
    match longer.contains(parse::ends_a_word) {
        true => format!("\"{longer}"),
        false => longer.to_owned(),
    }
}
