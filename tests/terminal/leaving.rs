//! However it ends, the line is the shell's again.

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::session::{Kind, Session};
use crate::tmux::Tmux;
use crate::{CXR, kill, samples};

/// What the tests start in a terminal to see it panic: this program again, with this variable set.
const PANIC: &str = "CXR_TEST_PANIC";

#[test]
fn child_that_panics_while_it_draws() {
    if std::env::var_os(PANIC).is_none() {
        return;
    }
    cxr::tui::terminal::install_panic_hook();
    let _screen = cxr::tui::terminal::Screen::enter().unwrap();
    panic!("as intended");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_says_why() {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "leaving::child_that_panics_while_it_draws",
        "--nocapture",
    ]);
    // Else the test's own name would be written by another thread than the one that draws.
    command.args(["--test-threads", "1"]);
    command.env(PANIC, "1");
    let mut session = Session::spawn_in(Kind::Silent, 24, 80, command);
    session.wait_for_text("as intended");
    assert_ne!(session.wait_for_end(), 0);
    session.wait_until_restored();
}

/// Signals to the program in a shell's line: what is typed after it is seen and obeyed.
#[test]
fn after_a_signal_the_line_is_usable() {
    let Some(tmux) = Tmux::start("signals", "env PS1='ready> ' sh -i") else {
        return;
    };
    tmux.wait_for("ready>");
    let before = modes(&tmux, "before");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let number = signal.as_raw();
        let command = format!(
            "sh -c 'echo pid=$$; exec \"{CXR}\" \"{}\"'",
            samples().display()
        );
        tmux.run(&["send-keys", "clear", "Enter"]);
        tmux.run(&["send-keys", &command, "Enter"]);
        tmux.wait_for("Extent ");
        // Under the screen that is drawn now.
        let shell = tmux.run(&["capture-pane", "-p", "-a"]);
        // The command line says it too, without a number.
        let said = shell.rsplit("pid=").next().unwrap_or_default();
        let pid = said
            .split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok());
        kill(pid.unwrap_or_else(|| panic!("{shell}")), signal);
        tmux.wait_for_prompt();
        tmux.run(&["send-keys", &format!("echo us''able {number}"), "Enter"]);
        tmux.wait_for(&format!("usable {number}"));
        assert_eq!(modes(&tmux, &format!("after-{number}")), before);
    }
}

/// The line's modes, and whether tmux holds the program's screen, mouse or cursor.
fn modes(tmux: &Tmux, word: &str) -> String {
    tmux.run(&[
        "send-keys",
        &format!("clear; stty -a; echo mo''des {word}"),
        "Enter",
    ]);
    let screen = tmux.wait_for(&format!("modes {word}"));
    let stty = screen
        .split("speed")
        .nth(1)
        .and_then(|s| s.split("modes").next());
    let flags = tmux.ask("#{alternate_on} #{mouse_any_flag} #{cursor_flag}");
    format!("{} {flags}", stty.unwrap_or_else(|| panic!("{screen}")))
}
