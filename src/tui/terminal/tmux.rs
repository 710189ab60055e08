//! tmux, and the terminals that are attached to it and show this pane.
//!
//! Asked through the command `tmux` and never through the terminal: tmux takes the kitty graphics query
//! for a pane's title, and answers every other question for itself.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Reason;
use super::cell::plausible;
use crate::starting;

/// A server on this machine answers in milliseconds. One that hangs must not hold up the screen.
const WAIT: Duration = Duration::from_millis(500);
/// Time between two questions while a newly attached terminal gives its name.
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// A terminal that has not given its name after this many seconds will not give it.
const NAME_SECONDS: u64 = 2;
/// The first version of tmux that passes escapes through.
const PASSTHROUGH_SINCE: (u32, u32) = (3, 3);

/// tmux around this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tmux {
    /// `3.3a`
    pub version: String,
    /// `allow-passthrough` of this pane.
    pub passthrough: bool,
    /// `focus-events`: a client that is attached again is noticed at once.
    pub focus_events: bool,
    /// This program runs in the pane. In a popup it has another terminal device.
    pub own_pane: bool,
    /// Width and height of a cell of the client's terminal, in pixels.
    pub cell: Option<(u16, u16)>,
    /// The attached client runs over ssh.
    pub ssh: bool,
    /// The terminals that show the session, without clients in control mode, which are programs.
    pub clients: Vec<Client>,
}

/// How far tmux has written to its terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// Bytes to all terminals so far.
    pub written: u64,
    /// Bytes, perhaps of pictures, that were dropped because a terminal could not keep up.
    pub discarded: u64,
    /// A terminal shows this window. Otherwise escapes that pass through tmux are lost.
    pub visible: bool,
}

impl Flow {
    /// Asks tmux.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn ask() -> Result<Self, String> {
        let pane = std::env::var("TMUX_PANE").unwrap_or_default();
        let mut command = Command::new("tmux");
        command
            .args([
                "display-message",
                "-p",
                "-t",
                &pane,
                "#{window_active_clients}",
                ";",
            ])
            .args([
                "list-clients",
                "-t",
                &pane,
                "-F",
                "#{client_written}|#{client_discarded}",
            ]);
        let answer = output(command, WAIT).map_err(|error| error.to_string())?;
        let mut lines = answer.lines();
        let visible = lines.next().is_some_and(|count| count != "0");
        let pairs = lines.filter_map(|line| line.split_once('|'));
        let numbers = pairs.filter_map(|(a, b)| a.parse().ok().zip(b.parse().ok()));
        Ok(numbers.fold(
            Flow {
                visible,
                ..Flow::default()
            },
            |sum, (written, discarded): (u64, u64)| Flow {
                written: sum.written + written,
                discarded: sum.discarded + discarded,
                ..sum
            },
        ))
    }
}

/// A terminal that is attached to the session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Its terminal device. Together with `created` it identifies the client.
    pub name: String,
    /// When it was attached, in seconds since 1970.
    pub created: String,
    /// Its `TERM`.
    pub term: String,
    /// The name that it gives: `kitty(0.41.1)`.
    pub kind: String,
    /// `256,clipboard,RGB,sixel`
    pub features: String,
}

/// How pixels get through tmux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Kitty's unicode placeholders: the picture passes through tmux, and text marks its place.
    Placeholders,
    /// tmux itself stores and draws sixel pictures.
    Sixel,
}

impl Tmux {
    /// Asks the server that this pane belongs to.
    ///
    /// # Errors
    /// Why there is no answer in time, or that it is not understood.
    pub fn ask() -> Result<Self, String> {
        Self::ask_within(WAIT)
    }

    fn ask_within(limit: Duration) -> Result<Self, String> {
        let pane = std::env::var("TMUX_PANE")
            .map_err(|_| "TMUX_PANE is not set, as in a popup of tmux".to_owned())?;
        let mut command = Command::new("tmux");
        command
            .args(["display-message", "-p", "-t", &pane, SERVER, ";"])
            .args(["list-clients", "-t", &pane, "-F", CLIENT, ";"])
            // Last, since it fails if the variable is not set.
            .args(["show-environment", "-t", &pane, "SSH_CONNECTION"]);
        let answer =
            output(command, limit).map_err(|error| format!("no answer from tmux: {error}"))?;
        let stdin = rustix::stdio::stdin();
        let tty = rustix::termios::ttyname(stdin, Vec::new()).unwrap_or_default();
        read(&answer, &tty.to_string_lossy())
            .ok_or_else(|| "tmux's answer is not understood".to_owned())
    }

    /// Whether every terminal has given its name, or has had the time to. A terminal gives it right after it
    /// was attached.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        self.clients.iter().all(|client| {
            let age = client.created.parse().map(|then| now.saturating_sub(then));
            !client.kind.is_empty() || age.is_ok_and(|age| age >= NAME_SECONDS)
        })
    }

    /// Asks until all terminals have given their names, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Tmux::ask`].
    pub fn ask_settled(timeout: Duration) -> Result<Self, String> {
        let end = Instant::now() + timeout;
        loop {
            let tmux = Tmux::ask_within(WAIT.max(timeout))?;
            if tmux.is_settled() || Instant::now() >= end {
                return Ok(tmux);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// The best way for pixels through this tmux. `sixel` is whether tmux answers that it has sixel.
    ///
    /// # Errors
    /// Why there is no way.
    pub fn way(&self, sixel: bool) -> Result<Way, Reason> {
        let obstacle = |why: String, fix: Option<&str>| Err(Reason::new(why, fix));
        if !self.own_pane {
            return obstacle("a popup of tmux has no pixels".into(), None);
        }
        let Some(first) = self.clients.first() else {
            return obstacle("no terminal is attached to tmux".into(), None);
        };
        if let Some(nested) = self.clients.iter().find(|client| client.is_multiplexer()) {
            let why = format!("tmux runs inside another one ({})", nested.term);
            return obstacle(why, None);
        }
        let without = self
            .clients
            .iter()
            .find(|client| !client.has_placeholders());
        match without {
            None if self.passthrough => Ok(Way::Placeholders),
            None if self.number() < PASSTHROUGH_SINCE => obstacle(
                format!("tmux {} passes no pixels through", self.version),
                Some("tmux 3.3 or newer on this machine"),
            ),
            None => obstacle(
                format!("tmux passes no pixels to {}", first.name_of_terminal()),
                Some("~/.tmux.conf: set -g allow-passthrough on"),
            ),
            Some(_) if sixel && self.clients.iter().all(Client::has_sixel) => Ok(Way::Sixel),
            Some(without) => obstacle(
                format!(
                    "inside tmux, {} has no way to show pixels",
                    without.name_of_terminal()
                ),
                Some(without.advice()),
            ),
        }
    }

    /// `3.3a` → (3, 3). A version without numbers is a development version, newer than all others.
    fn number(&self) -> (u32, u32) {
        let digits = self.version.trim_start_matches("next-");
        number(digits).unwrap_or((u32::MAX, 0))
    }
}

impl Client {
    /// kitty has had placeholders since 0.28, Ghostty always.
    fn has_placeholders(&self) -> bool {
        let version = self.kind.strip_prefix("kitty(").map(number);
        match version {
            Some(version) => version.is_some_and(|version| version >= (0, 28)),
            None => self.kind.starts_with("ghostty") || self.term == "xterm-ghostty",
        }
    }

    fn has_sixel(&self) -> bool {
        self.features.split(',').any(|feature| feature == "sixel")
    }

    /// Otherwise tmux reduces each colour to the nearest of 256.
    pub fn has_truecolour(&self) -> bool {
        self.features.split(',').any(|feature| feature == "RGB")
    }

    fn is_multiplexer(&self) -> bool {
        is_multiplexer(&self.term)
    }

    /// The name that it gives, or else its `TERM`.
    pub fn name_of_terminal(&self) -> &str {
        if self.kind.is_empty() {
            &self.term
        } else {
            &self.kind
        }
    }

    fn advice(&self) -> &'static str {
        if self.kind.starts_with("kitty(") {
            "kitty 0.28 or newer"
        } else if self.has_sixel() {
            "a tmux of 3.4 or newer that was built with sixel"
        } else {
            "kitty or Ghostty outside tmux, or cxr without tmux"
        }
    }
}

/// The formats of the answers: one line each. The last field may contain the separator.
const SERVER: &str = "server|#{version}|#{allow-passthrough}|#{focus-events}|\
                      #{client_cell_width}|#{client_cell_height}|#{pane_tty}";
const CLIENT: &str = "client|#{client_control_mode}|#{client_name}|#{client_created}|\
                      #{client_termname}|#{client_termfeatures}|#{client_termtype}";

/// Terminals of tmux and screen, which answer questions for themselves.
pub fn is_multiplexer(term: &str) -> bool {
    term.starts_with("tmux") || term.starts_with("screen")
}

fn read(answer: &str, tty: &str) -> Option<Tmux> {
    let mut tmux = Tmux::default();
    let mut answered = false;
    for line in answer.lines() {
        let fields: Vec<&str> = line.splitn(7, '|').collect();
        match fields[..] {
            ["server", version, passthrough, focus, width, height, pane] => {
                answered = true;
                tmux.version = version.to_owned();
                // A number before tmux 3.4, a word from then on.
                tmux.passthrough = matches!(passthrough, "1" | "on" | "all");
                tmux.focus_events = matches!(focus, "1" | "on");
                tmux.own_pane = pane == tty;
                let cell = width.parse().ok().zip(height.parse().ok());
                tmux.cell = cell.and_then(plausible);
            }
            ["client", "0", name, created, term, features, kind] => tmux.clients.push(Client {
                name: name.to_owned(),
                created: created.to_owned(),
                term: term.to_owned(),
                kind: kind.to_owned(),
                features: features.to_owned(),
            }),
            _ => tmux.ssh |= line.starts_with("SSH_CONNECTION="),
        }
    }
    answered.then_some(tmux)
}

/// The first two numbers of `0.41.1)` or `3.3a`.
fn number(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit());
        part[..digits.unwrap_or(part.len())].parse().ok()
    });
    Some((parts.next()??, parts.next()??))
}

/// The standard output of a command, which is killed after `timeout`.
fn output(mut command: Command, timeout: Duration) -> io::Result<String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = starting::spawn(&mut command)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = sender.send(stdout.read_to_end(&mut bytes).map(|_| bytes));
        });
    }
    let answer = receiver.recv_timeout(timeout);
    if answer.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    let bytes = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTY: &str = "/dev/pts/1";

    /// As tmux 3.3a and 3.5a answered, with kitty 0.41.1 and xterm 379 attached.
    fn tmux(server: &str, clients: &[&str]) -> Tmux {
        let lines: Vec<_> = std::iter::once(server)
            .chain(clients.iter().copied())
            .collect();
        read(&lines.join("\n"), TTY).unwrap()
    }

    const ON: &str = "server|3.3a|1|0|10|19|/dev/pts/1";
    const KITTY: &str =
        "client|0|/dev/pts/0|1795444606|xterm-kitty|bpaste,focus,title|kitty(0.41.1)";
    const XTERM: &str = "client|0|/dev/pts/3|1795444607|xterm-256color|256,sixel|XTerm(379)";

    #[test]
    fn kitty_gets_placeholders_where_tmux_lets_them_through() {
        let open = tmux(ON, &[KITTY]);
        assert_eq!(open.way(false), Ok(Way::Placeholders));
        assert_eq!(open.cell, Some((10, 19)));
        assert_eq!(
            tmux("server|3.5a|all|on|10|19|/dev/pts/1", &[KITTY]).way(false),
            Ok(Way::Placeholders)
        );

        let shut = tmux("server|3.5a|off|0|10|19|/dev/pts/1", &[KITTY])
            .way(true)
            .unwrap_err();
        assert!(shut.fix.unwrap().contains("set -g allow-passthrough on"));
        // 3.2 has no such option, so the field is empty.
        let old = tmux("server|3.2a||0|||/dev/pts/1", &[KITTY])
            .way(true)
            .unwrap_err();
        assert!(old.why.contains("3.2a") && old.fix.unwrap().contains("3.3"));
    }

    #[test]
    fn a_terminal_without_placeholders_gets_none() {
        let client = |term: &str, kind: &str| {
            let line = format!("client|0|/dev/pts/0|1|{term}|256|{kind}");
            tmux(ON, &[&line]).way(false)
        };
        assert_eq!(
            client("xterm-ghostty", "ghostty 1.1.0"),
            Ok(Way::Placeholders)
        );
        assert!(
            client("xterm-kitty", "kitty(0.26.5)")
                .unwrap_err()
                .fix
                .unwrap()
                .contains("0.28")
        );
        for (term, kind) in [
            ("xterm-256color", "WezTerm 20240203"),
            ("xterm-256color", ""),
            ("foot", "foot(1.13.1)"),
        ] {
            let Reason { why, .. } = client(term, kind).unwrap_err();
            assert!(
                why.contains(if kind.is_empty() { term } else { kind }),
                "{why}"
            );
        }
        assert!(
            client("tmux-256color", "tmux 3.3a")
                .unwrap_err()
                .why
                .contains("inside another")
        );
        // The reader at the other terminal would see strange letters.
        assert!(tmux(ON, &[KITTY, XTERM]).way(false).is_err());
        let program = "client|1|client-77|1|||";
        assert_eq!(
            tmux(ON, &[KITTY, program]).way(false),
            Ok(Way::Placeholders)
        );
        assert!(
            tmux(ON, &[])
                .way(true)
                .unwrap_err()
                .why
                .contains("attached")
        );
        assert!(
            tmux("server|3.3a|1|0|10|19|/dev/pts/9", &[KITTY])
                .way(true)
                .unwrap_err()
                .why
                .contains("popup")
        );
    }

    #[test]
    fn sixel_goes_through_a_tmux_that_has_it() {
        assert_eq!(tmux(ON, &[XTERM]).way(true), Ok(Way::Sixel));
        let without = tmux(ON, &[XTERM]).way(false).unwrap_err();
        assert!(without.fix.unwrap().contains("sixel"));
    }

    #[test]
    fn the_rest_of_the_answer_is_read() {
        let tmux_over_ssh = read(
            &format!("{ON}\n{KITTY}\nSSH_CONNECTION=10.0.0.1 5 10.0.0.2 22"),
            TTY,
        )
        .unwrap();
        assert!(tmux_over_ssh.ssh && !tmux_over_ssh.focus_events);
        assert_eq!(read("no server running", TTY), None);
        assert_eq!(
            tmux("server|next-3.6|1|0|||/dev/pts/1", &[KITTY]).number(),
            (3, 6)
        );
        assert_eq!(number("3.3a"), Some((3, 3)));
        assert_eq!(number("master"), None);
    }

    #[test]
    fn a_terminal_is_waited_for_only_while_it_may_still_give_its_name() {
        let client = |created: u64, kind: &str| Tmux {
            clients: vec![Client {
                created: created.to_string(),
                kind: kind.into(),
                ..Client::default()
            }],
            ..Tmux::default()
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert!(!client(now, "").is_settled());
        assert!(client(now, "kitty(0.41.1)").is_settled());
        assert!(client(now - 60, "").is_settled());
    }

    #[test]
    fn a_command_that_hangs_is_killed() {
        let mut sleeping = Command::new("sleep");
        sleeping.arg("600");
        let error = output(sleeping, Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
