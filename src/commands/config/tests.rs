use clap::{CommandFactory, Parser};

use super::*;
use crate::cli::{ColorWhen, ColumnArgument, GraphicsArgument, LookArguments, ThemeArgument};
use crate::commands::shared::{PACS_MEMORY, PACS_TIMEOUT};
use crate::imaging::DecodeLimits;
use crate::worker::LOADED_MODEL_BYTES;

fn parsed(text: &str) -> Config {
    let (config, faults) = config::parse(text, Path::new(""));
    assert_eq!(faults, [], "{text}");
    config
}

/// A command line, filled from a configuration.
fn filled(arguments: &[&str], text: &str) -> Cli {
    let mut cli = Cli::try_parse_from([&["cxr"], arguments].concat()).unwrap();
    fill(&mut cli, parsed(text));
    cli
}

/// A study is read with the model that its file names: that of the configuration, where there is one.
#[test]
fn commands_that_score_or_pin_a_model_use_the_configured_one() {
    for (line, uses) in [
        ("cxr predict x", true),
        ("cxr study new x -o s.toml --reader ann", true),
        ("cxr study check s.toml", true),
        ("cxr study status s.toml", false),
        ("cxr export --all", false),
        ("cxr --study s.toml --reviewer ann", true),
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(uses_model(cli.command.as_ref()), uses, "{line}");
    }
}

/// `cxr config --default` prints the defaults of the program itself.
#[test]
fn the_printed_defaults_are_the_programs() {
    let text = default_text();
    let config = parsed(&text);
    let files = config.files;
    assert!(files.max_megapixels.is_some() && files.max_memory.is_some());
    assert_eq!(
        crate::commands::shared::limits(files),
        DecodeLimits::default()
    );
    let pacs = &config.pacs;
    assert_eq!(
        (pacs.pacs_timeout, pacs.pacs_memory),
        (Some(PACS_TIMEOUT), Some(PACS_MEMORY))
    );
    assert_eq!((&pacs.pacs_ca, &pacs.pacs_credentials), (&None, &None));
    assert_eq!(config.appearance.color, Some(ColorWhen::default()));
    assert_eq!(config.computing.engine, Some(Default::default()));
    assert_eq!(config.computing.device, Some(Default::default()));
    assert_eq!(config.computing.precision, Some(Default::default()));
    assert_eq!(config.terminal.graphics, Some(GraphicsArgument::default()));
    let look = LookArguments {
        theme: Some(Default::default()),
        ascii: Some(Default::default()),
        columns: Some(ColumnArgument::DEFAULT.to_vec()),
    };
    assert_eq!(config.look, look);
    let memory = config.model_memory.unwrap().get();
    assert_eq!(u64::from(memory) << 20, LOADED_MODEL_BYTES);
    assert_eq!(config.background, Some(true));
    assert_eq!(config.prognosis, Some(false));
    assert_eq!((&config.model, &config.reviewer), (&None, &None));
    assert_eq!((&config.store, config.jobs), (&None, None));
    assert!(config.prevalence.is_empty() && config.keys.is_empty());
    assert!(!filled(&[], &text).browse.no_background);
}

/// The keys are printed as comments. They are those of the keymap.
#[test]
fn the_printed_keys_are_the_keymaps() {
    let text = default_text();
    let (head, keys) = text.split_once("\n[keys]\n").unwrap();
    let live: Vec<&str> = keys
        .lines()
        .map(|l| l.strip_prefix("# ").unwrap_or(l))
        .collect();
    let live: Vec<&str> = live
        .into_iter()
        .filter(|line| line.contains(" = "))
        .collect();
    let config = parsed(&format!("{head}\n[keys]\n{}", live.join("\n")));
    let bundled = Keymap::bundled();
    assert_eq!(config.keys.len(), bundled.bindings().len());
    let same = keymap(&config.keys).unwrap();
    assert_eq!(same.markdown(), bundled.markdown());
}

#[test]
fn help_gives_the_same_defaults() {
    let command = Cli::command();
    let help = |name: &str| {
        let found = command.get_arguments().find(|a| a.get_id() == name);
        found.and_then(|a| a.get_help()).unwrap().to_string()
    };
    let DecodeLimits {
        max_pixels,
        max_memory,
        timeout,
        ..
    } = DecodeLimits::default();
    for (name, default) in [
        ("max_megapixels", (max_pixels / 1_000_000).to_string()),
        ("max_memory", (max_memory >> 20).to_string()),
        ("decode_timeout", timeout.as_secs().to_string()),
        ("pacs_timeout", PACS_TIMEOUT.to_string()),
        ("pacs_memory", PACS_MEMORY.to_string()),
        ("model_memory", (LOADED_MODEL_BYTES >> 20).to_string()),
        ("columns", "mark,name,date,view,age,score,words".to_owned()),
        ("theme", "auto".to_owned()),
        ("color", "auto".to_owned()),
        ("engine", "auto".to_owned()),
    ] {
        let says = format!("[default: {default}]");
        assert!(help(name).ends_with(&says), "{name}: {}", help(name));
    }
}

/// Each option of the screen can be configured, or is in the list of exceptions.
#[test]
fn no_option_of_the_screen_is_forgotten() {
    const WITHOUT: [&str; 17] = [
        "config",
        "no-config",
        "no-background", // background = false
        "prevalence",    // a table
        "blinded",       // for one session
        "shuffle",
        "study",
        "fresh",
        "manifest", // for the films of one session
        "root",
        "path-column",
        "patient-column",
        "date-column",
        "keep", // for the films of one session
        "help",
        "version",
        "json", // of --version
    ];
    let command = Cli::command();
    let options = command.get_arguments().filter_map(|a| a.get_long());
    for option in options.filter(|option| !WITHOUT.contains(option)) {
        let text = format!("{option} = [[]]");
        let (_, faults) = config::parse(&text, Path::new(""));
        assert!(!faults[0].reason.contains("no such key"), "{option}");
    }
}

#[test]
fn the_command_line_overrides_the_configuration_and_that_overrides_the_default() {
    let text = "color = \"never\"\ngraphics = \"off\"\ntheme = \"light\"\nmax-memory = 7\n\
                reviewer = \"Rao\"\ncolumns = [\"name\"]\nbackground = false\nstore = \"/s\"";
    let cli = filled(&["--graphics", "blocks", "--max-memory", "9"], text);
    assert_eq!(cli.browse.terminal.graphics, Some(GraphicsArgument::Blocks));
    assert_eq!(cli.files.max_memory.unwrap().get(), 9);
    assert_eq!(cli.appearance.color, Some(ColorWhen::Never));
    assert_eq!(cli.browse.look.theme, Some(ThemeArgument::Light));
    assert_eq!(cli.browse.look.columns, Some(vec![ColumnArgument::Name]));
    assert_eq!(cli.browse.reviewer.as_deref(), Some("Rao"));
    assert_eq!(cli.browse.store, Some("/s".into()));
    assert!(cli.browse.no_background);
    assert!(!filled(&["--background"], text).browse.no_background);
    let bare = filled(&[], "");
    assert_eq!(
        (bare.browse.terminal.graphics, bare.files.max_memory),
        (None, None)
    );
    assert!(filled(&["--no-background"], "").browse.no_background);
}

#[test]
fn outcomes_are_off_unless_asked_for_and_a_table_does_not_depend_on_the_configuration() {
    let on = "prognosis = true";
    let screen = |arguments: &[&str], text| filled(arguments, text).browse.prognosis.is_asked();
    assert!(!screen(&[], ""));
    assert!(screen(&["--prognosis"], ""));
    assert!(screen(&[], on));
    assert!(!screen(&["--prognosis=false"], on));
    assert!(screen(&["--prognosis", "ward"], ""), "a path is no value");
    let of = |arguments: &[&str], text| match filled(arguments, text).command {
        Some(Command::Predict(predict)) => predict.prognosis.is_asked(),
        Some(Command::Report(report)) => report.prognosis.is_asked(),
        other => panic!("{other:?}"),
    };
    assert!(of(&["predict", "x", "--prognosis"], ""));
    assert!(!of(&["predict", "x"], on));
    let report = ["report", "a.png", "-o", "a.html"];
    assert!(!of(&report, "") && of(&report, on));
    let page = [&report[..], &["--prognosis=false"]].concat();
    assert!(!of(&page, on));
}

#[test]
fn commands_take_what_they_have_options_for() {
    let text = "jobs = 3\nstore = \"/s\"\n[prevalence]\nCOVID-19 = \"5%\"";
    let jobs = |arguments: &[&str]| match filled(arguments, text).command {
        Some(Command::Predict(predict)) => {
            assert!(
                predict.assumptions.usual.is_empty(),
                "a table does not depend on the home folder"
            );
            predict.jobs.unwrap().get()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(jobs(&["predict", "x"]), 3);
    assert_eq!(jobs(&["predict", "x", "-j", "2"]), 2);
    match filled(&["report", "a.png", "-o", "a.html"], text).command {
        Some(Command::Report(report)) => {
            assert_eq!(report.store, Some("/s".into()));
            assert_eq!(report.assumptions.usual, ["COVID-19=5%"]);
        }
        other => panic!("{other:?}"),
    }
    match filled(&["export", "--all", "--store", "/t"], text).command {
        Some(Command::Export(export)) => assert_eq!(export.store, Some("/t".into())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_configuration_is_read_for_what_must_work_without() {
    for (arguments, reads) in [
        (&["cxr"][..], true),
        (&["cxr", "doctor"], true),
        (&["cxr", "config", "--path"], false),
        (&["cxr", "man"], false),
        (&["cxr", "completions", "bash"], false),
        (&["cxr", "decode-worker"], false),
    ] {
        let cli = Cli::try_parse_from(arguments).unwrap();
        assert_eq!(needs_configuration(&cli), reads, "{arguments:?}");
    }
}

#[test]
fn mistakes_in_keys_have_their_lines() {
    let text = "[keys]\nnxt = \"x\"\nnext = \"n\"\n\nlast = [\"G\", \"hyper\"]\n";
    let faults = keymap(&parsed(text).keys).err().unwrap();
    let rejected = Rejected::new(Path::new("c.toml"), faults).to_string();
    let lines: Vec<&str> = rejected.lines().collect();
    assert_eq!(lines.len(), 3, "{rejected}");
    assert!(lines[0].starts_with("c.toml:2: keys: nxt: no such action; did you mean next?"));
    assert!(lines[1].starts_with("c.toml:3: keys: \"n\" means both next and next-match"));
    assert!(lines[2].starts_with("c.toml:5: keys: last: \"hyper\" is not a key"));
}
