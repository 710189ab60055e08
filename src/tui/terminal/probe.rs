//! Asks the terminal what it can do, and waits a limited time for its answers.
//!
//! The program asks while no thread reads events, so that no answer becomes a key press. It sends the
//! kitty graphics query, asks for the terminal's name (`CSI > q`), for the size of a cell in pixels
//! (`CSI 16 t`) and for the colour of the background (`OSC 11`), and last for the primary device attributes
//! (`CSI c`). Every terminal answers the last one, and answers come in order, so an answer that is missing by then
//! will not come. Inside tmux only the last two are sent: tmux itself is asked about the terminals behind it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, poll};

use super::cell::{cell_from_system, plausible};
use super::tmux::{Tmux, is_multiplexer};
use crate::domain::text::clean;

/// What the terminal can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The terminal answered at all.
    pub answered: bool,
    /// What lies between this program and the terminal.
    pub inside: Inside,
    /// It has the kitty graphics protocol.
    pub kitty: bool,
    /// It has sixel images.
    pub sixel: bool,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// The colour of its background: red, green and blue.
    pub background: Option<[u8; 3]>,
    /// The name that the terminal gives: `kitty(0.41.1)`.
    pub name: Option<String>,
    /// How long its answer took.
    pub round_trip: Option<Duration>,
    /// The program runs over ssh.
    pub ssh: bool,
    /// The environment says that the terminal, or one that it was started from, is xterm (`XTERM_VERSION`).
    pub xterm_variable: bool,
    /// Keys that the reader typed while the terminal was being asked.
    pub typed: String,
}

impl Capabilities {
    /// Whether the picture ends up in an xterm, by the name that the terminal gives, or else by the environment.
    pub fn is_xterm(&self) -> bool {
        let is_xterm = |name: &str| name.starts_with("XTerm");
        match (&self.inside, &self.name) {
            (Inside::Tmux(tmux), _) => tmux.clients.iter().any(|client| is_xterm(&client.kind)),
            (_, Some(name)) => is_xterm(name),
            (_, None) => self.xterm_variable,
        }
    }
}

/// What lies between this program and the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Inside {
    /// Nothing that is known.
    #[default]
    Nothing,
    /// tmux.
    Tmux(Box<Tmux>),
    /// A tmux or screen that cannot be asked, and why.
    Unknown(String),
}

/// Asks the terminal, for at most `wait`. The terminal must be in raw mode, or it would echo its answers.
pub fn probe(wait: Duration) -> Capabilities {
    // A terminal that was attached a moment ago has not given tmux its name yet.
    let ask_tmux = || Tmux::ask_settled(wait);
    let inside = inside(|name| std::env::var(name).ok(), ask_tmux);
    let mut can = Capabilities {
        cell: cell_from_system(),
        ssh: ["SSH_CONNECTION", "SSH_TTY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())),
        xterm_variable: std::env::var_os("XTERM_VERSION").is_some(),
        ..Capabilities::default()
    };
    let start = Instant::now();
    let is_console = std::env::var("TERM").is_ok_and(|term| term == "linux");
    let questions = questions(&inside, is_console);
    read_answer(&ask(&questions, wait).unwrap_or_default(), &mut can);
    can.round_trip = can.answered.then(|| start.elapsed());
    if let Inside::Tmux(tmux) = &inside {
        can.cell = tmux.cell.or(can.cell);
        can.ssh = tmux.ssh;
    }
    can.inside = inside;
    can
}

fn inside(env: impl Fn(&str) -> Option<String>, ask: impl Fn() -> Result<Tmux, String>) -> Inside {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    if set("TMUX") {
        ask().map_or_else(Inside::Unknown, |tmux| Inside::Tmux(tmux.into()))
    } else if set("STY") {
        Inside::Unknown("GNU screen lets no pixels through".to_owned())
    } else if is_multiplexer(&env("TERM").unwrap_or_default()) {
        // A bare graphics query would set the title of its pane.
        Inside::Unknown("a tmux or screen at the other end cannot be asked from here".to_owned())
    } else {
        Inside::Nothing
    }
}

fn questions(inside: &Inside, is_console: bool) -> Vec<u8> {
    const BACKGROUND: &[u8] = b"\x1b]11;?\x1b\\";
    const ATTRIBUTES: &[u8] = b"\x1b[c";
    // The Linux console and screen may write the question about the background on the screen.
    let background: &[u8] = if is_console { &[] } else { BACKGROUND };
    let questions: &[&[u8]] = match inside {
        Inside::Nothing => &[KITTY_QUERY, b"\x1b[>q\x1b[16t", background, ATTRIBUTES],
        Inside::Tmux(_) => &[background, ATTRIBUTES],
        Inside::Unknown(_) => &[ATTRIBUTES],
    };
    questions.concat()
}

/// Keeps an answer that came too late from becoming key presses: crossterm reads `ESC _ G … ESC \`,
/// `ESC P > … ESC \` and `ESC ] 1 … ESC \` as Alt-_, Alt-P or Alt-], letters, and Alt-\ (or Ctrl-G). It recognises the
/// other answers itself.
#[derive(Debug, Default)]
pub struct LateAnswer {
    /// The terminal has answered in time whenever it was asked: no answer can come.
    over: Arc<AtomicBool>,
    /// The first key of an answer that has begun, and the number of its keys so far.
    inside: Option<(char, usize)>,
    /// The keys of the answer so far.
    text: String,
    /// Such an answer said that the terminal has the kitty graphics protocol.
    is_kitty: bool,
}

/// Tells the thread that reads keys whether answers may still come: see [`LateAnswer`].
#[derive(Debug, Clone)]
pub struct AnswersMayCome(Arc<AtomicBool>);

impl AnswersMayCome {
    /// After another probe, which has ended without an answer: that may come among the keys.
    pub fn note(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Asks for one pixel to be checked, and not shown.
const KITTY_QUERY: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";

impl LateAnswer {
    /// No answer is longer. A reader who types Alt-_ and G loses at most this many keys.
    const LONGEST: usize = 64;

    /// For the keys after a probe with this result.
    pub fn after(can: &Capabilities) -> Self {
        LateAnswer {
            over: Arc::new(AtomicBool::new(can.answered)),
            ..LateAnswer::default()
        }
    }

    /// The way to tell that answers may come after all.
    pub fn may_come(&self) -> AnswersMayCome {
        AnswersMayCome(self.over.clone())
    }

    /// Whether an answer has said, since the last call, that the terminal has the kitty graphics protocol.
    pub fn take_kitty(&mut self) -> bool {
        std::mem::take(&mut self.is_kitty)
    }

    /// Whether a key is part of a late answer.
    pub fn swallows(&mut self, key: &KeyEvent) -> bool {
        if self.over.load(Ordering::SeqCst) {
            return false;
        }
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let seen = match (self.inside, key.code) {
            (_, KeyCode::Char(first @ ('_' | 'P' | ']'))) if alt => Some((first, 0)),
            (Some(('_', 0)), KeyCode::Char('G'))
            | (Some(('P', 0)), KeyCode::Char('>'))
            | (Some((']', 0)), KeyCode::Char('1')) => self.inside.map(|(first, _)| (first, 1)),
            (Some((_, 0 | Self::LONGEST)) | None, _) => None,
            (Some((first, n)), _) => Some((first, n + 1)),
        };
        let is_bell =
            key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('g');
        let is_end = is_bell || (alt && key.code == KeyCode::Char('\\'));
        let ends = is_end && seen.is_some();
        match (seen, key.code) {
            (Some((_, 1..)), KeyCode::Char(c)) if !ends => self.text.push(c),
            _ => {
                self.is_kitty |= ends && self.text.starts_with("Gi=31;OK");
                self.text.clear();
            }
        }
        self.inside = if ends { None } else { seen };
        seen.is_some()
    }
}

/// The key for a character that was typed while the terminal was asked.
pub fn typed_key(c: char) -> KeyEvent {
    match c {
        '\r' => KeyCode::Enter.into(),
        '\u{1}'..='\u{1a}' => {
            let letter = char::from(c as u8 + b'a' - 1);
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
        }
        c => KeyCode::Char(c).into(),
    }
}

fn ask(questions: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
    let mut out = io::stdout();
    out.write_all(questions)?;
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

fn read_answer(answer: &[u8], can: &mut Capabilities) {
    let text = String::from_utf8_lossy(answer);
    can.typed = without_sequences(&text);
    can.kitty = text.contains("_Gi=31;OK");
    let name = text
        .split_once("\x1bP>|")
        .and_then(|(_, rest)| rest.split_once("\x1b\\"));
    can.name = name.map(|(name, _)| clean(name));
    can.background = text.split_once("\x1b]11;").and_then(|(_, rest)| {
        let end = rest.find(['\x1b', '\x07'])?;
        colour(&rest[..end])
    });
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

/// A colour as terminals tell it: `rgb:1c1c/1c1c/1c1c`, with one to four digits each (XParseColor(3)).
fn colour(words: &str) -> Option<[u8; 3]> {
    let (kind, parts) = words.split_once(':')?;
    if !matches!(kind, "rgb" | "rgba") {
        return None;
    }
    let part = |digits: &str| {
        let is_hex = digits.chars().all(|digit| digit.is_ascii_hexdigit());
        if !(1..=4).contains(&digits.len()) || !is_hex {
            return None;
        }
        let most = 16_u32.pow(u32::try_from(digits.len()).ok()?) - 1;
        let value = u32::from_str_radix(digits, 16).ok()?;
        u8::try_from(value * u32::from(u8::MAX) / most).ok()
    };
    let mut parts = parts.split('/').map(part);
    let mut next = || parts.next().flatten();
    Some([next()?, next()?, next()?])
}

/// The text without escape sequences: `ESC _ … ESC \`, `ESC P … ESC \`, `ESC ] … ESC \` (or a bell) and
/// `ESC [ … letter`.
fn without_sequences(text: &str) -> String {
    let mut typed = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        typed.push_str(&rest[..at]);
        let sequence = &rest[at + 1..];
        let end = match sequence.chars().next() {
            Some('_' | 'P') => sequence.find("\x1b\\").map(|end| end + 2),
            Some(']') => sequence.find(['\x07', '\x1b']).map(|end| {
                match sequence[end..].starts_with("\x1b\\") {
                    true => end + 2,
                    false => end + 1,
                }
            }),
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
        let kitty = read("\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;18;9t\x1b[?62;c");
        assert!(kitty.answered && kitty.kitty && !kitty.sixel);
        assert_eq!(kitty.name.as_deref(), Some("kitty(0.26.5)"));
        assert_eq!(kitty.cell, Some((9, 18)));

        let xterm = read("\x1b[6;13;6t\x1b[?63;1;2;4;6;9;15;16;22c");
        assert!(xterm.answered && !xterm.kitty && xterm.sixel);
        assert_eq!(xterm.cell, Some((6, 13)));

        let vte = read("\x1b[?65;1;9c");
        assert!(vte.answered && !vte.kitty && !vte.sixel && vte.cell.is_none());

        for end in ["\x1b\\", "\x07"] {
            let can = read(&format!("\x1b]11;rgb:ffff/8000/00{end}\x1b[?62;c"));
            assert_eq!(can.background, Some([255, 127, 0]));
            assert!(can.answered && can.typed.is_empty());
        }
        for wrong in [
            "rgb:ffff/8000",
            "rgb:g/0/0",
            "rgb:00000/0/0",
            "rgb://",
            "red",
            "rgb:+1/0/0",
        ] {
            let answer = format!("\x1b]11;{wrong}\x1b\\\x1b[?62;c");
            assert_eq!(read(&answer).background, None, "{wrong}");
        }

        // A level of 64 is not the attribute 4.
        assert!(!read("\x1b[?64;1c").sixel);
        assert_eq!(read(""), Capabilities::default());
        assert_eq!(read("\x1b[6;0;0t\x1b[?6c").cell, None);
    }

    #[test]
    fn keys_typed_during_the_probe_are_kept_and_answers_are_not_keys() {
        assert_eq!(
            read("j\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;18;9tj\x1b[?62;4cG").typed,
            "jjG"
        );
        assert_eq!(read("\x1b[?62;4c").typed, "");
        assert_eq!(read("q").typed, "q");
        assert_eq!(
            read("\x1b[?62").typed,
            "",
            "part of an answer is no key either"
        );
    }

    #[test]
    fn a_late_answer_is_no_key_press_and_keys_after_it_are() {
        let mut late = LateAnswer::default();
        let mut keys = String::new();
        for part in [
            "j",
            "^_",
            "Gi=31;OK",
            "^\\",
            "^P",
            ">|kitty(0.41.1)",
            "^\\",
            "^]",
            "11;rgb:1c1c/1c1c/1c1c",
            "^\\",
            "k",
        ] {
            let (text, modifiers) = match part.strip_prefix('^') {
                Some(rest) => (rest, KeyModifiers::ALT),
                None => (part, KeyModifiers::NONE),
            };
            for c in text.chars() {
                if !late.swallows(&KeyEvent::new(KeyCode::Char(c), modifiers)) {
                    keys.push(c);
                }
            }
        }
        assert_eq!(keys, "jk");
        assert!(late.take_kitty() && !late.take_kitty());
    }

    #[test]
    fn a_terminal_that_answered_once_may_answer_late_when_it_is_asked_again() {
        let answered = Capabilities {
            answered: true,
            ..Capabilities::default()
        };
        let mut late = LateAnswer::after(&answered);
        let alt = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT);
        late.may_come().note();
        assert!(late.swallows(&alt('_')));
        for c in "Gi=31;ENOTSUPPORTED:x".chars() {
            assert!(late.swallows(&KeyEvent::from(KeyCode::Char(c))));
        }
        assert!(late.swallows(&alt('\\')));
        assert!(!late.take_kitty(), "it has no such protocol");
    }

    #[test]
    fn alt_underscore_alone_costs_no_other_key() {
        let mut late = LateAnswer::default();
        let alt = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT);
        for first in ['_', 'P', ']'] {
            assert!(late.swallows(&alt(first)));
            assert!(!late.swallows(&KeyEvent::from(KeyCode::Char('j'))));
            assert!(!late.swallows(&KeyEvent::from(KeyCode::Char('G'))));
        }
        let answered = Capabilities {
            answered: true,
            ..Capabilities::default()
        };
        assert!(
            !LateAnswer::after(&answered).swallows(&alt('P')),
            "nothing more can come"
        );
    }

    #[test]
    fn only_a_tmux_that_can_be_asked_is_asked_and_none_gets_the_graphics_query() {
        let with = |vars: &'static [(&str, &str)]| {
            let env = |name: &str| {
                let found = vars.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            inside(env, || Ok(Tmux::default()))
        };
        assert_eq!(
            with(&[("TERM", "xterm-256color"), ("TMUX", "")]),
            Inside::Nothing
        );
        assert!(matches!(with(&[("TMUX", "/tmp/x,1,0")]), Inside::Tmux(_)));
        for vars in [
            &[("STY", "77.pts"), ("TERM", "xterm")],
            // ssh from a pane of tmux: the environment there has TERM, but not TMUX.
            &[("TERM", "tmux-256color"), ("LANG", "C")],
        ] {
            let inside = with(vars);
            assert!(matches!(inside, Inside::Unknown(_)), "{vars:?}");
            assert_eq!(questions(&inside, false), b"\x1b[c");
        }
    }

    #[test]
    fn waiting_ends_with_the_device_attributes_and_not_before() {
        assert!(!has_device_attributes(b"\x1b_Gi=31;OK\x1b\\"));
        assert!(!has_device_attributes(b"\x1b[6;18;9t\x1b[?62;"));
        assert!(has_device_attributes(b"\x1b[6;18;9t\x1b[?62;4c"));
    }
}
