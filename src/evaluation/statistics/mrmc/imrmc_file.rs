//! The input file of iMRMC (Gallas and others, <https://github.com/DIDSR/iMRMC>): lines of reader, case, mode and
//! score after `BEGIN DATA:`. Rows of the reader `truth` in the mode `truth` are the reference standard.

use std::fmt::Write;

use super::ReadingTable;

/// The reader and the mode whose rows are the reference standard.
const TRUTH: &str = "truth";

/// The table as a file for iMRMC, lines ended by a line feed. `heading` is its first line.
///
/// iMRMC takes names between commas as they are. A comma or a control character of a name becomes `_`; where two
/// names would then be one, or a name is iMRMC's own `truth` (`-1` and `0` in older versions), all names of that kind are numbered
/// and lines of the heading say which number is which.
pub fn imrmc_file(table: &ReadingTable, heading: &str) -> String {
    let readers = ImrmcNames::of(table.readers(), "reader");
    let modes = ImrmcNames::of(table.modes(), "mode");
    let cases: Vec<String> = table.cases().iter().map(|case| case.name.clone()).collect();
    let cases = ImrmcNames::of(&cases, "case");
    let positives = table.cases().iter().filter(|case| case.positive).count();
    let mut text = format!("{}\n\n", plain(heading).replace("BEGIN DATA", "BEGIN_DATA"));
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "NR: {}\nN0: {}\nN1: {positives}\nNM: {}\n",
        readers.shown.len(),
        cases.shown.len() - positives,
        modes.shown.len()
    );
    for line in [&readers, &modes, &cases]
        .into_iter()
        .flat_map(|names| &names.legend)
    {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "BEGIN DATA:");
    for (case, name) in table.cases().iter().zip(&cases.shown) {
        let _ = writeln!(text, "{TRUTH},{name},{TRUTH},{}", u8::from(case.positive));
    }
    for (reader, reader_name) in readers.shown.iter().enumerate() {
        for (case, case_name) in cases.shown.iter().enumerate() {
            for (mode, mode_name) in modes.shown.iter().enumerate() {
                if let Some(rating) = table.rating(mode, reader, case) {
                    let _ = writeln!(text, "{reader_name},{case_name},{mode_name},{rating}");
                }
            }
        }
    }
    text
}

struct ImrmcNames {
    shown: Vec<String>,
    legend: Vec<String>,
}

impl ImrmcNames {
    fn of(names: &[String], kind: &str) -> Self {
        let shown: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        let is_twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        let is_own = |name: &String| ["-1", "0", "truth", ""].contains(&name.trim());
        if !is_twice && !shown.iter().any(is_own) {
            return ImrmcNames {
                shown,
                legend: Vec::new(),
            };
        }
        let legend = shown
            .iter()
            .enumerate()
            .map(|(at, name)| format!("{kind} {kind}{}: {name}", at + 1));
        ImrmcNames {
            legend: legend.collect(),
            shown: (1..=names.len()).map(|at| format!("{kind}{at}")).collect(),
        }
    }
}

fn plain(name: &str) -> String {
    let is_bad = |character: char| character == ',' || character == '"' || character.is_control();
    name.chars()
        .map(|character| if is_bad(character) { '_' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::StudyCase;
    use super::*;

    fn table(cases: &[&str]) -> ReadingTable {
        let case = |(at, name): (usize, &&str)| StudyCase {
            name: (*name).to_owned(),
            patient: (*name).to_owned(),
            positive: at == 0,
        };
        ReadingTable::new(cases.iter().enumerate().map(case).collect()).unwrap()
    }

    #[test]
    fn the_file_has_counts_the_reference_standard_and_all_that_was_read() {
        let mut table = table(&["ill", "well"]);
        table.add("ann", "unaided", "ill", 4.5).unwrap();
        table.add("ann", "aided", "ill", 5.0).unwrap();
        table.add("ann", "aided", "well", 1.0).unwrap();
        let text = imrmc_file(&table, "a study");
        assert_eq!(
            text,
            "a study\n\nNR: 1\nN0: 1\nN1: 1\nNM: 2\n\nBEGIN DATA:\ntruth,ill,truth,1\ntruth,well,truth,0\n\
             ann,ill,unaided,4.5\nann,ill,aided,5\nann,well,aided,1\n"
        );
    }

    #[test]
    fn names_that_would_be_taken_for_others_are_numbered() {
        let mut table = table(&["a,b", "a\nb"]);
        table.add("-1", "0", "a,b", 1.0).unwrap();
        let text = imrmc_file(&table, "x\nBEGIN DATA:");
        assert!(text.starts_with("x_BEGIN_DATA:\n"), "{text}");
        assert!(
            text.contains("case case2: a_b\nBEGIN DATA:\ntruth,case1,truth,1\n"),
            "{text}"
        );
        assert!(text.ends_with("reader1,case1,mode1,1\n"), "{text}");
        assert_eq!(text.matches("BEGIN DATA:").count(), 1);
    }
}
