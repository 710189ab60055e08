//! DCMTK as the other side.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cxr::dimse::Part10Object;

use super::free_ports::free_ports;
use super::listening::Listening;
use super::sending::{Sender, films};
use super::{film, has, imaging_files, object, visible};

fn runs(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output().unwrap();
    if !output.status.success() {
        eprintln!(
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    output.status.success()
}

/// Films in transfer syntaxes that DCMTK encodes.
fn encoded(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let plain = |name: &str| {
        let path = folder.join(format!("{name}.dcm"));
        let instance = format!("1.2.840.9.{}", name.len());
        let file = film(&instance, 200).file(imaging_files::EXPLICIT);
        std::fs::write(&path, file).unwrap();
        path
    };
    let mut all = Vec::new();
    for (name, program, options, propose) in [
        ("jpeg1", "dcmcjpeg", &["+e1"][..], "-xs"),
        ("jpegls12", "dcmcjpls", &[], "-xt"),
        ("rle", "dcmcrle", &[], "-xr"),
    ] {
        let source = plain(name);
        let target = folder.join(format!("{name}-encoded.dcm"));
        let (from, to) = (source.to_str().unwrap(), target.to_str().unwrap());
        assert!(
            runs(program, &[options, &["+un", from, to]].concat())
                || runs(program, &[options, &[from, to]].concat())
        );
        all.push((propose, target));
    }
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    all.push(("-xv", samples.join("pneumonia_jpeg2000.dcm")));
    let native = films(folder);
    let proposals = ["-xe", "-xi", "-xb", "-xd"];
    all.extend(proposals.into_iter().zip(native));
    all
}

/// Transfer syntax and data set in the words of `dcmdump`, without the lengths that an encoder may choose.
fn dumped(path: &Path) -> String {
    let output = Command::new("dcmdump")
        .arg("+L")
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_kept = |line: &&str| !line.starts_with("(0002,") || line.starts_with("(0002,0010)");
    let values = text
        .lines()
        .filter(is_kept)
        .filter(|line| line.trim_start().starts_with('('));
    values
        .map(|line| {
            line.rsplit_once('#')
                .map_or(line, |(value, _)| value)
                .trim_end()
                .to_owned()
                + "\n"
        })
        .collect()
}

#[test]
fn storescu_sends_each_transfer_syntax_and_echoscu_is_answered() {
    if ![
        "storescu", "echoscu", "dcmdump", "dcmcjpeg", "dcmcjpls", "dcmcrle",
    ]
    .into_iter()
    .all(has)
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let listening = Listening::start(&[]);
    let port = listening.port.to_string();
    assert!(runs("echoscu", &["-aec", "CXR", "127.0.0.1", &port]));
    assert!(!runs("echoscu", &["-aec", "OTHER", "127.0.0.1", &port]));
    for (nth, (propose, path)) in encoded(folder.path()).into_iter().enumerate() {
        let file = path.to_str().unwrap();
        // -R proposes what the file has, and no more.
        assert!(
            runs(
                "storescu",
                &["-R", propose, "-aec", "CXR", "127.0.0.1", &port, file]
            ),
            "{propose}"
        );
        let there = listening.files();
        assert_eq!(there.len(), nth + 1, "{propose}");
        let head = Part10Object::of_file(&path).unwrap();
        let name = format!("{}.dcm", head.sop_instance);
        let stored = listening.folder.path().join(name);
        assert_eq!(dumped(&stored), dumped(&path), "{propose} {file}");
    }
    let (status, _, errors) = listening.stop();
    assert!(status.success(), "{errors}");
}

/// A `storescp` that is ended with its test.
struct Storescp(Child, u16);

impl Storescp {
    fn start(folder: &Path, options: &[&str]) -> Self {
        let [port] = free_ports();
        let child = Command::new("storescp")
            .args(options)
            .args(["-od", folder.to_str().unwrap(), &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + super::LIMIT;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "storescp does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Storescp(child, port)
    }
}

impl Drop for Storescp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn storescp_takes_what_is_sent_and_refuses_what_it_does_not_know() {
    if !has("storescp") {
        return;
    }
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = films(here.path());
    let all = Storescp::start(there.path(), &["+xa", "-pm", "+B"]);
    let address = format!("dicom://127.0.0.1:{}/ANY", all.1);
    let sender = Sender::new();
    let paths = [sent[0].as_path(), sent[1].as_path(), sent[2].as_path()];
    let errors = sender.ends(0, &[], &address, &paths);
    assert!(errors.contains("3 sent"), "{errors}");
    let stored = visible(there.path());
    assert_eq!(stored.len(), 3);
    for path in &paths {
        let ours = object(path);
        assert!(
            stored.iter().any(|other| object(other) == ours),
            "{}",
            path.display()
        );
    }
    // Nothing but implicit little endian.
    let plain = Storescp::start(there.path(), &["+xi"]);
    let address = format!("dicom://127.0.0.1:{}/ANY", plain.1);
    let errors = sender.ends(1, &[], &address, &paths);
    assert!(errors.contains("does not take Digital X-Ray Image Storage - For Presentation in transfer syntax 1.2.840.10008.1.2.1"), "{errors}");
    assert!(errors.contains("1 sent, 2 refused"), "{errors}");
}
