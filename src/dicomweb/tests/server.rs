//! A small server that answers as a test says, on a free port of this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request, with the names of its headers in lower case.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// Path and query.
    pub target: String,
    pub headers: HashMap<String, String>,
}

pub struct TestServer {
    /// `http://127.0.0.1:12345`
    pub address: String,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl TestServer {
    /// Answers each request by `answer`, which writes to the stream; the connection is closed then.
    pub fn new(answer: impl Fn(&SeenRequest, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        all.lock().unwrap().push(request.clone());
                        answer(&request, &mut stream);
                    }
                });
            }
        });
        TestServer { address, seen }
    }

    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads a request, with its body: a connection that is closed before is reset, and its answer lost.
fn read(stream: &TcpStream) -> Option<SeenRequest> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let length = length.map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(SeenRequest { target, headers })
}

/// Writes a whole answer. A client that has seen enough closes the connection.
pub fn send(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// Writes a list of results.
pub fn send_json(stream: &mut TcpStream, body: &str) {
    let kind = ("Content-Type", "application/dicom+json");
    send(stream, "200 OK", &[kind], body.as_bytes());
}

/// Writes a film in one part.
pub fn send_film(stream: &mut TcpStream, film: &[u8]) {
    let body = [
        &b"--x\r\nContent-Type: application/dicom\r\n\r\n"[..],
        film,
        b"\r\n--x--\r\n",
    ]
    .concat();
    send(stream, "200 OK", &[FILM], &body);
}

pub const FILM: (&str, &str) = (
    "Content-Type",
    "multipart/related; type=\"application/dicom\"; boundary=x",
);
