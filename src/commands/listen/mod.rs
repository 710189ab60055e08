//! `cxr listen`: a C-STORE provider for one folder.

mod repeats;

use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use self::repeats::Repeats;
use super::shared::batch::Signals;
use super::shared::{Usage, complain, print};
use crate::cli::Listen;
use crate::dimse::{
    AllowedPeers, Bounds, Inbox, InboxFault, Listener, ListenerEvent, Offer, StoredAs,
    radiograph_classes, sop_class_name,
};
use crate::domain::text::Printable;
use crate::export::path_text;
use crate::imaging::readable_syntax_uids;

/// Runs `cxr listen`.
///
/// # Errors
/// [`Usage`], if the options make no sense or there is no such folder; or if the port or the folder cannot be used.
pub fn run(arguments: &Listen) -> Result<ExitCode> {
    let offer = Offer {
        title: title("--aet", &arguments.aet)?,
        sop_classes: (!arguments.any_object).then(radiograph_classes),
        transfer_syntaxes: readable_syntax_uids(),
    };
    let peers = peers(arguments)?;
    let bounds = Bounds {
        associations: arguments.associations.get(),
        object_bytes: u64::from(arguments.max_object.get()) << 20,
        silence: Duration::from_secs(arguments.timeout.get().into()),
    };
    let folder = path_text(&arguments.folder);
    let inbox = Inbox::open(&arguments.folder).map_err(|fault| match fault {
        InboxFault::NotWritable(_) => anyhow!("{folder}: {fault}"),
        fault => Usage::error(format!("{folder}: {fault}")),
    })?;
    // The first signal stops in order, the second at once.
    let (stop, stops) = UnixStream::pair().context("a pipe for signals")?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, stops.try_clone()?).context("signals")?;
    }
    let _signals = Signals::watch().context("signals")?;
    let address = SocketAddr::new(arguments.bind, arguments.port);
    let title = offer.title.clone();
    let listener = Listener::bind(address, offer, peers, bounds, inbox)
        .map_err(|error| anyhow!("{address}: cannot listen there ({})", error.kind()))?;
    let address = listener.address()?;
    complain(&format!("listening on {address} as {title}, into {folder}"));
    let log = Mutex::new(Log::default());
    listener.run(&stop, &|event| {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.take(&event);
    })?;
    complain(
        &log.into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .summary(),
    );
    Ok(ExitCode::SUCCESS)
}

fn title(option: &str, text: &str) -> Result<crate::dimse::AeTitle> {
    text.parse()
        .map_err(|fault| Usage::error(format!("{option} {text}: {fault}")))
}

/// # Errors
/// [`Usage`], if the machines of others can reach the port, and it is not said which of them may send.
fn peers(arguments: &Listen) -> Result<AllowedPeers> {
    let networks = arguments.from.iter().map(|text| {
        let wrong = |fault| Usage::error(format!("--from {text}: give {fault}"));
        text.parse().map_err(wrong)
    });
    let titles = arguments.from_aet.iter();
    let peers = AllowedPeers {
        networks: networks.collect::<Result<_>>()?,
        titles: titles
            .map(|text| title("--from-aet", text))
            .collect::<Result<_>>()?,
    };
    if !is_loopback(arguments.bind) && peers.networks.is_empty() {
        return Err(Usage::error(format!(
            "--bind {}: say with --from which addresses may send",
            arguments.bind
        )));
    }
    Ok(peers)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// What happened so far.
#[derive(Debug, Default)]
struct Log {
    new: u64,
    again: u64,
    beside: u64,
    bytes: u64,
    not_kept: u64,
    refused: u64,
    repeats: Repeats,
}

impl Log {
    fn take(&mut self, event: &ListenerEvent) {
        match event {
            ListenerEvent::Stored {
                peer,
                path,
                stored,
                bytes,
            } => {
                self.bytes += bytes;
                match stored {
                    StoredAs::New => self.new += 1,
                    StoredAs::SameAsBefore => self.again += 1,
                    StoredAs::Beside => {
                        self.beside += 1;
                        let file = path_text(path);
                        complain(&format!(
                            "{peer}: another object has the same SOP instance UID; this one is {file}"
                        ));
                    }
                }
                if *stored != StoredAs::SameAsBefore {
                    // A reader of standard output that has gone is no reason to receive no more.
                    let _ = print(&Printable::page(&format!("{}\n", path_text(path))));
                }
            }
            ListenerEvent::NotStored { peer, reason } => {
                self.not_kept += 1;
                self.say(peer, &format!("an object was not kept: {reason}"));
            }
            ListenerEvent::Refused { peer, reason } => {
                self.refused += 1;
                self.say(peer, &format!("refused: {reason}"));
            }
            ListenerEvent::NotTaken { peer, sop_classes } => {
                let names: Vec<String> =
                    sop_classes.iter().map(|uid| sop_class_name(uid)).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let named = super::shared::named(&names);
                self.say(peer, &format!("not taken here (--any-object): {named}"));
            }
            ListenerEvent::Ended { peer, reason } => {
                self.say(peer, &format!("the association ended: {reason}"));
            }
            ListenerEvent::NoConnection { reason } => {
                self.say(
                    "this machine",
                    &format!("gives no more connections: {reason}"),
                );
            }
        }
    }

    /// A line, unless it was said a moment ago.
    fn say(&mut self, peer: &str, words: &str) {
        if let Some(line) = self
            .repeats
            .admit(&format!("{peer}: {words}"), Instant::now())
        {
            complain(&line);
        }
    }

    fn summary(&self) -> String {
        let Log {
            new,
            again,
            beside,
            not_kept,
            refused,
            ..
        } = self;
        let mut parts = vec![format!("{} received", new + beside)];
        for (count, words) in [
            (again, "there before"),
            (beside, "beside another of the same UID"),
            (not_kept, "not kept"),
            (refused, "connections refused"),
        ] {
            if *count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        parts.push(format!("{:.1} MiB", self.bytes as f64 / f64::from(1 << 20)));
        parts.join(", ")
    }
}
