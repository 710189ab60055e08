//! Calibrations of a label for a part of the films, by view and by the patient's age.

use super::file::{GroupFile, PlattFile, ViewFile};
use super::parts::unit;
use crate::domain::{GroupCalibration, LabelCard, Question, ViewPosition};

impl GroupFile {
    /// The calibration of a group of films, at the prevalence of its label.
    ///
    /// # Errors
    /// If it names no group, or a number is out of range.
    pub fn card(self, share: f64) -> Result<GroupCalibration, String> {
        if self.view.is_none() && self.age.is_none() {
            return Err("neither view nor age says for which films it is".to_owned());
        }
        let age = self.age.map(|[low, high]| (low, high));
        let is_range = |(low, high): &(f64, f64)| 0.0 <= *low && low < high && high.is_finite();
        if let Some((low, high)) = age.filter(|age| !is_range(age)) {
            return Err(format!(
                "age is from {low} to {high}: not from a lower to a higher one"
            ));
        }
        for (name, point) in [
            ("operating_point", self.operating_point),
            ("sensitive_point", self.sensitive_point),
        ] {
            point.map_or(Ok(()), |point| unit(name, point))?;
        }
        let line = PlattFile {
            slope: self.slope,
            intercept: self.intercept,
        };
        let conformal = self.conformal.map(|file| file.card(Question::Presence));
        Ok(GroupCalibration {
            view: self.view.map(|view| match view {
                ViewFile::Ap => ViewPosition::Ap,
                ViewFile::Pa => ViewPosition::Pa,
            }),
            age,
            calibration: line.card(share)?,
            operating_point: self.operating_point,
            sensitive_point: self.sensitive_point,
            conformal: conformal.transpose()?,
        })
    }
}

/// Refuses a group whose point of 90 % sensitivity lies above its balanced one, both taken from the label where the
/// group has none.
///
/// # Errors
/// If there is such a group, with its number from 1.
pub fn check_points(label: &LabelCard) -> Result<(), String> {
    for (number, group) in (1..).zip(&label.calibration_for) {
        let balanced = group.operating_point.or(label.operating_point);
        let sensitive = group.sensitive_point.or(label.sensitive_point);
        if let Some((sensitive, balanced)) = sensitive.zip(balanced)
            && sensitive > balanced
        {
            return Err(format!(
                "calibration_for {number}: sensitive_point is {sensitive}, above operating_point \
                 {balanced}"
            ));
        }
    }
    Ok(())
}
