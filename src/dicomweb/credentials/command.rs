//! The command that prints a credential, such as `pass show pacs` or a helper that asks for a token.
//!
//! It prints a token in one line, or `username=NAME` and `password=SECRET` in two, as git's credential helpers do
//! (git-credential(1), *INPUT/OUTPUT FORMAT*). The host is in its variable `CXR_PACS_HOST`.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{DicomWebCredential, LONGEST, wrong};
use crate::dicomweb::error::DicomWebError;
use crate::starting;

/// How the command is called in messages, which never quote it: it may hold a secret itself.
const ORIGIN: &str = "the command of pacs-credentials";
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the command line for a host.
///
/// # Errors
/// If it fails, takes too long, or prints no credential.
pub fn ask(line: &str, host: &str) -> Result<DicomWebCredential, DicomWebError> {
    ask_within(line, host, PATIENCE)
}

fn ask_within(
    line: &str,
    host: &str,
    patience: Duration,
) -> Result<DicomWebCredential, DicomWebError> {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("CXR_PACS_HOST", host)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Its words could hold a secret, and would tear the screen.
        .stderr(Stdio::null());
    let child = starting::spawn(&mut command)
        .map_err(|error| wrong(format!("{ORIGIN} could not be started: {}", error.kind())))?;
    let text = output(child, patience)?;
    read(&text)
}

/// Waits for the end of the command, which is killed after its time.
fn output(mut child: Child, patience: Duration) -> Result<String, DicomWebError> {
    let end = Instant::now() + patience;
    let (sender, printed) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        thread::spawn(move || {
            let mut text = String::new();
            let read = pipe.take(LONGEST).read_to_string(&mut text);
            // The receiver is gone if this took too long.
            let _ = sender.send(read.map(|_| text));
        });
    }
    let text = printed.recv_timeout(patience).ok();
    // A command may close its output long before it ends.
    let (Some(text), Some(status)) = (text, ended(&mut child, end)?) else {
        let _ = child.kill();
        let _ = child.wait();
        let seconds = patience.as_secs();
        return Err(wrong(format!("{ORIGIN} took more than {seconds} s")));
    };
    if !status.success() {
        return Err(wrong(format!("{ORIGIN} failed ({status})")));
    }
    text.map_err(|_| wrong(format!("{ORIGIN} prints no text")))
}

/// How the command ended; `None` if it has not by then.
fn ended(child: &mut Child, end: Instant) -> Result<Option<ExitStatus>, DicomWebError> {
    loop {
        let status = child.try_wait().map_err(|error| wrong(error.kind()))?;
        if status.is_some() || Instant::now() >= end {
            return Ok(status);
        }
        thread::sleep(LOOK);
    }
}

fn read(text: &str) -> Result<DicomWebCredential, DicomWebError> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    match (value("username="), value("password=")) {
        (Some(user), Some(password)) => DicomWebCredential::basic(user, password, ORIGIN),
        (None, None) => DicomWebCredential::bearer(text, ORIGIN),
        _ => Err(wrong(format!(
            "{ORIGIN} prints only one of username= and password="
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_or_hangs_or_prints_nonsense_is_a_reason_without_its_words() {
        for (line, words) in [
            ("echo secret; exit 3", "exit status: 3"),
            ("printf ''", "or nothing"),
            ("echo two secrets", "no token has"),
            ("echo username=secret", "only one"),
            ("printf '\\377'", "no text"),
        ] {
            let error = ask(line, "h").unwrap_err().to_string();
            assert!(
                error.contains(words) && !error.contains("secret"),
                "{error}"
            );
        }
        for slow in ["sleep 60", "echo token; exec >&-; sleep 60"] {
            let began = Instant::now();
            let slow = ask_within(slow, "h", Duration::from_millis(50));
            assert!(slow.unwrap_err().to_string().contains("took more than"));
            let took = began.elapsed();
            assert!(took < Duration::from_secs(30), "{took:?}");
        }
    }
}
