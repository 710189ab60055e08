//! The measures that hold in a decoder process, as it reports them.

/// The measures that hold in a decoder process. One that the system did not grant is `false` or `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confinement {
    /// It can't gain privileges by starting a program (`no_new_privs`).
    pub no_new_privileges: bool,
    /// It is killed when the program ends for any reason (`PR_SET_PDEATHSIG`).
    pub ends_with_parent: bool,
    /// Its memory is never written to a file, and other processes of the user can't look into it
    /// (`RLIMIT_CORE`, `PR_SET_DUMPABLE`).
    pub no_core: bool,
    /// It has no descriptor except the socket to the program, and may open few.
    pub descriptors_closed: bool,
    /// Bytes of address space that it may take (`RLIMIT_AS`).
    pub memory: Option<u64>,
    /// The version of Landlock, which denies it files, networks and signals to others.
    pub landlock: Option<u32>,
    /// A filter of system calls (seccomp) lets it only compute and talk to the program.
    pub seccomp: bool,
}

/// The result of trying something that a decoder process must not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It succeeded, so the process is not confined in this.
    Possible,
    /// The system's number for the error (errno).
    Refused(i32),
}

/// The attempts of a decoder process after it was locked down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Opening a file.
    pub open: Attempt,
    /// Connecting to a port of this machine.
    pub connect: Attempt,
    /// Starting another program in its place.
    pub execute: Attempt,
    /// The number of its environment variables.
    pub environment: u64,
}
