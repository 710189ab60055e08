//! Objects on their way to servers.

use super::*;

fn server(address: &str, settings: &DicomWebSettings) -> Result<StowServer, DicomWebError> {
    StowServer::new(&DicomWebAddress::parse(address)?, settings)
}

fn stored(server: &TestServer) -> Result<StowDecision, StowFault> {
    stored_within(Duration::from_secs(60), server)
}

fn stored_within(patience: Duration, server: &TestServer) -> Result<StowDecision, StowFault> {
    let address = format!("{}/d", server.address);
    let settings = DicomWebSettings {
        patience,
        ..with_token()
    };
    self::server(&address, &settings)
        .unwrap()
        .store(b"object", "1.2")
}

#[test]
fn an_object_is_sent_with_the_credential_and_its_answer_decides() {
    let kept = r#"{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}}]}}"#;
    let good = TestServer::new(move |_, stream| send_json(stream, kept));
    assert_eq!(stored(&good).unwrap(), StowDecision::Kept);
    let seen = good.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/d/studies");
    let header = |name: &str| seen[0].headers.get(name).map(String::as_str);
    assert_eq!(header("authorization"), Some("Bearer s3cret"));
    assert_eq!(header("accept"), Some("application/dicom+json"));
    let kind = header("content-type").unwrap();
    assert!(kind.starts_with("multipart/related; type=\"application/dicom\"; boundary="));
}

#[test]
fn a_server_that_decides_nothing_is_a_fault_that_says_whether_to_try_again() {
    type Answer = fn(&SeenRequest, &mut TcpStream);
    let cases: [(Answer, bool, &str); 7] = [
        (
            |_, s| send(s, "503 Service Unavailable", &[("Retry-After", "7")], b""),
            true,
            "says 503",
        ),
        (
            |_, s| send(s, "429 Too Many Requests", &[], b""),
            true,
            "says 429",
        ),
        (
            |_, s| send(s, "401 Unauthorized", &[], b""),
            false,
            "does not accept the token",
        ),
        (
            |_, s| send(s, "404 Not Found", &[], b""),
            false,
            "nothing there",
        ),
        (
            |_, s| send(s, "200 OK", &[("Content-Type", "text/html")], b"<html>"),
            false,
            "not in DICOM's JSON",
        ),
        (|_, s| send_json(s, "{}"), false, "nothing of the object"),
        (
            |_, _| std::thread::sleep(Duration::from_secs(120)),
            true,
            "in time",
        ),
    ];
    for (answer, may_pass, words) in cases {
        let server = TestServer::new(answer);
        let patience = Duration::from_secs(if words == "in time" { 2 } else { 60 });
        let fault = stored_within(patience, &server).unwrap_err();
        let said = fault.error.to_string();
        assert!(said.contains(words) && !said.contains(SECRET), "{said}");
        assert_eq!(fault.may_pass, may_pass, "{said}");
        assert_eq!(fault.wait.is_some(), said.contains("503"), "{said}");
        assert_eq!(server.seen().len(), 1, "{said}");
    }
    let refused = TestServer::new(|_, s| send(s, "415 Unsupported Media Type", &[], b""));
    assert!(matches!(
        stored(&refused),
        Ok(StowDecision::RefusedRequest(_))
    ));
    let gone = self::server("http://127.0.0.1:9/d", &settings()).unwrap();
    assert!(gone.store(b"object", "1.2").unwrap_err().may_pass);
}

#[test]
fn neither_object_nor_credential_follows_a_redirect() {
    let elsewhere = TestServer::new(|_, stream| send_json(stream, "{}"));
    let target = format!("{}/d/studies", elsewhere.address);
    let server = TestServer::new(move |_, stream| {
        send(
            stream,
            "307 Temporary Redirect",
            &[("Location", &target)],
            b"",
        );
    });
    let fault = stored(&server).unwrap_err();
    assert!(!fault.may_pass);
    assert!(
        fault.error.to_string().contains("is redirected"),
        "{}",
        fault.error
    );
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn what_is_no_server_is_refused_before_anything_is_sent() {
    for (address, words) in [
        ("https://me:secret@host/d", "CXR_PACS_PASSWORD"),
        ("https://host/d?x=1", "without a query"),
        ("https://host/d/studies/1.2", "without a study"),
        ("https://", "names no host"),
        ("http://pacs.example/d", "is not sent over http"),
    ] {
        let error = server(address, &with_token())
            .err()
            .expect("no server")
            .to_string();
        assert!(
            error.contains(words) && !error.contains("secret"),
            "{error}"
        );
    }
    assert_eq!(
        server("https://Host/d/studies/", &settings())
            .unwrap()
            .base(),
        "https://host/d"
    );
}
