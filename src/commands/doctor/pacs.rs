//! `cxr doctor --pacs ADDRESS`: what a server answers.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, bail};

use super::PartFinding;
use crate::cli::PacsArguments;
use crate::commands::shared::Usage;
use crate::dimse::{AeTitle, DicomAddress, DimseStatus, StorageKind, echo, sop_class_name};

/// The title by which this calls, as `cxr dicom send` does.
const CALLING: &str = "CXR";
/// Seconds that an application entity may be silent.
const SILENCE: u64 = 30;
/// What results are: Comprehensive 3D SR, Secondary Capture, presentation states and key objects (PS3.4 annex B.5).
const RESULTS: [&str; 4] = [
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.88.59",
];
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";

/// Asks the server, step by step.
///
/// # Errors
/// [`Usage`], if the address makes no sense.
pub fn findings(address: &str, arguments: &PacsArguments) -> Result<Vec<PartFinding>> {
    if address.starts_with("dicom://") {
        let found = address.parse::<DicomAddress>();
        let entity = found.map_err(|fault| Usage::error(format!("--pacs: {fault}")))?;
        return of_entity(&entity, arguments.pacs_timeout);
    }
    of_web(address, arguments)
}

/// Whether an application entity answers (C-ECHO), and which kinds of results it takes.
fn of_entity(entity: &DicomAddress, silence: Option<NonZeroU32>) -> Result<Vec<PartFinding>> {
    let silence = Duration::from_secs(silence.map_or(SILENCE, |seconds| seconds.get().into()));
    let kind = |sop_class: &str| StorageKind {
        sop_class: sop_class.to_owned(),
        transfer_syntax: EXPLICIT_LITTLE.to_owned(),
    };
    let kinds = RESULTS.map(kind);
    let calling: AeTitle = CALLING.parse()?;
    let answer = match echo(entity, &calling, silence, &kinds) {
        Ok(answer) => answer,
        Err(error) => return Ok(vec![("echo", Err(error.into()))]),
    };
    let by = answer.implementation.as_deref().unwrap_or("no name given");
    let said = match answer.status {
        DimseStatus::SUCCESS => Ok(vec![format!(
            "{} answers in {} ms ({by})",
            entity.title,
            answer.elapsed.as_millis()
        )]),
        DimseStatus(other) => Err(anyhow::anyhow!("it answers with status {other:04X}")),
    };
    Ok(vec![
        ("echo", said),
        ("results", taken(&kinds, &answer.taken)),
    ])
}

/// Which of the kinds are taken, and what to do about the others.
fn taken(kinds: &[StorageKind], taken: &[StorageKind]) -> Result<Vec<String>> {
    let names = |wanted: bool| {
        let kinds = kinds.iter().filter(|kind| taken.contains(kind) == wanted);
        let names: Vec<_> = kinds.map(|kind| sop_class_name(&kind.sop_class)).collect();
        names.join(", ")
    };
    if taken.is_empty() {
        bail!(
            "it takes none of {}: allow them there, for the calling title {CALLING}",
            names(false)
        );
    }
    let mut lines = vec![format!("it takes {}", names(true))];
    if taken.len() < kinds.len() {
        lines.push(format!("not taken: {}; allow them there", names(false)));
    }
    Ok(lines)
}

#[cfg(feature = "dicomweb")]
fn of_web(address: &str, arguments: &PacsArguments) -> Result<Vec<PartFinding>> {
    use crate::commands::shared::{pacs_address, pacs_settings};
    use crate::dicomweb::check_server;
    if !address.starts_with("http") {
        return Err(unknown());
    }
    let steps = check_server(&pacs_address(address)?, &pacs_settings(arguments));
    let steps = steps.into_iter().map(|(name, finding)| {
        let finding = finding.map(|line| vec![line]);
        (name, finding.map_err(anyhow::Error::msg))
    });
    Ok(steps.collect())
}

#[cfg(not(feature = "dicomweb"))]
fn of_web(_: &str, _: &PacsArguments) -> Result<Vec<PartFinding>> {
    Err(unknown())
}

fn unknown() -> anyhow::Error {
    let without = if cfg!(feature = "dicomweb") {
        ""
    } else {
        ", and this cxr was built without DICOMweb (feature `dicomweb`)"
    };
    Usage::error(format!(
        "--pacs: an address begins with https://, http:// or dicom://{without}"
    ))
}
