//! Numbers of tensors that are in files beside the model, as PyTorch's exporter writes them:
//! <https://github.com/onnx/onnx/blob/main/docs/ExternalData.md>.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::wire::MessageFields;
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;

/// How often the bytes of a file may be read: tensors may share them.
const MOST_TIMES: u64 = 2;

/// Where the numbers of a tensor are.
#[derive(Debug, Default, Clone)]
pub struct ExternalRange<'a> {
    location: &'a str,
    offset: u64,
    /// To the end of the file, if it is not said.
    length: Option<u64>,
}

impl<'a> ExternalRange<'a> {
    /// Adds an entry of a key and a value.
    pub fn add(&mut self, entry: &'a [u8]) -> Result<(), CheckpointFault> {
        let (mut key, mut value) = ("", "");
        for field in MessageFields::of(entry) {
            let field = field?;
            match field.number {
                1 => key = field.value.text()?,
                2 => value = field.value.text()?,
                _ => {}
            }
        }
        let number = || {
            value.parse().map_err(|_| {
                CheckpointFault::Damaged(format!("the {key} of external data is not a number"))
            })
        };
        match key {
            "location" => self.location = value,
            "offset" => self.offset = number()?,
            "length" => self.length = Some(number()?),
            _ => {}
        }
        Ok(())
    }
}

/// The folders that such files may be in, and what was read of them.
#[derive(Default)]
pub struct ExternalData {
    /// The folder of the model.
    folder: Option<PathBuf>,
    /// Without symbolic links: the folder of the model, and that of the file that the model is a link to, as in the
    /// cache of Hugging Face's hub.
    allowed: Vec<PathBuf>,
    /// Bytes of each file that may still be read.
    left: BTreeMap<PathBuf, u64>,
}

impl ExternalData {
    /// For bytes that are in no folder.
    pub fn none() -> Self {
        ExternalData::default()
    }

    /// Beside this file.
    pub fn beside(model: &Path) -> Self {
        let folder = match model.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let linked = fs::canonicalize(model).ok();
        let linked = linked.as_deref().and_then(Path::parent).map(Path::to_owned);
        let own = fs::canonicalize(&folder).ok();
        ExternalData {
            allowed: own.into_iter().chain(linked).collect(),
            folder: Some(folder),
            left: BTreeMap::new(),
        }
    }

    /// The bytes of a tensor, of which there are `expected`.
    ///
    /// # Errors
    /// If they are outside the folder, absent, too few or too many, or read too often.
    pub fn read(
        &mut self,
        tensor: &str,
        range: &ExternalRange,
        expected: usize,
    ) -> Result<Vec<u8>, CheckpointFault> {
        let unreadable = |reason: &str| {
            CheckpointFault::Unreadable(format!(
                "the numbers of {tensor} are in the file {}, {reason}",
                range.location
            ))
        };
        let path = self.path(range.location).map_err(unreadable)?;
        let mut file = File::open(&path).map_err(|_| unreadable("which cannot be opened"))?;
        let length = match file.metadata() {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => return Err(unreadable("which is no file")),
        };
        let expected = expected as u64;
        let said = range.length.or(length.checked_sub(range.offset));
        if said != Some(expected) {
            let said = said.unwrap_or(0);
            return damaged(format!(
                "{tensor} has {said} bytes in the file {}, and its shape says {expected}",
                range.location
            ));
        }
        if range
            .offset
            .checked_add(expected)
            .is_none_or(|end| end > length)
        {
            return Err(unreadable("which is shorter"));
        }
        let allowance = length.saturating_mul(MOST_TIMES);
        let left = self.left.entry(path).or_insert(allowance);
        *left = left.checked_sub(expected).ok_or_else(|| {
            unreadable("which other tensors have in common with it: more than any model shares")
        })?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.offset))
            .and_then(|_| file.take(expected).read_to_end(&mut bytes))
            .map_err(|_| unreadable("which cannot be read"))?;
        if bytes.len() as u64 == expected {
            Ok(bytes)
        } else {
            Err(unreadable("which is shorter"))
        }
    }

    /// The file at a location, without symbolic links.
    fn path(&self, location: &str) -> Result<PathBuf, &'static str> {
        let Some(folder) = &self.folder else {
            return Err("and there is no folder");
        };
        let mut parts = Path::new(location).components();
        let is_inside = parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if location.is_empty() || !is_inside {
            return Err("outside the folder of the model");
        }
        let path = fs::canonicalize(folder.join(location))
            .map_err(|_| "which is absent: it belongs beside the model")?;
        if self.allowed.iter().any(|folder| path.starts_with(folder)) {
            Ok(path)
        } else {
            Err("a link to a file outside the folder of the model")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(location: &str, offset: u64, length: Option<u64>) -> ExternalRange<'_> {
        ExternalRange {
            location,
            offset,
            length,
        }
    }

    /// A folder with a model and its data, eight bytes, and a file outside it.
    fn folders() -> (tempfile::TempDir, ExternalData) {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("model");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), [9; 8]).unwrap();
        fs::write(folder.join("net.onnx"), b"").unwrap();
        fs::write(folder.join("net.onnx.data"), [0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
        fs::write(folder.join("sub/w"), [8]).unwrap();
        let external = ExternalData::beside(&folder.join("net.onnx"));
        (outer, external)
    }

    #[test]
    fn ranges_of_files_beside_the_model_are_read() {
        let (_outer, mut external) = folders();
        let mut read = |range: ExternalRange, expected| external.read("w", &range, expected);
        let data = "net.onnx.data";
        assert_eq!(read(range(data, 2, Some(3)), 3), Ok(vec![2, 3, 4]));
        assert_eq!(read(range(data, 6, None), 2), Ok(vec![6, 7]));
        assert_eq!(read(range("./sub/w", 0, None), 1), Ok(vec![8]));
    }

    #[test]
    fn what_is_outside_the_folder_or_not_there_is_refused() {
        let (outer, mut external) = folders();
        let absolute = outer.path().join("secret");
        let absolute = absolute.to_str().unwrap();
        for (location, words) in [
            ("../secret", "outside the folder"),
            ("sub/../../secret", "outside the folder"),
            (absolute, "outside the folder"),
            ("", "outside the folder"),
            ("other", "absent: it belongs beside the model"),
            ("sub", "is no file"),
        ] {
            let fault = external.read("w", &range(location, 0, None), 8);
            let fault = fault.unwrap_err().to_string();
            assert!(fault.contains(words), "{fault}");
        }
        let mut none = ExternalData::none();
        assert!(none.read("w", &range("net.onnx.data", 0, None), 8).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_may_not_leave_the_folder_unless_the_model_is_one() {
        let (outer, mut external) = folders();
        let folder = outer.path().join("model");
        std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("link")).unwrap();
        let fault = external.read("w", &range("link", 0, None), 8);
        assert!(
            fault
                .unwrap_err()
                .to_string()
                .contains("a link to a file outside")
        );
        // As in the hub's cache: snapshots/REVISION/model.onnx -> ../../blobs/DIGEST.
        fs::write(outer.path().join("blob"), b"").unwrap();
        std::os::unix::fs::symlink(outer.path().join("blob"), folder.join("model.onnx")).unwrap();
        let mut external = ExternalData::beside(&folder.join("model.onnx"));
        assert_eq!(
            external.read("w", &range("link", 0, None), 8),
            Ok(vec![9; 8])
        );
    }

    #[test]
    fn a_range_that_lies_is_refused_and_bytes_are_not_read_often() {
        let (_outer, mut external) = folders();
        let mut fault = |range: ExternalRange, expected| {
            let fault = external.read("w", &range, expected);
            fault.unwrap_err().to_string()
        };
        let data = "net.onnx.data";
        assert!(fault(range(data, 0, Some(4)), 8).contains("w has 4 bytes"));
        assert!(fault(range(data, 6, Some(4)), 4).contains("shorter"));
        assert!(fault(range(data, u64::MAX, Some(4)), 4).contains("shorter"));
        assert!(fault(range(data, 9, None), 4).contains("w has 0 bytes"));
        assert!(external.read("w", &range(data, 0, None), 8).is_ok());
        assert!(external.read("w", &range(data, 0, None), 8).is_ok());
        let often = external.read("w", &range(data, 0, None), 8).unwrap_err();
        assert!(
            often.to_string().contains("more than any model shares"),
            "{often}"
        );
    }

    #[test]
    fn entries_are_keys_and_values() {
        // location = a, offset = 12, checksum = x
        let mut read = ExternalRange::default();
        read.add(b"\x0a\x08location\x12\x01a").unwrap();
        read.add(b"\x0a\x06offset\x12\x0212").unwrap();
        read.add(b"\x0a\x08checksum\x12\x01x").unwrap();
        assert_eq!((read.location, read.offset, read.length), ("a", 12, None));
        let fault = read.add(b"\x0a\x06length\x12\x01x").unwrap_err();
        assert!(fault.to_string().contains("length of external data"));
    }
}
