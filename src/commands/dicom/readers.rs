//! What readers said of the films, from the store.

use std::collections::HashMap;
use std::io;

use anyhow::Result;

use super::studies::Study;
use crate::cli::ObjectArguments;
use crate::commands::shared::reviews::{not_opened, store_path};
use crate::commands::shared::study::refuse_open_study;
use crate::dicom::ReaderWord;
use crate::store::{LastWord, Store};

/// The last words of all readers, by the digest of the film.
pub type Words = HashMap<String, Vec<LastWord>>;

/// The last words on these films.
///
/// # Errors
/// [`Usage`](crate::commands::shared::Usage), if there is no store; or if it cannot be read.
pub fn words(arguments: &ObjectArguments, studies: &[Study]) -> Result<Words> {
    let path = store_path(arguments.store.as_deref())?;
    let store = Store::open_read_only(&path).map_err(not_opened)?;
    refuse_open_study(&store, "dicom")?;
    let films = studies.iter().flat_map(|study| &study.films);
    let mut words: Words = films
        .map(|film| (film.header.content.to_string(), Vec::new()))
        .collect();
    store.last_words(&[], |word| {
        if let Some(known) = words.get_mut(&word.image.sha256) {
            known.push(word);
        }
        Ok::<_, io::Error>(())
    })??;
    Ok(words)
}

/// A word as a report has it. `model` is the digest of the model that the report is about.
pub fn reader_word(word: &LastWord, model: &str) -> ReaderWord {
    let seen = word.seen.pointer("/prediction/model_sha256");
    let about = match seen.and_then(|digest| digest.as_str()) {
        Some(digest) if digest == model => "the answer of this model",
        Some(_) => "the answer of another model",
        None => "no answer was on the screen",
    };
    ReaderWord {
        reviewer: word.reviewer.clone(),
        verdict: word.opinion.verdict,
        label: word.opinion.label.clone(),
        key_image: word.opinion.key_image,
        note: word.opinion.note.clone(),
        about: about.to_owned(),
        at: in_dicom(&word.last_at),
    }
}

/// `2026-01-31T12:00:00.123Z` as a date and time of DICOM (DT, PS3.5 6.2). Empty, if it is another text.
fn in_dicom(at: &str) -> String {
    let Some((date, time)) = at.strip_suffix('Z').and_then(|at| at.split_once('T')) else {
        return String::new();
    };
    let plain: String = format!("{date}{time}")
        .chars()
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    // Readers of reports disagree about parts of a second.
    let whole = plain.split('.').next().unwrap_or_default();
    if whole.len() == 14 && whole.bytes().all(|b| b.is_ascii_digit()) {
        format!("{whole}+0000")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::in_dicom;

    #[test]
    fn the_time_of_the_store_is_written_as_dicom_has_it() {
        assert_eq!(in_dicom("2026-01-31T12:00:00.123Z"), "20260131120000+0000");
        assert_eq!(in_dicom("yesterday"), "");
    }
}
