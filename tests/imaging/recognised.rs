//! Which files are images, and what becomes of the others.

use std::path::Path;

use cxr::domain::ViewPosition;
use cxr::imaging::{DecodeLimits, ImageFault, looks_like_image, open};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use crate::imaging_files::{Dicom, EXPLICIT, Files};
use crate::shared::fault;
use crate::skip;

#[test]
fn files_without_a_picture_are_refused_with_their_kind() {
    let report = Dicom(dicom_object::InMemDicomObject::new_empty())
        .text(tags::SOP_CLASS_UID, VR::UI, uids::BASIC_TEXT_SR_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::MODALITY, VR::CS, "SR");
    assert_eq!(
        fault(&report.file(EXPLICIT)).to_string(),
        "not an image: structured report"
    );
    assert_eq!(
        fault(&report.file(EXPLICIT)),
        ImageFault::NoPicture("structured report".into())
    );
    // An object with rows had a picture, also if it claims to be of another kind.
    let stripped = report.clone().number(tags::ROWS, 2);
    let lost = "not an image: a DICOM object without pixel data (modality SR)";
    assert_eq!(fault(&stripped.file(EXPLICIT)).to_string(), lost);
    let stripped = Dicom::radiograph(2, 2, 8);
    assert!(matches!(
        fault(&stripped.file(EXPLICIT)),
        ImageFault::NotAnImage(_)
    ));
    assert_eq!(fault(b"").to_string(), "not an image: the file is empty");
    assert!(matches!(
        fault(b"%PDF-1.7 and so on"),
        ImageFault::NotAnImage(_)
    ));
    let missing = open(Path::new("no/such/file"), &DecodeLimits::default()).unwrap_err();
    assert!(matches!(missing.fault(), ImageFault::Unreadable(_)));
    assert!(matches!(
        open(
            Path::new(env!("CARGO_MANIFEST_DIR")),
            &DecodeLimits::default()
        )
        .unwrap_err()
        .fault(),
        ImageFault::NotAnImage(_)
    ));
}

#[test]
fn files_are_recognised_by_extension_or_else_by_content() {
    let files = Files::new();
    let dicom = Dicom::radiograph(2, 2, 8).bytes(&[0; 4]).file(EXPLICIT);
    assert!(looks_like_image(&files.put("IM-0001", &dicom)));
    assert!(looks_like_image(&files.put("a.JFIF", b"")));
    assert!(looks_like_image(&files.put("labels.csv", &dicom)));
    assert!(!looks_like_image(&files.put("notes.csv", b"path,finding")));
    assert!(!looks_like_image(&files.put("DICOMDIR", &dicom)));
    assert!(!looks_like_image(&files.put("notes", b"plain text")));
    assert!(!looks_like_image(files.path()));
}

/// Published radiographs, if they lie beside the project.
#[test]
fn published_radiographs_are_read() {
    let Some(data) = skip::private_data("dicom") else {
        return;
    };
    for entry in std::fs::read_dir(data.join("dicom")).unwrap() {
        let path = entry.unwrap().path();
        let r = open(&path, &DecodeLimits::default())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!((r.width, r.height, r.view), (1024, 1024, ViewPosition::Pa));
        // The same picture has two labels. MONOCHROME1 is wrong for it, and is corrected.
        assert!(!r.inverted, "{}", path.display());
    }
}
