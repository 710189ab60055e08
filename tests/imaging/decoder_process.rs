//! The decoder process: the same answers, its limits, and what happens where it does not start.

use std::path::PathBuf;
use std::time::Duration;

use cxr::domain::Samples;
use cxr::imaging::{DecodeLimits, Decoder, ImageFault, open};
use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::imaging_files::{DEFLATED, Dicom, EXPLICIT, Files, phantom};
use crate::shared::{H, W};

fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_cxr"))
}

#[test]
fn a_decoder_process_answers_like_this_process_every_time() {
    let files = Files::new();
    let decoder = Decoder::new(DecodeLimits::default(), Some(worker()));
    let good = Dicom::radiograph(W as u16, H as u16, 12)
        .text(tags::WINDOW_CENTER, VR::DS, "300")
        .text(tags::WINDOW_WIDTH, VR::DS, "20")
        .text(tags::PATIENT_NAME, VR::PN, "Doe^Jane")
        .words(&phantom(W, H, 12));
    let good = files.put("good", &good.file(EXPLICIT));
    let report = files.put("report", &Dicom::radiograph(1, 1, 8).file(EXPLICIT));
    for _ in 0..3 {
        assert_eq!(decoder.open(&good), open(&good, &DecodeLimits::default()));
        assert_eq!(
            decoder.open(&report),
            open(&report, &DecodeLimits::default())
        );
    }
    assert_eq!(decoder.notice(), None);
}

#[test]
fn a_decoder_process_that_takes_too_long_is_replaced() {
    let files = Files::new();
    let large = Dicom::radiograph(4000, 4000, 16).words(&phantom(4000, 4000, 16));
    let path = files.put("large", &large.file(DEFLATED));
    let short = DecodeLimits {
        timeout: Duration::from_millis(1),
        ..DecodeLimits::default()
    };
    let decoder = Decoder::new(short, Some(worker()));
    for _ in 0..2 {
        assert!(matches!(
            decoder.open(&path).unwrap_err().fault(),
            ImageFault::TimedOut(_)
        ));
    }
}

#[test]
fn a_decoder_process_that_asks_for_too_much_memory_costs_one_file() {
    let files = Files::new();
    let path = files.put(
        "large",
        &Dicom::radiograph(3000, 3000, 16)
            .words(&[0; 16])
            .file(EXPLICIT),
    );
    let decoder = Decoder::new(
        DecodeLimits {
            max_memory: 1 << 20,
            ..DecodeLimits::default()
        },
        Some(worker()),
    );
    assert!(matches!(
        decoder.open(&path).unwrap_err().fault(),
        ImageFault::TooLarge(_)
    ));
}

#[test]
fn without_a_decoder_process_files_are_still_read() {
    let files = Files::new();
    let path = files.put(
        "good",
        &Dicom::radiograph(2, 2, 8)
            .bytes(&[1, 2, 3, 4])
            .file(EXPLICIT),
    );
    for helper in [Some(files.path().join("no-such-program")), None] {
        let decoder = Decoder::new(DecodeLimits::default(), helper);
        assert_eq!(
            decoder.open(&path).unwrap().samples,
            Samples::Grey8(vec![1, 2, 3, 4])
        );
        assert!(decoder.notice().is_some());
    }
}

/// A shell script, written by another process, because a program that this process has open for writing
/// cannot be started.
fn script(files: &Files, name: &str, body: &str) -> PathBuf {
    let path = files.path().join(name);
    let written = std::process::Command::new("sh")
        .args([
            "-c",
            r#"printf '#!/bin/sh\n%s\n' "$1" > "$0"; chmod +x "$0""#,
        ])
        .arg(&path)
        .arg(body)
        .status()
        .expect("a shell");
    assert!(written.success());
    path
}

#[test]
fn a_decoder_process_that_fails_to_start_once_costs_one_file() {
    let files = Files::new();
    let good = Dicom::radiograph(2, 2, 8).bytes(&[1, 2, 3, 4]);
    let path = files.put("good", &good.file(EXPLICIT));
    let body = format!(
        "cd '{}'; if mkdir tried; then exit 1; fi; exec '{}' \"$@\"",
        files.path().display(),
        worker().display()
    );
    let decoder = Decoder::new(DecodeLimits::default(), Some(script(&files, "once", &body)));
    let error = decoder.open(&path).unwrap_err();
    assert!(
        matches!(error.fault(), ImageFault::DecoderDied(_)),
        "{error}"
    );
    for _ in 0..2 {
        assert!(decoder.open(&path).is_ok());
        assert_eq!(decoder.notice(), None, "a decoder process runs again");
    }
}

#[test]
fn a_decoder_process_that_never_starts_is_given_up() {
    let files = Files::new();
    let good = Dicom::radiograph(2, 2, 8).bytes(&[1, 2, 3, 4]);
    let path = files.put("good", &good.file(EXPLICIT));
    let decoder = Decoder::new(
        DecodeLimits::default(),
        Some(script(&files, "never", "exit 1")),
    );
    for _ in 0..2 {
        assert!(decoder.open(&path).is_err());
        assert_eq!(decoder.notice(), None);
    }
    assert!(decoder.open(&path).is_ok());
    assert!(decoder.notice().is_some());

    // A program that is not cxr is recognised by its first word.
    let stranger = script(&files, "stranger", "echo Good morning; cat > /dev/null");
    let decoder = Decoder::new(DecodeLimits::default(), Some(stranger));
    assert!(decoder.open(&path).is_ok());
    assert!(decoder.notice().is_some());
}
