//! The configuration as the commands take it, and `cxr config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use super::{Usage, print, resolved};
use crate::cli::{self, Cli, Command, ModelsAction};
use crate::config::{self, Config, ConfigFault, Rebound, Rejected};
use crate::domain::text::{Printable, clean};
use crate::inference::ModelFiles;
use crate::tui::keymap::{Keymap, Rebinding};

/// What the configuration says beside options.
pub struct Settings {
    pub keymap: Keymap,
    /// The model that it chooses, and the words for where it does.
    model: Option<(PathBuf, String)>,
    /// Where it says that reviews are.
    pub store: Option<PathBuf>,
}

impl Settings {
    /// The file of the model that the configuration chooses, for a command that uses one.
    ///
    /// # Errors
    /// [`Usage`], if there is no such model.
    pub fn model_for(&self, command: Option<&Command>) -> Result<Option<PathBuf>> {
        let chosen = self.model.clone().filter(|_| uses_model(command));
        let Some((model, place)) = chosen else {
            return Ok(None);
        };
        resolved(model).map_err(|error| Usage::error(format!("{place} {error:#}")))
    }
}

/// Reads the configuration, and has it say what the command line and the environment left open.
///
/// # Errors
/// [`Rejected`] with every mistake in it; [`Usage`] if it was asked for and is not there.
pub fn apply(cli: &mut Cli) -> Result<Settings> {
    let (config, keymap, path) = match reads_it(cli) {
        true => read(cli)?,
        false => (Config::default(), Keymap::bundled(), PathBuf::new()),
    };
    let model = config.model.clone().map(|chosen| {
        let place = format!("{}:{}: model", path.display(), chosen.line);
        (chosen.model, place)
    });
    let store = config.store.clone();
    fill(cli, config);
    Ok(Settings {
        keymap,
        model,
        store,
    })
}

/// Not for what must work with a broken one, and not for the process that decodes files.
fn reads_it(cli: &Cli) -> bool {
    let apart = [
        matches!(cli.command, Some(Command::Config(_))),
        matches!(cli.command, Some(Command::Completions(_) | Command::Man)),
        matches!(cli.command, Some(Command::DecodeWorker)),
    ];
    !apart.contains(&true)
}

fn read(cli: &Cli) -> Result<(Config, Keymap, PathBuf)> {
    let Some(place) = ConfigLocation::of(cli) else {
        return Ok((Config::default(), Keymap::bundled(), PathBuf::new()));
    };
    let (config, keymap) = checked(&place)?;
    Ok((config, keymap, place.path))
}

/// Where a configuration is looked for.
struct ConfigLocation {
    path: PathBuf,
    /// Somebody named it, so that it must be there.
    named: bool,
}

impl ConfigLocation {
    /// `None` if there is to be none.
    fn of(cli: &Cli) -> Option<Self> {
        match &cli.config.config {
            _ if cli.config.no_config => None,
            Some(name) if name.is_empty() => None,
            Some(name) => Some(ConfigLocation {
                path: name.into(),
                named: true,
            }),
            None => Some(ConfigLocation {
                path: config::default_path(|name| std::env::var_os(name))?,
                named: false,
            }),
        }
    }
}

/// What a file says, and the keymap that comes of it.
fn checked(place: &ConfigLocation) -> Result<(Config, Keymap)> {
    let of_keys = |config: &Config| keymap(&config.keys).err().unwrap_or_default();
    match config::load(&place.path, of_keys)? {
        Some(config) => {
            let keymap = keymap(&config.keys);
            let keymap = keymap.map_err(|faults| Rejected::new(&place.path, faults))?;
            Ok((config, keymap))
        }
        None if place.named => Err(Usage::error(format!(
            "{}: no such configuration",
            place.path.display()
        ))),
        None => Ok((Config::default(), Keymap::bundled())),
    }
}

fn keymap(keys: &[Rebound]) -> Result<Keymap, Vec<ConfigFault>> {
    let rebinding = |Rebound { action, keys, .. }: &Rebound| Rebinding {
        action: action.clone(),
        keys: keys.clone(),
    };
    let rebindings: Vec<Rebinding> = keys.iter().map(rebinding).collect();
    Keymap::rebound(&rebindings).map_err(|faults| {
        let fault = |(number, reason): (usize, String)| ConfigFault {
            line: Some(keys[number].line),
            reason: format!("keys: {reason}"),
        };
        faults.into_iter().map(fault).collect()
    })
}

/// Takes from the configuration what nobody said.
fn fill(cli: &mut Cli, config: Config) {
    or(&mut cli.appearance.color, config.appearance.color);
    or(&mut cli.computing.engine, config.computing.engine);
    or(&mut cli.computing.device, config.computing.device);
    or(&mut cli.computing.precision, config.computing.precision);
    let files = &mut cli.files;
    or(&mut files.max_megapixels, config.files.max_megapixels);
    or(&mut files.max_memory, config.files.max_memory);
    or(&mut files.decode_timeout, config.files.decode_timeout);
    match &mut cli.command {
        None => fill_screen(&mut cli.browse, config),
        Some(Command::Predict(predict)) => or(&mut predict.jobs, config.jobs),
        Some(Command::Evaluate(evaluate)) => or(&mut evaluate.jobs, config.jobs),
        Some(Command::Adapt(adapt)) => or(&mut adapt.jobs, config.jobs),
        Some(Command::Doctor(terminal)) => fill_terminal(terminal, config.terminal),
        Some(Command::Export(export)) => or(&mut export.store, config.store),
        Some(Command::Agreement(agreement)) => or(&mut agreement.store, config.store),
        Some(Command::Report(report)) => {
            or(&mut report.store, config.store);
            report.assumptions.usual = config.prevalence;
        }
        Some(_) => {}
    }
}

fn fill_terminal(terminal: &mut cli::Terminal, config: cli::Terminal) {
    or(&mut terminal.graphics, config.graphics);
    or(&mut terminal.probe_timeout, config.probe_timeout);
    or(&mut terminal.coarse_above, config.coarse_above);
}

fn fill_screen(browse: &mut cli::Browse, config: Config) {
    fill_terminal(&mut browse.terminal, config.terminal);
    or(&mut browse.look.theme, config.look.theme);
    or(&mut browse.look.ascii, config.look.ascii);
    or(&mut browse.look.columns, config.look.columns);
    or(&mut browse.model_memory, config.model_memory);
    or(&mut browse.reviewer, config.reviewer);
    or(&mut browse.store, config.store);
    browse.assumptions.usual = config.prevalence;
    browse.no_background |= config.background == Some(false) && !browse.background;
}

fn or<T>(said: &mut Option<T>, configured: Option<T>) {
    if said.is_none() {
        *said = configured;
    }
}

/// Whether a command has a use for the model of the configuration. `models list` has for one that
/// was asked for, and then lists no other.
fn uses_model(command: Option<&Command>) -> bool {
    match command {
        None => true,
        Some(Command::Models(models)) => matches!(models.action, ModelsAction::Show { .. }),
        Some(command) => matches!(
            command,
            Command::Predict(_)
                | Command::Evaluate(_)
                | Command::Adapt(_)
                | Command::Report(_)
                | Command::Doctor(_)
        ),
    }
}

/// `cxr config`
pub fn run(arguments: &cli::ConfigArguments, cli: &Cli) -> Result<ExitCode> {
    match &arguments.check {
        _ if arguments.default => print(&Printable::page(&default_text())),
        Some(Some(path)) => check(Some(ConfigLocation {
            path: path.clone(),
            named: true,
        })),
        Some(None) => check(ConfigLocation::of(cli)),
        None => match ConfigLocation::of(cli) {
            Some(place) => print(&Printable::page(&format!(
                "{}\n",
                clean(&place.path.display().to_string())
            ))),
            None => print(&Printable::page("none\n")),
        },
    }
}

/// All that can be said, and what holds without it.
fn default_text() -> String {
    config::DEFAULT.to_owned() + &Keymap::bundled().as_configuration()
}

fn check(place: Option<ConfigLocation>) -> Result<ExitCode> {
    let Some(place) = place else {
        return print(&Printable::page("none: the defaults hold\n"));
    };
    let name = clean(&place.path.display().to_string());
    if !place.named && !place.path.exists() {
        return print(&Printable::page(&format!(
            "{name}: not there, so that the defaults hold\n"
        )));
    }
    let (config, _) = checked(&place)?;
    if let Some(chosen) = &config.model {
        check_model(&chosen.model).map_err(|error| {
            let line = Some(chosen.line);
            let reason = format!("model {error:#}");
            Rejected::new(&place.path, vec![ConfigFault { line, reason }])
        })?;
    }
    print(&Printable::page(&format!("{name}: ok\n")))
}

/// That its card can be read; the weights are compared with it when it is used.
fn check_model(model: &Path) -> Result<()> {
    if let Some(path) = resolved(model.to_owned())? {
        ModelFiles::card_beside(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
