use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;

use super::super::shared_memory;
use super::*;
use crate::sources::OpenedSource;

const LONGEST: Longest = Longest {
    text: 1 << 10,
    attachment: 1 << 20,
};

/// The result for the program if a decoder process answers a request for `FILE` with `reply`.
fn answered(
    reply: impl FnOnce(&mut Channel, Nonce) + Send,
) -> io::Result<Result<Radiograph, ImageFault>> {
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let (mut ours, mut theirs) = (Channel::new(ours), Channel::new(theirs));
    if let Ok((file, window)) = SharedWindow::create(PIXELS.len() as u64) {
        theirs.share(SharedWindow::open(&file).expect("the other end"));
        ours.share(window);
    }
    let limits = DecodeLimits {
        timeout: Duration::from_secs(5),
        max_memory: 1 << 20,
        ..DecodeLimits::default()
    };
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(FILE).expect("written");
    file.rewind().expect("its start");
    let file =
        Attachment::copied(&OpenedSource::of_file(file), limits.max_file_bytes).expect("a copy");
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut channel = theirs;
            let request = channel.receive(LONGEST).expect("whole").expect("a request");
            let (nonce, _) = wire::read_request(&request.text).expect("a request");
            let handed = request.attachment.expect("a file");
            assert_eq!(handed.numbers::<u8>().expect("its bytes"), FILE);
            reply(&mut channel, nonce);
        });
        let answer = ask(&mut ours, &file, &limits);
        // Ends a reply that is still being sent.
        drop(ours);
        answer
    })
}

const FILE: &[u8] = b"a film";
const PIXELS: &[u8] = &[1, 2, 3, 4];

fn film() -> Radiograph {
    Radiograph::plain(2, 2, Samples::Grey8(PIXELS.to_vec()), "PNG")
}

fn description(nonce: Nonce) -> Vec<u8> {
    wire::write_answer(&nonce, &Ok(film()))
}

fn refused(what: &str, reply: impl FnOnce(&mut Channel, Nonce) + Send) {
    let error = answered(reply).expect_err(what);
    let kind = error.kind();
    assert!(
        matches!(kind, io::ErrorKind::InvalidData),
        "{what}: {error}"
    );
}

#[test]
fn an_answer_is_the_film_of_the_file_that_was_handed_over() {
    let content = crate::imaging::content_id(FILE);
    let expected = Radiograph { content, ..film() };
    for in_window in [false, true] {
        let film = answered(|channel, nonce| {
            let samples = if in_window {
                channel.attachment(PIXELS)
            } else {
                Attachment::of(PIXELS)
            };
            let sent = channel.send(&description(nonce), Some(&samples));
            sent.expect("an answer");
        });
        assert_eq!(film.expect("a conversation"), Ok(expected.clone()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn samples_lie_in_the_window_where_they_fit() {
    answered(|channel, nonce| {
        let fits = channel.attachment(PIXELS);
        assert!(matches!(fits, Attachment::Window { length: 4, .. }));
        drop(fits);
        let too_long = channel.attachment(&[0; 5]);
        assert!(matches!(too_long, Attachment::Shared { length: 5, .. }));
        let sent = channel.send(&description(nonce), None);
        sent.expect("an answer");
    })
    .expect_err("no samples");
    refused("more than the window holds", |channel, nonce| {
        let Attachment::Window { window, .. } = channel.attachment(PIXELS) else {
            panic!("no window");
        };
        let samples = Attachment::Window { window, length: 5 };
        let sent = channel.send(&description(nonce), Some(&samples));
        sent.expect("an answer");
    });
    let file = shared_memory::create().expect("memory");
    SharedWindow::open(&file).expect_err("memory that can be cut");
}

#[test]
fn a_forged_answer_is_refused() {
    let samples = |bytes: &[u8]| Attachment::of(bytes);
    refused("another nonce", |channel, mut nonce| {
        nonce[3] ^= 1;
        let sent = channel.send(&description(nonce), Some(&samples(PIXELS)));
        sent.expect("an answer");
    });
    for other in [&PIXELS[..3], &[0; 5]] {
        refused("another size", |channel, nonce| {
            let sent = channel.send(&description(nonce), Some(&samples(other)));
            sent.expect("an answer");
        });
    }
    refused("no samples", |channel, nonce| {
        channel.send(&description(nonce), None).expect("an answer");
    });
    refused("too long a description", |channel, _| {
        // It is refused before all of it is sent.
        let _ = channel.send(&vec![0; LONGEST_DESCRIPTION as usize + 1], None);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_too_short_and_other_descriptors_are_refused() {
    let shared = |file: File, length| Attachment::Shared { file, length };
    refused("shorter than stated", |channel, nonce| {
        let file = shared_memory::create().expect("memory");
        shared_memory::seal(&file).expect("sealed");
        let sent = channel.send(&description(nonce), Some(&shared(file, 4)));
        sent.expect("an answer");
    });
    // Reading from a pipe would never end.
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let error = answered(|channel, nonce| {
        let file = File::from(OwnedFd::from(reader));
        let sent = channel.send(&description(nonce), Some(&shared(file, 4)));
        sent.expect("an answer");
    });
    error.expect_err("a pipe");
}

#[test]
fn a_process_that_never_ends_its_answer_times_out() {
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let mut channel = Channel::new(ours);
    let time = Duration::from_millis(300);
    channel.limit_time(time).expect("a clock");
    let start = Instant::now();
    let error = thread::scope(|scope| {
        scope.spawn(move || {
            // One byte after the other, each in time, of a message of 1,000.
            let header = [&1000_u64.to_ne_bytes()[..], &0_u64.to_ne_bytes(), &[0]].concat();
            for byte in [b"cxr decoder 5", &header[..], &[0; 1000]].concat() {
                thread::sleep(time / 10);
                if (&theirs).write_all(&[byte]).is_err() {
                    return;
                }
            }
        });
        let error = channel.receive(LONGEST).expect_err("no message");
        drop(channel);
        error
    });
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(start.elapsed() < 60 * time, "{:?}", start.elapsed());
}

/// As any program does that is started by mistake: which of the two comes first is chance.
#[test]
fn a_program_that_ended_before_it_was_greeted_is_known_by_what_it_printed() {
    let terms = DecoderTerms {
        parent: std::process::id(),
        memory: 1 << 20,
    };
    let ended = |printed: &[u8]| {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket");
        theirs.write_all(printed).expect("room");
        // A child that another test is starting may hold a copy for a moment.
        theirs.shutdown(std::net::Shutdown::Both).expect("its end");
        drop(theirs);
        greet(&mut Channel::new(ours), &terms)
            .expect_err("no decoder")
            .kind()
    };
    assert_eq!(ended(b"running 0 tests\n"), io::ErrorKind::InvalidData);
    assert_eq!(ended(b""), io::ErrorKind::UnexpectedEof);
}
