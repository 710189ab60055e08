//! What a decoder process gives up before it sees the first file.
//!
//! Each measure is taken where the system has it: old kernels and some containers lack Landlock or
//! close_range, and only Linux has the filters. The process reports the measures that hold as a
//! [`Confinement`]. A missing one does not keep the others from holding.

use super::confinement::Confinement;
use super::wire::DecoderTerms;

#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(target_os = "linux")]
mod linux {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError,
        RulesetStatus, Scope,
    };
    use rustix::process::{
        DumpableBehavior, Resource, Rlimit, Signal, getppid, getrlimit, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit,
    };
    use rustix::thread::set_no_new_privs;

    use super::super::system_calls;
    use super::{Confinement, DecoderTerms};

    /// Bytes of address space for stacks and for what the allocator reserves and does not use, in
    /// addition to what the program has at its start and what decoding takes.
    const SLACK: u64 = 256 << 20;

    /// The most bytes that the allocator keeps after a film.
    #[cfg(target_env = "gnu")]
    const KEPT: i32 = 64 << 20;

    /// Standard streams, socket, a film and its samples are six.
    const MOST_DESCRIPTORS: u64 = 16;

    /// Closes all descriptors that the program inherited and passed on. Must be called before this
    /// process opens anything.
    #[allow(unsafe_code, reason = "rustix does not have the call")]
    pub fn close_inherited() -> bool {
        const FIRST: u32 = 3;
        // SAFETY: no descriptor above the standard streams is owned by anything in this process.
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, 0) == 0 }
    }

    /// Takes the measures that also hold for threads started later.
    pub fn begin(terms: &DecoderTerms, descriptors_closed: bool) -> Confinement {
        // Otherwise the process list would show the name of the program.
        let _ = rustix::thread::set_name(c"cxr-decoder");
        keep_freed_memory();
        let no_core = limit(Resource::Core, 0);
        Confinement {
            ends_with_parent: ends_with(terms.parent),
            no_new_privileges: set_no_new_privs(true).is_ok(),
            no_core: set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok() && no_core,
            memory: limit_memory(terms.memory),
            landlock: landlock().unwrap_or_default(),
            // The limit of file size is needed for samples: their memory counts as a file.
            descriptors_closed: limit(Resource::Fsize, terms.memory)
                && limit(Resource::Nofile, MOST_DESCRIPTORS)
                && descriptors_closed,
            seccomp: false,
        }
    }

    /// Takes the other measures, for all threads. No thread can be started from now on.
    pub fn finish(confinement: &mut Confinement) {
        limit(Resource::Nproc, 0);
        limit(Resource::Memlock, 0);
        limit(Resource::Msgqueue, 0);
        confinement.seccomp = system_calls::restrict();
    }

    /// Makes the allocator keep freed memory for the next film. Otherwise the pages of large blocks are
    /// returned to the system and requested again for each film.
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "a call into the C library")]
    fn keep_freed_memory() {
        // SAFETY: this only sets parameters of the allocator. A refused one keeps its value.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }

    #[cfg(not(target_env = "gnu"))]
    fn keep_freed_memory() {}

    /// Makes the system kill this process when the thread that started it ends. If the program has
    /// ended already, reading from the socket ends this process.
    fn ends_with(parent: u32) -> bool {
        set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
            && getppid().is_some_and(|now| now.as_raw_nonzero().get() as u32 == parent)
    }

    /// Lowers a limit of this process, and never raises it; false if the system refuses.
    fn limit(resource: Resource, to: u64) -> bool {
        // If the system refuses to read limits, `getrlimit` reports no error, but this does.
        if setrlimit(Resource::Core, both(0)).is_err() {
            return false;
        }
        let maximum = getrlimit(resource).maximum;
        let limit = maximum.map_or(to, |maximum| maximum.min(to));
        setrlimit(resource, both(limit)).is_ok()
    }

    fn both(limit: u64) -> Rlimit {
        Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        }
    }

    fn limit_memory(film: u64) -> Option<u64> {
        let all = address_space()?.saturating_add(film).saturating_add(SLACK);
        limit(Resource::As, all).then_some(all)
    }

    /// Bytes of address space that this process has now.
    fn address_space() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let size = status.lines().find_map(|l| l.strip_prefix("VmSize:"))?;
        let kibibytes: u64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    }

    /// Denies access to files, networks and other processes, as far as this kernel can. Returns the
    /// version of Landlock.
    fn landlock() -> Result<Option<u32>, RulesetError> {
        const NEWEST: ABI = ABI::V6;
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .restrict_self()?;
        Ok(match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, _) => None,
            (_, LandlockStatus::Available { effective_abi, .. }) => Some(effective_abi as u32),
            _ => None,
        })
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn close_inherited() -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn begin(_: &DecoderTerms, _: bool) -> Confinement {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Confinement {
        no_core: setrlimit(Resource::Core, none).is_ok(),
        ..Confinement::default()
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn finish(_: &mut Confinement) {}
