//! Peers that break the rules: the listener refuses them in one line, keeps nothing of theirs, and goes on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::listening::Listening;
use super::{associate, data_set, digital_radiograph, film};

/// What a listener answers to bytes.
fn answer_to(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(super::LIMIT)).unwrap();
    // It may close before it has read all of it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn takes_films(listening: &Listening) {
    let mut association = associate(listening.port).unwrap();
    let status = association.store(
        &digital_radiograph(),
        "1.2.3.4",
        &data_set(&film("1.2.3.4", 32)),
    );
    assert!(status.unwrap().is_kept());
    association.release();
}

/// A-ABORT (PS3.8 table 9-26).
const ABORT: u8 = 7;

#[test]
fn garbage_and_a_pdu_of_four_gigabytes_end_the_connection() {
    let listening = Listening::start(&["--timeout", "5"]);
    let began = Instant::now();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x01\0\xff\xff\xff\xff",
        b"\x04\0\0\0\0\x04\0\0\0\0",
        b"\x01\0\0\0\0\x02\0\x01",
    ] {
        let answer = answer_to(listening.port, bytes);
        assert_eq!(answer.first(), Some(&ABORT), "{bytes:?}: {answer:?}");
    }
    let errors = listening.wait_for("4294967295 bytes was announced");
    assert!(
        errors.contains("127.0.0.1: refused: what came is no PDU of DICOM"),
        "{errors}"
    );
    // Also inside an association: after the request comes what is none.
    let object = cxr::fuzzing::association();
    let request = 6 + u32::from_be_bytes(object[2..6].try_into().unwrap()) as usize;
    let answer = answer_to(
        listening.port,
        &[&object[..request], b"\x04\0\xff\xff\xff\xff"].concat(),
    );
    assert_eq!(answer.first(), Some(&2), "an A-ASSOCIATE-AC first");
    assert_eq!(answer[answer.len() - 10], ABORT, "{answer:?}");
    // Random bytes, the same in each run.
    let mut state = 1_u64;
    for _ in 0..40 {
        let noise: Vec<u8> = (0..300)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        answer_to(listening.port, &noise);
    }
    assert!(began.elapsed() < super::LIMIT);
    takes_films(&listening);
    let errors = listening.errors();
    assert!(
        !errors.contains(|c: char| c.is_control() && c != '\n'),
        "{errors:?}"
    );
    assert_eq!(listening.files().len(), 1);
}

#[test]
fn an_association_that_aborts_or_is_silent_leaves_nothing() {
    let listening = Listening::start(&["--timeout", "2"]);
    let object = cxr::fuzzing::association();
    let request = 6 + u32::from_be_bytes(object[2..6].try_into().unwrap()) as usize;
    let command =
        6 + u32::from_be_bytes(object[request + 2..request + 6].try_into().unwrap()) as usize;
    // The command set alone, marked as one whose data set follows.
    let both = &object[request..request + command];
    let first = 4 + u32::from_be_bytes(both[6..10].try_into().unwrap()) as usize;
    let mut half = b"\x04\0".to_vec();
    half.extend(u32::try_from(first).unwrap().to_be_bytes());
    half.extend(&both[6..6 + first]);
    let begun = [&object[..request], &half].concat();
    // Closed in the middle of the object, aborted there, and silent there.
    let mut closed = TcpStream::connect(("127.0.0.1", listening.port)).unwrap();
    closed.write_all(&begun).unwrap();
    closed.shutdown(Shutdown::Write).unwrap();
    listening.wait_for("the connection was closed; nothing is kept of the object");
    answer_to(
        listening.port,
        &[&begun[..], b"\x07\0\0\0\0\x04\0\0\0\0"].concat(),
    );
    listening.wait_for("the other side aborted; nothing is kept of the object");
    let began = Instant::now();
    answer_to(listening.port, &begun);
    assert!(
        (1..10).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    listening.wait_for("nothing came for 2 s; nothing is kept of the object");
    assert_eq!(listening.files(), [""; 0].map(std::path::PathBuf::from));
    takes_films(&listening);
}

#[test]
fn hostile_identifiers_and_objects_that_are_others_are_refused_by_their_status() {
    let listening = Listening::start(&[]);
    let kind = digital_radiograph();
    let bytes = data_set(&film("1.2.3.4", 32));
    let mut association = associate(listening.port).unwrap();
    for (instance, status) in [
        ("../../etc/passwd", 0x0117),
        ("/tmp/x", 0x0117),
        ("1.2.3\x1b[2J", 0x0117),
        ("", 0x0117),
        ("1.2.3.5", 0xa900),
    ] {
        let answer = association.store(&kind, instance, &bytes).unwrap();
        assert_eq!(answer.0, status, "{instance:?}");
    }
    let garbage = association
        .store(&kind, "1.2.3.4", b"no data set at all")
        .unwrap();
    assert_eq!(garbage.0, 0xa900);
    // The association is as good as before.
    assert!(
        association
            .store(&kind, "1.2.3.4", &bytes)
            .unwrap()
            .is_kept()
    );
    association.release();
    assert_eq!(listening.files().len(), 1);
    let errors =
        listening.wait_for("an object was not kept: its SOP instance UID is no identifier");
    assert!(
        !errors.contains("passwd") && !errors.contains('\x1b'),
        "{errors:?}"
    );
}

#[test]
fn an_object_over_the_limit_is_refused_and_an_endless_one_ends_the_association() {
    let listening = Listening::start(&["--max-object", "1"]);
    let kind = digital_radiograph();
    let mut association = associate(listening.port).unwrap();
    // 1.3 MiB.
    let large = data_set(&film("1.2.3.4", 830));
    assert_eq!(
        association.store(&kind, "1.2.3.4", &large).unwrap().0,
        0xa700
    );
    let small = data_set(&film("1.2.3.5", 100));
    assert!(
        association
            .store(&kind, "1.2.3.5", &small)
            .unwrap()
            .is_kept()
    );
    // 8 MiB: not all of it is waited for.
    let endless = data_set(&film("1.2.3.6", 2048));
    assert!(association.store(&kind, "1.2.3.6", &endless).is_err());
    listening.wait_for("an object of more than 1 MiB (--max-object)");
    listening.wait_for("an object of more than twice the allowed size");
    let names = listening.files();
    assert_eq!(names.len(), 1, "{names:?}");
    takes_films(&listening);
}

#[test]
fn only_those_who_are_allowed_may_send() {
    // This machine is not among those.
    let elsewhere = Listening::start(&["--from", "127.0.0.2"]);
    assert!(associate(elsewhere.port).is_err());
    elsewhere.wait_for("127.0.0.1: refused: its address may not send here (--from)");
    let titles = Listening::start(&["--from-aet", "OTHER"]);
    let error = associate(titles.port).err().unwrap().to_string();
    assert!(
        error.contains("does not know our application entity title"),
        "{error}"
    );
    titles.wait_for("XRAY1 at 127.0.0.1: refused: its title is not one of --from-aet");
    let called = Listening::start(&["--aet", "WARD"]);
    let error = associate(called.port).err().unwrap().to_string();
    assert!(
        error.contains("another application entity title"),
        "{error}"
    );
    // A stranger who knocks again and again is named once.
    for _ in 0..20 {
        assert!(associate(elsewhere.port).is_err());
    }
    let errors = elsewhere.errors();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let (_, _, errors) = elsewhere.stop();
    assert!(
        errors.contains("0 received, 21 connections refused"),
        "{errors}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = std::process::Command::new(super::CXR)
            .arg("listen")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let path = folder.path().to_str().unwrap();
    let open = refused(&["--port", "0", "--bind", "0.0.0.0", path]);
    assert!(
        open.contains("say with --from which addresses may send"),
        "{open}"
    );
    assert!(refused(&["--from", "pacs", path]).contains("--from pacs"));
    assert!(refused(&["--aet", "a\\b", path]).contains("--aet"));
    assert!(refused(&[folder.path().join("no").to_str().unwrap()]).contains("no such folder"));
    let one = Listening::start(&[]);
    let second = refused(&["--port", "0", one.folder.path().to_str().unwrap()]);
    assert!(
        second.contains("another cxr listen receives into it"),
        "{second}"
    );
}

#[test]
fn a_signal_ends_it_in_order_also_while_a_peer_is_connected() {
    let listening = Listening::start(&[]);
    let association = associate(listening.port).unwrap();
    let began = Instant::now();
    let (status, _, errors) = listening.stop();
    assert!(status.success(), "{errors}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    drop(association);
}
