//! Addresses of DICOMweb servers, and of what lies on them.
//!
//! The paths of studies, series and instances are those of DICOM PS3.18, Table 10.3-1 (Studies Service, *Retrieve*).

use super::error::{DicomWebError, DicomWebFault};
use crate::data_elements::is_uid;

/// The most characters of an address.
const LONGEST: usize = 4_096;

/// Which part of a server an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DicomWebScope {
    /// All studies that match the query.
    Studies,
    /// One study, by its Study Instance UID.
    Study(String),
    /// One series, by the UIDs of study and series.
    Series(String, String),
    /// One instance, by the UIDs of study, series and instance.
    Instance(String, String, String),
}

/// An address that a user may type: the base of a DICOMweb server, below it a study, a series or an instance, and a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DicomWebAddress {
    /// `https://host:8042/dicom-web`: no slash at the end, no query.
    pub base: String,
    /// What is asked for.
    pub scope: DicomWebScope,
    /// Attributes to match, as typed: `Modality`, `DX,CR`. Percent-encoded where the address was.
    pub query: Vec<(String, String)>,
}

impl DicomWebAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// If it is none, or holds a user name or a password. The message holds neither.
    pub fn parse(text: &str) -> Result<Self, DicomWebError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("https" | "http"), rest)) => (scheme, rest),
            _ => return Err(wrong("it does not begin with https:// or http://")),
        };
        if text.len() > LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} characters")));
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, query),
            None => (rest, ""),
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, path),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(wrong(
                "a user name or a password in an address is seen by every user of this machine: set CXR_PACS_USER and \
                 CXR_PACS_PASSWORD, or write them into ~/.netrc",
            ));
        }
        if !is_authority(authority) {
            return Err(wrong("it names no host"));
        }
        if !has_port_or_none(authority) {
            return Err(wrong("its port is no number from 1 to 65535"));
        }
        let mut segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if !segments.iter().all(|part| is_segment(part)) {
            return Err(wrong("its path holds characters that no address has"));
        }
        let scope = scope(&mut segments)?;
        let mut base = format!("{scheme}://{}", authority.to_ascii_lowercase());
        for segment in segments {
            base.push('/');
            base.push_str(segment);
        }
        Ok(DicomWebAddress {
            base,
            scope,
            query: keys(query)?,
        })
    }

    /// The address without its query.
    pub fn place(&self) -> String {
        let base = &self.base;
        match &self.scope {
            DicomWebScope::Studies => base.clone(),
            DicomWebScope::Study(study) => format!("{base}/studies/{study}"),
            DicomWebScope::Series(study, series) => {
                format!("{base}/studies/{study}/series/{series}")
            }
            DicomWebScope::Instance(study, series, instance) => {
                film_address(base, study, series, instance)
            }
        }
    }
}

/// The address of an instance, which a film has in tables and on the screen.
pub fn film_address(base: &str, study: &str, series: &str, instance: &str) -> String {
    format!("{base}/studies/{study}/series/{series}/instances/{instance}")
}

/// Takes what a path names off its end, and leaves the segments of the base.
fn scope(segments: &mut Vec<&str>) -> Result<DicomWebScope, DicomWebError> {
    let Some(at) = segments.iter().rposition(|part| *part == "studies") else {
        return Ok(DicomWebScope::Studies);
    };
    let below = segments.split_off(at);
    let uid = |text: &str| {
        if is_uid(text) {
            Ok(text.to_owned())
        } else {
            Err(wrong("what follows /studies is no DICOM UID"))
        }
    };
    match below[..] {
        ["studies"] => Ok(DicomWebScope::Studies),
        ["studies", study] => Ok(DicomWebScope::Study(uid(study)?)),
        ["studies", study, "series", series] => {
            Ok(DicomWebScope::Series(uid(study)?, uid(series)?))
        }
        ["studies", study, "series", series, "instances", instance] => Ok(DicomWebScope::Instance(
            uid(study)?,
            uid(series)?,
            uid(instance)?,
        )),
        _ => Err(wrong(
            "after /studies come UIDs only: /studies/UID/series/UID/instances/UID",
        )),
    }
}

/// The attributes of a query. Values may hold anything that an address can, and letters of other languages and blanks,
/// which are encoded.
fn keys(query: &str) -> Result<Vec<(String, String)>, DicomWebError> {
    let query = query.split('#').next().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".,%".contains(&byte));
            if !is_name {
                return Err(wrong("its query has a part that is no NAME=VALUE"));
            }
            if ["limit", "offset"].contains(&name.to_ascii_lowercase().as_str()) {
                return Err(wrong(format!(
                    "cxr asks page by page itself, so {name} is not for its query"
                )));
            }
            Ok((name.to_owned(), encoded(value)))
        })
        .collect()
}

/// A value with the bytes that no query may hold percent-encoded (RFC 3986, section 3.4).
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~%!$'()*+,;:@/?=".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn is_authority(text: &str) -> bool {
    let host = text.trim_start_matches('[');
    host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}

/// Whether what follows the host is a port, or nothing. A port that cannot be read would be taken for none, and the
/// credential would go to another server of that machine.
fn has_port_or_none(authority: &str) -> bool {
    let after_host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(_, after)| after),
        None => authority.find(':').and_then(|at| authority.get(at..)),
    };
    match after_host {
        None => !authority.starts_with('['),
        Some("") => true,
        Some(after) => {
            let port = after.strip_prefix(':');
            let digits = port.filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
            let number = digits.and_then(|port| port.parse::<u16>().ok());
            number.is_some_and(|number| number > 0)
        }
    }
}

fn is_segment(text: &str) -> bool {
    text != ".."
        && text != "."
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$'()*+,;:@=".contains(&byte))
}

fn wrong(reason: impl std::fmt::Display) -> DicomWebError {
    DicomWebError::new(DicomWebFault::Setting, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> DicomWebAddress {
        DicomWebAddress::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_address_has_a_base_a_scope_and_a_query() {
        let all = parsed("https://PACS.example:8443/dicom-web/?Modality=DX,CR&StudyDate=20240101-");
        assert_eq!(all.base, "https://pacs.example:8443/dicom-web");
        assert_eq!(all.scope, DicomWebScope::Studies);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            all.query,
            [pair("Modality", "DX,CR"), pair("StudyDate", "20240101-")]
        );
        assert_eq!(all.place(), "https://pacs.example:8443/dicom-web");
        assert_eq!(
            parsed("http://[::1]:80/a/studies").scope,
            DicomWebScope::Studies
        );
        let name = &parsed("http://h/?PatientName=Mü ller*").query[0].1;
        assert_eq!(name, "M%C3%BC%20ller*");
        for place in [
            "http://h/d/studies/1.2",
            "http://h/d/studies/1.2/series/3",
            "http://h/d/studies/1.2/series/3/instances/4.5",
            "http://h/studies/1.2",
            "http://h:65535/studies/1.2",
            "http://[::1]:80/studies/1.2",
            "http://[::1]/studies/1.2",
        ] {
            assert_eq!(parsed(place).place(), place);
        }
        assert_eq!(parsed("http://h/studies/1.2").base, "http://h");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "films",
            "ftp://h/d",
            "HTTPS://h/d",
            "https://",
            "https:///d",
            "https://h\u{1b}[2J/d",
            "https://h/d/../e",
            "https://h/d e",
            "https://h/studies/x",
            "https://h/studies/1.2/instances/3",
            "https://h/studies/1.2/series/3/instances/../4",
            "https://h/d?limit=3",
            "https://h/d?=3",
            "https://h:99999/d",
            "https://h:/d",
            "https://h:0/d",
            "https://h:8042x/d",
            "https://h:80:90/d",
            "https://[::1/d",
            "https://[::1]8042/d",
            "https://[::1]:65536/d",
        ] {
            let error = DicomWebAddress::parse(text).unwrap_err();
            assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "https://me:secret@h/d",
            "https://secret@h",
            "https://me:secret@h?x=1",
        ] {
            let error = DicomWebAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains("CXR_PACS_PASSWORD"), "{error}");
            assert!(
                !error.contains("secret") && !error.contains("me:"),
                "{error}"
            );
        }
    }
}
