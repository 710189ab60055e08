//! What the header says against scoring a file.

use std::path::Path;

use cxr::domain::{InputCheck, Modality, Objection};
use cxr::inference::{Classifier, Classify};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use crate::imaging_files::{Dicom, EXPLICIT};
use crate::shared::read;

/// The objections of the header.
fn objections(file: Dicom) -> Vec<Objection> {
    read(&file.bytes(&[0; 4]).file(EXPLICIT))
        .admission
        .objections
}

#[test]
fn objections_of_the_header_are_read() {
    let code = |value: &str, meaning: &str| {
        Dicom(dicom_object::InMemDicomObject::new_empty())
            .text(tags::CODE_VALUE, VR::SH, value)
            .text(tags::CODE_MEANING, VR::LO, meaning)
    };
    let film = || Dicom::radiograph(2, 2, 8);
    let cs = |tag, value: &str| film().text(tag, VR::CS, value);
    let body = |part: &str| Objection::BodyPart(part.to_owned());
    let view = |view: &str| Objection::View(view.to_owned());
    let turned = |value: &str| cs(tags::PATIENT_ORIENTATION, value);
    let orientation = |value: &str| Objection::Orientation(value.to_owned());
    let capture = |how: &str| Objection::SecondaryCapture(Some(how.to_owned()));
    let of_class = |class: &str| film().text(tags::SOP_CLASS_UID, VR::UI, class);
    let class = |is_of: &str| Objection::Class {
        is_of: is_of.to_owned(),
        modality: "DX".to_owned(),
    };
    let region =
        |value, meaning| film().sequence(tags::ANATOMIC_REGION_SEQUENCE, code(value, meaning));
    for (file, expected) in [
        (
            cs(tags::PRESENTATION_INTENT_TYPE, "FOR PROCESSING"),
            Objection::ForProcessing,
        ),
        (
            film().text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            ),
            Objection::ForProcessing,
        ),
        (
            cs(tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION").text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            ),
            Objection::ForProcessing,
        ),
        (of_class(uids::CT_IMAGE_STORAGE), class("CT")),
        (of_class(uids::ULTRASOUND_IMAGE_STORAGE), class("US")),
        (
            of_class(uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION),
            class("MG"),
        ),
        (cs(tags::BODY_PART_EXAMINED, "HAND"), body("HAND")),
        (
            cs(tags::BODY_PART_EXAMINED, "CHESTABDOMEN"),
            body("CHESTABDOMEN"),
        ),
        (cs(tags::BODY_PART_EXAMINED, "TSPINE"), body("TSPINE")),
        (region("T-D8700", "Hand"), body("Hand")),
        (
            cs(tags::IMAGE_TYPE, "DERIVED\\SECONDARY"),
            Objection::Derived("DERIVED\\SECONDARY".into()),
        ),
        (
            cs(tags::IMAGE_TYPE, "ORIGINAL\\SECONDARY"),
            Objection::Derived("ORIGINAL\\SECONDARY".into()),
        ),
        (
            cs(tags::IMAGE_TYPE, "DERIVED"),
            Objection::Derived("DERIVED".into()),
        ),
        (
            film().text(
                tags::SOP_CLASS_UID,
                VR::UI,
                uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
            ),
            Objection::SecondaryCapture(None),
        ),
        (
            film().text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.7.2"),
            Objection::SecondaryCapture(None),
        ),
        (cs(tags::CONVERSION_TYPE, "DF"), capture("digitised film")),
        (
            cs(tags::CONVERSION_TYPE, "WSD").text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY"),
            capture("workstation"),
        ),
        (cs(tags::BURNED_IN_ANNOTATION, "YES"), Objection::BurnedIn),
        (cs(tags::LATERALITY, "L"), Objection::OneSide("L".into())),
        (
            cs(tags::IMAGE_LATERALITY, "R"),
            Objection::OneSide("R".into()),
        ),
        (cs(tags::VIEW_POSITION, "RLD"), view("RLD")),
        (cs(tags::VIEW_POSITION, "LAO"), view("LAO")),
        (cs(tags::VIEW_POSITION, "PA LLD"), view("PA LLD")),
        (cs(tags::VIEW_POSITION, "SWIMMERS"), view("SWIMMERS")),
        (
            cs(tags::VIEW_POSITION, "PA").sequence(
                tags::VIEW_CODE_SEQUENCE,
                code("399067008", "lateral projection"),
            ),
            Objection::TwoViews {
                stated: "PA".to_owned(),
                coded: "lateral projection".to_owned(),
            },
        ),
        (
            cs(tags::VIEW_POSITION, "AP SUPINE")
                .sequence(tags::VIEW_CODE_SEQUENCE, code("R-10214", "frontal")),
            Objection::TwoViews {
                stated: "AP SUPINE".to_owned(),
                coded: "frontal".to_owned(),
            },
        ),
        (turned("R\\F"), orientation("R\\F")),
        (turned("L\\H"), orientation("L\\H")),
        (turned("F\\R"), orientation("F\\R")),
        (turned("rh\\hl"), orientation("RH\\HL")),
        (turned("R"), orientation("R")),
        (
            film().sequence(
                tags::VIEW_CODE_SEQUENCE,
                code("R-10208", "left anterior oblique"),
            ),
            view("left anterior oblique"),
        ),
        (
            cs(tags::PATIENT_ORIENTATION, "A\\F"),
            view("with rows to A (a lateral's)"),
        ),
    ] {
        assert_eq!(objections(file), [expected]);
    }
}

/// From the file to the input check.
#[test]
fn an_objection_is_a_caution_with_scores_and_another_modality_is_refused() {
    let model = Classifier::bundled().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/pneumonia_1.png");
    let sample = image::open(sample).unwrap().into_luma8();
    let film = |tag, value: &str| {
        let file = Dicom::radiograph(sample.width() as u16, sample.height() as u16, 8);
        read(&file.text(tag, VR::CS, value).bytes(&sample).file(EXPLICIT))
    };
    let hand = model
        .classify(&film(tags::BODY_PART_EXAMINED, "HAND"))
        .unwrap();
    let why = vec!["body part HAND, not chest".to_owned()];
    assert_eq!(hand.input, InputCheck::Caution(why));
    assert!(!hand.findings.is_empty());
    for modality in ["CT", "MR", "US", "NM", "PT", "MG"] {
        let refused = model.classify(&film(tags::MODALITY, modality)).unwrap();
        let why = [format!("modality {modality} is not plain radiography")];
        assert_eq!(
            refused.input,
            InputCheck::Refused(why.to_vec()),
            "it is refused before it is scored"
        );
        assert!(refused.findings.is_empty());
    }
}

#[test]
fn ordinary_films_of_devices_and_archives_have_no_objection() {
    let cs = |tag, value: &str| Dicom::radiograph(2, 2, 8).text(tag, VR::CS, value);
    let chest = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::CODE_VALUE, VR::SH, "T-D3000")
        .text(tags::CODE_MEANING, VR::LO, "Brustkorb");
    // A film for presentation as defined in PS3.3 A.26.
    let whole = cs(tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION")
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY\\")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
        .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO")
        .text(tags::IMAGE_LATERALITY, VR::CS, "U")
        .text(tags::VIEW_POSITION, VR::CS, "PA")
        .text(tags::PATIENT_ORIENTATION, VR::CS, "L\\F")
        .sequence(tags::ANATOMIC_REGION_SEQUENCE, chest);
    let mislabelled = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::CODE_VALUE, VR::SH, "399348003")
        .text(tags::CODE_MEANING, VR::LO, "postero-anterior");
    let mislabelled = whole
        .clone()
        .sequence(tags::VIEW_CODE_SEQUENCE, mislabelled);
    assert_eq!(objections(mislabelled), []);
    assert_eq!(objections(whole), []);
    assert_eq!(objections(Dicom::radiograph(2, 2, 8)), []);
    for class in [
        uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
        uids::X_RAY_ANGIOGRAPHIC_IMAGE_STORAGE,
        uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE,
        "1.2.3",
    ] {
        let file = Dicom::radiograph(2, 2, 8).text(tags::SOP_CLASS_UID, VR::UI, class);
        assert_eq!(objections(file), [], "{class}");
    }
    // A CT is refused for its modality. Its class agrees with that, so there is no further objection.
    let ct = cs(tags::MODALITY, "CT").text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    assert_eq!(objections(ct), []);
    for (tag, values) in [
        (
            tags::BODY_PART_EXAMINED,
            &[
                "THORAX",
                "Chest",
                "CHEST PA",
                "TORAX",
                "PORT CHEST",
                "LUNG",
                "T-D3000",
                "",
                "UNKNOWN",
            ][..],
        ),
        (tags::IMAGE_TYPE, &["ORIGINAL\\PRIMARY", "ORIGINAL", ""]),
        (tags::LATERALITY, &["", "U", "B"]),
        (
            tags::VIEW_POSITION,
            &["AP", "PA", "L", "R", "", "LL", "AP SUPINE", "PA ERECT"],
        ),
        (
            tags::PATIENT_ORIENTATION,
            &["L\\F", "LF\\FR", "L\\FP", "L", "", "RIGHT\\FEET"],
        ),
        (tags::BURNED_IN_ANNOTATION, &["NO", ""]),
        (tags::CONVERSION_TYPE, &[""]),
    ] {
        for value in values {
            assert_eq!(objections(cs(tag, value)), [], "{tag} {value:?}");
        }
    }
}

#[test]
fn without_a_modality_the_class_decides() {
    let mut file =
        Dicom::radiograph(2, 2, 8).text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    file.0.remove_element(tags::MODALITY);
    let r = read(&file.bytes(&[0; 4]).file(EXPLICIT));
    assert_eq!(r.modality, Modality::Other("CT".into()));
}
