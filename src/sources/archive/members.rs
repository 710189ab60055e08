//! What the directory of an archive says, as it is read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::names::{is_hidden, member_path, walk_order};
use super::place::MemberPlace;
use super::{MOST_MEMBERS, is_bomb};
use crate::sources::SourceFault;

/// Names that are quoted in problems; more are only counted.
const MOST_QUOTED: usize = 20;

/// A file in an archive.
pub struct ArchiveMember {
    pub(super) path: Box<[u8]>,
    pub(super) place: Result<MemberPlace, &'static str>,
}

impl ArchiveMember {
    /// Its path inside the archive.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// Why it cannot be read.
    pub fn refusal(&self) -> Option<&'static str> {
        self.place.as_ref().err().copied()
    }
}

/// What the directory of an archive says, as it is read.
#[derive(Default)]
pub struct MembersFound {
    members: Vec<ArchiveMember>,
    problems: Vec<String>,
    unnamed: usize,
    seen: usize,
}

impl MembersFound {
    /// Takes in a member by the name that the archive gives it.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(
        &mut self,
        name: &[u8],
        place: Result<MemberPlace, &'static str>,
    ) -> Result<(), SourceFault> {
        self.seen += 1;
        if self.seen > MOST_MEMBERS {
            return Err(SourceFault::too_large(format!(
                "more than {MOST_MEMBERS} members"
            )));
        }
        match member_path(name) {
            Err(reason) => self.refuse(name, reason),
            // Hidden files of a folder are left out too.
            Ok(path) if is_hidden(&path) => {}
            Ok(path) => {
                let place = place.and_then(|place| match is_bomb(place.packed, place.length) {
                    true => Err("it unpacks to more than 200 times its size"),
                    false => Ok(place),
                });
                self.members.push(ArchiveMember { path, place });
            }
        }
        Ok(())
    }

    /// Records a fault of the archive as a whole.
    pub fn problem(&mut self, words: impl ToString) {
        self.problems.push(words.to_string());
    }

    fn refuse(&mut self, name: &[u8], reason: &str) {
        self.unnamed += 1;
        if self.unnamed <= MOST_QUOTED {
            let shown = &name[..name.len().min(200)];
            let shown = PathBuf::from(OsStr::from_bytes(shown));
            self.problem(format!("its member {}: {reason}", shown.display()));
        }
    }

    /// The members in order, and the problems.
    pub fn finish(mut self) -> (Vec<ArchiveMember>, Vec<String>) {
        if let more @ 1.. = self.unnamed.saturating_sub(MOST_QUOTED) {
            self.problem(format!("{more} more members with such names"));
        }
        self.members.sort_by(|a, b| walk_order(&a.path, &b.path));
        refuse_duplicates(&mut self.members);
        (self.members, self.problems)
    }
}

/// Which of two members a program means by their one name differs from program to program, so neither is read: a
/// result must not stand under the path of another film.
fn refuse_duplicates(members: &mut Vec<ArchiveMember>) {
    for at in 1..members.len() {
        if members[at - 1].path == members[at].path {
            members[at].place = Err("its name is in the archive twice");
            members[at - 1].place = Err("its name is in the archive twice");
        }
    }
    members.dedup_by(|second, first| second.path == first.path);
}
