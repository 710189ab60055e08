//! Where weights and maps lie: one after another in regions of huge pages, 2 MiB each where the system
//! has them.
//!
//! In pages of 4 KiB, a network's 14 MB are more than a processor remembers the addresses of: that took
//! 2 to 5 % of the time of MobileNetV2 and of the bundled network on Zen 4.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// Bytes of a region, if a piece is not longer. What nobody took of it takes no memory, but for the rest
/// of a page. In tests a piece is a region, so that a sanitizer sees where it ends.
const REGION: usize = if cfg!(test) { ALIGNMENT } else { 16 << 20 };

/// Pieces begin on a cache line.
const ALIGNMENT: usize = 64;

/// Some bytes of a region. Nothing was written there yet.
pub struct Piece {
    pub start: NonNull<u8>,
    /// Freed with its last piece.
    _region: Arc<CallerRegion>,
}

struct CallerRegion {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: nothing but a place in memory; who may write where is for pieces to say.
unsafe impl Send for CallerRegion {}
// SAFETY: as above.
unsafe impl Sync for CallerRegion {}

/// The region that pieces are taken from, and how much of it is taken.
static CURRENT: Mutex<(Weak<CallerRegion>, usize)> = Mutex::new((Weak::new(), 0));

impl Piece {
    /// Of so many bytes, on a cache line.
    pub fn take(bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        let (region, taken) = match (current.0.upgrade(), current.1) {
            (Some(region), taken) if region.layout.size() - taken >= bytes => (region, taken),
            _ => (Arc::new(CallerRegion::new(bytes)), 0),
        };
        *current = (Arc::downgrade(&region), taken + bytes);
        Piece {
            // SAFETY: inside the region, since that has so many bytes left.
            start: unsafe { region.start.add(taken) },
            _region: region,
        }
    }
}

impl CallerRegion {
    /// Of at least so many bytes.
    fn new(bytes: usize) -> Self {
        let (size, alignment) = match bytes.max(REGION) {
            size if size < HUGE => (size, ALIGNMENT),
            size => (size.next_multiple_of(HUGE), HUGE),
        };
        let layout =
            Layout::from_size_align(size, alignment).expect("an alignment is a power of two");
        // SAFETY: it is not empty, since no piece is.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout);
        };
        if alignment == HUGE {
            in_huge_pages(start, size);
        }
        CallerRegion { start, layout }
    }
}

impl Drop for CallerRegion {
    fn drop(&mut self) {
        // SAFETY: allocated so, and no piece is left.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn in_huge_pages(start: NonNull<u8>, size: usize) {
    use rustix::mm::{Advice, madvise};
    // SAFETY: memory of ours, of which nothing but the size of its pages changes. A system that has no
    // such pages refuses, and goes on with small ones.
    let _ = unsafe { madvise(start.as_ptr().cast(), size, Advice::LinuxHugepage) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn in_huge_pages(_: NonNull<u8>, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_apart_and_on_cache_lines() {
        let lengths = [1, 64, 65, 3 * HUGE, 7];
        let pieces: Vec<_> = lengths.map(Piece::take).into_iter().zip(lengths).collect();
        for (n, (piece, length)) in pieces.iter().enumerate() {
            assert_eq!(piece.start.as_ptr() as usize % ALIGNMENT, 0);
            // SAFETY: a piece of so many bytes.
            unsafe { piece.start.write_bytes(n as u8, *length) };
        }
        for (n, (piece, length)) in pieces.iter().enumerate() {
            // SAFETY: as above, and all was written.
            let ends = unsafe { [piece.start, piece.start.add(length - 1)].map(|at| at.read()) };
            assert_eq!(ends, [n as u8; 2]);
        }
    }
}
