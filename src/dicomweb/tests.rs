//! The client against a server that behaves in every way that one should not.

mod access;
mod check;
mod faults;
mod films;
mod listing;
mod server;
mod stow;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::server::{FILM, SeenRequest, TestServer, send, send_film, send_json};
use super::identity::tests::film as file;
use super::*;

const LONGEST: u64 = 1 << 20;
const SECRET: &str = "s3cret";

fn settings() -> DicomWebSettings {
    DicomWebSettings {
        patience: Duration::from_secs(60),
        authorities: None,
        memory: 8 << 20,
        keep: None,
        credentials: Arc::default(),
    }
}

fn with_token() -> DicomWebSettings {
    let token = |name: &str| (name == "CXR_PACS_TOKEN").then(|| SECRET.to_owned());
    DicomWebSettings {
        credentials: Arc::new(CredentialSources::new(token, None)),
        ..settings()
    }
}

fn source(address: &str, settings: DicomWebSettings) -> DicomWebSource {
    DicomWebSource::new(&[DicomWebAddress::parse(address).unwrap()], settings).unwrap()
}

/// All films and problems under an address.
fn walked(address: &str, settings: DicomWebSettings) -> (Vec<String>, Vec<String>) {
    let source = source(address, settings);
    let (mut films, mut problems) = (Vec::new(), Vec::new());
    source.walk(Path::new(address), &mut |item| {
        match item {
            RemoteItem::Film(path) => films.push(path.to_str().unwrap().to_owned()),
            RemoteItem::Problem { path, reason } => {
                problems.push(format!("{}: {reason}", path.display()));
            }
        }
        ControlFlow::Continue(())
    });
    (films, problems)
}

fn film_of(server: &TestServer) -> PathBuf {
    format!("{}/d/studies/1.2/series/3/instances/4.5", server.address).into()
}

/// What reading a film of this server fails with.
fn refused(server: &TestServer, settings: DicomWebSettings) -> String {
    let source = source(&format!("{}/d", server.address), settings);
    let error = source.read(&film_of(server), LONGEST).unwrap_err();
    let error = error.to_string();
    assert!(!error.contains('\n') && !error.contains(SECRET), "{error}");
    error
}

fn study(uid: &str) -> String {
    format!("{{\"0020000D\":{{\"vr\":\"UI\",\"Value\":[\"{uid}\"]}}}}")
}

fn instance(uid: &str) -> String {
    format!(
        "{{\"0020000E\":{{\"vr\":\"UI\",\"Value\":[\"3\"]}},\"00080018\":{{\"vr\":\"UI\",\"Value\":[\"{uid}\"]}}}}"
    )
}

fn number(request: &SeenRequest, name: &str) -> usize {
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Sends page after page of `all` results, of at most `most` each.
fn send_page(request: &SeenRequest, stream: &mut TcpStream, all: &[String], most: usize) {
    let limit = number(request, "limit=").min(most);
    let page = all.iter().skip(number(request, "offset=")).take(limit);
    let page: Vec<&str> = page.map(String::as_str).collect();
    send_json(stream, &format!("[{}]", page.join(",")));
}
