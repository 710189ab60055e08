//! Credentials, redirects, and which servers are asked.

use super::*;

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
