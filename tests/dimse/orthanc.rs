//! Orthanc as the other side: a PACS that is sent to by C-STORE and STOW-RS, and that sends films here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::free_ports::free_ports;
use super::listening::Listening;
use super::sending::{Sender, films};
use super::skip;

const PLUGINS: &str = "/usr/share/orthanc/plugins";
/// "me:secret" in base64.
const BASIC: &str = "bWU6c2VjcmV0";

struct Orthanc {
    child: Child,
    dicom: u16,
    http: u16,
    _folder: tempfile::TempDir,
}

impl Orthanc {
    /// `None`, after a skip, if there is none. It may send to a listener on this port.
    fn start(listener: u16) -> Option<Self> {
        let program = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(program) = program else {
            skip::skip("there is no Orthanc");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let [dicom, http] = free_ports();
        let configuration = serde_json::json!({
            "StorageDirectory": folder.path().join("storage"),
            "IndexDirectory": folder.path().join("index"),
            "Plugins": [PLUGINS],
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": true,
            "DicomPort": dicom,
            "HttpPort": http,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": true,
            "RegisteredUsers": { "me": "secret" },
            "DicomModalities": { "cxr": ["CXR", "127.0.0.1", listener] },
        });
        let file = folder.path().join("orthanc.json");
        std::fs::write(&file, configuration.to_string()).unwrap();
        let child = Command::new(program)
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orthanc = Orthanc {
            child,
            dicom,
            http,
            _folder: folder,
        };
        let end = Instant::now() + super::LIMIT;
        while TcpStream::connect(("127.0.0.1", http)).is_err() {
            assert!(Instant::now() < end, "Orthanc does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        Some(orthanc)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        stream.set_read_timeout(Some(super::LIMIT)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nAuthorization: Basic {BASIC}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
            .split_once("\r\n\r\n")
            .expect("an answer")
            .1
            .to_owned()
    }

    fn instances(&self) -> Vec<String> {
        serde_json::from_str(&self.ask("GET", "/instances", "")).unwrap()
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn orthanc_takes_objects_by_both_ways_and_sends_them_here() {
    let listening = Listening::start(&["--from-aet", "ORTHANC"]);
    let Some(orthanc) = Orthanc::start(listening.port) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let films = films(folder.path());
    let sender = Sender::new();
    let dimse = format!("dicom://127.0.0.1:{}/ORTHANC", orthanc.dicom);
    let errors = sender.ends(0, &[], &dimse, &[&films[0], &films[1]]);
    assert!(errors.contains("2 sent"), "{errors}");
    assert_eq!(orthanc.instances().len(), 2);
    let errors = sender.ends(1, &[], &dimse.replace("ORTHANC", "OTHER"), &[&films[0]]);
    assert!(
        errors.contains("it has another application entity title"),
        "{errors}"
    );

    #[cfg(feature = "dicomweb")]
    by_stow(&orthanc, &sender, &films);

    // A PACS sends a study here.
    let identifiers = serde_json::to_string(&orthanc.instances()).unwrap();
    let answer = orthanc.ask("POST", "/modalities/cxr/store", &identifiers);
    assert!(answer.contains("\"FailedInstancesCount\" : 0"), "{answer}");
    assert_eq!(listening.files().len(), orthanc.instances().len());
    for path in listening.files() {
        super::object(&path);
    }
}

#[cfg(feature = "dicomweb")]
fn by_stow(orthanc: &Orthanc, sender: &Sender, films: &[std::path::PathBuf]) {
    let web = format!("http://127.0.0.1:{}/dicom-web", orthanc.http);
    let sends = |password: &str| {
        let output = sender
            .command(&["--attempts", "1"], &web, &[&films[2], &films[3]])
            .env("CXR_PACS_USER", "me")
            .env("CXR_PACS_PASSWORD", password)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
    };
    let (code, errors) = sends("hidden");
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("does not accept the user name and password of CXR_PACS_USER"),
        "{errors}"
    );
    assert!(!errors.contains("hidden"), "{errors}");
    assert_eq!(orthanc.instances().len(), 2);
    let (code, errors) = sends("secret");
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("2 sent"), "{errors}");
    assert_eq!(orthanc.instances().len(), 4);
    let (code, errors) = sends("secret");
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("0 sent, 2 sent before"), "{errors}");
}
