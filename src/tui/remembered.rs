//! What the screen remembers from one time to the next: the sizes of its panes, in a small file beside the reviews. To
//! lose it costs nothing, so no error about it is shown.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::model::PaneSizes;

/// Only its owner may read it.
const OWNER_ONLY: u32 = 0o600;
/// No such file of ours is larger.
const LARGEST: u64 = 4096;

/// The file beside the store of reviews.
pub fn place(store: &Path) -> PathBuf {
    store.with_file_name("screen.toml")
}

/// The sizes; `None` if there is no such file yet. A damaged file counts as one without sizes.
pub fn load(file: &Path) -> Option<PaneSizes> {
    let size = fs::metadata(file).ok()?.len();
    let text = (size <= LARGEST).then(|| fs::read_to_string(file).ok());
    let sizes = text.flatten().and_then(|text| toml::from_str(&text).ok());
    Some(sizes.unwrap_or_default())
}

/// Replaces the file as a whole.
///
/// # Errors
/// If it cannot be written.
pub fn save(file: &Path, sizes: &PaneSizes) -> io::Result<()> {
    let text = toml::to_string(sizes).map_err(io::Error::other)?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension(format!("toml.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(OWNER_ONLY);
    let written = options
        .open(&beside)
        .and_then(|mut new| new.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_back_and_a_damaged_file_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = place(&folder.path().join("below/reviews.sqlite"));
        assert_eq!(load(&file), None, "the first time");
        let sizes = PaneSizes {
            left: Some(50),
            whole: true,
            ..PaneSizes::default()
        };
        save(&file, &sizes).unwrap();
        save(&file, &sizes).unwrap();
        assert_eq!(load(&file), Some(sizes));
        fs::write(&file, "left = \"x\"").unwrap();
        assert_eq!(load(&file), Some(PaneSizes::default()));
        fs::write(&file, "left = 50\nof_a_later_version = 1\n").unwrap();
        assert_eq!(load(&file).unwrap().left, Some(50));
        let files = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside it");
    }
}
