//! Processes are not started while this one stops.
//!
//! A thread that starts a process waits until the new one runs its program (vfork(2)). The new one is in the group of this
//! one until then. If the group is stopped in this moment (`Ctrl-Z`), the new process never gets there, its parent's thread
//! never stops, and a shell waits for ever.

use std::io;
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock};

static STARTING: RwLock<()> = RwLock::new(());

/// Starts a process, while no other thread stops this one.
///
/// # Errors
/// As [`Command::spawn`].
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Runs what stops this process, while none is being started.
pub fn while_none_starts<T>(stop: impl FnOnce() -> T) -> T {
    let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    stop()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_started_while_this_process_stops() {
        let has_ended = AtomicBool::new(false);
        thread::scope(|scope| {
            while_none_starts(|| {
                scope.spawn(|| {
                    let child = spawn(&mut Command::new("true"));
                    assert!(has_ended.load(Ordering::SeqCst), "started meanwhile");
                    child.unwrap().wait().unwrap();
                });
                for _ in 0..1000 {
                    thread::yield_now();
                }
                has_ended.store(true, Ordering::SeqCst);
            });
        });
    }
}
