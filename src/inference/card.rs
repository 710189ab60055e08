//! A model's card as it stands in its file, and what must hold of it.

mod write;

use serde::{Deserialize, Serialize};

pub use self::write::write_card;
use super::InferenceError;
use crate::domain::columns::is_reserved;
use crate::domain::text::{Printable, clean};
use crate::domain::{
    Adaptation, Calibration, CausesCard, ConformalThresholds, InputThresholds, LabelCard,
    Measurement, ModelCard, Prevalence, Question, SeverityCard, SeverityLine, SeverityLineCard,
};

/// Where the line of an operating-point-normalised score is.
const NORMALISED_POINT: f32 = 0.5;

/// What of a card may be shown is cleaned here, once, so that a label is the same harmless text on the
/// screen, in a table's header and in a report. The file itself stays as it is.
///
/// # Errors
/// If the text is not TOML, a field is absent or of another type, or what it says makes no sense; if
/// nothing of a name can be shown, two labels look alike, or one is called like a column of tables.
pub fn parse_card(text: &str) -> Result<ModelCard, InferenceError> {
    let file: CardFile =
        toml::from_str(text).map_err(|e| InferenceError::Card(e.message().to_owned()))?;
    file.card().map_err(InferenceError::Card)
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CardFile {
    name: String,
    version: String,
    architecture: String,
    input_size: usize,
    preprocess: String,
    /// Of cards from before labels had a calibration of their own. It no longer says anything.
    #[serde(rename = "calibrated", skip_serializing)]
    _calibrated: Option<bool>,
    licence: String,
    pretrained: String,
    training_data: String,
    limits: Vec<String>,
    sha256: String,
    label: Vec<LabelFile>,
    causes: Option<CausesFile>,
    severity: Option<SeverityFile>,
    severity_line: Option<SeverityLineFile>,
    input_head: Option<ThresholdsFile>,
    distance: Option<ThresholdsFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    measurement: Vec<MeasurementFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    adaptation: Vec<AdaptationFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AdaptationFile {
    method: String,
    manifest: String,
    date: String,
    labels: Vec<String>,
    images: usize,
    patients: usize,
    from_sha256: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LabelFile {
    name: String,
    question: QuestionFile,
    calibration: Option<PlattFile>,
    op_threshold: Option<f32>,
    prevalence: Option<f64>,
    operating_point: Option<f32>,
    sensitive_point: Option<f32>,
    conformal: Option<ConformalFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum QuestionFile {
    Presence,
    GivenPneumonia,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PlattFile {
    slope: f64,
    intercept: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ConformalFile {
    present: f32,
    absent: Option<f32>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CausesFile {
    temperature: f64,
    calibrated: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SeverityFile {
    geographic_extent_error: f32,
    opacity_error: f32,
    n: usize,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SeverityLineFile {
    label: String,
    geographic_extent: LineFile,
    opacity: LineFile,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LineFile {
    slope: f64,
    intercept: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    caution: f64,
    refuse: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MeasurementFile {
    label: String,
    on: String,
    statistic: String,
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
    n: usize,
    positives: Option<usize>,
    patients: Option<usize>,
}

impl CardFile {
    fn card(self) -> Result<ModelCard, String> {
        let written: Vec<String> = self.label.iter().map(|file| file.name.clone()).collect();
        let mut labels: Vec<LabelCard> = self
            .label
            .into_iter()
            .map(LabelFile::card)
            .collect::<Result<_, _>>()?;
        check_alike(&labels, &written)?;
        let own = self.limits.iter().map(|limit| clean(limit));
        let mut limits: Vec<String> = own.collect();
        limits.extend(labels.iter_mut().filter_map(put_in_order));
        let causes = self.causes.map(CausesFile::card).transpose()?;
        check_causes(&labels, causes.is_some())?;
        let severity = self.severity.map(SeverityFile::card).transpose()?;
        let severity_line = self.severity_line.map(|file| file.card(&labels));
        let severity_line = severity_line.transpose()?;
        if severity.is_some() && severity_line.is_some() {
            return Err("[severity] and [severity_line] are both there".to_owned());
        }
        let input_head = self.input_head.map(|file| file.card("[input_head]", 1.0));
        let distance = self.distance.map(|file| file.card("[distance]", f64::MAX));
        Ok(ModelCard {
            name: name("name", &self.name)?,
            version: clean(&self.version),
            architecture: clean(&self.architecture),
            input_size: self.input_size,
            preprocess: clean(&self.preprocess),
            labels,
            causes,
            severity,
            severity_line,
            input_head: input_head.transpose()?,
            distance: distance.transpose()?,
            licence: paragraph(&self.licence),
            training_data: paragraph(&self.training_data),
            pretrained: paragraph(&self.pretrained),
            limits,
            measurements: self.measurement.into_iter().map(Into::into).collect(),
            adaptations: self.adaptation.into_iter().map(Into::into).collect(),
            sha256: clean(&self.sha256),
        })
    }
}

/// A point of 90 % sensitivity above the balanced one finds fewer than that one, and is not what its name
/// says; cards were written so. The balanced one finds at least as many and stands for both; gives the
/// sentence that says so.
fn put_in_order(label: &mut LabelCard) -> Option<String> {
    let balanced = label.operating_point?;
    let sensitive = label.sensitive_point.filter(|point| *point > balanced)?;
    label.sensitive_point = Some(balanced);
    Some(format!(
        "{}: its card has the point of 90 % sensitivity ({sensitive:.4}) above the balanced one \
         ({balanced:.4}), which finds at least as many and is taken for both; what was measured at the \
         higher one does not hold for it.",
        label.name
    ))
}

/// One line of which something can be shown.
fn name(what: &str, written: &str) -> Result<String, String> {
    let shown = clean(written);
    match shown.is_empty() && !written.is_empty() {
        true => Err(format!("nothing of {what} {written:?} can be shown")),
        false => Ok(shown),
    }
}

/// Text whose lines are the author's.
fn paragraph(written: &str) -> String {
    Printable::page(written).to_string()
}

/// Labels that cannot be told apart when shown would have their scores taken for each other's: all
/// that asks for a label's score asks by its name.
fn check_alike(labels: &[LabelCard], written: &[String]) -> Result<(), String> {
    for (nth, (label, own)) in labels.iter().zip(written).enumerate() {
        let mut before = labels.iter().zip(written).take(nth);
        match before.find(|(other, _)| other.name == label.name) {
            Some((_, theirs)) if theirs == own => {
                return Err(format!("two labels are called {:?}", label.name));
            }
            Some(_) => {
                return Err(format!(
                    "two labels look alike when they are shown, as {:?}: one is written {own:?}",
                    label.name
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// A set of causes is over all of them, and a temperature is for causes.
fn check_causes(labels: &[LabelCard], has_section: bool) -> Result<(), String> {
    let is_cause = |label: &&LabelCard| label.question == Question::GivenPneumonia;
    let causes: Vec<_> = labels.iter().filter(is_cause).collect();
    if has_section && causes.is_empty() {
        return Err("[causes] is there, and no label is given-pneumonia".to_owned());
    }
    let with_set = causes.iter().filter(|label| label.conformal.is_some());
    match causes.iter().find(|label| label.conformal.is_none()) {
        Some(without) if with_set.count() > 0 => Err(format!(
            "{} has no conformal threshold, and another cause has one",
            without.name
        )),
        _ => Ok(()),
    }
}

impl LabelFile {
    fn card(mut self) -> Result<LabelCard, String> {
        self.name = name("the label", &self.name)?;
        if is_reserved(&self.name) {
            return Err(format!(
                "a label is called {:?}, as a column of the tables of predictions is: give it another name",
                self.name
            ));
        }
        let name = self.name.clone();
        let of_label = |fault: String| format!("{name}: {fault}");
        self.checked().map_err(of_label)
    }

    fn checked(self) -> Result<LabelCard, String> {
        let question = match self.question {
            QuestionFile::Presence => Question::Presence,
            QuestionFile::GivenPneumonia => Question::GivenPneumonia,
        };
        for (name, point) in [
            ("operating_point", self.operating_point),
            ("sensitive_point", self.sensitive_point),
        ] {
            point.map_or(Ok(()), |point| unit(name, point))?;
        }
        self.check_op_threshold(question)?;
        let calibration = match (question, self.calibration, self.prevalence) {
            (_, None, None) => None,
            (Question::Presence, Some(platt), Some(share)) => Some(platt.card(share)?),
            (Question::GivenPneumonia, ..) => {
                return Err("a cause is calibrated by [causes], for all of them".to_owned());
            }
            (_, Some(_), None) => return Err("calibration without prevalence".to_owned()),
            (_, None, Some(_)) => return Err("prevalence without calibration".to_owned()),
        };
        let conformal = self.conformal.map(|file| file.card(question));
        Ok(LabelCard {
            name: self.name,
            question,
            operating_point: self
                .operating_point
                .or(self.op_threshold.map(|_| NORMALISED_POINT)),
            sensitive_point: self.sensitive_point,
            calibration,
            op_threshold: self.op_threshold,
            conformal: conformal.transpose()?,
        })
    }
}

impl LabelFile {
    /// An operating-point-normalised score has its line at a half, and nothing that is measured on
    /// another scale.
    fn check_op_threshold(&self, question: Question) -> Result<(), String> {
        let Some(threshold) = self.op_threshold else {
            return Ok(());
        };
        // At 0 or 1 one side of the line would have no scale.
        if !(threshold > 0.0 && threshold < 1.0) {
            return Err(format!("op_threshold is {threshold}, not between 0 and 1"));
        }
        let others = [
            ("calibration", self.calibration.is_some()),
            ("operating_point", self.operating_point.is_some()),
            ("sensitive_point", self.sensitive_point.is_some()),
            ("conformal", self.conformal.is_some()),
        ];
        match others.into_iter().find(|(_, is_there)| *is_there) {
            Some((other, _)) => Err(format!("op_threshold and {other} are both there")),
            None if question == Question::GivenPneumonia => {
                Err("a cause has no op_threshold".to_owned())
            }
            None => Ok(()),
        }
    }
}

impl PlattFile {
    fn card(self, share: f64) -> Result<Calibration, String> {
        // A slope of 0 answers every image alike, and one below it turns the network around.
        if !(self.slope.is_finite() && self.slope > 0.0) {
            return Err(format!("calibration: slope is {}, not above 0", self.slope));
        }
        if !self.intercept.is_finite() {
            return Err("calibration: intercept is not a number".to_owned());
        }
        let prevalence = Prevalence::new(share)
            .ok_or_else(|| format!("prevalence is {share}, not between 0 and 1"))?;
        Ok(Calibration {
            slope: self.slope,
            intercept: self.intercept,
            prevalence,
        })
    }
}

impl ConformalFile {
    fn card(self, question: Question) -> Result<ConformalThresholds, String> {
        unit("conformal.present", self.present)?;
        match (question, self.absent) {
            (Question::Presence, None) => return Err("conformal.absent is absent".to_owned()),
            (Question::GivenPneumonia, Some(_)) => {
                return Err("a cause has no conformal.absent".to_owned());
            }
            (_, absent) => absent.map_or(Ok(()), |absent| unit("conformal.absent", absent))?,
        }
        Ok(ConformalThresholds {
            present: self.present,
            absent: self.absent,
        })
    }
}

impl CausesFile {
    fn card(self) -> Result<CausesCard, String> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let temperature = self.temperature;
            return Err(format!(
                "[causes] temperature is {temperature}, not above 0"
            ));
        }
        Ok(CausesCard {
            temperature: self.temperature,
            calibrated: self.calibrated,
        })
    }
}

impl SeverityFile {
    fn card(self) -> Result<SeverityCard, String> {
        for (name, error) in [
            ("geographic_extent_error", self.geographic_extent_error),
            ("opacity_error", self.opacity_error),
        ] {
            if !(error.is_finite() && error >= 0.0) {
                return Err(format!("[severity] {name} is {error}, not 0 or more"));
            }
        }
        Ok(SeverityCard {
            geographic_extent_error: self.geographic_extent_error,
            opacity_error: self.opacity_error,
            n: self.n,
        })
    }
}

impl SeverityLineFile {
    fn card(self, labels: &[LabelCard]) -> Result<SeverityLineCard, String> {
        let label = clean(&self.label);
        if !labels.iter().any(|card| card.name == label) {
            return Err(format!("[severity_line] is of {label}, and no label is"));
        }
        let line = |name: &str, LineFile { slope, intercept }| match (slope + intercept).is_finite()
        {
            true => Ok(SeverityLine { slope, intercept }),
            false => Err(format!("[severity_line] {name} is not a line")),
        };
        Ok(SeverityLineCard {
            geographic_extent: line("geographic_extent", self.geographic_extent)?,
            opacity: line("opacity", self.opacity)?,
            label,
        })
    }
}

impl ThresholdsFile {
    fn card(self, section: &str, max: f64) -> Result<InputThresholds, String> {
        let ThresholdsFile { caution, refuse } = self;
        for (name, value) in [("caution", caution), ("refuse", refuse)] {
            if !(value > 0.0 && value <= max) {
                return Err(format!("{section} {name} is {value}: out of range"));
            }
        }
        if caution > refuse {
            return Err(format!(
                "{section} refuses from {refuse} and doubts only from {caution}"
            ));
        }
        Ok(InputThresholds { caution, refuse })
    }
}

fn unit(name: &str, value: f32) -> Result<(), String> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} is {value}, not from 0 to 1")),
    }
}

impl From<MeasurementFile> for Measurement {
    fn from(file: MeasurementFile) -> Self {
        Measurement {
            label: clean(&file.label),
            on: clean(&file.on),
            statistic: clean(&file.statistic),
            value: file.value,
            interval: file.low.zip(file.high),
            n: file.n,
            positives: file.positives,
            patients: file.patients,
        }
    }
}

impl From<AdaptationFile> for Adaptation {
    fn from(file: AdaptationFile) -> Self {
        Adaptation {
            method: clean(&file.method),
            manifest: clean(&file.manifest),
            date: clean(&file.date),
            labels: file.labels.iter().map(|label| clean(label)).collect(),
            images: file.images,
            patients: file.patients,
            from_sha256: clean(&file.from_sha256),
        }
    }
}

#[cfg(test)]
mod tests;
