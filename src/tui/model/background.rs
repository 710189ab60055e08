//! What is read behind the image that is looked at, and how fast.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::worker::Generation;

/// Images of which the time left is told, and the fewest that tell it.
const RECENT: usize = 16;
const FEWEST: usize = 4;

#[derive(Default)]
pub struct BackgroundStatus {
    pub reading: BackgroundState,
    /// The images that were sent for, by their numbers in the worklist.
    pub on_their_way: Vec<(u32, Arc<Path>)>,
    /// How many of them there are at most; one at least.
    pub ahead: usize,
    /// The selection from which they were chosen.
    pub chosen_at: Generation,
    pub pace: Pace,
    /// Why nothing is kept for the next visit, if so.
    pub forgetful: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackgroundState {
    On,
    Paused,
    /// Nobody asked for it.
    #[default]
    Off,
}

/// When the last images were done.
#[derive(Default)]
pub struct Pace(VecDeque<Instant>);

impl Pace {
    /// Reading begins, if it had not.
    pub fn start(&mut self, now: Instant) {
        if self.0.is_empty() {
            self.0.push_back(now);
        }
    }

    /// One more is done.
    pub fn count(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > RECENT + 1 {
            self.0.pop_front();
        }
    }

    /// What comes next has a pace of its own.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// How long so many images will take at the pace of the last; `None` while too few are known.
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
        // Sixteen that take three seconds each, and what came before is forgotten.
        (1..=16).for_each(|n| pace.count(second(4 + 3 * n)));
        assert_eq!(pace.left(100), Some(Duration::from_secs(300)));
        assert_eq!(pace.left(0), Some(Duration::ZERO));
        pace.forget();
        assert_eq!(pace.left(100), None);
    }
}
