//! How sure a reader is of each label, while a call is being made: moved by ten, or typed.

use crossterm::event::KeyCode;

use crate::domain::HIGHEST_RATING;

/// How far one key moves a rating.
const STEP: u8 = 10;
/// Where the first key begins.
const MIDDLE: u8 = 50;
/// Begins a number.
pub const TYPE_KEY: char = '=';

/// The ratings of all labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rating {
    /// 0 to 100; `None` where there is none.
    values: Vec<Option<u8>>,
    /// The label that the keys rate; `None` until one of them was pressed.
    cursor: Option<usize>,
    /// The digits of a number that is being typed.
    typed: Option<String>,
}

impl Rating {
    /// Begins with the ratings of an earlier call.
    pub fn new(values: impl Iterator<Item = Option<u8>>) -> Self {
        Rating {
            values: values.collect(),
            ..Rating::default()
        }
    }

    /// The rating of a label.
    pub fn of(&self, label: usize) -> Option<u8> {
        self.values.get(label).copied().flatten()
    }

    /// Whether the keys rate this label now.
    pub fn is_at(&self, label: usize) -> bool {
        self.cursor == Some(label)
    }

    /// Whether a label has the keys.
    pub fn is_used(&self) -> bool {
        self.cursor.is_some()
    }

    /// The digits that are being typed.
    pub fn typed(&self) -> Option<&str> {
        self.typed.as_deref()
    }

    /// Up and down choose the label, left and right move by ten, a number is typed after [`TYPE_KEY`] and ended by
    /// Enter, backspace takes a rating back. Returns whether the key was one of these.
    pub fn on_key(&mut self, code: KeyCode) -> bool {
        if self.values.is_empty() {
            return false;
        }
        match (code, self.typed.is_some()) {
            (KeyCode::Char(c), true) if c.is_ascii_digit() => self.add_digit(c),
            (KeyCode::Backspace, true) => self.take_digit(),
            (KeyCode::Enter, true) => self.typed = None,
            (KeyCode::Up, _) => self.go(-1),
            (KeyCode::Down, _) => self.go(1),
            (KeyCode::Left, _) => self.step(false),
            (KeyCode::Right, _) => self.step(true),
            (KeyCode::Char(TYPE_KEY), _) => {
                self.cursor.get_or_insert(0);
                self.typed = Some(String::new());
            }
            (KeyCode::Backspace, false) if self.is_used() => self.set(None),
            _ => {
                self.typed = None;
                return false;
            }
        }
        true
    }

    fn go(&mut self, by: isize) {
        self.typed = None;
        let last = self.values.len() - 1;
        self.cursor = Some(match self.cursor {
            None if by < 0 => last,
            None => 0,
            Some(at) => at.saturating_add_signed(by).min(last),
        });
    }

    fn step(&mut self, up: bool) {
        self.typed = None;
        let at = *self.cursor.get_or_insert(0);
        let now = self.of(at).unwrap_or(MIDDLE);
        let moved = match up {
            true => now.saturating_add(STEP).min(HIGHEST_RATING),
            false => now.saturating_sub(STEP),
        };
        self.set(Some(moved));
    }

    fn add_digit(&mut self, digit: char) {
        let text = self.typed.take().unwrap_or_default();
        let longer = format!("{text}{digit}");
        let value = longer.parse::<u8>().ok();
        let value = value.filter(|value| *value <= HIGHEST_RATING && longer.len() <= 3);
        self.typed = Some(if value.is_some() { longer } else { text });
        if value.is_some() {
            self.set(value);
        }
    }

    fn take_digit(&mut self) {
        let mut text = self.typed.take().unwrap_or_default();
        text.pop();
        self.set(text.parse().ok());
        self.typed = Some(text);
    }

    fn set(&mut self, value: Option<u8>) {
        if let Some(place) = self.cursor.and_then(|at| self.values.get_mut(at)) {
            *place = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(rating: &mut Rating, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '↑' => KeyCode::Up,
                '↓' => KeyCode::Down,
                '←' => KeyCode::Left,
                '→' => KeyCode::Right,
                '⌫' => KeyCode::Backspace,
                '⏎' => KeyCode::Enter,
                key => KeyCode::Char(key),
            };
            rating.on_key(code);
        }
    }

    #[test]
    fn ratings_are_moved_by_ten_or_typed() {
        for (keys, expected) in [
            ("→", [Some(60), None]),
            ("←←", [Some(30), None]),
            ("→→→→→→→→", [Some(100), None]),
            ("←←←←←←←←", [Some(0), None]),
            ("↓→↓→→", [Some(60), Some(70)]),
            ("=85⏎", [Some(85), None]),
            ("=100⏎", [Some(100), None]),
            ("=999⏎", [Some(99), None]),
            ("=101", [Some(10), None]),
            ("=8⌫⌫", [None, None]),
            ("↑=7↑=3", [Some(3), Some(7)]),
            ("→⌫", [None, None]),
        ] {
            let mut rating = Rating::new([None, None].into_iter());
            press(&mut rating, keys);
            assert_eq!([rating.of(0), rating.of(1)], expected, "{keys}");
        }
    }

    #[test]
    fn other_keys_are_not_taken() {
        let mut rating = Rating::new([Some(40)].into_iter());
        for code in [
            KeyCode::Enter,
            KeyCode::Char('1'),
            KeyCode::Backspace,
            KeyCode::Esc,
        ] {
            assert!(!rating.on_key(code), "{code:?}");
        }
        assert_eq!(rating.of(0), Some(40));
        assert!(rating.on_key(KeyCode::Char(TYPE_KEY)) && rating.on_key(KeyCode::Char('1')));
        assert!(rating.on_key(KeyCode::Enter) && !rating.on_key(KeyCode::Enter));
        assert!(!Rating::default().on_key(KeyCode::Right));
    }
}
