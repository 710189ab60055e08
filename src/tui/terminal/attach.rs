//! Notices what tmux does not tell: that another terminal has come to look at this pane, and that a
//! picture did not reach it.
//!
//! A terminal that comes changes nothing that a program could see, unless the size is another or
//! `focus-events` is on. But tmux marks its socket executable while anybody is attached, and of that
//! the kernel tells. What goes past tmux is lost where nobody looks at the window, or while a
//! terminal does not keep up: that is asked for after each picture.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::tmux::{Flow, Tmux};

/// A terminal that has just come says its name within this time, or never.
const NAMELESS: Duration = Duration::from_millis(600);
/// One that has not by then is asked again after so long, so often.
const LATER: Duration = Duration::from_secs(1);
const PATIENT: u32 = 8;
/// A line that has written nothing for so long has written all.
const QUIET: Duration = Duration::from_millis(120);
/// After this time it is not waited for.
const LONG: Duration = Duration::from_secs(20);
/// So often in a row a picture is sent again.
const TRIES: u32 = 3;

/// What was noticed.
pub enum Notice {
    /// Other terminals than before, or the same in another way.
    Attached(Tmux),
    /// The picture has to be sent again.
    Lost,
}

enum ProbeReason {
    Look,
    /// So many bytes.
    Sent(u64),
}

/// A thread that asks tmux whenever there is a reason to.
#[derive(Clone)]
pub struct Attendant {
    causes: Sender<ProbeReason>,
}

impl Attendant {
    /// `known` is what tmux said before.
    pub fn start(known: Tmux, notify: impl Fn(Notice) + Send + 'static) -> Self {
        let (causes, cause) = mpsc::channel();
        let socket = std::env::var("TMUX").unwrap_or_default();
        let socket = socket.split(',').next().unwrap_or_default().to_owned();
        let attendant = Attendant { causes };
        let attached = attendant.clone();
        thread::spawn(move || watch(&socket, || attached.causes.send(ProbeReason::Look).is_ok()));
        // Whose name was not waited for to the end.
        if !known.is_settled() {
            attendant.look();
        }
        let watch = AttachWatch {
            known,
            flow: Flow::ask().unwrap_or_default(),
            owed: false,
            tries: 0,
            asked: 0,
            notify,
        };
        thread::spawn(move || watch.run(&cause));
        attendant
    }

    /// Something has happened that another terminal could be behind.
    pub fn look(&self) {
        let _ = self.causes.send(ProbeReason::Look);
    }

    /// A picture of so many bytes went past tmux.
    pub fn sent(&self, bytes: usize) {
        let _ = self.causes.send(ProbeReason::Sent(bytes as u64));
    }
}

struct AttachWatch<F> {
    known: Tmux,
    /// How things stood after the picture before.
    flow: Flow,
    /// A picture was sent while nobody looked, or is not there yet after a long time.
    owed: bool,
    /// How often one has been sent again.
    tries: u32,
    /// How often a terminal without a name has been asked again.
    asked: u32,
    notify: F,
}

impl<F: Fn(Notice)> AttachWatch<F> {
    fn run(mut self, causes: &Receiver<ProbeReason>) {
        while let Some(first) = self.wait(causes) {
            let (mut look, mut sent) = (false, 0);
            for cause in std::iter::once(first).chain(causes.try_iter()) {
                match cause {
                    ProbeReason::Look => look = true,
                    ProbeReason::Sent(bytes) => sent += bytes,
                }
            }
            if look {
                self.look();
            }
            if sent > 0 {
                self.check(sent);
            }
        }
    }

    /// The next cause. Nothing tells when a terminal has said its name, on a slow line long after it
    /// came.
    fn wait(&mut self, causes: &Receiver<ProbeReason>) -> Option<ProbeReason> {
        if self.known.is_settled() || self.asked == PATIENT {
            self.asked = 0;
            return causes.recv().ok();
        }
        match causes.recv_timeout(LATER) {
            Ok(cause) => Some(cause),
            Err(RecvTimeoutError::Timeout) => {
                self.asked += 1;
                Some(ProbeReason::Look)
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn look(&mut self) {
        let Ok(now) = Tmux::ask_settled(NAMELESS) else {
            return;
        };
        let is_new = now != self.known;
        self.known = now.clone();
        // Nobody looks: whoever comes will be another.
        if now.clients.is_empty() {
            return;
        }
        if is_new {
            self.owed = false;
            (self.notify)(Notice::Attached(now));
        } else if self.owed && Flow::ask().is_ok_and(|flow| flow.visible) {
            self.owed = false;
            (self.notify)(Notice::Lost);
        }
    }

    /// Waits until the line has taken so many bytes, and says if something was thrown away.
    fn check(&mut self, sent: u64) {
        let before = self.flow;
        let Some(now) = quiet(|now| now.fate(&before, sent) != Fate::Waiting) else {
            return;
        };
        let fate = now.fate(&before, sent);
        self.flow = now;
        self.owed = fate == Fate::Waiting || !now.visible;
        self.tries = if fate == Fate::Lost {
            self.tries + 1
        } else {
            0
        };
        if fate == Fate::Lost && now.visible && self.tries <= TRIES {
            (self.notify)(Notice::Lost);
        }
    }
}

/// What became of a picture.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Arrived,
    Lost,
}

impl Flow {
    /// Of so many bytes that were sent since `before`.
    fn fate(&self, before: &Flow, sent: u64) -> Fate {
        // tmux takes its own wrapping off.
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

/// How things stand once it is `done` and nothing has been written for a while, or after a long time.
fn quiet(done: impl Fn(&Flow) -> bool) -> Option<Flow> {
    let start = Instant::now();
    let mut before = Flow::ask().ok()?;
    loop {
        thread::sleep(QUIET);
        let now = Flow::ask().ok()?;
        if done(&now) && now.written == before.written || start.elapsed() > LONG {
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

/// Elsewhere the next key press has tmux asked.
#[cfg(not(target_os = "linux"))]
fn watch(_: &str, _: impl FnMut() -> bool) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_arrived_when_its_bytes_are_written_and_none_was_thrown_away() {
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
            "a stalled line has lost nothing yet"
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
            "nobody looks: there is nothing to wait for"
        );
    }
}
