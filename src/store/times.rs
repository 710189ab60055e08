//! The times of reviews.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::params_from_iter;

use super::words::is_within;
use super::{Store, StoreError};

/// When a reader made one entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewTime {
    /// Name of the reader.
    pub reviewer: String,
    /// SHA-256 of the image.
    pub image: String,
    /// Since 1970, by the clock of the reader's machine.
    pub at: Duration,
}

impl Store {
    /// The times of all reviews, in the order of the log. With `within`, only of images that were reviewed below one of
    /// these folders (or at exactly that path).
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn review_times(&self, within: &[PathBuf]) -> Result<Vec<ReviewTime>, StoreError> {
        let (condition, values) = is_within(within);
        let sql =
            format!("SELECT reviewer, image, at_ms FROM review WHERE {condition} ORDER BY id");
        let found = self.connection.prepare(&sql).and_then(|mut statement| {
            let rows = statement.query_map(params_from_iter(values), |row| {
                let at: i64 = row.get(2)?;
                Ok(ReviewTime {
                    reviewer: row.get(0)?,
                    image: row.get(1)?,
                    at: Duration::from_millis(u64::try_from(at).unwrap_or(0)),
                })
            })?;
            rows.collect()
        });
        self.read(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    #[test]
    fn times_are_in_the_order_of_the_log_and_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("reviews.sqlite")).unwrap();
        for number in [2, 1] {
            store.append(&entry(number, "agree")).unwrap();
        }
        let mut elsewhere = entry(3, "agree");
        elsewhere.image.path = "/y/3.png".into();
        store.append(&elsewhere).unwrap();
        let images = |within: &[PathBuf]| -> Vec<(String, u128)> {
            let times = store.review_times(within).unwrap().into_iter();
            let all = times.map(|time| {
                assert_eq!(time.reviewer, "ann");
                (
                    time.image.trim_start_matches('0').to_owned(),
                    time.at.as_millis(),
                )
            });
            all.collect()
        };
        let of = |n: u64| (n.to_string(), 1_769_860_800_123 + u128::from(n));
        assert_eq!(images(&["/x/ward".into()]), [of(2), of(1)]);
        assert_eq!(images(&[]), [of(2), of(1), of(3)]);
    }
}
