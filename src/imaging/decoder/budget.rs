//! One budget of memory for all decoders of a run.
//!
//! Each file is tried with an ordinary share, which is more than films of today's detectors need.
//! A film that needs more, because it is large or hostile, is tried again with the largest share. Such
//! films are decoded one after another: many of them take no more memory than one.

use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The share with which a film is tried first. Decoding needs about three copies of the samples, which
/// are 111 MB for 4,300 × 4,300 pixels of 16 bits.
const ORDINARY: u64 = 256 << 20;

/// Decoders take at most this part of the memory of the machine or control group: one quarter.
const PART: u64 = 4;

/// The memory of all decoders, in bytes.
#[derive(Debug)]
pub(super) struct Budget {
    ordinary: u64,
    largest: u64,
    /// Held while a film has the largest share.
    large: Mutex<()>,
    /// Held by the thread that waits next, so that small shares do not keep a large one waiting for
    /// ever.
    turn: Mutex<()>,
    free: Mutex<u64>,
    freed: Condvar,
}

impl Budget {
    /// A budget for films that may take `largest` bytes each, or half of the machine's memory if that is
    /// less: with more the system would end the program together with its decoder.
    pub fn new(largest: u64) -> Self {
        let memory = machine_memory();
        let largest = memory.map_or(largest, |memory| largest.min(memory / 2));
        Self::of(memory.unwrap_or(0) / PART, largest)
    }

    fn of(total: u64, largest: u64) -> Self {
        Budget {
            ordinary: ORDINARY.min(largest),
            largest,
            large: Mutex::default(),
            turn: Mutex::default(),
            free: Mutex::new(total.max(largest)),
            freed: Condvar::new(),
        }
    }

    /// The shares to try a file of `length` bytes with: the ordinary one, if it may be enough, and the
    /// largest.
    pub fn shares(&self, length: u64) -> (Option<u64>, u64) {
        let may_be_enough = self.ordinary < self.largest && length <= self.ordinary / 2;
        (may_be_enough.then_some(self.ordinary), self.largest)
    }

    /// Whether only one film at a time may have this share.
    pub fn is_large(&self, share: u64) -> bool {
        share > self.ordinary
    }

    /// Waits until this share is free, and takes it.
    pub fn take(&self, share: u64) -> TakenShare<'_> {
        let is_large = self.is_large(share);
        let large = is_large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < share {
            let waited = self.freed.wait(free);
            free = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *free -= share;
        TakenShare {
            budget: self,
            share,
            _large: large,
        }
    }
}

/// A share of the budget. Dropping it returns it, after a panic too.
pub(super) struct TakenShare<'a> {
    budget: &'a Budget,
    share: u64,
    _large: Option<MutexGuard<'a, ()>>,
}

impl Drop for TakenShare<'_> {
    fn drop(&mut self) {
        let free = self.budget.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += self.share;
        self.budget.freed.notify_all();
    }
}

/// Bytes of memory that this process can have: the machine's, or the limit of its control groups (in a
/// container or a Slurm job). `None` if the system does not report it.
fn machine_memory() -> Option<u64> {
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = all
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = machine.trim().strip_suffix(" kB")?.parse().ok()?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let least = groups.lines().flat_map(group_limits).min();
    Some((kibibytes << 10).min(least.unwrap_or(u64::MAX)))
}

/// The memory limits that follow from a line of `/proc/self/cgroup`: of this group and of all groups
/// that contain it.
fn group_limits(line: &str) -> Vec<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let groups = Path::new(group.trim_start_matches('/')).ancestors();
    let limits = groups.map(|group| fs::read_to_string(Path::new(root).join(group).join(file)));
    // `max`, which is not a number, means no limit.
    limits
        .filter_map(|text| text.ok()?.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_film_is_tried_with_an_ordinary_share_and_then_with_the_largest() {
        let shares = |largest, file| Budget::of(0, largest).shares(file);
        assert_eq!(shares(1 << 30, 1 << 20), (Some(ORDINARY), 1 << 30));
        assert_eq!(shares(1 << 30, 200 << 20), (None, 1 << 30));
        assert_eq!(shares(9, 1), (None, 9));
    }

    #[test]
    fn shares_never_exceed_the_budget_and_large_ones_are_taken_one_by_one() {
        const LARGE: u64 = 4 * ORDINARY;
        let budget = Budget::of(5 * ORDINARY, LARGE);
        let (taken, most, large) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let hold = &|share: u64| {
            let _held = budget.take(share);
            let now = taken.fetch_add(share, Ordering::SeqCst) + share;
            most.fetch_max(now, Ordering::SeqCst);
            let others = large.fetch_add(share / LARGE, Ordering::SeqCst);
            assert!(share < LARGE || others == 0);
            thread::sleep(Duration::from_millis(1));
            large.fetch_sub(share / LARGE, Ordering::SeqCst);
            taken.fetch_sub(share, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            for share in [ORDINARY, LARGE].repeat(4) {
                scope.spawn(move || (0..10).for_each(|_| hold(share)));
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 5 * ORDINARY);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_this_machine_is_known() {
        assert!(machine_memory().expect("Linux reports it") > 64 << 20);
        assert!(group_limits("1:name=systemd:/").is_empty());
        assert!(group_limits("nonsense").is_empty());
    }
}
