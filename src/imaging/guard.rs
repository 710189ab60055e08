//! Catches panics in decoders and turns them into faults of the file, without printing.

use super::ImageFault;
use crate::sources;
pub use crate::sources::panic_is_guarded;

/// Runs `work`. If it panics, the result is [`ImageFault::DecoderDied`], and nothing is printed.
pub(super) fn catching_panics<T>(
    work: impl FnOnce() -> Result<T, ImageFault>,
) -> Result<T, ImageFault> {
    sources::catching_panics(work).unwrap_or_else(|panic| Err(ImageFault::died(panic)))
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
