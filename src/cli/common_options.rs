//! Which of the options of all commands a command has a use for. Its help leaves out the others. They are understood
//! everywhere, so that a script may give them to every command alike.

use clap::{Arg, Command};

/// Options that belong together: a command reads all of a group or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonOptions {
    /// Which model.
    Model,
    /// How a network is computed.
    Computing,
    /// Limits of one file.
    Files,
    /// How a DICOMweb server is reached.
    PacsServer,
    /// What becomes of films that were fetched from one.
    PacsFilms,
}

use CommonOptions::{Computing, Files, Model, PacsFilms, PacsServer};

const GROUPS: [CommonOptions; 5] = [Model, Computing, Files, PacsServer, PacsFilms];

/// What each command reads, by its words. One that is not here reads none of them.
const USES: &[(&[&str], &[CommonOptions])] = &[
    (&[], &GROUPS),
    (&["predict"], &GROUPS),
    (&["report"], &GROUPS),
    (&["dicom", "sr"], &GROUPS),
    (&["dicom", "sc"], &GROUPS),
    // They read films and score none.
    (&["dicom", "kos"], &[Files, PacsServer, PacsFilms]),
    (&["dicom", "send"], &[PacsServer, PacsFilms]),
    // Their films are named in tables, and lie on the disk.
    (&["evaluate"], &[Model, Computing, Files]),
    (&["adapt"], &[Model, Computing, Files]),
    // The digest of the model is pinned.
    (&["study", "new"], &[Model, Files]),
    (&["study", "check"], &[Model]),
    (&["models", "list"], &[Model]),
    (&["models", "show"], &[Model]),
    // Of a PACS it asks for what there is, and fetches no film.
    (&["doctor"], &[Model, Computing, Files, PacsServer]),
];

impl CommonOptions {
    /// The ids of its arguments.
    fn ids(self) -> &'static [&'static str] {
        match self {
            Model => &["model"],
            Computing => &["engine", "device", "precision"],
            Files => &["max_megapixels", "max_memory", "decode_timeout"],
            PacsServer => &["pacs_ca", "pacs_timeout"],
            PacsFilms => &["keep", "pacs_memory"],
        }
    }

    fn of(argument: &Arg) -> Option<Self> {
        let id = argument.get_id().as_str();
        GROUPS.into_iter().find(|group| group.ids().contains(&id))
    }
}

/// Whether the command with these words has a use for these options.
pub fn uses(words: &[&str], options: CommonOptions) -> bool {
    let found = USES.iter().find(|(command, _)| *command == words);
    found.is_some_and(|(_, used)| used.contains(&options))
}

/// Hides from the help of each command the options that it has no use for.
pub fn hide_unused(program: Command) -> Command {
    let common = program
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .filter_map(|argument| Some((CommonOptions::of(argument)?, argument.clone())));
    let common: Vec<_> = common.collect();
    hide_below(program, &[], &common)
}

fn hide_below(command: Command, words: &[&str], common: &[(CommonOptions, Arg)]) -> Command {
    let names = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned());
    let names: Vec<String> = names.collect();
    names.iter().fold(command, |command, name| {
        let below = [words, &[name.as_str()]].concat();
        // An argument of the same name takes the place of the common one.
        let arguments = common.iter().map(|(options, argument)| {
            let is_used = uses(&below, *options);
            argument.clone().hide(!is_used)
        });
        command.mut_subcommand(name, |command| {
            hide_below(command.args(arguments), &below, common)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    /// Options that every command reads.
    const EVERYWHERE: [&str; 3] = ["color", "config", "no_config"];

    fn walk(command: &Command, words: &[&str], look: &mut dyn FnMut(&Command, &[&str])) {
        look(command, words);
        for below in command.get_subcommands() {
            walk(below, &[words, &[below.get_name()]].concat(), look);
        }
    }

    fn built() -> Command {
        let mut program = command();
        program.build();
        program
    }

    #[test]
    fn the_help_of_each_command_has_the_common_options_that_it_uses_and_no_others() {
        let mut commands = 0;
        walk(&built(), &[], &mut |command, words| {
            commands += 1;
            let help = command.clone().render_long_help().to_string();
            for options in GROUPS {
                for id in options.ids() {
                    let long = format!("--{}", id.replace('_', "-"));
                    let is_shown = help
                        .split_whitespace()
                        .any(|word| word.trim_end_matches([',', ')']) == long)
                        && command
                            .get_arguments()
                            .any(|argument| argument.get_id() == *id && !argument.is_hide_set());
                    let is_used = uses(words, options);
                    assert_eq!(is_shown, is_used, "cxr {} {long}", words.join(" "));
                }
            }
        });
        assert!(commands > 25, "{commands}");
    }

    #[test]
    fn each_option_of_all_commands_is_in_a_group_and_each_use_is_of_a_command() {
        let program = command();
        for argument in program
            .get_arguments()
            .filter(|argument| argument.is_global_set())
        {
            let id = argument.get_id().as_str();
            let is_known = CommonOptions::of(argument).is_some() || EVERYWHERE.contains(&id);
            assert!(is_known, "{id}");
        }
        let mut all = Vec::new();
        walk(&program, &[], &mut |_, words| all.push(words.join(" ")));
        for (words, _) in USES {
            assert!(all.contains(&words.join(" ")), "{words:?}");
        }
    }

    #[test]
    fn an_option_without_a_use_is_still_understood_before_and_after_the_command() {
        for (words, example) in [
            ("man", "man"),
            ("models verify", "models verify"),
            ("study status", "study status study.toml"),
            ("dicom send", "dicom send dicom://pacs:104/ARCHIVE results"),
        ] {
            assert!(!uses(&words.split(' ').collect::<Vec<_>>(), Computing));
            for typed in [
                format!("cxr --device cpu --max-memory 9 {example}"),
                format!("cxr {example} --device cpu --max-memory 9"),
            ] {
                let matches = command().try_get_matches_from(typed.split(' '));
                let matches = matches.unwrap_or_else(|error| panic!("{typed}: {error}"));
                let memory = matches.get_one::<std::num::NonZeroU32>("max_memory");
                assert_eq!(memory.map(|n| n.get()), Some(9), "{typed}");
            }
        }
    }
}
