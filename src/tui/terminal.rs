//! The terminal: what it can do, and how the program enters and leaves it, whether by a quit, an error, a
//! panic, SIGTERM, SIGHUP, Ctrl-Z or a closed connection.

mod attach;
mod cell;
mod probe;
mod signals;
mod size;
mod tmux;

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
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

pub use attach::{Notice, TmuxWatch};
pub use cell::cell_from_system;
pub use probe::{AnswersMayCome, Capabilities, Inside, LateAnswer, probe, typed_key};
pub use signals::{HUNG_UP, Signal, is_dead, watch};
use size::Drawable;
pub use size::drawable;
pub use tmux::{Client, Tmux, Way};

/// How long the terminal may take to answer. One on another continent answers within this time.
pub const WAIT: Duration = Duration::from_millis(150);

/// Why images are painted in this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One clause, for the user.
    pub why: String,
    /// A line of configuration, or another program, that would make it better.
    pub fix: Option<String>,
}

impl Reason {
    /// A reason with an optional fix.
    pub fn new(why: impl Into<String>, fix: Option<&str>) -> Self {
        Reason {
            why: why.into(),
            fix: fix.map(str::to_owned),
        }
    }
}

/// The columns of the terminal that standard output is; `None` if it is none.
pub fn columns() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return None;
    }
    crossterm::terminal::size().ok().map(|(columns, _)| columns)
}

/// Whether the program has the screen now. Leaving twice would switch the screen of the shell.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Takes back what the program left with the terminal beside text, such as images.
pub type CleanUp = fn(&mut io::Stdout) -> io::Result<()>;

/// Called before the terminal is given back. Static, since a panic or a signal may be the reason.
static CLEAN_UP: OnceLock<CleanUp> = OnceLock::new();

/// The screen while the program has it. Dropping it gives the screen back.
pub struct Screen {
    /// Where frames are drawn.
    pub terminal: Terminal<Drawable<CrosstermBackend<io::Stdout>>>,
}

impl Screen {
    /// Takes the screen. `clean_up` is called whenever it is given back.
    ///
    /// # Errors
    /// If the terminal cannot be written to or its modes cannot be set.
    pub fn enter(clean_up: CleanUp) -> io::Result<Self> {
        // Every screen of a process has the same one.
        CLEAN_UP.get_or_init(|| clean_up);
        enter()?;
        let terminal = Terminal::new(Drawable(CrosstermBackend::new(io::stdout())))?;
        Ok(Screen { terminal })
    }

    /// Gives the terminal back, stops until `fg`, and takes it again. Returns `false` without a shell
    /// that has job control.
    ///
    /// # Errors
    /// If the terminal cannot be written to or its modes cannot be set.
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

    /// Gives the terminal back to another program while `run` runs it, and takes it again. A key that interrupts that
    /// program does not end this one.
    ///
    /// # Errors
    /// If the terminal cannot be written to or its modes cannot be set.
    pub fn lend<T>(&mut self, run: impl FnOnce() -> T) -> io::Result<T> {
        leave();
        let result = signals::without_interrupts(run);
        enter()?;
        self.clear()?;
        Ok(result)
    }

    /// Clears the screen, and makes the next frame write every cell in the size that the terminal has now.
    ///
    /// This is not ratatui's `clear`, which asks the terminal for the cursor's position: the answer would
    /// go to the thread that reads keys.
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
        // Inside tmux, the focus event of another terminal that is attached.
        EnableFocusChange,
        cursor::Hide
    );
    if entered.is_err() {
        leave();
    }
    entered
}

/// Gives the terminal back. May be called at any time, from any thread, and more than once.
pub fn leave() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each step is tried even if the one before failed: part of them may still reach the terminal.
    let mut out = io::stdout();
    if let Some(clean_up) = CLEAN_UP.get() {
        let _ = clean_up(&mut out);
    }
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

/// Asks the terminal what it can do, outside a session: for a report.
///
/// # Errors
/// If the terminal's modes cannot be set.
pub fn probe_alone(wait: Duration) -> io::Result<Capabilities> {
    enable_raw_mode()?;
    let can = probe(wait);
    disable_raw_mode()?;
    Ok(can)
}

/// Makes a panic of this thread, which draws, give the terminal back before it prints. Panics of other
/// threads are caught where they happen and become a row with a reason: they must not print on the
/// screen.
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

/// Whether standard output and input are terminals.
pub fn is_interactive() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// The user's choice of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColourChoice {
    /// As the environment says.
    #[default]
    Auto,
    /// 24 bits.
    Always,
    /// None.
    Never,
}

/// How many colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// 24 bits.
    True,
    /// The 256-colour palette: 26 greys, and a cube of 6 × 6 × 6 colours.
    Palette,
    /// None: brightness becomes letters.
    None,
}

/// The colours of this terminal, by the user's choice and the environment. OpenSSH does not forward
/// `COLORTERM`, so its absence proves little. tmux takes 24-bit colours, and reduces them itself for a
/// terminal with fewer.
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
    fn colours_depend_on_the_environment_and_the_choice() {
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
