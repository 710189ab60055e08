//! What the hub says of a model: the commit that a revision stands for, and the files of that commit with their sizes
//! and digests.
//!
//! `GET /api/models/OWNER/NAME/revision/REVISION` and `GET /api/models/OWNER/NAME/tree/COMMIT?recursive=true`, as
//! `huggingface_hub` 2.4 asks for them (`HfApi.model_info`, `HfApi.list_repo_tree`). A list of files comes in pages, and
//! the header `Link` names the next.

use std::io::Read;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::StatusCode;

use super::super::source::{HUB, HubModel};
use super::client::HubClient;
use super::digest::{FileDigest, is_commit};
use crate::domain::text::clean;

/// A page of a thousand files has about 300 KB.
const LONGEST_PAGE: u64 = 8 << 20;
/// More files than this are no model.
const MOST_PAGES: usize = 20;
/// The most characters of a licence or of a list of data sets.
const LONGEST_FACT: usize = 300;

/// A revision of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRevision {
    /// The commit that it stands for.
    pub commit: String,
    /// `mit`; `None` where the authors state none.
    pub licence: Option<String>,
    /// The data sets that the authors name.
    pub data_sets: Option<String>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// From the root of the repository.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// `None` where the hub states none.
    pub digest: Option<FileDigest>,
}

/// The commit that the model's revision stands for, and what its authors state.
///
/// # Errors
/// If the hub does not say it.
pub fn revision(client: &HubClient, model: &HubModel) -> Result<HubRevision> {
    let url = client.at(&format!(
        "/api/models/{}/revision/{}",
        model.repository(),
        escaped(&model.revision)
    ));
    let (text, _) = page(client, model, &url)?;
    read_revision(&text).ok_or_else(|| anyhow!("{url} states no commit"))
}

/// All files of a commit.
///
/// # Errors
/// If the hub does not list them, or lists too many.
pub fn files(client: &HubClient, model: &HubModel, commit: &str) -> Result<Vec<HubFile>> {
    let mut url = client.at(&format!(
        "/api/models/{}/tree/{commit}?recursive=true&expand=false",
        model.repository()
    ));
    let mut files = Vec::new();
    for _ in 0..MOST_PAGES {
        let (text, next) = page(client, model, &url)?;
        files.extend(read_files(&text).with_context(|| format!("{url} is no list of files"))?);
        match next {
            None => return Ok(files),
            Some(next) => url = at_server(client, &next),
        }
    }
    bail!("it has more than {} files, which no model has", files.len())
}

/// The text of an answer in JSON, and the address of the next page.
fn page(client: &HubClient, model: &HubModel, url: &str) -> Result<(Vec<u8>, Option<String>)> {
    let answer = client.get(url, 0)?;
    if answer.status != StatusCode::OK {
        return Err(client.refusal(&answer, model));
    }
    let next = answer.header("link").and_then(|links| next_page(&links));
    let mut text = Vec::new();
    let read = answer
        .body
        .into_reader()
        .take(LONGEST_PAGE + 1)
        .read_to_end(&mut text);
    read.with_context(|| format!("reading {url}"))?;
    if text.len() as u64 > LONGEST_PAGE {
        bail!("{url} is larger than {} MiB", LONGEST_PAGE >> 20);
    }
    Ok((text, next))
}

#[derive(Deserialize)]
struct ModelFacts {
    sha: String,
    /// The head of the model's page, which its authors write.
    #[serde(rename = "cardData", default)]
    head: Value,
}

#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LargeFile>,
}

/// What Git LFS notes of a file. The hub calls its SHA-256 `oid` in this list and `sha256` elsewhere.
#[derive(Deserialize)]
struct LargeFile {
    oid: Option<String>,
    sha256: Option<String>,
    size: Option<u64>,
}

fn read_revision(text: &[u8]) -> Option<HubRevision> {
    let facts: ModelFacts = serde_json::from_slice(text).ok()?;
    let licence = match fact(&facts.head["license"]) {
        // The authors' own, with a name beside it.
        Some(other) if other == "other" => fact(&facts.head["license_name"]).or(Some(other)),
        licence => licence,
    };
    is_commit(&facts.sha).then(|| HubRevision {
        licence,
        data_sets: fact(&facts.head["datasets"]),
        commit: facts.sha,
    })
}

/// A text or a list of texts, in one short line; `None` if it is neither or empty.
fn fact(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(texts) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        _ => String::new(),
    };
    let short: String = clean(&text).chars().take(LONGEST_FACT).collect();
    (!short.is_empty()).then_some(short)
}

fn read_files(text: &[u8]) -> serde_json::Result<Vec<HubFile>> {
    let entries: Vec<TreeEntry> = serde_json::from_slice(text)?;
    let files = entries.into_iter().filter(|entry| entry.kind == "file");
    Ok(files.map(HubFile::from).collect())
}

impl From<TreeEntry> for HubFile {
    fn from(entry: TreeEntry) -> Self {
        let (digest, size) = match entry.lfs {
            // What git holds of a large file is a note of its SHA-256, and `oid` is that of the note.
            Some(large) => {
                let digits = large.oid.or(large.sha256).unwrap_or_default();
                (FileDigest::sha256(&digits), large.size)
            }
            None => (FileDigest::git_blob(&entry.oid), None),
        };
        HubFile {
            path: entry.path,
            size: size.unwrap_or(entry.size),
            digest,
        }
    }
}

/// The address of the next page: `<https://…>; rel="next"`, among others with commas between them (RFC 8288).
fn next_page(links: &str) -> Option<String> {
    let mut links = links.split('<').skip(1);
    links.find_map(|link| {
        let (address, parameters) = link.split_once('>')?;
        let mut parameters = parameters.split([';', ',']).map(str::trim);
        let is_next = parameters.any(|parameter| matches!(parameter, r#"rel="next""# | "rel=next"));
        is_next.then(|| address.to_owned())
    })
}

/// A mirror may pass on the hub's own addresses.
fn at_server(client: &HubClient, url: &str) -> String {
    match url.strip_prefix(HUB) {
        Some(path) if path.starts_with('/') => client.at(path),
        _ if url.starts_with('/') => client.at(url),
        _ => url.to_owned(),
    }
}

/// A revision as one part of a path (RFC 3986, section 2): `refs/pr/3` becomes `refs%2Fpr%2F3`.
pub fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMIT: &str = "6f3c415eaa41bf7b6e53d42e41aaf1467ed87c1e";

    #[test]
    fn a_revision_has_a_commit_and_what_its_authors_state() {
        let read = |head: &str| {
            read_revision(format!(r#"{{"id": "a/b", "sha": "{COMMIT}"{head}}}"#).as_bytes())
        };
        let bare = read("").unwrap();
        assert_eq!((bare.commit.as_str(), &bare.licence), (COMMIT, &None));
        let head = r#", "cardData": {"license": "mit", "datasets": ["nih", "rsna\u001b[2J"]}"#;
        let full = read(head).unwrap();
        assert_eq!(full.licence.as_deref(), Some("mit"));
        assert_eq!(full.data_sets.as_deref(), Some("nih, rsna [2J"));
        let own = r#", "cardData": {"license": "other", "license_name": "rad-1", "datasets": 3}"#;
        let own = read(own).unwrap();
        assert_eq!(own.licence.as_deref(), Some("rad-1"));
        assert_eq!(own.data_sets, None);
        assert_eq!(read(r#", "cardData": null"#).unwrap(), bare);
        for wrong in [
            "{}",
            "[]",
            "",
            "{\"sha\": \"main\"}",
            "{\"sha\": 3}",
            "<html>",
        ] {
            assert_eq!(read_revision(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_large_file_has_its_sha_256_and_a_small_one_gits_name() {
        let sha256 = "9b".repeat(32);
        let text = format!(
            r#"[{{"type": "directory", "oid": "{COMMIT}", "size": 0, "path": "onnx"}},
            {{"type": "file", "oid": "{COMMIT}", "size": 69, "path": "config.json"}},
            {{"type": "file", "oid": "{COMMIT}", "size": 343, "path": "model.safetensors",
              "lfs": {{"oid": "{sha256}", "size": 343, "pointerSize": 134}}, "xetHash": "ab"}},
            {{"type": "file", "oid": "", "size": 1, "path": "odd"}},
            {{"type": "file", "oid": "{COMMIT}", "size": 1, "path": "worse",
              "lfs": {{"sha256": "no", "size": 7}}}}]"#
        );
        let file = |path: &str, size, digest| HubFile {
            path: path.to_owned(),
            size,
            digest,
        };
        assert_eq!(
            read_files(text.as_bytes()).unwrap(),
            [
                file("config.json", 69, FileDigest::git_blob(COMMIT)),
                file("model.safetensors", 343, FileDigest::sha256(&sha256)),
                file("odd", 1, None),
                file("worse", 7, None),
            ]
        );
        for wrong in [
            "{}",
            "[3]",
            "",
            r#"[{"type": "file"}]"#,
            r#"{"error": "x"}"#,
        ] {
            assert!(read_files(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_next_page_is_the_link_that_says_so() {
        for (links, expected) in [
            (
                r#"<https://a/b?cursor=x>; rel="next""#,
                Some("https://a/b?cursor=x"),
            ),
            (
                r#"<https://a/1>; rel="prev", <https://a/3>; rel="next""#,
                Some("https://a/3"),
            ),
            (r#"<https://a/1>; rel="prev""#, None),
            ("", None),
            ("<https://a", None),
        ] {
            assert_eq!(next_page(links).as_deref(), expected, "{links}");
        }
    }

    #[test]
    fn a_revision_is_one_part_of_a_path() {
        assert_eq!(escaped("refs/pr/3"), "refs%2Fpr%2F3");
        assert_eq!(escaped("v1.0_a-b"), "v1.0_a-b");
        assert_eq!(escaped("ä?"), "%C3%A4%3F");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(text in any::<Vec<u8>>(), links in any::<String>()) {
            let _ = read_revision(&text);
            let _ = read_files(&text);
            let _ = next_page(&links);
        }
    }
}
