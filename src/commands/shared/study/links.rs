//! The folder of a sitting: a link to each case, named by its place in the reader's order. So neither a name nor a
//! neighbour in a folder tells anything about a case, and the order of names is the order of the study.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use crate::export::path_text;
use crate::imaging::image_ending;

/// Makes the folder hold links to exactly these files, in this order, and only its owner may enter it.
///
/// # Errors
/// If that cannot be done, or something else than a link is there.
pub fn link_all(folder: &Path, files: &[PathBuf]) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    for folder in [parent, folder] {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let width = files.len().to_string().len();
    let wanted = files.iter().zip(1..).map(|(file, place)| {
        let name = format!("{place:0width$}{}", ending(file));
        (OsString::from(name), file)
    });
    let mut wanted: BTreeMap<OsString, &PathBuf> = wanted.collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let to = fs::read_link(&path).map_err(|_| {
            let name = path_text(Path::new(&entry.file_name()));
            io::Error::other(format!("{name} is no link, and nothing else belongs here"))
        })?;
        match wanted.get(&entry.file_name()) {
            Some(file) if ***file == *to => {
                wanted.remove(&entry.file_name());
            }
            _ => fs::remove_file(&path)?,
        }
    }
    for (name, file) in wanted {
        symlink(file, folder.join(name))?;
    }
    Ok(())
}

/// The ending of a file's name, if it is that of a format that is read: any other may tell something of the case. A film
/// without an ending is recognised by its content.
fn ending(file: &Path) -> String {
    image_ending(file).map_or_else(String::new, |ending| format!(".{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn links_are_named_by_their_place_and_put_right_again() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("x.sittings/1-unaided");
        let files: Vec<PathBuf> = (0..11)
            .map(|n| base.path().join(format!("covid-{n}.PNG")))
            .collect();
        link_all(&folder, &files).unwrap();
        let linked = names(&folder);
        assert_eq!((linked.len(), linked[0].as_str()), (11, "01.png"));
        assert!(linked.iter().all(|name| !name.contains("covid")));
        assert_eq!(fs::read_link(folder.join("11.png")).unwrap(), files[10]);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&folder).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        // A link that leads elsewhere, and one too many.
        fs::remove_file(folder.join("01.png")).unwrap();
        symlink(&files[3], folder.join("01.png")).unwrap();
        symlink(&files[3], folder.join("99.png")).unwrap();
        link_all(&folder, &files).unwrap();
        assert_eq!(names(&folder), linked);
        assert_eq!(fs::read_link(folder.join("01.png")).unwrap(), files[0]);
        fs::write(folder.join("note.txt"), "").unwrap();
        assert!(link_all(&folder, &files).is_err());
        assert!(folder.join("note.txt").exists());
    }

    #[test]
    fn only_the_ending_of_a_format_is_kept() {
        for (name, kept) in [
            ("a.dcm", ".dcm"),
            ("a", ""),
            ("a.covid-19", ""),
            ("a.covid", ""),
            ("a.pos", ""),
            ("a.normal.png", ".png"),
            ("a.png.neg", ""),
            ("1.2.840.113619", ""),
            ("a.JPEG", ".jpeg"),
        ] {
            assert_eq!(ending(Path::new(name)), kept, "{name}");
        }
    }
}
