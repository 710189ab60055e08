//! Which sitting of a reader comes next.

use super::file::{FirstMode, StudyDesign, StudyFile};
use super::order::rank;
use crate::domain::ReadingMode;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The modes in which a reader reads, in that order.
pub fn modes(study: &StudyFile, reader: &str) -> Vec<ReadingMode> {
    match study.design {
        StudyDesign::Sequential => vec![ReadingMode::Sequential],
        StudyDesign::Concurrent => vec![ReadingMode::Aided],
        StudyDesign::Unaided => vec![ReadingMode::Unaided],
        StudyDesign::Independent if is_unaided_first(study, reader) => {
            vec![ReadingMode::Unaided, ReadingMode::Aided]
        }
        StudyDesign::Independent => vec![ReadingMode::Aided, ReadingMode::Unaided],
    }
}

/// In the balanced order, readers by rank take turns.
fn is_unaided_first(study: &StudyFile, reader: &str) -> bool {
    match study.first {
        FirstMode::Unaided => true,
        FirstMode::Aided => false,
        FirstMode::Balanced => {
            let own = rank(study.seed, &["first", reader]);
            let before = study.readers.iter();
            let before = before.filter(|other| rank(study.seed, &["first", other.as_str()]) < own);
            before.count() % 2 == 0
        }
    }
}

/// The reader's name in the log. Sittings apart have a log each: what was said beside the answer is not seen in the
/// sitting without it, nor the other way round.
pub fn log_name(study: &StudyFile, reader: &str, mode: ReadingMode) -> String {
    if study.is_apart() {
        format!("{reader} [{}]", mode.word())
    } else {
        reader.to_owned()
    }
}

/// How the name of an adjudicator ends in the log.
const ADJUDICATION: &str = " [adjudication]";

/// The name of an adjudicator in the log.
pub fn adjudicator_log_name(name: &str) -> String {
    format!("{name}{ADJUDICATION}")
}

/// The adjudicator of a name in the log; `None` for that of a reader.
pub fn adjudicator_of(log_name: &str) -> Option<&str> {
    log_name.strip_suffix(ADJUDICATION)
}

/// The mode whose calls make a reference standard: without the answer, if the design has that.
pub fn reference_mode(study: &StudyFile) -> ReadingMode {
    match study.design {
        StudyDesign::Sequential => ReadingMode::Sequential,
        StudyDesign::Concurrent => ReadingMode::Aided,
        StudyDesign::Independent | StudyDesign::Unaided => ReadingMode::Unaided,
    }
}

/// The reader of a name in the log.
pub fn reader_of(log_name: &str) -> &str {
    let modes = [ReadingMode::Unaided, ReadingMode::Aided];
    let ends = modes.map(|mode| format!(" [{}]", mode.word()));
    ends.iter()
        .find_map(|end| log_name.strip_suffix(end.as_str()))
        .unwrap_or(log_name)
}

/// How far a reader is in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeProgress {
    /// The mode.
    pub mode: ReadingMode,
    /// Cases of the reader's list.
    pub expected: usize,
    /// Of these, those with a call.
    pub read: usize,
    /// Time of the last call or of the last review since, in milliseconds since 1970.
    pub last_ms: Option<i64>,
}

/// What a reader may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextSitting {
    /// Read in this mode. `rested_ms` is the time since the last call of the mode before.
    Open {
        /// The mode.
        mode: ReadingMode,
        /// `None` in the first mode.
        rested_ms: Option<i64>,
    },
    /// The wash-out is not over.
    Wait {
        /// The mode that comes then.
        mode: ReadingMode,
        /// When it is over, in milliseconds since 1970.
        until_ms: i64,
    },
    /// Everything is read.
    Done,
}

/// The next sitting, from the progress in each mode in the order of [`modes`].
pub fn next_sitting(progress: &[ModeProgress], washout_days: u32, now_ms: i64) -> NextSitting {
    let Some(at) = progress.iter().position(|mode| mode.read < mode.expected) else {
        return NextSitting::Done;
    };
    let mode = progress[at].mode;
    let before = at
        .checked_sub(1)
        .and_then(|before| progress[before].last_ms);
    let Some(last_ms) = before else {
        return NextSitting::Open {
            mode,
            rested_ms: None,
        };
    };
    let until_ms = last_ms.saturating_add(i64::from(washout_days) * DAY_MS);
    if now_ms < until_ms {
        return NextSitting::Wait { mode, until_ms };
    }
    NextSitting::Open {
        mode,
        rested_ms: Some(now_ms.saturating_sub(last_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(first: &str, readers: usize) -> StudyFile {
        let digest = "ab".repeat(32);
        let names: Vec<String> = (0..readers).map(|n| format!("\"r{n}\"")).collect();
        let text = format!(
            "format = 1\nname = \"x\"\ndesign = \"independent\"\nseed = 3\nwashout_days = 28\n\
             first = \"{first}\"\nquestions = [\"A\"]\nreaders = [{}]\nmodel_sha256 = \"{digest}\"\n\
             store = \"x.sqlite\"\n[cases]\nfile = \"c.csv\"\nsha256 = \"{digest}\"\n",
            names.join(", ")
        );
        StudyFile::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn half_of_the_readers_begin_without_the_answer() {
        let balanced = study("balanced", 9);
        let unaided = balanced.readers.iter();
        let unaided = unaided.filter(|reader| modes(&balanced, reader)[0] == ReadingMode::Unaided);
        assert_eq!(unaided.count(), 5);
        let aided = study("aided", 3);
        assert_eq!(
            modes(&aided, "r1"),
            [ReadingMode::Aided, ReadingMode::Unaided]
        );
    }

    #[test]
    fn a_name_of_the_log_tells_its_reader() {
        let study = study("unaided", 1);
        for mode in [ReadingMode::Unaided, ReadingMode::Aided] {
            assert_eq!(reader_of(&log_name(&study, "r0", mode)), "r0");
        }
        assert_eq!(reader_of("ann"), "ann");
        assert_eq!(reader_of("ann [x]"), "ann [x]");
        assert_eq!(adjudicator_of(&adjudicator_log_name("dee")), Some("dee"));
        assert_eq!(adjudicator_of("ann [unaided]"), None);
    }

    #[test]
    fn the_second_mode_waits_for_the_first_and_for_the_wash_out() {
        let of = |mode, read, last_ms| ModeProgress {
            mode,
            expected: 2,
            read,
            last_ms,
        };
        let at = |first: usize, second: usize, days: i64| {
            let progress = [
                of(ReadingMode::Aided, first, (first > 0).then_some(1_000)),
                of(ReadingMode::Unaided, second, None),
            ];
            next_sitting(&progress, 28, 1_000 + days * DAY_MS)
        };
        let open = |mode, rested_ms| NextSitting::Open { mode, rested_ms };
        assert_eq!(at(0, 0, 0), open(ReadingMode::Aided, None));
        assert_eq!(at(1, 0, 100), open(ReadingMode::Aided, None));
        let until_ms = 1_000 + 28 * DAY_MS;
        let wait = NextSitting::Wait {
            mode: ReadingMode::Unaided,
            until_ms,
        };
        assert_eq!(at(2, 0, 0), wait);
        assert_eq!(at(2, 0, 27), wait);
        assert_eq!(at(2, 0, 28), open(ReadingMode::Unaided, Some(28 * DAY_MS)));
        assert_eq!(at(2, 2, 28), NextSitting::Done);
        // A clock that was set back does not open it.
        assert_eq!(at(2, 0, -100), wait);
    }
}
