//! Numbers of tensors that are in files beside the model, as PyTorch's exporter writes them:
//! <https://github.com/onnx/onnx/blob/main/docs/ExternalData.md>.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::wire::MessageFields;
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;
use crate::domain::OnnxData;
use crate::domain::hex::hex;

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
    /// By their places without symbolic links.
    files: BTreeMap<PathBuf, ExternalFile>,
    /// Bytes that further files may have.
    room: u64,
    /// Bytes that further tensors may have.
    left: u64,
}

/// A file that tensors are in.
struct ExternalFile {
    /// As the model names it.
    location: String,
    length: u64,
    /// Bytes that may still be read.
    left: u64,
}

impl ExternalData {
    /// For bytes that are in no folder.
    pub fn none() -> Self {
        ExternalData::default()
    }

    /// Files beside this one, `most` bytes in all at most.
    pub fn beside(model: &Path, most: u64) -> Self {
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
            files: BTreeMap::new(),
            room: most,
            left: most,
        }
    }

    /// The bytes of a tensor, of which there are `expected`.
    ///
    /// # Errors
    /// If they are outside the folder, absent, too few or too many, or read too often, or all files together are too
    /// large.
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
        const TOO_LARGE: &str = "with which the model is larger than any that cxr reads";
        if !self.files.contains_key(&path) {
            let room = self.room.checked_sub(length);
            self.room = room.ok_or_else(|| unreadable(TOO_LARGE))?;
        }
        let known = self.files.entry(path).or_insert_with(|| ExternalFile {
            location: range.location.to_owned(),
            length,
            left: length.saturating_mul(MOST_TIMES),
        });
        known.left = known.left.checked_sub(expected).ok_or_else(|| {
            unreadable("which other tensors have in common with it: more than any model shares")
        })?;
        let left = self.left.checked_sub(expected);
        self.left = left.ok_or_else(|| unreadable(TOO_LARGE))?;
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

    /// The files that were read from, with the digest of their bytes; `None` without such files.
    ///
    /// # Errors
    /// If one cannot be read any more, or has another length now.
    pub fn digest(&self) -> Result<Option<OnnxData>, CheckpointFault> {
        let mut files: Vec<(&PathBuf, &ExternalFile)> = self.files.iter().collect();
        files.sort_by_key(|(_, file)| file.location.as_str());
        let mut digest = Sha256::new();
        for (path, known) in &files {
            let unreadable = |reason: &str| {
                let location = &known.location;
                CheckpointFault::Unreadable(format!("the file of its data {location} {reason}"))
            };
            let file = File::open(path).map_err(|_| unreadable("cannot be opened"))?;
            let copied = io::copy(&mut file.take(known.length), &mut digest);
            match copied {
                Ok(length) if length == known.length => {}
                Ok(_) => return Err(unreadable("was changed while it was read")),
                Err(_) => return Err(unreadable("cannot be read")),
            }
        }
        Ok((!files.is_empty()).then(|| OnnxData {
            files: files.len(),
            sha256: hex(&digest.finalize()),
        }))
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
        let external = ExternalData::beside(&folder.join("net.onnx"), 64);
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
        let mut external = ExternalData::beside(&folder.join("model.onnx"), 64);
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

    /// The files count, and what is read of them: two tensors may share a file.
    #[test]
    fn all_files_together_have_a_size_that_is_not_exceeded() {
        let (outer, _) = folders();
        let model = outer.path().join("model/net.onnx");
        let whole = range("net.onnx.data", 0, None);
        let part = range("net.onnx.data", 0, Some(1));
        let fault = |external: &mut ExternalData, range: &ExternalRange, expected| {
            let fault = external.read("w", range, expected).unwrap_err();
            fault.to_string()
        };
        // Eight bytes, of which one is asked for.
        let mut external = ExternalData::beside(&model, 7);
        let said = fault(&mut external, &part, 1);
        assert!(said.contains("larger than any that cxr reads"), "{said}");
        let mut external = ExternalData::beside(&model, 8);
        assert_eq!(
            external.read("w", &whole, 8),
            Ok(vec![0, 1, 2, 3, 4, 5, 6, 7])
        );
        assert!(fault(&mut external, &whole, 8).contains("larger than any"));
        // And one byte in another file.
        let other = range("sub/w", 0, None);
        assert!(fault(&mut external, &other, 1).contains("larger than any"));
    }

    #[test]
    fn the_digest_is_of_all_files_in_the_order_of_their_names() {
        let (_outer, mut external) = folders();
        assert_eq!(external.digest(), Ok(None));
        external.read("b", &range("sub/w", 0, None), 1).unwrap();
        external
            .read("a", &range("net.onnx.data", 6, None), 2)
            .unwrap();
        let expected = hex(&Sha256::digest([0, 1, 2, 3, 4, 5, 6, 7, 8]));
        let data = external.digest().unwrap().unwrap();
        assert_eq!((data.files, data.sha256), (2, expected));
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
