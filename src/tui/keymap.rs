//! Keys ↔ actions, from `keymap.toml`. The help screen, the footer and the book's table of keys are made
//! from that file, so that they cannot differ from what the keys do.

mod chord;

use std::fmt::Write;

use crossterm::event::KeyEvent;
use serde::{Deserialize, Serialize};

use crate::domain::text::nearest_word;
use chord::{Chord, display, sequence};

const DEFAULT: &str = include_str!("keymap.toml");

/// A command of the screen that keys can be bound to.
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
    Path,
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
    ActualSize,
    PanLeft,
    PanRight,
    PanUp,
    PanDown,
    HeatMap,
    NextHeatMap,
    FainterHeatMap,
    StrongerHeatMap,
    Compare,
    EarlierFilm,
    LaterFilm,
    MarkFilm,
    LinkFilms,
    NextFindings,
    PreviousFindings,
    Prognosis,
    Wider,
    Narrower,
    LevelUp,
    LevelDown,
    WindowDone,
    Mark,
    ShowMarks,
    SavePicture,
    Report,
    OpenFilm,
    OpenFolder,
    MarkLeft,
    MarkRight,
    MarkUp,
    MarkDown,
    MarkStep,
    MarkRuler,
    MarkRatio,
    MarkAngle,
    MarkPoint,
    MarkBox,
    MarkSet,
    MarkNext,
    MarkLabel,
    MarkDelete,
    MarkDone,
    WholeScreen,
    HideWorklist,
    HideFindings,
    WiderPanes,
    NarrowerPanes,
    TallerFindings,
    ShorterFindings,
    Back,
    Legend,
    Grid,
    GridLeft,
    GridRight,
    GridUp,
    GridDown,
    GridPageUp,
    GridPageDown,
    GridOpen,
    Prevalence,
    Identity,
    Header,
    NextModel,
    Background,
    About,
    Help,
    Redraw,
    Suspend,
    Quit,
}

impl Action {
    /// The name of the action in keymap.toml and in a configuration: `next-match`.
    pub fn name(self) -> String {
        let value = toml::Value::try_from(self).ok();
        value
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Whether the action must keep a key: without one, the reader could not leave the program or a
    /// mode.
    fn needs_a_key(self) -> bool {
        matches!(self, Action::Quit | Action::WindowDone | Action::MarkDone)
    }
}

/// A mode of the keyboard: while one is on, its own keys come before the common ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMode {
    #[default]
    Browse,
    Window,
    /// While the grid is on the screen.
    Grid,
    /// Marks are being made.
    Mark,
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
    /// The binding is younger than the configurations that people have written: where a configuration
    /// uses one of its keys for another action, this binding gives that key up.
    #[serde(default)]
    pub yields: bool,
    pub help: String,
    /// The words in the footer, with the key in brackets; most bindings have none.
    pub hint: Option<String>,
}

impl Binding {
    /// The keys as people write them: `j  ↓`.
    pub fn display_keys(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|k| display(k)).collect();
        keys.join("  ")
    }

    /// Replaces the keys. The hint then names the first new key; without keys there is no hint.
    fn rebind(&mut self, keys: Vec<String>) {
        let first = keys.first().map(|key| display(key));
        let hint = self.hint.take().zip(first);
        self.hint = hint.map(|(hint, key)| hint_with(&hint, &key));
        self.keys = keys;
    }
}

/// `[w]indow` and `[/]filter` with another key: `[x]window`, `[x]filter`.
fn hint_with(hint: &str, key: &str) -> String {
    let bare = hint.replace(['[', ']'], "");
    // A letter in brackets is part of the word, any other sign is not.
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

/// Removes from the bindings that yield all keys that a configuration uses. `from` holds, for each
/// binding, the number of the rebinding that set its keys.
fn yield_keys(bindings: &mut [Binding], from: &[Option<usize>]) {
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
            let conflicts = |other: &Vec<Chord>| other.starts_with(&own) || own.starts_with(other);
            !taken.iter().any(conflicts)
        });
    }
}

/// An action of a configuration, and the keys that replace its bundled ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebinding {
    pub action: String,
    pub keys: Vec<String>,
}

/// A checked keymap: no sequence of keys has two meanings in one mode.
pub struct Keymap {
    bindings: Vec<Binding>,
    sequences: Vec<(KeyMode, Vec<Chord>, Action)>,
}

/// The meaning of the keys pressed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    Action(Action),
    /// The beginning of a longer sequence.
    Pending,
    Nothing,
}

impl Keymap {
    /// The keymap that is built into the program.
    pub fn bundled() -> Self {
        Self::parse(DEFAULT).unwrap_or_else(|errors| panic!("keymap.toml: {}", errors.join("; ")))
    }

    /// Parses the text of a `keymap.toml`.
    ///
    /// # Errors
    /// All errors at once: unknown keys, and a key with two meanings in one mode.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let file: KeymapFile = toml::from_str(text).map_err(|e| vec![e.to_string()])?;
        Self::of(file.binding).map_err(|errors| errors.into_iter().map(|(_, text)| text).collect())
    }

    /// The bundled keymap with the keys of a configuration.
    ///
    /// # Errors
    /// All errors at once, each with the number of the rebinding that has to be changed: unknown actions
    /// and keys, a key with two meanings in one mode, and no key for an action that needs one.
    pub fn rebound(rebindings: &[Rebinding]) -> Result<Self, Vec<(usize, String)>> {
        let mut bindings = Self::bundled().bindings;
        // For each binding, the rebinding that set its keys.
        let mut from = vec![None; bindings.len()];
        let mut errors = Vec::new();
        for (number, rebinding) in rebindings.iter().enumerate() {
            let name = &rebinding.action;
            match bindings.iter().position(|b| b.action.name() == *name) {
                None => errors.push((number, unknown_action(name, &bindings))),
                Some(index) => {
                    bindings[index].rebind(rebinding.keys.clone());
                    from[index] = Some(number);
                }
            }
        }
        yield_keys(&mut bindings, &from);
        match Self::of(bindings) {
            Ok(keymap) if errors.is_empty() => Ok(keymap),
            made => {
                let invalid = made.err().unwrap_or_default().into_iter();
                // The bundled keys are valid, so each of these errors involves a rebinding.
                let invalid = invalid.filter_map(|(indices, text)| {
                    let from = indices.into_iter().filter_map(|index| from[index]);
                    Some((from.max()?, text))
                });
                errors.extend(invalid);
                Err(errors)
            }
        }
    }

    /// # Errors
    /// The indices of the bindings that are wrong together, and why.
    fn of(bindings: Vec<Binding>) -> Result<Self, Vec<(Vec<usize>, String)>> {
        let mut sequences: Vec<(usize, Vec<Chord>)> = Vec::new();
        let mut errors = Vec::new();
        for (index, binding) in bindings.iter().enumerate() {
            let name = binding.action.name();
            if binding.keys.is_empty() && binding.action.needs_a_key() {
                errors.push((
                    vec![index],
                    format!("{name} needs a key: there is no other way out"),
                ));
            }
            for keys in &binding.keys {
                let chords = match sequence(keys) {
                    Ok(chords) => chords,
                    Err(reason) => {
                        errors.push((vec![index], format!("{name}: {keys:?} {reason}")));
                        continue;
                    }
                };
                let conflict = sequences.iter().find(|(other, theirs)| {
                    bindings[*other].mode == binding.mode
                        && (theirs.starts_with(&chords) || chords.starts_with(theirs))
                });
                if let Some((other, _)) = conflict {
                    let theirs = bindings[*other].action.name();
                    errors.push((vec![*other, index], conflict_words(keys, &theirs, &name)));
                }
                sequences.push((index, chords));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let meaning = |(index, chords): (usize, Vec<Chord>)| {
            let Binding { mode, action, .. } = bindings[index];
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

    /// The meaning of `keys`, pressed one after the other in `mode`. The keys of the mode come before the
    /// common ones.
    pub fn lookup(&self, mode: KeyMode, keys: &[KeyEvent]) -> Lookup {
        self.lookup_in(&[mode, KeyMode::Browse], keys)
    }

    /// The meaning of `keys` in the first of these modes in which they mean something.
    pub fn lookup_in(&self, modes: &[KeyMode], keys: &[KeyEvent]) -> Lookup {
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
        let mut found = modes.iter().map(|mode| in_mode(*mode));
        let found = found.find(|found| *found != Lookup::Nothing);
        found.unwrap_or(Lookup::Nothing)
    }

    /// The first key of an action as people write it; empty if the action has no key.
    pub fn display_key(&self, action: Action) -> String {
        let binding = self.bindings.iter().find(|b| b.action == action);
        let first = binding.and_then(|binding| binding.keys.first());
        first.map_or_else(String::new, |keys| display(keys))
    }

    /// All actions and their keys, as commented lines of a configuration.
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

    /// The table in docs/src/keys.md.
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
                .map(|k| display(k).replace('<', "&lt;").replace('>', "&gt;"))
                .map(|key| format!("<kbd>{key}</kbd>"))
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

fn conflict_words(keys: &str, one: &str, other: &str) -> String {
    if one == other {
        format!("{keys:?} is given twice for {one}, or begins its other keys")
    } else {
        format!(
            "{keys:?} means both {one} and {other}; give one of them another key, or [] for none"
        )
    }
}

fn unknown_action(name: &str, bindings: &[Binding]) -> String {
    let names: Vec<String> = bindings.iter().map(|b| b.action.name()).collect();
    match nearest_word(name, names.iter().map(String::as_str)) {
        Some(near) => format!("{name}: no such action; did you mean {near}?"),
        None => format!("{name}: no such action; `cxr config --default` shows all"),
    }
}

#[cfg(test)]
mod tests;
