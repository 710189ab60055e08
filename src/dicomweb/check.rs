//! What a server answers, step by step, in words, for `cxr doctor --pacs`.

use std::time::Instant;

use super::address::{DicomWebAddress, DicomWebScope, film_address};
use super::credentials::DicomWebCredential;
use super::error::{DicomWebError, DicomWebFault};
use super::films::read_film;
use super::query::{PAGE, QueryResult, page};
use super::remote_film::{RemoteFilm, check};
use super::transport::Transport;
use super::{DicomWebSettings, transports};

/// The largest film that is fetched to see whether the server sends films.
const LONGEST_FILM: u64 = 512 << 20;

/// One step: its name, and what was found or what is wrong and how to mend it.
pub type ServerCheck = (&'static str, Result<String, String>);

/// Asks a server for a list of studies, for the instances of one of them, and for a film. Stops at the first step that
/// fails. No line names a patient or a study.
pub fn check_server(address: &DicomWebAddress, settings: &DicomWebSettings) -> Vec<ServerCheck> {
    let mut steps = Vec::new();
    let is_ending = std::sync::Arc::default();
    let transport =
        transports(std::slice::from_ref(address), settings, &is_ending).and_then(|transports| {
            let transport = transports.into_iter().next();
            let none = || DicomWebError::new(DicomWebFault::Setting, "no server");
            let (_, transport) = transport.ok_or_else(none)?;
            let credential = transport.credential()?;
            Ok((transport, credential))
        });
    let (transport, credential) = match transport {
        Ok(found) => found,
        Err(error) => {
            steps.push(("settings", Err(mended(&error))));
            return steps;
        }
    };
    let server = ServerUnderTest {
        transport: &transport,
        address,
        credential,
    };
    server.run(&mut steps);
    steps
}

struct ServerUnderTest<'a> {
    transport: &'a Transport,
    address: &'a DicomWebAddress,
    credential: Option<DicomWebCredential>,
}

impl ServerUnderTest<'_> {
    /// Stops early where nothing further can be asked.
    fn run(&self, steps: &mut Vec<ServerCheck>) -> Option<()> {
        let studies = self.studies(steps)?;
        self.paging(&studies, steps)?;
        let study = match &self.address.scope {
            DicomWebScope::Studies => studies.first().map(|study| study.study.clone()),
            DicomWebScope::Study(study)
            | DicomWebScope::Series(study, _)
            | DicomWebScope::Instance(study, ..) => Some(study.clone()),
        };
        let Some(study) = study else {
            steps.push((
                "instances",
                Ok("not tried: the server lists no study that matches".to_owned()),
            ));
            return None;
        };
        let instances = self.instances(&study, steps)?;
        self.films(&study, &instances, steps)
    }

    fn studies(&self, steps: &mut Vec<ServerCheck>) -> Option<Vec<QueryResult>> {
        let base = &self.address.base;
        let start = Instant::now();
        let first = page(self.transport, &format!("{base}/studies?limit=2&offset=0"));
        let milliseconds = start.elapsed().as_millis();
        let reached = first.as_ref().map_or_else(is_an_answer, |_| true);
        let tls = if base.starts_with("https") {
            "its certificate is trusted"
        } else {
            "http, without TLS: everyone on the way can read the films"
        };
        if reached {
            steps.push(("server", Ok(format!("answers in {milliseconds} ms; {tls}"))));
        }
        let login = match &self.credential {
            None => "no credential; none was set".to_owned(),
            Some(found) => format!("the {} of {}", found.kind(), found.origin),
        };
        match first {
            Ok(studies) => {
                steps.push(("login", Ok(format!("{login}; accepted"))));
                steps.push((
                    "studies",
                    Ok(match studies.len() {
                        0 => {
                            "QIDO-RS answers; the server has no studies that you may see".to_owned()
                        }
                        _ => "QIDO-RS answers with studies".to_owned(),
                    }),
                ));
                Some(studies)
            }
            Err(error) => {
                let name = match error.fault() {
                    DicomWebFault::NotAuthenticated | DicomWebFault::Forbidden => "login",
                    _ if reached => "studies",
                    _ => "server",
                };
                steps.push((name, Err(mended(&error))));
                None
            }
        }
    }

    /// Whether `limit` and `offset` are understood: two studies were asked for first.
    fn paging(&self, first: &[QueryResult], steps: &mut Vec<ServerCheck>) -> Option<()> {
        let base = &self.address.base;
        if first.len() < 2 {
            steps.push((
                "paging",
                Ok("not tried: too few studies to tell".to_owned()),
            ));
            return Some(());
        }
        if first.len() > 2 {
            steps.push((
                "paging",
                Ok(format!(
                    "the server ignores limit and sends all {} studies at once: cxr reads them, and a narrow query \
                     (StudyDate, Modality) keeps that fast",
                    first.len()
                )),
            ));
            return Some(());
        }
        match page(self.transport, &format!("{base}/studies?limit=1&offset=1")) {
            Ok(second) => {
                let is_next = second.len() == 1 && second[0].study == first[1].study;
                let words = if is_next {
                    format!("limit and offset are understood; pages of {PAGE}")
                } else {
                    "offset gives other studies than the list did: studies may come twice, which cxr passes over, or \
                     not at all: narrow the query"
                        .to_owned()
                };
                steps.push(("paging", Ok(words)));
                Some(())
            }
            Err(error) => {
                steps.push(("paging", Err(mended(&error))));
                None
            }
        }
    }

    fn instances(&self, study: &str, steps: &mut Vec<ServerCheck>) -> Option<Vec<QueryResult>> {
        let base = &self.address.base;
        let url = format!("{base}/studies/{study}/instances?limit={PAGE}&offset=0");
        match page(self.transport, &url) {
            Ok(instances) if !instances.is_empty() => {
                steps.push((
                    "instances",
                    Ok(format!("one study lists {} of them", instances.len())),
                ));
                Some(instances)
            }
            Ok(_) => {
                let words = "the server lists a study, and no instance in it: it may forward queries to another \
                             archive; ask for its address";
                steps.push(("instances", Err(words.to_owned())));
                None
            }
            Err(error) => {
                steps.push(("instances", Err(mended(&error))));
                None
            }
        }
    }

    /// Fetches one film in each of the ways that cxr may ask for it.
    fn films(
        &self,
        study: &str,
        instances: &[QueryResult],
        steps: &mut Vec<ServerCheck>,
    ) -> Option<()> {
        let base = &self.address.base;
        let first = instances.first()?;
        let film = RemoteFilm {
            base: base.as_str().into(),
            study: study.into(),
            series: first.series.as_str().into(),
            instance: first.instance.as_str().into(),
        };
        let url = film_address(base, &film.study, &film.series, &film.instance);
        let mut is_any = false;
        for (name, accept) in WAYS {
            let start = Instant::now();
            let got = self
                .transport
                .get(&url, accept, |answer| read_film(answer, LONGEST_FILM))
                .and_then(|bytes| check(&bytes, &film).map(|()| bytes));
            let finding = match got {
                Ok(bytes) => {
                    is_any = true;
                    let kilobytes = bytes.len().div_ceil(1024);
                    Ok(format!(
                        "{kilobytes} KiB in {} ms",
                        start.elapsed().as_millis()
                    ))
                }
                // The server only has to understand one of them.
                Err(error) if is_any => Ok(format!("not understood ({error}); not needed")),
                Err(error) => Err(mended(&error)),
            };
            steps.push((name, finding));
        }
        Some(())
    }
}

/// The names of ways to ask for a film, and what they accept.
const WAYS: [(&str, &str); 2] = [
    (
        "as stored",
        "multipart/related; type=\"application/dicom\"; transfer-syntax=*",
    ),
    ("converted", "multipart/related; type=\"application/dicom\""),
];

/// Whether this is the fault of a server that answers.
fn is_an_answer(error: &DicomWebError) -> bool {
    use DicomWebFault::{Certificate, Setting, Slow, Unreachable};
    !matches!(error.fault(), Certificate | Setting | Slow | Unreachable)
}

/// What is wrong, and how to mend it.
fn mended(error: &DicomWebError) -> String {
    let fix = match error.fault() {
        DicomWebFault::Unreachable => {
            "check host and port, and whether a firewall or a proxy (HTTPS_PROXY, NO_PROXY) is between"
        }
        DicomWebFault::Certificate => {
            "name the certificate of the hospital's authority with --pacs-ca FILE (PEM); verification cannot be \
             switched off"
        }
        DicomWebFault::Slow => "try again, or allow more seconds with --pacs-timeout",
        DicomWebFault::NotAuthenticated => {
            "a token may have expired, or the user may lack the right to use DICOMweb"
        }
        DicomWebFault::Forbidden => {
            "ask the PACS administrator for the right to query and retrieve"
        }
        DicomWebFault::NotFound | DicomWebFault::NotDicomWeb => {
            "the address of a DICOMweb server often ends in /dicom-web, /dicomweb, /wado-rs or /rs"
        }
        DicomWebFault::NotAcceptable => {
            "the server must send multipart/related; type=\"application/dicom\""
        }
        DicomWebFault::Busy => "the server's log says why",
        DicomWebFault::Status => {
            "if the address is right (it often ends in /dicom-web), the server's log says why"
        }
        DicomWebFault::Redirect => "give the address that it leads to, if you trust it",
        DicomWebFault::CutOff | DicomWebFault::Damaged | DicomWebFault::OtherFilm => {
            "the server, or a proxy before it, is at fault: its administrator needs to know"
        }
        DicomWebFault::TooLarge => "narrow the query",
        DicomWebFault::Setting | DicomWebFault::Keep | DicomWebFault::Ended => "",
    };
    if fix.is_empty() {
        error.to_string()
    } else {
        format!("{error}; {fix}")
    }
}
