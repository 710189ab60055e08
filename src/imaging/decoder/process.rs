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
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => ImageFault::died(self.how_it_ended()),
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
    channel.send(&wire::write_terms(terms), window.as_ref())?;
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
                let child = command.spawn();
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
mod tests {
    use std::fs::File;
    use std::io::{Seek, Write};
    use std::os::fd::OwnedFd;

    use super::super::shared_memory;
    use super::*;

    const LONGEST: Longest = Longest {
        text: 1 << 10,
        attachment: 1 << 20,
    };

    /// The result for the program if a decoder process answers a request for `FILE` with `reply`.
    fn answered(
        reply: impl FnOnce(&mut Channel, Nonce) + Send,
    ) -> io::Result<Result<Radiograph, ImageFault>> {
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let (mut ours, mut theirs) = (Channel::new(ours), Channel::new(theirs));
        if let Ok((file, window)) = SharedWindow::create(PIXELS.len() as u64) {
            theirs.share(SharedWindow::open(&file).expect("the other end"));
            ours.share(window);
        }
        let limits = DecodeLimits {
            timeout: Duration::from_secs(5),
            max_memory: 1 << 20,
            ..DecodeLimits::default()
        };
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(FILE).expect("written");
        file.rewind().expect("its start");
        let file = Attachment::copied(&file, limits.max_file_bytes).expect("a copy");
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut channel = theirs;
                let request = channel.receive(LONGEST).expect("whole").expect("a request");
                let (nonce, _) = wire::read_request(&request.text).expect("a request");
                let handed = request.attachment.expect("a file");
                assert_eq!(handed.numbers::<u8>().expect("its bytes"), FILE);
                reply(&mut channel, nonce);
            });
            let answer = ask(&mut ours, &file, &limits);
            // Ends a reply that is still being sent.
            drop(ours);
            answer
        })
    }

    const FILE: &[u8] = b"a film";
    const PIXELS: &[u8] = &[1, 2, 3, 4];

    fn film() -> Radiograph {
        Radiograph::plain(2, 2, Samples::Grey8(PIXELS.to_vec()), "PNG")
    }

    fn description(nonce: Nonce) -> Vec<u8> {
        wire::write_answer(&nonce, &Ok(film()))
    }

    fn refused(what: &str, reply: impl FnOnce(&mut Channel, Nonce) + Send) {
        let error = answered(reply).expect_err(what);
        let kind = error.kind();
        assert!(
            matches!(kind, io::ErrorKind::InvalidData),
            "{what}: {error}"
        );
    }

    #[test]
    fn an_answer_is_the_film_of_the_file_that_was_handed_over() {
        let content = crate::imaging::content_id(FILE);
        let expected = Radiograph { content, ..film() };
        for in_window in [false, true] {
            let film = answered(|channel, nonce| {
                let samples = if in_window {
                    channel.attachment(PIXELS)
                } else {
                    Attachment::of(PIXELS)
                };
                let sent = channel.send(&description(nonce), Some(&samples));
                sent.expect("an answer");
            });
            assert_eq!(film.expect("a conversation"), Ok(expected.clone()));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn samples_lie_in_the_window_where_they_fit() {
        answered(|channel, nonce| {
            let fits = channel.attachment(PIXELS);
            assert!(matches!(fits, Attachment::Window { length: 4, .. }));
            drop(fits);
            let too_long = channel.attachment(&[0; 5]);
            assert!(matches!(too_long, Attachment::Shared { length: 5, .. }));
            let sent = channel.send(&description(nonce), None);
            sent.expect("an answer");
        })
        .expect_err("no samples");
        refused("more than the window holds", |channel, nonce| {
            let Attachment::Window { window, .. } = channel.attachment(PIXELS) else {
                panic!("no window");
            };
            let samples = Attachment::Window { window, length: 5 };
            let sent = channel.send(&description(nonce), Some(&samples));
            sent.expect("an answer");
        });
        let file = shared_memory::create().expect("memory");
        SharedWindow::open(&file).expect_err("memory that can be cut");
    }

    #[test]
    fn a_forged_answer_is_refused() {
        let samples = |bytes: &[u8]| Attachment::of(bytes);
        refused("another nonce", |channel, mut nonce| {
            nonce[3] ^= 1;
            let sent = channel.send(&description(nonce), Some(&samples(PIXELS)));
            sent.expect("an answer");
        });
        for other in [&PIXELS[..3], &[0; 5]] {
            refused("another size", |channel, nonce| {
                let sent = channel.send(&description(nonce), Some(&samples(other)));
                sent.expect("an answer");
            });
        }
        refused("no samples", |channel, nonce| {
            channel.send(&description(nonce), None).expect("an answer");
        });
        refused("too long a description", |channel, _| {
            // It is refused before all of it is sent.
            let _ = channel.send(&vec![0; LONGEST_DESCRIPTION as usize + 1], None);
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_too_short_and_other_descriptors_are_refused() {
        let shared = |file: File, length| Attachment::Shared { file, length };
        refused("shorter than stated", |channel, nonce| {
            let file = shared_memory::create().expect("memory");
            shared_memory::seal(&file).expect("sealed");
            let sent = channel.send(&description(nonce), Some(&shared(file, 4)));
            sent.expect("an answer");
        });
        // Reading from a pipe would never end.
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let error = answered(|channel, nonce| {
            let file = File::from(OwnedFd::from(reader));
            let sent = channel.send(&description(nonce), Some(&shared(file, 4)));
            sent.expect("an answer");
        });
        error.expect_err("a pipe");
    }

    #[test]
    fn a_process_that_never_ends_its_answer_times_out() {
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let mut channel = Channel::new(ours);
        let time = Duration::from_millis(300);
        channel.limit_time(time).expect("a clock");
        let start = Instant::now();
        let error = thread::scope(|scope| {
            scope.spawn(move || {
                // One byte after the other, each in time.
                for byte in b"cxr decoder 5".repeat(9) {
                    thread::sleep(time / 10);
                    if (&theirs).write_all(&[byte]).is_err() {
                        return;
                    }
                }
            });
            let error = channel.receive(LONGEST).expect_err("no message");
            drop(channel);
            error
        });
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < 10 * time, "{:?}", start.elapsed());
    }
}
