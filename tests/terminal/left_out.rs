//! Files of a folder that the worklist does not show.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::imaging_files::{Dicom, EXPLICIT};
use crate::samples;
use crate::session::Session;

#[test]
fn files_that_are_not_read_are_counted_and_listed_and_new_ones_are_added() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
    std::fs::copy(samples().join("clear_1.png"), folder.path().join("a.png")).unwrap();
    ["b.jxl", "c.zip", "notes.txt"].into_iter().for_each(put);
    let session = Session::start(24, 80, &[folder.path().to_owned()]);
    session.wait_for_text("2 files not read · ! lists them");
    session.press("!");
    session.wait_for_text("b.jxl: a JPEG XL image");
    assert!(
        session
            .screen()
            .contains("c.zip: a zip archive: unpack it first")
    );
    assert!(!session.screen().contains("notes.txt"));
    session.press("x");
    // A new one is counted, too; the title has the number.
    put("d.rar");
    session.wait_for_text("3 not read");
    session.press("!");
    session.wait_for_text("d.rar: a RAR archive");
}

#[test]
fn a_structured_report_is_not_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let report = Dicom(InMemDicomObject::new_empty())
        .text(tags::SOP_CLASS_UID, VR::UI, uids::BASIC_TEXT_SR_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4")
        .text(tags::MODALITY, VR::CS, "SR")
        .file(EXPLICIT);
    std::fs::write(folder.path().join("SR1"), report).unwrap();
    std::fs::copy(samples().join("clear_1.png"), folder.path().join("a.png")).unwrap();
    let session = Session::start(35, 120, &[folder.path().to_owned()]);
    session.wait_for_text("no picture: structured report");
    session.wait_for_text("1 without picture");
    assert!(!session.screen().contains("failed"), "{}", session.screen());
}
