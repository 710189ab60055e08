//! Copies text to the clipboard of the reader's terminal, over SSH too, by OSC 52 (xterm control sequences, *Manipulate
//! Selection Data*). Terminals that do not allow it ignore it; none answers.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::terminal::Inside;

/// Asks the terminal to put `text` on its clipboard.
///
/// # Errors
/// If the terminal cannot be written to.
pub fn copy(text: &str, inside: &Inside) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(sequence(text, inside).as_bytes())?;
    out.flush()
}

/// tmux takes the sequence itself where `set-clipboard` is on; where it passes escapes through, the terminal gets it in
/// any case.
fn sequence(text: &str, inside: &Inside) -> String {
    let bare = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    match inside {
        Inside::Tmux(tmux) if tmux.passthrough => {
            let doubled = bare.replace('\x1b', "\x1b\x1b");
            format!("\x1bPtmux;{doubled}\x1b\\")
        }
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::Tmux;

    #[test]
    fn any_text_becomes_letters_and_passes_through_tmux() {
        let bare = sequence("/a\x1b]b\n", &Inside::Nothing);
        assert_eq!(bare, "\x1b]52;c;L2EbXWIK\x07");
        let tmux = Tmux {
            passthrough: true,
            ..Tmux::default()
        };
        let passed = sequence("/a", &Inside::Tmux(tmux.into()));
        assert_eq!(passed, "\x1bPtmux;\x1b\x1b]52;c;L2E=\x07\x1b\\");
        let shut = sequence("/a", &Inside::Tmux(Tmux::default().into()));
        assert_eq!(shut, "\x1b]52;c;L2E=\x07");
    }
}
