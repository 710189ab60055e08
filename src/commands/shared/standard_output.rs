//! Standard output, if there is one.
//!
//! Where a standard stream was closed, as by a shell's `>&-`, Rust opens `/dev/null` in its place, so
//! that no file that is opened later becomes it. Writing then succeeds, and a table that went nowhere
//! would end with exit code 0. So the stream is looked at before Rust does that.

#![allow(
    unsafe_code,
    reason = "the stream has to be looked at before Rust's runtime starts"
)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output was closed when the program started.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// The loader runs this before `main`, and before the standard library starts.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = look;

#[cfg(any(target_os = "linux", target_os = "macos"))]
extern "C" fn look() {
    const STANDARD_OUTPUT: std::os::fd::RawFd = 1;
    // SAFETY: the descriptor is only asked about, and no other code runs yet that could close it.
    let output = unsafe { std::os::fd::BorrowedFd::borrow_raw(STANDARD_OUTPUT) };
    let is_closed = rustix::io::fcntl_getfd(output) == Err(rustix::io::Errno::BADF);
    CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Standard output, for tables and pages.
///
/// # Errors
/// If it was closed: the output would be lost.
pub fn standard_output() -> io::Result<io::Stdout> {
    if CLOSED.load(Ordering::Relaxed) {
        Err(io::Error::other("standard output is closed"))
    } else {
        Ok(io::stdout())
    }
}

/// Whether an error is a pipe that its reader has closed, as in `cxr predict scans | head`. A command
/// then ends quietly with exit code 0.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let error = cause.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
