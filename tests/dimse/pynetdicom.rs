//! pynetdicom as the other side, both ways. `CXR_TEST_PYNETDICOM` names a Python that has it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::free_ports::free_ports;
use super::listening::Listening;
use super::sending::{Sender, films};
use super::{object, skip, visible};

const PEER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/dimse/pynetdicom_peer.py"
);

#[test]
fn pynetdicom_sends_here_and_is_sent_to() {
    let Some(python) = std::env::var_os("CXR_TEST_PYNETDICOM") else {
        return skip::skip_on_this_machine("CXR_TEST_PYNETDICOM names no Python with pynetdicom");
    };
    let here = tempfile::tempdir().unwrap();
    let films = films(here.path());
    let listening = Listening::start(&[]);
    let sent = Command::new(&python)
        .args([PEER, "send", &listening.port.to_string()])
        .args(&films)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&sent.stderr);
    assert!(sent.status.success(), "{said}");
    let there = listening.files();
    assert_eq!(there.len(), films.len(), "{said}");
    for film in &films {
        let ours = object(film);
        assert!(
            there.iter().any(|path| object(path) == ours),
            "{}",
            film.display()
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let [port] = free_ports();
    let mut receiver = Command::new(&python)
        .args([PEER, "receive", &port.to_string()])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(receiver.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let address = format!("dicom://127.0.0.1:{port}/PYNETDICOM");
    let errors = Sender::new().ends(0, &[], &address, &[here.path()]);
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    assert!(errors.contains("4 sent"), "{errors}");
    assert_eq!(visible(folder.path()).len(), 4);
}
