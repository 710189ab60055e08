//! The decoder process's side: it locks itself down, and then decodes what it is handed.

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

use super::channel::{Attachment, Channel, ChannelMessage, Longest};
use super::confinement::{Attempt, Attempts};
use super::lockdown;
use super::shared_memory::SharedWindow;
use crate::domain::Radiograph;
use crate::imaging::wire::{self, DecoderTask, Nonce};
use crate::imaging::{DecodeLimits, ImageFault, decode_film};

/// What the program does when it was started as a decoder process: answers requests from the
/// socket that is its standard input until that closes.
pub fn decode_worker() -> ExitCode {
    // stderr leads nowhere, and formatting a backtrace is one more thing that can fail.
    std::panic::set_hook(Box::new(|_| {}));
    match DecoderWorker::start().and_then(|worker| worker.map_or(Ok(()), DecoderWorker::serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Requests are some numbers, and the program's own limits say how long a film may be.
const LONGEST: Longest = Longest {
    text: 1 << 10,
    attachment: u64::MAX,
};

struct DecoderWorker {
    channel: Channel,
    clock: Clock,
}

impl DecoderWorker {
    /// Greets, and is locked down before any file arrives; `None` if the program has gone.
    fn start() -> io::Result<Option<Self>> {
        let closed = lockdown::close_inherited();
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let mut channel = Channel::new(UnixStream::from(socket));
        // It is the socket too: what a library prints there would be an answer.
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

    fn serve(mut self) -> io::Result<()> {
        while let Some(ChannelMessage { text, attachment }) = self.channel.receive(LONGEST)? {
            let (nonce, task) = wire::read_request(&text).ok_or_else(refused)?;
            match task {
                DecoderTask::Decode(limits) => {
                    let file = attachment.ok_or_else(refused)?;
                    let film = self.clock.during(limits.timeout, || decode(file, &limits));
                    self.answer(&nonce, film)?;
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

    /// The first answer is for the case that there is no second: if a program can be started, this
    /// one has ended.
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

/// Whether the system lets it: a port on which nobody listens is no refusal of the system's.
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

/// Ends this process some time after the program should have: if a decoder never returns and the
/// program is gone, nobody else would where the system does not.
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

    /// Once `work` is done only a stopped program takes time; one that is gone closes the socket.
    fn during<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> T {
        // The thread ends only with the process.
        let _ = self.0.send(Some(late(limit)));
        let done = work();
        let _ = self.0.send(None);
        done
    }
}

/// Twice the program's own limit and a second, so that the program's comes first however short it
/// is and however busy the machine.
pub(super) fn late(limit: Duration) -> Duration {
    limit.saturating_mul(2) + Duration::from_secs(1)
}
