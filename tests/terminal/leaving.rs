//! The program gives the terminal back to the shell, however it ends.

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::session::{Kind, Session};
use crate::tmux::Tmux;
use crate::{CXR, kill, samples};

/// Set for this test program when a test starts it in a terminal to see it panic.
const PANIC: &str = "CXR_TEST_PANIC";

#[test]
fn child_that_panics_while_it_draws() {
    if std::env::var_os(PANIC).is_none() {
        return;
    }
    cxr::tui::terminal::install_panic_hook();
    let _screen = cxr::tui::terminal::Screen::enter(cxr::tui::preview::delete_images).unwrap();
    panic!("as intended");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_prints() {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "leaving::child_that_panics_while_it_draws",
        "--nocapture",
    ]);
    // So that the thread that draws also prints the name of the test.
    command.args(["--test-threads", "1"]);
    command.env(PANIC, "1");
    let mut session = Session::spawn_in(Kind::Silent, 24, 80, command);
    session.wait_for_text("as intended");
    assert_ne!(session.wait_for_end(), 0);
    session.wait_until_restored();
}

/// Text that is typed after the program was ended by a signal is echoed and executed.
#[test]
fn after_a_signal_the_shell_is_usable() {
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
        // The shell's screen, below the one that is shown now.
        let shell = tmux.run(&["capture-pane", "-p", "-a"]);
        // The command line has `pid=` too, without a number.
        let printed = shell.rsplit("pid=").next().unwrap_or_default();
        let pid = printed
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

/// The modes of the terminal device, and of the screen, the mouse and the cursor as tmux reports them.
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
