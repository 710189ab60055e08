//! Folders of pictures that a command writes.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};

use super::Usage;
use crate::export::path_text;

/// Refuses a folder among the radiographs, where its pictures would be read as some of them. `option` names it.
///
/// # Errors
/// [`Usage`], if it lies there.
pub fn refuse_inside(option: &str, folder: &Path, roots: &[PathBuf]) -> Result<()> {
    let folder_is = resolved(folder).with_context(|| format!("finding the folder of {option}"))?;
    let inside = |root: &&PathBuf| {
        fs::canonicalize(root).is_ok_and(|root| root.is_dir() && folder_is.starts_with(root))
    };
    match roots.iter().find(inside) {
        None => Ok(()),
        Some(root) => Err(Usage::error(format!(
            "{option} {} lies within {}, where they would be read as radiographs",
            path_text(folder),
            path_text(root)
        ))),
    }
}

/// The real path, also if its last parts do not exist yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut there = std::path::absolute(path)?;
    let mut missing = Vec::new();
    loop {
        match fs::canonicalize(&there) {
            Ok(found) => {
                return Ok(missing
                    .iter()
                    .rev()
                    .fold(found, |path, part| path.join(part)));
            }
            Err(error) => {
                let Some(part) = there.file_name().map(ToOwned::to_owned) else {
                    return Err(error);
                };
                missing.push(part);
                there.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_what_is_read_is_refused_whether_or_not_it_is_there() {
        let place = tempfile::tempdir().unwrap();
        let archive = place.path().join("archive");
        fs::create_dir(&archive).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&archive, &link).unwrap();
        let roots = [archive.clone()];
        for bad in [archive.clone(), archive.join("new/deep"), link.join("new")] {
            assert!(
                refuse_inside("-o", &bad, &roots).is_err(),
                "{}",
                bad.display()
            );
        }
        for good in [place.path().join("archive2"), place.path().to_owned()] {
            assert!(
                refuse_inside("-o", &good, &roots).is_ok(),
                "{}",
                good.display()
            );
        }
        let file = archive.join("a.png");
        fs::write(&file, "").unwrap();
        assert!(
            refuse_inside("-o", &archive, &[file]).is_ok(),
            "only a file is read"
        );
    }
}
