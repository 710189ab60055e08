//! Decoder processes, and [`Decoder`], through which the program uses them.
//!
//! Decoders of hostile files are where programs are taken over: one is C translated to unsafe Rust,
//! one has its inner loops in unsafe Rust, and dicom-rs has panicked and allocated by declared
//! length (Enet4/dicom-rs#543, #828). Catching panics cannot stop an abort, an exhausted stack, a
//! wild pointer or a decoder that never ends. A process can be limited, timed and replaced, and an
//! attacker who takes it over finds nothing in it. So a [`Decoder`] starts one, keeps it (starting
//! takes milliseconds, a message microseconds), and gives it one file at a time:
//!
//! - *it opens nothing*: the program opens the file, copies it into memory that is then sealed, and
//!   hands over the descriptor. Samples come back in the same way ([`channel`]);
//! - *it is locked down* before the first file: no file, no network, no other process, no privilege
//!   to gain, an empty environment ([`lockdown`], [`system_calls`]). The measures that the system
//!   supports are a [`Confinement`], which `cxr doctor` prints;
//! - *its memory is limited*, and that of all decoders together ([`budget`]);
//! - *its time is limited*: the program ends it when it takes longer than [`DecodeLimits::timeout`],
//!   and the next file gets a new one. It also watches its own clock, and is killed with the program;
//! - *its answers are read as hostile input* ([`wire`]): each repeats a random number of its request,
//!   and the program computes the content ID of the image itself;
//! - its standard error is discarded, and it is in a process group of its own.
//!
//! A process that was taken over and goes on answering can still lie about the pixels of later files.
//! Only one process per file could prevent that.
//!
//! If no process can be started (the program's own file was replaced by an update, or there is no
//! helper), files are decoded in this process with panics caught: weaker, but better than not
//! seeing the radiograph. [`Decoder::notice`] says so. If a process fails to start for a reason that
//! may pass, such as a busy machine, one file fails, and the others are still isolated.

pub(super) mod attachment;
mod budget;
pub(super) mod channel;
pub(super) mod confinement;
mod lockdown;
mod process;
mod shared_memory;
#[cfg(target_os = "linux")]
mod system_calls;
pub(super) mod wire;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{DecodeLimits, ImageFault, ImagingError, sniff};
use crate::domain::{ContentId, Radiograph, SourceHeader};
use crate::sources::OpenedSource;
use attachment::Attachment;
use budget::Budget;
pub use confinement::{Attempt, Attempts, Confinement};
use process::Process;
pub use worker::decode_worker;

/// The hidden argument that makes the program a decoder process.
pub const WORKER_ARGUMENT: &str = "decode-worker";

/// Bytes from which the kind of a file is recognised.
const HEAD: usize = 512;

/// After this many failures to start in a row, no process is started any more.
const MOST_FAILURES: u32 = 3;

/// Opens radiographs, each in a process where a fault of its decoder does no harm.
#[derive(Debug)]
pub struct Decoder {
    limits: DecodeLimits,
    helper: Option<PathBuf>,
    budget: Arc<Budget>,
    state: Mutex<ProcessState>,
}

/// What was read of a file, or its fault.
type ReadResult<T> = Result<T, ImageFault>;

#[derive(Debug)]
enum ProcessState {
    /// No process yet, or the last one ended.
    Idle {
        /// Failures to start since one succeeded.
        failures: u32,
    },
    Running(Process),
    /// No process can be started, for this reason.
    Unavailable(String),
}

impl Decoder {
    /// `helper` is the program to start as a decoder process, usually the running one; without it,
    /// files are decoded in this process. Nothing is started before the first file.
    pub fn new(limits: DecodeLimits, helper: Option<PathBuf>) -> Self {
        let budget = Arc::new(Budget::new(limits.max_memory));
        Self::with(limits, helper, budget)
    }

    /// A decoder for another thread, with a process of its own and the same budget of memory.
    pub fn beside(&self) -> Self {
        Self::with(
            self.limits.clone(),
            self.helper.clone(),
            self.budget.clone(),
        )
    }

    fn with(limits: DecodeLimits, helper: Option<PathBuf>, budget: Arc<Budget>) -> Self {
        let state = match helper {
            Some(_) => ProcessState::Idle { failures: 0 },
            None => ProcessState::Unavailable("no decoder program was given".to_owned()),
        };
        Decoder {
            limits,
            helper,
            budget,
            state: Mutex::new(state),
        }
    }

    /// Opens a radiograph, which is recognised by its content. Returns within about twice
    /// [`DecodeLimits::timeout`], apart from waiting for a share of memory: a film that needs much
    /// memory is tried again with more.
    pub fn open(&self, path: &Path) -> Result<Radiograph, ImagingError> {
        self.recognised(path)
            .and_then(|film| self.decode(&film))
            .map_err(|fault| ImagingError::new(path, fault))
    }

    /// Reads the header of a DICOM file, whether or not its picture can be read.
    ///
    /// # Errors
    /// If the file cannot be read or is no DICOM file, or its header is damaged.
    pub fn header(&self, path: &Path) -> Result<SourceHeader, ImagingError> {
        let read = || {
            let file = self.recognised(path)?;
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (ordinary, largest) = self.budget.shares(file.length());
            let share = ordinary.unwrap_or(largest);
            self.within(share, &mut state, &file, Process::header, |bytes, _| {
                let content = super::content_id(bytes);
                super::source_header(bytes).map(|header| SourceHeader { content, ..header })
            })?
        };
        read().map_err(|fault| ImagingError::new(path, fault))
    }

    /// The content ID of a file as it is now, without decoding it.
    ///
    /// # Errors
    /// As [`content_of`](super::content_of).
    pub fn content_of(&self, path: &Path) -> Result<ContentId, ImagingError> {
        super::content_of(path, &self.limits)
    }

    /// The reason why files are decoded in this process; `None` if they are not.
    pub fn notice(&self) -> Option<String> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            ProcessState::Unavailable(reason) => Some(format!(
                "radiographs are decoded without a process of their own: {reason}"
            )),
            _ => None,
        }
    }

    /// Starts a decoder process, has it decode a picture, and returns the measures that hold in it and the
    /// results of trying what they forbid.
    ///
    /// # Errors
    /// If no process can be started, or it does not decode.
    pub fn confinement(&self) -> io::Result<(Confinement, Attempts)> {
        let program = self.helper.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let mut process = Process::start(program, self.limits.max_memory)?;
        process.try_decoding()?;
        let confinement = process.confinement().clone();
        Ok((confinement, process.attempt()?))
    }

    /// Opens what may be a film.
    fn recognised(&self, path: &Path) -> Result<OpenedSource, ImageFault> {
        let film = super::open_source(path, &self.limits)?;
        sniff::kind(&film.head(HEAD).map_err(ImageFault::of_reading)?)?;
        if film.length() > self.limits.max_file_bytes {
            return Err(super::too_long(film.length(), &self.limits));
        }
        Ok(film)
    }

    /// A copy of the film's bytes in memory.
    fn copied(&self, film: &OpenedSource) -> Result<Attachment, ImageFault> {
        let longest = self.limits.max_file_bytes;
        let copy = Attachment::copied(film, longest).map_err(ImageFault::of_reading)?;
        // The file may have grown meanwhile.
        if copy.length() > longest {
            return Err(super::too_long(copy.length(), &self.limits));
        }
        Ok(copy)
    }

    /// Decodes a file, a second time with more memory if the first may have failed for lack of it.
    fn decode(&self, file: &OpenedSource) -> Result<Radiograph, ImageFault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (ordinary, largest) = self.budget.shares(file.length());
        if let Some(share) = ordinary {
            match self.decode_within(share, &mut state, file)? {
                Err(ImageFault::TooLarge(_) | ImageFault::DecoderDied(_)) => {}
                film => return film,
            }
        }
        let film = self.decode_within(largest, &mut state, file)?;
        if self.budget.is_large(largest) && matches!(*state, ProcessState::Running(_)) {
            // The process may keep some of that memory.
            *state = ProcessState::Idle { failures: 0 };
        }
        film
    }

    /// Waits for a share of the memory, which includes the copy of the file, and decodes. An outer error
    /// means that no process could be started or the file could not be read.
    fn decode_within(
        &self,
        share: u64,
        state: &mut ProcessState,
        file: &OpenedSource,
    ) -> Result<Result<Radiograph, ImageFault>, ImageFault> {
        self.within(share, state, file, Process::decode, super::decode)
    }

    /// Waits for a share of the memory, and has a process read the file with `there`. Where there can be
    /// no process, `here` reads it. An outer error is as that of [`decode_within`](Self::decode_within).
    fn within<T>(
        &self,
        share: u64,
        state: &mut ProcessState,
        file: &OpenedSource,
        there: impl FnOnce(
            &mut Process,
            &Attachment,
            &DecodeLimits,
        ) -> Result<ReadResult<T>, ImageFault>,
        here: impl FnOnce(&[u8], &DecodeLimits) -> ReadResult<T>,
    ) -> Result<ReadResult<T>, ImageFault> {
        let limits = DecodeLimits {
            max_memory: share,
            ..self.limits.clone()
        };
        let _held = self.budget.take(share);
        let copy = self.copied(file)?;
        // The file itself is small compared with an ordinary share.
        let memory = if self.budget.is_large(share) {
            share.saturating_add(copy.length())
        } else {
            share
        };
        self.prepare(memory, state)?;
        let ProcessState::Running(process) = state else {
            let bytes = copy.contents().map_err(ImageFault::unreadable)?;
            return Ok(here(&bytes, &limits));
        };
        Ok(there(process, &copy, &limits).unwrap_or_else(|fault| {
            *state = ProcessState::Idle { failures: 0 };
            Err(fault)
        }))
    }

    /// Makes sure that a process with this much memory runs, if one can be started.
    ///
    /// # Errors
    /// If it could not be started for a reason that may pass.
    fn prepare(&self, memory: u64, state: &mut ProcessState) -> Result<(), ImageFault> {
        let failures = match state {
            ProcessState::Running(process) if process.memory() == memory => return Ok(()),
            ProcessState::Running(_) => 0,
            ProcessState::Idle { failures } => *failures,
            ProcessState::Unavailable(_) => return Ok(()),
        };
        *state = ProcessState::Idle {
            failures: failures + 1,
        };
        let program = self.helper.as_deref().unwrap_or(Path::new(""));
        match Process::start(program, memory) {
            Ok(process) => *state = ProcessState::Running(process),
            Err(error) if is_final(&error) || failures + 1 >= MOST_FAILURES => {
                *state = ProcessState::Unavailable(super::clean_text(&error.to_string()));
            }
            Err(error) => {
                return Err(ImageFault::died(format!(
                    "it could not be started: {error}"
                )));
            }
        }
        Ok(())
    }
}

/// Whether starting will fail again: the program is missing, or it is not a decoder.
fn is_final(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | InvalidData)
}

/// The path of the running program, to be started as a decoder process. On Linux this is the running
/// version even if its file was replaced or removed meanwhile, as an update does.
///
/// # Errors
/// If the system does not report it.
pub fn own_program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe()
}
