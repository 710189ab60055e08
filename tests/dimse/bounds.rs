//! Many associations at once, and disks that are full.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::listening::Listening;
use super::{CXR, LIMIT, associate, data_set, digital_radiograph, film, skip};

#[test]
fn of_a_hundred_associations_at_once_some_are_served_and_the_others_told_to_wait() {
    let listening = Listening::start(&["--associations", "8"]);
    let port = listening.port;
    let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (kept, busy) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for nth in 0..100 {
            let (open, most, kept, busy) = (&open, &most, &kept, &busy);
            scope.spawn(move || {
                let instance = format!("1.2.3.{nth}");
                let mut association = match associate(port) {
                    Ok(association) => association,
                    Err(error) => {
                        assert!(error.may_pass(), "{error}");
                        busy.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                };
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(300));
                let bytes = data_set(&film(&instance, 64));
                let status = association.store(&digital_radiograph(), &instance, &bytes);
                assert!(status.unwrap().is_kept());
                kept.fetch_add(1, Ordering::SeqCst);
                open.fetch_sub(1, Ordering::SeqCst);
                association.release();
            });
        }
    });
    let (kept, busy) = (kept.into_inner(), busy.into_inner());
    assert_eq!(kept + busy, 100);
    assert!(kept >= 8 && busy > 0, "{kept} kept, {busy} told to wait");
    assert!(most.into_inner() <= 8);
    assert_eq!(listening.files().len(), kept);
    // All places are free again, soon.
    let end = Instant::now() + LIMIT;
    for _ in 0..8 {
        let association = loop {
            match associate(port) {
                Err(error) if error.may_pass() && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(20));
                }
                asked => break asked.unwrap(),
            }
        };
        association.release();
    }
}

/// A film that fits, one that does not, and one that fits again.
fn fills(listening: &Listening, large: u16, words: &str) {
    let kind = digital_radiograph();
    let mut association = associate(listening.port).unwrap();
    for (instance, columns, status) in
        [("1.2.1", 64, 0), ("1.2.2", large, 0xa700), ("1.2.3", 64, 0)]
    {
        let answer = association.store(&kind, instance, &data_set(&film(instance, columns)));
        assert_eq!(answer.unwrap().0, status, "{instance}");
    }
    association.release();
    let names: Vec<_> = listening
        .files()
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["1.2.1.dcm", "1.2.3.dcm"]);
    let errors = listening.wait_for(words);
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_limit_on_the_size_of_files_is_answered_with_out_of_resources() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("bash");
    // Blocks of 1,024 bytes.
    let script = "ulimit -f 256; exec \"$0\" listen --port 0 \"$1\"";
    command.args(["-c", script, CXR]).arg(folder.path());
    fills(
        &Listening::of(command, folder),
        600,
        "the system allows no file of this size",
    );
}

#[test]
fn a_full_disk_is_answered_with_out_of_resources() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "none"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return skip::skip_on_this_machine("no file system may be mounted here");
    }
    let _mounted = Mounted(folder.path());
    let listening = Listening::into(folder.clone(), &[]);
    // 1.3 MiB on a disk of 1 MiB.
    fills(
        &listening,
        830,
        "XRAY1 at 127.0.0.1: an object was not kept: the disk is full",
    );
}

/// Unmounts a file system, however the test ends.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Lazily: a listener that is being ended may still have it open.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
