//! A slot that holds only the newest request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Generation;
use super::idle_queue::BusyFlag;

/// The next task for the thread that reads the slot.
pub enum SlotTask<T> {
    /// Work on a new selection.
    Select(T),
    /// Work on the same selection in another way.
    Redraw(T),
}

/// Connects one producer, whose newer requests replace older ones, and one consumer.
pub struct LatestSlot<T> {
    slots: Mutex<Slots<T>>,
    changed: Condvar,
    /// The newest generation. An atomic, so that slow work can read it without a lock.
    newest: AtomicU64,
    /// Set from a request until the consumer waits for the next one.
    busy: Option<BusyFlag>,
}

struct Slots<T> {
    /// That of the requests below.
    generation: Generation,
    select: Option<T>,
    redraw: Option<T>,
    closed: bool,
    /// When the newest selection came, and how long after the one before it.
    selected: Option<Instant>,
    interval: Option<Duration>,
}

impl<T> LatestSlot<T> {
    pub fn with_busy_flag(busy: BusyFlag) -> Self {
        LatestSlot {
            busy: Some(busy),
            ..LatestSlot::new()
        }
    }

    fn new() -> Self {
        let slots = Slots {
            generation: Generation::default(),
            select: None,
            redraw: None,
            closed: false,
            selected: None,
            interval: None,
        };
        LatestSlot {
            slots: Mutex::new(slots),
            changed: Condvar::new(),
            newest: AtomicU64::new(0),
            busy: None,
        }
    }

    /// Replaces an older request. Nothing of an older generation stays beside one of a newer, in whichever order two
    /// threads put them: the older one would be done last.
    pub fn put(&self, generation: Generation, task: SlotTask<T>) {
        self.invalidate_before(generation);
        let mut slots = self.lock();
        if self.is_stale(generation) {
            return;
        }
        if slots.generation < generation {
            slots.generation = generation;
            slots.select = None;
            slots.redraw = None;
        }
        match task {
            SlotTask::Select(request) => {
                slots.select = Some(request);
                let before = slots.selected.replace(Instant::now());
                slots.interval = before.map(|before| before.elapsed());
            }
            SlotTask::Redraw(request) => slots.redraw = Some(request),
        }
        self.set_busy(true);
        self.changed.notify_all();
    }

    /// How long after the selection before it the newest one came.
    pub fn interval(&self) -> Option<Duration> {
        self.lock().interval
    }

    /// Makes everything older than `generation` stale.
    pub fn invalidate_before(&self, generation: Generation) {
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
            self.set_busy(false);
            slots = self
                .changed
                .wait(slots)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits this long, and returns whether `generation` is still the newest. Returns early when it is not.
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

    fn set_busy(&self, is_busy: bool) {
        if let Some(busy) = &self.busy {
            busy.set(is_busy);
        }
    }

    /// A poisoned lock is taken over: the slots are plain data, whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_the_newest_selection_is_taken_and_it_removes_the_redraw_of_the_older() {
        let slot = LatestSlot::new();
        slot.put(Generation(1), SlotTask::Select("old"));
        slot.put(Generation(1), SlotTask::Redraw("old view"));
        slot.put(Generation(2), SlotTask::Select("new"));
        assert!(matches!(slot.take(), Some(SlotTask::Select("new"))));
        slot.put(Generation(2), SlotTask::Redraw("view 1"));
        slot.put(Generation(2), SlotTask::Redraw("view 2"));
        assert!(matches!(slot.take(), Some(SlotTask::Redraw("view 2"))));
        assert!(slot.is_stale(Generation(1)) && !slot.is_stale(Generation(2)));
    }

    /// The image thread may put its request after the reader has moved on.
    #[test]
    fn a_request_that_comes_too_late_replaces_no_newer_one() {
        let slot = LatestSlot::new();
        slot.put(Generation(7), SlotTask::Redraw("newer model"));
        slot.put(Generation(6), SlotTask::Select("older image"));
        assert!(matches!(slot.take(), Some(SlotTask::Redraw("newer model"))));
        slot.put(Generation(8), SlotTask::Select("image"));
        slot.put(Generation(7), SlotTask::Redraw("older view"));
        assert!(matches!(slot.take(), Some(SlotTask::Select("image"))));
        slot.close();
        assert!(slot.take().is_none(), "nothing older is left");
    }

    #[test]
    fn a_newer_redraw_removes_an_older_selection_and_one_of_its_own_selection_stays() {
        let slot = LatestSlot::new();
        slot.put(Generation(6), SlotTask::Select("older image"));
        slot.put(Generation(7), SlotTask::Redraw("newer model"));
        slot.put(Generation(7), SlotTask::Select("image"));
        assert!(matches!(slot.take(), Some(SlotTask::Select("image"))));
        let slots = slot.lock();
        assert_eq!((slots.select, slots.redraw), (None, Some("newer model")));
    }

    #[test]
    fn a_selection_settles_only_if_no_newer_one_comes() {
        let slot: Arc<LatestSlot<()>> = Arc::new(LatestSlot::new());
        slot.put(Generation(1), SlotTask::Select(()));
        assert!(slot.settles(Generation(1), Duration::from_millis(1)));

        let other = slot.clone();
        let waiting =
            std::thread::spawn(move || other.settles(Generation(1), Duration::from_secs(600)));
        slot.put(Generation(2), SlotTask::Select(()));
        assert!(
            !waiting.join().unwrap(),
            "a newer selection ends the wait at once"
        );
    }

    #[test]
    fn the_interval_between_selections_is_measured() {
        let slot = LatestSlot::new();
        slot.put(Generation(1), SlotTask::Select(()));
        assert_eq!(slot.interval(), None);
        std::thread::sleep(Duration::from_millis(5));
        slot.put(Generation(1), SlotTask::Redraw(()));
        slot.put(Generation(2), SlotTask::Select(()));
        assert!(slot.interval().unwrap() >= Duration::from_millis(5));
    }

    #[test]
    fn closing_wakes_the_waiting_consumer() {
        let slot: Arc<LatestSlot<()>> = Arc::new(LatestSlot::new());
        let other = slot.clone();
        let waiting = std::thread::spawn(move || other.take().is_none());
        slot.close();
        assert!(waiting.join().unwrap());
    }
}
