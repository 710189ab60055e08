//! Which image the file of a row holds, and changes of files while the folder is open.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::{EntryState, Sort, Worklist, WorklistEntry};
use crate::domain::ContentId;
use crate::library::{KnownFile, Touched};
use crate::worker::{FileContent, FileStamp};

/// What has happened to a file since the folder was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disk {
    /// Nothing that is known.
    #[default]
    Same,
    /// It was added.
    New,
    /// It was replaced by another image.
    Changed,
    /// It was removed.
    Gone,
}

/// Counts of a rescan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rescanned {
    /// Added files.
    pub new: usize,
    /// Files that were written to.
    pub written: usize,
    /// Removed files.
    pub gone: usize,
    /// Added files in formats that cxr does not read.
    pub left_out: usize,
}

impl WorklistEntry {
    /// Whether its file may hold another image than was known of it. Of a file that was not read, not even its header,
    /// no stamp is known.
    fn may_differ(&self, now: Option<FileStamp>) -> bool {
        !self.was_looked_into() || now.is_none() || self.stamp != now
    }

    /// Whether the image, or its header at least, was read.
    fn was_looked_into(&self) -> bool {
        self.content.is_some() || self.has_header
    }

    /// Whether it was tried to read it, in vain.
    fn has_failed(&self) -> bool {
        let state = &self.state;
        matches!(state, EntryState::NoPicture(_) | EntryState::Failed(_))
    }
}

impl Worklist {
    /// Records that this image is at that path now. Answers and opinions of another image there are dropped.
    /// Returns whether there was another image before.
    pub fn identify(&mut self, path: &Path, content: ContentId, stamp: Option<FileStamp>) -> bool {
        let index = self.index_of(path);
        index.is_some_and(|index| self.identify_at(index, content, stamp))
    }

    /// The same by index.
    pub fn identify_at(
        &mut self,
        index: usize,
        content: ContentId,
        stamp: Option<FileStamp>,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(index) else {
            return false;
        };
        let is_header_of_another = entry.content.is_none() && entry.stamp != stamp;
        entry.stamp = stamp;
        let was_outdated = std::mem::take(&mut entry.is_outdated);
        let before = entry.content.replace(content);
        if is_header_of_another && std::mem::take(&mut entry.has_header) {
            self.forget_film(index as u32);
            self.ask_header_again(index as u32);
        }
        let entry = &mut self.entries[index];
        let is_changed = before.is_some_and(|before| before != content);
        match (is_changed, entry.disk) {
            (true, _) => entry.disk = Disk::Changed,
            (false, Disk::Gone) => entry.disk = Disk::Same,
            (false, _) => {}
        }
        if before == Some(content) {
            if was_outdated {
                self.share_opinion(index, content);
            }
            return false;
        }
        self.note_content(index as u32, before, content);
        self.forget_others(index, content);
        self.share_opinion(index, content);
        is_changed
    }

    fn note_content(&mut self, index: u32, before: Option<ContentId>, now: ContentId) {
        let equal = before.and_then(|before| self.by_content.get_mut(&before));
        if let Some(equal) = equal {
            equal.retain(|other| *other != index);
        }
        self.by_content.entry(now).or_default().push(index);
    }

    /// Records which images files hold that were read for nothing else. Of a file that was read otherwise meanwhile that
    /// counts.
    pub fn take_contents(&mut self, files: Vec<FileContent>) {
        let known = files.into_iter().filter_map(|file| {
            let (content, stamp) = file.content?;
            Some((file.path, (content, stamp)))
        });
        let mut known: HashMap<Arc<Path>, (ContentId, FileStamp)> = known.collect();
        for index in 0..self.entries.len() {
            if known.is_empty() {
                return;
            }
            let entry = &self.entries[index];
            let Some((content, stamp)) = known.remove(&entry.path) else {
                continue;
            };
            if entry.content.is_none() || entry.is_outdated {
                self.identify_at(index, content, Some(stamp));
            }
        }
    }

    /// Records that a header was read, and the file's stamp just before.
    pub(super) fn note_header(&mut self, index: u32, stamp: Option<FileStamp>) {
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        entry.has_header = true;
        if entry.content.is_none() {
            entry.stamp = stamp;
        }
    }

    /// Drops what belongs to another image than the one that is there.
    fn forget_others(&mut self, index: usize, content: ContentId) {
        let is_other = |state: &EntryState| match state {
            EntryState::Read(prediction) => prediction.content != content,
            EntryState::NoPicture(_) | EntryState::Failed(_) => true,
            EntryState::Unread => false,
        };
        if is_other(&self.entries[index].state) {
            self.set_state(index, EntryState::Unread);
        }
        for model in &mut self.other_models {
            model.forget_if(index as u32, is_other);
        }
        let seen = self.answers_seen.get(&(index as u32));
        if seen.is_some_and(|seen| *seen != content) {
            self.answers_seen.remove(&(index as u32));
        }
        self.drop_other_opinion(index, content);
    }

    /// The content of the image at that path, once it has been read.
    pub fn content_at(&self, path: &Path) -> Option<ContentId> {
        self.entries[self.index_of(path)?].content
    }

    /// Whether the reader's opinion has to be looked up in the review log: none is known, or only one of
    /// another image.
    pub fn needs_lookup(&self, index: u32, content: ContentId) -> bool {
        let entry = self.entries.get(index as usize);
        entry.is_some_and(|entry| {
            let state = entry.opinion_state.as_ref();
            state.is_none_or(|state| state.content() != Some(content))
        })
    }

    /// All files, for a rescan. One that could not be read has no stamp: it is tried again.
    pub fn known_files(&self) -> Vec<KnownFile> {
        let file = |entry: &WorklistEntry| KnownFile {
            path: entry.path.clone(),
            is_shown: entry.was_looked_into() || entry.has_failed(),
            stamp: entry.stamp.filter(|_| !entry.has_failed()),
        };
        self.entries.iter().map(file).collect()
    }

    /// Takes in changes on the disk. A file that was written to is read again before anything is shown of it;
    /// a new file is added to the list.
    pub fn apply_disk_changes(&mut self, touched: Vec<Touched>) -> Rescanned {
        let paths = self.entries.iter().zip(0..);
        let known: HashMap<Arc<Path>, usize> = paths.map(|(e, i)| (e.path.clone(), i)).collect();
        let mut done = Rescanned::default();
        let (mut new, mut added) = (Vec::new(), HashSet::new());
        for Touched {
            path,
            exists,
            stamp,
            unread,
        } in touched
        {
            if !exists || unread.is_none() {
                self.left_out.remove(&path);
            }
            let index = known.get(&path);
            if let (Some(format), None, true) = (unread, index, exists) {
                done.left_out += usize::from(self.left_out.add(path, format));
                continue;
            }
            match (index, exists) {
                (Some(index), true) => done.written += usize::from(self.written(*index, stamp)),
                (Some(index), false) => done.gone += usize::from(self.gone(*index)),
                (None, true) if added.insert(path.clone()) => new.push(path),
                (None, true) => {}
                (None, false) => done.gone += self.gone_below(&path),
            }
        }
        done.new = new.len();
        self.add_new(new);
        done
    }

    /// Returns whether the file, or its header, was read before and may hold another image now.
    fn written(&mut self, index: usize, stamp: Option<FileStamp>) -> bool {
        self.date_again(index);
        let entry = &mut self.entries[index];
        let was_gone = entry.disk == Disk::Gone;
        if was_gone {
            entry.disk = Disk::Same;
        }
        let was_read = entry.was_looked_into();
        // A file that could not be read may be complete now.
        let has_failed = entry.has_failed();
        let may_differ = entry.may_differ(stamp);
        if may_differ || was_gone {
            self.outdate(index);
        }
        if may_differ || was_gone || has_failed {
            self.set_state(index, EntryState::Unread);
        }
        was_read && may_differ
    }

    /// Forgets everything that was known of the image at a path, until the file is read again: what is there may be
    /// the film of another patient.
    fn outdate(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        entry.is_outdated = true;
        entry.has_header = false;
        self.forget_saved_opinion(index);
        for model in &mut self.other_models {
            model.forget_if(index as u32, |_| true);
        }
        self.forget_film(index as u32);
        self.ask_header_again(index as u32);
    }

    fn gone(&mut self, index: usize) -> bool {
        self.date_again(index);
        let entry = &mut self.entries[index];
        std::mem::replace(&mut entry.disk, Disk::Gone) != Disk::Gone
    }

    /// Marks all files below a folder that was removed.
    fn gone_below(&mut self, folder: &Path) -> usize {
        let is_below = |entry: &WorklistEntry| entry.path.starts_with(folder);
        let all = (0..self.entries.len()).filter(|index| is_below(&self.entries[*index]));
        let below: Vec<usize> = all.collect();
        below.into_iter().filter(|index| self.gone(*index)).count()
    }

    fn add_new(&mut self, new: Vec<Arc<Path>>) {
        if new.is_empty() {
            return;
        }
        let first = self.entries.len();
        self.add(new);
        for entry in &mut self.entries[first..] {
            entry.disk = Disk::New;
        }
        // The order of names is the order in which files were found: these come last.
        if self.sort != Sort::Name {
            self.sort_again();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{id, read};
    use super::*;
    use crate::domain::{
        FilmSummary, Opinion, OpinionChange, Origin, PatientIdentity, Verdict, ViewPosition,
    };
    use crate::worker::HeaderBatch;

    fn path(name: &str) -> Arc<Path> {
        Path::new(name).into()
    }

    fn list() -> Worklist {
        let mut list = Worklist::default();
        list.set_roots(vec!["".into()]);
        list.add(["a", "b"].map(path));
        list
    }

    fn agreed() -> Opinion {
        Opinion {
            verdict: Some(Verdict::Agree),
            ..Opinion::default()
        }
    }

    #[test]
    fn another_image_at_a_path_has_neither_the_scores_nor_the_verdict_of_the_first() {
        let mut list = list();
        list.record(&path("a"), read(id(1), 0.9));
        list.set_opinion(&path("a"), id(1), &OpinionChange::to(&agreed()));
        assert!(!list.identify(&path("a"), id(1), None));
        assert!(list.row(0).unwrap().prediction().is_some());
        assert_eq!(list.reviewed(), 1);
        assert!(list.identify(&path("a"), id(2), None));
        let entry = list.row(0).unwrap();
        assert!(entry.prediction().is_none() && entry.verdict().is_none());
        assert_eq!(
            (entry.disk, list.reviewed(), list.read()),
            (Disk::Changed, 0, 0)
        );
        // A late answer of the review log is for the image before.
        list.confirm(&path("a"), id(1), agreed());
        list.set_saved_opinions(vec![(path("a"), id(1), agreed())]);
        assert_eq!(list.row(0).unwrap().verdict(), None);
        list.set_saved_opinions(vec![(path("a"), id(2), agreed())]);
        assert_eq!(list.row(0).unwrap().verdict(), Some(Verdict::Agree));
    }

    #[test]
    fn files_that_are_added_removed_and_written_are_marked() {
        let mut list = list();
        list.record(&path("a"), read(id(1), 0.9));
        list.set_saved_opinions(vec![(path("a"), id(1), agreed())]);
        let touched = |name: &str, exists| Touched {
            path: path(name),
            exists,
            stamp: None,
            unread: None,
        };
        let done = list.apply_disk_changes(vec![
            touched("a", true),
            touched("b", false),
            touched("c", true),
            touched("c", true),
            touched("d", false),
        ]);
        let expected = Rescanned {
            new: 1,
            written: 1,
            gone: 1,
            left_out: 0,
        };
        assert_eq!(done, expected);
        let marks: Vec<_> = (0..3).map(|row| list.row(row).unwrap().disk).collect();
        assert_eq!(marks, [Disk::Same, Disk::Gone, Disk::New]);
        assert!(
            list.row(0).unwrap().prediction().is_none(),
            "the file has to be read again"
        );
        assert_eq!((list.row(0).unwrap().verdict(), list.reviewed()), (None, 0));
        // Only the time has changed: the image is the same, so there is no mark.
        list.record(&path("a"), read(id(1), 0.9));
        assert_eq!(list.row(0).unwrap().disk, Disk::Same);
        list.apply_disk_changes(vec![touched("b", true)]);
        assert_eq!(list.row(1).unwrap().disk, Disk::Same);
    }

    /// Patient, time, view and age are those of the image that was there.
    #[test]
    fn what_the_header_said_is_forgotten_with_the_image() {
        let mut list = Worklist::default();
        list.add(["a.dcm", "b.dcm"].map(path));
        list.record(&path("b.dcm"), read(id(1), 0.9));
        list.headers_to_read();
        for index in [0, 1] {
            let film = FilmSummary {
                origin: Origin {
                    patient: PatientIdentity {
                        id: Some("7".to_owned()),
                        ..PatientIdentity::default()
                    },
                    taken: Some("2024-03-02".to_owned()),
                    ..Origin::default()
                },
                view: ViewPosition::Pa,
                age: Some("054Y".to_owned()),
            };
            list.set_film_at(index, film);
        }
        let touched = ["a.dcm", "b.dcm"].map(|name| Touched {
            path: path(name),
            exists: true,
            stamp: None,
            unread: None,
        });
        // The first was never read.
        let done = list.apply_disk_changes(touched.into());
        assert_eq!(done.written, 1);
        assert!(!list.has_patients());
        for row in [0, 1] {
            assert_eq!(list.view_and_age(row), (ViewPosition::Unknown, None));
            assert_eq!(list.day_taken(row), None);
        }
        assert_eq!(list.headers_to_read().len(), 2);
    }

    /// On a network disk nothing reports that a file was replaced.
    #[test]
    fn a_rescan_finds_that_a_film_was_replaced_of_which_only_the_header_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let file: Arc<Path> = folder.path().join("a.dcm").into();
        std::fs::write(&file, "one").unwrap();
        let settled = || {
            std::thread::sleep(std::time::Duration::from_millis(80));
            FileStamp::of(&file)
        };
        let mut list = Worklist::default();
        list.add([file.clone()]);
        list.headers_to_read();
        let film = FilmSummary {
            view: ViewPosition::Pa,
            age: Some("054Y".to_owned()),
            ..FilmSummary::default()
        };
        list.take_headers(HeaderBatch {
            films: vec![(0, settled(), film)],
            read: 1,
        });
        let roots = [folder.path().to_owned()];
        let rescan =
            |list: &Worklist| crate::library::rescan(&roots, |_| false, &list.known_files());
        assert_eq!(rescan(&list), []);
        std::fs::write(&file, "another").unwrap();
        settled();
        let done = list.apply_disk_changes(rescan(&list));
        assert_eq!(done.written, 1);
        assert_eq!(list.view_and_age(0), (ViewPosition::Unknown, None));
        assert_eq!(list.headers_to_read().len(), 1);
    }

    /// The file was replaced between the reading of its header and of its image.
    #[test]
    fn what_the_header_of_another_image_said_is_forgotten_with_the_first_reading() {
        let folder = tempfile::tempdir().unwrap();
        let file: Arc<Path> = folder.path().join("a.dcm").into();
        let stamp = |text: &str| {
            std::fs::write(&file, text).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(80));
            FileStamp::of(&file)
        };
        for is_replaced in [false, true] {
            let mut list = Worklist::default();
            list.add([file.clone()]);
            list.headers_to_read();
            let film = FilmSummary {
                view: ViewPosition::Pa,
                ..FilmSummary::default()
            };
            let mut now = stamp("one");
            list.take_headers(HeaderBatch {
                films: vec![(0, now, film)],
                read: 1,
            });
            if is_replaced {
                now = stamp("another");
            }
            list.identify_at(0, id(1), now);
            let expected = match is_replaced {
                true => (ViewPosition::Unknown, 1),
                false => (ViewPosition::Pa, 0),
            };
            assert_eq!(
                (list.view_and_age(0).0, list.headers_to_read().len()),
                expected
            );
        }
    }

    /// It may have been complete, or allowed, since.
    #[test]
    fn a_rescan_reads_files_again_that_could_not_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| -> Arc<Path> { folder.path().join(name).into() };
        let mut list = Worklist::default();
        list.add(["failed.png", "report.dcm", "unread.png"].map(file));
        for row in 0..3 {
            let path = list.row(row).unwrap().path.clone();
            std::fs::write(path, "x").unwrap();
        }
        list.record(&file("failed.png"), EntryState::Failed("ends early".into()));
        list.record(
            &file("report.dcm"),
            EntryState::NoPicture("a report".into()),
        );
        let known = list.known_files();
        let roots = [folder.path().to_owned()];
        let touched = crate::library::rescan(&roots, |_| false, &known);
        assert_eq!(touched.len(), 2);
        let done = list.apply_disk_changes(touched);
        assert_eq!((list.read(), done), (0, Rescanned::default()));
    }

    /// A rescan may find as many: the screen must not stand still meanwhile.
    #[test]
    fn thirty_thousand_new_files_are_added_at_once() {
        let mut list = list();
        let new = (0..30_000).map(|n| Touched {
            path: path(&format!("archive/ward/{n:06}.png")),
            exists: true,
            stamp: None,
            unread: None,
        });
        let begun = std::time::Instant::now();
        assert_eq!(list.apply_disk_changes(new.collect()).new, 30_000);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
