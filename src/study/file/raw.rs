//! The file as TOML has it, and what it may say.

use std::collections::HashSet;
use std::path::{Component, PathBuf};

use serde::Deserialize;

use super::LocalisationTask;
use super::{
    FORMAT, FirstMode, HiddenFacts, LONGEST_NAME, LONGEST_WASHOUT, MOST_QUESTIONS, MOST_READERS,
    PinnedFile, RatingScale, ReferenceFile, StudyDesign, StudyFault, StudyFile, is_reader_name,
};
use crate::domain::text::clean;
use crate::domain::{LocalisationFigure, LocalisationRule, thousandths};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStudy {
    format: u32,
    name: String,
    design: String,
    seed: i64,
    #[serde(default)]
    washout_days: Option<i64>,
    #[serde(default)]
    first: Option<String>,
    #[serde(default)]
    hide: Vec<String>,
    #[serde(default)]
    rating: Option<String>,
    questions: Vec<String>,
    readers: Vec<String>,
    #[serde(default)]
    adjudicators: Vec<String>,
    #[serde(default)]
    readers_per_case: Option<i64>,
    model_sha256: String,
    store: PathBuf,
    cases: RawPinned,
    #[serde(default)]
    reference: Option<RawReference>,
    #[serde(default)]
    localisation: Option<RawLocalisation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPinned {
    file: PathBuf,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReference {
    file: PathBuf,
    sha256: String,
    #[serde(default)]
    label_columns: Vec<String>,
    #[serde(default)]
    path_column: Option<String>,
    #[serde(default)]
    patient_column: Option<String>,
    #[serde(default)]
    root: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLocalisation {
    question: String,
    #[serde(default)]
    boxes_column: Option<String>,
    rule: String,
    #[serde(default)]
    limit: Option<f64>,
    #[serde(default)]
    figure: Option<String>,
}

fn fault(key: &'static str, reason: impl AsRef<str>) -> StudyFault {
    StudyFault::Value {
        key,
        reason: clean(reason.as_ref()),
    }
}

impl RawStudy {
    pub fn checked(self) -> Result<StudyFile, StudyFault> {
        if self.format != FORMAT {
            return Err(fault(
                "format",
                format!(
                    "{} is not known to this version, which knows {FORMAT}",
                    self.format
                ),
            ));
        }
        let design = design(&self.design)?;
        let readers = readers(self.readers)?;
        let questions = questions(self.questions)?;
        let has_reference = self.reference.is_some();
        Ok(StudyFile {
            digest: String::new(),
            name: name(&self.name)?,
            design,
            seed: u64::try_from(self.seed).map_err(|_| fault("seed", "0 or more, please"))?,
            washout_days: washout(self.washout_days, design)?,
            first: first(self.first.as_deref(), design)?,
            hide: hidden(&self.hide)?,
            rating: rating(self.rating.as_deref())?,
            localisation: self
                .localisation
                .map(|raw| localisation(raw, &questions, has_reference))
                .transpose()?,
            questions,
            adjudicators: adjudicators(self.adjudicators, &readers)?,
            readers_per_case: per_case(self.readers_per_case, readers.len())?,
            readers,
            model_sha256: digest("model_sha256", self.model_sha256)?,
            store: inside("store", self.store)?,
            cases: PinnedFile {
                file: inside("cases.file", self.cases.file)?,
                sha256: digest("cases.sha256", self.cases.sha256)?,
            },
            reference: self.reference.map(reference).transpose()?,
        })
    }
}

fn name(name: &str) -> Result<String, StudyFault> {
    match clean(name) {
        name if name.trim().is_empty() => Err(fault("name", "a study needs a name")),
        name if name.chars().count() > LONGEST_NAME => Err(fault(
            "name",
            format!("longer than {LONGEST_NAME} characters"),
        )),
        name => Ok(name),
    }
}

fn design(word: &str) -> Result<StudyDesign, StudyFault> {
    match word {
        "sequential" => Ok(StudyDesign::Sequential),
        "independent" | "crossover" => Ok(StudyDesign::Independent),
        "concurrent" => Ok(StudyDesign::Concurrent),
        "unaided" => Ok(StudyDesign::Unaided),
        other => Err(fault(
            "design",
            format!("{other:?} is none of sequential, independent, concurrent, unaided"),
        )),
    }
}

fn washout(days: Option<i64>, design: StudyDesign) -> Result<u32, StudyFault> {
    const KEY: &str = "washout_days";
    match (days, design) {
        (None, StudyDesign::Independent) => Err(fault(
            KEY,
            "sittings apart need a wash-out; 0 says that there is none",
        )),
        (None | Some(0), _) => Ok(0),
        (Some(_), StudyDesign::Sequential | StudyDesign::Concurrent | StudyDesign::Unaided) => {
            Err(fault(KEY, "only the independent design has sittings apart"))
        }
        (Some(days), StudyDesign::Independent) => u32::try_from(days)
            .ok()
            .filter(|days| *days <= LONGEST_WASHOUT)
            .ok_or_else(|| fault(KEY, format!("{days} is not from 0 to {LONGEST_WASHOUT}"))),
    }
}

fn first(word: Option<&str>, design: StudyDesign) -> Result<FirstMode, StudyFault> {
    if word.is_some() && design != StudyDesign::Independent {
        return Err(fault(
            "first",
            "only the independent design has two sittings",
        ));
    }
    match word {
        None | Some("balanced") => Ok(FirstMode::Balanced),
        Some("unaided") => Ok(FirstMode::Unaided),
        Some("aided") => Ok(FirstMode::Aided),
        Some(other) => Err(fault(
            "first",
            format!("{other:?} is none of balanced, unaided, aided"),
        )),
    }
}

fn hidden(words: &[String]) -> Result<HiddenFacts, StudyFault> {
    let mut hide = HiddenFacts::default();
    for word in words {
        match word.as_str() {
            "identity" => hide.identity = true,
            "header" => hide.header = true,
            other => {
                return Err(fault(
                    "hide",
                    format!(
                        "{other:?} is none of identity, header; answers and names of files are always hidden"
                    ),
                ));
            }
        }
    }
    Ok(hide)
}

fn rating(word: Option<&str>) -> Result<RatingScale, StudyFault> {
    match word {
        None | Some("0-100") => Ok(RatingScale::Percent),
        Some("none") => Ok(RatingScale::None),
        Some(other) => Err(fault(
            "rating",
            format!("{other:?} is neither 0-100 nor none"),
        )),
    }
}

fn questions(questions: Vec<String>) -> Result<Vec<String>, StudyFault> {
    const KEY: &str = "questions";
    if questions.is_empty() {
        return Err(fault(KEY, "none: what are readers asked?"));
    }
    if questions.len() > MOST_QUESTIONS {
        return Err(fault(KEY, format!("more than {MOST_QUESTIONS}")));
    }
    let mut known = HashSet::new();
    for question in &questions {
        let is_line = !question.trim().is_empty() && clean(question) == *question;
        if !is_line || question.chars().count() > LONGEST_NAME || question.contains('=') {
            return Err(fault(KEY, format!("{question:?} is no name of a label")));
        }
        if !known.insert(question) {
            return Err(fault(KEY, format!("{question:?} comes twice")));
        }
    }
    Ok(questions)
}

fn readers(readers: Vec<String>) -> Result<Vec<String>, StudyFault> {
    const KEY: &str = "readers";
    if readers.is_empty() || readers.len() > MOST_READERS {
        return Err(fault(
            KEY,
            format!("{} readers: 1 to {MOST_READERS}, please", readers.len()),
        ));
    }
    let mut known = HashSet::new();
    for reader in &readers {
        if !is_reader_name(reader) {
            return Err(fault(
                KEY,
                format!(
                    "{reader:?}: up to {LONGEST_NAME} characters without brackets, slashes, commas and quotes"
                ),
            ));
        }
        if !known.insert(reader.to_lowercase()) {
            return Err(fault(KEY, format!("{reader:?} comes twice")));
        }
    }
    Ok(readers)
}

fn adjudicators(names: Vec<String>, readers: &[String]) -> Result<Vec<String>, StudyFault> {
    const KEY: &str = "adjudicators";
    let mut known: HashSet<String> = readers.iter().map(|reader| reader.to_lowercase()).collect();
    for name in &names {
        if !is_reader_name(name) {
            return Err(fault(KEY, format!("{name:?} is no name of a reader")));
        }
        if !known.insert(name.to_lowercase()) {
            return Err(fault(
                KEY,
                format!("{name:?} comes twice, or reads the cases too"),
            ));
        }
    }
    Ok(names)
}

fn per_case(count: Option<i64>, readers: usize) -> Result<Option<usize>, StudyFault> {
    let Some(count) = count else { return Ok(None) };
    match usize::try_from(count) {
        Ok(found) if (1..=readers).contains(&found) => Ok(Some(found)),
        _ => Err(fault(
            "readers_per_case",
            format!("{count} is not from 1 to {readers}, the number of readers"),
        )),
    }
}

fn digest(key: &'static str, text: String) -> Result<String, StudyFault> {
    let is_digest = text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_digest {
        Ok(text)
    } else {
        Err(fault(key, "no SHA-256: 64 digits 0-9 and a-f"))
    }
}

/// A file in the folder of the study or below it, so that a study that was given away writes nowhere else.
fn inside(key: &'static str, path: PathBuf) -> Result<PathBuf, StudyFault> {
    let is_inside = path.file_name().is_some()
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    let is_line = path.to_str().is_some_and(|text| clean(text) == text);
    if is_inside && is_line {
        Ok(path)
    } else {
        Err(fault(key, "a file in the folder of the study, please"))
    }
}

fn reference(raw: RawReference) -> Result<ReferenceFile, StudyFault> {
    Ok(ReferenceFile {
        file: PinnedFile {
            file: raw.file,
            sha256: digest("reference.sha256", raw.sha256)?,
        },
        label_columns: raw.label_columns,
        path_column: raw.path_column,
        patient_column: raw.patient_column,
        root: raw.root,
    })
}

fn localisation(
    raw: RawLocalisation,
    questions: &[String],
    has_reference: bool,
) -> Result<LocalisationTask, StudyFault> {
    if !questions.contains(&raw.question) {
        let known = questions.join(", ");
        return Err(fault(
            "localisation.question",
            format!("{:?} is none of the questions {known}", raw.question),
        ));
    }
    if raw.boxes_column.is_some() != has_reference {
        let reason = match has_reference {
            true => "the column of the reference standard that has the boxes of the lesions",
            false => "there is no reference standard, and so no column of it",
        };
        return Err(fault("localisation.boxes_column", reason));
    }
    let figure = match raw.figure.as_deref() {
        None | Some("wAFROC") => LocalisationFigure::WeightedAfroc,
        Some("AFROC") => LocalisationFigure::Afroc,
        Some(other) => {
            return Err(fault(
                "localisation.figure",
                format!("{other:?} is neither wAFROC nor AFROC"),
            ));
        }
    };
    Ok(LocalisationTask {
        rule: rule(&raw.rule, raw.limit)?,
        question: raw.question,
        boxes_column: raw.boxes_column,
        figure,
    })
}

fn rule(word: &str, limit: Option<f64>) -> Result<LocalisationRule, StudyFault> {
    const LIMIT: &str = "localisation.limit";
    let limited = |rule: fn(u16) -> LocalisationRule| {
        let limit = limit.ok_or_else(|| fault(LIMIT, format!("the rule {word} needs one")))?;
        thousandths(limit)
            .map(rule)
            .map_err(|reason| fault(LIMIT, reason))
    };
    match word {
        "inside" if limit.is_some() => Err(fault(LIMIT, "the rule inside has none")),
        "inside" => Ok(LocalisationRule::Inside),
        "distance" => limited(LocalisationRule::Distance),
        "overlap" => limited(LocalisationRule::Overlap),
        other => Err(fault(
            "localisation.rule",
            format!("{other:?} is none of inside, distance, overlap"),
        )),
    }
}
