//! The same line over and over, as a stranger who tries again makes it, is said now and then only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a line is not repeated.
const PAUSE: Duration = Duration::from_secs(60);
/// Lines that are remembered. A stranger can make each line another one.
const MOST: usize = 256;

/// When which line was said, and how often it came since.
#[derive(Debug, Default)]
pub struct Repeats {
    said: HashMap<String, (Instant, u64)>,
    /// Lines beyond [`MOST`] that were not said.
    unsaid: u64,
    unsaid_since: Option<Instant>,
}

impl Repeats {
    /// What to say for a line; `None` for nothing.
    pub fn admit(&mut self, line: &str, now: Instant) -> Option<String> {
        let is_recent = |since: Instant| now.saturating_duration_since(since) < PAUSE;
        if let Some((since, count)) = self.said.get_mut(line) {
            *count += 1;
            if is_recent(*since) {
                return None;
            }
            let times = std::mem::take(count);
            *since = now;
            return Some(format!("{line} ({times} times more)"));
        }
        if self.said.len() >= MOST {
            self.said.retain(|_, (since, _)| is_recent(*since));
        }
        if self.said.len() < MOST {
            self.said.insert(line.to_owned(), (now, 0));
            return Some(line.to_owned());
        }
        self.unsaid += 1;
        if self.unsaid_since.is_some_and(is_recent) {
            return None;
        }
        self.unsaid_since = Some(now);
        Some(format!(
            "too many different refusals to name; {} so far",
            self.unsaid
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_a_minute_with_its_number() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(repeats.admit("a", at(0)).as_deref(), Some("a"));
        assert_eq!(repeats.admit("a", at(1)), None);
        assert_eq!(repeats.admit("b", at(1)).as_deref(), Some("b"));
        assert_eq!(repeats.admit("a", at(59)), None);
        assert_eq!(
            repeats.admit("a", at(61)).as_deref(),
            Some("a (3 times more)")
        );
        assert_eq!(repeats.admit("a", at(62)), None);
    }

    #[test]
    fn endless_different_lines_take_neither_memory_nor_the_screen() {
        let mut repeats = Repeats::default();
        let now = Instant::now();
        let said = (0..10_000).filter_map(|n| repeats.admit(&n.to_string(), now));
        assert_eq!(said.count(), MOST + 1);
        assert_eq!(repeats.said.len(), MOST);
        let later = now + PAUSE;
        assert_eq!(repeats.admit("x", later).as_deref(), Some("x"));
    }
}
