//! `cxr doctor --pacs ADDRESS`: what a server answers.

use anyhow::Result;

use super::PartFinding;
use crate::cli::PacsArguments;
use crate::commands::shared::Usage;

/// Asks the server, step by step.
///
/// # Errors
/// [`Usage`], if the address makes no sense.
#[cfg(feature = "dicomweb")]
pub fn findings(address: &str, arguments: &PacsArguments) -> Result<Vec<PartFinding>> {
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
pub fn findings(_: &str, _: &PacsArguments) -> Result<Vec<PartFinding>> {
    Err(unknown())
}

fn unknown() -> anyhow::Error {
    let without = if cfg!(feature = "dicomweb") {
        ""
    } else {
        ", and this cxr was built without DICOMweb (feature `dicomweb`)"
    };
    Usage::error(format!(
        "--pacs: an address begins with https:// or http://{without}"
    ))
}
