//! The program's side of a decoder process.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::WORKER_ARGUMENT;
use super::attachment::Attachment;
use super::channel::{Channel, ChannelMessage, Longest};
use super::confinement::{Attempts, Confinement};
use super::shared_memory::SharedWindow;
use super::wire::{self, DecoderTask, DecoderTerms, Nonce};
use crate::domain::{Radiograph, Samples, SourceHeader};
use crate::imaging::{DecodeLimits, ImageFault};
use crate::starting;

/// The time limit for the greeting of a new process.
const GREETING: Duration = Duration::from_secs(20);

/// Bytes of the description of a film with its lookup tables.
const LONGEST_DESCRIPTION: u64 = 2 << 20;

/// Bytes of shared memory for samples, which is kept from film to film. Most films fit.
const WINDOW: u64 = 64 << 20;

/// A greeting, or a report on attempts.
const SHORT: Longest = Longest {
    text: 1 << 10,
    attachment: 0,
};

/// A decoder process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    channel: Channel,
    confinement: Confinement,
    /// Bytes that decoding one film may take.
    memory: u64,
    /// How long it worked, which is more than the processor time that it took.
    busy: Duration,
}

impl Process {
    /// Starts the program as a decoder process, and waits for its greeting.
    pub fn start(program: &Path, memory: u64) -> io::Result<Self> {
        let start = Instant::now();
        let (mut channel, child) = launch(program)?;
        let terms = DecoderTerms {
            parent: std::process::id(),
            memory,
        };
        let greeted = greet(&mut channel, &terms);
        let mut process = Process {
            child,
            channel,
            confinement: Confinement::default(),
            memory,
            busy: start.elapsed(),
        };
        process.confinement = greeted?;
        Ok(process)
    }

    /// Bytes that decoding one film may take.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// What the process reported about its confinement when it started.
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// Decodes one file. An outer error means that the process must be replaced.
    pub fn decode(
        &mut self,
        file: &Attachment,
        limits: &DecodeLimits,
    ) -> Result<Result<Radiograph, ImageFault>, ImageFault> {
        let start = Instant::now();
        self.limit_processor_time(limits.timeout);
        let film = ask(&mut self.channel, file, limits);
        self.busy += start.elapsed();
        film.map_err(|error| self.broken(&error, limits.timeout))
    }

    /// Decodes a picture made here, by the way that every film takes.
    ///
    /// # Errors
    /// If the samples do not come back as they were.
    pub fn try_decoding(&mut self) -> io::Result<()> {
        const SIDE: u32 = 16;
        let failed = |fault: ImageFault| io::Error::other(format!("a test picture: {fault}"));
        let drawn = image::GrayImage::from_fn(SIDE, SIDE, |x, y| image::Luma([(16 * x + y) as u8]));
        let mut file = io::Cursor::new(Vec::new());
        let written = drawn.write_to(&mut file, image::ImageFormat::Png);
        written.map_err(io::Error::other)?;
        let limits = DecodeLimits {
            timeout: GREETING,
            ..DecodeLimits::default()
        };
        let file = Attachment::sealed(file.get_ref())?;
        let film = self.decode(&file, &limits).and_then(|film| film);
        let film = film.map_err(failed)?;
        if film.samples != Samples::Grey8(drawn.into_raw()) {
            return Err(failed(ImageFault::died("its samples came back changed")));
        }
        Ok(())
    }

    /// Reads the header of one file. An outer error means that the process must be replaced.
    pub fn header(
        &mut self,
        file: &Attachment,
        limits: &DecodeLimits,
    ) -> Result<Result<SourceHeader, ImageFault>, ImageFault> {
        let start = Instant::now();
        self.limit_processor_time(limits.timeout);
        let header = ask_header(&mut self.channel, file, limits);
        self.busy += start.elapsed();
        header.map_err(|error| self.broken(&error, limits.timeout))
    }

    /// Has the process try what it must not be able to do. It cannot decode afterwards.
    pub fn attempt(mut self) -> io::Result<Attempts> {
        let nonce = nonce()?;
        self.channel.limit_time(GREETING)?;
        let request = wire::write_request(&nonce, &DecoderTask::Attempt);
        self.channel.send(&request, None)?;
        let mut next = || {
            let message = received(&mut self.channel, SHORT)?;
            wire::read_attempts(&nonce, &message.text).ok_or_else(invalid_answer)
        };
        let first = next()?;
        Ok(next().unwrap_or(first))
    }

    /// The fault of a file whose decoding failed with this error.
    fn broken(&mut self, error: &io::Error, timeout: Duration) -> ImageFault {
        match error.kind() {
            io::ErrorKind::TimedOut => {
                ImageFault::timed_out(format!("more than {timeout:?}, ended"))
            }
            io::ErrorKind::InvalidData => ImageFault::died("its answer was invalid"),
            _ if is_closed(error) => ImageFault::died(self.how_it_ended()),
            // It may be well: this program could not use what it sent.
            _ => ImageFault::died(format!("its answer could not be read: {error}")),
        }
    }

    /// Waits for a process whose socket has closed.
    fn how_it_ended(&mut self) -> String {
        // It may still run, with a closed socket or an unreadable answer.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => format!("it ended with {status} over this file"),
            Err(error) => format!("it ended over this file ({error})"),
        }
    }

    /// Limits its processor time. The system counts that from the start of the process, so the limit
    /// rises with each file. The process itself can't raise it.
    #[cfg(target_os = "linux")]
    fn limit_processor_time(&self, timeout: Duration) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let seconds = (self.busy + super::worker::late(timeout)).as_secs() + 1;
        let soft = Rlimit {
            current: Some(seconds),
            maximum: None,
        };
        // If that is refused, the clocks of both processes still hold.
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = pid.map(|pid| prlimit(Some(pid), Resource::Cpu, soft));
    }

    #[cfg(not(target_os = "linux"))]
    fn limit_processor_time(&self, _: Duration) {}
}

impl Drop for Process {
    /// Kills and reaps. Both fail only for a process that has ended.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program with one end of a socket, and with nothing else from this process.
fn launch(program: &Path) -> io::Result<(Channel, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let output = theirs.try_clone()?;
    let mut command = Command::new(std::path::absolute(program)?);
    command
        .arg(WORKER_ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        // A program that is not a decoder shows itself by what it prints.
        .stdout(OwnedFd::from(output))
        // A panic message must not land on the screen.
        .stderr(Stdio::null())
        // Ctrl-C at the terminal is for the program only.
        .process_group(0);
    Ok((Channel::new(ours), spawn(command)?))
}

/// Sends the terms to a new process, and returns what it reports about itself.
fn greet(channel: &mut Channel, terms: &DecoderTerms) -> io::Result<Confinement> {
    channel.limit_time(GREETING)?;
    // Without shared memory, samples come in messages.
    let window = SharedWindow::create(WINDOW).ok().map(|(file, window)| {
        channel.share(window);
        Attachment::Shared {
            file,
            length: WINDOW,
        }
    });
    let sent = channel.send(&wire::write_terms(terms), window.as_ref());
    // A program that is not a decoder may end before it is sent anything. What it printed says so.
    if let Err(error) = sent
        && !is_closed(&error)
    {
        return Err(error);
    }
    let greeting = received(channel, SHORT)?;
    wire::read_greeting(&greeting.text).ok_or_else(invalid_answer)
}

/// Hands over a file, and waits for its film. An outer error means that no valid answer came.
fn ask(
    channel: &mut Channel,
    file: &Attachment,
    limits: &DecodeLimits,
) -> io::Result<Result<Radiograph, ImageFault>> {
    let nonce = nonce()?;
    channel.limit_time(limits.timeout)?;
    let request = wire::write_request(&nonce, &DecoderTask::Decode(limits.clone()));
    channel.send(&request, Some(file))?;
    // Computed here, while it decodes: the process could name another file.
    let content = file.content_id()?;
    let longest = Longest {
        text: LONGEST_DESCRIPTION,
        attachment: limits.max_memory,
    };
    let answer = received(channel, longest)?;
    let film = wire::read_answer(&nonce, &answer).ok_or_else(invalid_answer)?;
    let is_within = |film: &Radiograph| {
        let [width, height] = [film.width, film.height].map(|side| side.try_into().ok());
        let size = width.zip(height);
        size.is_some_and(|(width, height)| limits.check_picture(width, height, 0).is_ok())
    };
    if film.as_ref().is_ok_and(|film| !is_within(film)) {
        return Err(invalid_answer());
    }
    Ok(film.map(|film| Radiograph { content, ..film }))
}

/// Hands over a file, and waits for its header. An outer error means that no valid answer came.
fn ask_header(
    channel: &mut Channel,
    file: &Attachment,
    limits: &DecodeLimits,
) -> io::Result<Result<SourceHeader, ImageFault>> {
    let nonce = nonce()?;
    channel.limit_time(limits.timeout)?;
    let request = wire::write_request(&nonce, &DecoderTask::Header(limits.clone()));
    channel.send(&request, Some(file))?;
    let content = file.content_id()?;
    let longest = Longest {
        text: LONGEST_DESCRIPTION,
        attachment: 0,
    };
    let answer = received(channel, longest)?;
    let header = wire::read_header(&nonce, &answer.text).ok_or_else(invalid_answer)?;
    Ok(header.map(|header| SourceHeader { content, ..header }))
}

/// The next message. The end of the stream is an error, because a message is expected.
fn received(channel: &mut Channel, longest: Longest) -> io::Result<ChannelMessage> {
    let message = channel.receive(longest)?;
    message.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Whether the process closed its end of the socket, as one that ended has.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn invalid_answer() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the program does not answer as a decoder",
    )
}

fn nonce() -> io::Result<Nonce> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(nonce)
}

type StartRequest = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a process from a thread that lasts as long as this program. The system ends a decoder
/// process with the *thread* that started it (prctl(2), `PR_SET_PDEATHSIG`), and the threads that open
/// films are short-lived.
fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: LazyLock<io::Result<mpsc::Sender<StartRequest>>> = LazyLock::new(|| {
        let (starter, starts) = mpsc::channel::<StartRequest>();
        thread::Builder::new().spawn(move || {
            for (mut command, started) in starts {
                let child = starting::spawn(&mut command);
                // Closes this copy of the child's end of the socket.
                drop(command);
                let _ = started.send(child);
            }
        })?;
        Ok(starter)
    });
    let starter = STARTER.as_ref().map_err(|e| io::Error::from(e.kind()))?;
    let (started, child) = mpsc::channel();
    let lost = || io::Error::other("no thread starts processes");
    starter.send((command, started)).map_err(|_| lost())?;
    child.recv().map_err(|_| lost())?
}

#[cfg(test)]
mod tests;
