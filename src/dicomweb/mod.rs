//! Films of a PACS, by DICOMweb: a query opens as a folder, and films come as they are looked at or scored.
//!
//! ```text
//! https://host/dicom-web?Modality=DX,CR&StudyDate=20240101-      what the user types (`address`)
//!  └ walk ──► QIDO-RS, page by page (`query`) ──► addresses of films
//!      └ read ──► `films`: memory, the folder of --keep, or WADO-RS (`multipart`) ──► the film, checked (`identity`)
//! an object ──► STOW-RS (`stow`) ──► what the server decides on it
//! ```
//!
//! All of it goes through `transport`: TLS is verified, credentials (`credentials`) reach no other server than the one that
//! was named, requests have time limits, and what may pass is tried again. Nothing of it knows the screen.
//!
//! Services and media types are those of DICOM PS3.18 (2024e): section 10.6 *Search*, 10.4 *Retrieve*, 10.5 *Store*.

mod address;
mod check;
mod credentials;
mod error;
mod films;
mod identity;
mod keep;
mod multipart;
mod query;
mod remote_film;
mod stow;
mod transport;
mod walk;

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use address::{DicomWebAddress, DicomWebScope};
pub use check::{ServerCheck, check_server};
pub use credentials::CredentialSources;
pub use error::{DicomWebError, DicomWebFault};
pub use identity::{FilmIdentity, identity};
pub use keep::KeepFolder;
pub use multipart::{boundary, only_part};
pub use query::{QueryResult, read_results};
pub use stow::{StowDecision, StowFault, StowServer};
pub use transport::read_roots;

use crate::sources::{RemoteItem, RemoteSource, SourceFault};
use films::RemoteFilms;
use remote_film::RemoteFilm;
use transport::{Transport, TransportSettings};

/// How servers are talked to, and what is kept of their films.
#[derive(Debug)]
pub struct DicomWebSettings {
    /// How long a server may be silent.
    pub patience: Duration,
    /// A PEM file of the authorities that sign certificates here; `None` for those of Mozilla.
    pub authorities: Option<PathBuf>,
    /// Bytes of films that are kept in memory.
    pub memory: u64,
    /// Where films stay; `None` for nowhere.
    pub keep: Option<PathBuf>,
    /// Who cxr says that it is.
    pub credentials: Arc<CredentialSources>,
}

/// The servers that a user named, as a source of films. Dropping it ends the threads that fetch ahead.
pub struct DicomWebSource {
    films: Arc<RemoteFilms>,
    /// The base of each server as in addresses of films.
    bases: HashMap<String, Arc<str>>,
    is_ending: Arc<AtomicBool>,
}

impl DicomWebSource {
    /// For the servers of these addresses. Only they are asked, and only they get credentials. Nothing is sent yet.
    ///
    /// # Errors
    /// If the file of authorities or the folder for films cannot be used.
    pub fn new(
        addresses: &[DicomWebAddress],
        settings: DicomWebSettings,
    ) -> Result<Self, DicomWebError> {
        let is_ending = Arc::new(AtomicBool::new(false));
        let transports = transports(addresses, &settings, &is_ending)?;
        let keep = settings.keep.as_deref().map(KeepFolder::new).transpose()?;
        let bases = transports.iter().map(|(base, _)| base.clone());
        let bases = bases.map(|base| (base.clone(), base.into())).collect();
        let servers = transports.into_iter();
        let servers = servers.map(|(base, transport)| (base.into(), transport));
        Ok(DicomWebSource {
            films: RemoteFilms::new(servers, settings.memory, keep),
            bases,
            is_ending,
        })
    }

    /// The film that a path names; `None` if it names none of a known server.
    fn film(&self, path: &Path) -> Option<RemoteFilm> {
        let address = DicomWebAddress::parse(path.to_str()?).ok()?;
        let base = self.bases.get(&address.base)?;
        match address.scope {
            DicomWebScope::Instance(study, series, instance) => Some(RemoteFilm {
                base: Arc::clone(base),
                study: study.into(),
                series: series.into(),
                instance: instance.into(),
            }),
            _ => None,
        }
    }

    /// Walks what lies under an address, and notes the order of its films.
    fn walk_address(
        &self,
        address: &DicomWebAddress,
        on: &mut dyn FnMut(RemoteItem) -> ControlFlow<()>,
    ) -> Result<(), DicomWebError> {
        let Some(transport) = self.films.server(&address.base) else {
            return Ok(());
        };
        // One film alone has no list behind it.
        let mut is_first = !matches!(address.scope, DicomWebScope::Instance(..));
        walk::walk(transport, address, &mut |found| match found {
            Ok(film) => {
                let path = PathBuf::from(film);
                let film = self.film(&path);
                if let Some(film) = film.clone() {
                    self.films.comes(film);
                }
                on(RemoteItem::Film(path))?;
                if let Some(film) = film.filter(|_| std::mem::take(&mut is_first)) {
                    self.films.let_come(&film);
                }
                ControlFlow::Continue(())
            }
            Err((place, error)) => on(RemoteItem::Problem {
                path: place.into(),
                reason: error.to_string(),
            }),
        })
    }
}

/// One transport for each server.
fn transports(
    addresses: &[DicomWebAddress],
    settings: &DicomWebSettings,
    is_ending: &Arc<AtomicBool>,
) -> Result<Vec<(String, Arc<Transport>)>, DicomWebError> {
    // Read once, and shared by all.
    let roots = settings
        .authorities
        .as_deref()
        .map(read_roots)
        .transpose()?;
    let transport_settings = TransportSettings {
        patience: settings.patience,
        roots: roots.unwrap_or_default(),
    };
    let mut bases: Vec<&String> = addresses.iter().map(|address| &address.base).collect();
    bases.sort();
    bases.dedup();
    let transport = |base: &String| {
        let credentials = Arc::clone(&settings.credentials);
        let transport = Transport::new(
            base,
            &transport_settings,
            credentials,
            Arc::clone(is_ending),
        );
        (base.clone(), Arc::new(transport))
    };
    Ok(bases.into_iter().map(transport).collect())
}

impl Drop for DicomWebSource {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.films.end();
    }
}

impl RemoteSource for DicomWebSource {
    fn holds(&self, path: &Path) -> bool {
        let address = path.to_str().map(DicomWebAddress::parse);
        matches!(address, Some(Ok(address)) if self.bases.contains_key(&address.base))
    }

    fn read(&self, path: &Path, longest: u64) -> Result<Arc<[u8]>, SourceFault> {
        let film = self
            .film(path)
            .ok_or_else(|| SourceFault::missing("it is the address of no film"))?;
        self.films
            .film(&film, longest)
            .map_err(|error| fault(&error))
    }

    /// An instance never changes: another content has another SOP Instance UID (DICOM PS3.3, section C.12.1.1).
    fn stamp(&self, path: &Path) -> Option<u64> {
        self.film(path).map(|_| 0)
    }

    fn walk(&self, path: &Path, on: &mut dyn FnMut(RemoteItem) -> ControlFlow<()>) {
        let Some(Ok(address)) = path.to_str().map(DicomWebAddress::parse) else {
            return;
        };
        if let Err(error) = self.walk_address(&address, on) {
            let _ = on(RemoteItem::Problem {
                // Its query may name a patient.
                path: address.place().into(),
                reason: error.to_string(),
            });
        }
    }
}

fn fault(error: &DicomWebError) -> SourceFault {
    match error.fault() {
        DicomWebFault::TooLarge => SourceFault::too_large(error),
        DicomWebFault::NotFound => SourceFault::missing(error),
        DicomWebFault::Damaged | DicomWebFault::CutOff | DicomWebFault::OtherFilm => {
            SourceFault::damaged(error)
        }
        _ => SourceFault::Unreadable {
            reason: error.to_string(),
            kind: io::ErrorKind::Other,
        },
    }
}

#[cfg(test)]
mod tests;
