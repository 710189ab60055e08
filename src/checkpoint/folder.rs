//! A folder as transformers and timm save a model: its description as JSON, and its weights in one file or in several.
//!
//! ```text
//! config.json                                     which network it is
//! preprocessor_config.json, processor_config.json  what it does to images; either may be absent
//! model.safetensors, or pytorch_model.bin          its weights
//! model.safetensors.index.json                     or else the names of the files that they are in
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::damaged;
use super::{Checkpoint, CheckpointError, CheckpointFault, CheckpointLimits, StoredTensor};
use super::{bytes, parse};

/// The description of the network.
pub const CONFIG: &str = "config.json";
/// What is done to an image.
pub const PREPROCESSOR: &str = "preprocessor_config.json";
/// The same within a larger description, as transformers 5 writes it.
pub const PROCESSOR: &str = "processor_config.json";
/// The weights, in the order in which transformers looks for them.
pub const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// The ending of a list of the files that the weights are in.
pub const INDEX: &str = ".index.json";
/// The description of an adapter, which is no model of its own.
pub const ADAPTER: &str = "adapter_config.json";
/// The most bytes of a description. Parsed, it may take thirty times as much.
pub const MOST_TEXT: u64 = 2 << 20;
/// The most files of weights. Models of classifiers have one or two.
pub const MOST_PARTS: usize = 64;
/// The most files of a folder that are looked at for a message.
const MOST_SEEN: usize = 1000;

/// A folder with the description of a model. Its weights are not read yet.
#[derive(Debug)]
pub struct ModelFolder {
    path: PathBuf,
    /// The text of `config.json`.
    pub config: String,
    /// The text of `preprocessor_config.json`.
    pub preprocessor: Option<String>,
    /// The text of `processor_config.json`.
    pub processor: Option<String>,
}

/// The weights of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderWeights {
    pub tensors: BTreeMap<String, StoredTensor>,
    /// Each file with its SHA-256, lower-case hexadecimal.
    pub files: Vec<(String, String)>,
}

/// The list of the files that the tensors are in.
#[derive(Debug, Deserialize)]
pub struct PartIndex {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

impl PartIndex {
    /// # Errors
    /// If the text is no such list, or names files that are not of the folder itself.
    pub fn parse(text: &str) -> Result<Self, CheckpointFault> {
        let list: PartIndex = serde_json::from_str(text)
            .map_err(|error| CheckpointFault::Damaged(format!("no list of files: {error}")))?;
        check_parts(&list.weight_map.values().collect())?;
        Ok(list)
    }
}

impl ModelFolder {
    /// Reads the descriptions of a folder.
    ///
    /// # Errors
    /// One line with the file's name and the reason: there is no description, it cannot be read, or it is too large.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let optional = |name: &str| {
            let file = path.join(name);
            file.exists().then(|| text(&file)).transpose()
        };
        match optional(CONFIG)? {
            Some(config) => Ok(ModelFolder {
                path: path.to_owned(),
                config,
                preprocessor: optional(PREPROCESSOR)?,
                processor: optional(PROCESSOR)?,
            }),
            None => Err(CheckpointError::new(path, no_config(path))),
        }
    }

    /// Reads the weights, of at most `limits.max_bytes` together.
    ///
    /// # Errors
    /// One line with the file's name and the reason: there are none, they cannot be read, are too large or damaged,
    /// would run code if Python read them, or are not where their list says.
    pub fn weights(&self, limits: &CheckpointLimits) -> Result<FolderWeights, CheckpointError> {
        let mut names = WEIGHTS.into_iter();
        let Some(name) = names.find(|name| self.path.join(name).exists()) else {
            return Err(CheckpointError::new(&self.path, no_weights(&self.path)));
        };
        let file = self.path.join(name);
        if name.ends_with(INDEX) {
            return self.parts(&file, limits);
        }
        let checkpoint = read(&file, limits.max_bytes)?.1;
        Ok(FolderWeights {
            tensors: checkpoint.tensors,
            files: vec![(name.to_owned(), checkpoint.sha256)],
        })
    }

    /// The weights of several files, by their list.
    fn parts(
        &self,
        index: &Path,
        limits: &CheckpointLimits,
    ) -> Result<FolderWeights, CheckpointError> {
        let of_index = |fault| CheckpointError::new(index, fault);
        let list = PartIndex::parse(&text(index)?).map_err(of_index)?;
        let names: BTreeSet<&String> = list.weight_map.values().collect();
        let mut left = limits.max_bytes;
        let mut all = FolderWeights {
            tensors: BTreeMap::new(),
            files: Vec::new(),
        };
        for name in names {
            let file = self.path.join(name);
            let (size, part) = read(&file, left)?;
            left -= size;
            for (tensor, stored) in part.tensors {
                if list.weight_map.get(&tensor) != Some(name) {
                    let fault = damaged(format!("it holds {tensor}, which its list does not name"));
                    return fault.map_err(|fault| CheckpointError::new(&file, fault));
                }
                all.tensors.insert(tensor, stored);
            }
            all.files.push((name.clone(), part.sha256));
        }
        let mut listed = list.weight_map.iter();
        match listed.find(|(tensor, _)| !all.tensors.contains_key(*tensor)) {
            Some((tensor, name)) => damaged(format!("{tensor} is not in {name}")).map_err(of_index),
            None => Ok(all),
        }
    }
}

/// Whether the files of a list are files of the folder itself.
fn check_parts(names: &BTreeSet<&String>) -> Result<(), CheckpointFault> {
    if names.is_empty() {
        return damaged("it names no file");
    }
    if names.len() > MOST_PARTS {
        return damaged(format!("it names more than {MOST_PARTS} files"));
    }
    let is_plain = |name: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_allowed)
    };
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => damaged(format!("{name} is no file of this folder")),
        None => Ok(()),
    }
}

/// The size of a file of weights, and its contents.
fn read(path: &Path, most: u64) -> Result<(u64, Checkpoint), CheckpointError> {
    let read = bytes(path, most).and_then(|bytes| {
        let checkpoint = parse(&bytes)?;
        if checkpoint.keras_config.is_some() {
            return Err(CheckpointFault::Unsupported(
                "a Keras file within a folder of PyTorch".to_owned(),
            ));
        }
        Ok((bytes.len() as u64, checkpoint))
    });
    read.map_err(|fault| CheckpointError::new(path, fault))
}

fn text(path: &Path) -> Result<String, CheckpointError> {
    let text = bytes(path, MOST_TEXT).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| CheckpointFault::Damaged("it is not text".to_owned()))
    });
    text.map_err(|fault| CheckpointError::new(path, fault))
}

/// Why a folder without a description is no model, and what would help.
fn no_config(path: &Path) -> CheckpointFault {
    if !path.is_dir() {
        return CheckpointFault::Unreadable("no such folder".to_owned());
    }
    if path.join(ADAPTER).exists() {
        return CheckpointFault::Unsupported(format!(
            "it is an adapter ({ADAPTER}), and not a whole model: merge it into its model first, with PEFT's \
             merge_and_unload, and save that"
        ));
    }
    let advice = match ending(
        path,
        &[".onnx", ".keras", ".h5", ".pth", ".pt", ".safetensors"],
    ) {
        Some(name) => format!("; {name} may be imported by itself"),
        None => String::new(),
    };
    CheckpointFault::Unsupported(format!(
        "it has no {CONFIG}, as a folder of transformers or timm has{advice}"
    ))
}

/// Why a folder without weights is no model, and what would help.
fn no_weights(path: &Path) -> CheckpointFault {
    let found = ending(path, &["tf_model.h5", ".msgpack", ".onnx", ".ckpt"]);
    let advice = match found {
        Some(name) if name.ends_with(".onnx") => format!("; {name} may be imported by itself"),
        Some(name) => format!(
            "; {name} is of another program: load it with from_tf or from_flax, and save it with \
             save_pretrained"
        ),
        None => String::new(),
    };
    CheckpointFault::Unsupported(format!(
        "it has neither {} nor {}{advice}",
        WEIGHTS[0], WEIGHTS[2]
    ))
}

/// The first file of a folder, by name, that has one of these endings.
fn ending(path: &Path, ends: &[&str]) -> Option<String> {
    let entries = fs::read_dir(path).ok()?.take(MOST_SEEN).flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| ends.iter().any(|end| name.ends_with(end)))
        .min()
}

#[cfg(test)]
mod tests {
    use safetensors::serialize;
    use safetensors::tensor::{Dtype, TensorView};
    use tempfile::TempDir;

    use super::*;

    const CONFIG_TEXT: &str = r#"{"model_type": "vit"}"#;
    const PARTS: [&str; 2] = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    /// A safetensors file with tensors of one value each.
    fn weights(tensors: &[(&str, f32)]) -> Vec<u8> {
        let bytes: Vec<_> = tensors
            .iter()
            .map(|(_, value)| value.to_le_bytes())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, _), bytes)| {
            let view = TensorView::new(Dtype::F32, vec![1], bytes).unwrap();
            (*name, view)
        });
        serialize(views, None).unwrap()
    }

    fn index(map: &[(&str, &str)]) -> Vec<u8> {
        let map: BTreeMap<_, _> = map.iter().copied().collect();
        let list = serde_json::json!({"metadata": {"total_size": 8}, "weight_map": map});
        list.to_string().into_bytes()
    }

    fn fault(files: &[(&str, &[u8])]) -> String {
        let folder = folder(files);
        let weights = ModelFolder::open(folder.path())
            .and_then(|folder| folder.weights(&CheckpointLimits::default()));
        let text = weights.unwrap_err().to_string();
        assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
        text
    }

    #[test]
    fn a_folder_is_read_with_its_descriptions() {
        let one = weights(&[("a", 1.5)]);
        let folder = folder(&[
            ("config.json", CONFIG_TEXT.as_bytes()),
            ("preprocessor_config.json", b"{}"),
            ("model.safetensors", &one),
            // Not looked at.
            ("pytorch_model.bin", b"nonsense"),
        ]);
        let opened = ModelFolder::open(folder.path()).unwrap();
        assert_eq!(opened.config, CONFIG_TEXT);
        assert_eq!(opened.preprocessor.as_deref(), Some("{}"));
        assert_eq!(opened.processor, None);
        let read = opened.weights(&CheckpointLimits::default()).unwrap();
        assert_eq!(read.tensors["a"].values, [1.5]);
        let [(name, sha256)] = &read.files[..] else {
            panic!("{:?}", read.files)
        };
        assert_eq!((name.as_str(), sha256.len()), ("model.safetensors", 64));
        let small = CheckpointLimits { max_bytes: 8 };
        let error = opened.weights(&small).unwrap_err().to_string();
        assert!(error.contains("model.safetensors: larger than"), "{error}");
    }

    #[test]
    fn weights_in_several_files_are_one_model() {
        let (first, second) = (weights(&[("a", 1.0)]), weights(&[("b", 2.0), ("c", 3.0)]));
        let list = index(&[("a", PARTS[0]), ("b", PARTS[1]), ("c", PARTS[1])]);
        let folder = folder(&[
            ("config.json", CONFIG_TEXT.as_bytes()),
            ("model.safetensors.index.json", &list),
            (PARTS[0], &first),
            (PARTS[1], &second),
        ]);
        let opened = ModelFolder::open(folder.path()).unwrap();
        let read = opened.weights(&CheckpointLimits::default()).unwrap();
        let values: Vec<f32> = read.tensors.values().map(|t| t.values[0]).collect();
        assert_eq!(values, [1.0, 2.0, 3.0]);
        let names: Vec<&str> = read.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, PARTS);
        // The limit is for all of them together.
        let limits = CheckpointLimits {
            max_bytes: first.len() as u64 + 1,
        };
        let error = opened.weights(&limits).unwrap_err().to_string();
        assert!(
            error.contains(PARTS[1]) && error.contains("larger"),
            "{error}"
        );
    }

    #[test]
    fn a_list_that_is_not_true_is_one_clear_error() {
        let one = weights(&[("a", 1.0)]);
        let config = ("config.json", CONFIG_TEXT.as_bytes());
        let with = |list: &[u8]| {
            fault(&[
                config,
                ("model.safetensors.index.json", list),
                (PARTS[0], &one),
            ])
        };
        for (list, words) in [
            (
                index(&[("a", "../model.safetensors")]),
                "../model.safetensors is no file of this folder",
            ),
            (index(&[("a", "/etc/passwd")]), "is no file of this folder"),
            (index(&[("a", ".hidden")]), "is no file of this folder"),
            (index(&[("a", "x\u{1b}[2J")]), "is no file of this folder"),
            (index(&[]), "it names no file"),
            (index(&[("a", PARTS[1])]), "no such file"),
            (
                index(&[("b", PARTS[0])]),
                "it holds a, which its list does not name",
            ),
            (
                index(&[("a", PARTS[0]), ("b", PARTS[0])]),
                "b is not in model-00001",
            ),
            (b"{}".to_vec(), "no list of files"),
            (b"\xff".to_vec(), "it is not text"),
        ] {
            let error = with(&list);
            assert!(error.contains(words), "{error}");
        }
        let names: Vec<String> = (0..=MOST_PARTS)
            .map(|n| format!("{n}.safetensors"))
            .collect();
        let many: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), name.as_str()))
            .collect();
        assert!(with(&index(&many)).contains("more than 64 files"));
    }

    #[test]
    fn what_is_no_whole_model_says_what_would_help() {
        const EMPTY: &[u8] = b"";
        const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
        const PICKLE: &[u8] = b"\x80\x02.";
        let config = ("config.json", CONFIG_TEXT.as_bytes());
        for (files, words) in [
            (&[("README.md", EMPTY)][..], "it has no config.json"),
            (
                &[("adapter_config.json", EMPTY)],
                "merge it into its model first",
            ),
            (&[("net.onnx", EMPTY)], "net.onnx may be imported by itself"),
            (&[config], "neither model.safetensors nor pytorch_model.bin"),
            (
                &[config, ("tf_model.h5", EMPTY)],
                "tf_model.h5 is of another program",
            ),
            (
                &[config, ("model.onnx", EMPTY)],
                "model.onnx may be imported by itself",
            ),
            (&[config, ("model.safetensors", POINTER)], "git lfs pull"),
            (
                &[config, ("pytorch_model.bin", PICKLE)],
                "pytorch_model.bin",
            ),
        ] {
            let error = fault(files);
            assert!(error.contains(words), "{error}");
        }
        let long = vec![b' '; MOST_TEXT as usize + 1];
        assert!(fault(&[("config.json", &long)]).contains("config.json: larger than 2 MiB"));
        let absent = ModelFolder::open(Path::new("/no/such/folder")).unwrap_err();
        assert!(absent.to_string().contains("no such folder"));
    }
}
