//! `cxr dicom sr`: one report a study.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::readers::{Words, reader_word};
use super::run::StudyObjects;
use super::scored::{ScoredOptions, ScoredRun};
use super::studies::StudyFilm;
use crate::cli::StructuredReport;
use crate::commands::shared::CommandContext;
use crate::dicom::{FilmOutcome, FilmResult, ObjectMaker};
use crate::domain::{Failure, ModelCard, Prediction, Radiograph};
use crate::inference::Classify;

/// # Errors
/// [`Usage`](crate::commands::shared::Usage), if the options make no sense; or if a report cannot be written.
pub fn run(arguments: &StructuredReport, context: &CommandContext) -> Result<ExitCode> {
    let options = ScoredOptions {
        objects: &arguments.objects,
        assumptions: &arguments.assumptions,
        reviews: arguments.reviews,
        jobs: arguments.jobs,
    };
    let (scored, ()) = ScoredRun::begin(&options, context, |_| Ok(()))?;
    let ScoredRun {
        classifier,
        assumed,
        maker,
        run,
        words,
    } = scored;
    let card = classifier.card();
    let look = |_: &Path, radiograph: &Radiograph| {
        let prediction = classifier.classify(radiograph).map_err(|e| e.to_string())?;
        Ok(prediction.assuming(&assumed))
    };
    let make =
        |films: Vec<(StudyFilm, Result<Prediction, Failure>)>| report(&maker, card, &words, films);
    run.films(arguments.jobs, look, make)
}

fn report(
    maker: &ObjectMaker,
    card: &ModelCard,
    words: &Words,
    films: Vec<(StudyFilm, Result<Prediction, Failure>)>,
) -> StudyObjects {
    let mut done = StudyObjects::default();
    let Some(path) = films.first().map(|(film, _)| film.path.clone()) else {
        return done;
    };
    let mut results = Vec::new();
    for (film, seen) in films {
        let outcome = match seen {
            // A report or a presentation state among the films has no result.
            Err(Failure::NoPicture(_)) => continue,
            Err(Failure::Failed(reason)) => {
                done.failed(&film.path, &reason);
                FilmOutcome::Failed(reason)
            }
            Ok(prediction) => {
                done.counts.count(Some(&prediction));
                FilmOutcome::Answered(Box::new(prediction))
            }
        };
        let of_film = words.get(&film.header.content.to_string());
        let readers = of_film.into_iter().flatten();
        results.push(FilmResult {
            readers: readers
                .map(|word| reader_word(word, &card.sha256))
                .collect(),
            header: film.header,
            outcome,
        });
    }
    if !results.is_empty() {
        let made = maker.measurement_report(&results, Some(card));
        done.take(&path, |object| format!("sr-{}.dcm", object.study), made);
    }
    done
}
