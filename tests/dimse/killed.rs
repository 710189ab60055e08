//! Listeners and senders that are killed at any moment.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::imaging_files::{self, data_set_start};
use super::listening::Listening;
use super::sending::Sender;
use super::{associate, data_set, digital_radiograph, film};

/// How often a listener is killed while films come.
const KILLS: usize = 50;
/// More films than a listener lives for.
const FILMS: usize = 40;

/// Files on their way.
fn half_written(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let is_part = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".part");
    names.filter(is_part).count()
}

/// Sends films on one association until it breaks, and tells of each that was acknowledged.
fn send_until_killed(port: u16, films: Vec<(String, Vec<u8>)>, stored: &mpsc::Sender<String>) {
    let mut association = associate(port).expect("a listener");
    for (instance, bytes) in films {
        match association.store(&digital_radiograph(), &instance, &bytes) {
            Ok(status) if status.is_kept() => stored.send(instance).unwrap(),
            _ => return,
        }
    }
}

#[test]
fn a_killed_listener_leaves_whole_files_only() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let bytes = data_set(&film("1.2.3", 600));
    let place = bytes
        .windows(5)
        .position(|window| window == b"1.2.3")
        .unwrap();
    // The same film under identifiers of its own, which have five characters too.
    let named = |nth: usize| {
        let mut bytes = bytes.clone();
        let instance = format!("{}.{:03}", 1 + nth / 1_000, nth % 1_000);
        bytes[place..place + 5].copy_from_slice(instance.as_bytes());
        (instance, bytes)
    };
    let mut acknowledged = Vec::new();
    let mut within = 0;
    for kill in 0..KILLS {
        let listening = Listening::into(folder.clone(), &[]);
        let port = listening.port;
        let (stored, stores) = mpsc::channel();
        let films = (0..FILMS).map(|nth| named(kill * FILMS + nth)).collect();
        let sender = thread::spawn(move || send_until_killed(port, films, &stored));
        // One film or more, and then another moment each time.
        let mut kept: Vec<String> = stores.iter().take(1 + kill % 3).collect();
        thread::sleep(Duration::from_micros(kill as u64 * 7 % 50 * 400));
        listening.signal(Signal::KILL);
        drop(listening);
        sender.join().unwrap();
        kept.extend(stores.iter());
        within += usize::from(half_written(folder.path()) > 0);
        acknowledged.extend(kept);
        for path in super::visible(folder.path()) {
            let file = std::fs::read(&path).unwrap();
            let whole = file.len() - data_set_start(&file);
            assert_eq!(whole, bytes.len(), "{}", path.display());
        }
    }
    assert!(
        within > KILLS / 5,
        "{within} of {KILLS} were killed within an object"
    );
    for instance in &acknowledged {
        let path = folder.path().join(format!("{instance}.dcm"));
        assert!(path.exists(), "{instance} was acknowledged");
    }
    // The next listener removes what was half-written.
    drop(Listening::into(folder.clone(), &[]));
    assert_eq!(half_written(folder.path()), 0);
    eprintln!(
        "{} films were acknowledged by {KILLS} listeners; {within} of these were killed within an object",
        acknowledged.len()
    );
}

#[test]
fn a_killed_sender_goes_on_and_sends_nothing_twice() {
    let films = tempfile::tempdir().unwrap();
    for nth in 0..60 {
        let file = film(&format!("1.2.3.{nth}"), 300).file(imaging_files::EXPLICIT);
        std::fs::write(films.path().join(format!("{nth}.dcm")), file).unwrap();
    }
    let listening = Listening::start(&[]);
    let address = format!("dicom://127.0.0.1:{}/CXR", listening.port);
    let sender = Sender::new();
    let mut kills = 0;
    for nth in 0..80_u64 {
        let mut child = sender
            .command(&[], &address, &[films.path()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(20 + nth * 13 % 60));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    sender.ends(0, &[], &address, &[films.path()]);
    let errors = sender.ends(0, &[], &address, &[films.path()]);
    assert!(errors.contains("0 sent, 60 sent before"), "{errors}");
    assert_eq!(listening.files().len(), 60);
    let (_, _, errors) = listening.stop();
    let summary = errors.lines().last().unwrap();
    assert!(summary.contains("60 received"), "{summary}");
    // An object is sent twice only if its acknowledgement was on its way when its sender was killed.
    let again = summary
        .split(", ")
        .find_map(|part| part.strip_suffix(" there before"));
    let again: usize = again.map_or(0, |count| count.parse().unwrap());
    assert!(
        again <= kills,
        "{again} sent twice by {kills} kills: {summary}"
    );
    eprintln!("{kills} kills, {again} objects sent twice of 60");
}
