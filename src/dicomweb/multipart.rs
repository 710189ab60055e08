//! `multipart/related` (RFC 2046, section 5.1; RFC 2387), in which WADO-RS sends an instance (DICOM PS3.18, section 8.6.1.2).

use super::error::{DicomWebError, DicomWebFault};

/// No boundary is longer (RFC 2046, section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;
/// Bytes of the headers of a part.
const LONGEST_HEADERS: usize = 16 << 10;

/// The boundary that a content type names; `None` if it is no multipart.
///
/// # Errors
/// If it is a multipart without a boundary that makes sense.
pub fn boundary(content_type: &str) -> Result<Option<String>, DicomWebError> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(None);
    }
    let named = parameter(parameters, "boundary").filter(|text| {
        // Servers send longer ones than they may.
        (1..=2 * LONGEST_BOUNDARY).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
    });
    named
        .map(Some)
        .ok_or_else(|| damaged("the answer is in parts, and its header names no boundary"))
}

/// The value of a parameter: `name=value` or `name="value"`, between semicolons.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim_matches([';', ' ', '\t']);
        let (value, left) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = left;
    }
}

/// The place of the first part's content in a body, with its content type.
///
/// # Errors
/// If the body does not begin with the boundary, has other than one part, or ends before the boundary comes again: it was
/// cut off, or the boundary is wrong.
pub fn only_part(
    body: &[u8],
    boundary: &str,
) -> Result<(std::ops::Range<usize>, String), DicomWebError> {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    // A preamble may come first.
    let first = if body.starts_with(&delimiter) {
        0
    } else {
        let line = [b"\r\n", &delimiter[..]].concat();
        let head = &body[..body.len().min(LONGEST_HEADERS)];
        let at = find(head, &line).ok_or_else(|| {
            damaged("the answer does not begin with the boundary that its header names")
        })?;
        at + 2
    };
    let headers = first + delimiter.len();
    let head = &body[headers..body.len().min(headers + LONGEST_HEADERS)];
    if head.starts_with(b"--") {
        return Err(damaged("the answer has no part"));
    }
    let end = find(head, b"\r\n\r\n")
        .ok_or_else(|| damaged("the answer's part has no end of headers"))?;
    let kind = content_type(&head[..end]);
    let start = headers + end + 4;
    let closing = [b"\r\n", &delimiter[..]].concat();
    // From the end: the content is long, and its end is where the body's is.
    let length = rfind(&body[start..], &closing)
        .ok_or_else(|| cut_off("the answer is cut off: it ends without its boundary"))?;
    let rest = &body[start + length + closing.len()..];
    if !rest.starts_with(b"--") {
        return Err(cut_off("the answer is cut off after a boundary"));
    }
    let content = start..start + length;
    let another = [&closing[..], b"\r\n"].concat();
    if find(&body[content.clone()], &another).is_some() {
        return Err(damaged(
            "the answer has several parts, and one film was asked for",
        ));
    }
    Ok((content, kind))
}

/// The content type among the headers of a part, in lower case; empty if there is none.
fn content_type(headers: &[u8]) -> String {
    let text = String::from_utf8_lossy(headers);
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

/// Where `needle`, which is not empty, begins first.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Where `needle` begins last.
fn rfind(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len())
        .rposition(|window| window == needle)
}

fn cut_off(reason: &str) -> DicomWebError {
    DicomWebError::new(DicomWebFault::CutOff, reason)
}

fn damaged(reason: &str) -> DicomWebError {
    DicomWebError::new(DicomWebFault::Damaged, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str =
        "Content-Type: application/DICOM; transfer-syntax=1.2\r\nContent-Length: 3\r\n\r\n";

    fn part(body: &str) -> Result<(Vec<u8>, String), DicomWebError> {
        let (place, kind) = only_part(body.as_bytes(), "b")?;
        Ok((body.as_bytes()[place].to_vec(), kind))
    }

    #[test]
    fn a_boundary_may_be_in_quotes_and_after_other_parameters() {
        let found = |text: &str| boundary(text).unwrap();
        assert_eq!(
            found("multipart/related; type=\"application/dicom; x\"; boundary=\"a=b\""),
            Some("a=b".to_owned())
        );
        assert_eq!(
            found("Multipart/Related;boundary=abc;type=x"),
            Some("abc".to_owned())
        );
        assert_eq!(found("application/dicom"), None);
        let long = format!("multipart/related; boundary={}", "b".repeat(141));
        for wrong in [
            "multipart/related",
            "multipart/related; boundary=",
            "multipart/related; boundary=\"a",
            &long,
        ] {
            assert!(boundary(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_content_of_the_only_part_is_found() {
        let whole = format!("--b\r\n{HEADERS}abc\r\n--b--\r\n");
        let expected = (
            b"abc".to_vec(),
            "application/dicom; transfer-syntax=1.2".to_owned(),
        );
        assert_eq!(part(&whole).unwrap(), expected);
        assert_eq!(part(&format!("hello\r\n{whole}")).unwrap(), expected);
        // What looks like a line of the film's own.
        let inside = format!("--b\r\n{HEADERS}a\r\n--x--\r\nc\r\n--b--");
        assert_eq!(part(&inside).unwrap().0, b"a\r\n--x--\r\nc");
        assert_eq!(part("--b\r\n\r\n\r\n--b--").unwrap().0, b"");
    }

    #[test]
    fn a_wrong_boundary_a_cut_and_several_parts_are_reasons() {
        for (body, words) in [
            (
                format!("--other\r\n{HEADERS}abc\r\n--other--"),
                "does not begin",
            ),
            (String::new(), "does not begin"),
            (
                format!("--b\r\n{HEADERS}abc\r\n--other--"),
                "without its boundary",
            ),
            (format!("--b\r\n{HEADERS}abc"), "without its boundary"),
            (format!("--b\r\n{HEADERS}abc\r\n--b"), "cut off after"),
            ("--b--".to_owned(), "no part"),
            ("--b\r\nContent-Type: x".to_owned(), "no end of headers"),
            (
                format!("--b\r\n{HEADERS}abc\r\n--b\r\n{HEADERS}abc\r\n--b--"),
                "several parts",
            ),
        ] {
            let error = part(&body).unwrap_err().to_string();
            assert!(error.contains(words), "{error}: {body}");
        }
    }
}
