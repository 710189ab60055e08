//! Catches panics in code that reads what others wrote, without printing.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// True while this thread runs a decoder whose panic will be caught. A panic hook that writes to the
/// terminal, or restores it, must check this first.
pub fn panic_is_guarded() -> bool {
    GUARDED.get()
}

/// Runs `work` and prints nothing if it panics.
///
/// # Errors
/// What the panic said.
pub fn catching_panics<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    silence_guarded_panics();
    let outer = GUARDED.replace(true);
    // Unwind safety: what `work` captured is not used again after a panic.
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|panic| message(&*panic).to_owned())
}

/// Installs, once, a panic hook that is silent for guarded panics and otherwise calls the previous hook.
fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if !panic_is_guarded() {
                previous(info);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it panicked")
}
