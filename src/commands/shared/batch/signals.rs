//! Ctrl-C and SIGTERM end a batch between two rows; the second signal ends it at once.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::commands::shared::ended_by;

/// The signals that ask this process to stop. SIGHUP is not among them, because `nohup` wants it
/// ignored.
pub struct Signals {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Installs the signal handlers.
    ///
    /// # Errors
    /// If the system refuses one.
    pub fn watch() -> io::Result<Self> {
        let signals = Signals {
            stop: Arc::default(),
            received: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM] {
            // In this order, so that the first signal sets the flag that makes the second one final.
            flag::register_conditional_shutdown(signal, 128 + signal, signals.stop.clone())?;
            flag::register(signal, signals.stop.clone())?;
            flag::register_usize(signal, signals.received.clone(), signal as usize)?;
        }
        Ok(signals)
    }

    /// Becomes true with the first signal.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// The exit code after a signal; `None` if there was none.
    pub fn exit_code(&self) -> Option<ExitCode> {
        match self.received.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(signal).ok().map(ended_by),
        }
    }
}
