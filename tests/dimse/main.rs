//! `cxr listen` and `cxr dicom send` against themselves, DCMTK, Orthanc, pynetdicom, and peers that break the rules.
//! Everything talks to 127.0.0.1 only.

mod bounds;
mod dcmtk;
#[path = "../free_ports/mod.rs"]
mod free_ports;
mod hostile;
#[path = "../imaging_files/mod.rs"]
mod imaging_files;
mod killed;
mod listening;
mod orthanc;
mod pynetdicom;
mod sending;
#[path = "../skip/mod.rs"]
mod skip;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cxr::dimse::{DicomAddress, Part10Object, StorageKind, StoreRequestor};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use imaging_files::{Dicom, data_set_start, phantom};

const CXR: &str = env!("CARGO_BIN_EXE_cxr");
/// The longest wait. It is only reached if a test fails.
const LIMIT: Duration = Duration::from_secs(60);
const DX: &str = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;

/// A film of `columns` × `columns` pixels of 16 bits under this SOP instance UID.
fn film(instance: &str, columns: u16) -> Dicom {
    let pixels = phantom(columns.into(), columns.into(), 12);
    Dicom::radiograph(columns, columns, 12)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
        .text(tags::PATIENT_NAME, VR::PN, "Secret^Name")
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .words(&pixels)
}

fn digital_radiograph() -> StorageKind {
    StorageKind {
        sop_class: DX.to_owned(),
        transfer_syntax: imaging_files::EXPLICIT.to_owned(),
    }
}

/// The data set of a film, without the head of its file.
fn data_set(film: &Dicom) -> Vec<u8> {
    let file = film.file(imaging_files::EXPLICIT);
    file[data_set_start(&file)..].to_vec()
}

fn address(port: u16, title: &str) -> DicomAddress {
    format!("dicom://127.0.0.1:{port}/{title}").parse().unwrap()
}

/// An association with a listener that is called CXR.
fn associate(port: u16) -> Result<StoreRequestor, cxr::dimse::DimseError> {
    let calling = "XRAY1".parse().unwrap();
    let timeout = Duration::from_secs(20);
    StoreRequestor::open(
        &address(port, "CXR"),
        &calling,
        timeout,
        &[digital_radiograph()],
    )
}

/// Whether a program is there; otherwise the test skips.
fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .unwrap();
    if !found.status.success() {
        skip::skip(format_args!("there is no {program}"));
    }
    found.status.success()
}

/// The files of a folder that a walk would show, sorted.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    let is_visible = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        !name.starts_with('.')
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(is_visible)
        .collect();
    paths.sort();
    paths
}

/// All elements of the data set of a file.
fn object(path: &Path) -> dicom_object::InMemDicomObject {
    let mut file = std::fs::read(path).unwrap();
    let start = data_set_start(&file);
    let head = Part10Object::parse(&file).unwrap();
    if head.kind.transfer_syntax == imaging_files::DEFLATED {
        // dicom-rs has no deflate here: the same data set with another head.
        let mut plain = film("1.2.3", 2).file(imaging_files::EXPLICIT);
        plain.truncate(data_set_start(&plain));
        flate2::read::DeflateDecoder::new(&file[start..])
            .read_to_end(&mut plain)
            .unwrap();
        file = plain;
    }
    dicom_object::from_reader(file.as_slice())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into_inner()
}
