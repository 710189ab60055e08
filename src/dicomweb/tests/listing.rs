//! What a query lists, from servers that page in every way.

use super::*;

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

/// *Number of Study Related Instances* may be older than the last film of a study.
#[test]
fn a_study_with_more_films_than_its_server_counts_is_listed_to_its_end() {
    for (count, said) in [(3, 3), (60, 60), (60, 1), (60, 24), (60, 61), (300, 40)] {
        let all: Vec<String> = (0..count).map(|n| instance(&format!("1.{n}"))).collect();
        let server = TestServer::new(move |request, stream| {
            if request.target.contains("/instances") {
                return send_page(request, stream, &all, usize::MAX);
            }
            let study =
                study("1.2").replacen('{', &format!("{{\"00201208\":{{\"Value\":[{said}]}},"), 1);
            send_page(request, stream, &[study], usize::MAX);
        });
        let (films, problems) = walked(&format!("{}/d", server.address), settings());
        assert_eq!(
            (films.len(), problems.len()),
            (count, 0),
            "{said} of {count}"
        );
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
            // The short list that comes first, in which no study has any of them.
            () if target.starts_with("/d/studies?limit=") => of("3", "\"MR\""),
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

/// A server that filters by modality slowly, as Orthanc does: the first film is there before the filtered list is.
#[test]
fn the_first_film_does_not_wait_for_a_slow_filter() {
    let of = |number: usize| {
        let modality = if number.is_multiple_of(2) { "MR" } else { "DX" };
        format!(
            "{{\"0020000D\":{{\"Value\":[\"1.{number}\"]}},\"00080061\":{{\"Value\":[\"{modality}\"]}}}}"
        )
    };
    let all: Vec<String> = (0..300).map(of).collect();
    let wanted: Vec<String> = (0..300).filter(|number| number % 2 == 1).map(of).collect();
    let is_open = Arc::new(AtomicUsize::new(0));
    let gate = Arc::clone(&is_open);
    let server = TestServer::new(move |request, stream| {
        let target = &request.target;
        if target.contains("/instances?") {
            let uid = target.split('/').nth(3).unwrap();
            let film = if number(request, "offset=") == 0 {
                format!("[{}]", instance(&format!("{uid}.9")))
            } else {
                "[]".to_owned()
            };
            return send_json(stream, &film);
        }
        if !target.contains("ModalitiesInStudy=DX") {
            return send_page(request, stream, &all, 200);
        }
        // It answers only once the first film was given.
        let end = Instant::now() + Duration::from_secs(20);
        while gate.load(Ordering::SeqCst) == 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        send_page(request, stream, &wanted, 200);
    });
    let address = format!("{}/d?Modality=DX", server.address);
    let source = source(&address, settings());
    let (mut films, mut asked) = (Vec::new(), None);
    source.walk(Path::new(&address), &mut |item| {
        let RemoteItem::Film(path) = item else {
            panic!("{item:?}");
        };
        asked.get_or_insert_with(|| server.seen().len());
        is_open.store(1, Ordering::SeqCst);
        films.push(path.to_str().unwrap().to_owned());
        ControlFlow::Continue(())
    });
    assert_eq!(asked, Some(2), "a short list, and the films of one study");
    assert!(films[0].contains("/studies/1.1/"), "{}", films[0]);
    let each: std::collections::HashSet<&String> = films.iter().collect();
    assert_eq!((films.len(), each.len()), (150, 150), "each film once");
}

/// What a reader waits for comes before the rest of the list.
#[test]
fn the_list_waits_for_the_first_film_where_a_reader_asks_for_it() {
    let all: Vec<String> = (0..60).map(|n| instance(&format!("4.{n}"))).collect();
    let pages = Arc::new(AtomicUsize::new(0));
    let before_the_film = Arc::new(AtomicUsize::new(0));
    let (asked, meanwhile) = (Arc::clone(&pages), Arc::clone(&before_the_film));
    let server = TestServer::new(move |request, stream| {
        if request.target.contains("/instances?") {
            asked.fetch_add(1, Ordering::SeqCst);
            return send_page(request, stream, &all, 25);
        }
        // A list that does not wait comes in this time.
        std::thread::sleep(Duration::from_millis(100));
        meanwhile.store(asked.load(Ordering::SeqCst), Ordering::SeqCst);
        let uid = request.target.rsplit_once('/').unwrap().1;
        send_film(stream, &file("1.2", uid));
    });
    let address = format!("{}/d/studies/1.2", server.address);
    let source = source(&address, settings());
    let (sender, films) = std::sync::mpsc::channel::<PathBuf>();
    std::thread::scope(|scope| {
        let source = &source;
        scope.spawn(move || {
            let first = films.recv().unwrap();
            source.read(&first, LONGEST).unwrap();
        });
        let mut count = 0;
        source.walk(Path::new(&address), &mut |item| {
            if let RemoteItem::Film(path) = item {
                count += 1;
                let _ = sender.send(path);
                // The list waits for a film that is asked for already.
                let end = Instant::now() + Duration::from_secs(20);
                while count == 1 && server.seen().len() < 2 && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            ControlFlow::Continue(())
        });
        assert_eq!(count, 60);
    });
    let targets: Vec<String> = server.seen().into_iter().map(|seen| seen.target).collect();
    let is_list = |target: &&String| target.contains("/instances?");
    assert_eq!(before_the_film.load(Ordering::SeqCst), 1, "{targets:?}");
    assert_eq!(targets.iter().filter(is_list).count(), 4, "{targets:?}");
}
