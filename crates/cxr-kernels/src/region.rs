//! The memory of weights and maps: pieces of large regions, in huge pages (2 MiB) where the system has
//! them.
//!
//! In pages of 4 KiB, the 14 MB of a network have more addresses than a processor's translation cache
//! holds. That cost 2 to 5 % of the time of MobileNetV2 and of the bundled network on Zen 4.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// Bytes of a region, unless a piece is longer. The part that no piece uses takes no physical memory. In
/// tests each piece has its own region, so that a sanitizer sees where it ends.
const REGION: usize = if cfg!(test) { ALIGNMENT } else { 16 << 20 };

/// Pieces begin on a cache line.
const ALIGNMENT: usize = 64;

/// Some bytes of a region, not yet written.
pub struct Piece {
    pub start: NonNull<u8>,
    /// Freed with its last piece.
    _region: Arc<MemoryRegion>,
}

struct MemoryRegion {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a region is an address; the pieces, which do not overlap, say who may write where.
unsafe impl Send for MemoryRegion {}
// SAFETY: as above.
unsafe impl Sync for MemoryRegion {}

/// The region that pieces are taken from, and how many of its bytes are taken.
static CURRENT: Mutex<(Weak<MemoryRegion>, usize)> = Mutex::new((Weak::new(), 0));

impl Piece {
    /// A piece of at least `bytes`, which starts on a cache line.
    pub fn take(bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        let (region, taken) = match (current.0.upgrade(), current.1) {
            (Some(region), taken) if region.layout.size() - taken >= bytes => (region, taken),
            _ => (Arc::new(MemoryRegion::new(bytes)), 0),
        };
        *current = (Arc::downgrade(&region), taken + bytes);
        Piece {
            // SAFETY: inside the region, which has at least `bytes` left.
            start: unsafe { region.start.add(taken) },
            _region: region,
        }
    }
}

impl MemoryRegion {
    /// A region of at least `bytes`.
    fn new(bytes: usize) -> Self {
        let (size, alignment) = match bytes.max(REGION) {
            size if size < HUGE => (size, ALIGNMENT),
            size => (size.next_multiple_of(HUGE), HUGE),
        };
        let layout =
            Layout::from_size_align(size, alignment).expect("an alignment is a power of two");
        // SAFETY: the size is not 0, since no piece is empty.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout);
        };
        if alignment == HUGE {
            in_huge_pages(start, size);
        }
        MemoryRegion { start, layout }
    }
}

impl Drop for MemoryRegion {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and no piece is left.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn in_huge_pages(start: NonNull<u8>, size: usize) {
    use rustix::mm::{Advice, madvise};
    // SAFETY: the region owns this memory, and only the size of its pages changes. A system without huge
    // pages refuses, and small pages do as well.
    let _ = unsafe { madvise(start.as_ptr().cast(), size, Advice::LinuxHugepage) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn in_huge_pages(_: NonNull<u8>, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap_and_start_on_cache_lines() {
        // Miri would need minutes for megabytes.
        let large = if cfg!(miri) { 130 } else { 3 * HUGE };
        let lengths = [1, 64, 65, large, 7];
        let pieces: Vec<_> = lengths.map(Piece::take).into_iter().zip(lengths).collect();
        for (n, (piece, length)) in pieces.iter().enumerate() {
            assert_eq!(piece.start.as_ptr() as usize % ALIGNMENT, 0);
            // SAFETY: the piece has this many bytes.
            unsafe { piece.start.write_bytes(n as u8, *length) };
        }
        for (n, (piece, length)) in pieces.iter().enumerate() {
            // SAFETY: as above, and all bytes were written.
            let ends = unsafe { [piece.start, piece.start.add(length - 1)].map(|at| at.read()) };
            assert_eq!(ends, [n as u8; 2]);
        }
    }
}
