//! A pseudo-terminal with the program in it, and a thread that answers as a terminal does.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::Signal;

use crate::{CXR, LIMIT, kill};

/// How the terminal answers questions about itself.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// It never answers.
    Silent,
    Kitty,
    /// It has sixel, at the end of a slow line.
    SlowSixel,
    /// It has neither pixels nor placeholders.
    Plain,
}

impl Kind {
    /// The questions that it knows, and its answers.
    fn answers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Kind::Silent => &[],
            Kind::Kitty => &[
                ("\x1b_Gi=31,", "\x1b_Gi=31;OK\x1b\\"),
                ("\x1b[>q", "\x1bP>|kitty(0.41.1)\x1b\\"),
                ("\x1b[16t", "\x1b[6;20;10t"),
                ("\x1b[>c", "\x1b[>1;4000;41c"),
                ("\x1b[c", "\x1b[?62;c"),
            ],
            Kind::SlowSixel => &[
                ("\x1b[16t", "\x1b[6;20;10t"),
                ("\x1b]11;?", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
                ("\x1b[c", "\x1b[?62;4c"),
            ],
            Kind::Plain => &[
                ("\x1b[>q", "\x1bP>|plain(1.0)\x1b\\"),
                ("\x1b[>c", "\x1b[>1;100;0c"),
                ("\x1b[c", "\x1b[?62;c"),
            ],
        }
    }

    /// How long an answer takes.
    fn delay(self) -> Duration {
        match self {
            Kind::SlowSixel => Duration::from_millis(300),
            _ => Duration::ZERO,
        }
    }

    /// The answers to the questions from the offset `from` on, and the offset after the last one.
    fn reply(self, written: &[u8], from: usize) -> (String, usize) {
        let (mut replies, mut at) = (String::new(), from);
        let find = |question: &str, at: usize| {
            let rest = &written[at..];
            let mut windows = rest.windows(question.len());
            windows.position(|window| window == question.as_bytes())
        };
        loop {
            let asked = self.answers().iter().filter_map(|(question, answer)| {
                Some((find(question, at)? + question.len(), answer))
            });
            let Some((length, answer)) = asked.min() else {
                return (replies, at);
            };
            replies.push_str(answer);
            at += length;
        }
    }
}

/// Whether this is a glyph of a radiograph drawn with blocks.
pub fn is_block(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| "▀▌▘▛▚▜▙".contains(c))
}

/// Frames are drawn at once, as terminals do that know the mode 2026: the emulator does not.
#[derive(Default)]
struct WholeFrames {
    /// Not drawn yet.
    held: Vec<u8>,
    /// A frame has begun there.
    begun: Option<usize>,
}

impl WholeFrames {
    /// What may be drawn after these bytes have come.
    fn after(&mut self, bytes: &[u8]) -> Vec<u8> {
        const BEGIN: &[u8] = b"\x1b[?2026h";
        const END: &[u8] = b"\x1b[?2026l";
        // A mark may be split between two reads.
        let from = self.held.len().saturating_sub(BEGIN.len() - 1);
        self.held.extend_from_slice(bytes);
        for at in from..self.held.len() {
            if self.held[at..].starts_with(BEGIN) {
                self.begun.get_or_insert(at);
            } else if self.held[at..].starts_with(END) {
                self.begun = None;
            }
        }
        let mut lengths = (1..BEGIN.len()).rev();
        let part = lengths.find(|length| self.held.ends_with(&BEGIN[..*length]));
        let whole = self.held.len() - part.unwrap_or(0);
        let now = self.begun.unwrap_or(whole);
        self.begun = self.begun.map(|_| 0);
        self.held.drain(..now).collect()
    }
}

/// A terminal with `cxr` in it.
pub struct Session {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Option<Box<dyn MasterPty + Send>>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    pub parser: Arc<Mutex<vt100::Parser>>,
    /// Locked, it stops the terminal from reading.
    pub gate: Arc<Mutex<()>>,
    /// Milliseconds that the terminal needs for 4 KiB.
    pub pause: Arc<AtomicU64>,
    /// Everything that was written. The emulator does not keep all of it.
    pub bytes: Arc<Mutex<Vec<u8>>>,
    _state: tempfile::TempDir,
}

impl Session {
    pub fn start(rows: u16, cols: u16, paths: &[PathBuf]) -> Self {
        let mut command = CommandBuilder::new(CXR);
        command.args(paths);
        // Only the selected image is scored.
        command.arg("--no-background");
        Self::spawn(rows, cols, command)
    }

    pub fn spawn(rows: u16, cols: u16, command: CommandBuilder) -> Self {
        Self::spawn_in(Kind::Silent, rows, cols, command)
    }

    pub fn spawn_in(kind: Kind, rows: u16, cols: u16, mut command: CommandBuilder) -> Self {
        let size = PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        // Never the reviews of the user who runs the tests.
        let state = tempfile::tempdir().unwrap();
        command.env("XDG_STATE_HOME", state.path());
        command.env("CXR_CONFIG", "");
        for name in [
            "TMUX",
            "STY",
            "NO_COLOR",
            "TERM_PROGRAM",
            "LC_TERMINAL",
            "KONSOLE_VERSION",
            "SSH_CONNECTION",
            "SSH_TTY",
            "CXR_PROBE_MS",
        ] {
            command.env_remove(name);
        }
        if matches!(kind, Kind::Kitty | Kind::Plain) {
            // A terminal that answers does so however busy the machine is.
            command.env("CXR_PROBE_MS", "20000");
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let gate = Arc::new(Mutex::new(()));
        let open = gate.clone();
        let pause = Arc::new(AtomicU64::new(0));
        let slowness = pause.clone();
        let (screen, written, answers) = (parser.clone(), bytes.clone(), writer.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut read = 0;
            let mut frames = WholeFrames::default();
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                drop(open.lock());
                thread::sleep(Duration::from_millis(slowness.load(Ordering::SeqCst)));
                screen.lock().unwrap().process(&frames.after(&buffer[..n]));
                let mut written = written.lock().unwrap();
                written.extend_from_slice(&buffer[..n]);
                let (reply, end) = kind.reply(&written, read);
                // A question may be split between two reads.
                read = end.max(written.len().saturating_sub(16));
                drop(written);
                if !reply.is_empty() {
                    thread::sleep(kind.delay());
                }
                let _ = answers.lock().unwrap().write_all(reply.as_bytes());
            }
            // It was ended in the middle of a frame.
            screen.lock().unwrap().process(&frames.held);
        });
        Session {
            child,
            master: Some(pair.master),
            writer,
            parser,
            gate,
            pause,
            bytes,
            _state: state,
        }
    }

    pub fn screen(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    pub fn press(&self, keys: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub fn wait_for(&self, what: &str, there: impl Fn(&Session) -> bool) {
        let start = Instant::now();
        while !there(self) {
            assert!(
                start.elapsed() < LIMIT,
                "timed out waiting for {what}:\n{}",
                self.screen()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the model's answer, which has a time. A cached answer has none.
    pub fn wait_for_answer(&self) {
        self.wait_for("an answer", |session| {
            let screen = session.screen();
            // A narrow screen leaves out the device.
            [" ms cpu", " s cpu", " ms ─", " s ─"]
                .iter()
                .any(|end| screen.contains(end))
        });
    }

    pub fn wait_for_cursor(&self, name: &str) {
        self.wait_for(name, |session| {
            let screen = session.screen();
            let mut rows = screen.lines();
            rows.any(|row| row.contains('▸') && row.contains(name))
        });
    }

    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |session| session.screen().contains(text));
    }

    /// Waits until a notice is gone, which stays until the next key. Then the same words are those of a new one.
    pub fn dismiss(&self, notice: &str) {
        // F12 does nothing else.
        self.press("\x1b[24~");
        let is_gone = |session: &Session| !session.screen().contains(notice);
        self.wait_for("no notice", is_gone);
    }

    /// Leaves what is open, and the program.
    pub fn leave_by_keys(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            // Read at once, the two would be another key.
            for key in [b"\x1b", b"q"] {
                // The program may be gone.
                let _ = self.writer.lock().unwrap().write_all(key);
                thread::sleep(Duration::from_millis(300));
            }
            if let Some(code) = self.ended(start) {
                return code;
            }
        }
    }

    /// Waits for a row of the worklist with this mark before the name.
    pub fn wait_for_mark(&self, mark: char, name: &str) {
        let what = format!("{mark} before {name}");
        self.wait_for(&what, |session| session.is_marked(mark, name));
    }

    pub fn is_marked(&self, mark: char, name: &str) -> bool {
        let screen = self.screen();
        let mut rows = screen.lines();
        // The marks stand right before the name.
        let is_marked = |before: &str| before.chars().rev().take(4).any(|c| c == mark);
        rows.any(|row| row.find(name).is_some_and(|at| is_marked(&row[..at])))
    }

    /// The number of cells of the radiograph: blocks with colours in the right half of the screen.
    pub fn painted_cells(&self) -> usize {
        let parser = self.parser.lock().unwrap();
        let (rows, cols) = parser.screen().size();
        (0..rows)
            .flat_map(|row| (cols / 2..cols).map(move |col| (row, col)))
            .filter_map(|(row, col)| parser.screen().cell(row, col))
            .filter(|cell| {
                is_block(cell.contents()) && matches!(cell.fgcolor(), vt100::Color::Rgb(..))
            })
            .count()
    }

    /// The number of these cells that a heat map has coloured.
    pub fn coloured_cells(&self) -> usize {
        let parser = self.parser.lock().unwrap();
        let (rows, cols) = parser.screen().size();
        (0..rows)
            .flat_map(|row| (cols / 2..cols).map(move |col| (row, col)))
            .filter_map(|(row, col)| parser.screen().cell(row, col))
            .filter(|cell| match cell.fgcolor() {
                vt100::Color::Rgb(red, _, blue) => {
                    is_block(cell.contents()) && red.abs_diff(blue) > 40
                }
                _ => false,
            })
            .count()
    }

    /// The exit code, once it has ended.
    fn ended(&mut self, since: Instant) -> Option<u32> {
        let status = self.child.try_wait().unwrap();
        assert!(
            status.is_some() || since.elapsed() < LIMIT,
            "it does not end:\n{}",
            self.screen()
        );
        status.map(|status| status.exit_code())
    }

    pub fn wait_for_end(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(code) = self.ended(start) {
                return code;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.child.process_id().unwrap(), signal);
    }

    /// Waits until the screen, the mouse, the cursor and bracketed paste are reset.
    pub fn wait_until_restored(&self) {
        self.wait_for("the terminal to be given back", |session| {
            let parser = session.parser.lock().unwrap();
            let screen = parser.screen();
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
