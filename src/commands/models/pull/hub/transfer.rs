//! One file over HTTP. A transfer continues where an interruption left it, and the file is compared with the digest that
//! is known of it before it is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ureq::http::StatusCode;

use super::super::source::HubModel;
use super::client::{HubAnswer, HubClient};
use super::digest::FileDigest;

/// No larger model can be imported: as in `CheckpointLimits`.
pub const LARGEST: u64 = 2 << 30;
/// How often an interrupted transfer goes on at once. It does so only if something came since it last began.
const RETRIES: usize = 5;
const BUFFER: usize = 1 << 16;

/// A file that is wanted, and what is known of it.
#[derive(Debug)]
pub struct WantedFile<'a> {
    pub model: &'a HubModel,
    pub url: String,
    pub digest: &'a FileDigest,
    /// In bytes; `None` if it is not known.
    pub size: Option<u64>,
    /// The commit that it must be of; `None` if any will do.
    pub commit: Option<&'a str>,
}

/// Receives the number of bytes so far, and of the whole file if it is known.
pub type TransferReport<'a> = &'a dyn Fn(u64, Option<u64>);

/// Why a transfer ended before the file did.
enum TransferEnd {
    /// What came is in the file, and the rest may be asked for.
    Interrupted(String),
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for TransferEnd {
    fn from(error: anyhow::Error) -> Self {
        TransferEnd::Failed(error)
    }
}

impl From<io::Error> for TransferEnd {
    fn from(error: io::Error) -> Self {
        TransferEnd::Failed(error.into())
    }
}

/// Fetches the missing rest of `part`. Returns the commit that the hub states for it; `None` if it states none, or if
/// nothing was missing.
///
/// # Errors
/// If the server cannot be reached, refuses or stops; the bytes so far are kept. If the file has another digest, it is
/// removed.
pub fn fetch(
    client: &HubClient,
    wanted: &WantedFile<'_>,
    part: &Path,
    report: TransferReport<'_>,
) -> Result<Option<String>> {
    if wanted.size.is_some_and(|size| size > LARGEST) {
        bail!("it is larger than {} MiB", LARGEST >> 20);
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(part)
        .context("making the file to fetch into")?;
    if is_whole(&mut file, wanted)? {
        return Ok(None);
    }
    let fetched = transfer(client, wanted, &mut file, report);
    if fetched.is_err() && file.metadata().is_ok_and(|found| found.len() == 0) {
        // There is nothing to go on with.
        let _ = fs::remove_file(part);
    }
    let commit = fetched?;
    let found = wanted.digest.found(&mut file)?;
    if found != wanted.digest.digits() {
        drop(file);
        fs::remove_file(part).context("removing what was fetched")?;
        bail!(
            "its {} is {found}, not {}: not imported",
            wanted.digest.words(),
            wanted.digest.digits()
        );
    }
    file.sync_all()?;
    Ok(commit)
}

/// Whether the file is there already. A file of the full length with another digest is emptied.
fn is_whole(file: &mut File, wanted: &WantedFile<'_>) -> Result<bool> {
    let have = file.seek(SeekFrom::End(0))?;
    let may_be_whole = match wanted.size {
        Some(size) => have >= size,
        None => have > 0,
    };
    if !may_be_whole {
        return Ok(false);
    }
    if wanted.digest.found(file)? == wanted.digest.digits() {
        return Ok(true);
    }
    if wanted.size.is_some() {
        file.set_len(0)?;
    }
    Ok(false)
}

/// Receives the rest of the file, and goes on after interruptions.
fn transfer(
    client: &HubClient,
    wanted: &WantedFile<'_>,
    file: &mut File,
    report: TransferReport<'_>,
) -> Result<Option<String>> {
    let mut retries = 0;
    loop {
        let have = file.seek(SeekFrom::End(0))?;
        match receive(client, wanted, file, have, report) {
            Ok(commit) => return Ok(commit),
            Err(TransferEnd::Failed(error)) => return Err(error),
            Err(TransferEnd::Interrupted(reason)) => {
                let is_longer = file.metadata()?.len() > have;
                if !is_longer || retries == RETRIES {
                    bail!("{reason}; the same command goes on from there");
                }
                retries += 1;
            }
        }
    }
}

fn receive(
    client: &HubClient,
    wanted: &WantedFile<'_>,
    file: &mut File,
    have: u64,
    report: TransferReport<'_>,
) -> Result<Option<String>, TransferEnd> {
    let answer = client.get(&wanted.url, have)?;
    let start = match answer.status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if answer.begins_at(have) => have,
        // Nothing is missing, or the server has another file now. The digest tells which.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(answer.commit),
        _ => return Err(client.refusal(&answer, wanted.model).into()),
    };
    check(&answer, wanted)?;
    let said = answer
        .body
        .content_length()
        .map(|rest| start.saturating_add(rest));
    check_size(&answer, wanted, said)?;
    let all = wanted.size.or(said);
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    let most = all.unwrap_or(LARGEST).saturating_sub(start);
    let HubAnswer { body, commit, .. } = answer;
    let done = copy(&mut body.into_reader().take(most), file, start, |done| {
        report(done, all);
    })?;
    match all {
        Some(all) if done < all => Err(TransferEnd::Interrupted(format!(
            "the server stopped at {done} of {all} bytes"
        ))),
        _ => Ok(commit),
    }
}

/// Compares what the hub states beside the file with what is known of it, before a large file is fetched for nothing.
fn check(answer: &HubAnswer, wanted: &WantedFile<'_>) -> Result<()> {
    if let (Some(commit), Some(expected)) = (&answer.commit, wanted.commit)
        && commit != expected
    {
        bail!("the hub gives it from commit {commit}, and {expected} was asked for");
    }
    let linked = answer.linked_etag.as_deref().and_then(FileDigest::sha256);
    if let (Some(FileDigest::Sha256(stated)), FileDigest::Sha256(expected)) =
        (&linked, wanted.digest)
        && stated != expected
    {
        bail!("the hub gives a file whose SHA-256 is {stated}, not {expected}: not fetched");
    }
    Ok(())
}

/// Compares the length that the server states with what is known of the file.
fn check_size(answer: &HubAnswer, wanted: &WantedFile<'_>, said: Option<u64>) -> Result<()> {
    match (said, wanted.size) {
        (Some(said), Some(size)) if said != size => bail!(
            "{} has {said} bytes, and the hub lists {size}",
            answer.address
        ),
        (Some(said), None) if said > LARGEST => {
            bail!("{} is larger than {} MiB", answer.address, LARGEST >> 20)
        }
        _ => Ok(()),
    }
}

/// Returns the number of bytes in the file at the end. The bytes before an interruption are written.
fn copy(
    from: &mut impl Read,
    to: &mut File,
    mut done: u64,
    report: impl Fn(u64),
) -> Result<u64, TransferEnd> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(TransferEnd::Interrupted(format!(
                    "interrupted after {done} bytes ({error})"
                )));
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;

    use sha2::{Digest, Sha256};

    use super::super::access::HubAccess;
    use super::*;
    use crate::checkpoint::CheckpointLimits;
    use crate::domain::hex::hex;

    /// Serves `content` once for each of `answers`, which is the number of bytes to send, and reports the
    /// first byte that each request asks for.
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
                    None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", rest.len()),
                    Some(start) => format!(
                        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\n",
                        rest.len(),
                        content.len() - 1,
                        content.len()
                    ),
                };
                let head = format!("{head}Connection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                // A client that has seen enough closes the connection.
                let _ = stream.write_all(&rest[..cut.min(rest.len())]);
            }
        });
        (url, asks)
    }

    fn content() -> (Vec<u8>, FileDigest) {
        let content: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let digest = FileDigest::sha256(&hex(&Sha256::digest(&content)));
        (content, digest.unwrap())
    }

    /// Fetches a file of which nothing but its digest is known, or its size too.
    fn fetched(
        url: &str,
        digest: &FileDigest,
        size: Option<u64>,
        part: &Path,
        report: TransferReport<'_>,
    ) -> Result<Option<String>> {
        let model = HubModel::parse("hf:a/b").unwrap();
        let client = HubClient::new(HubAccess {
            server: url.rsplit_once('/').unwrap().0.to_owned(),
            token: None,
        });
        let wanted = WantedFile {
            model: &model,
            url: url.to_owned(),
            digest,
            size,
            commit: None,
        };
        fetch(&client, &wanted, part, report)
    }

    fn in_folder() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        (folder, part)
    }

    #[test]
    fn an_interrupted_file_goes_on_where_it_was() {
        let (content, digest) = content();
        let (_folder, part) = in_folder();
        // Three interruptions in one command.
        let cuts = vec![70_000, 30_000, 1, usize::MAX];
        let (url, asks) = serve(content.clone(), cuts);
        let seen = Cell::new((0, None));
        let report = |done, all| seen.set((done, all));
        fetched(&url, &digest, None, &part, &report).unwrap();
        assert_eq!(fs::read(&part).unwrap(), content);
        assert_eq!(seen.get(), (200_000, Some(200_000)));
        assert_eq!(
            asks.iter().collect::<Vec<_>>(),
            [None, Some(70_000), Some(100_000), Some(100_001)]
        );
        // The file is complete, so no server is asked.
        for size in [None, Some(200_000)] {
            fetched("http://127.0.0.1:9/gone", &digest, size, &part, &|_, _| {}).unwrap();
        }
    }

    #[test]
    fn what_came_is_kept_for_the_next_command() {
        let (content, digest) = content();
        let (_folder, part) = in_folder();
        let (url, _asks) = serve(content.clone(), vec![70_000, 0]);
        let error = fetched(&url, &digest, None, &part, &|_, _| {}).unwrap_err();
        assert!(error.to_string().contains("goes on from there"), "{error}");
        assert_eq!(fs::read(&part).unwrap(), content[..70_000]);
        let (url, asks) = serve(content.clone(), vec![usize::MAX]);
        fetched(&url, &digest, Some(200_000), &part, &|_, _| {}).unwrap();
        assert_eq!(asks.recv().unwrap(), Some(70_000));
        assert_eq!(fs::read(&part).unwrap(), content);
    }

    #[test]
    fn a_file_with_another_digest_is_removed() {
        let (mut content, digest) = content();
        content[100] ^= 1;
        let (_folder, part) = in_folder();
        let (url, _asks) = serve(content, vec![usize::MAX]);
        let error = fetched(&url, &digest, None, &part, &|_, _| {}).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("its SHA-256 is") && error.contains(digest.digits()),
            "{error}"
        );
        assert!(!part.exists());
    }

    #[test]
    fn another_file_of_the_same_length_is_fetched_anew() {
        let (content, digest) = content();
        let (_folder, part) = in_folder();
        for other in [200_000, 200_001] {
            fs::write(&part, vec![7; other]).unwrap();
            let (url, asks) = serve(content.clone(), vec![usize::MAX]);
            fetched(&url, &digest, Some(200_000), &part, &|_, _| {}).unwrap();
            assert_eq!(asks.recv().unwrap(), None);
            assert_eq!(fs::read(&part).unwrap(), content);
        }
    }

    #[test]
    fn a_length_that_no_file_has_is_refused_at_the_end_of_a_part() {
        let (_, digest) = content();
        let (_folder, part) = in_folder();
        fs::write(&part, [7; 100]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/model.pt", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = BufReader::new(stream.try_clone().unwrap());
                let _ = request
                    .lines()
                    .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
                    .count();
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes 100-{}/*\r\n\r\n",
                    u64::MAX - 1,
                    u64::MAX - 1
                );
                let _ = stream.write_all(head.as_bytes());
            }
        });
        let error = fetched(&url, &digest, None, &part, &|_, _| {}).unwrap_err();
        assert!(error.to_string().contains("is larger than"), "{error}");
    }

    #[test]
    fn a_file_of_another_size_is_not_fetched() {
        let (content, digest) = content();
        let (_folder, part) = in_folder();
        let (url, _asks) = serve(content, vec![usize::MAX]);
        let error = fetched(&url, &digest, Some(200_001), &part, &|_, _| {}).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("200000 bytes, and the hub lists 200001"),
            "{error}"
        );
        assert!(!part.exists());
        let error = fetched(&url, &digest, Some(LARGEST + 1), &part, &|_, _| {}).unwrap_err();
        assert!(
            error.to_string().contains("larger than 2048 MiB"),
            "{error}"
        );
        assert_eq!(LARGEST, CheckpointLimits::default().max_bytes);
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let (_folder, part) = in_folder();
        // No program listens at this port.
        let url = "http://127.0.0.1:9/model.pt".to_owned();
        let (_, digest) = content();
        let error = fetched(&url, &digest, None, &part, &|_, _| {}).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(&url) && error.contains("cannot be reached"),
            "{error}"
        );
        assert!(!error.contains('\n') && !part.exists(), "{error}");
    }
}
