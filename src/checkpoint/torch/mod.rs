//! PyTorch's files (`torch/serialization.py`): since version 1.6 a zip file with `data.pkl` and one file for each
//! storage, before that five pickles and then the storages.

mod allowed;
mod graph;
mod model;
mod pickle;
mod tensors;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use self::graph::Node;
use self::pickle::Pickle;
use self::tensors::{Storage, Storages, storage_of};
use super::error::damaged;
use super::values::Archive;
use super::{CheckpointContents, CheckpointFault};

/// `MAGIC_NUMBER` of `torch/serialization.py`, as `LONG1` writes it, and the end of that pickle.
const MAGIC: [u8; 13] = [
    0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
];
/// `PROTOCOL_VERSION` there.
const PROTOCOL: i64 = 1001;
/// The bytes of a tar file that hold its magic number.
const TAR_MAGIC: Range<usize> = 257..262;

/// Whether it begins like a file from before version 1.6.
pub fn is_legacy(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x80) && bytes.get(2..15) == Some(&MAGIC)
}

/// Whether it is a file from before version 0.2.
pub fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(TAR_MAGIC) == Some(b"ustar")
}

/// The tensors of a zip file.
pub fn read_zip(archive: &mut Archive<'_>) -> Result<CheckpointContents, CheckpointFault> {
    let prefix = archive
        .names()
        .find_map(|name| name.strip_suffix("data.pkl"))
        .filter(|prefix| prefix.matches('/').count() == 1)
        .map(str::to_owned);
    let Some(prefix) = prefix else {
        return Err(CheckpointFault::Unsupported(
            "a zip file that is neither PyTorch's nor Keras'".to_owned(),
        ));
    };
    let code = format!("{prefix}code/");
    if archive.names().any(|name| name.starts_with(&code)) {
        return Err(CheckpointFault::Unsupported(
            "a TorchScript program: save the model's state_dict() instead".to_owned(),
        ));
    }
    let order = format!("{prefix}byteorder");
    if archive.find(&order) && archive.read(&order)? != b"little" {
        return Err(CheckpointFault::Unsupported(
            "a file from a big-endian machine".to_owned(),
        ));
    }
    let pickle = pickle::read(&archive.read(&format!("{prefix}data.pkl"))?)?;
    let packed = archive.packed();
    let mut files = ZipStorages {
        archive,
        prefix,
        last: None,
    };
    model::read(&pickle, &mut files, packed)
}

/// The tensors of a pickle alone, filled with zeros. Together they have at most as many values as it has bytes.
pub fn read_pickle(bytes: &[u8]) -> Result<CheckpointContents, CheckpointFault> {
    let pickle = pickle::read(bytes)?;
    model::read(&pickle, &mut Zeros, bytes.len())
}

/// Storages of zeros, for a pickle without its file.
struct Zeros;

impl Storages for Zeros {
    fn bytes(&mut self, _: &Storage) -> Result<&[u8], CheckpointFault> {
        Ok(&[0; 4096])
    }
}

/// Storages that are files in a zip file.
struct ZipStorages<'a, 'b> {
    archive: &'a mut Archive<'b>,
    prefix: String,
    /// The storage that was read last: tensors of one storage mostly follow each other.
    last: Option<(String, Vec<u8>)>,
}

impl Storages for ZipStorages<'_, '_> {
    fn bytes(&mut self, storage: &Storage) -> Result<&[u8], CheckpointFault> {
        if self
            .last
            .as_ref()
            .is_none_or(|(key, _)| *key != storage.key)
        {
            let name = format!("{}data/{}", self.prefix, storage.key);
            self.last = Some((storage.key.clone(), self.archive.read(&name)?));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, bytes)| bytes))
    }
}

/// The tensors of a file from before 1.6: magic number, protocol, machine, object and keys, then the storages in the
/// order of the keys.
pub fn read_legacy(bytes: &[u8]) -> Result<CheckpointContents, CheckpointFault> {
    let mut at = 0;
    let mut next = || -> Result<Pickle, CheckpointFault> {
        let pickle = pickle::read(bytes.get(at..).unwrap_or_default())?;
        at += pickle.length;
        Ok(pickle)
    };
    let (_magic, protocol, machine) = (next()?, next()?, next()?);
    let (object, keys) = (next()?, next()?);
    if !matches!(protocol.graph.get(protocol.root), Node::Int(PROTOCOL)) {
        return Err(CheckpointFault::Unsupported(
            "another version of PyTorch's format".to_owned(),
        ));
    }
    let order = machine.graph.value(machine.root, "little_endian");
    if matches!(order.map(|id| machine.graph.get(id)), Some(Node::Int(0))) {
        return Err(CheckpointFault::Unsupported(
            "a file from a big-endian machine".to_owned(),
        ));
    }
    let ranges = ranges(bytes, at, &object, &keys)?;
    model::read(&object, &mut LegacyStorages { bytes, ranges }, bytes.len())
}

/// The bytes of each storage. Eight bytes before it give its length in elements.
fn ranges(
    bytes: &[u8],
    mut at: usize,
    object: &Pickle,
    keys: &Pickle,
) -> Result<HashMap<String, Range<usize>>, CheckpointFault> {
    let named: BTreeMap<String, Storage> = object
        .graph
        .nodes()
        .filter_map(|node| match node {
            Node::Persistent(id) => storage_of(&object.graph, *id).transpose(),
            _ => None,
        })
        .map(|storage| storage.map(|storage| (storage.key.clone(), storage)))
        .collect::<Result<_, _>>()?;
    let Some(order) = keys.graph.sequence(keys.root) else {
        return damaged("it does not list its storages");
    };
    let mut ranges = HashMap::new();
    for key in order {
        let Some(storage) = keys.graph.text(*key).and_then(|key| named.get(key)) else {
            return damaged("it has a storage that no tensor uses");
        };
        let length = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
        let length = length.map(u64::from_le_bytes).map(usize::try_from);
        let end = match length {
            Some(Ok(elements)) => elements.checked_mul(storage.element.size()),
            _ => None,
        };
        match end.and_then(|length| (at + 8).checked_add(length)) {
            Some(end) if end <= bytes.len() => {
                ranges.insert(storage.key.clone(), at + 8..end);
                at = end;
            }
            _ => return damaged("its storages end too early"),
        }
    }
    Ok(ranges)
}

/// Storages that are parts of the file.
struct LegacyStorages<'a> {
    bytes: &'a [u8],
    ranges: HashMap<String, Range<usize>>,
}

impl Storages for LegacyStorages<'_> {
    fn bytes(&mut self, storage: &Storage) -> Result<&[u8], CheckpointFault> {
        match self.ranges.get(&storage.key) {
            Some(range) => Ok(&self.bytes[range.clone()]),
            None => damaged(format!("storage {} is absent", storage.key)),
        }
    }
}
