//! Servers that are slow, cut off, or send something else.

use super::*;

#[test]
fn faults_of_a_server_are_one_line_each() {
    type Answer = fn(&SeenRequest, &mut TcpStream);
    let cases: [(&str, Answer, &str); 12] = [
        (
            "a web page",
            |_, stream| {
                send(
                    stream,
                    "200 OK",
                    &[("Content-Type", "text/html")],
                    b"<html>",
                )
            },
            "it sends a web page in place of a film",
        ),
        (
            "not found",
            |_, stream| send(stream, "404 Not Found", &[], b"patient Doe"),
            "the server has nothing there (404)",
        ),
        (
            "forbidden",
            |_, stream| send(stream, "403 Forbidden", &[], b""),
            "does not let you read this (403)",
        ),
        (
            "unauthorized",
            |_, stream| send(stream, "401 Unauthorized", &[], b""),
            "set CXR_PACS_TOKEN",
        ),
        (
            "too many requests, for an hour",
            |_, stream| {
                let wait = ("Retry-After", "3600");
                send(stream, "429 Too Many Requests", &[wait], b"");
            },
            "the server says 429",
        ),
        (
            "another film",
            |_, stream| send_film(stream, &file("1.2", "4.6")),
            "another film than the one",
        ),
        (
            "another study's film",
            |_, stream| send_film(stream, &file("1.3", "4.5")),
            "another study's film than the one",
        ),
        (
            "no film at all",
            |_, stream| send_film(stream, b"hello"),
            "what came is no DICOM file",
        ),
        (
            "a wrong boundary",
            |_, stream| send(stream, "200 OK", &[FILM], b"--y\r\n\r\nfilm\r\n--y--"),
            "does not begin with the boundary",
        ),
        (
            "no boundary",
            |_, stream| {
                send(
                    stream,
                    "200 OK",
                    &[("Content-Type", "multipart/related")],
                    b"--x",
                );
            },
            "names no boundary",
        ),
        (
            "no HTTP",
            |_, stream| drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n")),
            "is no HTTP",
        ),
        (
            "four gibibytes",
            |_, stream| {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\nContent-Length: 4294967296\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
            },
            "more than 1048576 bytes",
        ),
    ];
    for (name, answer, words) in cases {
        let server = TestServer::new(answer);
        let error = refused(&server, settings());
        assert!(error.contains(words), "{name}: {error}");
        assert!(!error.contains("Doe"), "{name}: {error}");
        assert_eq!(server.seen().len(), 1, "{name}: asked once");
    }
}

#[test]
fn four_gibibytes_without_a_length_are_not_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = TestServer::new(move |_, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let block = vec![0; 1 << 20];
        for _ in 0..4_096 {
            if stream.write_all(&block).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let error = refused(&server, settings());
    assert!(error.contains("more than 1048576 bytes"), "{error}");
    assert!(sent.load(Ordering::Relaxed) < 64);
}

#[test]
fn a_server_that_is_slow_or_stops_in_the_middle_is_not_waited_for() {
    let silent = TestServer::new(|_, _| std::thread::sleep(Duration::from_secs(60)));
    let stops = TestServer::new(|_, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\nContent-Length: 1000\r\n\r\nabc";
        let _ = stream.write_all(head.as_bytes());
        std::thread::sleep(Duration::from_secs(60));
    });
    // Every byte comes in time, and the whole never does.
    let drips = TestServer::new(|_, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\nContent-Length: 1000\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for (server, words) in [
        (silent, "does not answer in time"),
        (stops, "stopped in the middle"),
        (drips, "stopped in the middle"),
    ] {
        // On a busy machine the head itself may be late.
        let answered = (0..10).any(|_| {
            let start = Instant::now();
            let hasty = DicomWebSettings {
                patience: Duration::from_millis(400),
                ..settings()
            };
            let error = refused(&server, hasty);
            assert!(start.elapsed() < Duration::from_secs(30));
            let is_late = error.contains("does not answer in time");
            assert!(error.contains(words) || is_late, "{error}");
            error.contains(words)
        });
        assert!(answered, "{words}");
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    let tries = AtomicUsize::new(0);
    let server = TestServer::new(
        move |_, stream| match tries.fetch_add(1, Ordering::Relaxed) {
            0 => send(
                stream,
                "503 Service Unavailable",
                &[("Retry-After", "0")],
                b"",
            ),
            1 => send(stream, "429 Too Many Requests", &[], b""),
            2 => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\nContent-Length: 1000\r\n\r\nabc";
                let _ = stream.write_all(head.as_bytes());
            }
            _ => send_film(stream, &file("1.2", "4.5")),
        },
    );
    let source = source(&format!("{}/d", server.address), settings());
    let film = source.read(&film_of(&server), LONGEST).unwrap();
    assert_eq!(*film, *file("1.2", "4.5"));
    assert_eq!(server.seen().len(), 4);
    // It is kept in memory.
    source.read(&film_of(&server), LONGEST).unwrap();
    assert_eq!(server.seen().len(), 4);
    assert!(matches!(
        source.read(&film_of(&server), 10),
        Err(SourceFault::TooLarge(_))
    ));
}
