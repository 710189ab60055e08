//! The parts of a card, from their form in the file to the types of the domain, and what must hold of each.

use super::file::{
    AdaptationFile, CausesFile, ConformalFile, GroupFile, LabelFile, LineFile, LungsFile,
    MeasurementFile, PlattFile, PrognosisFile, QuestionFile, SeverityFile, SeverityLineFile,
    ThresholdsFile,
};
use super::text::name;
use crate::domain::columns::is_reserved;
use crate::domain::text::clean;
use crate::domain::{
    Adaptation, Calibration, CausesCard, ConformalThresholds, GroupCalibration, InputThresholds,
    LabelCard, LungsCard, Measurement, Prevalence, ProductCard, PrognosisCard, PrognosisEvidence,
    Question, SeverityCard, SeverityLine, SeverityLineCard,
};

/// The operating point of an operating-point-normalised score.
const NORMALISED_POINT: f32 = 0.5;

impl LabelFile {
    /// The label, if its name and numbers make sense.
    pub fn card(mut self) -> Result<LabelCard, String> {
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
        self.check_product(question)?;
        let calibration = match (question, self.calibration, self.prevalence) {
            (_, None, None) => None,
            (Question::Presence, Some(platt), Some(share)) => Some(platt.card(share)?),
            (Question::GivenPneumonia, ..) => {
                return Err("a cause is calibrated by [causes], for all of them".to_owned());
            }
            (_, Some(_), None) => return Err("calibration without prevalence".to_owned()),
            (_, None, Some(_)) => return Err("prevalence without calibration".to_owned()),
        };
        if self.probability == Some(false) && calibration.is_none() && self.product.is_none() {
            return Err("probability = false, and it has no calibration of its own".to_owned());
        }
        let product = self.product.map(|[presence, cause]| ProductCard {
            presence: clean(&presence),
            cause: clean(&cause),
        });
        let conformal = self.conformal.map(|file| file.card(question));
        Ok(LabelCard {
            name: self.name,
            question,
            operating_point: self
                .operating_point
                .or(self.op_threshold.map(|_| NORMALISED_POINT)),
            sensitive_point: self.sensitive_point,
            calibration_for: groups(self.calibration_for, calibration)?,
            calibration,
            op_threshold: self.op_threshold,
            conformal: conformal.transpose()?,
            is_probability: self.probability.unwrap_or(true),
            product,
        })
    }
}

/// The calibrations of a label for a part of the films.
fn groups(
    files: Vec<GroupFile>,
    general: Option<Calibration>,
) -> Result<Vec<GroupCalibration>, String> {
    let Some(general) = general else {
        return match files[..] {
            [] => Ok(Vec::new()),
            _ => Err("calibration_for without calibration".to_owned()),
        };
    };
    let share = general.prevalence.share();
    let numbered = (1..).zip(files);
    let group = |(number, file): (usize, GroupFile)| {
        let of_group = |fault: String| format!("calibration_for {number}: {fault}");
        file.card(share).map_err(of_group)
    };
    numbered.map(group).collect()
}

impl LabelFile {
    /// An operating-point-normalised score has its operating point at 0.5, and no other numbers of another scale.
    fn check_op_threshold(&self, question: Question) -> Result<(), String> {
        let Some(threshold) = self.op_threshold else {
            return Ok(());
        };
        // At 0 or 1, one side of the operating point would have no scale.
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
    pub fn card(self, share: f64) -> Result<Calibration, String> {
        // A slope of 0 gives every image the same answer, and a negative one reverses the network.
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
    pub fn card(self, question: Question) -> Result<ConformalThresholds, String> {
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
    pub fn card(self) -> Result<CausesCard, String> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let temperature = self.temperature;
            return Err(format!(
                "[causes] temperature is {temperature}, not above 0"
            ));
        }
        if let Some(unlike) = self.unlike.filter(|d| !(d.is_finite() && *d > 0.0)) {
            return Err(format!("[causes] unlike is {unlike}, not above 0"));
        }
        Ok(CausesCard {
            temperature: self.temperature,
            calibrated: self.calibrated,
            unlike: self.unlike,
        })
    }
}

impl SeverityFile {
    pub fn card(self) -> Result<SeverityCard, String> {
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
    pub fn card(self, labels: &[LabelCard]) -> Result<SeverityLineCard, String> {
        let label = clean(&self.label);
        match labels.iter().find(|card| card.name == label) {
            None => return Err(format!("[severity_line] is of {label}, and no label is")),
            Some(card) if card.product.is_some() => {
                return Err(format!(
                    "[severity_line] is of {label}, a product, which is no output of the network"
                ));
            }
            Some(_) => {}
        }
        let line = |name: &str, LineFile { slope, intercept }| {
            if (slope + intercept).is_finite() {
                Ok(SeverityLine { slope, intercept })
            } else {
                Err(format!("[severity_line] {name} is not a line"))
            }
        };
        Ok(SeverityLineCard {
            geographic_extent: line("geographic_extent", self.geographic_extent)?,
            opacity: line("opacity", self.opacity)?,
            label,
        })
    }
}

impl ThresholdsFile {
    pub fn card(self, section: &str, max: f64) -> Result<InputThresholds, String> {
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

impl PrognosisFile {
    pub fn card(self) -> Result<PrognosisCard, String> {
        let outcome = name("the outcome", &self.outcome)?;
        if outcome.is_empty() {
            return Err("[[prognosis]] has no outcome".to_owned());
        }
        let of_outcome = |fault: String| format!("[[prognosis]] {outcome}: {fault}");
        self.check().map_err(of_outcome)?;
        Ok(PrognosisCard {
            evidence: PrognosisEvidence {
                on: clean(&self.on),
                auc: self.auc,
                interval: (self.low, self.high),
                control_auc: self.control_auc,
                n: self.n,
                patients: self.patients,
            },
            outcome,
        })
    }

    fn check(&self) -> Result<(), String> {
        for (name, area) in [
            ("auc", self.auc),
            ("low", self.low),
            ("high", self.high),
            ("control_auc", self.control_auc),
        ] {
            if !(0.0..=1.0).contains(&area) {
                return Err(format!("{name} is {area}, not from 0 to 1"));
            }
        }
        if !(self.low <= self.auc && self.auc <= self.high) {
            return Err(format!(
                "auc {} is not between low {} and high {}",
                self.auc, self.low, self.high
            ));
        }
        if !(1..=self.n).contains(&self.patients) {
            return Err(format!("{} patients have {} images", self.patients, self.n));
        }
        Ok(())
    }
}

impl LungsFile {
    pub fn card(self) -> Result<LungsCard, String> {
        unit("[lungs] evidence_inside", self.evidence_inside)?;
        Ok(LungsCard {
            evidence_inside: self.evidence_inside,
        })
    }
}

/// # Errors
/// If the value is not from 0 to 1.
pub fn unit(name: &str, value: f32) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} is {value}, not from 0 to 1"))
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
