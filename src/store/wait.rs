//! How long the locks of other processes are waited for, and that the end of the program shortens it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// Between two looks at a lock.
const NAP: Duration = Duration::from_millis(10);
/// How long a statement still waits in a hurry: another process's commit is over by then.
const HURRIED: Duration = Duration::from_millis(250);

/// Whether there is a hurry; its clones are one.
#[derive(Debug, Clone, Default)]
pub struct Wait(Arc<AtomicBool>);

impl Wait {
    /// From now on nothing waits long, not even what waits already.
    pub fn hurry(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_hurried(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether what began then may be tried again.
    pub fn allows(&self, begun: Instant, patience: Duration) -> bool {
        let patience = match self.is_hurried() {
            true => patience.min(HURRIED),
            false => patience,
        };
        begun.elapsed() < patience
    }

    /// Has each statement of a connection wait so long for locks.
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
