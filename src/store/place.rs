//! Paths as the store has them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The path from the root, with links to its folder followed: the same from every working directory.
pub fn absolute_path(path: &Path) -> PathBuf {
    absolute_path_in(path, real_folder)
}

/// [`absolute_path`], with links to the folder followed by `real`.
pub fn absolute_path_in(path: &Path, real: impl FnOnce(&Path) -> PathBuf) -> PathBuf {
    if is_web_address(path) {
        return path.to_owned();
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => absolute,
    }
}

/// Whether a film lies on a server. Its address is the same from everywhere.
pub fn is_web_address(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.starts_with(b"https://") || bytes.starts_with(b"http://")
}

/// A folder with links followed; as it is where that fails.
pub fn real_folder(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// A path as bytes, for a column.
pub fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The path from the bytes of a column.
pub fn path_from(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}
