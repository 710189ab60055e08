//! Key Object Selection: the films of a study that a reader flagged (PS3.3 A.35.4; PS3.16 TID 2010).

use dicom_dictionary_std::{tags, uids};

use super::codes::dcm;
use super::content_item::{Relation, code, fill_container, image, person, text};
use super::data_set::Fill;
use super::evidence::{Evidence, procedure_evidence};
use super::object_maker::{ObjectKind, ObjectMaker};
use super::{DicomError, MadeObject};
use crate::domain::SourceHeader;

const KIND: ObjectKind = ObjectKind {
    class: uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
    modality: "KO",
    series_number: "9904",
    description: "cxr: key images",
};

impl ObjectMaker {
    /// The films of one study that this reader flagged. There is at least one.
    ///
    /// # Errors
    /// If a film cannot be referred to, or the system gives no random numbers.
    pub fn key_objects(
        &self,
        films: &[&SourceHeader],
        reader: &str,
    ) -> Result<MadeObject, DicomError> {
        let first = films.first().ok_or(DicomError::NoReference("film"))?;
        let evidence = films.iter().map(|film| self.evidence(film));
        let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
        let mut object = self.head(&KIND, first, &self.new_series()?)?;
        self.date(&mut object);
        object.items(
            tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
            Vec::new(),
        );
        let all: Vec<&Evidence> = evidence.iter().collect();
        object.items(
            tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
            procedure_evidence(&all),
        );
        let context = Relation::HasObservationContext;
        let mut content = vec![
            code(
                context,
                &dcm("121005", "Observer Type"),
                &dcm("121006", "Person"),
            ),
            person(context, &dcm("121008", "Person Observer Name"), reader),
            text(
                Relation::Contains,
                &dcm("113012", "Key Object Description"),
                "Flagged as key images by a reader in cxr",
            ),
        ];
        content.extend(
            evidence
                .iter()
                .map(|film| image(Relation::Contains, None, film)),
        );
        fill_container(
            &mut object,
            &dcm("113000", "Of Interest"),
            Some("2010"),
            content,
        );
        self.finish(&KIND, object)
    }
}
