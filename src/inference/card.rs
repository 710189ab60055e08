//! A model's card: its file, read and written, and what must hold of it.
//!
//! ```text
//! NAME.toml ─ toml ─► file::CardFile ─ parts ─► ModelCard ─ write ─► file::CardFile ─ toml ─► NAME.toml
//! ```

mod file;
mod groups;
mod parts;
mod products;
mod recipe;
mod settings;
mod softmax;
mod text;
mod write;

pub use self::file::MeasurementFile;
use self::file::{CardFile, CausesFile, LabelFile, LungsFile, PrognosisFile, SeverityFile};
use self::groups::check_points;
use self::products::check_factors;
use self::recipe::{RecipeFile, full_name};
pub use self::recipe::{parse_recipe, write_recipe};
use self::settings::settings;
use self::text::{name, paragraph};
pub use self::write::write_card;
use super::InferenceError;
use crate::domain::text::clean;
use crate::domain::{LabelCard, ModelCard, PrognosisCard, Question};

/// The card in this text. All text that may be shown is cleaned here, once, so that a label is the same harmless text
/// on the screen, in a table's header and in a report. The file itself is not changed.
///
/// # Errors
/// If the text is not TOML, a field is absent, of another type or out of range, no character of a name can be shown,
/// two labels or two outcomes look alike, or a label has the name of a column of tables.
pub fn parse_card(text: &str) -> Result<ModelCard, InferenceError> {
    let file: CardFile =
        toml::from_str(text).map_err(|e| InferenceError::Card(clean(e.message())))?;
    file.card().map_err(InferenceError::Card)
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
        for label in &labels {
            check_points(label).map_err(|fault| format!("{}: {fault}", label.name))?;
        }
        check_factors(&labels)?;
        let softmax = self.softmax.map(|file| file.card(&labels)).transpose()?;
        let causes = self.causes.map(CausesFile::card).transpose()?;
        check_causes(&labels, causes.is_some())?;
        let can_withhold = causes.is_some_and(|causes| causes.unlike.is_some());
        if can_withhold && self.distance.is_none() {
            return Err("[causes] unlike is there, and [distance] is not".to_owned());
        }
        let severity = self.severity.map(SeverityFile::card).transpose()?;
        let severity_line = self.severity_line.map(|file| file.card(&labels));
        let severity_line = severity_line.transpose()?;
        if severity.is_some() && severity_line.is_some() {
            return Err("[severity] and [severity_line] are both there".to_owned());
        }
        let input_head = self.input_head.map(|file| file.card("[input_head]", 1.0));
        let distance = self.distance.map(|file| file.card("[distance]", f64::MAX));
        let lungs = self.lungs.map(LungsFile::card).transpose()?;
        let prognoses = self.prognosis.into_iter().map(PrognosisFile::card);
        let prognoses = prognoses.collect::<Result<Vec<_>, _>>()?;
        check_outcomes(&prognoses)?;
        let recipe = self.preprocessing.map(RecipeFile::recipe).transpose()?;
        Ok(ModelCard {
            name: name("name", &self.name)?,
            version: clean(&self.version),
            architecture: clean(&self.architecture),
            input_size: self.input_size,
            preprocess: full_name(&self.preprocess, recipe.as_ref())?,
            recipe,
            network: self.network.map(settings).transpose()?,
            labels,
            softmax,
            causes,
            severity,
            severity_line,
            input_head: input_head.transpose()?,
            distance: distance.transpose()?,
            lungs,
            prognoses,
            licence: paragraph(&self.licence),
            training_data: paragraph(&self.training_data),
            pretrained: paragraph(&self.pretrained),
            pulled_from: self.pulled_from.as_deref().map(clean),
            limits,
            measurements: self.measurement.into_iter().map(Into::into).collect(),
            adaptations: self.adaptation.into_iter().map(Into::into).collect(),
            sha256: clean(&self.sha256),
        })
    }
}

/// Corrects a point of 90 % sensitivity that lies above the balanced point, as some cards have it. Such a point finds
/// fewer cases than the balanced one, so that the balanced one is used for both. Returns a limitation that says so.
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

/// Refuses labels that look the same when shown: scores are looked up by name, so that one could be taken for the
/// other.
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

/// Refuses two outcomes of one name: a score is looked up by it.
fn check_outcomes(prognoses: &[PrognosisCard]) -> Result<(), String> {
    for (nth, card) in prognoses.iter().enumerate() {
        let is_same = |other: &PrognosisCard| other.outcome == card.outcome;
        if prognoses[..nth].iter().any(is_same) {
            return Err(format!("two outcomes are called {:?}", card.outcome));
        }
    }
    Ok(())
}

/// Either all causes have a conformal threshold or none has, and `[causes]` needs a cause.
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

#[cfg(test)]
mod tests;
