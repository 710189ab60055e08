//! The side of the decoder process: it locks itself down, and then decodes the files it gets.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::attachment::Attachment;
use super::channel::{Channel, ChannelMessage, Longest};
use super::confinement::{Attempt, Attempts};
use super::lockdown;
use super::shared_memory::SharedWindow;
use super::wire::{self, DecoderTask, Nonce};
use crate::domain::Radiograph;
use crate::imaging::{DecodeLimits, ImageFault, decode_film, source_header};

/// The main function of a decoder process: answers requests from the socket that is its standard
/// input, until that closes.
pub fn decode_worker() -> ExitCode {
    // stderr leads nowhere, and formatting a backtrace is one more thing that can fail.
    std::panic::set_hook(Box::new(|_| {}));
    match DecoderWorker::start().and_then(|worker| worker.map_or(Ok(()), DecoderWorker::serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A request is a few numbers. The program limits the length of a film itself.
const LONGEST: Longest = Longest {
    text: 1 << 10,
    attachment: u64::MAX,
};

struct DecoderWorker {
    channel: Channel,
    clock: Clock,
}

impl DecoderWorker {
    /// Locks this process down before any file arrives, and greets; `None` if the program has ended.
    fn start() -> io::Result<Option<Self>> {
        let closed = lockdown::close_inherited();
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let mut channel = Channel::new(UnixStream::from(socket));
        // Standard output is the socket too: a library that prints would corrupt the answers.
        rustix::stdio::dup2_stdout(io::stderr())?;
        let Some(message) = channel.receive(LONGEST)? else {
            return Ok(None);
        };
        let terms = wire::read_terms(&message.text).ok_or_else(refused)?;
        if let Some(Attachment::Shared { file, .. }) = &message.attachment {
            channel.share(SharedWindow::open(file)?);
        }
        let mut confinement = lockdown::begin(&terms, closed);
        let clock = Clock::start()?;
        lockdown::finish(&mut confinement);
        channel.send(&wire::write_greeting(&confinement), None)?;
        Ok(Some(DecoderWorker { channel, clock }))
    }

    /// Answers requests until the socket closes.
    fn serve(mut self) -> io::Result<()> {
        while let Some(ChannelMessage { text, attachment }) = self.channel.receive(LONGEST)? {
            let (nonce, task) = wire::read_request(&text).ok_or_else(refused)?;
            match task {
                DecoderTask::Decode(limits) => {
                    let file = attachment.ok_or_else(refused)?;
                    let film = self.clock.during(limits.timeout, || decode(file, &limits));
                    self.answer(&nonce, film)?;
                }
                DecoderTask::Header(limits) => {
                    let file = attachment.ok_or_else(refused)?;
                    let read = || {
                        let bytes = file.contents().map_err(ImageFault::too_large)?;
                        source_header(&bytes)
                    };
                    let found = self.clock.during(limits.timeout, read);
                    self.channel
                        .send(&wire::write_header(&nonce, &found), None)?;
                }
                DecoderTask::Attempt => self.attempt(&nonce)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, nonce: &Nonce, film: Result<Radiograph, ImageFault>) -> io::Result<()> {
        let text = wire::write_answer(nonce, &film);
        let samples = film.as_ref().map(|film| wire::sample_bytes(&film.samples));
        let samples = samples.ok().map(|bytes| self.channel.attachment(bytes));
        self.channel.send(&text, samples.as_ref())
    }

    /// Answers twice. If another program can be started in place of this one, there is no second
    /// answer, and the first says so.
    fn attempt(&mut self, nonce: &Nonce) -> io::Result<()> {
        let nowhere = (Ipv4Addr::LOCALHOST, 9);
        let mut attempts = Attempts {
            open: attempt(File::open("/")),
            connect: attempt(TcpStream::connect(nowhere)),
            execute: Attempt::Possible,
            environment: std::env::vars_os().count() as u64,
        };
        let text = wire::write_attempts(nonce, &attempts);
        self.channel.send(&text, None)?;
        let error = Command::new("/bin/sh").args(["-c", "exit"]).exec();
        attempts.execute = attempt::<()>(Err(error));
        self.channel
            .send(&wire::write_attempts(nonce, &attempts), None)
    }
}

/// Whether the system permits it. A failure for another reason, such as a closed port, is no refusal.
fn attempt<T>(result: io::Result<T>) -> Attempt {
    match result {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Attempt::Refused(error.raw_os_error().unwrap_or_default())
        }
        _ => Attempt::Possible,
    }
}

fn decode(file: Attachment, limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    let bytes = file.contents().map_err(ImageFault::too_large)?;
    decode_film(&bytes, limits)
}

fn refused() -> io::Error {
    io::Error::other("not a request")
}

/// Ends this process some time after the program should have done so. It is needed if a decoder never
/// returns, the program has ended, and the system does not end this process with it.
struct Clock(mpsc::Sender<Option<Duration>>);

impl Clock {
    fn start() -> io::Result<Self> {
        let (set, changes) = mpsc::channel::<Option<Duration>>();
        let watch = move || {
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
        };
        thread::Builder::new().spawn(watch)?;
        Ok(Clock(set))
    }

    /// Runs `work` under the clock. After it no clock is needed: a program that ends closes the socket.
    fn during<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> T {
        // The thread ends only with the process.
        let _ = self.0.send(Some(late(limit)));
        let done = work();
        let _ = self.0.send(None);
        done
    }
}

/// When the decoder process ends itself: twice the program's limit and a second, so that the program
/// acts first even with a short limit on a busy machine.
pub(super) fn late(limit: Duration) -> Duration {
    limit.saturating_mul(2) + Duration::from_secs(1)
}
