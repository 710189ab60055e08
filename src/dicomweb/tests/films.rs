//! Films on their way: ahead, in memory, in the folder of `--keep`.

use super::*;

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

/// A reader who jumps about leaves films behind that were fetched ahead and never opened.
#[test]
fn films_that_were_left_behind_do_not_keep_others_from_being_fetched_ahead() {
    let server = TestServer::new(|request, stream| {
        if request.target.contains("/instances?") {
            let all: Vec<String> = (0..60).map(|n| instance(&format!("4.{n}"))).collect();
            return send_page(request, stream, &all, 100);
        }
        let uid = request.target.rsplit_once('/').unwrap().1;
        let mut film = file("1.2", uid);
        film.resize(900 << 10, 0);
        send_film(stream, &film);
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
    let was_asked = |n: usize| {
        let end = format!("/4.{n}");
        let all = server.seen();
        all.iter().any(|request| request.target.ends_with(&end))
    };
    for place in [0, 20, 40] {
        source.read(&films[place], LONGEST).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while !(was_asked(place + 1) && was_asked(place + 4)) {
            assert!(Instant::now() < end, "nothing is fetched after {place}");
            std::thread::sleep(Duration::from_millis(10));
        }
        // Those that are on their way come in, too.
        std::thread::sleep(Duration::from_millis(300));
    }
}
