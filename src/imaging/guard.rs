//! Catches panics in decoders and turns them into faults of the file, without printing.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::ImageFault;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// True while this thread runs a decoder whose panic will be caught. A panic hook that writes to the
/// terminal, or restores it, must check this first.
pub fn panic_is_guarded() -> bool {
    GUARDED.get()
}

/// Runs `work`. If it panics, the result is [`ImageFault::DecoderDied`], and nothing is printed.
pub(super) fn catching_panics<T>(
    work: impl FnOnce() -> Result<T, ImageFault>,
) -> Result<T, ImageFault> {
    silence_guarded_panics();
    let outer = GUARDED.replace(true);
    // Unwind safety: what `work` captured is not used again after a panic.
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.unwrap_or_else(|panic| Err(ImageFault::died(message(&*panic))))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_fault_and_the_thread_continues() {
        let died = catching_panics::<()>(|| panic!("bad \x1b[31mbyte"));
        assert_eq!(died, Err(ImageFault::DecoderDied("bad [31mbyte".into())));
        assert!(!panic_is_guarded());
        assert_eq!(catching_panics(|| Ok(7)), Ok(7));
    }
}
