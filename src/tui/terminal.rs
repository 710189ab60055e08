//! Entering and leaving the terminal: quit, error, panic, SIGTERM, SIGHUP, Ctrl-Z, a dead line.

mod attach;
mod probe;
mod report;
mod signals;
mod size;
mod tmux;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Rect, Size};

use super::preview::{self, Colours};
pub use attach::{Attendant, Notice};
pub use probe::{Capabilities, Inside, LateAnswer, cell_from_system, is_multiplexer, probe};
pub use report::report;
pub use signals::{HUNG_UP, Signal, is_dead, watch};
use size::Drawable;
pub use size::drawable;
pub use tmux::{Client, Tmux, Way};

/// How long the terminal may take to answer. A line to another continent answers within it.
pub const WAIT: Duration = Duration::from_millis(150);

/// Why something is as it is, and the line that would make it better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub why: String,
    pub fix: Option<String>,
}

impl Reason {
    pub fn new(why: impl Into<String>, fix: Option<&str>) -> Self {
        Reason {
            why: why.into(),
            fix: fix.map(str::to_owned),
        }
    }
}

/// Whether the screen is ours now: leaving twice would switch the user's own screen.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The screen while the program has it; gives it back when dropped.
pub struct Screen {
    pub terminal: Terminal<Drawable<CrosstermBackend<io::Stdout>>>,
}

impl Screen {
    /// # Errors
    /// If the terminal cannot be written to or its modes not be set.
    pub fn enter() -> io::Result<Self> {
        enter()?;
        let terminal = Terminal::new(Drawable(CrosstermBackend::new(io::stdout())))?;
        Ok(Screen { terminal })
    }

    /// Gives the terminal back, stops until `fg`, and takes it again. `false` where there is no
    /// shell that could say `fg`.
    ///
    /// # Errors
    /// If the terminal cannot be written to or its modes not be set.
    pub fn suspend(&mut self) -> io::Result<bool> {
        if !signals::can_stop() {
            return Ok(false);
        }
        leave();
        signals::stop_here()?;
        enter()?;
        self.clear()?;
        Ok(true)
    }

    /// Clears it, and has the next frame write every cell, in the size that the terminal has now.
    ///
    /// Not ratatui's `clear`: that one asks the terminal where the cursor is, and the answer goes
    /// to the thread that reads keys.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    pub fn clear(&mut self) -> io::Result<Size> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from(size))?;
        Ok(size)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    let entered = execute!(
        io::stdout(),
        EnterAlternateScreen,
        EnableMouseCapture,
        EnableBracketedPaste,
        // Inside tmux, where another terminal may come to look.
        EnableFocusChange,
        cursor::Hide
    );
    if entered.is_err() {
        leave();
    }
    entered
}

/// Gives the terminal back. Safe to call at any time, from any thread, more than once.
pub fn leave() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each step is tried even if the one before failed: the terminal may be half gone.
    let mut out = io::stdout();
    let _ = preview::delete_images(&mut out);
    let _ = execute!(
        out,
        DisableFocusChange,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Asks the terminal what it can do while nothing else uses it: for a report.
///
/// # Errors
/// If its modes cannot be set.
pub fn probe_alone(wait: Duration) -> io::Result<Capabilities> {
    enable_raw_mode()?;
    let can = probe(wait);
    disable_raw_mode()?;
    Ok(can)
}

/// Has a panic of this thread, which draws, give the terminal back before it prints. Those of
/// others are caught where they happen and become a row with a reason: they must not write over
/// the screen.
pub fn install_panic_hook() {
    let print = std::panic::take_hook();
    let drawing = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == drawing {
            leave();
            print(info);
        }
    }));
}

/// Whether there is a terminal to draw on and to read keys from.
pub fn is_interactive() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColourChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// How many colours may be used. OpenSSH does not forward `COLORTERM`, so its absence proves
/// little; tmux takes 24-bit colours and reduces them itself where its terminal has fewer.
pub fn colours(choice: ColourChoice, env: impl Fn(&str) -> Option<String>) -> Colours {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let term = env("TERM").unwrap_or_default();
    let truecolour = env("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit")
        || set("TMUX")
        || [
            "direct",
            "kitty",
            "ghostty",
            "foot",
            "alacritty",
            "wezterm",
            "iterm",
        ]
        .iter()
        .any(|name| term.contains(name));
    match choice {
        ColourChoice::Always => Colours::True,
        ColourChoice::Never => Colours::None,
        ColourChoice::Auto if set("NO_COLOR") || term == "dumb" => Colours::None,
        ColourChoice::Auto if truecolour => Colours::True,
        ColourChoice::Auto => Colours::Palette,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_environment_and_the_user() {
        let with = |choice, vars: &[(&str, &str)]| {
            colours(choice, |name| {
                vars.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        use ColourChoice::{Always, Auto, Never};
        assert_eq!(with(Auto, &[("TERM", "xterm-256color")]), Colours::Palette);
        assert_eq!(with(Auto, &[("COLORTERM", "truecolor")]), Colours::True);
        assert_eq!(
            with(Auto, &[("TERM", "screen"), ("TMUX", "/x,1,0")]),
            Colours::True
        );
        assert_eq!(with(Auto, &[("TERM", "xterm-kitty")]), Colours::True);
        assert_eq!(
            with(Auto, &[("TERM", "xterm-kitty"), ("NO_COLOR", "1")]),
            Colours::None
        );
        assert_eq!(with(Always, &[("NO_COLOR", "1")]), Colours::True);
        assert_eq!(with(Never, &[("COLORTERM", "truecolor")]), Colours::None);
    }
}
