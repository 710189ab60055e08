//! The files and folders of a run: those of the command line, or of a list.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli;
use crate::commands::shared::Usage;
use crate::export::path_text;

/// The paths that were given, in their order.
///
/// # Errors
/// [`Usage`], if the list of `--files-from` cannot be read or names nothing.
pub fn paths(arguments: &cli::Predict) -> Result<Vec<PathBuf>> {
    let Some(list) = &arguments.files_from else {
        if arguments.null {
            return Err(Usage::error("-0 is for a list: --files-from FILE"));
        }
        return Ok(arguments.paths.clone());
    };
    let bytes = whole(list).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            kind => kind.to_string(),
        };
        Usage::error(format!("--files-from {}: {reason}", path_text(list)))
    })?;
    let end = if arguments.null { 0 } else { b'\n' };
    let paths = listed(&bytes, end);
    if paths.is_empty() {
        return Err(Usage::error(format!(
            "--files-from {}: it names no file",
            path_text(list)
        )));
    }
    Ok(paths)
}

fn whole(list: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if list == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        File::open(list)?.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The names between ends. They may hold every byte but the end, also blanks and bytes that are not UTF-8, so nothing
/// is trimmed. Empty names are left out.
fn listed(bytes: &[u8], end: u8) -> Vec<PathBuf> {
    let names = bytes.split(|byte| *byte == end);
    let names = names.filter(|name| !name.is_empty());
    names
        .map(|name| PathBuf::from(OsString::from_vec(name.to_vec())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_may_hold_anything_but_the_end() {
        let names = |bytes: &[u8], end| -> Vec<Vec<u8>> {
            let paths = listed(bytes, end).into_iter();
            paths
                .map(|path| path.as_os_str().as_bytes().to_vec())
                .collect()
        };
        let strange: &[&[u8]] = &[b" a b ", b"\xff\t\r", b"-x", b"*.png"];
        for end in [b'\n', 0] {
            let list = strange.join(&end);
            assert_eq!(names(&list, end), strange, "without an end after the last");
            assert_eq!(names(&[&list[..], &[end, end]].concat(), end), strange);
        }
        assert_eq!(names(b"a\nb\0c\n", 0), [&b"a\nb"[..], b"c\n"]);
        assert!(names(b"\n\n", b'\n').is_empty());
    }
}
