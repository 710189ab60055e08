//! A measurement group about one film (PS3.16 TID 1501).

use dicom_object::InMemDicomObject;

use super::DicomError;
use super::codes::{Code, dcm};
use super::content_item::{Relation, container, image, text, uid};
use super::data_set::{LONGEST_LO, short};
use super::evidence::Evidence;
use super::object_maker::ObjectMaker;
use crate::domain::Prediction;

/// A film in the report: its number in the study, from 1, and how it is referred to.
pub(super) struct ReportedFilm<'a> {
    pub number: usize,
    pub evidence: &'a Evidence,
    pub maker: &'a ObjectMaker,
}

impl ReportedFilm<'_> {
    /// A measurement group about this film (TID 1501): tracking, the film, and what is measured or stated.
    pub fn group(
        &self,
        subject: &str,
        content: Vec<InMemDicomObject>,
    ) -> Result<InMemDicomObject, DicomError> {
        let tracked = format!("film {}: {subject}", self.number);
        let mut items = vec![
            text(
                Relation::HasObservationContext,
                &dcm("112039", "Tracking Identifier"),
                &tracked,
            ),
            uid(
                Relation::HasObservationContext,
                &dcm("112040", "Tracking Unique Identifier"),
                &self.maker.uids.next()?,
            ),
        ];
        items.extend(content);
        let source = dcm("121112", "Source of Measurement");
        items.push(image(Relation::Contains, Some(&source), self.evidence));
        Ok(container(
            &dcm("125007", "Measurement Group"),
            Some("1501"),
            items,
        ))
    }

    /// Algorithm Identification (TID 4019).
    pub fn algorithm(&self, prediction: &Prediction) -> Vec<InMemDicomObject> {
        let Some(model) = &self.maker.model else {
            return Vec::new();
        };
        let modifier = |name: Code, value: &str| text(Relation::HasConceptModifier, &name, value);
        vec![
            modifier(
                dcm("111001", "Algorithm Name"),
                &short(&model.name, LONGEST_LO),
            ),
            modifier(
                dcm("111003", "Algorithm Version"),
                &short(&model.version, LONGEST_LO),
            ),
            modifier(
                dcm("111002", "Algorithm Parameters"),
                &format!(
                    "weights SHA-256 {}; preprocessing {}",
                    prediction.model_sha256, prediction.preprocess
                ),
            ),
        ]
    }
}
