//! The client against a server that behaves in every way that one should not.

mod server;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::server::{FILM, SeenRequest, TestServer, send, send_film, send_json};
use super::identity::tests::film as file;
use super::*;

const LONGEST: u64 = 1 << 20;
const SECRET: &str = "s3cret";

fn settings() -> DicomWebSettings {
    DicomWebSettings {
        patience: Duration::from_secs(60),
        authorities: None,
        memory: 8 << 20,
        keep: None,
        credentials: Arc::default(),
    }
}

fn with_token() -> DicomWebSettings {
    let token = |name: &str| (name == "CXR_PACS_TOKEN").then(|| SECRET.to_owned());
    DicomWebSettings {
        credentials: Arc::new(CredentialSources::new(token, None)),
        ..settings()
    }
}

fn source(address: &str, settings: DicomWebSettings) -> DicomWebSource {
    DicomWebSource::new(&[DicomWebAddress::parse(address).unwrap()], settings).unwrap()
}

/// All films and problems under an address.
fn walked(address: &str, settings: DicomWebSettings) -> (Vec<String>, Vec<String>) {
    let source = source(address, settings);
    let (mut films, mut problems) = (Vec::new(), Vec::new());
    source.walk(Path::new(address), &mut |item| {
        match item {
            RemoteItem::Film(path) => films.push(path.to_str().unwrap().to_owned()),
            RemoteItem::Problem { path, reason } => {
                problems.push(format!("{}: {reason}", path.display()));
            }
        }
        ControlFlow::Continue(())
    });
    (films, problems)
}

fn film_of(server: &TestServer) -> PathBuf {
    format!("{}/d/studies/1.2/series/3/instances/4.5", server.address).into()
}

/// What reading a film of this server fails with.
fn refused(server: &TestServer, settings: DicomWebSettings) -> String {
    let source = source(&format!("{}/d", server.address), settings);
    let error = source.read(&film_of(server), LONGEST).unwrap_err();
    let error = error.to_string();
    assert!(!error.contains('\n') && !error.contains(SECRET), "{error}");
    error
}

fn study(uid: &str) -> String {
    format!("{{\"0020000D\":{{\"vr\":\"UI\",\"Value\":[\"{uid}\"]}}}}")
}

fn instance(uid: &str) -> String {
    format!(
        "{{\"0020000E\":{{\"vr\":\"UI\",\"Value\":[\"3\"]}},\"00080018\":{{\"vr\":\"UI\",\"Value\":[\"{uid}\"]}}}}"
    )
}

fn number(request: &SeenRequest, name: &str) -> usize {
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Sends page after page of `all` results, of at most `most` each.
fn send_page(request: &SeenRequest, stream: &mut TcpStream, all: &[String], most: usize) {
    let limit = number(request, "limit=").min(most);
    let page = all.iter().skip(number(request, "offset=")).take(limit);
    let page: Vec<&str> = page.map(String::as_str).collect();
    send_json(stream, &format!("[{}]", page.join(",")));
}

#[test]
fn hundreds_of_studies_come_page_by_page() {
    let studies: Vec<String> = (0..430).map(|n| study(&format!("1.{n}"))).collect();
    let server = TestServer::new(move |request, stream| {
        if request.target.contains("/instances") {
            // No content means that there is nothing more.
            match number(request, "offset=") {
                0 => send_json(stream, &format!("[{}]", instance("7.8"))),
                _ => send(stream, "204 No Content", &[], b""),
            }
        } else {
            send_page(request, stream, &studies, 100);
        }
    });
    let address = format!("{}/d?StudyDate=20240101-&ViewPosition=PA", server.address);
    let (films, problems) = walked(&address, settings());
    assert_eq!(problems, [""; 0]);
    assert_eq!(films.len(), 430);
    let first = format!("{}/d/studies/1.0/series/3/instances/7.8", server.address);
    assert_eq!(films[0], first, "without the query");
    let seen = server.seen();
    let asked = |text: &str| {
        seen.iter()
            .filter(|seen| seen.target.contains(text))
            .count()
    };
    assert_eq!(asked("/d/studies?StudyDate=20240101-&limit="), 7);
    assert_eq!(asked("/instances?ViewPosition=PA&limit="), 2 * 430);
}

#[test]
fn a_server_that_ignores_limit_or_sends_results_twice_ends() {
    let all: Vec<String> = (0..450).map(|n| instance(&format!("1.{n}"))).collect();
    let (whole, half) = (all.join(","), all[..20].join(","));
    let everything = TestServer::new(move |_, stream| send_json(stream, &format!("[{whole}]")));
    let the_same = TestServer::new(move |_, stream| send_json(stream, &format!("[{half}]")));
    let empty = TestServer::new(|_, stream| send_json(stream, "[]"));
    for (server, count, requests) in [(everything, 450, 1), (the_same, 20, 2), (empty, 0, 1)] {
        let address = format!("{}/studies/1.2", server.address);
        let (films, problems) = walked(&address, settings());
        assert_eq!((films.len(), problems.len()), (count, 0));
        assert_eq!(server.seen().len(), requests);
    }
}

/// Servers that mean something else by `limit` and `offset` than the standard does.
#[test]
fn no_study_is_left_out_whatever_a_server_makes_of_limit_and_offset() {
    type Part = fn(&[String], usize, usize) -> Vec<String>;
    let servers: [(&str, Part); 4] = [
        ("as the standard says", |all, limit, offset| {
            all.iter().skip(offset).take(limit).cloned().collect()
        }),
        (
            "limit is counted from the beginning",
            |all, limit, offset| all.iter().take(limit).skip(offset).cloned().collect(),
        ),
        ("offset is ignored", |all, limit, _| {
            all.iter().take(limit).cloned().collect()
        }),
        ("at most seven come at once", |all, limit, offset| {
            all.iter()
                .skip(offset)
                .take(limit.min(7))
                .cloned()
                .collect()
        }),
    ];
    for count in [0, 1, 24, 25, 26, 199, 200, 225, 226, 1_000] {
        for (name, part) in servers {
            let all: Vec<String> = (0..count).map(|n| instance(&format!("1.{n}"))).collect();
            let server = TestServer::new(move |request, stream| {
                let part = part(&all, number(request, "limit="), number(request, "offset="));
                send_json(stream, &format!("[{}]", part.join(",")));
            });
            let address = format!("{}/studies/1.2", server.address);
            let (films, problems) = walked(&address, settings());
            assert_eq!((films.len(), problems.len()), (count, 0), "{name}");
        }
    }
}

#[test]
fn a_million_results_are_a_reason_and_take_little_memory() {
    let server = TestServer::new(|_, stream| {
        let one = format!("{},", study("1.2"));
        let kind =
            "HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nConnection: close\r\n\r\n[";
        let _ = stream.write_all(kind.as_bytes());
        let many = one.repeat(1_000);
        for _ in 0..1_000 {
            if stream.write_all(many.as_bytes()).is_err() {
                return;
            }
        }
    });
    let address = format!("{}/d?PatientName=Doe*", server.address);
    let (films, problems) = walked(&address, settings());
    assert!(films.is_empty());
    let expected = format!(
        "{}/d: it sends more than 200000 results at once: narrow the query, by StudyDate or Modality",
        server.address
    );
    assert_eq!(problems, [expected], "and no name of a patient");
}

#[test]
fn several_modalities_are_asked_for_one_by_one() {
    let server = TestServer::new(|request, stream| {
        let of = |uid: &str, modality: &str| {
            format!(
                "{{\"0020000D\":{{\"Value\":[\"{uid}\"]}},\"00080061\":{{\"Value\":[{modality}]}}}}"
            )
        };
        let film = |uid: &str, modality: &str| {
            format!(
                "{{\"0020000E\":{{\"Value\":[\"3\"]}},\"00080018\":{{\"Value\":[\"{uid}\"]}},\
                 \"00080060\":{{\"Value\":[\"{modality}\"]}}}}"
            )
        };
        let target = &request.target;
        let both = of("2", "\"DX\",\"CR\"");
        let body = match () {
            () if number(request, "offset=") > 0 => String::new(),
            () if target.contains("ModalitiesInStudy=DX") => both,
            () if target.contains("ModalitiesInStudy=CR") => {
                format!("{both},{}", of("1", "\"CR\",\"SR\""))
            }
            // A server that does not know the key sends all of the study.
            () if target.contains("/studies/1/instances?Modality=CR") => {
                format!("{},{}", film("1.1", "CR"), film("1.2", "SR"))
            }
            () if target.contains("/studies/2/instances?Modality=DX") => film("2.1", "DX"),
            () if target.contains("/studies/2/instances?Modality=CR") => film("2.2", "CR"),
            () => "unexpected".to_owned(),
        };
        send_json(stream, &format!("[{body}]"));
    });
    let address = format!("{}/d?Modality=DX,CR", server.address);
    let (films, problems) = walked(&address, settings());
    assert_eq!(problems, [""; 0]);
    let ends: Vec<&str> = films
        .iter()
        .map(|film| film.rsplit_once('/').unwrap().1)
        .collect();
    assert_eq!(ends, ["2.1", "2.2", "1.1"]);
}

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
        let start = Instant::now();
        let hasty = DicomWebSettings {
            patience: Duration::from_millis(400),
            ..settings()
        };
        let error = refused(&server, hasty);
        assert!(error.contains(words), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30));
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

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let elsewhere = TestServer::new(|_, stream| send_film(stream, &file("1.2", "4.5")));
    let target = format!("{}/signed?x=1", elsewhere.address);
    let server = TestServer::new(move |request, stream| {
        let location = if request.target.starts_with("/d/") {
            "/moved"
        } else {
            &target
        };
        send(stream, "302 Found", &[("Location", location)], b"");
    });
    let source = source(&format!("{}/d", server.address), with_token());
    source.read(&film_of(&server), LONGEST).unwrap();
    let token = |server: &TestServer| -> Vec<bool> {
        let seen = server.seen();
        let sent = seen.iter().map(|seen| {
            seen.headers.get("authorization").map(String::as_str) == Some("Bearer s3cret")
        });
        sent.collect()
    };
    assert_eq!(token(&server), [true, true]);
    assert_eq!(token(&elsewhere), [false]);
}

#[test]
fn a_redirect_without_end_or_to_no_address_is_a_reason() {
    for (location, words) in [
        ("/d/again", "redirected more than 5 times"),
        ("file:///etc/passwd", "which is no web address"),
    ] {
        let server = TestServer::new(move |_, stream| {
            send(stream, "302 Found", &[("Location", location)], b"");
        });
        let error = refused(&server, with_token());
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_credential_that_is_not_accepted_is_named_by_its_origin() {
    let server = TestServer::new(|_, stream| send(stream, "401 Unauthorized", &[], b""));
    let error = refused(&server, with_token());
    assert!(
        error.ends_with("the server does not accept the token of CXR_PACS_TOKEN"),
        "{error}"
    );
    let (_, problems) = walked(&format!("{}/d", server.address), with_token());
    assert_eq!(problems.len(), 1);
    assert!(!problems[0].contains(SECRET));
}

#[test]
fn a_credential_is_not_sent_in_the_clear_to_another_machine() {
    let film = Path::new("http://pacs.example/d/studies/1/series/2/instances/3");
    let source = source("http://pacs.example/d", with_token());
    let error = source.read(film, LONGEST).unwrap_err().to_string();
    assert!(error.contains("is not sent over http"), "{error}");
}

#[test]
fn only_servers_that_were_named_are_asked() {
    let source = source("https://pacs.example/dicom-web?Modality=DX", settings());
    let holds = |path: &str| source.holds(Path::new(path));
    assert!(holds("https://pacs.example/dicom-web?Modality=DX"));
    assert!(holds(
        "https://pacs.example/dicom-web/studies/1/series/2/instances/3"
    ));
    assert!(!holds("https://pacs.example/other/studies/1"));
    assert!(!holds("https://pacs.example:8443/dicom-web/studies/1"));
    assert!(!holds("http://pacs.example/dicom-web/studies/1"));
    assert!(!holds("films"));
    let film = "https://evil.example/dicom-web/studies/1/series/2/instances/3";
    let error = source.read(Path::new(film), LONGEST).unwrap_err();
    assert!(matches!(error, SourceFault::Missing(_)), "{error}");
}

#[test]
fn films_are_fetched_ahead_once_and_in_order() {
    let server = TestServer::new(|request, stream| {
        if request.target.contains("/instances?") {
            let all: Vec<String> = (0..30).map(|n| instance(&format!("4.{n}"))).collect();
            return send_page(request, stream, &all, 100);
        }
        let uid = request.target.rsplit_once('/').unwrap().1;
        send_film(stream, &file("1.2", uid));
    });
    let address = format!("{}/d/studies/1.2", server.address);
    let source = source(&address, settings());
    let mut films = Vec::new();
    source.walk(Path::new(&address), &mut |item| {
        if let RemoteItem::Film(path) = item {
            films.push(path);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(films.len(), 30);
    let before = server.seen().len();
    source.read(&films[0], LONGEST).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while server.seen().len() < before + 9 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.seen().len(), before + 9, "the film and eight ahead");
    for film in &films {
        source.read(film, LONGEST).unwrap();
    }
    assert_eq!(server.seen().len(), before + 30, "each of them once");
}

#[test]
fn memory_is_bounded_and_what_was_used_long_ago_goes_first() {
    let server = TestServer::new(|request, stream| {
        let uid = request.target.rsplit_once('/').unwrap().1;
        let mut film = file("1.2", uid);
        film.resize(1 << 20, 0);
        send_film(stream, &film);
    });
    let address = format!("{}/d", server.address);
    let small = DicomWebSettings {
        memory: 4 << 20,
        ..settings()
    };
    let source = source(&address, small);
    let read = |n: usize| {
        let film = format!("{address}/studies/1.2/series/3/instances/4.{n}");
        source.read(Path::new(&film), 2 << 20).unwrap();
        server.seen().len()
    };
    let mut asked = 0;
    for n in 0..10 {
        asked = read(n);
    }
    assert_eq!(asked, 10);
    assert_eq!(read(9), 10, "it is here");
    assert_eq!(read(6), 10, "it is here");
    assert_eq!(read(0), 11, "it had to go");
    assert_eq!(read(9), 11, "it was used since");
}

#[test]
fn kept_films_are_not_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::new(|_, stream| send_film(stream, &file("1.2", "4.5")));
    for _ in 0..2 {
        let kept = DicomWebSettings {
            keep: Some(folder.path().join("kept")),
            ..settings()
        };
        let source = source(&format!("{}/d", server.address), kept);
        source.read(&film_of(&server), LONGEST).unwrap();
        assert_eq!(server.seen().len(), 1);
    }
    let film = folder.path().join("kept/1.2/3/4.5.dcm");
    assert_eq!(std::fs::read(film).unwrap(), file("1.2", "4.5"));
}

#[test]
fn a_server_that_wants_another_way_of_asking_gets_it() {
    let server = TestServer::new(|request, stream| {
        if request.headers["accept"].contains("transfer-syntax") {
            send(stream, "406 Not Acceptable", &[], b"");
        } else {
            let uid = request.target.rsplit_once('/').unwrap().1;
            send_film(stream, &file("1.2", uid));
        }
    });
    let source = source(&format!("{}/d", server.address), settings());
    for (uid, requests) in [("4.5", 2), ("4.6", 3)] {
        let film = format!("{}/d/studies/1.2/series/3/instances/{uid}", server.address);
        source.read(Path::new(&film), LONGEST).unwrap();
        assert_eq!(server.seen().len(), requests, "it is remembered");
    }
}

#[test]
fn a_check_of_a_server_stops_at_what_is_wrong_and_says_how_to_mend_it() {
    let good = TestServer::new(|request, stream| {
        let target = &request.target;
        if target.contains("/instances?") {
            send_json(stream, &format!("[{}]", instance("4.5")));
        } else if target.contains("/instances/") {
            send_film(stream, &file("1.0", "4.5"));
        } else {
            let all: Vec<String> = (0..5).map(|n| study(&format!("1.{n}"))).collect();
            send_page(request, stream, &all, 100);
        }
    });
    let page = TestServer::new(|_, stream| {
        send(
            stream,
            "200 OK",
            &[("Content-Type", "text/html")],
            b"<html>",
        );
    });
    let closed = TestServer::new(|_, stream| send(stream, "401 Unauthorized", &[], b""));
    let checked = |address: &str| {
        let address = DicomWebAddress::parse(address).unwrap();
        check_server(&address, &with_token())
    };
    let names = |steps: &[ServerCheck]| -> Vec<(&'static str, bool)> {
        steps
            .iter()
            .map(|(name, finding)| (*name, finding.is_ok()))
            .collect()
    };
    let steps = checked(&format!("{}/d", good.address));
    let whole = [
        "server",
        "login",
        "studies",
        "paging",
        "instances",
        "as stored",
        "converted",
    ];
    assert_eq!(names(&steps), whole.map(|name| (name, true)), "{steps:?}");
    assert!(!format!("{steps:?}").contains(SECRET));
    let steps = checked(&format!("{}/d", page.address));
    assert_eq!(names(&steps), [("server", true), ("studies", false)]);
    assert!(steps[1].1.as_ref().unwrap_err().contains("/dicom-web"));
    let steps = checked(&format!("{}/d", closed.address));
    assert_eq!(names(&steps), [("server", true), ("login", false)]);
    let steps = checked("http://127.0.0.1:9/d");
    assert_eq!(names(&steps), [("server", false)]);
    assert!(steps[0].1.as_ref().unwrap_err().contains("firewall"));
}
