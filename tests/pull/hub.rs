//! A server that answers as the Hugging Face hub does, and another one that holds its large files.
//!
//! Addresses, headers and refusals are those that `huggingface_hub` 2.4 expects (`hf_api.py`, `file_download.py`,
//! `utils/_http.py`): a commit for each revision, pages of files, redirects within the hub for small files and to a
//! signed address elsewhere for large ones.

#![allow(
    dead_code,
    reason = "the tests of the library and those of the program use a part each"
)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The only commit, which `main` and `v1` stand for.
pub const COMMIT: &str = "6f3c415eaa41bf7b6e53d42e41aaf1467ed87c1e";
/// Files on one page of a list.
const PAGE: usize = 3;
/// What the hub adds to the address of a large file, and nobody else may learn.
pub const SIGNATURE: &str = "X-Amz-Signature=secret";

pub struct FixtureFile {
    pub path: String,
    pub bytes: Vec<u8>,
    /// Stored by Git LFS, with a SHA-256.
    pub is_large: bool,
}

/// A repository, and how the servers behave.
pub struct Repository {
    /// `OWNER/NAME`
    pub name: String,
    pub files: Vec<FixtureFile>,
    /// What its authors state.
    pub head: Value,
    /// The only token that is let in; `None` if everybody is.
    pub token: Option<String>,
    /// Whether the terms of the authors must be accepted first.
    pub is_gated: bool,
    /// How many bytes the next answers with a large file end after.
    pub cuts: VecDeque<usize>,
    /// A large file that is not what the list says.
    pub damaged: Option<String>,
    /// A file that the hub states another SHA-256 for when it is asked for.
    pub changed: Option<String>,
    /// Whether the hub was asked too often.
    pub is_busy: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// Whether the hub itself was asked, and not the server of large files.
    pub is_hub: bool,
    /// Path and query.
    pub target: String,
    /// The first byte that was asked for.
    pub from: Option<usize>,
    pub authorization: Option<String>,
}

pub struct FakeHub {
    /// `http://127.0.0.1:12345`
    pub address: String,
    repository: Arc<Mutex<Repository>>,
    requests: Arc<Mutex<Vec<SeenRequest>>>,
}

impl FakeHub {
    /// Starts both servers. `files` are names, contents, and whether they are large.
    pub fn new(name: &str, files: &[(&str, &[u8], bool)]) -> Self {
        let files = files.iter().map(|(path, bytes, is_large)| FixtureFile {
            path: (*path).to_owned(),
            bytes: bytes.to_vec(),
            is_large: *is_large,
        });
        let repository = Arc::new(Mutex::new(Repository {
            name: name.to_owned(),
            files: files.collect(),
            head: json!({"license": "mit", "datasets": ["nih", "rsna"]}),
            token: None,
            is_gated: false,
            cuts: VecDeque::new(),
            damaged: None,
            changed: None,
            is_busy: false,
        }));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        let store = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", hub.local_addr().unwrap());
        let elsewhere = format!("http://{}", store.local_addr().unwrap());
        for (listener, is_hub) in [(hub, true), (store, false)] {
            let (repository, requests) = (Arc::clone(&repository), Arc::clone(&requests));
            let (address, elsewhere) = (address.clone(), elsewhere.clone());
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { break };
                    let Some(request) = read_request(&stream, is_hub) else {
                        continue;
                    };
                    locked(&requests).push(request.clone());
                    let mut repository = locked(&repository);
                    let answer = if is_hub {
                        repository.of_hub(&request, &address, &elsewhere)
                    } else {
                        repository.of_store(&request)
                    };
                    answer.send(stream);
                }
            });
        }
        FakeHub {
            address,
            repository,
            requests,
        }
    }

    /// To change what the servers do.
    pub fn repository(&self) -> MutexGuard<'_, Repository> {
        locked(&self.repository)
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<SeenRequest> {
        locked(&self.requests).clone()
    }

    /// The names of the files whose contents were asked for, each once, in order.
    pub fn fetched(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for request in self.requests() {
            let path = request.target.split('?').next().unwrap_or_default();
            if let Some((_, name)) = path.split_once(&format!("/resolve/{COMMIT}/"))
                && !names.iter().any(|other| other == name)
            {
                names.push(name.to_owned());
            }
        }
        names
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that has failed has said why.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_request(stream: &TcpStream, is_hub: bool) -> Option<SeenRequest> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut request = SeenRequest {
        is_hub,
        target: first.split(' ').nth(1)?.to_owned(),
        from: None,
        authorization: None,
    };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.trim().strip_prefix("bytes=")?;
                request.from = range.trim_end_matches('-').parse().ok();
            }
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(request)
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// How many bytes of the body are sent.
    cut: usize,
}

impl Answer {
    fn new(status: &'static str, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Answer {
            status,
            headers,
            body,
            cut: usize::MAX,
        }
    }

    fn refused(status: &'static str, code: &str, message: &str) -> Self {
        let headers = vec![
            ("X-Error-Code", code.to_owned()),
            ("X-Error-Message", message.to_owned()),
        ];
        let body = json!({ "error": message }).to_string();
        Answer::new(status, headers, body.into_bytes())
    }

    fn send(self, mut stream: TcpStream) {
        let mut head = format!(
            "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n",
            self.status,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        // A client that has seen enough closes the connection.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&self.body[..self.cut.min(self.body.len())]);
    }
}

impl Repository {
    fn of_hub(&self, request: &SeenRequest, address: &str, elsewhere: &str) -> Answer {
        if self.is_busy {
            let mut answer = Answer::refused("429 Too Many Requests", "", "slow down");
            answer.headers.push(("Retry-After", "55".to_owned()));
            return answer;
        }
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((request.target.as_str(), ""));
        let name = &self.name;
        let rest = |start: String| path.strip_prefix(&start);
        if let Some(revision) = rest(format!("/api/models/{name}/revision/")) {
            return self.revision(revision);
        }
        if rest(format!("/api/models/{name}/tree/")) == Some(COMMIT) {
            return self.page(address, query);
        }
        if let Some(file) = rest(format!("/{name}/resolve/")).and_then(|rest| rest.split_once('/'))
        {
            let (revision, file) = file;
            return self.resolved(revision, file, elsewhere);
        }
        if let Some(file) = rest(format!("/api/resolve-cache/models/{name}/{COMMIT}/"))
            && let Some(found) = self.files.iter().find(|found| found.path == file)
        {
            let headers = vec![
                ("X-Repo-Commit", COMMIT.to_owned()),
                ("ETag", format!("\"{}\"", git_blob(&found.bytes))),
            ];
            return Answer::new("200 OK", headers, found.bytes.clone());
        }
        // The hub does not say whether there is such a repository.
        match request.authorization {
            Some(_) => Answer::refused("404 Not Found", "RepoNotFound", "Repository not found"),
            None => Answer::refused(
                "401 Unauthorized",
                "RepoNotFound",
                "Invalid username or password.",
            ),
        }
    }

    /// Why a request is not let in.
    fn refusal(&self, request: &SeenRequest) -> Option<Answer> {
        let expected = self.token.as_ref()?;
        match &request.authorization {
            None if self.is_gated => Some(Answer::refused(
                "401 Unauthorized",
                "GatedRepo",
                "Access to model is restricted.",
            )),
            None => Some(Answer::refused(
                "401 Unauthorized",
                "RepoNotFound",
                "Invalid username or password.",
            )),
            Some(given) if *given != format!("Bearer {expected}") => Some(Answer::refused(
                "401 Unauthorized",
                "",
                "Invalid credentials in Authorization header",
            )),
            Some(_) if self.is_gated => Some(Answer::refused(
                "403 Forbidden",
                "GatedRepo",
                "Access to model is restricted and you are not in the authorized list.",
            )),
            Some(_) => None,
        }
    }

    fn revision(&self, revision: &str) -> Answer {
        if !["main", "v1", COMMIT].contains(&revision) {
            return Answer::refused("404 Not Found", "RevisionNotFound", "Invalid rev id");
        }
        let facts =
            json!({ "id": self.name, "sha": COMMIT, "cardData": self.head, "siblings": [] });
        Answer::new("200 OK", Vec::new(), facts.to_string().into_bytes())
    }

    /// A page of the list of files. The first one begins with a folder.
    fn page(&self, address: &str, query: &str) -> Answer {
        let cursor = query
            .split('&')
            .find_map(|part| part.strip_prefix("cursor="));
        let start: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let end = self.files.len().min(start + PAGE);
        let mut entries: Vec<Value> = Vec::new();
        if start == 0 {
            entries.push(json!({ "type": "directory", "oid": COMMIT, "size": 0, "path": "onnx" }));
        }
        entries.extend(self.files[start..end].iter().map(FixtureFile::entry));
        let mut headers = Vec::new();
        if end < self.files.len() {
            let next = format!(
                "{address}/api/models/{}/tree/{COMMIT}?recursive=true&cursor={end}",
                self.name
            );
            headers.push(("Link", format!("<{next}>; rel=\"next\"")));
        }
        Answer::new(
            "200 OK",
            headers,
            Value::from(entries).to_string().into_bytes(),
        )
    }

    /// Where a file is: large ones elsewhere, under an address with a signature.
    fn resolved(&self, revision: &str, path: &str, elsewhere: &str) -> Answer {
        if !["main", "v1", COMMIT].contains(&revision) {
            return Answer::refused("404 Not Found", "RevisionNotFound", "Invalid rev id");
        }
        let Some(file) = self.files.iter().find(|file| file.path == path) else {
            return Answer::refused("404 Not Found", "EntryNotFound", "Entry not found");
        };
        let mut headers = vec![("X-Repo-Commit", COMMIT.to_owned())];
        if !file.is_large {
            headers.push((
                "Location",
                format!(
                    "/api/resolve-cache/models/{}/{COMMIT}/{path}?etag=%22{}%22",
                    self.name,
                    git_blob(&file.bytes)
                ),
            ));
            return Answer::new("307 Temporary Redirect", headers, b"moved".to_vec());
        }
        let digest = sha256(&file.bytes);
        let stated = if self.changed.as_deref() == Some(path) {
            sha256(b"another file")
        } else {
            digest.clone()
        };
        headers.extend([
            ("X-Linked-Size", file.bytes.len().to_string()),
            ("X-Linked-Etag", format!("\"{stated}\"")),
            ("Location", format!("{elsewhere}/{digest}?{SIGNATURE}")),
        ]);
        Answer::new("302 Found", headers, Vec::new())
    }

    /// A large file, to those who have the address with the signature and no token.
    fn of_store(&mut self, request: &SeenRequest) -> Answer {
        if request.authorization.is_some() {
            // As S3 answers to two kinds of authorization.
            return Answer::new("400 Bad Request", Vec::new(), Vec::new());
        }
        let found = self
            .files
            .iter()
            .find(|file| request.target == format!("/{}?{SIGNATURE}", sha256(&file.bytes)));
        let Some(file) = found else {
            return Answer::new("403 Forbidden", Vec::new(), Vec::new());
        };
        let mut bytes = file.bytes.clone();
        if self.damaged.as_ref() == Some(&file.path) {
            bytes[0] ^= 1;
        }
        let all = bytes.len();
        let start = request.from.unwrap_or(0);
        if start >= all {
            let headers = vec![("Content-Range", format!("bytes */{all}"))];
            return Answer::new("416 Range Not Satisfiable", headers, Vec::new());
        }
        let rest = bytes.split_off(start);
        let mut answer = match request.from {
            None => Answer::new("200 OK", Vec::new(), rest),
            Some(_) => {
                let range = format!("bytes {start}-{}/{all}", all - 1);
                Answer::new("206 Partial Content", vec![("Content-Range", range)], rest)
            }
        };
        answer.cut = self.cuts.pop_front().unwrap_or(usize::MAX);
        answer
    }
}

impl FixtureFile {
    /// As a list of files has it.
    fn entry(&self) -> Value {
        let (path, size) = (&self.path, self.bytes.len());
        if !self.is_large {
            return json!({ "type": "file", "oid": git_blob(&self.bytes), "size": size, "path": path });
        }
        let sha256 = sha256(&self.bytes);
        json!({
            "type": "file",
            // Of the note in git, not of the file.
            "oid": git_blob(format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\n").as_bytes()),
            "size": size,
            "path": path,
            "lfs": { "oid": sha256, "size": size, "pointerSize": 134 },
            "xetHash": "ab",
        })
    }
}

/// Hexadecimal digits of the SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `git hash-object`
fn git_blob(bytes: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
