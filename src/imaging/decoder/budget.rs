//! One budget of memory for all decoders of a run.
//!
//! Each file is tried with an ordinary share, which is more than films of today's detectors take.
//! One that needs more, because it is large or because it was made to need it, is tried again with
//! all that one film may have, and such films come one after another: many of them at once take no
//! more memory than one.

use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The share with which a film is tried first: three times over, 4,300 × 4,300 pixels of 16 bits
/// take 111 MB.
const ORDINARY: u64 = 256 << 20;

/// Of the memory that this machine or control group has, decoders take one part in so many.
const PART: u64 = 4;

#[derive(Debug)]
pub(super) struct Budget {
    ordinary: u64,
    largest: u64,
    /// Held while a film has the largest share.
    large: Mutex<()>,
    /// Held by whoever waits, so that a large share is not passed over for small ones for ever.
    door: Mutex<()>,
    free: Mutex<u64>,
    freed: Condvar,
}

impl Budget {
    /// For films of which each may take `largest` bytes, or half of what there is: where that is less,
    /// the system would end the program with its decoder.
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
            door: Mutex::default(),
            free: Mutex::new(total.max(largest)),
            freed: Condvar::new(),
        }
    }

    /// The shares to try a file of so many bytes with: the first, if it could do, and the largest.
    pub fn shares(&self, file: u64) -> (Option<u64>, u64) {
        let could_do = self.ordinary < self.largest && file <= self.ordinary / 2;
        (could_do.then_some(self.ordinary), self.largest)
    }

    /// Whether only one film at a time has such a share.
    pub fn is_large(&self, share: u64) -> bool {
        share > self.ordinary
    }

    /// Waits until that share is free.
    pub fn take(&self, share: u64) -> TakenShare<'_> {
        let is_large = self.is_large(share);
        let large = is_large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Gives it back when it goes, by a panic too.
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

/// Bytes of memory that this process can have: the machine's, or what its control groups leave of
/// it (as in a container or a Slurm job). `None` where the system does not say.
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

/// What a line of `/proc/self/cgroup` limits: this group, and all that it is in.
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
    // `max` is no number, and none.
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
    fn all_together_never_take_more_than_there_is_and_large_ones_come_one_by_one() {
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
    fn this_machine_has_memory() {
        assert!(machine_memory().expect("Linux says it") > 64 << 20);
        assert!(group_limits("1:name=systemd:/").is_empty());
        assert!(group_limits("nonsense").is_empty());
    }
}
