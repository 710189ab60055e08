//! All associations of a listener: how many, from where, and how they stop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dicom_ul::pdu::Pdu;
use rustix::event::{PollFd, PollFlags, poll};

use super::inbox::{Inbox, StoredAs};
use super::negotiation::{Offer, congestion};
use super::pdu_stream::PduStream;
use super::peers::AllowedPeers;
use super::service::{AssociationProgress, Happening, Terms, serve};

/// How long objects that are on their way may take when the program is to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long one who comes too many may take for a request that is refused.
const REFUSAL: Duration = Duration::from_secs(5);
/// A pause after the system gave no connection, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How much the listener gives.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Associations at the same time.
    pub associations: usize,
    /// Bytes of the data set of one object.
    pub object_bytes: u64,
    /// How long the other side may be silent, and how long one PDU may take.
    pub silence: Duration,
}

/// What happened. `peer` is an address, with the title of the other side before it once that is known; a title may hold
/// anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerEvent {
    Stored {
        peer: String,
        path: PathBuf,
        stored: StoredAs,
        bytes: u64,
    },
    /// An object was refused or could not be kept.
    NotStored { peer: String, reason: String },
    /// A connection or an association was refused.
    Refused { peer: String, reason: String },
    /// An association has nothing that is taken here, but these SOP classes.
    NotTaken {
        peer: String,
        sop_classes: Vec<String>,
    },
    /// An association ended otherwise than by its release.
    Ended { peer: String, reason: String },
    /// The system gives no more connections.
    NoConnection { reason: String },
}

/// A C-STORE and C-ECHO provider on one port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    offer: Offer,
    peers: AllowedPeers,
    bounds: Bounds,
    inbox: Inbox,
}

/// The connections that are open, by number.
#[derive(Default)]
struct Connections {
    open: Mutex<BTreeMap<u64, Connection>>,
}

struct Connection {
    stream: TcpStream,
    progress: Arc<AssociationProgress>,
    /// It only waits for its refusal.
    is_refused: bool,
}

/// The place of one connection among the open ones. It is given up when this is dropped, after a panic too: places that
/// are never given up would shut the door to all others, and the listener would wait for them at its end.
struct ConnectionPlace<'a> {
    connections: &'a Connections,
    number: u64,
}

impl Drop for ConnectionPlace<'_> {
    fn drop(&mut self) {
        self.connections.with(|open| open.remove(&self.number));
    }
}

impl Connections {
    fn with<T>(&self, with: impl FnOnce(&mut BTreeMap<u64, Connection>) -> T) -> T {
        with(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets objects that are on their way come in, and ends everything else.
    fn stop(&self) {
        let end = Instant::now() + GRACE;
        let shut = |connection: &Connection| {
            // It may have closed by itself.
            let _ = connection.stream.shutdown(Shutdown::Both);
        };
        self.with(|open| {
            open.values()
                .for_each(|one| one.progress.stops.store(true, Ordering::SeqCst))
        });
        loop {
            let is_over = self.with(|open| {
                let waits = |one: &&Connection| !one.progress.within_object.load(Ordering::SeqCst);
                open.values().filter(waits).for_each(shut);
                if Instant::now() >= end {
                    open.values().for_each(shut);
                }
                open.is_empty()
            });
            if is_over {
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

impl Listener {
    /// Opens the port.
    ///
    /// # Errors
    /// If it cannot be had.
    pub fn bind(
        address: SocketAddr,
        offer: Offer,
        peers: AllowedPeers,
        bounds: Bounds,
        inbox: Inbox,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Listener {
            socket,
            offer,
            peers,
            bounds,
            inbox,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` can be read, and then until objects that were on their way are in, or a few seconds have
    /// passed. `on` is called from several threads.
    ///
    /// # Errors
    /// If the system does not let it wait.
    pub fn run(&self, stop: impl AsFd, on: &(dyn Fn(ListenerEvent) + Sync)) -> io::Result<()> {
        let connections = Connections::default();
        thread::scope(|scope| {
            let mut number = 0;
            loop {
                match wait(&self.socket, &stop) {
                    Ok(true) => {}
                    Ok(false) => break connections.stop(),
                    Err(error) => {
                        connections.stop();
                        return Err(error);
                    }
                }
                let (stream, address) = match self.socket.accept() {
                    Ok(accepted) => accepted,
                    Err(error) if is_passing(&error) => continue,
                    Err(error) => {
                        let reason = error.kind().to_string();
                        on(ListenerEvent::NoConnection { reason });
                        thread::sleep(PAUSE);
                        continue;
                    }
                };
                let peer = address.ip().to_canonical();
                if !self.peers.allow_address(peer) {
                    let reason = "its address may not send here (--from)".to_owned();
                    on(ListenerEvent::Refused {
                        peer: peer.to_string(),
                        reason,
                    });
                    continue;
                }
                let Ok(handle) = stream.try_clone() else {
                    continue;
                };
                number += 1;
                let admitted = connections.with(|open| self.admit(open, number, handle));
                let Some((progress, is_refused)) = admitted else {
                    continue;
                };
                let connections = &connections;
                let serves = move || {
                    let _place = ConnectionPlace {
                        connections,
                        number,
                    };
                    self.answer(stream, peer, (!is_refused).then_some(&*progress), on);
                };
                if thread::Builder::new().spawn_scoped(scope, serves).is_err() {
                    connections.with(|open| open.remove(&number));
                }
            }
            Ok(())
        })
    }

    /// Serves a connection, or refuses it where no progress is given. A fault of cxr, or of a crate under it, costs one
    /// association.
    fn answer(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        progress: Option<&AssociationProgress>,
        on: &(dyn Fn(ListenerEvent) + Sync),
    ) {
        let answered = catch_unwind(AssertUnwindSafe(|| match progress {
            Some(progress) => self.serve(stream, peer, progress, on),
            None => self.refuse(stream, peer, on),
        }));
        if answered.is_err() {
            let reason = "cxr failed on what it sent".to_owned();
            let peer = peer.to_string();
            let _ = catch_unwind(AssertUnwindSafe(|| {
                on(ListenerEvent::Ended { peer, reason });
            }));
        }
    }

    /// Enters a connection; `None` if there are so many that not even a refusal can be said.
    fn admit(
        &self,
        open: &mut BTreeMap<u64, Connection>,
        number: u64,
        stream: TcpStream,
    ) -> Option<(Arc<AssociationProgress>, bool)> {
        let refused = open.values().filter(|one| one.is_refused).count();
        let is_refused = open.len() - refused >= self.bounds.associations;
        if is_refused && refused >= self.bounds.associations {
            return None;
        }
        let progress = Arc::new(AssociationProgress::default());
        let entered = Connection {
            stream,
            progress: progress.clone(),
            is_refused,
        };
        open.insert(number, entered);
        Some((progress, is_refused))
    }

    /// Says that there are too many associations.
    fn refuse(&self, stream: TcpStream, address: IpAddr, on: &(dyn Fn(ListenerEvent) + Sync)) {
        let silence = REFUSAL.min(self.bounds.silence);
        if let Ok(mut stream) = PduStream::new(stream, silence) {
            if let Ok(Pdu::AssociationRQ(_)) = stream.receive(None) {
                let _ = stream.send(&Pdu::AssociationRJ(congestion()));
            }
            stream.close();
        }
        let reason = format!(
            "more than {} associations at once (--associations)",
            self.bounds.associations
        );
        let peer = address.to_string();
        on(ListenerEvent::Refused { peer, reason });
    }

    fn serve(
        &self,
        stream: TcpStream,
        address: IpAddr,
        progress: &AssociationProgress,
        on: &(dyn Fn(ListenerEvent) + Sync),
    ) {
        // A connection that is gone already.
        let Ok(stream) = PduStream::new(stream, self.bounds.silence) else {
            return;
        };
        let peer = RefCell::new(address.to_string());
        let terms = Terms {
            offer: &self.offer,
            peers: &self.peers,
            inbox: &self.inbox,
            object_bytes: self.bounds.object_bytes,
        };
        let mut named = |title: &str| *peer.borrow_mut() = format!("{title} at {address}");
        let mut report = |happening| on(event(peer.borrow().clone(), happening));
        serve(stream, &terms, progress, &mut named, &mut report);
    }
}

fn event(peer: String, happening: Happening) -> ListenerEvent {
    match happening {
        Happening::Stored {
            path,
            stored,
            bytes,
        } => ListenerEvent::Stored {
            peer,
            path,
            stored,
            bytes,
        },
        Happening::NotStored { reason } => ListenerEvent::NotStored { peer, reason },
        Happening::Refused { reason } => ListenerEvent::Refused { peer, reason },
        Happening::NotTaken { sop_classes } => ListenerEvent::NotTaken { peer, sop_classes },
        Happening::Ended { reason } => ListenerEvent::Ended { peer, reason },
    }
}

/// Waits for a connection; `false` if it is time to stop.
fn wait(socket: &TcpListener, stop: &impl AsFd) -> io::Result<bool> {
    let mut waited = [
        PollFd::new(socket, PollFlags::IN),
        PollFd::new(stop, PollFlags::IN),
    ];
    loop {
        match poll(&mut waited, None) {
            Ok(_) => return Ok(waited[1].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the other side has given up meanwhile.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        WouldBlock | Interrupted | ConnectionAborted | ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// More faults than there are places: each costs its own connection, and the listener still stops.
    #[test]
    fn a_fault_on_one_connection_costs_no_place_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let offer = Offer {
            title: "CXR".parse().unwrap(),
            sop_classes: None,
            transfer_syntaxes: Vec::new(),
        };
        let bounds = Bounds {
            associations: 1,
            object_bytes: 1 << 20,
            silence: Duration::from_secs(20),
        };
        let inbox = Inbox::open(folder.path()).unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let listener =
            Listener::bind(local, offer, AllowedPeers::default(), bounds, inbox).unwrap();
        let address = listener.address().unwrap();
        let (stop, mut stops) = UnixStream::pair().unwrap();
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let counted = Arc::clone(&counts);
        let on = move |event: ListenerEvent| match event {
            ListenerEvent::Ended { reason, .. } if reason.contains("cxr failed") => {
                counted.1.fetch_add(1, Ordering::SeqCst);
            }
            _ => {
                counted.0.fetch_add(1, Ordering::SeqCst);
                panic!("a fault while this is reported");
            }
        };
        // Not in a scope: this test must end where the listener does not.
        let runs = thread::spawn(move || listener.run(&stop, &on));
        let within = |done: &dyn Fn() -> bool| {
            let end = Instant::now() + Duration::from_secs(20);
            while !done() && Instant::now() < end {
                thread::sleep(Duration::from_millis(5));
            }
            done()
        };
        for number in 1..=3 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            // It is closed, also where it was told to stay.
            let read = stream.read_to_end(&mut Vec::new());
            let is_silent = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
            assert!(!read.as_ref().is_err_and(is_silent), "{number}: {read:?}");
            let is_said = || counts.1.load(Ordering::SeqCst) == number;
            assert!(within(&is_said), "{number}: {counts:?}");
        }
        stops.write_all(b"x").unwrap();
        assert!(within(&|| runs.is_finished()), "it does not stop");
        runs.join().unwrap().unwrap();
        assert_eq!(counts.0.load(Ordering::SeqCst), 3);
    }
}
