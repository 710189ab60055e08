//! QIDO-RS: which studies and instances a server has (DICOM PS3.18, section 10.6), in DICOM JSON (section F.2).
//!
//! Answers are asked for page by page (`limit`, `offset`; section 8.3.4.4). Servers differ: some send fewer results than
//! asked for, some ignore `limit` or `offset`, some send results twice. Orthanc (DICOMweb plugin 1.7) counts `limit` from
//! the beginning of the list where it filters by *Modalities in Study*: with `limit=200&offset=25` it sends 175 results,
//! and with `limit=200&offset=200` none. So a page that is short, or brings nothing new, is not believed to be the last:
//! the next one is asked for with a limit that would reach beyond it even if it is counted from the beginning. When that
//! brings nothing new either, the list is at its end. A page that is longer than asked for is all there is.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::error::{DicomWebError, DicomWebFault};
use super::transport::{DicomWebAnswer, Transport, broken_off};
use crate::data_elements::is_uid;

/// Results of the first page, which a reader waits for, and of all others.
pub const FIRST_PAGE: usize = 25;
pub const PAGE: usize = 200;
/// Results of one answer that are read: of a server that ignores `limit`.
const MOST_IN_ANSWER: usize = 200_000;
/// Bytes of one answer.
const LONGEST_ANSWER: u64 = 512 << 20;
/// Results of one list.
const MOST_IN_ALL: usize = 2_000_000;

pub const JSON: &str = "application/dicom+json";

/// One result: a study, or an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryResult {
    /// *Study Instance UID* (0020,000D).
    pub study: String,
    /// *Series Instance UID* (0020,000E); empty for a study.
    pub series: String,
    /// *SOP Instance UID* (0008,0018); empty for a study.
    pub instance: String,
    /// *Modality* (0008,0060), or *Modalities in Study* (0008,0061); empty where the server does not say.
    pub modalities: Vec<String>,
    /// *Series Number* (0020,0011) and *Instance Number* (0020,0013), which give films their order.
    pub numbers: (i64, i64),
    /// *Number of Study Related Instances* (0020,1208); 0 where the server does not say.
    pub instances: i64,
}

/// Which UID tells results apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryLevel {
    Study,
    Instance,
}

/// A DICOM JSON attribute of which only the values matter.
#[derive(Deserialize, Default)]
#[serde(default)]
struct JsonAttribute {
    #[serde(rename = "Value")]
    value: Option<Vec<JsonValue>>,
}

/// A value: text, a number, or something else that is passed over.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonValue {
    Text(String),
    Number(f64),
    Other(IgnoredAny),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JsonResult {
    #[serde(rename = "0020000D")]
    study: JsonAttribute,
    #[serde(rename = "0020000E")]
    series: JsonAttribute,
    #[serde(rename = "00080018")]
    instance: JsonAttribute,
    #[serde(rename = "00080060")]
    modality: JsonAttribute,
    #[serde(rename = "00080061")]
    modalities: JsonAttribute,
    #[serde(rename = "00200011")]
    series_number: JsonAttribute,
    #[serde(rename = "00200013")]
    instance_number: JsonAttribute,
    #[serde(rename = "00201208")]
    instances: JsonAttribute,
}

impl JsonAttribute {
    fn texts(self) -> Vec<String> {
        let values = self.value.unwrap_or_default().into_iter();
        values
            .filter_map(|value| match value {
                JsonValue::Text(text) => Some(text.trim().to_owned()),
                JsonValue::Number(_) | JsonValue::Other(_) => None,
            })
            .collect()
    }

    fn text(self) -> String {
        self.texts().into_iter().next().unwrap_or_default()
    }

    /// 0 where it is absent or no number. Some servers write numbers as text.
    fn number(self) -> i64 {
        match self.value.unwrap_or_default().into_iter().next() {
            Some(JsonValue::Number(number)) => number as i64,
            Some(JsonValue::Text(text)) => text.trim().parse().unwrap_or(0),
            Some(JsonValue::Other(_)) | None => 0,
        }
    }
}

impl From<JsonResult> for QueryResult {
    fn from(result: JsonResult) -> Self {
        let mut modalities = result.modality.texts();
        if modalities.is_empty() {
            modalities = result.modalities.texts();
        }
        QueryResult {
            study: result.study.text(),
            series: result.series.text(),
            instance: result.instance.text(),
            modalities,
            numbers: (
                result.series_number.number(),
                result.instance_number.number(),
            ),
            instances: result.instances.number(),
        }
    }
}

/// The results of an answer, up to [`MOST_IN_ANSWER`] of them.
struct Results(Vec<QueryResult>);

impl<'de> Deserialize<'de> for Results {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne;
        impl<'de> Visitor<'de> for OneByOne {
            type Value = Results;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of results")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Results, A::Error> {
                let mut results = Vec::new();
                while let Some(result) = list.next_element::<JsonResult>()? {
                    if results.len() == MOST_IN_ANSWER {
                        return Err(serde::de::Error::custom(TOO_MANY));
                    }
                    results.push(result.into());
                }
                Ok(Results(results))
            }
        }
        deserializer.deserialize_seq(OneByOne)
    }
}

/// Marks the error of an answer with too many results.
const TOO_MANY: &str = "too many results";

/// Reads the results of an answer.
///
/// # Errors
/// If it is no DICOM JSON, or too much of it.
pub fn read_results(from: impl Read) -> Result<Vec<QueryResult>, DicomWebError> {
    let mut counted = CountedReader {
        from,
        left: LONGEST_ANSWER,
        fault: None,
    };
    let parsed: Result<Results, _> =
        serde_json::from_reader(BufReader::with_capacity(64 << 10, &mut counted));
    match parsed {
        Ok(results) => Ok(results.0),
        Err(_) if counted.fault.is_some() => Err(counted.fault.take().unwrap_or_else(too_large)),
        Err(_) if counted.left == 0 => Err(too_large()),
        Err(error) if error.to_string().contains(TOO_MANY) => Err(too_large()),
        Err(error) if error.is_eof() => Err(DicomWebError::new(
            DicomWebFault::CutOff,
            "the list that it sends is cut off",
        )),
        Err(_) => Err(DicomWebError::new(
            DicomWebFault::NotDicomWeb,
            "what it sends is no DICOM JSON",
        )),
    }
}

fn too_large() -> DicomWebError {
    DicomWebError::new(
        DicomWebFault::TooLarge,
        format!(
            "it sends more than {MOST_IN_ANSWER} results at once: narrow the query, by StudyDate or Modality"
        ),
    )
}

/// Keeps the reason why reading failed, which the parser would hide.
struct CountedReader<R> {
    from: R,
    left: u64,
    fault: Option<DicomWebError>,
}

impl<R: Read> Read for CountedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = buffer.len().min(most);
        match self.from.read(&mut buffer[..most]) {
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) => {
                self.fault = Some(broken_off(&error));
                Err(error)
            }
        }
    }
}

/// Asks for one page; an empty one for status 204.
///
/// # Errors
/// As [`Transport::get`]; if the answer is no DICOM JSON; if it is too large.
pub fn page(transport: &Transport, url: &str) -> Result<Vec<QueryResult>, DicomWebError> {
    transport.get(url, JSON, |answer| {
        if answer.status.as_u16() == 204 {
            return Ok(Vec::new());
        }
        check_json(&answer)?;
        let length = answer.body.content_length();
        if length.is_some_and(|length| length > LONGEST_ANSWER) {
            return Err(too_large());
        }
        let limited = answer.body.into_with_config().limit(u64::MAX).reader();
        read_results(limited)
    })
}

/// Refuses what is no JSON by its header.
fn check_json(answer: &DicomWebAnswer) -> Result<(), DicomWebError> {
    let kind = answer.media_type();
    if kind.is_empty() || kind.ends_with("json") {
        return Ok(());
    }
    let what = if kind == "text/html" {
        "a web page".to_owned()
    } else {
        kind
    };
    Err(DicomWebError::new(
        DicomWebFault::NotDicomWeb,
        format!(
            "it sends {what} and no DICOM JSON: the address of a DICOMweb server often ends in /dicom-web"
        ),
    ))
}

/// Calls `on` with every result of a list once, in the order of the server (each page ordered by the numbers of series and
/// instance), until it breaks. `url` may have a query. Where it is known how many results there are, a page that brings
/// the last of them is the last one.
///
/// # Errors
/// As [`page`]. What came before has been handed over.
pub fn list(
    transport: &Transport,
    url: &str,
    level: QueryLevel,
    expected: Option<usize>,
    mut on: impl FnMut(QueryResult) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, DicomWebError> {
    let mut known = HashSet::new();
    let mut offset = 0;
    let mut is_from_beginning = false;
    let separator = if url.contains('?') { '&' } else { '?' };
    loop {
        let limit = match offset {
            0 => FIRST_PAGE,
            _ if is_from_beginning => (2 * offset + PAGE).min(MOST_IN_ANSWER),
            _ => PAGE,
        };
        let mut results = page(
            transport,
            &format!("{url}{separator}limit={limit}&offset={offset}"),
        )?;
        let count = results.len();
        if level == QueryLevel::Instance {
            results.sort_by(|a, b| {
                (a.numbers.0, &a.series, a.numbers.1).cmp(&(b.numbers.0, &b.series, b.numbers.1))
            });
        }
        let mut is_anything_new = false;
        for result in results {
            let uid = match level {
                QueryLevel::Study => &result.study,
                QueryLevel::Instance => &result.instance,
            };
            // What is no UID cannot be asked for, and could be anything.
            if !is_uid(uid) || !known.insert(short(uid)) {
                continue;
            }
            is_anything_new = true;
            if on(result).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if known.len() > MOST_IN_ALL {
            return Err(DicomWebError::new(
                DicomWebFault::TooLarge,
                format!("it lists more than {MOST_IN_ALL} results: narrow the query"),
            ));
        }
        // A server that has more than it says counts wrong, and its number tells nothing.
        let is_all = expected == Some(known.len());
        let is_end = is_all
            || count > limit
            || (!is_anything_new && (is_from_beginning || offset + count == 0));
        if is_end {
            return Ok(ControlFlow::Continue(()));
        }
        is_from_beginning |= count < limit || !is_anything_new;
        offset += count;
    }
}

/// 128 bits of a UID: millions of them are kept to see which come twice.
fn short(uid: &str) -> (u64, u64) {
    let hashed = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, uid).hash(&mut hasher);
        hasher.finish()
    };
    (hashed(0), hashed(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: &str = r#"[{"0020000D":{"vr":"UI","Value":["1.2 "]},"00080061":{"vr":"CS","Value":["CR","SR"]},
        "00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"}]},"00080090":{"vr":"PN"},"x":[1,{"y":null}]},
        {"0020000D":{"vr":"UI"}},{"0020000E":{"Value":[null,3,"4"]},"00200013":{"vr":"IS","Value":["12"]},
        "00200011":{"vr":"IS","Value":[3]}}]"#;

    #[test]
    fn results_are_read_from_dicom_json() {
        let results = read_results(STUDY.as_bytes()).unwrap();
        assert_eq!(results.len(), 3);
        assert_eq!(results[0].study, "1.2");
        assert_eq!(results[0].modalities, ["CR", "SR"]);
        assert_eq!(results[1], QueryResult::default());
        assert_eq!(results[2].series, "4");
        assert_eq!(results[2].numbers, (3, 12));
        assert_eq!(read_results(&b"[]"[..]).unwrap(), []);
    }

    #[test]
    fn what_is_no_dicom_json_is_a_reason_without_its_words() {
        for (text, fault) in [
            ("<html>secret</html>", DicomWebFault::NotDicomWeb),
            ("{\"secret\": 1}", DicomWebFault::NotDicomWeb),
            ("[{\"0020000D\": 3}]", DicomWebFault::NotDicomWeb),
            ("[{\"secret\": 1}] tail", DicomWebFault::NotDicomWeb),
            ("", DicomWebFault::CutOff),
            ("[{\"0020000D\": {\"Value\": [\"1\"", DicomWebFault::CutOff),
        ] {
            let error = read_results(text.as_bytes()).unwrap_err();
            assert_eq!(error.fault(), fault, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let deep = "[".repeat(1_000_000);
        assert!(read_results(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_million_results_at_once_are_too_many() {
        let one = b"{\"0020000D\":{\"Value\":[\"1.2\"]}},";
        let many = (&b"["[..]).chain(io::Cursor::new(one.repeat(MOST_IN_ANSWER + 1)));
        let error = read_results(many).unwrap_err();
        assert_eq!(error.fault(), DicomWebFault::TooLarge);
    }
}
