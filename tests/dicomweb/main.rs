//! Films of a real PACS by DICOMweb: scored, killed and resumed, kept, browsed, and the PACS described.
#![cfg(feature = "dicomweb")]

mod films;
#[path = "../free_ports/mod.rs"]
mod free_ports;
mod orthanc;
#[path = "../terminal/session.rs"]
#[allow(dead_code, reason = "the tests of the terminal use all of it")]
mod session;
#[path = "../skip/mod.rs"]
mod skip;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};

use orthanc::{Orthanc, PASSWORD, USER};
use session::Session;
use tls::TlsServer;

const CXR: &str = env!("CARGO_BIN_EXE_cxr");
/// The longest wait. It is only reached if a test fails.
const LIMIT: Duration = Duration::from_secs(120);
/// Films of the test.
const FILMS: usize = 300;
/// Columns that may differ between a film on the disk and the same film in a PACS.
const ITS_OWN: [&str; 2] = ["path", "elapsed_ms"];

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// cxr, with no credentials and nothing of the user's own.
fn cxr(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(CXR);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .current_dir(home)
        .env("HOME", home)
        .env("CXR_CONFIG", "")
        .env_remove("CXR_MODEL");
    for name in [
        "CXR_PACS_TOKEN",
        "CXR_PACS_USER",
        "CXR_PACS_PASSWORD",
        "CXR_PACS_CA",
        "NETRC",
    ] {
        command.env_remove(name);
    }
    command
}

/// The same, as a user whom the PACS knows.
fn known(home: &Path, arguments: &[&str]) -> Command {
    let mut command = cxr(home, arguments);
    command
        .env("CXR_PACS_USER", USER)
        .env("CXR_PACS_PASSWORD", PASSWORD);
    command
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(all).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
    text
}

/// The rows of a table by the content of their images, without what is a place's own.
fn rows(table: &Path) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_path(table).unwrap();
    let head = reader.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|known| known == name).unwrap();
    let its_own = ITS_OWN.map(column);
    let content = column("image_sha256");
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let cells = row.iter().enumerate();
        let shared = cells.filter(|(at, _)| !its_own.contains(at));
        let shared = shared.map(|(_, cell)| cell.to_owned()).collect();
        (row[content].to_owned(), shared)
    });
    rows.collect()
}

fn count_rows(table: &Path) -> usize {
    let text = fs::read_to_string(table).unwrap_or_default();
    text.lines().count().saturating_sub(1)
}

#[test]
fn films_of_a_pacs_have_the_rows_of_the_same_films_in_a_folder() {
    let Some(orthanc) = Orthanc::start() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let folder = home.join("films");
    films::write(&folder, FILMS);
    for entry in fs::read_dir(&folder).unwrap() {
        orthanc.store(&fs::read(entry.unwrap().path()).unwrap());
    }
    let local = home.join("local.csv");
    let output = cxr(home, &["predict", "films", "-q", "-o", "local.csv"]).output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    let expected = rows(&local);
    assert_eq!(expected.len(), FILMS);

    // Killed in the middle, and resumed.
    let address = format!("{}?Modality=DX,CR&StudyDate=20000101-", orthanc.address());
    let table = home.join("pacs.csv");
    let arguments = ["predict", &address, "-q", "-o", "pacs.csv"];
    let mut run = known(home, &arguments).spawn().unwrap();
    let end = Instant::now() + LIMIT;
    while count_rows(&table) < FILMS / 5 {
        assert!(Instant::now() < end, "no rows come");
        assert!(run.try_wait().unwrap().is_none(), "it ended early");
        thread::sleep(Duration::from_millis(20));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let before = count_rows(&table);
    assert!(before < FILMS, "it was done before it was killed");
    let resumed = [&arguments[..], &["--resume"]].concat();
    let output = known(home, &resumed).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let found = rows(&table);
    assert_eq!(found.len(), FILMS);
    for (content, row) in &expected {
        assert_eq!(found.get(content), Some(row), "{content}");
    }
    let written = fs::read_to_string(&table).unwrap();
    assert!(!written.contains(PASSWORD) && !written.contains("Modality"));
    let base = orthanc.address();
    let paths = written.lines().skip(1);
    assert!(
        paths
            .clone()
            .all(|row| row.starts_with(&format!("{base}/studies/2.25.7000")))
    );

    // Nothing is kept, unless it is asked for.
    let left = || {
        let mut names: Vec<_> = fs::read_dir(home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    };
    assert_eq!(left(), ["films", "local.csv", "pacs.csv"]);
    let one = format!("{base}/studies/2.25.70003");
    let output = known(home, &["predict", &one, "--keep", "kept"]).output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    for (name, instance) in [("3-6.dcm", "2.25.90006"), ("3-7.dcm", "2.25.90007")] {
        let kept = home.join(format!("kept/2.25.70003/2.25.80003/{instance}.dcm"));
        assert_eq!(
            fs::read(kept).unwrap(),
            fs::read(folder.join(name)).unwrap()
        );
    }
    listed(home, &written);
    browsed(&orthanc);
    described(&orthanc, home);
}

/// A list of addresses, as the paths of a table are; one of them stands there twice.
fn listed(home: &Path, table: &str) {
    let paths = table
        .lines()
        .skip(1)
        .filter_map(|row| row.split(',').next());
    let mut paths: Vec<&str> = paths.take(3).collect();
    paths.push(paths[0]);
    fs::write(home.join("list"), paths.join("\n")).unwrap();
    let arguments = ["predict", "--files-from", "list", "-q", "-o", "listed.csv"];
    let output = known(home, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let written = fs::read_to_string(home.join("listed.csv")).unwrap();
    let found: Vec<&str> = written
        .lines()
        .skip(1)
        .filter_map(|row| row.split(',').next())
        .collect();
    assert_eq!(found, paths[..3]);
}

/// The screen, over a query.
fn browsed(orthanc: &Orthanc) {
    let mut command = CommandBuilder::new(CXR);
    command.args([
        &format!("{}?Modality=DX", orthanc.address()),
        "--no-background",
    ]);
    command.env("CXR_PACS_USER", USER);
    command.env("CXR_PACS_PASSWORD", PASSWORD);
    let mut session = Session::spawn(35, 120, command);
    session.wait_for_text("Worklist");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.wait_for_answer();
    let first = session.screen();
    session.press("j");
    session.wait_for("another row", |session| session.screen() != first);
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    let written = session.bytes.lock().unwrap();
    let written = String::from_utf8_lossy(&written);
    assert!(!written.contains(PASSWORD));
}

/// What `cxr doctor --pacs` says, with and without a password.
fn described(orthanc: &Orthanc, home: &Path) {
    let address = orthanc.address();
    let output = known(home, &["doctor", "--pacs", &address])
        .output()
        .unwrap();
    let page = text(&output);
    assert!(output.status.success(), "{page}");
    for words in [
        "answers in",
        "user name and password of CXR_PACS_USER; accepted",
        "limit and offset are understood",
        "as stored",
    ] {
        assert!(page.contains(words), "{page}");
    }
    assert!(!page.contains("SYNTHETIC"), "nothing of a patient: {page}");
    let output = cxr(home, &["doctor", "--pacs", &address]).output().unwrap();
    let page = text(&output);
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(
        page.contains("BROKEN") && page.contains("CXR_PACS_TOKEN"),
        "{page}"
    );
    let wrong = known(home, &["predict", &address])
        .env("CXR_PACS_PASSWORD", "another")
        .output()
        .unwrap();
    let said = text(&wrong);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(
        said.contains("does not accept the user name and password of CXR_PACS_USER"),
        "{said}"
    );
}

#[test]
fn a_hospitals_own_authority_is_trusted_only_where_it_is_named() {
    let Some(server) = TlsServer::start() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let described = |authority: Option<&str>| {
        let mut command = cxr(home.path(), &["doctor", "--pacs", &server.address()]);
        command.env("CXR_PACS_TOKEN", PASSWORD);
        if let Some(authority) = authority {
            command.arg("--pacs-ca").arg(server.certificate(authority));
        }
        let output = command.output().unwrap();
        (output.status.code(), text(&output))
    };
    for authority in [None, Some("other")] {
        let (code, page) = described(authority);
        assert_eq!(code, Some(1), "{page}");
        assert!(
            page.contains("UnknownIssuer") && page.contains("--pacs-ca FILE"),
            "{page}"
        );
    }
    let (code, page) = described(Some("ca"));
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("its certificate is trusted"), "{page}");
    assert!(
        page.contains("the token of CXR_PACS_TOKEN; accepted"),
        "{page}"
    );
}

#[test]
fn a_proxy_of_the_environment_gets_no_credential_that_is_for_this_machine() {
    let home = tempfile::tempdir().unwrap();
    let listener = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        (listener, at)
    };
    let ((server, pacs), (proxy, proxied)) = (listener(), listener());
    let address = format!("{pacs}/dicom-web");
    let asked = ["doctor", "--pacs", &address, "--pacs-timeout", "1"];
    let mut command = known(home.path(), &asked);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, &proxied);
        command.env(name.to_uppercase(), &proxied);
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    command.output().unwrap();
    // Neither answers, and both would have a connection in their queue.
    server.accept().expect("a request to the PACS");
    proxy.accept().expect_err("a request to the proxy");
}

#[test]
fn what_is_wrong_with_an_address_is_one_line() {
    let home = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], words: &str| {
        let output = cxr(home.path(), arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(words) && !said.contains("hush"), "{said}");
    };
    refused(&["predict", "https://me:hush@h/d"], "CXR_PACS_PASSWORD");
    refused(
        &["doctor", "--pacs", "https://me:hush@h/d"],
        "CXR_PACS_PASSWORD",
    );
    refused(&["doctor", "--pacs", "pacs"], "begins with https://");
    refused(&["predict", "https://h/studies/x?y=hush"], "no DICOM UID");
    refused(&["predict", ".", "--keep", "k"], "--keep");
    fs::write(home.path().join("list"), "a.dcm\nhttps://me:hush@h/d\n").unwrap();
    refused(&["predict", "--files-from", "list"], "CXR_PACS_PASSWORD");
    refused(
        &["dicom", "send", "https://me:hush@h/d", "a.dcm"],
        "CXR_PACS_PASSWORD",
    );
    refused(
        &["dicom", "sr", "https://me:hush@h/d", "-o", "out"],
        "CXR_PACS_PASSWORD",
    );
    refused(
        &["predict", "https://h/d", "--pacs-ca", "none.pem"],
        "--pacs-ca none.pem: entity not found",
    );
}
