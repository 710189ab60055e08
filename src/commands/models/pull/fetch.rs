//! A file over HTTP. A download continues where an interruption left it, and is compared with its SHA-256
//! before it is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};
use ureq::http::StatusCode;

use crate::domain::hex::hex;

/// The environment variable for another server with the same paths: `http://localhost:8080`.
const MIRROR: &str = "CXR_MIRROR";
/// No model that cxr knows is larger.
const LARGEST: u64 = 1 << 30;
/// How long a server may stay silent.
const PATIENCE: Duration = Duration::from_secs(30);
const BUFFER: usize = 1 << 16;

/// The address, at the mirror if there is one.
pub fn at_mirror(url: &str) -> String {
    let Some(mirror) = std::env::var(MIRROR)
        .ok()
        .filter(|mirror| !mirror.is_empty())
    else {
        return url.to_owned();
    };
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    format!("{}/{path}", mirror.trim_end_matches('/'))
}

/// Fetches the missing rest of `part`. `report` receives the number of bytes so far, and of the whole
/// file if the server says it.
///
/// # Errors
/// If the server cannot be reached or stops, the bytes so far are kept. If the file has another SHA-256,
/// it is removed.
pub fn fetch(
    url: &str,
    sha256: &str,
    part: &Path,
    report: &dyn Fn(u64, Option<u64>),
) -> Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(part)
        .context("making the file to fetch into")?;
    let have = file.seek(SeekFrom::End(0))?;
    if have == 0 || digest(&mut file)? != sha256 {
        receive(url, &mut file, have, report)?;
    }
    let found = digest(&mut file)?;
    if found != sha256 {
        drop(file);
        fs::remove_file(part).context("removing what was fetched")?;
        bail!("its SHA-256 is {found}, not {sha256}: not imported");
    }
    file.sync_all()?;
    Ok(())
}

fn receive(url: &str, file: &mut File, have: u64, report: &dyn Fn(u64, Option<u64>)) -> Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request
        .call()
        .map_err(|error| anyhow!("{url} cannot be reached ({error})"))?;
    let start = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if is_from(&response, have) => have,
        // Nothing is missing, or the server has another file now; the digest tells.
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(()),
        status => bail!("{url}: the server says {status}"),
    };
    let body = response.into_body();
    let all = body.content_length().map(|rest| start + rest);
    if all.is_some_and(|all| all > LARGEST) {
        bail!("{url}: larger than {} MiB", LARGEST >> 20);
    }
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    let done = copy(
        &mut body.into_reader().take(LARGEST - start),
        file,
        start,
        |done| {
            report(done, all);
        },
    )?;
    match all {
        Some(all) if done < all => {
            bail!(
                "the server stopped at {done} of {all} bytes; the same command goes on from there"
            )
        }
        _ => Ok(()),
    }
}

/// Whether a partial answer begins at the requested byte: `Content-Range: bytes 100-199/200`.
fn is_from(response: &ureq::http::Response<ureq::Body>, have: u64) -> bool {
    let range = response.headers().get("content-range");
    range
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes "))
        .and_then(|range| range.split('-').next())
        .is_some_and(|first| first.parse() == Ok(have))
}

/// Returns the number of bytes in the file at the end. The bytes before an interruption are written.
fn copy(from: &mut impl Read, to: &mut File, mut done: u64, report: impl Fn(u64)) -> Result<u64> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                bail!(
                    "interrupted after {done} bytes ({error}); the same command goes on from there"
                )
            }
        };
        if read == 0 {
            return Ok(done);
        }
        to.write_all(&buffer[..read])
            .context("writing what comes")?;
        done += read as u64;
        report(done);
    }
}

fn digest(file: &mut File) -> Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Sha256::new();
    io::copy(file, &mut hasher).context("reading what was fetched")?;
    Ok(hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Serves `content` once for each of `answers`, which is the number of bytes to send, and reports the
    /// range of each request.
    fn serve(content: Vec<u8>, answers: Vec<usize>) -> (String, mpsc::Receiver<Option<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/model.pt", listener.local_addr().unwrap());
        let (asked, asks) = mpsc::channel();
        thread::spawn(move || {
            for cut in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut from = None;
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let line = line.unwrap().to_lowercase();
                    if let Some(range) = line.strip_prefix("range: bytes=") {
                        from = range.trim_end_matches('-').parse().ok();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                asked.send(from).unwrap();
                let start: usize = from.unwrap_or(0);
                let rest = &content[start..];
                let head = match from {
                    None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", rest.len()),
                    Some(start) => format!(
                        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\n\r\n",
                        rest.len(),
                        content.len() - 1,
                        content.len()
                    ),
                };
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(&rest[..cut.min(rest.len())]).unwrap();
            }
        });
        (url, asks)
    }

    fn content() -> (Vec<u8>, String) {
        let content: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let digest = hex(&Sha256::digest(&content));
        (content, digest)
    }

    #[test]
    fn an_interrupted_file_goes_on_where_it_was() {
        let (content, sha256) = content();
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        let (url, asks) = serve(content.clone(), vec![70_000, usize::MAX]);
        let error = fetch(&url, &sha256, &part, &|_, _| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains("goes on from there"), "{error}");
        assert_eq!(fs::read(&part).unwrap(), content[..70_000]);
        let seen = std::cell::Cell::new((0, None));
        fetch(&url, &sha256, &part, &|done, all| seen.set((done, all))).unwrap();
        assert_eq!(fs::read(&part).unwrap(), content);
        assert_eq!(seen.get(), (200_000, Some(200_000)));
        assert_eq!(
            asks.iter().take(2).collect::<Vec<_>>(),
            [None, Some(70_000)]
        );
        // The file is complete, so no server is asked.
        fetch("http://127.0.0.1:9/gone", &sha256, &part, &|_, _| {}).unwrap();
    }

    #[test]
    fn a_file_with_another_digest_is_removed() {
        let (mut content, sha256) = content();
        content[100] ^= 1;
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        let (url, _asks) = serve(content, vec![usize::MAX]);
        let error = fetch(&url, &sha256, &part, &|_, _| {})
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("its SHA-256 is") && error.contains(&sha256),
            "{error}"
        );
        assert!(!part.exists());
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/model.pt", listener.local_addr().unwrap());
        drop(listener);
        let error = fetch(&url, "00", &folder.path().join("part"), &|_, _| {});
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(&url) && error.contains("cannot be reached"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
}
