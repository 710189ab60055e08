//! Examples below the help of each command.

use clap::Command;

use super::NOT_A_DEVICE;

/// The examples of each command, by its words.
const EXAMPLES: &[(&[&str], &[&str])] = &[
    (
        &[],
        &[
            "cxr FOLDER                          walk the radiographs of a folder",
            "cxr --blinded FOLDER                your own call first, then the model's answer",
            "cxr FOLDER -m cases.csv             with the earlier films of each patient by a table",
            "cxr --study study.toml --reviewer ann    the next sitting of a reader study",
            "cxr predict FOLDER -o scores.csv    a table, without the screen",
        ],
    ),
    (
        &["predict"],
        &[
            "cxr predict FOLDER -o scores.csv",
            "cxr predict FOLDER -o scores.csv --resume    go on after an interruption",
            "cxr predict a.dcm --format jsonl",
            "cxr predict ARCHIVE --shard 3/16 -o parts/3.csv --resume",
            "cxr predict ARCHIVE --unit study -o studies.csv    one row a study",
            "cxr predict FOLDER -o scores.csv --heatmaps maps --heatmap-label covid",
        ],
    ),
    (
        &["evaluate"],
        &[
            "cxr evaluate -m cases.csv --label-column COVID-19=pcr --patient-column id -o results",
            "cxr evaluate -m cases.csv --root /data/films --predictions scores.csv",
        ],
    ),
    (
        &["adapt"],
        &[
            "cxr adapt -m cases.csv --label-column COVID-19=pcr --patient-column id -o ours.safetensors",
        ],
    ),
    (
        &["export"],
        &[
            "cxr export -o reviews.csv",
            "cxr export --summary                what each reviewer did",
            "cxr export --verify                 is the log of reviews whole?",
            "cxr export --backup copy.sqlite",
            "cxr export --all --marks -o marks.csv    rulers, ratios, angles, points and boxes",
        ],
    ),
    (
        &["agreement"],
        &[
            "cxr agreement",
            "cxr agreement --format json",
            "cxr agreement --study study.toml    the results of a study",
        ],
    ),
    (
        &["study"],
        &[
            "cxr study new films -o study.toml --reader ann --reader bob -m cases.csv",
            "cxr study status study.toml",
        ],
    ),
    (
        &["study", "new"],
        &[
            "cxr study new films -o study.toml --reader ann --reader bob -m cases.csv",
            "cxr study new films -o study.toml --reader ann --design independent --washout-days 28",
            "cxr study new films -o study.toml --reader ann --marks inside -m cases.csv --boxes-column boxes",
        ],
    ),
    (
        &["study", "size"],
        &["cxr study size power --difference 0.05 --published van-dyke"],
    ),
    (
        &["study", "size", "power"],
        &[
            "cxr study size power --difference 0.05 --pilot pilot.json -o power.svg",
            "cxr study size power --difference 0.05 --published van-dyke --readers 5,10",
        ],
    ),
    (
        &["study", "size", "precision"],
        &["cxr study size precision --share 0.9 --half-width 0.05"],
    ),
    (
        &["study", "size", "validation"],
        &[
            "cxr study size validation --prevalence 0.2 --c-statistic 0.8 --predictor-mean -1.75 --predictor-deviation 1.2",
        ],
    ),
    (&["study", "check"], &["cxr study check study.toml"]),
    (&["study", "status"], &["cxr study status study.toml"]),
    (&["study", "verify"], &["cxr study verify study.toml"]),
    (
        &["study", "reference"],
        &["cxr study reference study.toml -o reference.csv"],
    ),
    (
        &["study", "close"],
        &["cxr study close study.toml --reason withdrawn"],
    ),
    (&["report"], &["cxr report a.dcm -o a.html"]),
    (
        &["doctor"],
        &[
            "cxr doctor",
            "cxr doctor --probe-timeout 1000     for a terminal at the end of a slow line",
            "cxr doctor --pacs dicom://127.0.0.1:4242/ORTHANC    what a PACS answers",
        ],
    ),
    (&["models"], &["cxr models list", "cxr models show"]),
    (&["models", "list"], &["cxr models list"]),
    (
        &["models", "show"],
        &["cxr models show", "cxr models show densenet121-res224-all"],
    ),
    (&["models", "import"], &["cxr models import vit-chest-xray"]),
    (&["models", "pull"], &["cxr models pull hf:OWNER/NAME"]),
    (
        &["models", "check"],
        &["cxr models check vit-chest-xray --against reference.csv --root films"],
    ),
    (&["models", "remove"], &["cxr models remove vit-chest-xray"]),
    (&["models", "verify"], &["cxr models verify"]),
    (
        &["config"],
        &[
            "cxr config --default",
            "cxr config --check",
            "cxr config --path",
        ],
    ),
    (
        &["merge"],
        &[
            "cxr merge parts/1.csv parts/2.csv -o all.parquet",
            "cxr merge parts/1.csv parts/2.csv -o all.csv --sort part",
        ],
    ),
    (
        &["dicom"],
        &["cxr dicom sr study -o results --with-patient"],
    ),
    (
        &["dicom", "sr"],
        &[
            "cxr dicom sr study -o results --with-patient          for the archive that has the films",
            "cxr dicom sr study -o results --pseudonym-key key     for others",
        ],
    ),
    (
        &["dicom", "sc"],
        &[
            "cxr dicom sc film.dcm -o results --with-patient",
            "cxr dicom sc study -o results --with-patient --reviews",
        ],
    ),
    (
        &["dicom", "kos"],
        &["cxr dicom kos study -o results --with-patient"],
    ),
    (
        &["dicom", "send"],
        &[
            "cxr dicom send dicom://pacs:104/ARCHIVE results       every DICOM file below the folder",
            "cxr dicom send dicom://pacs:104/ARCHIVE films.zip     its members, without unpacking it",
            "cxr dicom send --aet CXR1 dicom://127.0.0.1:4242/ORTHANC a.dcm b.dcm",
            "cxr dicom send https://pacs.example/dicom-web results",
        ],
    ),
    (
        &["listen"],
        &[
            "cxr listen films                        from this machine, port 11112, title CXR",
            "cxr listen --bind 0.0.0.0 --from 10.1.2.0/24 --from-aet XRAY1 films",
        ],
    ),
    (&["completions"], &["cxr completions bash"]),
    (&["man"], &["cxr man"]),
];

/// Adds the examples.
pub fn add(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (words, lines)| {
        at(command, words, |command| {
            command.after_help(help(lines, words.is_empty()))
        })
    })
}

/// The words of each command, and its examples.
#[cfg(test)]
pub fn all() -> &'static [(&'static [&'static str], &'static [&'static str])] {
    EXAMPLES
}

/// The examples of a command, one in each line; empty if it has none.
pub fn of(words: &[&str]) -> &'static [&'static str] {
    let found = EXAMPLES.iter().find(|(other, _)| *other == words);
    found.map_or(&[], |(_, lines)| lines)
}

fn at(command: Command, words: &[&str], change: impl FnOnce(Command) -> Command) -> Command {
    match words {
        [] => change(command),
        [first, rest @ ..] if command.find_subcommand(first).is_some() => {
            command.mut_subcommand(first, |command| at(command, rest, change))
        }
        _ => command,
    }
}

fn help(lines: &[&str], is_program: bool) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    let examples = format!("Examples:\n{}", lines.join("\n"));
    if is_program {
        format!("{examples}\n\n{NOT_A_DEVICE}")
    } else {
        examples
    }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    fn leaves(command: &Command, words: &[String], found: &mut Vec<Vec<String>>) {
        found.push(words.to_vec());
        for below in command
            .get_subcommands()
            .filter(|below| !below.is_hide_set())
        {
            let mut words = words.to_vec();
            words.push(below.get_name().to_owned());
            leaves(below, &words, found);
        }
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        let mut all = Vec::new();
        leaves(&command(), &[], &mut all);
        assert!(all.len() > 10);
        for words in all {
            let mut command = command();
            let mut found = &mut command;
            for word in &words {
                found = found.find_subcommand_mut(word).unwrap();
            }
            let help = found.render_long_help().to_string();
            assert!(help.contains("Examples:"), "cxr {}", words.join(" "));
        }
    }

    #[test]
    fn every_example_can_be_typed_and_is_of_its_command() {
        for (words, lines) in EXAMPLES {
            for line in *lines {
                // The explanation stands after at least four spaces.
                let typed = line.split("    ").next().unwrap();
                let typed: Vec<&str> = typed.split_whitespace().collect();
                let command = command().try_get_matches_from(&typed);
                assert!(command.is_ok(), "{line}: {}", command.unwrap_err());
                let is_own = typed[1..].starts_with(words) || words.is_empty();
                assert!(is_own, "{line}");
            }
        }
    }
}
