//! Standard output, if there is one.
//!
//! Rust opens `/dev/null` in the place of a standard stream that was closed, as by a shell's `>&-`,
//! so that no file that is opened later becomes it. Writing to it then succeeds, and a table that is
//! nowhere would end with 0. So it is looked at before Rust does that.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it was closed when the program started.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Run by the loader before `main`, and before the standard library's own beginning.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static AT_THE_BEGINNING: extern "C" fn() = look;

#[cfg(any(target_os = "linux", target_os = "macos"))]
extern "C" fn look() {
    const STANDARD_OUTPUT: std::os::fd::RawFd = 1;
    // SAFETY: it is only asked about, and nothing else runs yet that could close it.
    let output = unsafe { std::os::fd::BorrowedFd::borrow_raw(STANDARD_OUTPUT) };
    let is_closed = rustix::io::fcntl_getfd(output) == Err(rustix::io::Errno::BADF);
    CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Where tables and pages are printed.
///
/// # Errors
/// If it was closed: what is printed would be nowhere.
pub fn standard_output() -> io::Result<io::Stdout> {
    match CLOSED.load(Ordering::Relaxed) {
        true => Err(io::Error::other("standard output is closed")),
        false => Ok(io::stdout()),
    }
}

/// Whether the reader of what was printed has had enough: `cxr predict scans | head`. That is no
/// error. It ends quietly, with status 0, however early the reader went.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let error = cause.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
