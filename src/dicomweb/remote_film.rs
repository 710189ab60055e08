//! A film by its UIDs, and whether bytes are that film.

use std::sync::Arc;

use super::address::film_address;
use super::error::{DicomWebError, DicomWebFault};
use super::identity::identity;

/// An instance of a server, by its UIDs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteFilm {
    /// The address of the server.
    pub base: Arc<str>,
    pub study: Box<str>,
    pub series: Box<str>,
    pub instance: Box<str>,
}

impl RemoteFilm {
    pub fn url(&self) -> String {
        film_address(&self.base, &self.study, &self.series, &self.instance)
    }
}

/// Refuses a file of another instance or another study than the one that was asked for.
pub fn check(bytes: &[u8], film: &RemoteFilm) -> Result<(), DicomWebError> {
    let found = identity(bytes)?;
    let what = if found.instance != *film.instance {
        "film"
    } else if found.study != *film.study {
        "study's film"
    } else {
        return Ok(());
    };
    Err(DicomWebError::new(
        DicomWebFault::OtherFilm,
        format!("the server sends another {what} than the one that was asked for"),
    ))
}
