//! Delivery by STOW-RS: one object in each request (PS3.18 section 10.5), so that each is acknowledged by itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error};

use super::delivery::{Delivery, DeliveryFault, Outcome};
use crate::commands::shared::Usage;
use crate::dimse::{DimseStatus, Part10Object};
use crate::domain::text::clean;
use crate::export::path_text;

/// The variables that hold who asks. They are never on the command line, where other users see them.
const TOKEN: &str = "CXR_PACS_TOKEN";
const USER: &str = "CXR_PACS_USER";
const PASSWORD: &str = "CXR_PACS_PASSWORD";
/// The most bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 1 << 20;
/// Larger files are no certificates.
const LONGEST_CERTIFICATES: u64 = 4 << 20;
/// How many times as long as one answer the bytes of an object may take.
const OBJECT_TIMES: u32 = 10;

const DICOM_JSON: &str = "application/dicom+json";
/// Referenced SOP Sequence: what was stored (PS3.18 table 10.5.3-1).
const STORED: &str = "00081199";
/// Failed SOP Sequence: what was not.
const FAILED: &str = "00081198";
const FAILURE_REASON: &str = "00081197";
const REFERENCED_INSTANCE: &str = "00081155";

/// A DICOMweb server.
pub struct StowDelivery {
    /// Without a slash at the end.
    base: String,
    /// The value of `Authorization`.
    authorization: Option<String>,
    agent: Agent,
}

impl StowDelivery {
    /// # Errors
    /// [`Usage`], if the address is none, or credentials would travel unencrypted; or if the authorities cannot be
    /// read.
    pub fn new(address: &str, timeout: Duration, authorities: Option<&Path>) -> Result<Self> {
        let uri = address.parse::<Uri>().ok();
        let wrong = || Usage::error("ADDRESS is no web address such as https://HOST/dicom-web");
        let uri = uri.filter(|uri| uri.query().is_none()).ok_or_else(wrong)?;
        let host = uri.host().ok_or_else(wrong)?;
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(Usage::error(format!(
                "a user name in an address is seen by every user of this machine: set {USER} and {PASSWORD}"
            )));
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let authorization = authorization(&variable)?;
        if authorization.is_some() && uri.scheme_str() == Some("http") && !is_this_machine(host) {
            return Err(Usage::error(
                "credentials go over HTTPS only, or to this machine",
            ));
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = authorities {
            let certificates =
                read_authorities(path).with_context(|| format!("--ca {}", path_text(path)))?;
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .timeout_connect(Some(timeout))
            .timeout_send_body(Some(timeout.saturating_mul(OBJECT_TIMES)))
            .timeout_recv_response(Some(timeout))
            .timeout_recv_body(Some(timeout))
            .http_status_as_error(false)
            // Neither objects nor credentials follow to another server.
            .max_redirects(0)
            .user_agent(concat!("cxr/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(StowDelivery {
            base: address.trim_end_matches('/').to_owned(),
            authorization,
            agent,
        })
    }

    fn fault(&self, reason: impl std::fmt::Display, may_pass: bool) -> DeliveryFault {
        DeliveryFault {
            words: format!("{}: {reason}", clean(&self.base)),
            may_pass,
            wait: None,
        }
    }

    fn unanswered(&self, error: &Error) -> DeliveryFault {
        let (reason, may_pass) = match error {
            Error::Timeout(_) => ("no answer in time (--timeout)".to_owned(), true),
            Error::HostNotFound => ("no such host".to_owned(), true),
            Error::ConnectionFailed => ("no connection".to_owned(), true),
            Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                (format!("TLS fails: {}", clean(&error.to_string())), false)
            }
            Error::Io(error) => (format!("the connection failed ({})", error.kind()), true),
            Error::Tls(_) | Error::Rustls(_) => {
                (format!("TLS fails: {}", clean(&error.to_string())), false)
            }
            other => (
                format!("what it answers is no HTTP ({})", clean(&other.to_string())),
                false,
            ),
        };
        self.fault(reason, may_pass)
    }
}

impl Delivery for StowDelivery {
    fn address(&self) -> String {
        self.base.clone()
    }

    fn send(&mut self, object: &Part10Object, bytes: &[u8]) -> Result<Outcome, DeliveryFault> {
        let boundary = boundary(bytes);
        let content_type =
            format!("multipart/related; type=\"application/dicom\"; boundary={boundary}");
        let mut request = self
            .agent
            .post(format!("{}/studies", self.base))
            .header("Content-Type", content_type)
            .header("Accept", DICOM_JSON);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request
            .send(multipart(bytes, &boundary))
            .map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        let wait = response.headers().get("retry-after");
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        let mut text = String::new();
        let body = response.body_mut().as_reader();
        let is_read = body.take(LONGEST_ANSWER).read_to_string(&mut text).is_ok();
        let answer = serde_json::from_str(&text).ok().filter(|_| is_read);
        match decision(status, answer.as_ref(), &object.sop_instance) {
            Decision::Made(outcome) => Ok(outcome),
            Decision::None { reason, may_pass } => Err(DeliveryFault {
                wait: wait.map(Duration::from_secs),
                ..self.fault(reason, may_pass)
            }),
        }
    }
}

/// What an answer says of the one object that was sent.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Made(Outcome),
    None { reason: String, may_pass: bool },
}

fn decision(status: StatusCode, answer: Option<&Value>, sop_instance: &str) -> Decision {
    let none = |reason: String, may_pass| Decision::None { reason, may_pass };
    match status.as_u16() {
        200 | 202 | 409 => {}
        400 | 415 => {
            return Decision::Made(Outcome::Refused(format!(
                "refused: the server says {status}"
            )));
        }
        401 | 403 => {
            let advice = format!("set {TOKEN}, or {USER} and {PASSWORD}");
            return none(format!("the server says {status}: {advice}"), false);
        }
        300..=399 => {
            let reason = format!("the server says {status}: give the address that it leads to");
            return none(reason, false);
        }
        408 | 429 | 500 | 502..=599 => return none(format!("the server says {status}"), true),
        _ => return none(format!("the server says {status}"), false),
    }
    // A page that asks for a password may come with status 200 too: only what names the object is an answer.
    let Some(answer) = answer else {
        return none(
            format!("the server says {status}, but not in DICOM's JSON"),
            false,
        );
    };
    if let Some(failed) = item(answer, FAILED, sop_instance) {
        let reason = failed[FAILURE_REASON]["Value"][0].as_u64();
        let reason = reason.and_then(|reason| u16::try_from(reason).ok());
        let reason = reason.map(DimseStatus);
        return match reason {
            Some(reason) if reason.may_pass() => none(reason.to_string(), true),
            Some(reason) => Decision::Made(Outcome::Refused(format!("refused: {reason}"))),
            None => Decision::Made(Outcome::Refused("refused without a reason".to_owned())),
        };
    }
    if item(answer, STORED, sop_instance).is_some() {
        return Decision::Made(Outcome::Kept);
    }
    none(
        format!("the server says {status}, but nothing of the object"),
        false,
    )
}

/// The item of a sequence that names this instance.
fn item<'a>(answer: &'a Value, sequence: &str, sop_instance: &str) -> Option<&'a Value> {
    let mut items = answer[sequence]["Value"].as_array()?.iter();
    items.find(|item| item[REFERENCED_INSTANCE]["Value"][0].as_str() == Some(sop_instance))
}

/// A line that does not occur in an object.
fn boundary(bytes: &[u8]) -> String {
    let mut number = bytes.len() as u64;
    loop {
        let boundary = format!("cxr-{number:016x}-part");
        let line = format!("\r\n--{boundary}");
        if memmem(bytes, line.as_bytes()).is_none() {
            return boundary;
        }
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
    }
}

/// Where one text begins in another.
fn memmem(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn multipart(bytes: &[u8], boundary: &str) -> Vec<u8> {
    let head = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n");
    let tail = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), bytes, tail.as_bytes()].concat()
}

/// Who asks: a bearer token (RFC 6750), or a user name and a password (RFC 7617).
fn authorization(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>> {
    if let Some(token) = variable(TOKEN) {
        let token = token.trim();
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if token.is_empty() || !token.bytes().all(is_allowed) {
            return Err(Usage::error(format!(
                "{TOKEN} holds a character that no token has"
            )));
        }
        return Ok(Some(format!("Bearer {token}")));
    }
    let Some(user) = variable(USER) else {
        return Ok(None);
    };
    if user.contains(':') {
        return Err(Usage::error(format!(
            "{USER} holds a colon, which HTTP cannot carry"
        )));
    }
    let password = variable(PASSWORD).unwrap_or_default();
    Ok(Some(format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    )))
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn read_authorities(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| anyhow!("{}", error.kind()))?;
    file.take(LONGEST_CERTIFICATES).read_to_end(&mut pem)?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = items.collect();
    if certificates.is_empty() {
        return Err(anyhow!("it holds no certificate"));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sequence(items: &[Value]) -> Value {
        json!({ "vr": "SQ", "Value": items })
    }

    #[test]
    fn only_an_answer_that_names_the_object_decides_on_it() {
        let named = |uid: &str| json!({ REFERENCED_INSTANCE: { "vr": "UI", "Value": [uid] } });
        let failed = |reason: u16| {
            let mut item = named("1.2");
            item[FAILURE_REASON] = json!({ "vr": "US", "Value": [reason] });
            json!({ FAILED: sequence(&[item]) })
        };
        let kept = json!({ STORED: sequence(&[named("1.1"), named("1.2")]) });
        let decide = |status: u16, answer: Option<&Value>| {
            decision(StatusCode::from_u16(status).unwrap(), answer, "1.2")
        };
        assert_eq!(decide(200, Some(&kept)), Decision::Made(Outcome::Kept));
        assert_eq!(decide(202, Some(&kept)), Decision::Made(Outcome::Kept));
        let may_pass = |status, answer: Option<&Value>| match decide(status, answer) {
            Decision::None { may_pass, .. } => Some(may_pass),
            Decision::Made(_) => None,
        };
        for (status, answer, expected) in [
            (200, None, Some(false)),
            (200, Some(json!({})), Some(false)),
            (200, Some(json!([])), Some(false)),
            (
                200,
                Some(json!({ STORED: sequence(&[named("1.3")]) })),
                Some(false),
            ),
            (409, Some(failed(0xa700)), Some(true)),
            (409, Some(failed(0xa900)), None),
            (202, Some(failed(0x0122)), None),
            (503, None, Some(true)),
            (429, None, Some(true)),
            (401, None, Some(false)),
            (302, None, Some(false)),
            (404, Some(kept.clone()), Some(false)),
            (400, None, None),
        ] {
            assert_eq!(
                may_pass(status, answer.as_ref()),
                expected,
                "{status} {answer:?}"
            );
        }
        let refused = decide(409, Some(&failed(0xa900)));
        assert!(matches!(refused, Decision::Made(Outcome::Refused(_))));
    }

    #[test]
    fn a_boundary_does_not_occur_in_the_object() {
        let bytes = b"\r\n--cxr-0000000000000023-part and more".to_vec();
        assert_eq!(bytes.len(), 0x26);
        let first = boundary(&bytes);
        let hostile = format!("\r\n--cxr-{:016x}-part", 29);
        assert_eq!(hostile.len(), 29);
        let other = boundary(hostile.as_bytes());
        assert!(!hostile.contains(&other), "{other}");
        let whole = multipart(&bytes, &first);
        assert!(whole.starts_with(format!("--{first}\r\n").as_bytes()));
        assert!(whole.ends_with(format!("\r\n--{first}--\r\n").as_bytes()));
    }

    #[test]
    fn credentials_are_those_of_the_environment() {
        let with = |set: &[(&str, &str)]| {
            authorization(&|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[]).unwrap(), None);
        assert_eq!(
            with(&[(TOKEN, "ab.c\n")]).unwrap().as_deref(),
            Some("Bearer ab.c")
        );
        let basic = with(&[(USER, "me"), (PASSWORD, "pass")]).unwrap();
        assert_eq!(basic.as_deref(), Some("Basic bWU6cGFzcw=="));
        for wrong in [(TOKEN, "a\r\nb"), (USER, "a:b")] {
            let error = with(&[wrong]).unwrap_err().to_string();
            assert!(!error.contains(wrong.1), "{error}");
        }
    }

    #[test]
    fn an_address_with_a_password_or_a_query_is_refused() {
        for address in [
            "https://me:secret@host/d",
            "https://host/d?x=1",
            "https://",
            "http:// /",
        ] {
            let made = StowDelivery::new(address, Duration::from_secs(1), None);
            let error = made.err().expect("no delivery").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
