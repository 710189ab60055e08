//! Keys ↔ actions, from `keymap.toml`. The help screen, the footer and README's table are made
//! from it, so that they cannot say otherwise.

mod chord;

use std::fmt::Write;

use crossterm::event::KeyEvent;
use serde::{Deserialize, Serialize};

use crate::domain::text::nearest_word;
use chord::{Chord, pretty, sequence};

const DEFAULT: &str = include_str!("keymap.toml");

/// What a key can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
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
    Rescan,
    LeftOut,
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

impl Action {
    /// Its name in keymap.toml and in a configuration: `next-match`.
    pub fn name(self) -> String {
        let value = toml::Value::try_from(self).ok();
        value
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Without a key for it there is no way out.
    fn is_a_way_out(self) -> bool {
        matches!(self, Action::Quit | Action::WindowDone)
    }
}

/// While one is on, its keys come before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMode {
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
    pub mode: KeyMode,
    pub action: Action,
    pub keys: Vec<String>,
    /// It came after people had written configurations: a key of it that one of them uses is theirs.
    #[serde(default)]
    pub yields: bool,
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

    /// The hint names the first of the new keys; without a key there is nothing to hint at.
    fn rebind(&mut self, keys: Vec<String>) {
        let first = keys.first().map(|key| pretty(key));
        let hint = self.hint.take().zip(first);
        self.hint = hint.map(|(hint, key)| hint_with(&hint, &key));
        self.keys = keys;
    }
}

/// `[w]indow` and `[/]filter` with another key: `[x]window`, `[x]filter`.
fn hint_with(hint: &str, key: &str) -> String {
    let bare = hint.replace(['[', ']'], "");
    // A sign is not part of the word, a letter is.
    let word = bare.trim_start_matches(|c: char| !c.is_alphabetic());
    match bare.strip_prefix(key) {
        Some(rest) => format!("[{key}]{rest}"),
        None => format!("[{key}]{word}"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeymapFile {
    binding: Vec<Binding>,
}

/// Takes from bindings that yield the keys that a configuration uses. `from` says which bindings are a
/// configuration's.
fn give_way(bindings: &mut [Binding], from: &[Option<usize>]) {
    let chords = |binding: &Binding| {
        let keys = binding.keys.iter();
        keys.filter_map(|keys| sequence(keys).ok())
            .collect::<Vec<_>>()
    };
    let rebound = bindings.iter().zip(from).filter(|(_, from)| from.is_some());
    let taken: Vec<_> = rebound.flat_map(|(binding, _)| chords(binding)).collect();
    let yielding = bindings.iter_mut().zip(from);
    for (binding, _) in yielding.filter(|(b, from)| b.yields && from.is_none()) {
        binding.keys.retain(|keys| {
            let own = sequence(keys).unwrap_or_default();
            let clashes = |other: &Vec<Chord>| other.starts_with(&own) || own.starts_with(other);
            !taken.iter().any(clashes)
        });
    }
}

/// Keys that somebody wants for an action, in place of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebinding {
    pub action: String,
    pub keys: Vec<String>,
}

/// The parsed keymap.
pub struct Keymap {
    bindings: Vec<Binding>,
    sequences: Vec<(KeyMode, Vec<Chord>, Action)>,
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
        let file: KeymapFile = toml::from_str(text).map_err(|e| vec![e.to_string()])?;
        Self::of(file.binding).map_err(|faults| faults.into_iter().map(|(_, text)| text).collect())
    }

    /// The one in the program with other keys.
    ///
    /// # Errors
    /// All mistakes at once, each with the number of the rebinding that is to be changed: unknown
    /// actions and keys, one key with two meanings in one mode, and no key to get out.
    pub fn rebound(rebindings: &[Rebinding]) -> Result<Self, Vec<(usize, String)>> {
        let mut bindings = Self::bundled().bindings;
        // Which rebinding each of them is from.
        let mut from = vec![None; bindings.len()];
        let mut faults = Vec::new();
        for (number, rebinding) in rebindings.iter().enumerate() {
            let name = &rebinding.action;
            match bindings.iter().position(|b| b.action.name() == *name) {
                None => faults.push((number, unknown(name, &bindings))),
                Some(place) => {
                    bindings[place].rebind(rebinding.keys.clone());
                    from[place] = Some(number);
                }
            }
        }
        give_way(&mut bindings, &from);
        match Self::of(bindings) {
            Ok(keymap) if faults.is_empty() => Ok(keymap),
            made => {
                let wrong = made.err().unwrap_or_default().into_iter();
                // The bundled keys have no faults, so that a rebinding is in each of these.
                let wrong = wrong.filter_map(|(places, text)| {
                    let from = places.into_iter().filter_map(|place| from[place]);
                    Some((from.max()?, text))
                });
                faults.extend(wrong);
                Err(faults)
            }
        }
    }

    /// # Errors
    /// What is wrong, and with which of the bindings.
    fn of(bindings: Vec<Binding>) -> Result<Self, Vec<(Vec<usize>, String)>> {
        let mut sequences: Vec<(usize, Vec<Chord>)> = Vec::new();
        let mut faults = Vec::new();
        for (place, binding) in bindings.iter().enumerate() {
            let name = binding.action.name();
            if binding.keys.is_empty() && binding.action.is_a_way_out() {
                faults.push((
                    vec![place],
                    format!("{name} needs a key: it is the way out"),
                ));
            }
            for keys in &binding.keys {
                let chords = match sequence(keys) {
                    Ok(chords) => chords,
                    Err(reason) => {
                        faults.push((vec![place], format!("{name}: {keys:?} {reason}")));
                        continue;
                    }
                };
                let clash = sequences.iter().find(|(other, theirs)| {
                    bindings[*other].mode == binding.mode
                        && (theirs.starts_with(&chords) || chords.starts_with(theirs))
                });
                if let Some((other, _)) = clash {
                    let theirs = bindings[*other].action.name();
                    faults.push((vec![*other, place], clash_words(keys, &theirs, &name)));
                }
                sequences.push((place, chords));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let meaning = |(place, chords): (usize, Vec<Chord>)| {
            let Binding { mode, action, .. } = bindings[place];
            (mode, chords, action)
        };
        let sequences = sequences.into_iter().map(meaning).collect();
        Ok(Keymap {
            sequences,
            bindings,
        })
    }

    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What `keys`, pressed in `mode`, mean. A mode's own keys come before the common ones.
    pub fn lookup(&self, mode: KeyMode, keys: &[KeyEvent]) -> Lookup {
        let pressed: Vec<Chord> = keys.iter().map(|k| Chord::from(*k)).collect();
        let in_mode = |wanted: KeyMode| {
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
            Lookup::Nothing if mode != KeyMode::Browse => in_mode(KeyMode::Browse),
            found => found,
        }
    }

    /// The first key of an action as people write it; nothing if it has none.
    pub fn key_for_people(&self, action: Action) -> String {
        let binding = self.bindings.iter().find(|b| b.action == action);
        let first = binding.and_then(|binding| binding.keys.first());
        first.map_or_else(String::new, |keys| pretty(keys))
    }

    /// The actions and their keys, as lines of a configuration that change nothing.
    pub fn as_configuration(&self) -> String {
        let (mut text, mut group) = (String::new(), "");
        for binding in &self.bindings {
            if binding.group != group {
                group = &binding.group;
                // Writing to a string cannot fail.
                let _ = writeln!(text, "\n# {group}");
            }
            let keys: Vec<String> = binding.keys.iter().map(|key| format!("{key:?}")).collect();
            let name = binding.action.name();
            let _ = writeln!(text, "# {name} = [{}]  # {}", keys.join(", "), binding.help);
        }
        text
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

fn clash_words(keys: &str, one: &str, other: &str) -> String {
    match one == other {
        true => format!("{keys:?} stands twice for {one}, or begins its other keys"),
        false => format!(
            "{keys:?} means both {one} and {other}; give one of them another key, or [] for none"
        ),
    }
}

fn unknown(name: &str, bindings: &[Binding]) -> String {
    let names: Vec<String> = bindings.iter().map(|b| b.action.name()).collect();
    match nearest_word(name, names.iter().map(String::as_str)) {
        Some(near) => format!("{name}: no such action; did you mean {near}?"),
        None => format!("{name}: no such action; `cxr config --default` shows all"),
    }
}

#[cfg(test)]
mod tests;
