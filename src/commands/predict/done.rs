//! Which files need no work, because their rows are there and still hold.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::mode::WriteMode;
use crate::commands::batch::{EarlierRows, Progress};
use crate::domain::ContentId;
use crate::export::{CONTENT, Record, path_of};
use crate::imaging::{DecodeLimits, content_of};
use crate::library::{WalkItem, scan};

/// Files whose rows stay.
#[derive(Debug, Default)]
pub struct Done {
    /// As the walk spells them, which is the same in every walk of one run.
    paths: HashSet<PathBuf>,
    /// What the table held, for the summary.
    pub before: EarlierRows,
    /// Files that were changed since, and whose rows stay because none is taken out.
    pub outdated: usize,
}

impl Done {
    /// Whether it was read before. What could not be walked is always tried again, and what is not read
    /// is told each time.
    pub fn has(&self, found: &WalkItem) -> bool {
        match found {
            WalkItem::Image(path) => self.has_row(path),
            WalkItem::Unread { .. } => false,
            WalkItem::Problem { .. } => false,
        }
    }

    /// Whether a file has a row that stays.
    pub fn has_row(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

/// What folders are really called, links and `..` followed. A file is known by that and its own name:
/// however it is spelled it is one, and a link to it is a name of its own, as for the walk.
#[derive(Debug, Default)]
struct Folders(HashMap<PathBuf, Option<PathBuf>>);

impl Folders {
    /// A path in a folder that is not there stays what it is.
    fn real(&mut self, path: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        let found = || match folder.as_os_str().is_empty() {
            true => Path::new(".").canonicalize().ok(),
            false => folder.canonicalize().ok(),
        };
        let real = self.0.entry(folder.to_owned()).or_insert_with(found);
        real.as_ref()
            .map_or_else(|| path.to_owned(), |real| real.join(name))
    }
}

/// What it takes to look whether files are what their rows are of.
pub struct Check<'a> {
    pub roots: &'a [PathBuf],
    pub threads: usize,
    /// Whether there is to be a bar.
    pub shown: bool,
    pub limits: &'a DecodeLimits,
    pub stop: &'a AtomicBool,
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowAnswer {
    /// An answer, of this content if the row says which.
    Answer(Option<ContentId>),
    /// That the file could not be read, or is of a format that is not.
    Error,
}

/// The rows of a table, by the order that they have there.
#[derive(Debug, Default)]
pub struct DoneRows {
    said: Vec<RowAnswer>,
    /// Whether the path of each is relative: of which folder it is, the table does not say.
    is_relative: Vec<bool>,
    /// By the real path.
    of: HashMap<PathBuf, Vec<u32>>,
    folders: Folders,
    /// Answers that do not say of which content they are.
    pub without_content: usize,
}

impl DoneRows {
    pub fn len(&self) -> usize {
        self.said.len()
    }

    pub fn add(&mut self, row: &Record) {
        let said = match row.value("status") {
            Some("error" | "unread") | None => RowAnswer::Error,
            Some(_) => RowAnswer::Answer(row.value(CONTENT).and_then(|text| text.parse().ok())),
        };
        self.without_content += usize::from(said == RowAnswer::Answer(None));
        let path = path_of(row.value("path").unwrap_or_default());
        self.is_relative.push(path.is_relative());
        self.of
            .entry(self.folders.real(&path))
            .or_default()
            .push(self.said.len() as u32);
        self.said.push(said);
    }

    /// Looks which rows still hold, of files that are to be read now; the rows of others stay.
    /// `None` if it was asked to stop.
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
                .all(|row| self.said[*row as usize] == RowAnswer::Error);
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
            && matches!(self.said[row as usize], RowAnswer::Answer(Some(_)))
    }

    /// Whether a row with a relative path is of this content: the folder is the one of that row.
    fn is_recorded(&self, rows: &[u32], content: Option<ContentId>) -> bool {
        content.is_some()
            && rows.iter().any(|row| {
                self.is_relative[*row as usize]
                    && self.said[*row as usize] == RowAnswer::Answer(content)
            })
    }

    /// The same of any row of the table, of files that are not to be read now too. `None` if it was
    /// asked to stop.
    fn is_any_here(&self, check: &Check) -> Option<bool> {
        for (path, rows) in &self.of {
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

    /// Those of the files to be read that have rows.
    fn asked(&self, roots: &[PathBuf]) -> Vec<(PathBuf, &[u32])> {
        let (mut asked, mut folders) = (Vec::new(), Folders::default());
        scan(roots, |found| {
            if let WalkItem::Image(path) | WalkItem::Unread { path, .. } = found
                && let Some(rows) = self.of.get(&folders.real(&path))
            {
                asked.push((path, &rows[..]));
            }
            ControlFlow::Continue(())
        });
        asked
    }

    /// The content of each file, as far as a row says one; `None` of one that cannot be read.
    fn contents(
        &self,
        asked: &[(PathBuf, &[u32])],
        check: &Check,
    ) -> Option<Vec<Option<ContentId>>> {
        let says = |row: &u32| matches!(self.said[*row as usize], RowAnswer::Answer(Some(_)));
        let wanted: Vec<usize> = (0..asked.len())
            .filter(|at| asked[*at].1.iter().any(says))
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

    /// The first row that is an answer for this content. One that does not say its own is believed,
    /// as is any where the content cannot be known: the row is all that there is then.
    fn holding(&self, rows: &[u32], content: Option<ContentId>) -> Option<u32> {
        let holds = |row: &u32| match self.said[*row as usize] {
            RowAnswer::Error => false,
            RowAnswer::Answer(of) => of.is_none() || content.is_none() || of == content,
        };
        rows.iter().copied().find(holds)
    }
}

/// What is to be done with the rows.
#[derive(Debug, Default)]
pub struct Checked {
    pub done: Done,
    /// Rows that a new one takes the place of.
    pub dropped: HashSet<u32>,
    /// Whether files are others than their rows are of, and no row tells that its relative path is one
    /// of this folder.
    pub is_elsewhere: bool,
}
