//! What a decoder process says of itself.

/// Which of the measures hold in a decoder process. What the system did not grant is `false` or
/// `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confinement {
    /// It can't gain privileges by starting a program (`no_new_privs`).
    pub no_new_privileges: bool,
    /// It is killed when the program ends, however that ends (`PR_SET_PDEATHSIG`).
    pub ends_with_parent: bool,
    /// Its memory is never written to a file, and other processes of the user can't look into it
    /// (`RLIMIT_CORE`, `PR_SET_DUMPABLE`).
    pub no_core: bool,
    /// It has no descriptor but the socket to the program, and room for few.
    pub descriptors_closed: bool,
    /// Bytes of address space that it may take (`RLIMIT_AS`).
    pub memory: Option<u64>,
    /// Version of Landlock that denies it files, networks and signals to others.
    pub landlock: Option<u32>,
    /// A filter of system calls (seccomp) lets it do nothing but compute and talk to the program.
    pub seccomp: bool,
}

/// What came of trying something that a decoder process must not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    Possible,
    /// The system's number for the error (errno).
    Refused(i32),
}

/// What a decoder process tried, after it was locked down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Opening a file.
    pub open: Attempt,
    /// Connecting to a port of this machine.
    pub connect: Attempt,
    /// Starting a program in its own place.
    pub execute: Attempt,
    /// Environment variables that it has.
    pub environment: u64,
}
