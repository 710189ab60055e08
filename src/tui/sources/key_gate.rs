//! Lets the thread that reads keys rest while another program has the terminal: two readers would take each other's keys.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::SIGWINCH;
use signal_hook::low_level::pipe;

const PATIENCE: Duration = Duration::from_secs(1);

/// The end that asks for rest.
pub struct KeyGate {
    ask: UnixStream,
    shared: Arc<GateShared>,
    /// How long the thread may take to come to rest.
    patience: Duration,
}

/// What both ends know. A byte through the pipe only wakes the thread: numbers say whether it is still to rest, so that
/// a pause that was given up holds it no longer, and its late answer is not taken for that to the next one.
#[derive(Default)]
struct GateShared {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    /// The number of the newest pause.
    asked: u64,
    /// The pause that the thread came to rest for last.
    rests: u64,
    /// The newest pause that is over.
    over: u64,
    /// One of the ends is gone.
    closed: bool,
}

impl GateShared {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn end(&self, pause: u64) {
        self.change(|state| state.over = state.over.max(pause));
    }

    /// Rests until no pause is held; `None` if the program ends.
    fn rest(&self) -> Option<()> {
        let mut state = self.lock();
        while !state.closed && state.over < state.asked {
            state.rests = state.asked;
            self.changed.notify_all();
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        (!state.closed).then_some(())
    }
}

/// While it is held, no key is read.
pub struct Pause<'a> {
    gate: &'a KeyGate,
    number: u64,
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.gate.shared.end(self.number);
    }
}

impl KeyGate {
    /// Asks the thread to rest, and waits until it does. `None` if it does not come to rest soon.
    pub fn pause(&self) -> Option<Pause<'_>> {
        let mut state = self.shared.lock();
        state.asked += 1;
        let number = state.asked;
        drop(state);
        // Dropping it ends the pause, also where the thread does not rest in time.
        let pause = Pause { gate: self, number };
        (&self.ask).write_all(&[0]).ok()?;
        let is_awaited = |state: &mut GateState| state.rests < number && !state.closed;
        let state = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, self.patience, is_awaited);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let rests = state.rests >= number;
        drop(state);
        rests.then_some(pause)
    }
}

impl Drop for KeyGate {
    fn drop(&mut self) {
        self.shared.change(|state| state.closed = true);
    }
}

/// What the thread woke for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    Key,
    /// The terminal may have another size: crossterm learns that by a signal too.
    Size,
}

/// The end of the thread that reads keys.
pub struct KeyWait {
    asked: UnixStream,
    sizes: UnixStream,
    shared: Arc<GateShared>,
}

impl Drop for KeyWait {
    fn drop(&mut self) {
        self.shared.change(|state| state.closed = true);
    }
}

/// Makes both ends.
///
/// # Errors
/// If the system has no descriptors left, or takes no handler for the signal.
pub fn key_gate() -> io::Result<(KeyGate, KeyWait)> {
    let (ask, asked) = UnixStream::pair()?;
    let (sizes, signal) = UnixStream::pair()?;
    sizes.set_nonblocking(true)?;
    asked.set_nonblocking(true)?;
    pipe::register(SIGWINCH, signal)?;
    let shared = Arc::new(GateShared::default());
    let gate = KeyGate {
        ask,
        shared: Arc::clone(&shared),
        patience: PATIENCE,
    };
    let wait = KeyWait {
        asked,
        sizes,
        shared,
    };
    Ok((gate, wait))
}

impl KeyWait {
    /// Sleeps until there is a key to read, or the size may have changed; meanwhile it rests as often as it is asked to.
    /// `None` if the program ends or the terminal fails.
    pub fn wait(&self) -> Option<Wake> {
        let stdin = rustix::stdio::stdin();
        loop {
            let mut fds = [
                PollFd::new(&stdin, PollFlags::IN),
                PollFd::new(&self.asked, PollFlags::IN),
                PollFd::new(&self.sizes, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
                Ok(_) => {}
            }
            let [key, asked, size] = fds.map(|fd| !fd.revents().is_empty());
            if asked {
                take(&self.asked)?;
                // Until the other program has ended.
                self.shared.rest()?;
                continue;
            }
            if size {
                take(&self.sizes)?;
                return Some(Wake::Size);
            }
            if key {
                return Some(Wake::Key);
            }
        }
    }
}

/// Takes what was written; `None` once the other end is gone.
fn take(mut from: &UnixStream) -> Option<()> {
    let mut bytes = [0; 64];
    match from.read(&mut bytes) {
        Ok(0) => None,
        Ok(_) => Some(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// The thread is asked twice, rests each time until the pause is dropped, and ends with the gate.
    #[test]
    fn the_thread_rests_while_a_pause_is_held_and_ends_with_the_gate() {
        let (mut gate, wait) = key_gate().unwrap();
        gate.patience = LIMIT;
        let thread = thread::spawn(move || {
            let mut wakes = 0;
            // Standard input of a test may be closed, which counts as a key.
            while let Some(wake) = wait.wait() {
                wakes += 1;
                if wake == Wake::Key {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            wakes
        });
        for _ in 0..2 {
            let pause = gate.pause().expect("it rests");
            drop(pause);
        }
        drop(gate);
        let _ = thread.join().unwrap();
    }

    /// The thread was busy for longer than the pause waited.
    #[test]
    fn a_pause_that_was_given_up_lets_the_thread_go_on() {
        let (mut gate, wait) = key_gate().unwrap();
        assert!(gate.pause().is_none(), "no thread is there yet");
        gate.patience = LIMIT;
        let (woke, wakes) = mpsc::channel();
        let thread = thread::spawn(move || {
            while wait.wait().is_some() {
                if woke.send(()).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let wake = || {
            // Standard input may be idle: another size of the terminal wakes the thread, too.
            signal_hook::low_level::raise(SIGWINCH).unwrap();
            wakes.recv_timeout(LIMIT)
        };
        assert!(wake().is_ok(), "it rests for ever");
        let pause = gate.pause().expect("it rests");
        // What it woke for before it came to rest.
        thread::sleep(Duration::from_millis(50));
        while wakes.try_recv().is_ok() {}
        signal_hook::low_level::raise(SIGWINCH).unwrap();
        let late = wakes.recv_timeout(Duration::from_millis(200));
        assert!(late.is_err(), "it does not rest");
        drop(pause);
        assert!(wake().is_ok());
        drop(wakes);
        drop(gate);
        thread.join().unwrap();
    }
}
