//! The configuration: one TOML file. Its keys are the long names of options, and its values apply where
//! the command line and the environment give none.
//!
//! `config/default.toml` has every key with its meaning and its default. A test compares it with the
//! defaults of the program.

mod values;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::cli::{AppearanceArguments, Computing, Files, LookArguments, PacsArguments, Terminal};
use crate::domain::text::{clean, nearest_word};
use values::{
    ConfigKey, ConfigValue, Wrong, choice, choices, count, entries, keys, number, path, share,
    text, yes,
};

/// Every key with its meaning and its default; the actions of the keymap follow it.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// A larger file is no configuration.
const MAX_BYTES: u64 = 1 << 20;

/// The values of a file; `None` or empty where it has none.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Config {
    /// Theme and colours.
    pub appearance: AppearanceArguments,
    /// Layout of the screen.
    pub look: LookArguments,
    /// How radiographs are painted.
    pub terminal: Terminal,
    /// Engine, device and precision.
    pub computing: Computing,
    /// Limits of one file.
    pub files: Files,
    /// How films of a PACS are fetched.
    pub pacs: PacsArguments,
    /// `None` for the bundled model.
    pub model: Option<ModelSetting>,
    /// In MiB.
    pub model_memory: Option<NonZeroU32>,
    /// Whether the rest of the folder is scored.
    pub background: Option<bool>,
    /// Whether outcomes are shown, on the screen and in reports.
    pub prognosis: Option<bool>,
    /// Images that are read at the same time.
    pub jobs: Option<NonZeroUsize>,
    /// Name recorded with each verdict.
    pub reviewer: Option<String>,
    /// The file of the reviews.
    pub store: Option<PathBuf>,
    /// `LABEL=SHARE`
    pub prevalence: Vec<String>,
    /// Actions whose keys are replaced.
    pub keys: Vec<Rebound>,
    /// Programs that open a film or its folder.
    pub open: Vec<OpenSetting>,
}

/// A program that opens something, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSetting {
    /// What it opens.
    pub opens: OpenKey,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
}

/// What a program opens, and where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenKey {
    /// The film, in a window of its own.
    Film,
    /// The film, in the terminal.
    FilmInTerminal,
    /// The folder of the film, in a window of its own.
    Folder,
    /// The folder, in the terminal.
    FolderInTerminal,
}

impl OpenKey {
    /// The keys of `[open]`.
    const ALL: [(&str, OpenKey); 4] = [
        ("film", OpenKey::Film),
        ("film-in-terminal", OpenKey::FilmInTerminal),
        ("folder", OpenKey::Folder),
        ("folder-in-terminal", OpenKey::FolderInTerminal),
    ];

    /// Whether it opens the folder, and not the film.
    pub fn is_folder(self) -> bool {
        matches!(self, OpenKey::Folder | OpenKey::FolderInTerminal)
    }

    /// Whether it takes the terminal.
    pub fn is_in_terminal(self) -> bool {
        matches!(self, OpenKey::FilmInTerminal | OpenKey::FolderInTerminal)
    }
}

/// The name or the file of a model, and the line of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSetting {
    /// A name as it is written; a file with the folder of the configuration, or of the user, before it.
    pub model: PathBuf,
    /// From 1, for messages.
    pub line: usize,
}

/// The keys of an action, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebound {
    /// Its name in the configuration.
    pub action: String,
    /// Empty: the action has no key.
    pub keys: Vec<String>,
    /// From 1, for messages.
    pub line: usize,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// Counted from 1; `None` where the file as a whole is wrong.
    pub line: Option<usize>,
    /// What is wrong, with the name of the key where there is one.
    pub reason: String,
}

/// All mistakes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The file with the mistakes.
    pub path: PathBuf,
    /// Never empty; in the order of lines.
    pub faults: Vec<ConfigFault>,
}

impl std::error::Error for Rejected {}

/// A line for each mistake, by their lines: `FILE:LINE: REASON`.
impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = clean(&self.path.display().to_string());
        for (nth, ConfigFault { line, reason }) in self.faults.iter().enumerate() {
            let end = if nth > 0 { "\n" } else { "" };
            let line = line.map_or_else(String::new, |line| format!("{line}:"));
            write!(f, "{end}{name}:{line} {}", clean(reason))?;
        }
        Ok(())
    }
}

impl Rejected {
    fn whole(path: &Path, reason: String) -> Self {
        let line = None;
        Rejected::new(path, vec![ConfigFault { line, reason }])
    }

    /// The mistakes in their order; one at least.
    pub fn new(path: &Path, mut faults: Vec<ConfigFault>) -> Self {
        faults.sort_by_key(|fault| fault.line);
        Rejected {
            path: path.to_owned(),
            faults,
        }
    }
}

/// Reads a file. `check` adds mistakes that this floor cannot know, such as those of keys. `None` if there
/// is no file.
///
/// # Errors
/// [`Rejected`], with every mistake.
pub fn load(
    path: &Path,
    check: impl Fn(&Config) -> Vec<ConfigFault>,
) -> Result<Option<Config>, Rejected> {
    let bytes = match read_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Rejected::whole(path, error.to_string())),
        Ok(bytes) => bytes,
    };
    let text = str::from_utf8(&bytes).map_err(|error| {
        let line = Some(line_of(&bytes, error.valid_up_to()));
        let reason = "not UTF-8".to_owned();
        Rejected::new(path, vec![ConfigFault { line, reason }])
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (config, mut faults) = parse(text, folder);
    faults.extend(check(&config));
    if faults.is_empty() {
        Ok(Some(config))
    } else {
        Err(Rejected::new(path, faults))
    }
}

/// Reads a file or a pipe, and stops where it is too large.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("larger than 1 MiB: no configuration"));
    }
    Ok(bytes)
}

/// Parses a text, whose relative paths are relative to `folder`. Returns the values that could be read,
/// and every mistake.
pub fn parse(text: &str, folder: &Path) -> (Config, Vec<ConfigFault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = ConfigParser {
        text,
        folder,
        config: Config::default(),
        faults: Vec::new(),
    };
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.note(at, error.message().to_owned());
    }
    // The parser guesses on after an error, so only the first mistake of a line is kept.
    let mut faults = std::mem::take(&mut reader.faults);
    faults.sort_by_key(|fault| fault.line);
    faults.dedup_by_key(|fault| fault.line);
    reader.read(table.get_ref());
    let broken: Vec<Option<usize>> = faults.iter().map(|fault| fault.line).collect();
    let meant = reader.faults.into_iter();
    faults.extend(meant.filter(|fault| !broken.contains(&fault.line)));
    (reader.config, faults)
}

/// The line of a byte, counted from 1.
fn line_of(text: &[u8], at: usize) -> usize {
    let before = &text[..at.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Every key.
const NAMES: [&str; 27] = [
    "theme",
    "color",
    "ascii",
    "graphics",
    "probe-timeout",
    "coarse-above",
    "columns",
    "engine",
    "device",
    "precision",
    "model",
    "model-memory",
    "background",
    "prognosis",
    "jobs",
    "reviewer",
    "store",
    "max-megapixels",
    "max-memory",
    "decode-timeout",
    "pacs-ca",
    "pacs-credentials",
    "pacs-memory",
    "pacs-timeout",
    "prevalence",
    "open",
    "keys",
];

struct ConfigParser<'a> {
    text: &'a str,
    folder: &'a Path,
    config: Config,
    faults: Vec<ConfigFault>,
}

impl ConfigParser<'_> {
    fn note(&mut self, at: usize, reason: String) {
        let line = Some(line_of(self.text.as_bytes(), at));
        self.faults.push(ConfigFault { line, reason });
    }

    fn read(&mut self, table: &DeTable) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !NAMES.contains(&name) {
                self.note(key.span().start, unknown(name));
                continue;
            }
            for (at, reason) in self.take(name, value).err().unwrap_or_default() {
                self.note(at, format!("{name} {reason}"));
            }
        }
    }

    fn take(&mut self, name: &str, value: &ConfigValue) -> Result<(), Vec<Wrong>> {
        let Config {
            appearance,
            look,
            terminal,
            computing,
            files,
            pacs,
            model,
            model_memory,
            background,
            prognosis,
            jobs,
            reviewer,
            store,
            prevalence,
            keys: bound,
            open,
        } = &mut self.config;
        let line = |at: usize| line_of(self.text.as_bytes(), at);
        match name {
            "theme" => look.theme = Some(choice(value)?),
            "color" => appearance.color = Some(choice(value)?),
            "ascii" => look.ascii = Some(choice(value)?),
            "graphics" => terminal.graphics = Some(choice(value)?),
            "probe-timeout" => terminal.probe_timeout = Some(number(value)?),
            "coarse-above" => terminal.coarse_above = Some(count(value)?),
            "precision" => computing.precision = Some(choice(value)?),
            "device" => computing.device = Some(values::parsed(value)?),
            "engine" => computing.engine = Some(choice(value)?),
            "columns" => look.columns = Some(choices(value)?),
            "model" => {
                *model = Some(ModelSetting {
                    model: values::model(value, self.folder)?,
                    line: line(value.span().start),
                });
            }
            "model-memory" => *model_memory = Some(number(value)?),
            "background" => *background = Some(yes(value)?),
            "prognosis" => *prognosis = Some(yes(value)?),
            "jobs" => *jobs = Some(number(value)?.try_into().unwrap_or(NonZeroUsize::MAX)),
            "reviewer" => *reviewer = Some(text(value)?),
            "store" => *store = Some(path(value, self.folder)?),
            "max-megapixels" => files.max_megapixels = Some(number(value)?),
            "max-memory" => files.max_memory = Some(number(value)?),
            "decode-timeout" => files.decode_timeout = Some(number(value)?),
            "pacs-ca" => pacs.pacs_ca = Some(path(value, self.folder)?),
            "pacs-credentials" => pacs.pacs_credentials = Some(text(value)?),
            "pacs-memory" => pacs.pacs_memory = Some(number(value)?),
            "pacs-timeout" => pacs.pacs_timeout = Some(number(value)?),
            "prevalence" => entries(value, share, prevalence)?,
            "open" => {
                let known = OpenKey::ALL.map(|(name, _)| name);
                let program = |key: &ConfigKey, value: &ConfigValue| {
                    let at = values::one_of(key, &known)?;
                    Ok(OpenSetting {
                        opens: OpenKey::ALL[at].1,
                        command: values::program(value)?,
                    })
                };
                entries(value, program, open)?;
                for is_folder in [false, true] {
                    let mut same = open
                        .iter()
                        .filter(|open| open.opens.is_folder() == is_folder);
                    if same.nth(1).is_some() {
                        let what = if is_folder { "folder" } else { "film" };
                        let reason = format!("has {what} and {what}-in-terminal: one of them");
                        return Err(vec![(value.span().start, reason)]);
                    }
                }
            }
            _ => {
                let rebound = |key: &ConfigKey, value: &ConfigValue| {
                    Ok(Rebound {
                        action: key.get_ref().to_string(),
                        keys: keys(value)?,
                        line: line(key.span().start),
                    })
                };
                entries(value, rebound, bound)?;
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    match nearest_word(name, NAMES) {
        Some(near) => format!("{name}: no such key; did you mean {near}?"),
        None => format!("{name}: no such key; `cxr config --default` shows all"),
    }
}

#[cfg(test)]
mod tests;
