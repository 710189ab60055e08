//! A Comprehensive 3D SR with a Measurement Report (PS3.3 A.35.13; PS3.16 TID 1500) of all films of a study.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::codes::{Code, dcm, declaration, of, own, sct, unit};
use super::content_item::{
    Relation, code, container, fill_container, holding, image, number, text, uid,
};
use super::data_set::{Fill, LONGEST_LO, short};
use super::evidence::{Evidence, procedure_evidence};
use super::film_groups::{FilmOutcome, FilmResult, film_groups};
use super::measurement_group::ReportedFilm;
use super::object_maker::{NOTICE, ObjectKind, ObjectMaker, PROGRAM};
use super::{DicomError, MadeObject};
use crate::domain::{ModelCard, SourceHeader};

const KIND: ObjectKind = ObjectKind {
    class: uids::COMPREHENSIVE3_DSR_STORAGE,
    modality: "SR",
    series_number: "9901",
    description: "cxr: measurements, not for diagnosis",
};

impl ObjectMaker {
    /// The report of a study. `films` are all of one study and one patient, and there is at least one. `card` gives the
    /// order of labels that get no number.
    ///
    /// # Errors
    /// If a film cannot be referred to, or the system gives no random numbers.
    pub fn measurement_report(
        &self,
        films: &[FilmResult],
        card: Option<&ModelCard>,
    ) -> Result<MadeObject, DicomError> {
        let first = films.first().ok_or(DicomError::NoReference("film"))?;
        let evidence = films.iter().map(|film| self.evidence(&film.header));
        let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
        let mut object = self.head(&KIND, &first.header, &self.new_series()?)?;
        self.date(&mut object);
        document(&mut object, films);
        let all: Vec<&Evidence> = evidence.iter().collect();
        object.items(
            tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
            procedure_evidence(&all),
        );
        object.items(
            tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE,
            vec![declaration()],
        );
        let mut content = vec![language()];
        content.extend(self.device_observer());
        content.push(procedure());
        content.push(library(films, &evidence));
        let mut groups = Vec::new();
        for (at, (film, evidence)) in films.iter().zip(&evidence).enumerate() {
            let reported = ReportedFilm {
                number: at + 1,
                evidence,
                maker: self,
            };
            groups.extend(film_groups(&reported, film, card)?);
        }
        let measurements = dcm("126010", "Imaging Measurements");
        content.push(container(&measurements, None, groups));
        content.push(notice());
        let title = dcm("126000", "Imaging Measurement Report");
        fill_container(&mut object, &title, Some("1500"), content);
        self.finish(&KIND, object)
    }

    /// The device that observes: the model (TID 1004). Its UID is made of its digest, so that it is the same in every
    /// report.
    fn device_observer(&self) -> Vec<InMemDicomObject> {
        let Some(model) = &self.model else {
            return Vec::new();
        };
        let context = Relation::HasObservationContext;
        let said = |name: Code, value: &str| text(context, &name, value);
        let name = format!("{} {}", model.name, model.version);
        vec![
            code(
                context,
                &dcm("121005", "Observer Type"),
                &dcm("121007", "Device"),
            ),
            uid(
                context,
                &dcm("121012", "Device Observer UID"),
                &model_uid(&model.sha256),
            ),
            said(
                dcm("121013", "Device Observer Name"),
                &short(&name, LONGEST_LO),
            ),
            said(dcm("121014", "Device Observer Manufacturer"), PROGRAM),
            said(
                dcm("121015", "Device Observer Model Name"),
                &short(&model.name, LONGEST_LO),
            ),
            said(
                dcm("121016", "Device Observer Serial Number"),
                &model.sha256,
            ),
        ]
    }
}

/// A UID of the first 128 bits of a digest.
fn model_uid(sha256: &str) -> String {
    let number = u128::from_str_radix(sha256.get(..32).unwrap_or_default(), 16);
    let bytes = number.unwrap_or_default().to_be_bytes();
    super::uid::UidRoot::OfUuid.with(bytes)
}

/// SR Document General (PS3.3 C.17.2), without the evidence.
fn document(object: &mut InMemDicomObject, films: &[FilmResult]) {
    object.items(
        tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
        Vec::new(),
    );
    object.items(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new());
    let failed = |film: &&FilmResult| matches!(film.outcome, FilmOutcome::Failed(_));
    match films.iter().filter(failed).count() {
        0 => object.text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE"),
        failed => {
            object.text(tags::COMPLETION_FLAG, VR::CS, "PARTIAL");
            let words = format!("{failed} of {} films could not be read", films.len());
            object.text(tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, &words);
        }
    }
    object.text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    object.text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY");
}

/// Language of the document (TID 1204).
fn language() -> InMemDicomObject {
    code(
        Relation::HasConceptModifier,
        &dcm("121049", "Language of Content Item and Descendants"),
        &of("RFC5646", "en", "English"),
    )
}

fn procedure() -> InMemDicomObject {
    code(
        Relation::HasConceptModifier,
        &dcm("121058", "Procedure reported"),
        &sct("399208008", "Plain chest X-ray"),
    )
}

/// The films of the study (TID 1600), each with its modality, view and size (TID 1602, 1603).
fn library(films: &[FilmResult], evidence: &[Evidence]) -> InMemDicomObject {
    let entries = films.iter().zip(evidence).map(|(film, evidence)| {
        let entry = image(Relation::Contains, None, evidence);
        holding(entry, descriptors(&film.header))
    });
    let group = dcm("126200", "Image Library Group");
    let group = container(&group, None, entries.collect());
    container(&dcm("111028", "Image Library"), Some("1600"), vec![group])
}

fn descriptors(header: &SourceHeader) -> Vec<InMemDicomObject> {
    let stated = |tag: Tag| header.text(tag.0, tag.1);
    let context = Relation::HasAcquisitionContext;
    let mut items = Vec::new();
    let modality = match stated(tags::MODALITY) {
        Some("DX") => Some(dcm("DX", "Digital Radiography")),
        Some("CR") => Some(dcm("CR", "Computed Radiography")),
        _ => None,
    };
    let view = match stated(tags::VIEW_POSITION) {
        Some("PA") => Some(sct("272479007", "Postero-anterior")),
        Some("AP") => Some(sct("399348003", "Antero-posterior")),
        _ => None,
    };
    items.extend(modality.map(|value| code(context, &dcm("121139", "Modality"), &value)));
    items.extend(view.map(|value| code(context, &dcm("111031", "Image View"), &value)));
    let pixels = unit("{pixels}", "pixels");
    for (tag, name) in [
        (tags::ROWS, dcm("110910", "Pixel Data Rows")),
        (tags::COLUMNS, dcm("110911", "Pixel Data Columns")),
    ] {
        let size = stated(tag).and_then(|text| text.parse::<u16>().ok());
        items.extend(size.map(|size| number(context, &name, size.into(), &pixels)));
    }
    items
}

fn notice() -> InMemDicomObject {
    let heading = of("UMLS", "C0034375", "Qualitative Evaluations");
    let name = own("notice", "Notice");
    container(
        &heading,
        None,
        vec![text(Relation::Contains, &name, NOTICE)],
    )
}
