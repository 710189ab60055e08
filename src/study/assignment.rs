//! Who reads which case. With k readers for each case, a case goes to the k readers who have the fewest so far; the seed
//! decides between equal ones. So loads differ by one at most, and readers are paired by chance.

use super::cases::{CaseList, ListedCase};
use super::file::StudyFile;
use super::order::rank;

/// The cases of one reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingList<'a> {
    /// The reader's name.
    pub reader: &'a str,
    /// In the order of the case list.
    pub cases: Vec<&'a ListedCase>,
}

/// The list of each reader, in the order of the study's file.
pub fn reading_lists<'a>(study: &'a StudyFile, list: &'a CaseList) -> Vec<ReadingList<'a>> {
    let readers = &study.readers;
    let per_case = study.readers_per_case.unwrap_or(readers.len());
    let mut taken: Vec<Vec<usize>> = vec![Vec::new(); readers.len()];
    let mut order: Vec<usize> = (0..list.cases.len()).collect();
    let names: Vec<String> = list.cases.iter().map(|c| c.content.to_string()).collect();
    order.sort_by_cached_key(|case| rank(study.seed, &["assignment", &names[*case]]));
    for case in order {
        let mut by_load: Vec<usize> = (0..readers.len()).collect();
        by_load.sort_by_cached_key(|reader| {
            let parts = [
                "assignment",
                names[case].as_str(),
                readers[*reader].as_str(),
            ];
            (taken[*reader].len(), rank(study.seed, &parts))
        });
        for reader in by_load.into_iter().take(per_case) {
            taken[reader].push(case);
        }
    }
    let lists = readers.iter().zip(taken);
    lists
        .map(|(reader, mut taken)| {
            taken.sort_unstable();
            ReadingList {
                reader,
                cases: taken.into_iter().map(|case| &list.cases[case]).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::file::StudyFile;
    use super::*;

    fn study(readers: usize, per_case: Option<usize>) -> StudyFile {
        let digest = "ab".repeat(32);
        let names: Vec<String> = (0..readers).map(|n| format!("\"r{n}\"")).collect();
        let per_case = per_case.map_or(String::new(), |k| format!("readers_per_case = {k}"));
        let text = format!(
            "format = 1\nname = \"x\"\ndesign = \"sequential\"\nseed = 3\nquestions = [\"A\"]\n\
             readers = [{}]\n{per_case}\nmodel_sha256 = \"{digest}\"\nstore = \"x.sqlite\"\n\
             [cases]\nfile = \"c.csv\"\nsha256 = \"{digest}\"\n",
            names.join(", ")
        );
        StudyFile::parse(text.as_bytes()).unwrap()
    }

    fn cases(n: usize) -> CaseList {
        let case = |n: usize| ListedCase {
            path: format!("{n}.png").into(),
            content: format!("{n:04x}").repeat(16).parse().unwrap(),
        };
        CaseList {
            cases: (0..n).map(case).collect(),
            excluded: vec![],
        }
    }

    #[test]
    fn every_case_has_its_readers_and_loads_are_even() {
        for (readers, per_case, n) in [
            (3, None, 10),
            (3, Some(1), 10),
            (5, Some(2), 43),
            (4, Some(4), 7),
        ] {
            let (study, list) = (study(readers, per_case), cases(n));
            let lists = reading_lists(&study, &list);
            let loads: Vec<usize> = lists.iter().map(|list| list.cases.len()).collect();
            let each = per_case.unwrap_or(readers);
            assert_eq!(loads.iter().sum::<usize>(), n * each);
            assert!(
                loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1,
                "{loads:?}"
            );
            for case in &list.cases {
                let with = lists.iter().filter(|list| list.cases.contains(&case));
                assert_eq!(with.count(), each);
            }
        }
    }

    #[test]
    fn readers_are_paired_in_many_ways() {
        let (study, list) = (study(5, Some(2)), cases(200));
        let lists = reading_lists(&study, &list);
        for a in 0..5 {
            for b in 0..a {
                let both = lists[a]
                    .cases
                    .iter()
                    .filter(|case| lists[b].cases.contains(case));
                assert!(both.count() >= 5, "{a} and {b}");
            }
        }
    }
}
