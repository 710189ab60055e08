//! `cxr dicom kos`: the films that readers flagged.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;

use super::maker::maker;
use super::readers::words;
use super::run::{ObjectRun, StudyObjects};
use crate::cli::KeyObjects;
use crate::commands::shared::{CommandContext, complain};
use crate::domain::SourceHeader;
use crate::imaging::content_id;

/// Digits of the digest of a reader's name in the name of a file.
const READER_DIGITS: usize = 8;

/// # Errors
/// [`Usage`](crate::commands::shared::Usage), if the options make no sense or there is no store; or if an object cannot be
/// written.
pub fn run(arguments: &KeyObjects, context: &CommandContext) -> Result<ExitCode> {
    let maker = maker(&arguments.objects, None)?;
    let run = ObjectRun::begin(&arguments.objects, context, None)?;
    let words = words(&arguments.objects, &run.studies)?;
    let mut done = StudyObjects::default();
    for study in &run.studies {
        let mut flagged: BTreeMap<&str, Vec<&SourceHeader>> = BTreeMap::new();
        for film in &study.films {
            let of_film = words.get(&film.header.content.to_string());
            let keys = of_film.into_iter().flatten();
            for word in keys.filter(|word| word.opinion.key_image) {
                let films = flagged.entry(&word.reviewer).or_default();
                films.push(&film.header);
            }
        }
        for (reader, films) in flagged {
            let digest = content_id(reader.as_bytes()).to_string();
            let digits = digest.get(..READER_DIGITS).unwrap_or_default();
            let made = maker.key_objects(&films, reader);
            let name =
                |object: &crate::dicom::MadeObject| format!("kos-{}-{digits}.dcm", object.study);
            done.take(&study.films[0].path, name, made);
        }
    }
    if done.objects.is_empty() && done.problems.is_empty() && !run.studies.is_empty() {
        complain("none of these films is flagged");
    }
    run.write(done)
}
