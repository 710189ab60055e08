//! What is known of one film, as the measurement groups of a report (TID 1501).

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::DicomError;
use super::codes::{Code, dcm, label, own, sct};
use super::content_item::{Relation, code, person, text};
use super::data_set::Fill;
use super::finding_groups::answer_groups;
use super::measurement_group::ReportedFilm;
use crate::domain::{InputCheck, ModelCard, Prediction, SourceHeader, Verdict};

/// The result for a film.
#[derive(Debug, Clone)]
pub enum FilmOutcome {
    /// The model's answer, which may be a refusal.
    Answered(Box<Prediction>),
    /// The film could not be read, for this reason.
    Failed(String),
}

/// A reader's last word on a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderWord {
    /// The name that the reader works under.
    pub reviewer: String,
    /// `None` where the reader gave none.
    pub verdict: Option<Verdict>,
    /// The label that the reader disagrees with.
    pub label: Option<String>,
    /// Whether the film was flagged.
    pub key_image: bool,
    /// Free text, which may name the patient.
    pub note: String,
    /// Which answer the verdict is about.
    pub about: String,
    /// `20260131120000+0000` (DT).
    pub at: String,
}

/// One film of a study, and all that is said of it.
#[derive(Debug, Clone)]
pub struct FilmResult {
    pub header: SourceHeader,
    pub outcome: FilmOutcome,
    pub readers: Vec<ReaderWord>,
}

/// All groups of the film: first whether the model answers it at all, then findings, then readers.
pub(super) fn film_groups(
    reported: &ReportedFilm,
    film: &FilmResult,
    card: Option<&ModelCard>,
) -> Result<Vec<InMemDicomObject>, DicomError> {
    let mut groups = vec![input_group(reported, &film.outcome)?];
    if let FilmOutcome::Answered(prediction) = &film.outcome
        && !matches!(prediction.input, InputCheck::Refused(_))
    {
        groups.extend(answer_groups(reported, prediction, card)?);
    }
    for word in &film.readers {
        groups.push(reader_group(reported, word)?);
    }
    Ok(groups)
}

fn input_group(
    reported: &ReportedFilm,
    outcome: &FilmOutcome,
) -> Result<InMemDicomObject, DicomError> {
    let (word, reasons) = match outcome {
        FilmOutcome::Failed(reason) => ("failed", std::slice::from_ref(reason)),
        FilmOutcome::Answered(prediction) => (prediction.input.word(), prediction.input.reasons()),
    };
    let mut content = Vec::new();
    if let FilmOutcome::Answered(prediction) = outcome {
        content.extend(reported.algorithm(prediction));
    }
    let name = own("input-check", "Input check");
    content.push(code(Relation::Contains, &name, &input_check(word)));
    let name = own("input-reason", "Reason of the input check");
    content.extend(
        reasons
            .iter()
            .map(|reason| text(Relation::Contains, &name, reason)),
    );
    reported.group("input check", content)
}

/// What a reader said: a group with an observer of its own (TID 1003).
fn reader_group(
    reported: &ReportedFilm,
    word: &ReaderWord,
) -> Result<InMemDicomObject, DicomError> {
    let mut content = vec![
        code(
            Relation::HasObservationContext,
            &dcm("121005", "Observer Type"),
            &dcm("121006", "Person"),
        ),
        person(
            Relation::HasObservationContext,
            &dcm("121008", "Person Observer Name"),
            &word.reviewer,
        ),
    ];
    if let Some(name) = &word.label {
        let finding = dcm("121071", "Finding");
        content.push(code(Relation::Contains, &finding, &label(name)));
    }
    let name = own("verdict", "Reader's verdict on the model's answer");
    content.push(code(Relation::Contains, &name, &verdict(word.verdict)));
    let name = own("verdict-about", "What the verdict is about");
    content.push(text(Relation::Contains, &name, &word.about));
    if word.key_image {
        let name = own("key-image", "Flagged as key image");
        content.push(code(Relation::Contains, &name, &sct("373066001", "Yes")));
    }
    if !word.note.is_empty() {
        let name = dcm("121106", "Comment");
        // A note is free text, and may name the patient.
        let note = if reported.maker.policy.copies() {
            word.note.as_str()
        } else {
            "(left out: a note may name the patient)"
        };
        content.push(text(Relation::Contains, &name, note));
    }
    let mut group = reported.group(&format!("reader {}", word.reviewer), content)?;
    if !word.at.is_empty() {
        group.text(tags::OBSERVATION_DATE_TIME, VR::DT, &word.at);
    }
    Ok(group)
}

fn input_check(word: &str) -> Code {
    match word {
        "ok" => own("input-ok", "Accepted"),
        "caution" => own("input-caution", "Accepted with reasons to doubt the scores"),
        "refused" => own("input-refused", "Refused: the model gives no scores"),
        _ => own("input-failed", "Failed: the film could not be read"),
    }
}

fn verdict(verdict: Option<Verdict>) -> Code {
    match verdict {
        Some(Verdict::Agree) => own("agree", "Agrees"),
        Some(Verdict::Disagree) => own("disagree", "Disagrees"),
        Some(Verdict::Unsure) => own("unsure", "Unsure"),
        None => own("no-verdict", "No verdict"),
    }
}
