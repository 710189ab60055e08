//! Background scoring: the images that are scored while the reader looks at another one, and the pace.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::worker::Generation;

/// The number of images whose pace gives the time left, and the fewest that are enough for it.
const RECENT: usize = 16;
const FEWEST: usize = 4;

/// Background scoring as the screen knows it.
#[derive(Default)]
pub struct BackgroundStatus {
    pub state: BackgroundState,
    /// The images that were sent to the worker and are not answered yet, with their numbers in the
    /// worklist.
    pub in_flight: Vec<(u32, Arc<Path>)>,
    /// Those of them whose files were written to since: their answers are of what was there before.
    pub outdated: Vec<Arc<Path>>,
    /// The most images in flight; 0 counts as 1.
    pub limit: usize,
    /// The selection from which the images in flight were chosen.
    pub chosen_at: Generation,
    pub pace: Pace,
    /// The reason why the prediction cache is disabled, if it is.
    pub cache_disabled: Option<String>,
}

impl BackgroundStatus {
    /// A file was written to.
    pub fn outdate(&mut self, path: &Path) {
        let sent = self.in_flight.iter().map(|(_, source)| source);
        let sent = sent.filter(|source| ***source == *path);
        let new = sent.filter(|source| !self.outdated.contains(source));
        let new: Vec<_> = new.cloned().collect();
        self.outdated.extend(new);
    }

    /// Its job has ended. Returns whether the file was written to meanwhile.
    pub fn forget_outdated(&mut self, path: &Path) -> bool {
        let before = self.outdated.len();
        self.outdated.retain(|outdated| **outdated != *path);
        self.outdated.len() < before
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackgroundState {
    On,
    /// Paused by the reader.
    Paused,
    /// Not asked for: `--no-background`.
    #[default]
    Off,
}

/// The times at which the last images were done.
#[derive(Default)]
pub struct Pace(VecDeque<Instant>);

impl Pace {
    /// Scoring begins, if it has not begun yet.
    pub fn start(&mut self, now: Instant) {
        if self.0.is_empty() {
            self.0.push_back(now);
        }
    }

    /// One more image is done.
    pub fn count(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > RECENT + 1 {
            self.0.pop_front();
        }
    }

    /// Starts over: after a pause, or with another model.
    pub fn reset(&mut self) {
        self.0.clear();
    }

    /// The time that `images` will take at the pace of the last ones; `None` while too few are done.
    pub fn left(&self, images: usize) -> Option<Duration> {
        let done = self.0.len().checked_sub(1).filter(|done| *done >= FEWEST)?;
        let took = self.0.back()?.duration_since(*self.0.front()?);
        Some(took.mul_f64(images as f64 / done as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_last_images_and_is_not_guessed_before() {
        let begin = Instant::now();
        let second = |n: u64| begin + Duration::from_secs(n);
        let mut pace = Pace::default();
        pace.start(begin);
        (1..4).for_each(|n| pace.count(second(n)));
        assert_eq!(pace.left(100), None);
        pace.count(second(4));
        assert_eq!(pace.left(100), Some(Duration::from_secs(100)));
        // Sixteen images that take three seconds each push out the earlier ones.
        (1..=16).for_each(|n| pace.count(second(4 + 3 * n)));
        assert_eq!(pace.left(100), Some(Duration::from_secs(300)));
        assert_eq!(pace.left(0), Some(Duration::ZERO));
        pace.reset();
        assert_eq!(pace.left(100), None);
    }
}
