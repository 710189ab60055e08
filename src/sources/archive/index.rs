//! The members of an archive, in the order of a walk.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::kind::ArchiveKind;
use super::member::{ArchiveBytes, MemberSource};
use super::members::{ArchiveMember, MembersFound};
use super::names::{member_path, walk_order};
use super::read_at::ReadAt;
use super::{tar, zip};
use crate::sources::{OpenedSource, SourceFault, catching_panics};

/// An archive that was opened.
pub struct FilmArchive {
    members: Vec<ArchiveMember>,
    problems: Vec<String>,
    bytes: ArchiveBytes,
}

impl FilmArchive {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// If it is damaged, or over a limit.
    pub(super) fn index(
        bytes: Arc<dyn ReadAt>,
        length: u64,
        kind: ArchiveKind,
    ) -> Result<Self, SourceFault> {
        let read = || {
            let mut found = MembersFound::default();
            let bytes = match kind {
                ArchiveKind::Zip => {
                    zip::index(&bytes, length, &mut found)?;
                    ArchiveBytes::Plain(bytes)
                }
                ArchiveKind::Tar => {
                    tar::index_plain(&bytes, length, &mut found)?;
                    ArchiveBytes::Plain(bytes)
                }
                ArchiveKind::TarGz => {
                    ArchiveBytes::Gzip(Arc::new(tar::index_gzip(bytes, length, &mut found)?))
                }
            };
            let (members, problems) = found.finish();
            Ok(FilmArchive {
                members,
                problems,
                bytes,
            })
        };
        catching_panics(read).unwrap_or_else(|panic| Err(SourceFault::damaged(panic)))
    }

    /// All members in order.
    pub fn members(&self) -> &[ArchiveMember] {
        &self.members
    }

    /// What is wrong with the archive as a whole, and the members that have no path to name them by.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The member with this path.
    pub fn member(&self, within: &Path) -> Option<&ArchiveMember> {
        let wanted = plain(within)?;
        let found = self
            .members
            .binary_search_by(|member| walk_order(&member.path, &wanted));
        found.ok().map(|at| &self.members[at])
    }

    /// The members at a path and below it; all members for an empty path.
    pub fn below(&self, within: &Path) -> impl Iterator<Item = &ArchiveMember> {
        let wanted = match within.as_os_str().is_empty() {
            true => Some(Vec::new()),
            false => plain(within),
        };
        // What is below a path comes right after it.
        let first = wanted.as_ref().map_or(self.members.len(), |wanted| {
            let is_before = |member: &ArchiveMember| walk_order(&member.path, wanted).is_lt();
            self.members.partition_point(is_before)
        });
        self.members[first..].iter().take_while(move |member| {
            let rest = wanted
                .as_ref()
                .map(|wanted| member.path.strip_prefix(&wanted[..]));
            matches!((rest, &wanted), (Some(Some(rest)), Some(wanted))
                if wanted.is_empty() || rest.is_empty() || rest[0] == b'/')
        })
    }

    /// Opens a member without reading it.
    ///
    /// # Errors
    /// If there is no such member, or it is refused.
    pub fn open(&self, within: &Path) -> Result<OpenedSource, SourceFault> {
        let member = self.member(within).ok_or_else(|| self.no_member(within))?;
        self.source(member).map(OpenedSource::of_member)
    }

    fn no_member(&self, within: &Path) -> SourceFault {
        let is_folder = self.below(within).next().is_some();
        SourceFault::missing(if is_folder {
            "it is a folder of an archive"
        } else {
            "the archive has no such member"
        })
    }

    /// The bytes of a member.
    ///
    /// # Errors
    /// If it is refused.
    fn source(&self, member: &ArchiveMember) -> Result<MemberSource, SourceFault> {
        let place = member.place.as_ref().map_err(SourceFault::unsupported)?;
        MemberSource::new(&self.bytes, &member.path, place)
    }
}

/// A path as members have it. `None` for one that has `..`.
fn plain(within: &Path) -> Option<Vec<u8>> {
    member_path(within.as_os_str().as_bytes())
        .ok()
        .map(Vec::from)
}
