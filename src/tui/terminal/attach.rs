//! Notices that another terminal has come to look at this tmux pane.
//!
//! tmux tells its programs nothing of that, unless the size is another or `focus-events` is on. But
//! it marks its socket executable while anybody is attached, which the kernel reports for nothing.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::tmux::Tmux;

/// A terminal that has just come says its name within this time, or never.
const NAMELESS: Duration = Duration::from_millis(600);
const STEP: Duration = Duration::from_millis(100);

/// A thread that asks tmux again whenever there is a reason to, and tells what is new.
pub struct Attendant {
    reasons: Sender<()>,
}

impl Attendant {
    /// `known` is what tmux said before; `notify` is called when it says something else.
    pub fn start(known: Tmux, notify: impl Fn(Tmux) + Send + 'static) -> Self {
        let (reasons, reason) = mpsc::channel();
        let socket = std::env::var("TMUX").unwrap_or_default();
        let socket = socket.split(',').next().unwrap_or_default().to_owned();
        let attached = reasons.clone();
        thread::spawn(move || watch(&socket, || attached.send(()).is_ok()));
        let nameless = !known.is_settled();
        thread::spawn(move || attend(known, &reason, notify));
        let attendant = Attendant { reasons };
        // A session that has just begun: its terminal has not said who it is.
        if nameless {
            attendant.look();
        }
        attendant
    }

    /// Has tmux asked again: something has happened that another terminal could be behind.
    pub fn look(&self) {
        let _ = self.reasons.send(());
    }
}

fn attend(mut known: Tmux, reasons: &Receiver<()>, notify: impl Fn(Tmux)) {
    while reasons.recv().is_ok() {
        while reasons.try_recv().is_ok() {}
        let Some(now) = settled() else { continue };
        // Nobody looks: whoever comes will be another.
        if now != known && !now.clients.is_empty() {
            notify(now.clone());
        }
        known = now;
    }
}

/// What tmux says once everyone attached has said their name.
fn settled() -> Option<Tmux> {
    let mut waited = Duration::ZERO;
    loop {
        let now = Tmux::ask().ok()?;
        if now.is_settled() || waited >= NAMELESS {
            return Some(now);
        }
        thread::sleep(STEP);
        waited += STEP;
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
