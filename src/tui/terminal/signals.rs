//! Signals from outside, and a terminal that dies.

use std::io;
use std::thread;
use std::time::Duration;

use crossterm::terminal::disable_raw_mode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal as Number, getpgrp, getsid, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The exit code that says why.
    Quit(u8),
    Suspend,
    /// The process was stopped and goes on: the screen is somebody else's drawing now.
    Resume,
}

/// The exit code of a program whose terminal was closed.
pub const HUNG_UP: u8 = 128 + SIGHUP as u8;

/// How long an orderly end may take after SIGTERM, SIGHUP or the terminal's death.
const GRACE: Duration = Duration::from_millis(1200);
/// … and giving the terminal back from here.
const LAST_TRY: Duration = Duration::from_millis(300);

/// Watches for signals and for the terminal's death, and tells `notify`. If the program has not
/// ended soon after it was asked to, it is ended here, once `finish` has brought to the disk what is
/// only in memory.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn watch(
    notify: impl Fn(Signal) + Clone + Send + 'static,
    finish: impl Fn() + Clone + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])?;
    let (tell, last) = (notify.clone(), finish.clone());
    thread::spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGTSTP => tell(Signal::Suspend),
                SIGCONT => tell(Signal::Resume),
                number => end(&tell, &last, 128 + number as u8),
            }
        }
    });
    thread::spawn(move || {
        // crossterm 0.29 spins on a terminal that is gone, so that is looked for here.
        wait_for_death();
        end(&notify, &finish, HUNG_UP);
    });
    Ok(())
}

/// Asks for an orderly end, and makes one if there is none in time.
fn end(notify: &impl Fn(Signal), finish: &(impl Fn() + Clone + Send + 'static), code: u8) {
    notify(Signal::Quit(code));
    let finish = finish.clone();
    thread::spawn(move || {
        thread::sleep(GRACE);
        // The drawing thread may hang in a write to a line that nobody reads, and hold standard
        // output. Modes need no output; the rest is tried, and not waited for.
        let _ = disable_raw_mode();
        thread::spawn(super::leave);
        finish();
        thread::sleep(LAST_TRY);
        std::process::exit(code.into());
    });
}

/// Sleeps until standard input has no terminal at its other end any more. Asking for no event at
/// all still reports that one, and costs no wake-up until then.
fn wait_for_death() {
    let stdin = rustix::stdio::stdin();
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) | Ok(0) => continue,
            _ => return,
        }
    }
}

/// Whether standard input has no terminal at its other end any more.
pub fn is_dead() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Whether a shell with job control is there to come back to. Each of its jobs has a process group
/// of its own; without one (`ssh -t host cxr`, `exec cxr`) the group is the session's, and whoever
/// stopped in it could never be continued.
pub fn can_stop() -> bool {
    getsid(None).is_ok_and(|session| session != getpgrp())
}

/// Stops the whole job, a wrapping script too, until it is continued.
///
/// # Errors
/// If the signal cannot be sent.
pub fn stop_here() -> io::Result<()> {
    // SIGSTOP and not SIGTSTP: that one has our handler.
    kill_current_process_group(Number::STOP).map_err(Into::into)
}
