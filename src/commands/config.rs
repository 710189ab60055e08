//! The configuration as the commands take it, and `cxr config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use super::shared::{Usage, folders, print, resolve_model};
use crate::cli::{self, Cli, Command, DicomAction, ModelsAction, StudyAction};
use crate::config::{self, Config, ConfigFault, Rebound, Rejected};
use crate::domain::text::{Printable, clean};
use crate::inference::ModelFiles;
use crate::tui::hooks::{OpenProgram, OpenPrograms};
use crate::tui::keymap::{Keymap, Rebinding};

/// The parts of the configuration that are no options.
pub struct Settings {
    pub keymap: Keymap,
    /// The chosen model, and where the configuration chooses it: `FILE:LINE: model`.
    model: Option<(PathBuf, String)>,
    /// The review store.
    pub store: Option<PathBuf>,
    /// The programs that open a film, and its folder.
    pub open: OpenPrograms,
}

impl Settings {
    /// The file of the model that the configuration chooses, for a command that uses one.
    ///
    /// # Errors
    /// [`Usage`], if there is no such model.
    pub fn model_for(&self, command: Option<&Command>) -> Result<Option<PathBuf>> {
        let chosen = self.model.clone().filter(|_| uses_model(command));
        let Some((model, setting)) = chosen else {
            return Ok(None);
        };
        resolve_model(model).map_err(|error| Usage::error(format!("{setting} {error:#}")))
    }
}

/// Reads the configuration, and takes from it what the command line and the environment leave open.
///
/// # Errors
/// [`Rejected`] with every mistake in it; [`Usage`] if the user named a file that is not there.
pub fn apply(cli: &mut Cli) -> Result<Settings> {
    let (config, keymap, path) = if needs_configuration(cli) {
        read(cli)?
    } else {
        (Config::default(), Keymap::bundled(), PathBuf::new())
    };
    let model = config.model.clone().map(|chosen| {
        let setting = format!("{}:{}: model", path.display(), chosen.line);
        (chosen.model, setting)
    });
    let store = config.store.clone();
    let open = open_programs(&config);
    fill(cli, config);
    Ok(Settings {
        keymap,
        model,
        store,
        open,
    })
}

/// The programs of `[open]`.
fn open_programs(config: &Config) -> OpenPrograms {
    let mut programs = OpenPrograms::default();
    for setting in &config.open {
        let program = OpenProgram {
            command: setting.command.clone(),
            takes_terminal: setting.opens.is_in_terminal(),
        };
        if setting.opens.is_folder() {
            programs.folder = Some(program);
        } else {
            programs.film = Some(program);
        }
    }
    programs
}

/// Whether a command reads the configuration. Some must work with a broken one, and the decoder process
/// opens no file.
fn needs_configuration(cli: &Cli) -> bool {
    let apart = [
        matches!(cli.command, Some(Command::Config(_))),
        matches!(cli.command, Some(Command::Completions(_) | Command::Man)),
        matches!(cli.command, Some(Command::DecodeWorker)),
    ];
    !apart.contains(&true)
}

fn read(cli: &Cli) -> Result<(Config, Keymap, PathBuf)> {
    let Some(location) = ConfigLocation::of(cli) else {
        return Ok((Config::default(), Keymap::bundled(), PathBuf::new()));
    };
    let (config, keymap) = checked(&location)?;
    Ok((config, keymap, location.path))
}

/// The file of the configuration.
struct ConfigLocation {
    path: PathBuf,
    /// The user named it, so it must be there.
    named: bool,
}

impl ConfigLocation {
    /// `None` if no configuration is wanted.
    fn of(cli: &Cli) -> Option<Self> {
        match &cli.config.config {
            _ if cli.config.no_config => None,
            Some(name) if name.is_empty() => None,
            Some(name) => Some(ConfigLocation {
                path: name.into(),
                named: true,
            }),
            None => Some(ConfigLocation {
                path: folders::configuration()?,
                named: false,
            }),
        }
    }
}

/// The configuration of a file, and its keymap.
fn checked(location: &ConfigLocation) -> Result<(Config, Keymap)> {
    let of_keys = |config: &Config| keymap(&config.keys).err().unwrap_or_default();
    match config::load(&location.path, of_keys)? {
        Some(config) => {
            let keymap = keymap(&config.keys);
            let keymap = keymap.map_err(|faults| Rejected::new(&location.path, faults))?;
            Ok((config, keymap))
        }
        None if location.named => Err(Usage::error(format!(
            "{}: no such configuration",
            location.path.display()
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

/// Takes options from the configuration that were not given otherwise.
fn fill(cli: &mut Cli, config: Config) {
    or(&mut cli.appearance.color, config.appearance.color);
    or(&mut cli.computing.engine, config.computing.engine);
    or(&mut cli.computing.device, config.computing.device);
    or(&mut cli.computing.precision, config.computing.precision);
    let files = &mut cli.files;
    or(&mut files.max_megapixels, config.files.max_megapixels);
    or(&mut files.max_memory, config.files.max_memory);
    or(&mut files.decode_timeout, config.files.decode_timeout);
    let pacs = &mut cli.pacs;
    or(&mut pacs.pacs_ca, config.pacs.pacs_ca.clone());
    or(&mut pacs.pacs_timeout, config.pacs.pacs_timeout);
    or(&mut pacs.pacs_memory, config.pacs.pacs_memory);
    pacs.pacs_credentials = config.pacs.pacs_credentials.clone();
    match &mut cli.command {
        None => fill_screen(&mut cli.browse, config),
        Some(Command::Predict(predict)) => or(&mut predict.jobs, config.jobs),
        Some(Command::Evaluate(evaluate)) => or(&mut evaluate.jobs, config.jobs),
        Some(Command::Adapt(adapt)) => or(&mut adapt.jobs, config.jobs),
        Some(Command::Doctor(doctor)) => fill_terminal(&mut doctor.terminal, config.terminal),
        Some(Command::Export(export)) => or(&mut export.store, config.store),
        Some(Command::Agreement(agreement)) => or(&mut agreement.store, config.store),
        Some(Command::Dicom(dicom)) => {
            if let Some(objects) = dicom.action.objects_mut() {
                or(&mut objects.store, config.store);
            }
        }
        Some(Command::Report(report)) => {
            or(&mut report.store, config.store);
            or(&mut report.prognosis.prognosis, config.prognosis);
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
    or(&mut browse.prognosis.prognosis, config.prognosis);
    browse.assumptions.usual = config.prevalence;
    browse.no_background |= config.background == Some(false) && !browse.background;
}

fn or<T>(given: &mut Option<T>, configured: Option<T>) {
    if given.is_none() {
        *given = configured;
    }
}

/// Whether a command uses the model of the configuration. `models list` lists one model only if
/// `--model` names it.
pub fn uses_model(command: Option<&Command>) -> bool {
    match command {
        None => true,
        Some(Command::Models(models)) => matches!(models.action, ModelsAction::Show { .. }),
        // Its digest is pinned, and a sitting is read with it.
        Some(Command::Study(study)) => {
            matches!(study.action, StudyAction::New(_) | StudyAction::Check(_))
        }
        Some(Command::Dicom(dicom)) => {
            matches!(dicom.action, DicomAction::Sr(_) | DicomAction::Sc(_))
        }
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
            Some(location) => print(&Printable::page(&format!(
                "{}\n",
                clean(&location.path.display().to_string())
            ))),
            None => print(&Printable::page("none\n")),
        },
    }
}

/// Every key with its meaning and its default.
fn default_text() -> String {
    config::DEFAULT.to_owned() + &Keymap::bundled().as_configuration()
}

fn check(location: Option<ConfigLocation>) -> Result<ExitCode> {
    let Some(location) = location else {
        return print(&Printable::page("none: using defaults\n"));
    };
    let name = clean(&location.path.display().to_string());
    if !location.named && !location.path.exists() {
        return print(&Printable::page(&format!(
            "{name}: not found; using defaults\n"
        )));
    }
    let (config, _) = checked(&location)?;
    if let Some(chosen) = &config.model {
        check_model(&chosen.model).map_err(|error| {
            let line = Some(chosen.line);
            let reason = format!("model {error:#}");
            Rejected::new(&location.path, vec![ConfigFault { line, reason }])
        })?;
    }
    print(&Printable::page(&format!("{name}: ok\n")))
}

/// Checks that the card of a model can be read. The weights are compared with it when it is used.
fn check_model(model: &Path) -> Result<()> {
    if let Some(path) = resolve_model(model.to_owned())? {
        ModelFiles::card_beside(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
