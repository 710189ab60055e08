//! Keys ↔ actions, from `keymap.toml`. The help screen, the footer and README's table are made
//! from it, so that they cannot say otherwise.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

const DEFAULT: &str = include_str!("keymap.toml");

/// What a key can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Call,
    Agree,
    Disagree,
    Unsure,
    KeyImage,
    Note,
    Undo,
    Redo,
    NextUnreviewed,
    Next,
    Previous,
    First,
    Last,
    HalfPageDown,
    HalfPageUp,
    Filter,
    NextMatch,
    PreviousMatch,
    Jump,
    Sort,
    Reverse,
    Window,
    PresetFile,
    PresetAutomatic,
    PresetLung,
    PresetBone,
    PresetFull,
    Reset,
    Invert,
    ZoomIn,
    ZoomOut,
    Fit,
    PanLeft,
    PanRight,
    PanUp,
    PanDown,
    HeatMap,
    NextHeatMap,
    FainterHeatMap,
    StrongerHeatMap,
    NextFindings,
    PreviousFindings,
    Wider,
    Narrower,
    LevelUp,
    LevelDown,
    WindowDone,
    Prevalence,
    Identity,
    NextModel,
    Background,
    About,
    Help,
    Redraw,
    Suspend,
    Quit,
}

/// While one is on, its keys come before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Browse,
    Window,
}

/// One row of the keymap.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    pub group: String,
    #[serde(default)]
    pub mode: Mode,
    pub action: Action,
    pub keys: Vec<String>,
    pub help: String,
    /// The footer's words for it; most have none.
    pub hint: Option<String>,
}

impl Binding {
    /// Its keys as people write them: `j ↓`.
    pub fn keys_for_people(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|k| pretty(k)).collect();
        keys.join("  ")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    binding: Vec<Binding>,
}

/// A key with its modifiers, shift folded into the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chord(KeyCode, KeyModifiers);

impl From<KeyEvent> for Chord {
    fn from(key: KeyEvent) -> Self {
        let mut modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        if !matches!(key.code, KeyCode::Char(_)) {
            modifiers |= key.modifiers & KeyModifiers::SHIFT;
        }
        Chord(key.code, modifiers)
    }
}

/// The parsed keymap.
pub struct Keymap {
    bindings: Vec<Binding>,
    sequences: Vec<(Mode, Vec<Chord>, Action)>,
}

/// What the keys so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    Action(Action),
    /// The beginning of a longer sequence.
    Pending,
    Nothing,
}

impl Keymap {
    /// The one in the program.
    pub fn bundled() -> Self {
        Self::parse(DEFAULT).unwrap_or_else(|errors| panic!("keymap.toml: {}", errors.join("; ")))
    }

    /// # Errors
    /// All bad bindings at once: unknown keys, and one key with two meanings in one mode.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|e| vec![e.to_string()])?;
        let mut sequences: Vec<(Mode, Vec<Chord>, Action)> = Vec::new();
        let mut errors = Vec::new();
        for binding in &file.binding {
            for keys in &binding.keys {
                match keys.split(' ').map(chord).collect::<Option<Vec<Chord>>>() {
                    None => errors.push(format!("{keys:?} is not a key")),
                    Some(sequence) => {
                        let clash = sequences.iter().find(|(mode, other, _)| {
                            *mode == binding.mode
                                && (other.starts_with(&sequence) || sequence.starts_with(other))
                        });
                        if let Some((_, _, action)) = clash {
                            errors.push(format!(
                                "{keys:?} means both {action:?} and {:?}",
                                binding.action
                            ));
                        }
                        sequences.push((binding.mode, sequence, binding.action));
                    }
                }
            }
        }
        if errors.is_empty() {
            Ok(Keymap {
                bindings: file.binding,
                sequences,
            })
        } else {
            Err(errors)
        }
    }

    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What `keys`, pressed in `mode`, mean. A mode's own keys come before the common ones.
    pub fn lookup(&self, mode: Mode, keys: &[KeyEvent]) -> Lookup {
        let pressed: Vec<Chord> = keys.iter().map(|k| Chord::from(*k)).collect();
        let in_mode = |wanted: Mode| {
            let mut pending = false;
            for (mode, sequence, action) in self.sequences.iter().filter(|s| s.0 == wanted) {
                debug_assert_eq!(*mode, wanted);
                if *sequence == pressed {
                    return Lookup::Action(*action);
                }
                pending |= sequence.starts_with(&pressed);
            }
            if pending {
                Lookup::Pending
            } else {
                Lookup::Nothing
            }
        };
        match in_mode(mode) {
            Lookup::Nothing if mode != Mode::Browse => in_mode(Mode::Browse),
            found => found,
        }
    }

    /// The table of README.md.
    pub fn markdown(&self) -> String {
        let mut table = String::from("| | key | what it does |\n|---|---|---|\n");
        let mut last = "";
        for binding in &self.bindings {
            let group = if binding.group == last {
                ""
            } else {
                &binding.group
            };
            last = &binding.group;
            let keys: Vec<String> = binding
                .keys
                .iter()
                .map(|k| format!("<kbd>{}</kbd>", pretty(k)))
                .collect();
            table.push_str(&format!(
                "| {group} | {} | {} |\n",
                keys.join(" "),
                binding.help
            ));
        }
        table
    }
}

fn chord(text: &str) -> Option<Chord> {
    let (modifiers, name) = match text.split_once('-') {
        Some(("ctrl", rest)) if !rest.is_empty() => (KeyModifiers::CONTROL, rest),
        Some(("alt", rest)) if !rest.is_empty() => (KeyModifiers::ALT, rest),
        _ => (KeyModifiers::NONE, text),
    };
    let mut letters = name.chars();
    let code = match (letters.next(), letters.next(), name) {
        (Some(letter), None, _) => KeyCode::Char(letter),
        (_, _, "up") => KeyCode::Up,
        (_, _, "down") => KeyCode::Down,
        (_, _, "left") => KeyCode::Left,
        (_, _, "right") => KeyCode::Right,
        (_, _, "home") => KeyCode::Home,
        (_, _, "end") => KeyCode::End,
        (_, _, "pageup") => KeyCode::PageUp,
        (_, _, "pagedown") => KeyCode::PageDown,
        (_, _, "enter") => KeyCode::Enter,
        (_, _, "esc") => KeyCode::Esc,
        (_, _, "tab") => KeyCode::Tab,
        (_, _, "space") => KeyCode::Char(' '),
        (_, _, "f1") => KeyCode::F(1),
        _ => return None,
    };
    Some(Chord(code, modifiers))
}

fn pretty(keys: &str) -> String {
    const NAMES: [(&str, &str); 15] = [
        ("pageup", "PgUp"),
        ("pagedown", "PgDn"),
        ("ctrl-", "Ctrl-"),
        ("alt-", "Alt-"),
        ("up", "↑"),
        ("down", "↓"),
        ("left", "←"),
        ("right", "→"),
        ("home", "Home"),
        ("end", "End"),
        ("enter", "Enter"),
        ("esc", "Esc"),
        ("space", "Space"),
        ("tab", "Tab"),
        ("f1", "F1"),
    ];
    let one = |key: &str| {
        let mut text = key.to_owned();
        if text.chars().count() > 1 {
            for (name, nice) in NAMES {
                text = text.replace(name, nice);
            }
        }
        text
    };
    keys.split(' ').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn the_bundled_keymap_is_sound_and_a_mode_goes_before_the_common_keys() {
        let keymap = Keymap::bundled();
        let j = key(KeyCode::Char('j'));
        assert_eq!(
            keymap.lookup(Mode::Browse, &[j]),
            Lookup::Action(Action::Next)
        );
        assert_eq!(
            keymap.lookup(Mode::Window, &[j]),
            Lookup::Action(Action::LevelDown)
        );
        let q = key(KeyCode::Char('q'));
        assert_eq!(
            keymap.lookup(Mode::Window, &[q]),
            Lookup::Action(Action::Quit)
        );
        let shift_g = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(
            keymap.lookup(Mode::Browse, &[shift_g]),
            Lookup::Action(Action::Last)
        );
    }

    #[test]
    fn sequences_wait_for_their_second_key() {
        let keymap = Keymap::bundled();
        let g = key(KeyCode::Char('g'));
        assert_eq!(keymap.lookup(Mode::Browse, &[g]), Lookup::Pending);
        assert_eq!(
            keymap.lookup(Mode::Browse, &[g, g]),
            Lookup::Action(Action::First)
        );
        let x = key(KeyCode::Char('x'));
        assert_eq!(keymap.lookup(Mode::Browse, &[g, x]), Lookup::Nothing);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let text = r#"
            [[binding]]
            group = "a"
            action = "next"
            keys = ["j", "hyper-x"]
            help = ""
            [[binding]]
            group = "a"
            action = "previous"
            keys = ["j"]
            help = ""
        "#;
        let Err(errors) = Keymap::parse(text) else {
            panic!("accepted")
        };
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors[0].contains("hyper-x") && errors[1].contains("both"),
            "{errors:?}"
        );
    }

    #[test]
    fn keys_are_written_for_people() {
        assert_eq!(pretty("ctrl-d"), "Ctrl-d");
        assert_eq!(pretty("g g"), "gg");
        assert_eq!(pretty("alt-left"), "Alt-←");
        assert_eq!(pretty("pagedown"), "PgDn");
    }

    /// README's table is this keymap's, word for word.
    #[test]
    fn readme_shows_these_keys() {
        let readme = include_str!("../../README.md");
        let table = Keymap::bundled().markdown();
        assert!(
            readme.contains(&table),
            "README.md should contain:\n{table}"
        );
    }
}
