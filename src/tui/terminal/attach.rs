//! Notices two things that tmux does not report: that another terminal was attached, and that a picture
//! did not reach its terminal.
//!
//! A program inside tmux cannot see that a terminal was attached, unless the size changes or
//! `focus-events` is on. But tmux marks its socket executable while a terminal is attached, and the
//! kernel reports this change. A picture that passes through tmux is lost if no terminal shows the
//! window, or if the terminal cannot keep up. So tmux is asked after each picture.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::tmux::{Flow, Tmux};

/// A newly attached terminal mostly gives its name within this time.
const NAME_TIMEOUT: Duration = Duration::from_millis(600);
/// If it has not, tmux is asked again at this interval …
const NAME_INTERVAL: Duration = Duration::from_secs(1);
/// … and this many times.
const NAME_RETRIES: u32 = 8;
/// If tmux has written nothing for this long, it has written everything.
const QUIET: Duration = Duration::from_millis(120);
/// The longest wait for a picture to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A picture is sent again at most this many times in a row.
const MAX_RESENDS: u32 = 3;

/// News from tmux.
pub enum Notice {
    /// Other terminals are attached than before, or their features have changed.
    Attached(Tmux),
    /// The picture has to be sent again.
    Lost,
}

enum ProbeReason {
    /// Another terminal may be attached.
    Clients,
    /// This many bytes of a picture were sent.
    Sent(u64),
}

/// Handle to a thread that asks tmux whenever there is a reason to.
#[derive(Clone)]
pub struct TmuxWatch {
    reasons: Sender<ProbeReason>,
}

impl TmuxWatch {
    /// Starts the thread. `known` is tmux's last answer.
    pub fn start(known: Tmux, notify: impl Fn(Notice) + Send + 'static) -> Self {
        let (reasons, receiver) = mpsc::channel();
        let socket = std::env::var("TMUX").unwrap_or_default();
        let socket = socket.split(',').next().unwrap_or_default().to_owned();
        let tmux_watch = TmuxWatch { reasons };
        let attached = tmux_watch.clone();
        thread::spawn(move || {
            watch(&socket, || {
                attached.reasons.send(ProbeReason::Clients).is_ok()
            })
        });
        // The probe may have ended before a terminal gave its name.
        if !known.is_settled() {
            tmux_watch.check_clients();
        }
        let watch = AttachWatch {
            known,
            flow: Flow::ask().unwrap_or_default(),
            is_unseen: false,
            resends: 0,
            retries: 0,
            notify,
        };
        thread::spawn(move || watch.run(&receiver));
        tmux_watch
    }

    /// Asks for the attached terminals: something has happened that another one may have caused.
    pub fn check_clients(&self) {
        let _ = self.reasons.send(ProbeReason::Clients);
    }

    /// A picture of this many bytes was sent through tmux: checks that it arrives.
    pub fn sent(&self, bytes: usize) {
        let _ = self.reasons.send(ProbeReason::Sent(bytes as u64));
    }
}

struct AttachWatch<F> {
    known: Tmux,
    /// How far tmux had written after the picture before.
    flow: Flow,
    /// A picture was sent while no terminal showed the window, or has not arrived after a long time.
    is_unseen: bool,
    /// How often in a row a picture was sent again.
    resends: u32,
    /// How often tmux was asked again for the name of a terminal.
    retries: u32,
    notify: F,
}

impl<F: Fn(Notice)> AttachWatch<F> {
    fn run(mut self, reasons: &Receiver<ProbeReason>) {
        while let Some(first) = self.wait(reasons) {
            let (mut clients, mut sent) = (false, 0);
            for reason in std::iter::once(first).chain(reasons.try_iter()) {
                match reason {
                    ProbeReason::Clients => clients = true,
                    ProbeReason::Sent(bytes) => sent += bytes,
                }
            }
            if clients {
                self.check_clients();
            }
            if sent > 0 {
                self.check_picture(sent);
            }
        }
    }

    /// The next reason. A timeout is one while a name is missing: tmux does not report when a terminal gives
    /// its name, which takes long on a slow connection.
    fn wait(&mut self, reasons: &Receiver<ProbeReason>) -> Option<ProbeReason> {
        if self.known.is_settled() || self.retries == NAME_RETRIES {
            self.retries = 0;
            return reasons.recv().ok();
        }
        match reasons.recv_timeout(NAME_INTERVAL) {
            Ok(reason) => Some(reason),
            Err(RecvTimeoutError::Timeout) => {
                self.retries += 1;
                Some(ProbeReason::Clients)
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn check_clients(&mut self) {
        let Ok(now) = Tmux::ask_settled(NAME_TIMEOUT) else {
            return;
        };
        let is_new = now != self.known;
        self.known = now.clone();
        // No terminal is attached: the next one is new.
        if now.clients.is_empty() {
            return;
        }
        if is_new {
            self.is_unseen = false;
            (self.notify)(Notice::Attached(now));
        } else if self.is_unseen && Flow::ask().is_ok_and(|flow| flow.visible) {
            self.is_unseen = false;
            (self.notify)(Notice::Lost);
        }
    }

    /// Waits until tmux has written a picture of this many bytes, and reports it if it was dropped.
    fn check_picture(&mut self, sent: u64) {
        let before = self.flow;
        let Some(now) = settled(|now| now.fate(&before, sent) != Fate::Waiting) else {
            return;
        };
        let fate = now.fate(&before, sent);
        self.flow = now;
        self.is_unseen = fate == Fate::Waiting || !now.visible;
        self.resends = if fate == Fate::Lost {
            self.resends + 1
        } else {
            0
        };
        if fate == Fate::Lost && now.visible && self.resends <= MAX_RESENDS {
            (self.notify)(Notice::Lost);
        }
    }
}

/// The outcome of sending a picture.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Arrived,
    Lost,
}

impl Flow {
    /// The fate of a picture of `sent` bytes that was sent after `before`.
    fn fate(&self, before: &Flow, sent: u64) -> Fate {
        // tmux removes the wrapping, a few per cent of the bytes.
        let least = sent - sent / 20;
        if self.discarded > before.discarded {
            Fate::Lost
        } else if !self.visible || self.written >= before.written + least {
            Fate::Arrived
        } else {
            Fate::Waiting
        }
    }
}

/// tmux's counts once they are `done` and nothing more is written, or after [`WRITE_TIMEOUT`].
fn settled(done: impl Fn(&Flow) -> bool) -> Option<Flow> {
    let start = Instant::now();
    let mut before = Flow::ask().ok()?;
    loop {
        thread::sleep(QUIET);
        let now = Flow::ask().ok()?;
        if done(&now) && now.written == before.written || start.elapsed() > WRITE_TIMEOUT {
            return Some(now);
        }
        before = now;
    }
}

/// Calls `changed` whenever the socket's mode changes, until it returns `false`.
#[cfg(target_os = "linux")]
fn watch(socket: &str, mut changed: impl FnMut() -> bool) {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

    let Ok(events) = inotify::init(CreateFlags::CLOEXEC) else {
        return;
    };
    if inotify::add_watch(&events, socket, WatchFlags::ATTRIB).is_err() {
        return;
    }
    let mut buffer = [0; 4096];
    while matches!(rustix::io::read(&events, &mut buffer), Ok(1..)) {
        if !changed() {
            return;
        }
    }
}

/// On other systems tmux is asked at the next key press.
#[cfg(not(target_os = "linux"))]
fn watch(_: &str, _: impl FnMut() -> bool) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_arrived_when_its_bytes_are_written_and_none_was_dropped() {
        let before = Flow {
            written: 1_000,
            discarded: 50,
            visible: true,
        };
        let fate = |written, discarded, visible| {
            let now = Flow {
                written,
                discarded,
                visible,
            };
            now.fate(&before, 100_000)
        };
        assert_eq!(
            fate(1_500, 50, true),
            Fate::Waiting,
            "a stalled connection has lost nothing yet"
        );
        assert_eq!(
            fate(100_800, 50, true),
            Fate::Arrived,
            "tmux's wrapping is not written"
        );
        assert_eq!(fate(200_000, 51, true), Fate::Lost);
        assert_eq!(
            fate(1_000, 50, false),
            Fate::Arrived,
            "no terminal shows it: there is nothing to wait for"
        );
    }
}
