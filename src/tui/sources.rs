//! The threads and hooks that send messages to the loop: signals, tmux, keys and mouse, and what the disk says. The walk
//! over the folders is in [`scan`](super::scan).

mod key_gate;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use ratatui::layout::Size;

use super::BATCH;
use super::model::HeaderRead;
use super::terminal::{self, Capabilities, Inside, LateAnswer, Notice, Signal, Tmux, TmuxWatch};
use super::update::Message;
use super::worklist::Undated;
use crate::library::{self, DiskNews, KnownFile};
use crate::store::{self, Ending};
use crate::worker::{self, HeaderJobs};
pub use key_gate::{KeyGate, key_gate};
use key_gate::{KeyWait, Wake};

/// After so long without a key, the reader may have moved to another terminal.
const AWAY: Duration = Duration::from_secs(2);
/// How long unsaved reviews may delay the end after a signal: longer than the recorder needs to write them
/// to the store or to a file beside it.
const LAST_REVIEWS: Duration = Duration::from_secs(20);
/// How long crossterm may take to learn of another size after the signal came.
const SIZE_PATIENCE: Duration = Duration::from_millis(100);

/// Turns signals into messages; called before the terminal is taken. The thread that draws may hang in a
/// write to a dead line, so a signal also has the recorder write the reviews without that thread.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn listen_for_signals(
    sender: &Sender<Message>,
    ending: Arc<OnceLock<Ending>>,
) -> io::Result<()> {
    let sender = sender.clone();
    let notify = move |signal| {
        let _ = sender.send(match signal {
            Signal::Quit(code) => Message::Quit(code),
            Signal::Suspend => Message::Suspend,
            Signal::Resume => Message::Refresh,
        });
    };
    terminal::watch(notify, move || {
        if let Some(ending) = ending.get() {
            ending.end_within(LAST_REVIEWS);
        }
    })
}

/// Watches tmux, if the screen is inside one: another terminal may be attached to it.
pub fn watch_tmux(can: &Capabilities, sender: &Sender<Message>) -> Option<TmuxWatch> {
    let Inside::Tmux(tmux) = &can.inside else {
        return None;
    };
    let sender = sender.clone();
    Some(TmuxWatch::start(tmux.as_ref().clone(), move |notice| {
        let _ = sender.send(match notice {
            Notice::Attached(now) => Message::Attached(now.into()),
            Notice::Lost => Message::Refresh,
        });
    }))
}

/// Turns keys, the mouse, pastes and changes of size into messages.
pub fn listen_for_keys(
    sender: Sender<Message>,
    mut late: LateAnswer,
    tmux_watch: Option<TmuxWatch>,
    wait: KeyWait,
) {
    thread::spawn(move || {
        let mut last = Instant::now();
        while let Some(events) = next_events(&wait) {
            // A reader who returns may sit at another terminal of the same tmux now.
            let returns = |event: &Event| matches!(event, Event::FocusGained | Event::Resize(..));
            let returns = events.iter().any(returns);
            let pause = std::mem::replace(&mut last, Instant::now()).elapsed();
            if let Some(tmux_watch) = tmux_watch.as_ref().filter(|_| returns || pause > AWAY) {
                tmux_watch.check_clients();
            }
            let messages = events.into_iter().filter_map(|event| match event {
                Event::Key(key) if late.swallows(&key) => None,
                Event::Key(key) => Some(Message::Key(key)),
                Event::Mouse(mouse) => Some(Message::Mouse(mouse)),
                Event::Paste(text) => Some(Message::Paste(text)),
                Event::Resize(width, height) => {
                    let size = terminal::drawable(Size { width, height });
                    Some(Message::Resize(size))
                }
                Event::FocusGained | Event::FocusLost => None,
            });
            let mut messages = messages.collect::<Vec<_>>();
            if late.take_kitty() {
                messages.push(Message::HasKitty);
            }
            let message = match messages {
                messages if messages.is_empty() => continue,
                messages => Message::Several(messages),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
}

/// Waits for an event, and takes all others that have arrived by then: the reader typed them without seeing
/// what the first one led to, so nothing is drawn between them. `None` if the terminal cannot be read.
fn next_events(wait: &KeyWait) -> Option<Vec<Event>> {
    // Events that crossterm has read already make no descriptor readable.
    while !event::poll(Duration::ZERO).ok()? {
        match wait.wait()? {
            Wake::Key => break,
            Wake::Size if event::poll(SIZE_PATIENCE).ok()? => break,
            Wake::Size => {}
        }
    }
    let mut events = vec![event::read().ok()?];
    while events.len() < BATCH && event::poll(Duration::ZERO).unwrap_or(false) {
        events.push(event::read().ok()?);
    }
    Some(events)
}

/// The watch over the folders.
pub struct DiskWatch {
    /// Ends it when it is dropped.
    pub hold: Sender<()>,
    /// Tells once when it stands, and nothing where there is none.
    pub stands: Receiver<()>,
}

/// Reports changed files where the system reports them; elsewhere the reader presses a key to look for changes. Watching
/// a large tree takes a while to set up, so a thread does it.
pub fn watch_disk(roots: Vec<PathBuf>, log: PathBuf, sender: Sender<Message>) -> DiskWatch {
    let (hold, dropped) = mpsc::channel::<()>();
    let (stand, stands) = mpsc::channel();
    thread::spawn(move || {
        let is_log = move |path: &Path| store::is_part_of(&log, path);
        let to_screen = sender.clone();
        let watch = library::watch(&roots, is_log, move |news| {
            let asked = false;
            let _ = to_screen.send(match news {
                DiskNews::Touched(touched) => Message::Touched { touched, asked },
                DiskNews::Missed => Message::LookAgain,
                DiskNews::Ended(reason) => Message::Unwatched(reason),
            });
        });
        match watch {
            Ok(_watch) => {
                let _ = stand.send(());
                let _ = dropped.recv();
            }
            Err(reason) => drop(sender.send(Message::Unwatched(reason))),
        }
    });
    DiskWatch { hold, stands }
}

/// Walks the folders again in a thread, and reports what differs from the `known` files. Unless the reader `asked`, no
/// server is.
pub fn spawn_rescan(
    roots: Arc<[PathBuf]>,
    log: PathBuf,
    mut known: Vec<KnownFile>,
    asked: bool,
    sender: Sender<Message>,
) {
    thread::spawn(move || {
        let is_log = |path: &Path| store::is_part_of(&log, path);
        let mut roots = roots.to_vec();
        if !asked {
            roots.retain(|root| library::can_be_watched(root));
            known.retain(|file| library::can_be_watched(&file.path));
        }
        let touched = library::rescan(&roots, is_log, &known);
        let _ = sender.send(Message::Touched { touched, asked });
        let _ = sender.send(Message::LookedAgain);
    });
}

/// Reads the DICOM header of a file in a thread.
pub fn spawn_header(source: Arc<Path>, sender: Sender<Message>) {
    thread::spawn(move || {
        let read = worker::header(&source);
        let read = read.map(|(content, lines)| HeaderRead {
            content,
            lines: lines.map(Arc::from),
        });
        let _ = sender.send(Message::Header { source, read });
    });
}

/// Reads headers in a thread until the returned sender is dropped.
pub fn spawn_header_reader(sender: Sender<Message>) -> Sender<HeaderJobs> {
    let (jobs, queue) = mpsc::channel();
    thread::spawn(move || {
        worker::read_headers(&queue, |batch| sender.send(Message::Headers(batch)).is_ok());
    });
    jobs
}

/// Reads which images files hold, in a thread, until the returned sender is dropped.
pub fn spawn_content_reader(sender: Sender<Message>) -> Sender<Vec<Arc<Path>>> {
    let (jobs, queue) = mpsc::channel();
    thread::spawn(move || {
        worker::read_contents(&queue, |files| {
            sender.send(Message::Contents(files)).is_ok()
        });
    });
    jobs
}

/// Asks tmux again in a thread, since it may be slow.
pub fn ask_tmux_again(sender: Sender<Message>) {
    thread::spawn(move || {
        if let Ok(tmux) = Tmux::ask() {
            let _ = sender.send(Message::Attached(tmux.into()));
        }
    });
}

/// Asks the disk in a thread, since it may be slow, when files were last modified.
pub fn spawn_dating(undated: Undated, sender: Sender<Message>) {
    thread::spawn(move || {
        let files = undated.0.into_iter();
        let times = files.map(|(index, path)| (index, library::changed(&path)));
        let _ = sender.send(Message::Dated(times.collect()));
    });
}
