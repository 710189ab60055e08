//! Keeps a thread that is woken away from the core of the thread that wakes it.
//!
//! Linux may place the woken thread on that core, where it waits, and moves it only some milliseconds later:
//! by then half the cores have computed a small network. So the waking thread forbids its own core to the
//! sleeper first, and the sleeper allows it again once it runs. On other systems, and under Miri, nothing is
//! done.

pub use here::{AllowedCores, ThreadId, forbid_this_core, this_thread};

#[cfg(all(target_os = "linux", not(miri)))]
mod here {
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    pub type ThreadId = Pid;

    /// The cores that a thread was allowed before one was forbidden.
    pub struct AllowedCores(CpuSet);

    pub fn this_thread() -> ThreadId {
        gettid()
    }

    /// Forbids the calling thread's core to `thread`. `None` if it is the only core, or the system refuses.
    pub fn forbid_this_core(thread: ThreadId) -> Option<AllowedCores> {
        let allowed = sched_getaffinity(Some(thread)).ok()?;
        let mut others = allowed;
        others.unset(sched_getcpu());
        if others.count() == 0 {
            return None;
        }
        sched_setaffinity(Some(thread), &others).ok()?;
        Some(AllowedCores(allowed))
    }

    impl AllowedCores {
        /// Allows the calling thread these cores again.
        pub fn restore(self) {
            // If the system refuses, the thread stays off one core, which costs some speed only.
            let _ = sched_setaffinity(None, &self.0);
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod here {
    pub type ThreadId = std::thread::ThreadId;

    pub struct AllowedCores;

    pub fn this_thread() -> ThreadId {
        std::thread::current().id()
    }

    pub fn forbid_this_core(_: ThreadId) -> Option<AllowedCores> {
        None
    }

    impl AllowedCores {
        pub fn restore(self) {}
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
        // A single core cannot be forbidden.
        assert_eq!(allowed.is_some(), before > 1);
        assert_eq!(cores(), if before > 1 { before - 1 } else { before });
        if let Some(allowed) = allowed {
            allowed.restore();
        }
        assert_eq!(cores(), before);
    }
}
