//! The result of one item of the walk, and its row.

use std::path::{Path, PathBuf};

use crate::commands::shared::batch::StatusCounts;
use crate::domain::text::clean;
use crate::domain::{ContentId, Failure, Prediction, Prevalences};
use crate::export::{Cell, RowOf};
use crate::imaging::{DecodeLimits, content_of};
use crate::library::UnreadFormat;

/// An item of the walk, and its result.
pub struct FinishedRow {
    pub path: PathBuf,
    pub outcome: RowOutcome,
    /// The row; none for a file that has none.
    pub cells: Option<Vec<Cell>>,
    /// The name of a film whose header could not be read, where its study is wanted.
    pub unread_header: Option<String>,
}

/// The result of one item of the walk.
pub enum RowOutcome {
    Read(Box<Prediction>),
    /// A file that is not meant to hold an image.
    Skipped {
        kind: String,
        content: ContentId,
    },
    Failed(String),
    /// A problem with a folder. It is also printed, since the table is of images.
    Problem(String),
    /// A format that is not read. It has a row only with `--list-unread`.
    Unread(UnreadFormat),
    /// A file whose content an earlier table has a row for. It has none here.
    Known,
    /// A film of a study in another shard. It has no row here.
    Elsewhere,
}

impl RowOutcome {
    /// The result of reading the image at `path`.
    pub fn of(
        path: &Path,
        read: Result<Prediction, Failure>,
        assumed: &Prevalences,
        limits: &DecodeLimits,
    ) -> Self {
        match read {
            Ok(prediction) => RowOutcome::Read(Box::new(prediction.assuming(assumed))),
            Err(Failure::NoPicture(kind)) => match content_of(path, limits) {
                Ok(content) => RowOutcome::Skipped { kind, content },
                Err(error) => RowOutcome::Failed(clean(&error.to_string())),
            },
            Err(Failure::Failed(reason)) => RowOutcome::Failed(reason),
        }
    }

    /// The same without what the table does not hold.
    pub fn without_maps(mut self) -> Self {
        if let RowOutcome::Read(prediction) = &mut self {
            prediction.activation = None;
            prediction.lung_fields = None;
        }
        self
    }

    /// The content of the file that the row is about, as far as it was read.
    pub fn content(&self) -> Option<ContentId> {
        match self {
            RowOutcome::Read(prediction) => Some(prediction.content),
            RowOutcome::Skipped { content, .. } => Some(*content),
            _ => None,
        }
    }

    /// Whether the file may be a film with a header.
    pub fn is_of_film(&self) -> bool {
        !matches!(
            self,
            RowOutcome::Problem(_) | RowOutcome::Unread(_) | RowOutcome::Known
        )
    }

    /// The row for the table.
    pub fn as_row(&self) -> RowOf<'_> {
        match self {
            RowOutcome::Read(prediction) => RowOf::Read(prediction),
            RowOutcome::Unread(format) => RowOf::Unread(format),
            RowOutcome::Skipped { kind, content } => RowOf::Skipped {
                kind,
                content: *content,
            },
            RowOutcome::Failed(reason) | RowOutcome::Problem(reason) => RowOf::Failed(reason),
            RowOutcome::Known | RowOutcome::Elsewhere => RowOf::Failed(""),
        }
    }

    /// Counts the result for the summary.
    pub fn count(&self, tally: &mut StatusCounts) {
        match self {
            RowOutcome::Read(prediction) => tally.count(Some(prediction)),
            RowOutcome::Skipped { kind, .. } => tally.skip(kind),
            RowOutcome::Failed(_) | RowOutcome::Problem(_) => tally.count(None),
            RowOutcome::Unread(_) => tally.unread += 1,
            RowOutcome::Known => tally.known += 1,
            RowOutcome::Elsewhere => {}
        }
    }
}
