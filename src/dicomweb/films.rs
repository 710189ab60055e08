//! Films on their way from servers: fetched once, also where two threads want the same one, fetched ahead in the order of
//! the walk, and kept in memory under a bound.
//!
//! Nothing is written to the disk, unless the user names a folder ([`KeepFolder`]).

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{DicomWebError, DicomWebFault};
use super::keep::KeepFolder;
use super::multipart;
use super::remote_film::{RemoteFilm, check};
use super::transport::{DicomWebAnswer, Transport, broken_off};

/// What is asked for, most wanted first: the film as it is stored, in any transfer syntax (PS3.18, section 8.7.3.5.2);
/// as the server likes to send it; without parts around it.
const ACCEPT: [&str; 3] = [
    "multipart/related; type=\"application/dicom\"; transfer-syntax=*",
    "multipart/related; type=\"application/dicom\"",
    "application/dicom",
];
/// Bytes around a film in an answer.
const WRAPPING: u64 = 64 << 10;
/// Bytes that are reserved for an answer before they have come.
const RESERVED: u64 = 16 << 20;
/// Threads that fetch ahead.
const THREADS: usize = 4;
/// Films that are fetched ahead of the one that was read last.
const AHEAD: usize = 8;
/// How long the walk waits for a reader who asks for its first film, and then for that film.
const ASKED_FOR: Duration = Duration::from_millis(250);
const FIRST_FILM: Duration = Duration::from_secs(2);
/// Films of a walk whose order is remembered, for fetching ahead.
const REMEMBERED: usize = 50_000;

/// The films of all servers of a run.
pub struct RemoteFilms {
    servers: HashMap<Box<str>, FilmServer>,
    /// Bytes of films that are kept in memory.
    memory: u64,
    keep: Option<KeepFolder>,
    state: Mutex<FilmsState>,
    /// Something came, failed, or was asked for.
    changed: Condvar,
}

/// A server, and which of [`ACCEPT`] it understands.
struct FilmServer {
    transport: Arc<Transport>,
    accept: AtomicUsize,
}

#[derive(Default)]
struct FilmsState {
    slots: HashMap<RemoteFilm, FilmSlot>,
    /// Bytes in the slots.
    bytes: u64,
    /// Counts the uses of films.
    clock: u64,
    /// Films of the walk in their order, the first of which has the number `forgotten`.
    order: VecDeque<RemoteFilm>,
    forgotten: usize,
    places: HashMap<RemoteFilm, usize>,
    /// Films to fetch ahead.
    queue: VecDeque<RemoteFilm>,
    /// The films that come after the one that was read last, in the order of the walk.
    next: Vec<RemoteFilm>,
    threads: usize,
    is_over: bool,
}

enum FilmSlot {
    /// A thread is fetching it.
    Coming,
    Here {
        bytes: Arc<[u8]>,
        /// When it was used last; 0 if never.
        used: u64,
        /// When it came.
        came: u64,
    },
    /// It could not be fetched ahead. The next reader is told.
    Failed(DicomWebError),
}

impl RemoteFilms {
    /// For servers by their addresses.
    pub fn new(
        servers: impl IntoIterator<Item = (Box<str>, Arc<Transport>)>,
        memory: u64,
        keep: Option<KeepFolder>,
    ) -> Arc<Self> {
        let server = |transport| FilmServer {
            transport,
            accept: AtomicUsize::new(0),
        };
        let servers = servers.into_iter();
        Arc::new(RemoteFilms {
            servers: servers
                .map(|(base, transport)| (base, server(transport)))
                .collect(),
            memory,
            keep,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The server with this address, which the user named.
    pub fn server(&self, base: &str) -> Option<&Arc<Transport>> {
        self.servers.get(base).map(|server| &server.transport)
    }

    /// Notes that this film comes next in the walk.
    pub fn comes(&self, film: RemoteFilm) {
        let mut state = self.locked();
        if state.places.contains_key(&film) {
            return;
        }
        if state.order.len() == REMEMBERED
            && let Some(oldest) = state.order.pop_front()
        {
            state.places.remove(&oldest);
            state.forgotten += 1;
        }
        let place = state.forgotten + state.order.len();
        state.places.insert(film.clone(), place);
        state.order.push_back(film);
    }

    /// The file of a film, of at most `longest` bytes. Waits if another thread is fetching it.
    ///
    /// # Errors
    /// If the server does not give it, or gives another one.
    pub fn film(
        self: &Arc<Self>,
        film: &RemoteFilm,
        longest: u64,
    ) -> Result<Arc<[u8]>, DicomWebError> {
        let mut state = self.locked();
        loop {
            state.clock += 1;
            let now = state.clock;
            match state.slots.get_mut(film) {
                Some(FilmSlot::Coming) => {
                    let waited = self.changed.wait(state);
                    state = waited.unwrap_or_else(PoisonError::into_inner);
                }
                Some(FilmSlot::Here { bytes, used, .. }) => {
                    *used = now;
                    let bytes = Arc::clone(bytes);
                    self.look_ahead(&mut state, film);
                    return if bytes.len() as u64 <= longest {
                        Ok(bytes)
                    } else {
                        Err(too_large(longest))
                    };
                }
                Some(FilmSlot::Failed(_)) => {
                    let failed = state.slots.remove(film);
                    self.look_ahead(&mut state, film);
                    if let Some(FilmSlot::Failed(error)) = failed {
                        return Err(error);
                    }
                }
                None => break,
            }
        }
        state.slots.insert(film.clone(), FilmSlot::Coming);
        self.look_ahead(&mut state, film);
        drop(state);
        self.changed.notify_all();
        let coming = ComingFilm { films: self, film };
        let fetched = self.fetch(film, longest);
        if let Ok(bytes) = &fetched {
            self.put(film, bytes, true);
        }
        drop(coming);
        fetched
    }

    /// Waits until a film that was just given is here, if a reader asks for it at once. The server can make the next page
    /// of its list or send this film, and the film is what the reader waits for.
    pub fn let_come(&self, film: &RemoteFilm) {
        let asked = Instant::now() + ASKED_FOR;
        let here = Instant::now() + FIRST_FILM;
        let mut state = self.locked();
        loop {
            let end = match state.slots.get(film) {
                None => asked,
                Some(FilmSlot::Coming) => here,
                Some(FilmSlot::Here { .. } | FilmSlot::Failed(_)) => return,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.is_over {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the threads that fetch ahead.
    pub fn end(&self) {
        self.locked().is_over = true;
        self.changed.notify_all();
    }

    /// Queues the films that come after this one in the walk, in place of those that were queued before.
    fn look_ahead(self: &Arc<Self>, state: &mut FilmsState, film: &RemoteFilm) {
        let Some(place) = state.places.get(film) else {
            return;
        };
        let first = place + 1 - state.forgotten.min(place + 1);
        let next = state.order.iter().skip(first).take(AHEAD);
        state.next = next.cloned().collect();
        let missing = state.next.iter();
        let missing = missing.filter(|film| !state.slots.contains_key(*film));
        state.queue = missing.cloned().collect();
        if state.queue.is_empty() {
            return;
        }
        while state.threads < THREADS {
            let films = Arc::clone(self);
            let started = thread::Builder::new()
                .name("fetch ahead".to_owned())
                .spawn(move || fetch_ahead(&films));
            // Without the thread, each film is fetched as it is read.
            if started.is_err() {
                break;
            }
            state.threads += 1;
        }
        self.changed.notify_all();
    }

    /// Waits for a film that is to be fetched ahead, and marks it; `None` at the end of the run. While much of the memory
    /// holds films that wait for their readers, no further one is fetched.
    fn next_ahead(&self) -> Option<RemoteFilm> {
        let mut state = self.locked();
        loop {
            if state.is_over {
                return None;
            }
            // Films of a place that the reader has left may have come in since.
            if !state.queue.is_empty() {
                state.make_room(self.memory / 2);
            }
            if state.waiting() < self.memory / 2
                && let Some(film) = state.queue.pop_front()
            {
                if state.slots.contains_key(&film) {
                    continue;
                }
                state.slots.insert(film.clone(), FilmSlot::Coming);
                return Some(film);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Keeps a film in memory, and lets go of those that were not used for longest.
    fn put(&self, film: &RemoteFilm, bytes: &Arc<[u8]>, was_read: bool) {
        let mut state = self.locked();
        let size = bytes.len() as u64;
        if size > self.memory / 2 {
            return;
        }
        state.clock += 1;
        let used = if was_read { state.clock } else { 0 };
        let slot = FilmSlot::Here {
            bytes: Arc::clone(bytes),
            used,
            came: state.clock,
        };
        if let Some(FilmSlot::Here { bytes, .. }) = state.slots.insert(film.clone(), slot) {
            state.bytes -= bytes.len() as u64;
        }
        state.bytes += size;
        while state.bytes > self.memory {
            // Films that were read go first, then those that wait for a reader.
            let age = |slot: &FilmSlot| match slot {
                FilmSlot::Here { used: 0, .. } => Some(u64::MAX),
                FilmSlot::Here { used, .. } => Some(*used),
                FilmSlot::Coming | FilmSlot::Failed(_) => None,
            };
            let here = state.slots.iter();
            let oldest = here
                .filter_map(|(film, slot)| Some((age(slot)?, film)))
                .min_by_key(|(age, _)| *age)
                .map(|(_, film)| film.clone());
            let Some(FilmSlot::Here { bytes, .. }) =
                oldest.and_then(|film| state.slots.remove(&film))
            else {
                break;
            };
            state.bytes -= bytes.len() as u64;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Fetches a film, or takes it from the folder that films are kept in.
    fn fetch(&self, film: &RemoteFilm, longest: u64) -> Result<Arc<[u8]>, DicomWebError> {
        if let Some(kept) = self.keep.as_ref().and_then(|keep| keep.read(film, longest)) {
            return Ok(kept);
        }
        let server = self.servers.get(&*film.base).ok_or_else(|| {
            DicomWebError::new(
                DicomWebFault::Setting,
                "no server with this address was named on the command line",
            )
        })?;
        let bytes = server.retrieve(film, longest)?;
        if let Some(keep) = &self.keep {
            keep.write(film, &bytes)?;
        }
        Ok(bytes)
    }

    fn locked(&self) -> MutexGuard<'_, FilmsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FilmsState {
    /// Bytes of films that were fetched ahead, and not read yet.
    fn waiting(&self) -> u64 {
        let slots = self.slots.values();
        let waiting = slots.filter_map(|slot| match slot {
            FilmSlot::Here { bytes, used: 0, .. } => Some(bytes.len() as u64),
            _ => None,
        });
        waiting.sum()
    }

    /// Where films that were fetched ahead and never read take `limit` bytes, lets go of those among them that are not
    /// among the next ones, those that came first before the others: a reader who jumps about may never open them.
    fn make_room(&mut self, limit: u64) {
        while self.waiting() >= limit {
            let left = self.slots.iter().filter_map(|(film, slot)| match slot {
                FilmSlot::Here { used: 0, came, .. } if !self.next.contains(film) => {
                    Some((came, film))
                }
                _ => None,
            });
            let oldest = left.min_by_key(|(came, _)| **came);
            let oldest = oldest.map(|(_, film)| film.clone());
            let Some(FilmSlot::Here { bytes, .. }) =
                oldest.and_then(|film| self.slots.remove(&film))
            else {
                return;
            };
            self.bytes -= bytes.len() as u64;
        }
    }
}

/// Marks a film that is being fetched. Dropping it, after a panic too, lets others fetch it.
struct ComingFilm<'a> {
    films: &'a RemoteFilms,
    film: &'a RemoteFilm,
}

impl Drop for ComingFilm<'_> {
    fn drop(&mut self) {
        let mut state = self.films.locked();
        if let Some(FilmSlot::Coming) = state.slots.get(self.film) {
            state.slots.remove(self.film);
        }
        drop(state);
        self.films.changed.notify_all();
    }
}

/// Fetches queued films until the run is over.
fn fetch_ahead(films: &RemoteFilms) {
    while let Some(film) = films.next_ahead() {
        let coming = ComingFilm { films, film: &film };
        // The reader may allow more than this.
        match films.fetch(&film, films.memory / THREADS as u64 / 2) {
            Ok(bytes) => films.put(&film, &bytes, false),
            Err(error) if error.fault() == DicomWebFault::TooLarge => {}
            Err(error) => {
                let mut state = films.locked();
                state.slots.insert(film.clone(), FilmSlot::Failed(error));
            }
        }
        drop(coming);
    }
}

impl FilmServer {
    /// Asks the server for a film, in the first of the ways that it understands.
    fn retrieve(&self, film: &RemoteFilm, longest: u64) -> Result<Arc<[u8]>, DicomWebError> {
        let url = film.url();
        let first = self.accept.load(Ordering::Relaxed);
        let mut way = first;
        loop {
            let got = self
                .transport
                .get(&url, ACCEPT[way], |answer| read_film(answer, longest));
            match got {
                Err(error)
                    if error.fault() == DicomWebFault::NotAcceptable && way + 1 < ACCEPT.len() =>
                {
                    way += 1;
                }
                Err(error) => return Err(error),
                Ok(bytes) => {
                    self.accept.store(way, Ordering::Relaxed);
                    check(&bytes, film)?;
                    return Ok(bytes);
                }
            }
        }
    }
}

/// Reads the file out of an answer.
pub fn read_film(answer: DicomWebAnswer, longest: u64) -> Result<Arc<[u8]>, DicomWebError> {
    let kind = answer.media_type();
    let boundary = multipart::boundary(answer.header("content-type"))?;
    if boundary.is_none() && kind != "application/dicom" {
        let what = match kind.as_str() {
            "" => "something without a type",
            "text/html" => "a web page",
            other => other,
        };
        return Err(DicomWebError::new(
            DicomWebFault::NotDicomWeb,
            format!("it sends {what} in place of a film"),
        ));
    }
    let most = longest.saturating_add(WRAPPING);
    let length = answer.body.content_length();
    if length.is_some_and(|length| length > most) {
        return Err(too_large(longest));
    }
    let mut body = Vec::with_capacity(length.unwrap_or(0).min(RESERVED) as usize);
    answer
        .body
        .into_with_config()
        .limit(u64::MAX)
        .reader()
        .take(most.saturating_add(1))
        .read_to_end(&mut body)
        .map_err(|error| broken_off(&error))?;
    if body.len() as u64 > most {
        return Err(too_large(longest));
    }
    let Some(boundary) = boundary else {
        return Ok(body.into());
    };
    let (place, kind) = multipart::only_part(&body, &boundary)?;
    if !kind.is_empty() && !kind.starts_with("application/dicom") {
        return Err(DicomWebError::new(
            DicomWebFault::NotDicomWeb,
            "it sends a part that is no DICOM file",
        ));
    }
    if place.len() as u64 > longest {
        return Err(too_large(longest));
    }
    Ok(body[place].into())
}

fn too_large(longest: u64) -> DicomWebError {
    DicomWebError::new(
        DicomWebFault::TooLarge,
        format!("more than {longest} bytes"),
    )
}
