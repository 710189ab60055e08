//! `cxr doctor --pacs`.

use super::*;

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
