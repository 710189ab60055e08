//! Content items of structured reports (PS3.3 C.17.3).

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::codes::Code;
use super::data_set::{Fill, decimal, item, short};
use super::evidence::Evidence;

/// The longest value of an unlimited text that is written.
const LONGEST_TEXT: usize = 1024;
/// The longest component group of a name (PN, PS3.5 6.2).
const LONGEST_NAME: usize = 64;

/// How an item belongs to the one that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Contains,
    HasConceptModifier,
    HasObservationContext,
    HasAcquisitionContext,
    HasProperties,
}

impl Relation {
    fn term(self) -> &'static str {
        match self {
            Relation::Contains => "CONTAINS",
            Relation::HasConceptModifier => "HAS CONCEPT MOD",
            Relation::HasObservationContext => "HAS OBS CONTEXT",
            Relation::HasAcquisitionContext => "HAS ACQ CONTEXT",
            Relation::HasProperties => "HAS PROPERTIES",
        }
    }
}

fn start(relation: Relation, kind: &str, name: Option<&Code>) -> InMemDicomObject {
    item(|item| {
        item.text(tags::RELATIONSHIP_TYPE, VR::CS, relation.term());
        item.text(tags::VALUE_TYPE, VR::CS, kind);
        if let Some(name) = name {
            item.items(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![name.item()]);
        }
    })
}

/// Puts items into an item.
pub fn holding(mut parent: InMemDicomObject, children: Vec<InMemDicomObject>) -> InMemDicomObject {
    if !children.is_empty() {
        parent.items(tags::CONTENT_SEQUENCE, children);
    }
    parent
}

/// The contents of the document itself, or of a container: its name, its template (PS3.16) and its items.
pub fn fill_container(
    object: &mut InMemDicomObject,
    name: &Code,
    template: Option<&str>,
    children: Vec<InMemDicomObject>,
) {
    object.text(tags::VALUE_TYPE, VR::CS, "CONTAINER");
    object.items(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![name.item()]);
    object.text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
    if let Some(template) = template {
        let named = item(|item| {
            item.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR");
            item.text(tags::TEMPLATE_IDENTIFIER, VR::CS, template);
        });
        object.items(tags::CONTENT_TEMPLATE_SEQUENCE, vec![named]);
    }
    object.items(tags::CONTENT_SEQUENCE, children);
}

/// A container within another one.
pub fn container(
    name: &Code,
    template: Option<&str>,
    children: Vec<InMemDicomObject>,
) -> InMemDicomObject {
    item(|item| {
        item.text(tags::RELATIONSHIP_TYPE, VR::CS, Relation::Contains.term());
        fill_container(item, name, template, children);
    })
}

/// A coded value.
pub fn code(relation: Relation, name: &Code, value: &Code) -> InMemDicomObject {
    let mut made = start(relation, "CODE", Some(name));
    made.items(tags::CONCEPT_CODE_SEQUENCE, vec![value.item()]);
    made
}

/// A text.
pub fn text(relation: Relation, name: &Code, value: &str) -> InMemDicomObject {
    let mut made = start(relation, "TEXT", Some(name));
    let value: String = value.chars().take(LONGEST_TEXT).collect();
    made.text(tags::TEXT_VALUE, VR::UT, &value);
    made
}

/// A number with its unit: as a decimal string, and exactly.
pub fn number(relation: Relation, name: &Code, value: f32, unit: &Code) -> InMemDicomObject {
    let mut made = start(relation, "NUM", Some(name));
    // The shortest decimal of the number in single precision: 0.1 and not 0.10000000149.
    let value: f64 = value.to_string().parse().unwrap_or(value.into());
    let measured = item(|item| {
        item.text(tags::NUMERIC_VALUE, VR::DS, &decimal(value));
        let exact = PrimitiveValue::from(value);
        item.put(DataElement::new(tags::FLOATING_POINT_VALUE, VR::FD, exact));
        item.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![unit.item()]);
    });
    made.items(tags::MEASURED_VALUE_SEQUENCE, vec![measured]);
    made
}

/// A UID.
pub fn uid(relation: Relation, name: &Code, value: &str) -> InMemDicomObject {
    let mut made = start(relation, "UIDREF", Some(name));
    made.text(tags::UID, VR::UI, value);
    made
}

/// A person's name. Its separators are written as spaces: a reader's name is one group of one part.
pub fn person(relation: Relation, name: &Code, value: &str) -> InMemDicomObject {
    let mut made = start(relation, "PNAME", Some(name));
    let plain = short(&value.replace(['^', '='], " "), LONGEST_NAME);
    made.text(tags::PERSON_NAME, VR::PN, &plain);
    made
}

/// A reference to a film.
pub fn image(relation: Relation, name: Option<&Code>, film: &Evidence) -> InMemDicomObject {
    let mut made = start(relation, "IMAGE", name);
    made.items(tags::REFERENCED_SOP_SEQUENCE, vec![film.item()]);
    made
}
