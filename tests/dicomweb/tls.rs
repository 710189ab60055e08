//! A server with a certificate that a hospital's own authority has signed: openssl's, which sends one file.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::skip;

/// What it sends: a list without studies.
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 2\r\n\r\n[]";

pub struct TlsServer {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl TlsServer {
    /// Starts it. `None`, after a skip, where openssl is not installed.
    pub fn start() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            skip::skip("openssl is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        authority(place, "ca");
        authority(place, "other");
        let key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout s.key -out s.csr -subj /CN=localhost";
        openssl(place, key);
        fs::write(place.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let signed = "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -days 2 -extfile names";
        openssl(place, signed);
        fs::create_dir_all(place.join("www/dicom-web")).unwrap();
        let file = place.join("www/dicom-web/studies?limit=2&offset=0");
        fs::write(file, ANSWER).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new("openssl")
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}")])
            .args(["-cert", "../s.pem", "-key", "../s.key", "-HTTP", "-quiet"])
            .current_dir(place.join("www"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "openssl does not start");
            thread::sleep(Duration::from_millis(50));
        }
        Some(TlsServer {
            child,
            port,
            folder,
        })
    }

    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}/dicom-web", self.port)
    }

    /// The certificate of an authority: `ca`, which has signed the server's, or `other`.
    pub fn certificate(&self, authority: &str) -> PathBuf {
        self.folder.path().join(format!("{authority}.pem"))
    }
}

fn authority(place: &Path, name: &str) {
    openssl(
        place,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.pem -days 2 \
             -subj /CN={name}"
        ),
    );
}

fn openssl(place: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(place)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {output:?}");
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
