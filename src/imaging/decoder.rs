//! A decoder process of its own for DICOM, and the handle that the program keeps on it.
//!
//! dicom-rs is known to panic, and to allocate by declared length, on malformed files
//! (Enet4/dicom-rs#543, #828), and the JPEG 2000 decoder is C translated to unsafe Rust. Catching
//! panics cannot stop an abort, an exhausted stack, a wild pointer or a decoder that never ends; a
//! process can be limited, timed and replaced. So a [`Decoder`] starts one, keeps it (starting
//! costs milliseconds, a message microseconds), and gives it one file at a time:
//!
//! - its memory is limited (`RLIMIT_AS`, Unix; elsewhere only the checks of headers hold);
//! - the program ends it when it takes longer than [`Limits::timeout`], and the next file gets a
//!   new one. It also watches its own clock, in case the program is gone;
//! - its answers are read as hostile input ([`wire`](super::wire));
//! - it is in a process group of its own, so that Ctrl-C at the terminal is the program's to
//!   handle, and ends when its standard input closes, so none is left behind;
//! - its standard error goes nowhere: a panic message must not land on the screen.
//!
//! Where no process can be had (the program's own file was replaced by an update, or there is no
//! helper), files are decoded in this process with panics caught: weaker, but better than not
//! seeing the radiograph. [`Decoder::notice`] says so. A process that fails to start for a reason
//! that may pass, such as a machine too busy, costs one file and not the isolation of all others.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::sniff::{self, Kind};
use super::{Fault, ImagingError, Limits, wire};
use crate::domain::{ContentId, Radiograph};

/// Hidden argument with which the program becomes a decoder process.
pub const WORKER_ARGUMENT: &str = "decode-worker";

/// How long a new process may take to say that it is a decoder.
const GREETING: Duration = Duration::from_secs(20);

/// After so many failures to start in a row there is no use in trying again.
const MOST_FAILURES: u32 = 3;

/// Address space that a decoder process needs besides the file and its picture: the program
/// itself, its libraries and stacks.
const OVERHEAD: u64 = 512 << 20;

/// What an answer takes besides samples: descriptions and lookup tables.
const DESCRIPTIONS: u64 = 16 << 20;

/// Opens radiographs, each kind of file where a fault of its decoder does no harm.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    helper: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// No process yet, or the last one ended. Starts have failed that often since one succeeded.
    Idle {
        failures: u32,
    },
    Running(Helper),
    /// No process can be had, for this reason.
    Unavailable(String),
}

impl Decoder {
    /// `helper` is the program to start as a decoder process, usually the running one; without it,
    /// DICOM is decoded in this process. Nothing is started before the first DICOM file.
    pub fn new(limits: Limits, helper: Option<PathBuf>) -> Self {
        let state = match helper {
            Some(_) => State::Idle { failures: 0 },
            None => State::Unavailable("no decoder program was given".to_owned()),
        };
        Decoder {
            limits,
            helper,
            state: Mutex::new(state),
        }
    }

    /// Reads a radiograph, by content. Returns within about [`Limits::timeout`].
    pub fn open(&self, path: &Path) -> Result<Radiograph, ImagingError> {
        self.by_kind(path)
            .map_err(|fault| ImagingError::new(path, fault))
    }

    /// Which image a file holds now, without decoding it.
    ///
    /// # Errors
    /// As [`content_of`](super::content_of).
    pub fn content_of(&self, path: &Path) -> Result<ContentId, ImagingError> {
        super::content_of(path, &self.limits)
    }

    fn by_kind(&self, path: &Path) -> Result<Radiograph, Fault> {
        if sniff::kind(&sniff::head(path)?)? == Kind::Dicom {
            return self.open_apart(path);
        }
        let bytes = super::read_file(path, &self.limits)?;
        // The file may have been replaced since its head was read.
        match sniff::kind(&bytes)? {
            Kind::Dicom => self.open_apart(path),
            Kind::Raster(_) => super::decode(&bytes, &self.limits),
        }
    }

    /// Why DICOM files are decoded in this process, if they are.
    pub fn notice(&self) -> Option<String> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Unavailable(reason) => Some(format!(
                "DICOM is decoded without a process of its own: {reason}"
            )),
            _ => None,
        }
    }

    fn open_apart(&self, path: &Path) -> Result<Radiograph, Fault> {
        let Some(request) = wire::write_request(path, &self.limits) else {
            return super::read(path, &self.limits);
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Idle { failures } = *state {
            *state = self.start(failures).inspect_err(|_| {
                *state = State::Idle {
                    failures: failures + 1,
                };
            })?;
        }
        let State::Running(helper) = &mut *state else {
            drop(state);
            return super::read(path, &self.limits);
        };
        match helper.ask(&request, &self.limits) {
            Ok(answer) => answer,
            Err(fault) => {
                *state = State::Idle { failures: 0 };
                Err(fault)
            }
        }
    }

    /// The state after an attempt to start a process that follows `failures` others. An error is one
    /// that may pass.
    fn start(&self, failures: u32) -> Result<State, Fault> {
        let Some(program) = &self.helper else {
            return Ok(State::Unavailable("no decoder program".to_owned()));
        };
        match Helper::start(program, &self.limits) {
            Ok(helper) => Ok(State::Running(helper)),
            Err(error) if is_final(&error) || failures + 1 >= MOST_FAILURES => {
                Ok(State::Unavailable(super::clean_text(&error.to_string())))
            }
            Err(error) => Err(Fault::died(format!("it could not be started: {error}"))),
        }
    }
}

/// Whether a process that could not be started never will be: no such program, or another one.
fn is_final(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | InvalidData)
}

/// A decoder process. Dropping it ends it.
#[derive(Debug)]
struct Helper {
    child: Arc<Mutex<Child>>,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    fn start(program: &Path, limits: &Limits) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg(WORKER_ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        in_a_group_of_its_own(&mut command);
        let mut child = command.spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the decoder process has no pipes"));
        };
        let child = Arc::new(Mutex::new(child));
        let mut helper = Helper {
            child,
            requests,
            answers: BufReader::new(answers),
        };
        let memory = address_space(limits).to_ne_bytes();
        let greeting = helper.within(GREETING, |requests, answers| {
            wire::send(requests, &[wire::HELLO, &memory])?;
            answer(answers, wire::HELLO.len() as u64)
        });
        match greeting {
            Ok(hello) if hello == wire::HELLO => Ok(helper),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the program does not answer as a decoder",
            )),
            Err(Broken::TimedOut) => Err(io::ErrorKind::TimedOut.into()),
            Err(Broken::Pipe(error) | Broken::Unwatched(error)) => Err(error),
        }
    }

    /// Asks for one file. An outer error means that the process is of no more use.
    fn ask(&mut self, request: &[u8], limits: &Limits) -> Result<Result<Radiograph, Fault>, Fault> {
        let longest = limits.max_memory.saturating_add(DESCRIPTIONS);
        let answer = self.within(limits.timeout, |requests, answers| {
            wire::send(requests, &[request])?;
            answer(answers, longest)
        });
        match answer {
            Ok(message) => {
                wire::read_answer(&message).ok_or_else(|| Fault::died("its answer made no sense"))
            }
            Err(Broken::TimedOut) => Err(Fault::timed_out(format!(
                "more than {:?}, ended",
                limits.timeout
            ))),
            Err(Broken::Pipe(_)) => Err(Fault::died(self.how_it_ended())),
            Err(Broken::Unwatched(error)) => {
                Err(Fault::died(format!("it could not be watched: {error}")))
            }
        }
    }

    /// Talks to the process, and kills it if that takes too long: the blocked read then ends.
    fn within<T>(
        &mut self,
        timeout: Duration,
        talk: impl FnOnce(&mut ChildStdin, &mut BufReader<ChildStdout>) -> io::Result<T>,
    ) -> Result<T, Broken> {
        let (child, timed_out) = (&self.child, &AtomicBool::new(false));
        let (requests, answers) = (&mut self.requests, &mut self.answers);
        let result = thread::scope(|scope| {
            let (done, watch) = mpsc::channel::<()>();
            let watcher = move || {
                if runs_out(&watch, timeout) {
                    timed_out.store(true, Ordering::SeqCst);
                    end(child);
                }
            };
            thread::Builder::new()
                .spawn_scoped(scope, watcher)
                .map_err(Broken::Unwatched)?;
            let result = talk(requests, answers);
            drop(done);
            result.map_err(Broken::Pipe)
        });
        match result {
            Err(Broken::Pipe(_)) if timed_out.load(Ordering::SeqCst) => Err(Broken::TimedOut),
            result => result,
        }
    }

    /// Waits for a process whose pipe has closed.
    fn how_it_ended(&self) -> String {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It may be alive, with a closed pipe or an unreadable answer.
        let _ = child.kill();
        match child.wait() {
            Ok(status) => format!("it ended with {status} over this file"),
            Err(error) => format!("it ended over this file ({error})"),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        end(&self.child);
    }
}

/// One message from the process, whose end is an error while one is awaited.
fn answer(from: &mut impl Read, longest: u64) -> io::Result<Vec<u8>> {
    wire::receive(from, longest)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Why a conversation failed.
enum Broken {
    TimedOut,
    Pipe(io::Error),
    /// There was no thread to watch the clock, so nothing was said.
    Unwatched(io::Error),
}

/// Waits until the channel closes; true if `timeout` passes first. It is counted in slices: while
/// this program is stopped (Ctrl-Z) the clock runs on, and so does the decoder process, which may
/// have answered long since when the program continues.
fn runs_out(watch: &Receiver<()>, timeout: Duration) -> bool {
    const SLICES: u32 = 20;
    let passes = |_| watch.recv_timeout(timeout / SLICES) == Err(RecvTimeoutError::Timeout);
    (0..SLICES).all(passes)
}

/// Kills and reaps; fails only for a process that has ended.
fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(unix)]
fn in_a_group_of_its_own(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn in_a_group_of_its_own(_: &mut Command) {}

fn address_space(limits: &Limits) -> u64 {
    limits.max_memory.saturating_add(OVERHEAD)
}

/// What the program does when it was started as a decoder process: answers requests from standard
/// input on standard output until the former closes. Nothing else may write to standard output.
pub fn decode_worker() -> ExitCode {
    // stderr leads nowhere, and formatting a backtrace is one more thing that can fail.
    std::panic::set_hook(Box::new(|_| {}));
    match serve(
        &mut io::stdin().lock(),
        &mut BufWriter::new(io::stdout().lock()),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Longest request: a path and some numbers.
const LONGEST_REQUEST: u64 = 1 << 20;

fn serve(requests: &mut impl Read, answers: &mut impl Write) -> io::Result<()> {
    let refused = || io::Error::other("not a request");
    let Some(hello) = wire::receive(requests, LONGEST_REQUEST)? else {
        return Ok(());
    };
    let memory = hello
        .strip_prefix(wire::HELLO)
        .and_then(|m| m.try_into().ok());
    limit_memory(u64::from_ne_bytes(memory.ok_or_else(refused)?));
    wire::send(answers, &[wire::HELLO])?;
    let clock = Clock::start();
    while let Some(request) = wire::receive(requests, LONGEST_REQUEST)? {
        let (path, limits) = wire::read_request(&request).ok_or_else(refused)?;
        clock.set(Some(limits.timeout));
        let answer = super::read(&path, &limits);
        // From here on, only a stopped program takes time; one that is gone closes the pipe.
        clock.set(None);
        let (description, samples) = wire::write_answer(&answer);
        wire::send(answers, &[&description, samples])?;
    }
    Ok(())
}

/// Ends this process some time after the program should have: if a decoder never returns and the
/// program is gone, nobody else would.
struct Clock(mpsc::Sender<Option<Duration>>);

impl Clock {
    fn start() -> Self {
        let (set, changes) = mpsc::channel::<Option<Duration>>();
        thread::spawn(move || {
            let mut limit = None;
            loop {
                let change = match limit {
                    Some(limit) => changes.recv_timeout(limit),
                    None => changes.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                match change {
                    Ok(new) => limit = new,
                    Err(RecvTimeoutError::Timeout) => std::process::exit(1),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Clock(set)
    }

    /// Twice the program's own limit and a second, so that the program's comes first however short
    /// it is and however busy the machine.
    fn set(&self, limit: Option<Duration>) {
        let late = |limit: Duration| limit.saturating_mul(2) + Duration::from_secs(1);
        // The thread ends only with the process.
        let _ = self.0.send(limit.map(late));
    }
}

#[cfg(target_os = "linux")]
fn limit_memory(bytes: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(bytes, |maximum| maximum.min(bytes)));
    // If it is refused, the checks of headers are what holds.
    let _ = setrlimit(
        Resource::As,
        Rlimit {
            current,
            maximum: current,
        },
    );
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: u64) {}
