//! Signals, and a terminal that is closed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossterm::terminal::disable_raw_mode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal as Number, getpgrp, getsid, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::starting;

/// Whether another program has the terminal. The keys that interrupt or suspend it go to this process too, since both are
/// one job.
static LENT: AtomicBool = AtomicBool::new(false);

/// Runs `run` while keys that send signals are meant for another program.
pub fn without_interrupts<T>(run: impl FnOnce() -> T) -> T {
    LENT.store(true, Ordering::SeqCst);
    let result = run();
    LENT.store(false, Ordering::SeqCst);
    result
}

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End with this exit code.
    Quit(u8),
    /// Stop until `fg`.
    Suspend,
    /// The process was stopped and goes on: the screen has to be drawn anew.
    Resume,
}

/// The exit code of a program whose terminal was closed.
pub const HUNG_UP: u8 = 128 + SIGHUP as u8;

/// How long an orderly end may take after SIGTERM, SIGHUP or the end of the terminal.
const GRACE: Duration = Duration::from_millis(1200);
/// How long giving the terminal back may take after that.
const LAST_TRY: Duration = Duration::from_millis(300);

/// Watches for signals and for the end of the terminal, and calls `notify`. If the program does not end
/// soon after a request to quit, calls `finish`, which saves what is only in memory, and ends it.
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
                SIGINT if LENT.load(Ordering::SeqCst) => {}
                // The other program has stopped by now: the shell waits for both.
                SIGTSTP if LENT.load(Ordering::SeqCst) => {
                    if can_stop() {
                        let _ = stop_here();
                    }
                }
                SIGTSTP => tell(Signal::Suspend),
                SIGCONT => tell(Signal::Resume),
                number => end(&tell, &last, 128 + number as u8),
            }
        }
    });
    thread::spawn(move || {
        // crossterm 0.29 spins on a terminal that is closed, so this is watched here.
        wait_for_hang_up();
        end(&notify, &finish, HUNG_UP);
    });
    Ok(())
}

/// Asks for an orderly end, and ends the process if it does not come in time.
fn end(notify: &impl Fn(Signal), finish: &(impl Fn() + Clone + Send + 'static), code: u8) {
    notify(Signal::Quit(code));
    let finish = finish.clone();
    thread::spawn(move || {
        thread::sleep(GRACE);
        // The drawing thread may hang in a write to a stalled connection and hold standard output. Resetting
        // the modes needs no output; leaving does, so it is tried on a thread of its own.
        let _ = disable_raw_mode();
        thread::spawn(super::leave);
        finish();
        thread::sleep(LAST_TRY);
        std::process::exit(code.into());
    });
}

/// Sleeps until the terminal at standard input is closed. `poll` reports that even if it is asked for no
/// event, so there is no wake-up until then.
fn wait_for_hang_up() {
    let stdin = rustix::stdio::stdin();
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) | Ok(0) => continue,
            _ => return,
        }
    }
}

/// Whether the terminal at standard input is closed.
pub fn is_dead() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Whether a shell with job control could continue this process. Such a shell gives each job a process
/// group of its own. Without one (`ssh -t host cxr`, `exec cxr`) the group is the session's, and a stopped
/// process would never be continued.
pub fn can_stop() -> bool {
    getsid(None).is_ok_and(|session| session != getpgrp())
}

/// Stops the whole job, including a script around it, until it is continued.
///
/// # Errors
/// If the signal cannot be sent.
pub fn stop_here() -> io::Result<()> {
    // Not SIGTSTP, for which this program has a handler.
    let stop = || kill_current_process_group(Number::STOP);
    starting::while_none_starts(stop).map_err(Into::into)
}
