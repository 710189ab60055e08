//! STOW-RS: one object in each request (DICOM PS3.18, section 10.5), so that each is acknowledged by itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::address::{DicomWebAddress, DicomWebScope};
use super::error::{DicomWebError, DicomWebFault};
use super::query::JSON;
use super::transport::{DicomWebAnswer, FailedAttempt, Transport};
use super::{DicomWebSettings, transports};

/// Statuses with which a server may say what became of an object: stored, stored with a warning, a conflict (PS3.18,
/// table 10.5.3-1).
const OF_AN_OBJECT: [u16; 3] = [200, 202, 409];
/// Statuses that refuse the object, with any text: a bad request, an unsupported media type.
const REFUSALS: [u16; 2] = [400, 415];
/// The most bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Referenced SOP Sequence: what was stored.
const STORED: &str = "00081199";
/// Failed SOP Sequence: what was not.
const FAILED: &str = "00081198";
const FAILURE_REASON: &str = "00081197";
const REFERENCED_INSTANCE: &str = "00081155";

/// What a server decided on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StowDecision {
    /// It has the object.
    Kept,
    /// It does not want it, with the status of *Failure Reason* (0008,1197), if it gives one.
    Refused(Option<u16>),
    /// It refuses the whole request, with this HTTP status.
    RefusedRequest(String),
}

/// The server decided nothing.
#[derive(Debug)]
pub struct StowFault {
    pub error: DicomWebError,
    /// Whether trying again may help.
    pub may_pass: bool,
    /// How long the server asks to wait.
    pub wait: Option<Duration>,
}

impl From<FailedAttempt> for StowFault {
    fn from(failed: FailedAttempt) -> Self {
        // A film that is not fetched in time costs its reader that time again; an object has no reader who waits.
        let is_silent = matches!(
            failed.error.fault(),
            DicomWebFault::Slow | DicomWebFault::Unreachable
        );
        StowFault {
            may_pass: failed.again.is_some() || is_silent,
            wait: failed.again.flatten(),
            error: failed.error,
        }
    }
}

impl StowFault {
    fn lasting(fault: DicomWebFault, reason: impl std::fmt::Display) -> Self {
        StowFault {
            error: DicomWebError::new(fault, reason),
            may_pass: false,
            wait: None,
        }
    }
}

/// A server that objects are sent to.
pub struct StowServer {
    base: String,
    transport: Arc<Transport>,
}

impl StowServer {
    /// The server of an address. Nothing is sent yet.
    ///
    /// # Errors
    /// If the address is not that of a server, a credential makes no sense or would cross the network in the clear, or the
    /// file of authorities cannot be used.
    pub fn new(
        address: &DicomWebAddress,
        settings: &DicomWebSettings,
    ) -> Result<Self, DicomWebError> {
        let is_server = address.scope == DicomWebScope::Studies && address.query.is_empty();
        let none = |reason: &str| DicomWebError::new(DicomWebFault::Setting, reason);
        if !is_server {
            return Err(none(
                "objects are sent to a server as a whole: an address without a study and without a query",
            ));
        }
        let transports = transports(std::slice::from_ref(address), settings, &Arc::default())?;
        let transport = transports.into_iter().next();
        let (base, transport) = transport.ok_or_else(|| none("no server"))?;
        // Before an hour of work, and not after it.
        transport.credential()?;
        Ok(StowServer { base, transport })
    }

    /// The address of the server, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends an object, once.
    ///
    /// # Errors
    /// If the server decides nothing on it.
    pub fn store(&self, object: &[u8], sop_instance: &str) -> Result<StowDecision, StowFault> {
        let boundary = boundary(object);
        let kind = format!("multipart/related; type=\"application/dicom\"; boundary={boundary}");
        let url = format!("{}/studies", self.base);
        let allowed = [&OF_AN_OBJECT[..], &REFUSALS].concat();
        let body = in_one_part(object, &boundary);
        let answer = self.transport.post(&url, &kind, JSON, &body, &allowed)?;
        let status = answer.status;
        if REFUSALS.contains(&status.as_u16()) {
            let reason = format!("the server says {status}");
            return Ok(StowDecision::RefusedRequest(reason));
        }
        let json = read(answer);
        decision(json.as_ref(), sop_instance).map_err(|what| {
            let reason = format!("the server says {status}, {what}");
            StowFault::lasting(DicomWebFault::NotDicomWeb, reason)
        })
    }
}

/// The JSON of an answer; `None` if it is none, or cut off.
fn read(answer: DicomWebAnswer) -> Option<Value> {
    let body = answer.body.into_with_config().limit(LONGEST_ANSWER);
    serde_json::from_reader(body.reader()).ok()
}

/// What an answer says of the one object that was sent; what is missing, if it says nothing.
fn decision(answer: Option<&Value>, sop_instance: &str) -> Result<StowDecision, &'static str> {
    // A page that asks for a password may come with status 200 too: only what names the object is an answer.
    let answer = answer.ok_or("but not in DICOM's JSON")?;
    if let Some(failed) = item(answer, FAILED, sop_instance) {
        let reason = failed[FAILURE_REASON]["Value"][0].as_u64();
        let reason = reason.and_then(|reason| u16::try_from(reason).ok());
        return Ok(StowDecision::Refused(reason));
    }
    match item(answer, STORED, sop_instance) {
        Some(_) => Ok(StowDecision::Kept),
        None => Err("but nothing of the object"),
    }
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
        let mut places = bytes.windows(line.len());
        if !places.any(|place| place == line.as_bytes()) {
            return boundary;
        }
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
    }
}

fn in_one_part(bytes: &[u8], boundary: &str) -> Vec<u8> {
    let head = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n");
    let tail = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), bytes, tail.as_bytes()].concat()
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
        let failed = |reason: Value| {
            let mut item = named("1.2");
            item[FAILURE_REASON] = json!({ "vr": "US", "Value": [reason] });
            json!({ FAILED: sequence(&[item]) })
        };
        let kept = json!({ STORED: sequence(&[named("1.1"), named("1.2")]) });
        let decide = |answer: &Value| decision(Some(answer), "1.2");
        assert_eq!(decide(&kept), Ok(StowDecision::Kept));
        let refused = |reason| Ok(StowDecision::Refused(reason));
        assert_eq!(decide(&failed(json!(0xa900))), refused(Some(0xa900)));
        assert_eq!(decide(&failed(json!(70_000))), refused(None));
        assert_eq!(decide(&failed(json!("full"))), refused(None));
        // What failed is not taken for stored, even if the answer also says so.
        let mut both = failed(json!(0x0110));
        both[STORED] = sequence(&[named("1.2")]);
        assert_eq!(decide(&both), refused(Some(0x0110)));
        for nothing in [
            json!({}),
            json!([]),
            json!({ STORED: sequence(&[named("1.3")]) }),
        ] {
            assert!(decide(&nothing).is_err(), "{nothing}");
        }
        assert!(decision(None, "1.2").is_err());
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
        let whole = in_one_part(&bytes, &first);
        assert!(whole.starts_with(format!("--{first}\r\n").as_bytes()));
        assert!(whole.ends_with(format!("\r\n--{first}--\r\n").as_bytes()));
        assert_eq!(boundary(b""), "cxr-0000000000000000-part");
    }
}
