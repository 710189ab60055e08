//! Which files need no work, because the table has their rows and they have not changed.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::mode::WriteMode;
use super::selection::{RowOwner, Selection};
use crate::commands::shared::batch::{EarlierRows, Progress};
use crate::commands::shared::shard::group::FilmGroup;
use crate::domain::ContentId;
use crate::domain::columns::STUDY;
use crate::export::{CONTENT, Record, path_of};
use crate::imaging::{DecodeLimits, Sighting, content_of, sight};
use crate::library::{WalkItem, real, scan};
use crate::sources::is_remote;

/// Files whose rows stay.
#[derive(Debug, Default)]
pub struct Done {
    /// Paths as the walk spells them, which is the same in every walk of one run.
    paths: HashSet<PathBuf>,
    /// Such paths whose rows are removed, for new ones.
    lost: HashSet<PathBuf>,
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

    /// Whether a file had a row that is removed. A new one must take its place, so that no row goes without another.
    pub fn lost_row(&self, path: &Path) -> bool {
        self.lost.contains(path)
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
    pub selection: &'a Selection<'a>,
    /// Whether files in formats that are not read get rows.
    pub lists_unread: bool,
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
    /// The file could not be read.
    Error,
    /// The file has a format that is not read.
    Unread,
}

/// An item of the walk that the table has rows for.
struct AskedItem<'a> {
    found: WalkItem,
    rows: &'a [u32],
}

/// What the walk found of the rows of a table.
#[derive(Default)]
struct AskedItems<'a> {
    /// The items of this run that have rows.
    items: Vec<AskedItem<'a>>,
    /// Rows of problems that are solved: what they are about was walked, and holds films itself.
    solved: Vec<u32>,
    /// Rows of items that are in another shard.
    elsewhere: HashSet<u32>,
    /// All rows of items that the walk found.
    found: HashSet<u32>,
}

/// What is in the file of an item now.
#[derive(Debug, Clone, Default)]
struct FileNow {
    content: Option<ContentId>,
    /// Where a row is about a study or folder.
    group: Option<FilmGroup>,
}

/// What a row says of its film, as the table writes it.
#[derive(Debug)]
struct RowFilm {
    path: PathBuf,
    study: Box<str>,
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
    /// The films of the rows, where rows are of one run alone.
    films: Option<Vec<RowFilm>>,
    /// The number of answers that do not name their content.
    pub without_content: usize,
}

impl DoneRows {
    /// No rows yet, of a table that a run with this selection continues.
    pub fn of(selection: &Selection) -> Self {
        DoneRows {
            films: selection.owns_rows().then(Vec::new),
            ..DoneRows::default()
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Adds the next row.
    pub fn add(&mut self, row: &Record) {
        let answer = match row.value("status") {
            Some("error") | None => RowAnswer::Error,
            Some("unread") => RowAnswer::Unread,
            Some(_) => RowAnswer::Answer(row.value(CONTENT).and_then(|text| text.parse().ok())),
        };
        self.without_content += usize::from(answer == RowAnswer::Answer(None));
        let path = path_of(row.value("path").unwrap_or_default());
        self.is_relative
            .push(path.is_relative() && !is_remote(&path));
        if let Some(films) = &mut self.films {
            films.push(RowFilm {
                path: path.clone(),
                study: row.value(STUDY).unwrap_or_default().into(),
            });
        }
        self.by_path
            .entry(self.folders.real(&path))
            .or_default()
            .push(self.answers.len() as u32);
        self.answers.push(answer);
    }

    /// Finds out which rows of the files of this run still hold; the rows of other files stay. `None`
    /// after a signal.
    pub fn checked(&self, mode: WriteMode, check: &Check) -> Option<Checked> {
        let asked = self.asked(check.selection);
        let files = self.files_now(&asked.items, check)?;
        let mut checked = Checked::default();
        if mode == WriteMode::Resume {
            checked.dropped.extend(&asked.solved);
        }
        let (mut is_changed, mut is_here) = (false, false);
        for (AskedItem { found, rows }, now) in asked.items.iter().zip(files) {
            let (path, content) = (found.path(), now.content);
            let keeps_unread = matches!(found, WalkItem::Unread { .. }) && !check.lists_unread;
            let mut holding = self.holding(rows, content, keeps_unread);
            is_changed |= holding.is_none() && rows.iter().any(|row| self.is_relative_answer(*row));
            is_here |= self.is_recorded(rows, content);
            let is_error = rows.iter().all(|row| !self.is_answer(*row));
            if let (Some(stays), Some(films)) = (holding, &self.films) {
                let study = &films[stays as usize].study;
                match check.selection.owner_of(found, now.group.as_ref(), study) {
                    RowOwner::This => {}
                    RowOwner::ThisAnew => holding = None,
                    RowOwner::Other => checked.note_other(stays),
                }
            }
            match (mode, holding) {
                (WriteMode::Append, None) => {
                    checked.done.outdated += usize::from(!is_error);
                    checked.done.paths.insert(path.to_owned());
                }
                (_, None) => {
                    checked.done.before.changed += usize::from(!is_error);
                    checked.dropped.extend(*rows);
                    checked.done.lost.insert(path.to_owned());
                }
                (_, Some(stays)) => {
                    checked.done.paths.insert(path.to_owned());
                    if mode == WriteMode::Resume {
                        // A second row of one image would count it twice.
                        checked
                            .dropped
                            .extend(rows.iter().filter(|row| **row != stays));
                    }
                }
            }
        }
        self.judge_unasked(&asked, &mut checked, check)?;
        let other = checked.other_run.zip(self.films.as_ref());
        checked.path_of_other = other.map(|(row, films)| films[row as usize].path.clone());
        checked.done.before.kept = self.len() - checked.dropped.len();
        checked.is_elsewhere = is_changed && !is_here && !self.is_any_here(check)?;
        Some(checked)
    }

    /// Looks for rows of other runs among those that no item of this run has. `None` after a signal.
    fn judge_unasked(
        &self,
        asked: &AskedItems,
        checked: &mut Checked,
        check: &Check,
    ) -> Option<()> {
        for (row, film) in self.films.iter().flatten().enumerate() {
            if check.stop.load(Ordering::Relaxed) {
                return None;
            }
            let row = row as u32;
            if checked.dropped.contains(&row) {
                continue;
            }
            if asked.elsewhere.contains(&row) {
                // A film that is no film any more has another place than its study had.
                if check.selection.is_by_header() {
                    checked.dropped.insert(row);
                } else {
                    checked.note_other(row);
                }
            } else if !asked.found.contains(&row)
                && !check.selection.owns_unfound(&film.path, &film.study)
            {
                checked.note_other(row);
            }
        }
        Some(())
    }

    fn is_answer(&self, row: u32) -> bool {
        matches!(self.answers[row as usize], RowAnswer::Answer(_))
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

    /// Walks, and finds out which rows the items have that the walk finds.
    fn asked(&self, selection: &Selection) -> AskedItems<'_> {
        let (mut asked, mut folders) = (AskedItems::default(), Folders::default());
        scan(selection.roots, |found| {
            let real = folders.real(found.path());
            if let Some(rows) = self.by_path.get(&real) {
                asked.found.extend(rows);
                if selection.may_have(&found) {
                    asked.items.push(AskedItem { found, rows });
                } else {
                    asked.elsewhere.extend(rows);
                }
            }
            ControlFlow::Continue(())
        });
        for AskedItem { rows, .. } in &asked.items {
            // One file may be found at two paths.
            rows.iter().for_each(|row| {
                asked.elsewhere.remove(row);
            });
        }
        let is_error = |row: &u32| self.answers[*row as usize] == RowAnswer::Error;
        let mut solved = Vec::new();
        for (path, rows) in &self.by_path {
            let is_found = rows.iter().any(|row| asked.found.contains(row));
            if rows.iter().all(is_error) && !is_found {
                solved.push((path, rows));
            }
        }
        if !solved.is_empty() {
            let walked = WalkedRoots::of(selection.roots, &mut folders);
            solved.retain(|(path, _)| walked.has_entered(path));
        }
        let solved = solved.into_iter().flat_map(|(_, rows)| rows);
        asked.solved = solved.copied().collect();
        asked
    }

    /// What is in the file of each item: its content, if a row of it has one and the file can be read, and its study or
    /// folder. The whole is `None` after a signal. Films of a PACS are not fetched for this: under its address, an
    /// instance never changes.
    fn files_now(&self, asked: &[AskedItem], check: &Check) -> Option<Vec<FileNow>> {
        let says = |row: &u32| matches!(self.answers[*row as usize], RowAnswer::Answer(Some(_)));
        let is_compared =
            |item: &AskedItem| item.rows.iter().any(says) && !is_remote(item.found.path());
        let wanted: Vec<usize> = (0..asked.len())
            .filter(|at| self.films.is_some() || is_compared(&asked[*at]))
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
                let item = &asked[*at];
                let content = || content_of(item.found.path(), check.limits).ok();
                let now = FileNow {
                    content: is_compared(item).then(content).flatten(),
                    group: check.selection.group(&item.found),
                };
                found.push((*at, now));
                progress.advance();
            }
            found
        };
        let mut files = vec![FileNow::default(); asked.len()];
        thread::scope(|scope| {
            let threads: Vec<_> = (1..check.threads).map(|_| scope.spawn(work)).collect();
            let mut found = work();
            for thread in threads {
                found.extend(thread.join().unwrap_or_default());
            }
            for (at, now) in found {
                files[at] = now;
            }
        });
        progress.clear();
        (!check.stop.load(Ordering::Relaxed)).then_some(files)
    }

    /// The first row that is an answer for this content. A row without a content is believed, and so is
    /// every row if the content of the file is not known. Where the file is in a format that is not read, and such files
    /// get no rows in this run, a row that says so holds, too.
    fn holding(&self, rows: &[u32], content: Option<ContentId>, keeps_unread: bool) -> Option<u32> {
        let holds = |row: &u32| match self.answers[*row as usize] {
            RowAnswer::Error => false,
            RowAnswer::Unread => keeps_unread,
            RowAnswer::Answer(of) => of.is_none() || content.is_none() || of == content,
        };
        rows.iter().copied().find(holds)
    }
}

/// An address as the problem of its server has it; another path as it is.
fn without_query(root: &Path) -> &Path {
    let address = root.to_str().filter(|_| is_remote(root));
    let place = address.and_then(|address| address.split('?').next());
    place.map_or(root, Path::new)
}

/// The files and folders that were given, after they were walked.
struct WalkedRoots {
    /// As rows are known.
    named: HashSet<PathBuf>,
    /// With all links resolved.
    real: HashSet<PathBuf>,
}

impl WalkedRoots {
    fn of(roots: &[PathBuf], folders: &mut Folders) -> Self {
        WalkedRoots {
            named: roots
                .iter()
                .map(|root| folders.real(without_query(root)))
                .collect(),
            real: roots.iter().filter_map(|root| real(root).ok()).collect(),
        }
    }

    /// Whether the walk entered what is at a path that it did not report: it is a folder or an archive, and has no row
    /// of its own.
    fn has_entered(&self, path: &Path) -> bool {
        let is_below = || path.ancestors().any(|folder| self.real.contains(folder));
        let holds_films = || path.is_dir() || sight(path) == Sighting::Archive;
        self.named.contains(path) || (is_below() && holds_films())
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
    /// The first row that would stay and is of another run.
    other_run: Option<u32>,
    /// The film of that row.
    pub path_of_other: Option<PathBuf>,
}

impl Checked {
    fn note_other(&mut self, row: u32) {
        self.other_run = Some(self.other_run.map_or(row, |first| first.min(row)));
    }
}
