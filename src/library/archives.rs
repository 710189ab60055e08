//! The walk through archives and DICOM directories.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{FolderIdentity, FolderWalk, WalkItem, identity, is_hidden, problem};
use crate::imaging::{self, Sighting, is_beside_images, sight};
use crate::sources::archive::ArchiveMember;
use crate::sources::{InArchive, SourceFault};

/// Whether a file that the user named is the index of a medium.
pub(super) fn is_index(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
}

/// Whether a file that the user named is an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    sight(path) == Sighting::Archive
}

impl FolderWalk<'_> {
    /// Walks the members of an archive, unless it was walked before.
    pub(super) fn archive(
        &mut self,
        file: &Path,
        of: FolderIdentity,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !self.folders.insert(of) {
            return ControlFlow::Continue(());
        }
        let archive = match self.sources.archive(file) {
            Ok(Some(archive)) => archive,
            Ok(None) => return ControlFlow::Continue(()),
            Err(fault) => return on(refused(file, &fault)),
        };
        for reason in archive.problems() {
            let (path, reason) = (file.to_owned(), imaging::clean_text(reason));
            on(WalkItem::Problem { path, reason })?;
        }
        let roots = || self.parts.iter().filter(|(archive, _)| *archive == of);
        for member in archive.members() {
            if roots().any(|(_, part)| member.path().starts_with(part)) {
                continue;
            }
            report(file, member, on)?;
        }
        ControlFlow::Continue(())
    }

    /// Walks a part of an archive: `archive.zip/folder`, one member, or a DICOMDIR in it.
    pub(super) fn part_of_archive(
        &mut self,
        root: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let found = match self.sources.in_archive(root) {
            Ok(Some(found)) => found,
            Ok(None) => return on(missing(root)),
            Err(fault) => return on(refused(root, &fault)),
        };
        if (self.except)(&found.file) {
            return on(missing(root));
        }
        if found.archive.member(&found.within).is_some() {
            return match is_index(root) {
                true => self.index(root, on),
                false => self.member(root, &found, on),
            };
        }
        self.folder_of_archive(root, &found, on)
    }

    /// A member that the user named is reported under any name.
    fn member(
        &mut self,
        root: &Path,
        found: &InArchive,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.enters_part(found) {
            on(WalkItem::Image(root.to_owned()))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn folder_of_archive(
        &mut self,
        root: &Path,
        found: &InArchive,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut members = found.archive.below(&found.within).peekable();
        if members.peek().is_none() {
            return on(missing(root));
        }
        let before = self.parts.clone();
        if !self.enters_part(found) {
            return ControlFlow::Continue(());
        }
        let of = fs::metadata(&found.file).map(|metadata| identity(&metadata));
        for member in members {
            let is_known = |(archive, part): &(FolderIdentity, PathBuf)| {
                of.as_ref().is_ok_and(|of| of == archive) && member.path().starts_with(part)
            };
            if !before.iter().any(is_known) {
                report(&found.file, member, on)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Records a part of an archive; `false` if it was walked before.
    fn enters_part(&mut self, found: &InArchive) -> bool {
        let Ok(metadata) = fs::metadata(&found.file) else {
            return true;
        };
        let of = identity(&metadata);
        let mut roots = self.parts.iter().filter(|(archive, _)| *archive == of);
        if self.folders.contains(&of) || roots.any(|(_, part)| found.within.starts_with(part)) {
            return false;
        }
        self.parts.push((of, found.within.clone()));
        true
    }

    /// Reports the files that a DICOMDIR lists.
    pub(super) fn index(
        &mut self,
        root: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let listed = match imaging::dicomdir(root) {
            Ok(listed) => listed,
            Err(error) => {
                let (path, reason) = (root.to_owned(), error.to_string());
                return on(WalkItem::Problem { path, reason });
            }
        };
        for problem in listed.problems {
            let (path, reason) = (root.to_owned(), problem);
            on(WalkItem::Problem { path, reason })?;
        }
        for path in listed.files {
            if !self.sources.is_film(&path) {
                let reason = "the DICOMDIR lists it, and it is missing".to_owned();
                on(WalkItem::Problem { path, reason })?;
                continue;
            }
            let real = self.sources.real(&path);
            if real.is_ok_and(|real| !self.is_new(real)) {
                continue;
            }
            on(WalkItem::Image(path))?;
        }
        ControlFlow::Continue(())
    }
}

/// Reports a member as a walk through folders reports a file.
fn report(
    file: &Path,
    member: &ArchiveMember,
    on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if member.path().iter().any(is_hidden) {
        return ControlFlow::Continue(());
    }
    let path = file.join(member.path());
    if let Some(reason) = member.refusal() {
        if is_beside_images(&path) {
            return ControlFlow::Continue(());
        }
        let reason = reason.to_owned();
        return on(WalkItem::Problem { path, reason });
    }
    match sight(&path) {
        Sighting::Image => on(WalkItem::Image(path)),
        Sighting::Unread(format) => on(WalkItem::Unread { path, format }),
        Sighting::Closed(reason) => on(WalkItem::Problem { path, reason }),
        // The archive is on the disk, so no member is one.
        Sighting::Archive | Sighting::Other => ControlFlow::Continue(()),
    }
}

fn refused(path: &Path, fault: &SourceFault) -> WalkItem {
    WalkItem::Problem {
        path: path.to_owned(),
        reason: fault.to_string(),
    }
}

fn missing(path: &Path) -> WalkItem {
    problem(path, &std::io::ErrorKind::NotFound.into())
}
