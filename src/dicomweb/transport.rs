//! Requests to one server: its certificate, time limits, redirects, credentials, and trying again.
//!
//! Credentials are sent to the server that the user named, and to no other one that it redirects to. What is read of an
//! answer is read inside the attempt, so that an answer which breaks off is asked for again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::credentials::{CredentialSources, DicomWebCredential};
use super::error::{DicomWebError, DicomWebFault};
use crate::web::{origin, target, without_query};

const MOST_REDIRECTS: usize = 5;
/// How often a request is tried again.
const RETRIES: u32 = 4;
/// The first pause before another try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A server that wants a longer pause is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// While waiting, how often it is looked whether cxr is ending.
const SLICE: Duration = Duration::from_millis(50);
/// A whole answer may take this many times as long as the server may be silent.
const WHOLE_ANSWER: u32 = 10;
/// Larger files are no certificates.
const LONGEST_CERTIFICATES: u64 = 4 << 20;

/// How a server is talked to.
#[derive(Debug, Clone)]
pub struct TransportSettings {
    /// How long the server may be silent.
    pub patience: Duration,
    /// Authorities that may have signed the server's certificate; empty for those of Mozilla.
    pub roots: Vec<ureq::tls::Certificate<'static>>,
}

/// Reads the certificates of authorities from a PEM file.
///
/// # Errors
/// If it cannot be read, or holds no certificate.
pub fn read_roots(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, DicomWebError> {
    use std::io::Read;
    let fail = |reason: String| {
        DicomWebError::new(
            DicomWebFault::Setting,
            format!("--pacs-ca {}: {reason}", path.display()),
        )
    };
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_CERTIFICATES).read_to_end(&mut pem))
        .map_err(|error| fail(error.kind().to_string()))?;
    let roots: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if roots.is_empty() {
        return Err(fail("it holds no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

/// An answer: of status 200 or 204, at the end of all redirects, where something was asked for.
pub struct DicomWebAnswer {
    pub status: StatusCode,
    headers: HeaderMap,
    pub body: Body,
}

impl DicomWebAnswer {
    fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        DicomWebAnswer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// A header as text; empty if it is not there, or not in ASCII.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The media type without its parameters, in lower case.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type");
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }
}

/// Why one try failed.
#[derive(Debug)]
pub struct FailedAttempt {
    pub error: DicomWebError,
    /// Whether another try may succeed, and the pause that the server wants before it.
    pub again: Option<Option<Duration>>,
}

impl From<DicomWebError> for FailedAttempt {
    /// What cuts an answer off may pass.
    fn from(error: DicomWebError) -> Self {
        let passes = matches!(
            error.fault(),
            DicomWebFault::Unreachable | DicomWebFault::CutOff
        );
        FailedAttempt {
            error,
            again: passes.then_some(None),
        }
    }
}

/// Talks to one server.
pub struct Transport {
    agent: Agent,
    /// Scheme, host and port.
    home: Option<(String, String, u16)>,
    credentials: Arc<CredentialSources>,
    is_ending: Arc<AtomicBool>,
}

impl Transport {
    /// For the server of this address. Nothing is sent yet.
    pub fn new(
        base: &str,
        settings: &TransportSettings,
        credentials: Arc<CredentialSources>,
        is_ending: Arc<AtomicBool>,
    ) -> Self {
        let patience = settings.patience;
        let roots = if settings.roots.is_empty() {
            RootCerts::WebPki
        } else {
            RootCerts::new_with_certs(&settings.roots)
        };
        let home = origin(base);
        let mut config = Agent::config_builder();
        // A proxy of the environment would get what is meant for this machine alone: the credential, in the clear.
        if home
            .as_ref()
            .is_some_and(|(_, host, _)| is_this_machine(host))
        {
            config = config.proxy(None);
        }
        let agent = config
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_global(Some(patience * WHOLE_ANSWER))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("cxr/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Transport {
            agent,
            home,
            credentials,
            is_ending,
        }
    }

    /// The credential that this server gets; `None` if there is none for it.
    ///
    /// # Errors
    /// If there is one that makes no sense, or it would cross the network in the clear.
    pub fn credential(&self) -> Result<Option<DicomWebCredential>, DicomWebError> {
        let Some((scheme, host, _)) = &self.home else {
            return Ok(None);
        };
        let credential = self.credentials.credential(host)?;
        if let Some(credential) = &credential
            && scheme == "http"
            && !is_this_machine(host)
        {
            return Err(DicomWebError::new(
                DicomWebFault::Setting,
                format!(
                    "the credential of {} is not sent over http, where everyone on the way could read it: use https",
                    credential.origin
                ),
            ));
        }
        Ok(credential)
    }

    /// Asks for an address, and has `read` read the answer. Tries again after faults that may pass.
    ///
    /// # Errors
    /// If the server cannot be reached or answers with a fault, or if `read` fails.
    pub fn get<T>(
        &self,
        url: &str,
        accept: &str,
        mut read: impl FnMut(DicomWebAnswer) -> Result<T, DicomWebError>,
    ) -> Result<T, DicomWebError> {
        let mut tries = 0;
        let mut is_renewed = false;
        loop {
            self.check_ending()?;
            let credential = self.credential()?;
            let result = self
                .attempt(url, accept, credential.as_ref())
                .and_then(|answer| read(answer).map_err(FailedAttempt::from));
            let failed = match result {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            if failed.error.fault() == DicomWebFault::NotAuthenticated
                && !is_renewed
                && credential.is_some_and(|refused| self.credentials.renew(&refused))
            {
                is_renewed = true;
                continue;
            }
            let Some(wanted) = failed.again.filter(|_| tries < RETRIES) else {
                return Err(failed.error);
            };
            let pause = wanted.unwrap_or(FIRST_PAUSE * 2_u32.pow(tries));
            if pause > LONGEST_PAUSE {
                return Err(failed.error);
            }
            self.pause(pause)?;
            tries += 1;
        }
    }

    /// Sends bytes to an address of this server, once. Neither they nor the credential follow a redirect: who sends
    /// objects names the server that gets them. The answer has one of the statuses that are `allowed`.
    ///
    /// # Errors
    /// If the server cannot be reached, or answers with another status.
    pub fn post(
        &self,
        url: &str,
        kind: &str,
        accept: &str,
        bytes: &[u8],
        allowed: &[u16],
    ) -> Result<DicomWebAnswer, FailedAttempt> {
        let mut is_renewed = false;
        loop {
            let credential = self.credential()?;
            let mut request = self
                .agent
                .post(url)
                .header("Content-Type", kind)
                .header("Accept", accept);
            if let Some(credential) = &credential {
                request = request.header("Authorization", credential.header());
            }
            let sent = request.send(bytes).map_err(|error| failed(&error))?;
            let answer = DicomWebAnswer::of(sent);
            if allowed.contains(&answer.status.as_u16()) {
                return Ok(answer);
            }
            if answer.status.as_u16() == 401
                && !is_renewed
                && credential
                    .as_ref()
                    .is_some_and(|refused| self.credentials.renew(refused))
            {
                is_renewed = true;
                continue;
            }
            if answer.status.is_redirection() {
                return Err(DicomWebError::new(
                    DicomWebFault::Redirect,
                    format!(
                        "it is redirected to {}, and objects go to no other address than yours: give that one, if you trust it",
                        without_query(answer.header("location"))
                    ),
                )
                .into());
            }
            return check_status(answer, credential.as_ref(), true);
        }
    }

    /// One request, with all its redirects.
    fn attempt(
        &self,
        url: &str,
        accept: &str,
        credential: Option<&DicomWebCredential>,
    ) -> Result<DicomWebAnswer, FailedAttempt> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let is_home = origin(&url) == self.home;
            let mut request = self
                .agent
                .get(url.as_str())
                .header("Accept", accept)
                // A film is counted and compared as it is.
                .header("Accept-Encoding", "identity");
            if let Some(credential) = credential.filter(|_| is_home) {
                request = request.header("Authorization", credential.header());
            }
            let got = request.call().map_err(|error| failed(&error))?;
            let answer = DicomWebAnswer::of(got);
            let location = answer.header("location");
            if !answer.status.is_redirection() || location.is_empty() {
                return check_status(answer, credential, is_home);
            }
            url = target(&url, location)
                .map_err(|error| DicomWebError::new(DicomWebFault::Redirect, error))?;
        }
        let error = format!("it is redirected more than {MOST_REDIRECTS} times");
        Err(DicomWebError::new(DicomWebFault::Redirect, error).into())
    }

    fn pause(&self, pause: Duration) -> Result<(), DicomWebError> {
        let end = Instant::now() + pause;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.check_ending()?;
            thread::sleep(left.min(SLICE));
        }
        self.check_ending()
    }

    fn check_ending(&self) -> Result<(), DicomWebError> {
        if self.is_ending.load(Ordering::Relaxed) {
            return Err(DicomWebError::new(
                DicomWebFault::Ended,
                "cxr ended before it came",
            ));
        }
        Ok(())
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Turns a status into a fault, unless it is 200 or 204.
fn check_status(
    answer: DicomWebAnswer,
    credential: Option<&DicomWebCredential>,
    is_home: bool,
) -> Result<DicomWebAnswer, FailedAttempt> {
    let status = answer.status.as_u16();
    let of = credential.filter(|_| is_home);
    let (fault, reason) = match status {
        200 | 204 => return Ok(answer),
        401 => (
            DicomWebFault::NotAuthenticated,
            match of {
                Some(of) => format!(
                    "the server does not accept the {} of {}",
                    of.kind(),
                    of.origin
                ),
                None if is_home => {
                    "the server wants to know who asks: set CXR_PACS_TOKEN, or CXR_PACS_USER and \
                                    CXR_PACS_PASSWORD, or write them into ~/.netrc"
                        .to_owned()
                }
                None => "another server, to which it redirects, wants to know who asks".to_owned(),
            },
        ),
        403 => (
            DicomWebFault::Forbidden,
            "the server does not let you read this (403)".to_owned(),
        ),
        404 | 410 => (
            DicomWebFault::NotFound,
            format!("the server has nothing there ({status})"),
        ),
        406 => (
            DicomWebFault::NotAcceptable,
            "the server cannot send it in the way that was asked for (406)".to_owned(),
        ),
        408 | 429 | 500..=599 => (
            DicomWebFault::Busy,
            format!("the server says {}", answer.status),
        ),
        _ => (
            DicomWebFault::Status,
            format!("the server says {}", answer.status),
        ),
    };
    let again = (fault == DicomWebFault::Busy && status != 501).then(|| {
        let wait = answer.header("retry-after").parse().ok();
        wait.map(Duration::from_secs)
    });
    Err(FailedAttempt {
        error: DicomWebError::new(fault, reason),
        again,
    })
}

/// The fault of a request without an answer.
fn failed(error: &ureq::Error) -> FailedAttempt {
    use ureq::Error;
    let (fault, passes, reason) = match error {
        Error::Timeout(_) => (
            DicomWebFault::Slow,
            false,
            "the server does not answer in time (--pacs-timeout)".to_owned(),
        ),
        Error::HostNotFound => (
            DicomWebFault::Unreachable,
            false,
            "no server has that name".to_owned(),
        ),
        Error::Rustls(error) => (
            DicomWebFault::Certificate,
            false,
            format!("its certificate or TLS is not accepted: {error}"),
        ),
        Error::Tls(reason) => (
            DicomWebFault::Certificate,
            false,
            format!("TLS fails: {reason}"),
        ),
        Error::Io(error) if is_tls(error) => (
            DicomWebFault::Certificate,
            false,
            format!("its certificate or TLS is not accepted: {error}"),
        ),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => (
            DicomWebFault::Slow,
            false,
            "the server does not answer in time (--pacs-timeout)".to_owned(),
        ),
        // What the system's resolver says has no kind.
        Error::Io(error) if error.to_string().contains("lookup") => (
            DicomWebFault::Unreachable,
            false,
            "no server has that name".to_owned(),
        ),
        Error::Io(error) => (
            DicomWebFault::Unreachable,
            true,
            format!("it cannot be reached: {}", error.kind()),
        ),
        Error::ConnectionFailed => (
            DicomWebFault::Unreachable,
            true,
            "it cannot be reached".to_owned(),
        ),
        other => (
            DicomWebFault::NotDicomWeb,
            false,
            format!("what it answers is no HTTP: {other}"),
        ),
    };
    FailedAttempt {
        error: DicomWebError::new(fault, reason),
        again: passes.then_some(None),
    }
}

/// Whether an error of reading or writing wraps one of TLS.
fn is_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref().map(ToString::to_string);
    inner.is_some_and(|text| text.contains("certificate") || text.contains("TLS"))
        || error.kind() == std::io::ErrorKind::InvalidData
}

/// The fault of reading a body that broke off.
pub fn broken_off(error: &std::io::Error) -> DicomWebError {
    let is_late = |error: &std::io::Error| {
        error.kind() == std::io::ErrorKind::TimedOut
            || error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<ureq::Error>())
                .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)))
    };
    if is_late(error) {
        return DicomWebError::new(
            DicomWebFault::Slow,
            "the server stopped in the middle of its answer (--pacs-timeout)",
        );
    }
    DicomWebError::new(DicomWebFault::CutOff, "the answer is cut off")
}
