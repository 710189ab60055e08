//! The modes of the keys. One may begin over another, as setting the window while marks are made: when it ends, the one
//! below it is back, so that no key means something that the reader did not see coming.

use super::Model;
use crate::tui::keymap::KeyMode;

impl Model {
    /// Begins a mode over the present one. A mode that is on already comes back on top, and those over it end.
    pub fn enter_mode(&mut self, mode: KeyMode) {
        while self.mode != mode && self.has_mode(mode) {
            self.leave_mode();
        }
        if self.mode != mode {
            self.modes_below.push(self.mode);
            self.mode = mode;
        }
    }

    /// Ends the present mode: the one that it began over is back.
    pub fn leave_mode(&mut self) {
        self.mode = self.modes_below.pop().unwrap_or_default();
    }

    /// Ends a mode and those over it, if it is on.
    pub fn end_mode(&mut self, mode: KeyMode) {
        if self.has_mode(mode) {
            self.enter_mode(mode);
            self.leave_mode();
        }
    }

    fn has_mode(&self, mode: KeyMode) -> bool {
        self.mode == mode || self.modes_below.contains(&mode)
    }

    /// Whether marks are being made, also while the window is set meanwhile.
    pub fn is_marking(&self) -> bool {
        match self.mode {
            KeyMode::Mark => true,
            KeyMode::Window => self.modes_below.last() == Some(&KeyMode::Mark),
            KeyMode::Browse | KeyMode::Grid => false,
        }
    }

    /// Whether the list of marks stands in place of the findings. While the window is set, the histogram does.
    pub fn lists_marks(&self) -> bool {
        self.mode == KeyMode::Mark
    }

    /// The modes whose keys are asked, one after the other, for what a key means. While the window is set over marks, their
    /// keys come before the common ones, of which some are verdicts.
    pub fn key_modes(&self) -> Vec<KeyMode> {
        let mut modes = vec![self.mode];
        if self.mode == KeyMode::Window {
            modes.extend(self.modes_below.iter().rev());
        }
        modes.push(KeyMode::Browse);
        modes.dedup();
        modes
    }
}
