//! Work cut into numbered parts, divided into one share per thread.
//!
//! A thread works through its share from the front: the same part of every map, which its own cache still
//! holds from the pass before. When its share is empty, it takes parts from the back of other shares, so that
//! a thread that is slow, or has not woken yet, delays no other.

use std::sync::atomic::{AtomicU64, Ordering};

/// The parts of each share that no thread has claimed yet.
pub struct Shares(Box<[Share]>);

/// The first unclaimed part in the lower half, the end in the upper half. The alignment keeps two shares out of
/// one cache line, and out of a pair of lines that is fetched together.
#[repr(align(128))]
struct Share(AtomicU64);

impl Shares {
    /// Cuts `0..count` into nearly equal shares.
    pub fn new(count: usize, threads: usize) -> Self {
        assert!(count <= u32::MAX as usize);
        let bound = |thread: usize| (count * thread / threads) as u64;
        let share = |thread| Share(AtomicU64::new(bound(thread + 1) << 32 | bound(thread)));
        Shares((0..threads).map(share).collect())
    }

    /// The parts that this thread claims as it goes.
    pub fn claims(&self, thread: usize) -> Claims<'_> {
        Claims {
            shares: self,
            thread,
            first: None,
        }
    }

    /// Claims a part of the thread's own share, or else of another share.
    fn claim(&self, thread: usize) -> Option<usize> {
        let others = (1..self.0.len()).map(|n| (thread + n) % self.0.len());
        self.0[thread].front().or_else(|| {
            others
                .map(|other| self.0[other].back())
                .find_map(|part| part)
        })
    }
}

impl Share {
    fn front(&self) -> Option<usize> {
        let claimed = self.update(|next, end| (next + 1, end))?;
        Some(claimed.0 as usize)
    }

    fn back(&self) -> Option<usize> {
        let claimed = self.update(|next, end| (next, end - 1))?;
        Some(claimed.1 as usize - 1)
    }

    /// Changes the share unless it is empty, and returns its bounds before. A thread that finds it empty sees
    /// all that the threads that emptied it did before.
    fn update(&self, change: impl Fn(u64, u64) -> (u64, u64)) -> Option<(u64, u64)> {
        let halves = |share: u64| (share & u64::from(u32::MAX), share >> 32);
        let changed = |share| {
            let (next, end) = halves(share);
            (next < end).then(|| {
                let (next, end) = change(next, end);
                end << 32 | next
            })
        };
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        before.ok().map(halves)
    }
}

/// The parts of one thread, claimed one at a time. Each part goes to one thread only.
pub struct Claims<'a> {
    shares: &'a Shares,
    thread: usize,
    /// A part that was claimed in advance.
    first: Option<usize>,
}

impl Claims<'_> {
    /// Claims a part in advance. False if none is left.
    pub fn any(&mut self) -> bool {
        self.first = self.first.or_else(|| self.shares.claim(self.thread));
        self.first.is_some()
    }
}

impl Iterator for Claims<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.first.take().or_else(|| self.shares.claim(self.thread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_does_its_share_from_the_front_and_then_the_backs_of_others() {
        let shares = Shares::new(8, 3);
        assert_eq!(shares.claims(1).next(), Some(2));
        let by_one: Vec<_> = shares.claims(0).collect();
        assert_eq!(by_one, [0, 1, 4, 3, 7, 6, 5]);
        assert!(!shares.claims(2).any());
    }

    #[test]
    fn a_part_claimed_in_advance_is_claimed_once() {
        let shares = Shares::new(2, 2);
        let mut claims = shares.claims(1);
        assert!(claims.any() && claims.any());
        assert_eq!(shares.claims(0).collect::<Vec<_>>(), [0]);
        assert_eq!(claims.collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn every_part_is_claimed_by_one_thread() {
        for count in [0, 1, 2, 3, 64] {
            let shares = Shares::new(count, 3);
            let mut claimed = std::thread::scope(|scope| {
                let threads = [0, 1, 2].map(|thread| {
                    let shares = &shares;
                    scope.spawn(move || shares.claims(thread).collect::<Vec<_>>())
                });
                threads.map(|thread| thread.join().unwrap()).concat()
            });
            claimed.sort_unstable();
            assert_eq!(claimed, (0..count).collect::<Vec<_>>());
        }
    }
}
