//! An Orthanc with its DICOMweb plugin, on free ports of this machine, with a store of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::free_ports::free_ports;
use crate::skip;

/// The only user.
pub const USER: &str = "reader";
pub const PASSWORD: &str = "s3cret-of-the-reader";
/// `reader:s3cret-of-the-reader` in Base64.
const BASIC: &str = "cmVhZGVyOnMzY3JldC1vZi10aGUtcmVhZGVy";
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

pub struct Orthanc {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Orthanc {
    /// Starts it. `None`, after a skip, where it is not installed.
    pub fn start() -> Option<Self> {
        let program = [
            "/usr/sbin/Orthanc",
            "/usr/bin/Orthanc",
            "/usr/local/sbin/Orthanc",
        ]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists());
        let plugins = Path::new("/usr/share/orthanc/plugins");
        let Some(program) = program.filter(|_| plugins.join("libOrthancDicomWeb.so").exists())
        else {
            skip::skip(
                "Orthanc and its DICOMweb plugin are not installed (orthanc, orthanc-dicomweb)",
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let [port, dicom] = free_ports();
        let settings = json!({
            "StorageDirectory": folder.path().join("store"),
            "IndexDirectory": folder.path().join("store"),
            "HttpPort": port,
            "DicomPort": dicom,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": true,
            "RegisteredUsers": { USER: PASSWORD },
            "Plugins": [plugins],
            "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
        });
        let file = folder.path().join("orthanc.json");
        fs::write(&file, settings.to_string()).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let orthanc = Orthanc {
            child,
            port,
            _folder: folder,
        };
        let end = Instant::now() + START;
        while orthanc
            .request("GET", "/system", b"")
            .is_none_or(|status| status != 200)
        {
            assert!(Instant::now() < end, "Orthanc does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(orthanc)
    }

    /// The address of its DICOMweb server.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/dicom-web", self.port)
    }

    /// Stores a DICOM file.
    pub fn store(&self, file: &[u8]) {
        assert_eq!(self.request("POST", "/instances", file), Some(200));
    }

    /// The status of the answer to a request; `None` if there is no connection.
    fn request(&self, method: &str, target: &str, body: &[u8]) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: orthanc\r\nAuthorization: Basic {BASIC}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer);
        text.split(' ').nth(1)?.parse().ok()
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
