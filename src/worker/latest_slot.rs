//! A slot that holds only the newest request, and a list of what nobody waits for yet.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Generation;
use super::idle_queue::Sign;

/// What to do next.
pub enum SlotTask<T> {
    Select(T),
    Redraw(T),
}

/// One producer who changes their mind, one consumer who works on what is newest.
pub struct LatestSlot<T> {
    slots: Mutex<Slots<T>>,
    changed: Condvar,
    /// Newest generation asked for. An atomic, so that slow work can look without a lock.
    newest: AtomicU64,
    /// Up from a request until its consumer waits for the next one.
    sign: Option<Sign>,
}

struct Slots<T> {
    select: Option<T>,
    redraw: Option<T>,
    closed: bool,
    /// When the newest selection came, and how long after the one before it.
    selected: Option<Instant>,
    pause: Option<Duration>,
}

impl<T> LatestSlot<T> {
    pub fn with(sign: Sign) -> Self {
        LatestSlot {
            sign: Some(sign),
            ..LatestSlot::new()
        }
    }

    pub fn new() -> Self {
        let slots = Slots {
            select: None,
            redraw: None,
            closed: false,
            selected: None,
            pause: None,
        };
        LatestSlot {
            slots: Mutex::new(slots),
            changed: Condvar::new(),
            newest: AtomicU64::new(0),
            sign: None,
        }
    }

    /// Puts a request in its slot, over any older one. A selection also clears what was asked of
    /// the selection before it.
    pub fn put(&self, generation: Generation, task: SlotTask<T>) {
        self.forget_before(generation);
        let mut slots = self.lock();
        match task {
            SlotTask::Select(request) => {
                slots.select = Some(request);
                slots.redraw = None;
                let before = slots.selected.replace(Instant::now());
                slots.pause = before.map(|before| before.elapsed());
            }
            SlotTask::Redraw(request) => slots.redraw = Some(request),
        }
        set(&self.sign, true);
        self.changed.notify_all();
    }

    /// How long after the selection before it the newest one came.
    pub fn pause(&self) -> Option<Duration> {
        self.lock().pause
    }

    /// Makes everything older than `generation` stale.
    pub fn forget_before(&self, generation: Generation) {
        self.newest.fetch_max(generation.0, Ordering::AcqRel);
    }

    pub fn is_stale(&self, generation: Generation) -> bool {
        generation.0 < self.newest.load(Ordering::Acquire)
    }

    /// Waits for the next task; `None` once closed.
    pub fn take(&self) -> Option<SlotTask<T>> {
        let mut slots = self.lock();
        loop {
            if slots.closed {
                return None;
            }
            if let Some(request) = slots.select.take() {
                return Some(SlotTask::Select(request));
            }
            if let Some(request) = slots.redraw.take() {
                return Some(SlotTask::Redraw(request));
            }
            set(&self.sign, false);
            slots = self
                .changed
                .wait(slots)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits, and says whether `generation` was still the newest at the end of it.
    pub fn settles(&self, generation: Generation, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        let mut slots = self.lock();
        loop {
            if slots.closed || self.is_stale(generation) {
                return false;
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return true;
            };
            slots = self
                .changed
                .wait_timeout(slots, left)
                .map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The slots are plain data: a thread that died while holding them left nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What will probably be asked for next. Replaced as a whole whenever the selection moves.
pub struct Prefetch {
    state: Mutex<(VecDeque<Arc<Path>>, bool)>,
    changed: Condvar,
    sign: Option<Sign>,
}

fn set(sign: &Option<Sign>, at_work: bool) {
    if let Some(sign) = sign {
        sign.set(at_work);
    }
}

impl Prefetch {
    pub fn with(sign: Sign) -> Self {
        Prefetch {
            sign: Some(sign),
            ..Prefetch::new()
        }
    }

    pub fn new() -> Self {
        Prefetch {
            sign: None,
            state: Mutex::new((VecDeque::new(), false)),
            changed: Condvar::new(),
        }
    }

    pub fn replace(&self, paths: Vec<Arc<Path>>) {
        let mut state = self.lock();
        state.0 = paths.into();
        if !state.0.is_empty() {
            set(&self.sign, true);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next; `None` once closed.
    pub fn take(&self) -> Option<Arc<Path>> {
        let mut state = self.lock();
        loop {
            if state.1 {
                return None;
            }
            if let Some(path) = state.0.pop_front() {
                return Some(path);
            }
            set(&self.sign, false);
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn close(&self) {
        self.lock().1 = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<Arc<Path>>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Arc<Path> {
        Arc::from(Path::new(name))
    }

    #[test]
    fn only_the_newest_selection_is_taken_and_it_clears_what_hung_on_the_older() {
        let desk = LatestSlot::new();
        desk.put(Generation(1), SlotTask::Select("old"));
        desk.put(Generation(1), SlotTask::Redraw("old view"));
        desk.put(Generation(2), SlotTask::Select("new"));
        assert!(matches!(desk.take(), Some(SlotTask::Select("new"))));
        desk.put(Generation(2), SlotTask::Redraw("view 1"));
        desk.put(Generation(2), SlotTask::Redraw("view 2"));
        assert!(matches!(desk.take(), Some(SlotTask::Redraw("view 2"))));
        assert!(desk.is_stale(Generation(1)) && !desk.is_stale(Generation(2)));
    }

    #[test]
    fn a_selection_settles_only_if_no_newer_one_comes() {
        let desk: Arc<LatestSlot<()>> = Arc::new(LatestSlot::new());
        desk.put(Generation(1), SlotTask::Select(()));
        assert!(desk.settles(Generation(1), Duration::from_millis(1)));

        let other = desk.clone();
        let waiting =
            std::thread::spawn(move || other.settles(Generation(1), Duration::from_secs(600)));
        desk.put(Generation(2), SlotTask::Select(()));
        assert!(
            !waiting.join().unwrap(),
            "a newer selection ends the wait at once"
        );
    }

    #[test]
    fn it_knows_how_fast_selections_follow_one_another() {
        let desk = LatestSlot::new();
        desk.put(Generation(1), SlotTask::Select(()));
        assert_eq!(desk.pause(), None);
        std::thread::sleep(Duration::from_millis(5));
        desk.put(Generation(1), SlotTask::Redraw(()));
        desk.put(Generation(2), SlotTask::Select(()));
        assert!(desk.pause().unwrap() >= Duration::from_millis(5));
    }

    #[test]
    fn wishes_are_replaced_as_a_whole() {
        let wishes = Prefetch::new();
        wishes.replace(vec![path("a"), path("b")]);
        wishes.replace(vec![path("c")]);
        assert_eq!(wishes.take(), Some(path("c")));
        wishes.close();
        assert_eq!(wishes.take(), None);
    }

    #[test]
    fn closing_wakes_the_one_who_waits() {
        let desk: Arc<LatestSlot<()>> = Arc::new(LatestSlot::new());
        let other = desk.clone();
        let waiting = std::thread::spawn(move || other.take().is_none());
        desk.close();
        assert!(waiting.join().unwrap());
    }
}
