//! `cxr dicom sc`: each film as a picture, and the window in which it was shown, with the readers' marks.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::readers::Words;
use super::run::StudyObjects;
use super::scored::{ScoredOptions, ScoredRun};
use super::studies::StudyFilm;
use crate::cli::SecondaryCapture;
use crate::commands::shared::{CommandContext, Usage, heat_map_label};
use crate::dicom::{
    Capture, ObjectMaker, PresentedFilm, PresentedVoi, SeriesPlace, has_burned_in_text,
    stated_transform,
};
use crate::domain::{
    Failure, HeatMapChoice, HeatMapLegend, HeatMapSubject, InputCheck, ModelCard, Prediction,
    Radiograph, Samples, ShownPart, VoiFunction, WindowLevel,
};
use crate::imaging::{StillPicture, VoiLut, content_id};
use crate::inference::Classify;
use crate::store::LastWord;

/// The longest side of a picture, in pixels.
const SIDE: usize = 1024;
/// Digits of the digest of a reader's name in the name of a file.
const READER_DIGITS: usize = 4;

/// Why a film has no presentation state.
const BAD_RESCALE: &str =
    "its Rescale Slope or Intercept is not written as DICOM has it: no presentation state of it";

/// What is seen of a film.
struct SeenFilm {
    capture: Capture,
    shown: Option<PresentedFilm>,
    /// Whether its samples are in floating point, and perhaps not the stored values.
    is_float: bool,
    prediction: Prediction,
}

/// # Errors
/// [`Usage`], if the options make no sense; or if an object cannot be written.
pub fn run(arguments: &SecondaryCapture, context: &CommandContext) -> Result<ExitCode> {
    let options = ScoredOptions {
        objects: &arguments.objects,
        assumptions: &arguments.assumptions,
        reviews: arguments.reviews,
        jobs: arguments.jobs,
    };
    let (scored, choice) = ScoredRun::begin(&options, context, |card| choice(arguments, card))?;
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
        let map = prediction.shown_heat_map(&choice);
        let still = StillPicture::new(radiograph, map, SIDE);
        let prediction = prediction.assuming(&assumed);
        let (picture, legend) = match still.mapped {
            Some((picture, legend)) => (picture, Some(legend)),
            None => (still.plain, None),
        };
        Ok(SeenFilm {
            capture: Capture {
                lines: lines(&prediction, legend.as_ref(), card),
                picture,
                legend,
            },
            shown: shown(radiograph),
            is_float: matches!(radiograph.samples, Samples::GreyF32(_)),
            prediction,
        })
    };
    let make = |films: Vec<(StudyFilm, Result<SeenFilm, Failure>)>| captures(&maker, &words, films);
    run.films(arguments.jobs, look, make)
}

fn choice(arguments: &SecondaryCapture, card: &ModelCard) -> Result<HeatMapChoice> {
    match &arguments.heatmap_label {
        None => Ok(HeatMapChoice::Foremost),
        Some(_) if !card.has_heat_maps() => {
            Err(Usage::error("--heatmap-label: no heat map for this model"))
        }
        Some(name) => heat_map_label(name, card).map(HeatMapChoice::Label),
    }
}

fn captures(
    maker: &ObjectMaker,
    words: &Words,
    films: Vec<(StudyFilm, Result<SeenFilm, Failure>)>,
) -> StudyObjects {
    let mut done = StudyObjects::default();
    let Some(path) = films.first().map(|(film, _)| film.path.clone()) else {
        return done;
    };
    let series = maker.new_series().and_then(|captures| {
        let states = maker.new_series()?;
        Ok((captures, states))
    });
    let (mut captures, mut states) = match series {
        Ok(both) => both,
        Err(error) => {
            done.problem(&path, &error.to_string());
            return done;
        }
    };
    for (film, seen) in films {
        match seen {
            Err(Failure::NoPicture(_)) => {}
            Err(Failure::Failed(reason)) => {
                done.failed(&film.path, &reason);
            }
            Ok(seen) => {
                done.counts.count(Some(&seen.prediction));
                capture(maker, &film, &seen.capture, &mut captures, &mut done);
                let of_film = words.get(&film.header.content.to_string());
                let readers = of_film.map_or(&[][..], Vec::as_slice);
                let Some(mut shown) = seen.shown else {
                    continue;
                };
                if seen.is_float {
                    let Some(stated) = stated_transform(&film.header) else {
                        done.problem(&film.path, BAD_RESCALE);
                        continue;
                    };
                    shown.transform = stated;
                }
                present(maker, &film, &shown, readers, &mut states, &mut done);
            }
        }
    }
    done
}

fn capture(
    maker: &ObjectMaker,
    film: &StudyFilm,
    capture: &Capture,
    place: &mut SeriesPlace,
    done: &mut StudyObjects,
) {
    if !maker.policy.copies() && has_burned_in_text(&film.header) {
        let reason = "its header says that text is burned into the picture, which may name the patient: no capture of \
                      it without --with-patient";
        done.problem(&film.path, reason);
        return;
    }
    let made = maker.secondary_capture(&film.header, capture, place);
    let name = instance(maker, film);
    done.take(&film.path, |_| format!("sc-{name}.dcm"), made);
    place.number += 1;
}

/// The film's identifier in the objects.
fn instance(maker: &ObjectMaker, film: &StudyFilm) -> String {
    let evidence = maker.evidence(&film.header);
    evidence.map_or_else(|_| "unknown".to_owned(), |evidence| evidence.instance)
}

/// The window in which cxr first shows the film, and those of the readers with their marks.
fn present(
    maker: &ObjectMaker,
    film: &StudyFilm,
    shown: &PresentedFilm,
    readers: &[LastWord],
    place: &mut SeriesPlace,
    done: &mut StudyObjects,
) {
    let name = instance(maker, film);
    let mut put = |name: String, shown: &PresentedFilm| {
        let made = maker.presentation_state(&film.header, shown, place);
        done.take(&film.path, |_| name, made);
        place.number += 1;
    };
    put(format!("gsps-{name}.dcm"), shown);
    for word in readers {
        if let Some(of_reader) = shown_to(word, shown) {
            let digest = content_id(word.reviewer.as_bytes()).to_string();
            let digits = digest.get(..2 * READER_DIGITS).unwrap_or_default();
            put(format!("gsps-{name}-{digits}.dcm"), &of_reader);
        }
    }
}

/// How a reader had the film on the screen at the last word, with the marks that stand then; `None` if no picture of it
/// was there, and there are no marks.
fn shown_to(word: &LastWord, first: &PresentedFilm) -> Option<PresentedFilm> {
    let marks = word.opinion.marks.clone();
    let view = match viewed(word, first) {
        // Marks that stand after an undo from elsewhere.
        None if !marks.is_empty() => first.clone(),
        view => view?,
    };
    Some(PresentedFilm {
        marks,
        reader: Some(word.reviewer.clone()),
        ..view
    })
}

/// What was on the reader's screen at the last word; `None` if no picture of the film was there.
fn viewed(word: &LastWord, first: &PresentedFilm) -> Option<PresentedFilm> {
    let number = |name: &str| word.seen.pointer(name)?.as_f64();
    let centre = number("/window/centre")?;
    let width = number("/window/width").filter(|width| *width > 0.0)?;
    let inverted = word.seen["inverted"].as_bool().unwrap_or(false);
    // The log holds two numbers, also where a table was shown.
    let voi = if first.voi.centre_width() == (centre, width) {
        first.voi.clone()
    } else {
        // What a reader sets is exact; tables and curves come from the file only.
        PresentedVoi::Window(WindowLevel {
            centre,
            width,
            function: VoiFunction::LinearExact,
            explanation: None,
        })
    };
    Some(PresentedFilm {
        voi,
        inverted: first.inverted != inverted,
        part: part(word),
        ..first.clone()
    })
}

/// The part of the film that was on the reader's screen; `None` for the whole of it, and in reviews of versions that did
/// not note it.
fn part(word: &LastWord) -> Option<ShownPart> {
    let side = |name: &str| word.seen["part"][name].as_f64();
    Some(ShownPart {
        left: side("left")?,
        top: side("top")?,
        right: side("right")?,
        bottom: side("bottom")?,
    })
}

/// How cxr first shows a film; `None` for one in colours.
fn shown(radiograph: &Radiograph) -> Option<PresentedFilm> {
    if radiograph.samples.channels() != 1 {
        return None;
    }
    let voi = VoiLut::of(radiograph);
    let voi = match (voi.window_level(), voi.table()) {
        (Some(window), _) => PresentedVoi::Window(window.clone()),
        (None, table) => PresentedVoi::Table(table?.clone()),
    };
    Some(PresentedFilm {
        transform: radiograph.modality_transform.clone(),
        voi,
        inverted: radiograph.inverted,
        size: (radiograph.width, radiograph.height),
        pixel_aspect: radiograph.pixel_aspect,
        part: None,
        marks: Vec::new(),
        reader: None,
    })
}

/// What is burned in below the picture. Nothing of it is the patient's.
fn lines(prediction: &Prediction, legend: Option<&HeatMapLegend>, card: &ModelCard) -> Vec<String> {
    let mut lines: Vec<String> = legend.map(legend_line).into_iter().collect();
    let check = &prediction.input;
    let reasons = check.reasons().join("; ");
    match check {
        InputCheck::Accepted => lines.push("Input check: ok".to_owned()),
        InputCheck::Caution(_) => lines.push(format!("Input check: caution: {reasons}")),
        InputCheck::Refused(_) => lines.push(format!("Input check: refused: {reasons}")),
    }
    if !matches!(check, InputCheck::Refused(_)) {
        let alone = prediction.alone(Some(card));
        lines.extend(alone.iter().map(|(name, finding)| {
            let told = finding.filter(|finding| !prediction.is_denied(finding));
            let Some(finding) = told else {
                return format!("{name}: can't tell");
            };
            let words = prediction.shown_words(finding);
            let kind = finding.score.kind.word();
            let side = match finding.is_positive() {
                Some(true) => ", at or above its point",
                Some(false) => ", below its point",
                None => "",
            };
            format!("{name}: {kind} {words}{side}")
        }));
    }
    let digest = prediction.model_sha256.get(..16).unwrap_or_default();
    let (name, version) = (&card.name, &card.version);
    lines.push(format!(
        "Model {name} {version}, weights {digest}; cxr {}",
        env!("CARGO_PKG_VERSION")
    ));
    lines
}

fn legend_line(legend: &HeatMapLegend) -> String {
    let range = legend.range;
    match &legend.subject {
        HeatMapSubject::Label(label) => format!(
            "Heat map {}: left against it, right for it, up to {range:.2} logits. Where, not how likely.",
            label.name()
        ),
        HeatMapSubject::Difference(first, second) => format!(
            "Heat map {} - {}: up to {range:.2} logits. Where, not how likely.",
            first.name(),
            second.name()
        ),
        HeatMapSubject::Attention => format!(
            "Attention rollout, up to {range:.1} times the average: no evidence for or against a finding."
        ),
        HeatMapSubject::Lungs => "Outline of the lungs.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{
        FilmScale, ImageIdentity, Lut, Mark, MarkKind, MarkPoint, Opinion, PixelTransform, Rescale,
        Uids,
    };

    fn first() -> PresentedFilm {
        PresentedFilm {
            transform: PixelTransform::Linear(Rescale::default()),
            voi: PresentedVoi::Window(WindowLevel {
                centre: 1024.0,
                width: 2048.0,
                function: VoiFunction::Linear,
                explanation: None,
            }),
            inverted: false,
            size: (768, 700),
            pixel_aspect: 1.0,
            part: None,
            marks: Vec::new(),
            reader: None,
        }
    }

    fn word(marks: &[Mark], seen: Value) -> LastWord {
        LastWord {
            image: ImageIdentity {
                sha256: String::new(),
                path: "film.dcm".into(),
                uids: Uids::default(),
                patient_id: None,
            },
            reviewer: "ann".to_owned(),
            opinion: Opinion {
                marks: marks.to_vec(),
                ..Opinion::default()
            },
            first_at: String::new(),
            last_at: String::new(),
            entries: 1,
            seen,
            answer: None,
            program: String::new(),
        }
    }

    #[test]
    fn marks_need_no_picture_at_the_last_word() {
        let point = vec![MarkPoint::at(1.0, 2.0)];
        let marks = [Mark::new(MarkKind::Point, point, FilmScale::PIXELS).unwrap()];
        let window = json!({ "window": { "centre": 5.0, "width": 7.0 }, "inverted": true });
        let (first, reader) = (first(), Some("ann".to_owned()));
        let seen = shown_to(&word(&marks, window.clone()), &first).unwrap();
        assert!(seen.inverted);
        assert_eq!(seen.marks, marks);
        assert_eq!(seen.reader, reader);
        let unseen = shown_to(&word(&marks, json!({})), &first).unwrap();
        let expected = PresentedFilm {
            marks: marks.to_vec(),
            reader,
            ..first.clone()
        };
        assert_eq!(unseen, expected);
        let unmarked = shown_to(&word(&[], window), &first).unwrap();
        assert!(unmarked.marks.is_empty());
        assert_eq!(shown_to(&word(&[], json!({})), &first), None);
    }

    #[test]
    fn a_view_that_was_not_changed_has_the_table_of_the_film() {
        let first = PresentedFilm {
            voi: PresentedVoi::Table(Lut {
                first_input: -24,
                entries: vec![0, 3, 9, 200],
                bits: 8,
                explanation: None,
            }),
            ..first()
        };
        let voi = |centre: f64, width: f64| {
            let window = json!({ "window": { "centre": centre, "width": width } });
            viewed(&word(&[], window), &first).unwrap().voi
        };
        assert_eq!(voi(-22.0, 4.0), first.voi);
        let PresentedVoi::Window(window) = voi(-22.0, 5.0) else {
            panic!("the table in place of a reader's window");
        };
        assert_eq!((window.centre, window.width), (-22.0, 5.0));
        assert_eq!(window.function, VoiFunction::LinearExact);
    }
}
