//! The filter of system calls (seccomp-BPF) of a decoder process.
//!
//! It lists the calls that are allowed. Any other is refused with `EPERM`. The process is not killed for
//! it: a library may try something that it does not need, such as reading the number of processors from
//! a file, and C libraries differ in that. A refused call does no more harm to others than a killed
//! process does.
//!
//! Among the refused calls are those that open a file, make a socket, start a program or a thread, look
//! into or signal another process, or make memory executable.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod filter {
    use std::collections::BTreeMap;

    use libc::c_long;
    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule, apply_filter_all_threads,
    };

    /// Computing, the socket, and the memory that is shared.
    const ALLOWED: [c_long; 38] = [
        // Descriptors that are open.
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_pwrite64,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_close,
        libc::SYS_memfd_create,
        // Memory.
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        // The thread that watches the clock.
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        // Own signals, and the end.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// Applies the filter to all threads of this process; false if the system does not support it.
    pub fn restrict() -> bool {
        program().is_ok_and(|program| apply_filter_all_threads(&program).is_ok())
    }

    fn program() -> Result<BpfProgram, BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
        let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            let not_executable = when(2, SeccompCmpOp::MaskedEq(executable), 0)?;
            rules.insert(call, vec![not_executable]);
        }
        // `abort` signals the thread that calls it.
        let own = u64::from(std::process::id());
        rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
        let commands = [libc::F_ADD_SEALS, libc::F_GET_SEALS, libc::F_GETFD];
        let commands = commands.map(|command| when(1, SeccompCmpOp::Eq, command as u64));
        rules.insert(
            libc::SYS_fcntl,
            commands.into_iter().collect::<Result<_, _>>()?,
        );
        let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        let architecture = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?.try_into()
    }

    fn when(argument: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?;
        SeccompRule::new(vec![condition])
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use filter::restrict;

/// There is no list for this processor.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn restrict() -> bool {
    false
}
