//! A terminal that is closed, and one of the largest possible size.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::{CXR, LIMIT, samples, state};

/// A terminal without an emulator: the tests search the written bytes for words.
struct RawTerminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
}

impl RawTerminal {
    fn start(rows: u16, cols: u16) -> Self {
        let pair = native_pty_system().openpty(size(rows, cols)).unwrap();
        let mut command = CommandBuilder::new(CXR);
        command.arg("--no-background");
        command.arg(samples());
        command.env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", state());
        command.env("CXR_CONFIG", "");
        command.env_remove("TMUX");
        let child = pair.slave.spawn_command(command).unwrap();
        RawTerminal {
            child,
            reader: pair.master.try_clone_reader().unwrap(),
            writer: pair.master.take_writer().unwrap(),
            master: pair.master,
        }
    }

    /// Reads until these words were written.
    fn wait_for_text(&mut self, words: &str) {
        let (mut written, mut buffer) = (Vec::new(), [0; 1 << 16]);
        loop {
            let read = self.reader.read(&mut buffer).unwrap_or(0);
            assert_ne!(read, 0, "it ended: {:?}", self.child.try_wait());
            // Words may be split between two reads.
            written.extend_from_slice(&buffer[..read]);
            if String::from_utf8_lossy(&written).contains(words) {
                return;
            }
        }
    }
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn exit_code(mut child: Box<dyn Child + Send + Sync>) -> u32 {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.exit_code();
        }
        assert!(start.elapsed() < LIMIT, "it does not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The window is closed or the connection is lost: the exit code is that of SIGHUP, and there is no panic.
#[test]
fn a_closed_terminal_ends_it_as_sighup_does() {
    for _ in 0..5 {
        let mut terminal = RawTerminal::start(24, 80);
        terminal.wait_for_text("clear_1.png");
        let RawTerminal {
            child,
            master,
            reader,
            writer,
        } = terminal;
        drop((master, reader, writer));
        assert_eq!(exit_code(child), 129);
    }
}

#[test]
fn a_terminal_of_the_largest_size_is_drawn_on() {
    let mut terminal = RawTerminal::start(u16::MAX, u16::MAX);
    terminal.wait_for_text("not for diagnosis");
    terminal.master.resize(size(24, 80)).unwrap();
    terminal.wait_for_text("not for diagnosis");
    terminal.master.resize(size(u16::MAX, u16::MAX)).unwrap();
    terminal.wait_for_text("not for diagnosis");
    terminal.writer.write_all(b"q").unwrap();
    terminal.wait_for_text("\x1b[?1049l");
    assert_eq!(exit_code(terminal.child), 0);
}
