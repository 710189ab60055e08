//! Keras' files: HDF5 with the layers in an attribute (Keras 1 to 3), or a zip file with the layers
//! in `config.json` and the weights in HDF5 (Keras 3). Tensors are named by their path: `conv2d/conv2d/kernel:0` in
//! the first, `layers/conv2d/vars/0` in the second.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions, StringSize};

use self::metered::Metered;
use super::error::damaged;
use super::values::{Archive, elements};
use super::{CheckpointContents, CheckpointFault, CheckpointFormat, StoredTensor};

mod metered;

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Chunks may be compressed. No model unpacks to more than this times its size.
const MOST_TIMES: usize = 8;
/// Groups within groups.
const DEEPEST: usize = 12;
/// Groups and data sets: a model has hundreds.
const MOST_MEMBERS: usize = 20_000;
/// The most bytes of the layers' description (JSON). A thousand layers take about one MiB, and the parsed form may
/// be a hundred times as large.
const MOST_CONFIG: usize = 2 << 20;
/// The most bytes of one object's header, with its attributes.
const MOST_HEADER: usize = 1 << 20;
/// The most reads and bytes for finding the description, and for finding groups and data sets.
const FOR_CONFIG: (u64, u64) = (4_000, 3 * MOST_CONFIG as u64);
const FOR_MEMBERS: (u64, u64) = (16 * MOST_MEMBERS as u64, 64 << 20);
/// Groups that belong to training and not to the model.
const NOT_OF_THE_MODEL: [&str; 2] = ["optimizer", "optimizer_weights"];

pub fn is_hdf5(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// `model.save('model.h5')`.
pub fn read_h5(bytes: &[u8]) -> Result<CheckpointContents, CheckpointFault> {
    let file = KerasReader::open(bytes.to_vec())?;
    file.guarded(|reader| {
        let root = reader.file.root_group().map_err(unreadable)?;
        reader.metered.allow(FOR_CONFIG);
        let attributes = root.raw_attributes();
        let attributes = reader.unless_too_many(attributes.map_err(unreadable))?;
        let config = attributes.into_iter().find(|a| a.name() == "model_config");
        let Some(config) = config else {
            return Err(CheckpointFault::Unsupported(
                "HDF5 without Keras' layers: save the whole model, with model.save".to_owned(),
            ));
        };
        let config = reader.unless_too_many(text(&root, config.message()))?;
        reader.metered.allow(FOR_MEMBERS);
        let weights = root.group("model_weights").map_err(unreadable);
        let weights = reader.unless_too_many(weights)?;
        reader.group(&weights, "", 0)?;
        Ok((CheckpointFormat::KerasH5, config))
    })
}

/// `model.save('model.keras')`.
pub fn read_keras(archive: &mut Archive<'_>) -> Result<CheckpointContents, CheckpointFault> {
    let config = archive.read_at_most("config.json", MOST_CONFIG)?;
    let config = String::from_utf8(config.ok_or_else(too_many_layers)?)
        .map_err(|_| CheckpointFault::Damaged("config.json is not text".to_owned()))?;
    let file = KerasReader::open(archive.read("model.weights.h5")?)?;
    file.guarded(|reader| {
        let root = reader.file.root_group().map_err(unreadable)?;
        reader.metered.allow(FOR_MEMBERS);
        reader.group(&root, "", 0)?;
        Ok((CheckpointFormat::Keras3, config))
    })
}

struct KerasReader {
    file: Hdf5File,
    metered: Arc<Metered>,
    tensors: BTreeMap<String, StoredTensor>,
    /// Values that may still be read.
    left: usize,
    members: usize,
}

impl KerasReader {
    fn open(bytes: Vec<u8>) -> Result<Self, CheckpointFault> {
        let left = bytes.len().saturating_mul(MOST_TIMES);
        let options = OpenOptions::default()
            .with_max_read_bytes(left)
            .with_max_chunk_bytes(left)
            .with_max_object_header_bytes(MOST_HEADER);
        let metered = Arc::new(Metered::new(bytes));
        let storage = Arc::clone(&metered);
        let open = AssertUnwindSafe(|| Hdf5File::from_storage_with_options(storage, options));
        let file = catch_unwind(open)
            .map_err(|_| failed())?
            .map_err(unreadable)?;
        Ok(KerasReader {
            file,
            metered,
            tensors: BTreeMap::new(),
            left,
            members: 0,
        })
    }

    /// Turns a panic of the HDF5 library into a fault of the file, which may be hostile.
    fn guarded(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<(CheckpointFormat, String), CheckpointFault>,
    ) -> Result<CheckpointContents, CheckpointFault> {
        let done = catch_unwind(AssertUnwindSafe(|| read(&mut self)));
        let (format, config) = done.map_err(|_| failed())??;
        let mut contents = CheckpointContents::new(format, self.tensors);
        contents.keras_config = Some(config);
        if contents.tensors.is_empty() {
            damaged("it holds no tensors")
        } else {
            Ok(contents)
        }
    }

    /// The result, unless it needed more reads than are allowed. The HDF5 library skips some parts that it cannot
    /// read, so that the result would be incomplete.
    fn unless_too_many<T>(&self, found: Result<T, CheckpointFault>) -> Result<T, CheckpointFault> {
        if self.metered.is_exhausted() {
            Err(CheckpointFault::Unsupported(
                "it holds more groups and descriptions than any model that cxr reads".to_owned(),
            ))
        } else {
            found
        }
    }

    fn group(&mut self, group: &Group, prefix: &str, depth: usize) -> Result<(), CheckpointFault> {
        let members = group.members().map_err(unreadable);
        let (groups, datasets) = self.unless_too_many(members)?;
        self.members += groups.len() + datasets.len();
        if depth > DEEPEST || self.members > MOST_MEMBERS {
            return damaged("its groups form a circle");
        }
        for dataset in &datasets {
            let name = format!("{prefix}{}", dataset.name());
            let tensor = self.tensor(dataset, &name)?;
            self.tensors.insert(name, tensor);
        }
        for inner in &groups {
            let name = inner.name();
            if depth > 0 || !NOT_OF_THE_MODEL.contains(&name) {
                self.group(inner, &format!("{prefix}{name}/"), depth + 1)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, dataset: &Dataset, name: &str) -> Result<StoredTensor, CheckpointFault> {
        let shape: Option<Vec<usize>> = dataset
            .shape()
            .iter()
            .map(|size| usize::try_from(*size).ok())
            .collect();
        let count = shape.as_deref().and_then(elements);
        let left = count.and_then(|count| self.left.checked_sub(count));
        let (Some(shape), Some(left)) = (shape, left) else {
            return damaged(format!("{name} claims more than the file can hold"));
        };
        self.left = left;
        // The values were counted above.
        let values = self.metered.unmetered(|| dataset.read_array::<f32>());
        let values = values.map_err(|error| match error {
            Error::TypeMismatch { .. } => {
                CheckpointFault::Unsupported(format!("{name}: not of 32-bit numbers"))
            }
            error => CheckpointFault::Damaged(format!("{name}: {error}")),
        })?;
        Ok(StoredTensor {
            shape,
            values: values.into_iter().collect(),
        })
    }
}

/// The single text of an attribute. Its length is checked before it is read, because many references of a list may
/// refer to the same large text.
fn text(group: &Group, attribute: &AttributeMessage) -> Result<String, CheckpointFault> {
    if !matches!(attribute.dataspace.num_elements(), Ok(1)) {
        return damaged("its layers are not one text");
    }
    let stored = &attribute.raw_data;
    let bytes = match &attribute.datatype {
        Datatype::String {
            size: StringSize::Fixed(_),
            ..
        } => stored.clone(),
        Datatype::String { .. } | Datatype::VarLen { .. } => {
            let Some(length) = stored.first_chunk() else {
                return damaged("its layers are not one text");
            };
            if u32::from_le_bytes(*length) as usize > MOST_CONFIG {
                return Err(too_many_layers());
            }
            let text = group.resolve_vlen_reference_bytes(stored, 1);
            text.map_err(unreadable)?
        }
        _ => return damaged("its layers are not text"),
    };
    if bytes.len() > MOST_CONFIG {
        return Err(too_many_layers());
    }
    // A text of fixed length is padded with zeros, which JSON never contains.
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8(bytes[..end.unwrap_or(bytes.len())].to_vec())
        .map_err(|_| CheckpointFault::Damaged("its layers are not text".to_owned()))
}

fn too_many_layers() -> CheckpointFault {
    CheckpointFault::Unsupported(format!(
        "its layers are described in more than {} MiB, and no model that cxr reads has that many",
        MOST_CONFIG >> 20
    ))
}

fn unreadable(error: Error) -> CheckpointFault {
    CheckpointFault::Damaged(format!("as HDF5: {error}"))
}

fn failed() -> CheckpointFault {
    CheckpointFault::Damaged("as HDF5".to_owned())
}
