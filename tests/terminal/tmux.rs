//! A tmux server for one test.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::skip;
use crate::state;

/// A tmux server without the user's configuration.
pub struct Tmux {
    pub socket: String,
}

impl Tmux {
    /// `None`, with a printed reason, if tmux is not installed.
    pub fn start(name: &str, command: &str) -> Option<Self> {
        // The server of an earlier try may still be ending.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let tmux = Tmux {
            socket: format!("cxr-{name}-{}-{number}", std::process::id()),
        };
        let size = ["-x", "120", "-y", "35"];
        let started = tmux
            .command(&["-f", "/dev/null", "new-session", "-d"])
            .args(size)
            .arg(command)
            .status();
        match started {
            Ok(status) => {
                assert!(status.success());
                Some(tmux)
            }
            Err(error) => {
                skip::skip(format_args!("tmux is not installed ({error})"));
                None
            }
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-L", &self.socket])
            .args(arguments)
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .env_remove("SSH_CONNECTION")
            // Never the reviews of the user who runs the tests.
            .env("XDG_STATE_HOME", state())
            .env("CXR_CONFIG", "")
            // tmux and the terminal answer however busy the machine is.
            .env("CXR_PROBE_MS", "20000");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            if screen.contains(text) {
                return screen;
            }
            assert!(
                start.elapsed() < LIMIT,
                "timed out waiting for {text}:\n{screen}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the shell has its screen back and shows a prompt.
    pub fn wait_for_prompt(&self) {
        let start = Instant::now();
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            let last = screen.lines().rev().find(|line| !line.trim().is_empty());
            let is_prompt = last.is_some_and(|line| line.trim_end() == "ready>");
            if is_prompt && self.ask("#{alternate_on}") == "0" {
                return;
            }
            assert!(start.elapsed() < LIMIT, "no prompt:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn ask(&self, format: &str) -> String {
        self.run(&["display", "-p", format]).trim().to_owned()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).status();
    }
}
