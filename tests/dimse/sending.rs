//! `cxr dicom send` for a test, and against `cxr listen`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::imaging_files::{self, data_set_start};
use super::listening::Listening;
use super::{CXR, film};

/// A port at which no program listens. A free one might be taken by a listener of another test.
const NOBODY: u16 = 9;

/// A user's home, with the journals in it.
pub struct Sender {
    pub home: tempfile::TempDir,
}

impl Sender {
    pub fn new() -> Self {
        Sender {
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub fn command(&self, options: &[&str], address: &str, paths: &[&Path]) -> Command {
        let mut command = Command::new(CXR);
        command
            .args(["dicom", "send"])
            .args(options)
            .arg(address)
            .args(paths)
            .env("HOME", self.home.path())
            .env_remove("XDG_STATE_HOME")
            .env_remove("CXR_PACS_TOKEN")
            .env_remove("CXR_PACS_USER")
            .stdin(Stdio::null());
        command
    }

    pub fn sends(&self, options: &[&str], address: &str, paths: &[&Path]) -> Output {
        self.command(options, address, paths).output().unwrap()
    }

    /// Sends with this exit status; returns standard error.
    pub fn ends(&self, code: i32, options: &[&str], address: &str, paths: &[&Path]) -> String {
        let output = self.sends(options, address, paths);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(
            !errors.contains("Secret") && !errors.contains("4711"),
            "{errors}"
        );
        errors
    }
}

/// Films of several transfer syntaxes in a folder.
pub fn films(folder: &Path) -> Vec<PathBuf> {
    let syntaxes = [
        imaging_files::EXPLICIT,
        imaging_files::IMPLICIT,
        imaging_files::BIG_ENDIAN,
        imaging_files::DEFLATED,
    ];
    let write = |(nth, syntax): (usize, &str)| {
        let path = folder.join(format!("film{nth}.dcm"));
        fs::write(&path, film(&format!("1.2.3.{nth}"), 300).file(syntax)).unwrap();
        path
    };
    syntaxes.into_iter().enumerate().map(write).collect()
}

#[test]
fn what_is_sent_arrives_byte_for_byte_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let sent = films(folder.path());
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    fs::write(folder.path().join("picture.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let listening = Listening::start(&[]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let sender = Sender::new();
    let first = sender.ends(0, &[], &address, &[folder.path()]);
    assert!(first.contains("4 sent, 1 no DICOM files"), "{first}");
    for path in &sent {
        let nth = path
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .replace("film", "1.2.3.");
        let there = fs::read(listening.folder.path().join(format!("{nth}.dcm"))).unwrap();
        let here = fs::read(path).unwrap();
        assert_eq!(
            there[data_set_start(&there)..],
            here[data_set_start(&here)..],
            "{nth}"
        );
    }
    assert_eq!(listening.files().len(), 4);
    let second = sender.ends(0, &[], &address, &[folder.path()]);
    assert!(second.contains("0 sent, 4 sent before"), "{second}");
    let again = sender.ends(0, &["--again"], &address, &[folder.path()]);
    assert!(again.contains("4 sent"), "{again}");
    let (status, output, errors) = listening.stop();
    assert!(status.success(), "{errors}");
    assert_eq!(
        output.lines().count(),
        4,
        "a line for each new file: {output}"
    );
    assert!(errors.contains("4 received, 4 there before"), "{errors}");
    assert!(!errors.contains("Secret"), "{errors}");
}

/// `cxr predict` reads them.
#[test]
fn films_that_cannot_be_sent_as_they_are_are_named_with_exit_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let whole = film("1.2.3.1", 32).file(imaging_files::EXPLICIT);
    let bare = film("1.2.3.2", 32).file(imaging_files::IMPLICIT);
    let start = data_set_start(&bare);
    for (name, bytes) in [
        ("whole.dcm", &whole[..]),
        ("bare.dcm", &bare[start..]),
        ("no-preamble.dcm", &whole[128..]),
        ("notes.dcm", b"a text"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let listening = Listening::start(&[]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let said = Sender::new().ends(1, &[], &address, &[folder.path()]);
    let counts = "1 sent, 2 refused or unreadable, 1 no DICOM files";
    assert!(said.contains(counts), "{said}");
    for name in ["bare.dcm", "no-preamble.dcm"] {
        let named = format!("{name}: it is no DICOM file with a preamble");
        assert!(said.contains(&named), "{said}");
    }
}

/// An archive, and one member of another: as they lie there, and each once.
#[test]
fn archives_and_their_members_are_sent_without_unpacking_them() {
    let folder = tempfile::tempdir().unwrap();
    let archive = |name: &str, members: &[(&str, Vec<u8>)]| {
        let path = folder.path().join(name);
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, bytes) in members {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    };
    let film = |uid: &str| film(uid, 32).file(imaging_files::EXPLICIT);
    let first = archive(
        "films.zip",
        &[
            ("ward3/a.dcm", film("1.2.3.1")),
            ("ward3/b.dcm", film("1.2.3.2")),
            ("picture.png", b"\x89PNG\r\n\x1a\n".to_vec()),
        ],
    );
    let second = archive(
        "more.zip",
        &[("c.dcm", film("1.2.3.3")), ("d.dcm", film("1.2.3.4"))],
    );
    let listening = Listening::start(&[]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let sender = Sender::new();
    let member = second.join("c.dcm");
    let said = sender.ends(0, &[], &address, &[&first, &member]);
    assert!(said.contains("3 sent, 1 no DICOM files"), "{said}");
    assert_eq!(listening.files().len(), 3);
    let there = fs::read(listening.folder.path().join("1.2.3.3.dcm")).unwrap();
    let here = film("1.2.3.3");
    assert_eq!(
        there[data_set_start(&there)..],
        here[data_set_start(&here)..]
    );
    let again = sender.ends(0, &[], &address, &[&first, &second]);
    assert!(again.contains("1 sent, 3 sent before"), "{again}");
    let missing = second.join("e.dcm");
    let said = sender.ends(1, &[], &address, &[&missing]);
    assert!(said.contains("more.zip/e.dcm: "), "{said}");
}

#[test]
fn another_film_under_the_same_uid_is_kept_beside_the_first() {
    let listening = Listening::start(&[]);
    let mut association = super::associate(listening.port).unwrap();
    let kind = super::digital_radiograph();
    for columns in [32, 48, 48] {
        let data_set = super::data_set(&film("1.2.3.4", columns));
        let status = association.store(&kind, "1.2.3.4", &data_set).unwrap();
        assert!(status.is_kept(), "{status}");
    }
    association.release();
    let names: Vec<_> = listening.files();
    assert_eq!(names.len(), 2, "{names:?}");
    let (_, _, errors) = listening.stop();
    assert!(
        errors.contains("another object has the same SOP instance UID"),
        "{errors}"
    );
    assert!(
        errors.contains("2 received, 1 there before, 1 beside"),
        "{errors}"
    );
}

#[test]
fn what_cannot_be_sent_is_named_and_the_rest_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.dcm");
    fs::write(&good, film("1.2.3.4", 32).file(imaging_files::EXPLICIT)).unwrap();
    let text = folder.path().join("text.dcm");
    fs::write(&text, "no DICOM file").unwrap();
    let listening = Listening::start(&[]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let sender = Sender::new();
    let missing = folder.path().join("missing.dcm");
    let errors = sender.ends(1, &[], &address, &[&good, &text, &missing]);
    assert!(errors.contains("text.dcm: it is no DICOM file"), "{errors}");
    assert!(errors.contains("missing.dcm: no such file"), "{errors}");
    assert!(
        errors.contains("1 sent, 2 refused or unreadable"),
        "{errors}"
    );
}

#[test]
fn a_server_that_is_not_there_or_refuses_ends_with_one_line_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let films = films(folder.path());
    let sender = Sender::new();
    let nobody = format!("dicom://127.0.0.1:{}/CXR", NOBODY);
    let errors = sender.ends(1, &["--attempts", "2"], &nobody, &[&films[0]]);
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert!(
        errors.contains("no connection") && errors.contains("again in 1 s"),
        "{errors}"
    );
    assert!(errors.contains("0 sent, 1 not sent"), "{errors}");
    let listening = Listening::start(&["--from-aet", "XRAY1"]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let errors = sender.ends(1, &[], &address, &[&films[0]]);
    assert!(
        errors.contains("does not know our application entity title"),
        "{errors}"
    );
    let errors = sender.ends(0, &["--aet", "XRAY1"], &address, &[&films[0]]);
    assert!(errors.contains("1 sent"), "{errors}");
    for (address, words) in [
        ("dicom://127.0.0.1", "an address is dicom://HOST:PORT/TITLE"),
        ("pacs", "ADDRESS is dicom://HOST:PORT/TITLE"),
        ("dicom://me@host/A", "no user names"),
    ] {
        let errors = sender.ends(2, &[], address, &[&films[0]]);
        assert!(errors.contains(words), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn an_object_of_a_kind_that_is_not_taken_is_refused_and_any_object_takes_it() {
    use dicom_core::VR;
    use dicom_dictionary_std::{tags, uids};
    let folder = tempfile::tempdir().unwrap();
    let ct = film("1.2.3.5", 32).text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    let path = folder.path().join("ct.dcm");
    fs::write(&path, ct.file(imaging_files::EXPLICIT)).unwrap();
    let sender = Sender::new();
    let listening = Listening::start(&[]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let errors = sender.ends(1, &[], &address, &[&path]);
    assert!(
        errors.contains("the other side does not take CT Image Storage"),
        "{errors}"
    );
    let errors = listening.wait_for("not taken here");
    assert!(
        errors.contains("CXR at 127.0.0.1: not taken here (--any-object): CT Image Storage"),
        "{errors}"
    );
    let all = Listening::start(&["--any-object"]);
    let address = format!("dicom://127.0.0.1:{}/CXR", all.port);
    sender.ends(0, &[], &address, &[&path]);
    assert_eq!(all.files().len(), 1);
}

#[test]
fn an_echo_says_who_answers_and_what_it_takes() {
    let listening = Listening::start(&[]);
    let calling = "XRAY1".parse().unwrap();
    let timeout = std::time::Duration::from_secs(20);
    let taken = super::digital_radiograph();
    let mut not_taken = taken.clone();
    // JPEG XL.
    not_taken.transfer_syntax = "1.2.840.10008.1.2.4.110".to_owned();
    let kinds = [not_taken, taken.clone()];
    let address = super::address(listening.port, "CXR");
    let answer = cxr::dimse::echo(&address, &calling, timeout, &kinds).unwrap();
    assert!(answer.status.is_kept());
    assert_eq!(answer.taken, [taken]);
    let name = answer.implementation.unwrap();
    assert!(name.starts_with("CXR_"), "{name}");
    let nobody = super::address(NOBODY, "CXR");
    let error = cxr::dimse::echo(&nobody, &calling, timeout, &kinds).unwrap_err();
    assert!(error.to_string().contains("no connection"), "{error}");
    // A server of another protocol.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = super::address(other.local_addr().unwrap().port(), "CXR");
    let answers = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = other.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        stream
    });
    let error = cxr::dimse::echo(&address, &calling, timeout, &kinds).unwrap_err();
    assert!(
        !error.may_pass() && error.to_string().lines().count() == 1,
        "{error}"
    );
    drop(answers.join().unwrap());
}

/// What `cxr doctor --pacs` says of this address.
fn doctor(address: &str) -> (Option<i32>, String) {
    let output = Command::new(CXR)
        .args(["doctor", "--pacs", address])
        .env("CXR_CONFIG", "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_doctor_says_who_answers_and_which_results_it_takes() {
    let films = Listening::start(&[]);
    let (code, said) = doctor(&format!("dicom://127.0.0.1:{}/CXR", films.port));
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "CXR answers in",
        "it takes Secondary Capture",
        "not taken: ",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let (code, said) = doctor(&format!("dicom://127.0.0.1:{}/CXR", NOBODY));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("BROKEN") && said.contains("no connection"),
        "{said}"
    );
    assert_eq!(doctor("dicom://nobody").0, Some(2));
}
