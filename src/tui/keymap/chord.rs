//! A key with its modifiers, as the keymap writes it and as a terminal sends it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers, shift folded into the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord(KeyCode, KeyModifiers);

impl From<KeyEvent> for Chord {
    fn from(key: KeyEvent) -> Self {
        let mut modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        if !matches!(key.code, KeyCode::Char(_)) {
            modifiers |= key.modifiers & KeyModifiers::SHIFT;
        }
        // Terminals send Shift-Tab as a key of its own.
        match key.code {
            KeyCode::BackTab => Chord(KeyCode::Tab, modifiers | KeyModifiers::SHIFT),
            code => Chord(code, modifiers),
        }
    }
}

/// Names of keys in a keymap, their codes, and how people write them.
const NAMES: [(&str, KeyCode, &str); 15] = [
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "Home"),
    ("end", KeyCode::End, "End"),
    ("pageup", KeyCode::PageUp, "PgUp"),
    ("pagedown", KeyCode::PageDown, "PgDn"),
    ("insert", KeyCode::Insert, "Ins"),
    ("delete", KeyCode::Delete, "Del"),
    ("backspace", KeyCode::Backspace, "Backspace"),
    ("enter", KeyCode::Enter, "Enter"),
    ("esc", KeyCode::Esc, "Esc"),
    ("tab", KeyCode::Tab, "Tab"),
    ("space", KeyCode::Char(' '), "Space"),
];

const MODIFIERS: [(&str, KeyModifiers, &str); 3] = [
    ("ctrl-", KeyModifiers::CONTROL, "Ctrl-"),
    ("alt-", KeyModifiers::ALT, "Alt-"),
    ("shift-", KeyModifiers::SHIFT, "Shift-"),
];

/// Keys that are pressed one after the other: `g g`.
///
/// # Errors
/// The reason why one of them is not a key.
pub fn sequence(text: &str) -> Result<Vec<Chord>, &'static str> {
    text.split(' ').map(chord).collect()
}

fn chord(text: &str) -> Result<Chord, &'static str> {
    const NOT_A_KEY: &str = "is not a key";
    let (modifiers, name) = modifiers(text);
    let mut letters = name.chars();
    let code = match (letters.next(), letters.next()) {
        (Some(letter), None) if !letter.is_control() => KeyCode::Char(letter),
        _ => match NAMES.iter().find(|(known, ..)| *known == name) {
            Some((_, code, _)) => *code,
            None => KeyCode::F(function_key(name).ok_or(NOT_A_KEY)?),
        },
    };
    match code {
        KeyCode::Char(_) if modifiers.contains(KeyModifiers::SHIFT) => {
            Err("has a shift that terminals do not send: write A instead of shift-a")
        }
        KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) && c.is_uppercase() => {
            Err("has a capital that terminals do not send with ctrl")
        }
        code => match not_sent(code, modifiers) {
            Some(reason) => Err(reason),
            None => Ok(Chord(code, modifiers)),
        },
    }
}

/// Why a terminal sends nothing, or another key, for this one: few keys have a code of their own with ctrl, and some have
/// none with alt or shift. A key that never comes would leave its action without one. `None` if it is sent.
fn not_sent(code: KeyCode, modifiers: KeyModifiers) -> Option<&'static str> {
    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    let lost = match code {
        KeyCode::Enter | KeyCode::Backspace => CTRL | KeyModifiers::SHIFT,
        KeyCode::Esc => KeyModifiers::all(),
        KeyCode::Tab => CTRL,
        _ => KeyModifiers::NONE,
    };
    match code {
        _ if modifiers.intersects(lost) => {
            Some("has a modifier that terminals do not send with it")
        }
        KeyCode::Char(c) if modifiers.contains(CTRL) => not_sent_with_ctrl(c),
        KeyCode::Char('[' | 'O') if modifiers.contains(ALT) => {
            Some("is how terminals begin other keys, such as arrows")
        }
        _ => None,
    }
}

/// The same for ctrl and a character. Of the signs that share a code, the name is that under which it is read.
fn not_sent_with_ctrl(c: char) -> Option<&'static str> {
    match c {
        'i' => Some("is tab to terminals: write tab"),
        'm' => Some("is enter to terminals: write enter"),
        '[' | '3' => Some("is esc to terminals: write esc"),
        '?' | '8' => Some("is backspace to terminals: write backspace"),
        '@' | '2' => Some("is ctrl-space to terminals: write ctrl-space"),
        '\\' => Some("is ctrl-4 to terminals: write ctrl-4"),
        ']' => Some("is ctrl-5 to terminals: write ctrl-5"),
        '^' => Some("is ctrl-6 to terminals: write ctrl-6"),
        '_' | '/' => Some("is ctrl-7 to terminals: write ctrl-7"),
        'a'..='z' | ' ' | '4'..='7' => None,
        _ => Some("has a ctrl that terminals do not send with it"),
    }
}

/// Splits the text of a key into its modifiers and its name.
fn modifiers(text: &str) -> (KeyModifiers, &str) {
    let (mut modifiers, mut rest) = (KeyModifiers::NONE, text);
    while let Some((after, modifier)) = MODIFIERS.iter().find_map(|(name, modifier, _)| {
        let after = rest.strip_prefix(name).filter(|after| !after.is_empty())?;
        Some((after, *modifier))
    }) {
        modifiers |= modifier;
        rest = after;
    }
    (modifiers, rest)
}

/// `f1` to `f12`
fn function_key(name: &str) -> Option<u8> {
    let number = name.strip_prefix('f')?;
    let number = number.parse().ok().filter(|n| (1..=12).contains(n))?;
    (name == format!("f{number}")).then_some(number)
}

/// Keys as people write them: `Ctrl-d`, `gg`, `Alt-←`.
pub fn display(keys: &str) -> String {
    let one = |key: &str| {
        let (modifiers, name) = modifiers(key);
        let known = NAMES.iter().find(|(known, ..)| *known == name);
        let name = match known {
            Some((.., nice)) => (*nice).to_owned(),
            None if function_key(name).is_some() => name.to_uppercase(),
            None => name.to_owned(),
        };
        let pressed = MODIFIERS.iter().filter(|(_, m, _)| modifiers.contains(*m));
        pressed.map(|(.., nice)| *nice).collect::<String>() + &name
    };
    keys.split(' ').map(one).collect()
}
