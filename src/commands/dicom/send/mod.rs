//! `cxr dicom send`: objects to a PACS, each once.

mod delivery;
mod dimse;
mod files;
mod journal;
#[cfg(feature = "dicomweb")]
mod stow;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use self::delivery::{Delivery, DeliveryFault, Outcome};
use self::dimse::DimseDelivery;
use self::files::{Found, find};
use self::journal::{Journal, journal_path};
use crate::cli::{DicomSend, PacsArguments};
use crate::commands::shared::batch::Signals;
use crate::commands::shared::{SOME_FAILED, Usage, complain};
use crate::dimse::{DicomAddress, Part10Object, StorageKind};
use crate::export::path_text;
use crate::sources::{OpenedSource, SourceFault, Sources};

/// The pause after the first attempt. It doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a pause looks whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Files whose kinds are proposed together.
const WINDOW: usize = 1_000;
/// Larger files are not read into memory.
const LARGEST: u64 = 2 << 30;

/// Runs `cxr dicom send`.
///
/// # Errors
/// [`Usage`], if the address or an option makes no sense or there is nothing to send; or if the journal cannot be
/// used, or the other side refuses everything.
pub fn run(arguments: &DicomSend, pacs: &PacsArguments) -> Result<ExitCode> {
    let mut delivery = delivery(arguments, pacs)?;
    let address = delivery.address();
    let Found {
        files,
        others,
        problems,
    } = find(&arguments.paths);
    let path = match &arguments.journal {
        Some(path) => path.clone(),
        None => journal_path(&address)?,
    };
    if files.is_empty() && problems.is_empty() {
        return Err(Usage::error("there is no DICOM file to send"));
    }
    let journal = Journal::open(&path, &address)
        .with_context(|| format!("the journal {}", path_text(&path)))?;
    let signals = Signals::watch().context("signals")?;
    let mut transfer = Transfer {
        delivery: delivery.as_mut(),
        journal,
        signals: &signals,
        attempts: arguments.attempts.get(),
        again: arguments.again,
        counts: Counts {
            others,
            ..Counts::default()
        },
    };
    let found = files.len() + problems.len();
    for problem in problems {
        transfer.fail(&problem.0, &problem.1);
    }
    let ended = transfer.all(&files);
    let counts = transfer.counts;
    delivery.end();
    if let Err(fault) = &ended {
        complain(&format!("{fault}; the same command goes on from here"));
    }
    complain(&counts.summary(found, &address));
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    let is_whole = ended.is_ok() && counts.failed == 0;
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_FAILED)
    })
}

fn delivery(arguments: &DicomSend, pacs: &PacsArguments) -> Result<Box<dyn Delivery>> {
    let timeout = Duration::from_secs(arguments.timeout.get().into());
    let text = &arguments.address;
    if DicomAddress::is_meant(text) {
        let address = text
            .parse()
            .map_err(|fault| Usage::error(format!("{fault}")))?;
        let calling = arguments.aet.parse();
        let calling =
            calling.map_err(|fault| Usage::error(format!("--aet {}: {fault}", arguments.aet)))?;
        return Ok(Box::new(DimseDelivery::new(address, calling, timeout)));
    }
    #[cfg(feature = "dicomweb")]
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Box::new(stow::StowDelivery::new(arguments, pacs)?));
    }
    #[cfg(not(feature = "dicomweb"))]
    let _ = pacs;
    Err(Usage::error(
        "ADDRESS is dicom://HOST:PORT/TITLE, or https://HOST/PATH of a DICOMweb server",
    ))
}

/// How many objects went how.
#[derive(Debug, Default)]
struct Counts {
    sent: usize,
    before: usize,
    /// Refused, or not readable.
    failed: usize,
    /// Files that are no DICOM files.
    others: usize,
}

impl Counts {
    /// `found` are all files but the others.
    fn summary(&self, found: usize, address: &str) -> String {
        let Counts {
            sent,
            before,
            failed,
            others,
        } = self;
        let left = found.saturating_sub(sent + before + failed);
        let mut parts = vec![format!("{sent} sent")];
        for (count, words) in [
            (*before, "sent before"),
            (*failed, "refused or unreadable"),
            (left, "not sent"),
            (*others, "no DICOM files"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        format!("{}; {address}", parts.join(", "))
    }
}

/// Why the transfer ends before its last object.
#[derive(Debug, thiserror::Error)]
enum SendEnd {
    #[error("stopped")]
    Signal,
    #[error("{0}")]
    Fault(String),
    #[error("the journal cannot be written: {0}")]
    Journal(std::io::ErrorKind),
}

struct Transfer<'a> {
    delivery: &'a mut dyn Delivery,
    journal: Journal,
    signals: &'a Signals,
    attempts: u32,
    again: bool,
    counts: Counts,
}

impl Transfer<'_> {
    fn fail(&mut self, path: &Path, reason: &str) {
        self.counts.failed += 1;
        complain(&format!("{}: {reason}", path_text(path)));
    }

    fn all(&mut self, files: &[PathBuf]) -> Result<(), SendEnd> {
        for window in files.chunks(WINDOW) {
            let mut objects = Vec::with_capacity(window.len());
            for path in window {
                match object_at(path) {
                    Ok(object) => objects.push((path, object)),
                    Err(reason) => self.fail(path, &reason),
                }
            }
            let mut kinds: Vec<StorageKind> = objects
                .iter()
                .map(|(_, object)| object.kind.clone())
                .collect();
            kinds.sort();
            kinds.dedup();
            // As many as fit into one association.
            for some in kinds.chunks(self.delivery.most_kinds()) {
                self.delivery.prepare(some);
                for (path, object) in &objects {
                    if some.contains(&object.kind) {
                        self.one(path, object)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn one(&mut self, path: &Path, object: &Part10Object) -> Result<(), SendEnd> {
        let bytes = match whole(path) {
            Ok(bytes) => bytes,
            Err(reason) => {
                self.fail(path, &reason);
                return Ok(());
            }
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if !self.again && self.journal.has(&digest) {
            self.counts.before += 1;
            return Ok(());
        }
        match self.deliver(object, &bytes)? {
            Outcome::Kept => {
                let noted = self.journal.note(&digest);
                noted.map_err(|error| SendEnd::Journal(error.kind()))?;
                self.counts.sent += 1;
            }
            Outcome::Refused(reason) => self.fail(path, &reason),
        }
        Ok(())
    }

    /// Tries until the other side has decided.
    fn deliver(&mut self, object: &Part10Object, bytes: &[u8]) -> Result<Outcome, SendEnd> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            self.check_signals()?;
            let fault = match self.delivery.send(object, bytes) {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => fault,
            };
            let DeliveryFault {
                words,
                may_pass,
                wait,
            } = fault;
            if !may_pass || attempt >= self.attempts {
                return Err(SendEnd::Fault(words));
            }
            let wait = wait.unwrap_or(pause).min(LONGEST_PAUSE);
            complain(&format!("{words}; again in {} s", wait.as_secs()));
            self.wait(wait)?;
            pause = pause.saturating_mul(2);
        }
        Err(SendEnd::Signal)
    }

    fn wait(&self, pause: Duration) -> Result<(), SendEnd> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.check_signals()?;
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn check_signals(&self) -> Result<(), SendEnd> {
        if self.signals.stop().load(Ordering::SeqCst) {
            return Err(SendEnd::Signal);
        }
        Ok(())
    }
}

/// What the head of a file says of its object.
///
/// # Errors
/// Why it cannot be sent, in a few words.
fn object_at(path: &Path) -> Result<Part10Object, String> {
    let opened = opened(path)?;
    let head = opened.head(Part10Object::LONGEST_HEAD);
    let head = head.map_err(|error| SourceFault::of_io(&error).to_string())?;
    Part10Object::parse(&head).map_err(|fault| fault.to_string())
}

/// A file in memory.
///
/// # Errors
/// Why not, in a few words.
fn whole(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = opened(path)?.read(LARGEST + 1);
    let bytes = bytes.map_err(|error| SourceFault::of_io(&error).to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("larger than {} GiB", LARGEST >> 30));
    }
    Ok(bytes)
}

/// A file, a member of an archive, or a film of a PACS.
fn opened(path: &Path) -> Result<OpenedSource, String> {
    let opened = Sources::of_process().open(path, LARGEST);
    opened.map_err(|fault| match fault.kind() {
        Some(kind) => kind.to_string(),
        None => fault.to_string(),
    })
}
