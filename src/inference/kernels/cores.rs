//! Keeps a thread that is woken away from the core of the one that wakes it.
//!
//! Linux may put it there, behind the other, and moves it only some milliseconds later: a small network
//! is computed by then, by half the cores. So the other one forbids it that core before it wakes it, and
//! the thread allows it itself again once it runs. Elsewhere, and under Miri, nothing is done.

pub use here::{Allowed, Thread, forbid_this_core, this_thread};

#[cfg(all(target_os = "linux", not(miri)))]
mod here {
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    pub type Thread = Pid;

    /// The cores that a thread might use before one was forbidden.
    pub struct Allowed(CpuSet);

    pub fn this_thread() -> Thread {
        gettid()
    }

    /// `None` if that is its only core, or the system refuses.
    pub fn forbid_this_core(thread: Thread) -> Option<Allowed> {
        let allowed = sched_getaffinity(Some(thread)).ok()?;
        let mut others = allowed;
        others.unset(sched_getcpu());
        if others.count() == 0 {
            return None;
        }
        sched_setaffinity(Some(thread), &others).ok()?;
        Some(Allowed(allowed))
    }

    impl Allowed {
        /// Of the calling thread.
        pub fn again(self) {
            // Without it the thread stays off a core, which only the scheduler minds.
            let _ = sched_setaffinity(None, &self.0);
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod here {
    #[derive(Clone, Copy, PartialEq)]
    pub struct Thread(std::thread::ThreadId);

    pub struct Allowed;

    pub fn this_thread() -> Thread {
        Thread(std::thread::current().id())
    }

    pub fn forbid_this_core(_: Thread) -> Option<Allowed> {
        None
    }

    impl Allowed {
        pub fn again(self) {}
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_core_is_forbidden_until_it_is_allowed_again() {
        let cores = || sched_getaffinity(None).unwrap().count();
        let before = cores();
        let allowed = forbid_this_core(this_thread());
        // With a single core there is nothing to forbid.
        assert_eq!(allowed.is_some(), before > 1);
        assert_eq!(cores(), if before > 1 { before - 1 } else { before });
        if let Some(allowed) = allowed {
            allowed.again();
        }
        assert_eq!(cores(), before);
    }
}
