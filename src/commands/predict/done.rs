//! Which files need no work, because the table has their rows and they have not changed.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::mode::WriteMode;
use crate::commands::shared::batch::{EarlierRows, Progress};
use crate::domain::ContentId;
use crate::export::{CONTENT, Record, path_of};
use crate::imaging::{DecodeLimits, content_of};
use crate::library::{WalkItem, real, scan};
use crate::sources::is_remote;

/// Files whose rows stay.
#[derive(Debug, Default)]
pub struct Done {
    /// Paths as the walk spells them, which is the same in every walk of one run.
    paths: HashSet<PathBuf>,
    /// The rows that the table had, for the summary.
    pub before: EarlierRows,
    /// Files that have changed since, but whose rows stay because this mode removes none.
    pub outdated: usize,
}

impl Done {
    /// Whether an item of the walk was read before. Problems of the walk are always tried again, and
    /// files in formats that are not read are reported each time.
    pub fn has(&self, found: &WalkItem) -> bool {
        match found {
            WalkItem::Image(path) => self.has_row(path),
            WalkItem::Unread { .. } | WalkItem::Problem { .. } => false,
        }
    }

    /// Whether a file has a row that stays.
    pub fn has_row(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

/// The real paths of folders, with links and `..` resolved. A file is known by its real folder and its
/// own name, however its path is spelled. A link to a file is a name of its own, as in the walk.
#[derive(Debug, Default)]
struct Folders(HashMap<PathBuf, Option<PathBuf>>);

impl Folders {
    /// The real path of a file; the same path if its folder is missing.
    fn real(&mut self, path: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        let found = || {
            let is_here = folder.as_os_str().is_empty();
            let folder = if is_here { Path::new(".") } else { folder };
            real(folder).ok()
        };
        let real = self.0.entry(folder.to_owned()).or_insert_with(found);
        real.as_ref()
            .map_or_else(|| path.to_owned(), |real| real.join(name))
    }
}

/// The settings for the check whether files have changed since their rows were made.
pub struct Check<'a> {
    pub roots: &'a [PathBuf],
    pub threads: usize,
    /// Whether to show a progress bar.
    pub shown: bool,
    pub limits: &'a DecodeLimits,
    pub stop: &'a AtomicBool,
}

/// The result in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowAnswer {
    /// An answer, with the content that it is for, if the row names it.
    Answer(Option<ContentId>),
    /// The file could not be read, or has a format that is not read.
    Error,
}

/// The rows of a table, numbered in their order.
#[derive(Debug, Default)]
pub struct DoneRows {
    answers: Vec<RowAnswer>,
    /// Whether the path of each row is relative. The table does not say to which folder.
    is_relative: Vec<bool>,
    /// Row numbers by the real path.
    by_path: HashMap<PathBuf, Vec<u32>>,
    folders: Folders,
    /// The number of answers that do not name their content.
    pub without_content: usize,
}

impl DoneRows {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Adds the next row.
    pub fn add(&mut self, row: &Record) {
        let answer = match row.value("status") {
            Some("error" | "unread") | None => RowAnswer::Error,
            Some(_) => RowAnswer::Answer(row.value(CONTENT).and_then(|text| text.parse().ok())),
        };
        self.without_content += usize::from(answer == RowAnswer::Answer(None));
        let path = path_of(row.value("path").unwrap_or_default());
        self.is_relative
            .push(path.is_relative() && !is_remote(&path));
        self.by_path
            .entry(self.folders.real(&path))
            .or_default()
            .push(self.answers.len() as u32);
        self.answers.push(answer);
    }

    /// Finds out which rows of the files of this run still hold; the rows of other files stay. `None`
    /// after a signal.
    pub fn checked(&self, mode: WriteMode, check: &Check) -> Option<Checked> {
        let asked = self.asked(check.roots);
        let contents = self.contents(&asked, check)?;
        let mut checked = Checked::default();
        let (mut is_changed, mut is_here) = (false, false);
        for ((path, rows), content) in asked.iter().zip(contents) {
            let holding = self.holding(rows, content);
            is_changed |= holding.is_none() && rows.iter().any(|row| self.is_relative_answer(*row));
            is_here |= self.is_recorded(rows, content);
            let is_error = rows
                .iter()
                .all(|row| self.answers[*row as usize] == RowAnswer::Error);
            match (mode, holding) {
                (WriteMode::Append, None) => {
                    checked.done.outdated += usize::from(!is_error);
                    checked.done.paths.insert(path.clone());
                }
                (_, None) => {
                    checked.done.before.changed += usize::from(!is_error);
                    checked.dropped.extend(*rows);
                }
                (_, Some(stays)) => {
                    checked.done.paths.insert(path.clone());
                    if mode == WriteMode::Resume {
                        // A second row of one image would count it twice.
                        checked
                            .dropped
                            .extend(rows.iter().filter(|row| **row != stays));
                    }
                }
            }
        }
        checked.done.before.kept = self.len() - checked.dropped.len();
        checked.is_elsewhere = is_changed && !is_here && !self.is_any_here(check)?;
        Some(checked)
    }

    fn is_relative_answer(&self, row: u32) -> bool {
        self.is_relative[row as usize]
            && matches!(self.answers[row as usize], RowAnswer::Answer(Some(_)))
    }

    /// Whether one of these rows has a relative path and this content, so that its folder is this one.
    fn is_recorded(&self, rows: &[u32], content: Option<ContentId>) -> bool {
        content.is_some()
            && rows.iter().any(|row| {
                self.is_relative[*row as usize]
                    && self.answers[*row as usize] == RowAnswer::Answer(content)
            })
    }

    /// The same for all rows of the table, also those of files that are not read now. `None` after a
    /// signal.
    fn is_any_here(&self, check: &Check) -> Option<bool> {
        for (path, rows) in &self.by_path {
            if check.stop.load(Ordering::Relaxed) {
                return None;
            }
            if rows.iter().any(|row| self.is_relative_answer(*row))
                && self.is_recorded(rows, content_of(path, check.limits).ok())
            {
                return Some(true);
            }
        }
        Some(false)
    }

    /// The files of this run that have rows.
    fn asked(&self, roots: &[PathBuf]) -> Vec<(PathBuf, &[u32])> {
        let (mut asked, mut folders) = (Vec::new(), Folders::default());
        scan(roots, |found| {
            if let WalkItem::Image(path) | WalkItem::Unread { path, .. } = found
                && let Some(rows) = self.by_path.get(&folders.real(&path))
            {
                asked.push((path, &rows[..]));
            }
            ControlFlow::Continue(())
        });
        asked
    }

    /// The content of each file that has a row with a content; `None` for others, and if the file cannot
    /// be read. The whole is `None` after a signal. Films of a PACS are not fetched for this: under its
    /// address, an instance never changes.
    fn contents(
        &self,
        asked: &[(PathBuf, &[u32])],
        check: &Check,
    ) -> Option<Vec<Option<ContentId>>> {
        let says = |row: &u32| matches!(self.answers[*row as usize], RowAnswer::Answer(Some(_)));
        let wanted: Vec<usize> = (0..asked.len())
            .filter(|at| asked[*at].1.iter().any(says) && !is_remote(&asked[*at].0))
            .collect();
        let progress = Progress::new(check.shown, EarlierRows::default());
        progress.expect(wanted.len() as u64);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            while !check.stop.load(Ordering::Relaxed) {
                let Some(at) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                found.push((*at, content_of(&asked[*at].0, check.limits).ok()));
                progress.advance();
            }
            found
        };
        let mut contents = vec![None; asked.len()];
        thread::scope(|scope| {
            let threads: Vec<_> = (1..check.threads).map(|_| scope.spawn(work)).collect();
            let mut found = work();
            for thread in threads {
                found.extend(thread.join().unwrap_or_default());
            }
            for (at, content) in found {
                contents[at] = content;
            }
        });
        progress.clear();
        (!check.stop.load(Ordering::Relaxed)).then_some(contents)
    }

    /// The first row that is an answer for this content. A row without a content is believed, and so is
    /// every row if the content of the file is not known.
    fn holding(&self, rows: &[u32], content: Option<ContentId>) -> Option<u32> {
        let holds = |row: &u32| match self.answers[*row as usize] {
            RowAnswer::Error => false,
            RowAnswer::Answer(of) => of.is_none() || content.is_none() || of == content,
        };
        rows.iter().copied().find(holds)
    }
}

/// What to do with the rows of a table.
#[derive(Debug, Default)]
pub struct Checked {
    pub done: Done,
    /// Rows that are replaced by new ones.
    pub dropped: HashSet<u32>,
    /// Whether files differ from their rows, and no row shows that its relative path belongs to this
    /// folder.
    pub is_elsewhere: bool,
}
