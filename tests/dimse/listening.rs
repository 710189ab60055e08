//! A `cxr listen` for a test.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::{CXR, LIMIT, visible};

pub struct Listening {
    pub child: Child,
    pub port: u16,
    pub folder: Arc<tempfile::TempDir>,
    errors: Arc<Mutex<String>>,
    output: Option<JoinHandle<String>>,
}

impl Listening {
    pub fn start(options: &[&str]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Listening::into(folder, options)
    }

    pub fn into(folder: Arc<tempfile::TempDir>, options: &[&str]) -> Self {
        let mut command = Command::new(CXR);
        command
            .args(["listen", "--port", "0"])
            .args(options)
            .arg(folder.path());
        Listening::of(command, folder)
    }

    /// Starts a command that becomes the listener.
    pub fn of(mut command: Command, folder: Arc<tempfile::TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let output = thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        stderr.read_line(&mut first).unwrap();
        let port = first
            .split_whitespace()
            .find_map(|word| word.strip_prefix("127.0.0.1:"));
        let port = port
            .unwrap_or_else(|| panic!("no port in {first:?}"))
            .parse()
            .unwrap();
        let errors = Arc::new(Mutex::new(String::new()));
        let written = errors.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Listening {
            child,
            port,
            folder,
            errors,
            output: Some(output),
        }
    }

    pub fn files(&self) -> Vec<PathBuf> {
        visible(self.folder.path())
    }

    /// What it wrote to standard error after its first line.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Waits until it has written something to standard error.
    pub fn wait_for(&self, text: &str) -> String {
        let end = Instant::now() + LIMIT;
        while !self.errors().contains(text) {
            assert!(Instant::now() < end, "no {text:?} in {}", self.errors());
            thread::sleep(std::time::Duration::from_millis(10));
        }
        self.errors()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Stops it in order. Returns how it ended, and its two outputs.
    pub fn stop(mut self) -> (ExitStatus, String, String) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        let output = self.output.take().unwrap().join().unwrap();
        // The last line comes after the end of the output.
        self.wait_for(" received");
        (status, output, self.errors())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
