//! Addresses of a PACS among the paths of a command.

#[cfg(any(feature = "dicomweb", test))]
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::Result;

use super::Usage;
use crate::cli::PacsArguments;

/// Seconds that a server may be silent.
#[cfg(any(feature = "dicomweb", test))]
pub const PACS_TIMEOUT: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// MiB of films that are kept in memory.
#[cfg(any(feature = "dicomweb", test))]
pub const PACS_MEMORY: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// Makes the films of servers that are among these paths readable.
///
/// # Errors
/// [`Usage`], if an address makes no sense or holds a password, an option cannot be used, or `--keep` has nothing to keep.
pub fn open_pacs(paths: &[PathBuf], arguments: &PacsArguments) -> Result<()> {
    let is_remote = |path: &&PathBuf| crate::sources::is_remote(path);
    let remote: Vec<&PathBuf> = paths.iter().filter(is_remote).collect();
    if remote.is_empty() {
        return match arguments.keep {
            Some(_) => Err(Usage::error(
                "--keep: it is for the films of a PACS, and no path is an address of one",
            )),
            None => Ok(()),
        };
    }
    register(&remote, arguments)
}

#[cfg(not(feature = "dicomweb"))]
fn register(_: &[&PathBuf], _: &PacsArguments) -> Result<()> {
    Err(Usage::error(
        "this cxr was built without DICOMweb (feature `dicomweb`)",
    ))
}

#[cfg(feature = "dicomweb")]
fn register(remote: &[&PathBuf], arguments: &PacsArguments) -> Result<()> {
    use crate::dicomweb::DicomWebSource;
    use crate::export::path_text;
    use crate::sources::Sources;
    let addresses: Result<Vec<_>> = remote
        .iter()
        .map(|path| pacs_address(&path_text(path)))
        .collect();
    let source = DicomWebSource::new(&addresses?, pacs_settings(arguments));
    let source = source.map_err(|error| Usage::error(error.to_string()))?;
    Sources::of_process().register(std::sync::Arc::new(source));
    Ok(())
}

/// Reads an address that the user typed.
///
/// # Errors
/// [`Usage`], if it makes no sense. The message has no password of it.
#[cfg(feature = "dicomweb")]
pub fn pacs_address(text: &str) -> Result<crate::dicomweb::DicomWebAddress> {
    crate::dicomweb::DicomWebAddress::parse(text).map_err(|error| {
        // Neither what comes before an @ nor a query is shown.
        let place = text.split(['?', '#']).next().unwrap_or_default();
        let shown = match place.rsplit_once('@') {
            Some((_, after)) => format!("…@{after}"),
            None => place.to_owned(),
        };
        Usage::error(format!("{}: {error}", crate::domain::text::clean(&shown)))
    })
}

/// The settings of the options, of the environment and of the configuration.
#[cfg(feature = "dicomweb")]
pub fn pacs_settings(arguments: &PacsArguments) -> crate::dicomweb::DicomWebSettings {
    use crate::dicomweb::{CredentialSources, DicomWebSettings};
    let seconds = arguments.pacs_timeout.unwrap_or(PACS_TIMEOUT);
    let mebibytes = arguments.pacs_memory.unwrap_or(PACS_MEMORY);
    let credentials = CredentialSources::new(
        |name| std::env::var(name).ok(),
        arguments.pacs_credentials.clone(),
    );
    DicomWebSettings {
        patience: std::time::Duration::from_secs(seconds.get().into()),
        authorities: arguments.pacs_ca.clone(),
        memory: u64::from(mebibytes.get()) << 20,
        keep: arguments.keep.clone(),
        credentials: std::sync::Arc::new(credentials),
    }
}
