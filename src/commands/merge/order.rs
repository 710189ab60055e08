//! The order of the rows of a merged table.

use std::cmp::Ordering;
use std::path::PathBuf;

use anyhow::Result;

use crate::commands::shared::Usage;
use crate::commands::shared::shard::part::RunDescription;
use crate::commands::shared::shard::root_number;
use crate::export::{FlatRow, path_of};
use crate::library::walk_order;

/// What `--sort` asks for.
pub struct RowOrder {
    by: SortedBy,
    is_reversed: bool,
    /// The folders of the run, in their order.
    roots: Vec<PathBuf>,
}

enum SortedBy {
    /// As one walk over the folders would report the files.
    Path,
    /// Part by part.
    Part,
    /// By the column at this place.
    Column(usize),
}

impl RowOrder {
    /// # Errors
    /// [`Usage`], if the table has no such column.
    pub fn new(sort: &str, is_reversed: bool, about: &RunDescription) -> Result<Self> {
        let by = match sort {
            "path" => SortedBy::Path,
            "part" => SortedBy::Part,
            column => {
                let at = about.columns.iter().position(|name| name == column);
                SortedBy::Column(at.ok_or_else(|| {
                    Usage::error(format!(
                        "--sort {column}: path, part or one of the columns: {}",
                        about.columns.join(", ")
                    ))
                })?)
            }
        };
        Ok(RowOrder {
            by,
            is_reversed,
            roots: about.roots.iter().map(|root| path_of(root)).collect(),
        })
    }

    /// Whether rows come by their paths, so that two rows of one path are neighbours.
    pub fn is_by_path(&self) -> bool {
        matches!(self.by, SortedBy::Path)
    }

    /// Whether parts follow one another.
    pub fn is_by_part(&self) -> bool {
        matches!(self.by, SortedBy::Part)
    }

    /// The place of a row. Its first cell is its path.
    pub fn key(&self, row: &FlatRow) -> SortKey {
        let value = match self.by {
            SortedBy::Path => {
                let path = path_of(&row[0]);
                KeyValue::Path(root_number(&self.roots, &path), path)
            }
            SortedBy::Part => KeyValue::Empty,
            SortedBy::Column(at) => match &row[at] {
                "" => KeyValue::Empty,
                text => match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => KeyValue::Number(number),
                    _ => KeyValue::Text(text.to_owned()),
                },
            },
        };
        SortKey {
            value,
            is_reversed: self.is_reversed,
        }
    }
}

/// The place of a row in the order.
#[derive(Debug, Clone)]
pub struct SortKey {
    value: KeyValue,
    is_reversed: bool,
}

#[derive(Debug, Clone)]
enum KeyValue {
    /// The number of the folder, and the path.
    Path(usize, PathBuf),
    Number(f64),
    Text(String),
    /// After all others, in both directions.
    Empty,
}

impl SortKey {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        size_of::<SortKey>()
            + match &self.value {
                KeyValue::Path(_, path) => path.as_os_str().len(),
                KeyValue::Text(text) => text.len(),
                KeyValue::Number(_) | KeyValue::Empty => 0,
            }
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = match (&self.value, &other.value) {
            (KeyValue::Empty, KeyValue::Empty) => return Ordering::Equal,
            (KeyValue::Empty, _) => return Ordering::Greater,
            (_, KeyValue::Empty) => return Ordering::Less,
            (KeyValue::Path(root, path), KeyValue::Path(other_root, other_path)) => root
                .cmp(other_root)
                .then_with(|| walk_order(path, other_path)),
            (KeyValue::Number(a), KeyValue::Number(b)) => a.total_cmp(b),
            (KeyValue::Text(a), KeyValue::Text(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        };
        if self.is_reversed {
            order.reverse()
        } else {
            order
        }
    }
}

impl KeyValue {
    fn rank(&self) -> u8 {
        match self {
            KeyValue::Path(..) => 0,
            KeyValue::Number(_) => 1,
            KeyValue::Text(_) => 2,
            KeyValue::Empty => 3,
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKey {}
