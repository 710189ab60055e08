//! What the terminal can do, asked once, with a bound on the waiting.
//!
//! Asked before any thread reads events, so that no answer becomes a key press: the kitty graphics
//! query, the cell's size in pixels (`CSI 16 t`), and last the primary device attributes (`CSI c`),
//! which every terminal answers: what has not come before them will not come.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal::window_size;
use rustix::event::{PollFd, PollFlags, poll};

/// How long the terminal may take. A line to another continent answers within it.
pub const WAIT: Duration = Duration::from_millis(150);

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The terminal answered at all.
    pub answered: bool,
    /// Inside tmux (or screen), which answers for itself and lets no pixels through.
    pub tmux: bool,
    pub kitty: bool,
    pub sixel: bool,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// What somebody typed while the terminal was being asked.
    pub typed: String,
}

/// Asks the terminal, which must be in raw mode (or its answers would be echoed); never longer than
/// `wait`, and never inside tmux.
pub fn probe(wait: Duration) -> Capabilities {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let tmux = set("TMUX") || set("STY");
    let mut can = Capabilities {
        tmux,
        cell: cell_from_system(),
        ..Capabilities::default()
    };
    // tmux would answer for itself, and takes the graphics query for a pane title.
    if !tmux {
        read_answer(&ask(wait).unwrap_or_default(), &mut can);
    }
    can
}

/// Keeps an answer that came after the waiting was over from becoming key presses: crossterm reads
/// the kitty protocol's `ESC _ G … ESC \` as Alt-_, letters, and Alt-\. (It knows the others.)
#[derive(Debug, Default)]
pub struct LateAnswer {
    /// Keys of an answer so far.
    inside: Option<usize>,
}

impl LateAnswer {
    /// No answer is longer: whoever types Alt-_ and G loses this many keys, and no more.
    const LONGEST: usize = 64;

    pub fn swallows(&mut self, key: &KeyEvent) -> bool {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let seen = match (self.inside, key.code) {
            (_, KeyCode::Char('_')) if alt => Some(0),
            (Some(0), KeyCode::Char('G')) => Some(1),
            (Some(0) | None, _) => None,
            (Some(Self::LONGEST), _) => None,
            (Some(n), _) => Some(n + 1),
        };
        let ends = alt && key.code == KeyCode::Char('\\') && seen.is_some();
        self.inside = if ends { None } else { seen };
        seen.is_some()
    }
}

fn ask(wait: Duration) -> io::Result<Vec<u8>> {
    let mut out = io::stdout();
    out.write_all(b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c")?;
    out.flush()?;
    let stdin = rustix::stdio::stdin();
    let end = Instant::now() + wait;
    let mut answer = Vec::new();
    while !has_device_attributes(&answer) {
        let Some(left) = end.checked_duration_since(Instant::now()) else {
            break;
        };
        let timeout = rustix::event::Timespec {
            tv_sec: left.as_secs() as _,
            tv_nsec: left.subsec_nanos() as _,
        };
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout))? == 0 {
            break;
        }
        let mut buffer = [0; 256];
        match rustix::io::read(stdin, &mut buffer)? {
            0 => break,
            n => answer.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(answer)
}

/// The system knows the window's pixels on many terminals, without asking.
fn cell_from_system() -> Option<(u16, u16)> {
    let size = window_size().ok()?;
    let cell = (
        size.width.checked_div(size.columns)?,
        size.height.checked_div(size.rows)?,
    );
    plausible(cell)
}

/// Terminals have been seen to answer zero, and one by one.
fn plausible((width, height): (u16, u16)) -> Option<(u16, u16)> {
    ((4..=200).contains(&width) && (4..=400).contains(&height)).then_some((width, height))
}

fn read_answer(answer: &[u8], can: &mut Capabilities) {
    let text = String::from_utf8_lossy(answer);
    can.typed = without_sequences(&text);
    can.kitty = text.contains("_Gi=31;OK");
    for sequence in text.split("\x1b[").skip(1) {
        if let Some(attributes) = sequence.strip_prefix('?').and_then(|s| s.split_once('c')) {
            can.answered = true;
            can.sixel = attributes
                .0
                .split(';')
                .skip(1)
                .any(|attribute| attribute == "4");
        } else if let Some((numbers, _)) = sequence.split_once('t') {
            let numbers: Vec<u16> = numbers.split(';').filter_map(|n| n.parse().ok()).collect();
            if let [6, height, width] = numbers[..] {
                can.cell = plausible((width, height)).or(can.cell);
            }
        }
    }
}

/// What is left without escape sequences: `ESC _ … ESC \\` and `ESC [ … letter`.
fn without_sequences(text: &str) -> String {
    let mut typed = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        typed.push_str(&rest[..at]);
        let sequence = &rest[at + 1..];
        let end = match sequence.chars().next() {
            Some('_') => sequence.find("\x1b\\").map(|end| end + 2),
            Some('[') => {
                let last = |c: char| ('\x40'..='\x7e').contains(&c);
                sequence[1..].find(last).map(|end| end + 2)
            }
            _ => Some(0),
        };
        rest = end.map_or("", |end| &sequence[end..]);
    }
    typed.push_str(rest);
    typed
}

fn has_device_attributes(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.split("\x1b[?").skip(1).any(|sequence| {
        let end = sequence.find(|c: char| !c.is_ascii_digit() && c != ';');
        end.is_some_and(|at| sequence[at..].starts_with('c'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Capabilities {
        let mut can = Capabilities::default();
        read_answer(answer.as_bytes(), &mut can);
        can
    }

    #[test]
    fn answers_of_real_terminals() {
        let kitty = read("\x1b_Gi=31;OK\x1b\\\x1b[6;18;9t\x1b[?62;c");
        assert!(kitty.answered && kitty.kitty && !kitty.sixel);
        assert_eq!(kitty.cell, Some((9, 18)));

        let xterm = read("\x1b[6;13;6t\x1b[?63;1;2;4;6;9;15;16;22c");
        assert!(xterm.answered && !xterm.kitty && xterm.sixel);
        assert_eq!(xterm.cell, Some((6, 13)));

        let vte = read("\x1b[?65;1;9c");
        assert!(vte.answered && !vte.kitty && !vte.sixel && vte.cell.is_none());

        // A level of 64 is not the attribute 4.
        assert!(!read("\x1b[?64;1c").sixel);
        assert_eq!(read(""), Capabilities::default());
        assert_eq!(read("\x1b[6;0;0t\x1b[?6c").cell, None);
    }

    #[test]
    fn keys_typed_meanwhile_are_kept_and_answers_are_not_keys() {
        assert_eq!(
            read("j\x1b_Gi=31;OK\x1b\\\x1b[6;18;9tj\x1b[?62;4cG").typed,
            "jjG"
        );
        assert_eq!(read("\x1b[?62;4c").typed, "");
        assert_eq!(read("q").typed, "q");
        assert_eq!(read("\x1b[?62").typed, "", "a torn answer is no key either");
    }

    #[test]
    fn a_late_answer_is_no_key_press_and_keys_after_it_are() {
        let mut late = LateAnswer::default();
        let mut through = String::new();
        for part in ["j", "^_", "Gi=31;OK", "^\\", "k"] {
            let (text, modifiers) = match part.strip_prefix('^') {
                Some(rest) => (rest, KeyModifiers::ALT),
                None => (part, KeyModifiers::NONE),
            };
            for c in text.chars() {
                if !late.swallows(&KeyEvent::new(KeyCode::Char(c), modifiers)) {
                    through.push(c);
                }
            }
        }
        assert_eq!(through, "jk");
    }

    #[test]
    fn alt_underscore_alone_costs_no_other_key() {
        let mut late = LateAnswer::default();
        assert!(late.swallows(&KeyEvent::new(KeyCode::Char('_'), KeyModifiers::ALT)));
        assert!(!late.swallows(&KeyEvent::from(KeyCode::Char('j'))));
        assert!(!late.swallows(&KeyEvent::from(KeyCode::Char('G'))));
    }

    #[test]
    fn waiting_ends_with_the_device_attributes_and_not_before() {
        assert!(!has_device_attributes(b"\x1b_Gi=31;OK\x1b\\"));
        assert!(!has_device_attributes(b"\x1b[6;18;9t\x1b[?62;"));
        assert!(has_device_attributes(b"\x1b[6;18;9t\x1b[?62;4c"));
    }
}
