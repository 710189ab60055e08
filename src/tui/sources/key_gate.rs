//! Lets the thread that reads keys rest while another program has the terminal: two readers would take each other's keys.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::SIGWINCH;
use signal_hook::low_level::pipe;

/// How long the thread may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(1);

/// The end that asks for rest.
pub struct KeyGate {
    ask: UnixStream,
    rests: Receiver<()>,
    go_on: Sender<()>,
}

/// While it is held, no key is read.
pub struct Pause<'a>(&'a KeyGate);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let _ = self.0.go_on.send(());
    }
}

impl KeyGate {
    /// Asks the thread to rest, and waits until it does. `None` if it does not come to rest soon.
    pub fn pause(&self) -> Option<Pause<'_>> {
        // An answer to an earlier question that came too late.
        while self.rests.try_recv().is_ok() {
            let _ = self.go_on.send(());
        }
        (&self.ask).write_all(&[0]).ok()?;
        self.rests.recv_timeout(PATIENCE).ok()?;
        Some(Pause(self))
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
    rest: Sender<()>,
    go_on: Receiver<()>,
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
    let (rest, rests) = mpsc::channel();
    let (resume, go_on) = mpsc::channel();
    let gate = KeyGate {
        ask,
        rests,
        go_on: resume,
    };
    let wait = KeyWait {
        asked,
        sizes,
        rest,
        go_on,
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
                self.rest.send(()).ok()?;
                // Until the other program has ended.
                self.go_on.recv().ok()?;
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
    use std::thread;

    use super::*;

    /// The thread is asked twice, rests each time until the pause is dropped, and ends with the gate.
    #[test]
    fn the_thread_rests_while_a_pause_is_held_and_ends_with_the_gate() {
        let (gate, wait) = key_gate().unwrap();
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
}
