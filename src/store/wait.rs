//! Waiting for the locks of other processes. The end of the program shortens it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// Between two attempts.
const NAP: Duration = Duration::from_millis(10);
/// How long a statement waits in a hurry: longer than another process needs for a commit.
const HURRIED: Duration = Duration::from_millis(250);

/// Whether there is a hurry. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Wait(Arc<AtomicBool>);

impl Wait {
    /// From now on no statement waits long, including those that wait already.
    pub fn hurry(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_hurried(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether an operation that began then may be tried again.
    pub fn allows(&self, begun: Instant, patience: Duration) -> bool {
        let patience = if self.is_hurried() {
            patience.min(HURRIED)
        } else {
            patience
        };
        begun.elapsed() < patience
    }

    /// Lets each statement of a connection wait for locks, but no longer than `patience`.
    pub fn install(&self, connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
        let wait = self.clone();
        let mut begun = Instant::now();
        connection.busy_handler(Some(move |count| {
            if count == 0 {
                begun = Instant::now();
            }
            let waits = wait.allows(begun, patience);
            if waits {
                thread::sleep(NAP);
            }
            waits
        }))
    }
}
