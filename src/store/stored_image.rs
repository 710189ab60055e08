//! An image in a line of reviews.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::place::{bytes_of, path_from};
use crate::domain::{ImageIdentity, Uids};

#[derive(Serialize, Deserialize)]
struct StoredImage {
    sha256: String,
    path: StoredPath,
    study: Option<String>,
    series: Option<String>,
    sop: Option<String>,
    patient: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredPath {
    Text(String),
    /// Not UTF-8.
    Bytes(Vec<u8>),
}

impl From<&Path> for StoredPath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => StoredPath::Text(text.to_owned()),
            None => StoredPath::Bytes(bytes_of(path).to_vec()),
        }
    }
}

impl From<StoredPath> for PathBuf {
    fn from(stored: StoredPath) -> Self {
        match stored {
            StoredPath::Text(text) => text.into(),
            StoredPath::Bytes(bytes) => path_from(bytes),
        }
    }
}

impl From<&ImageIdentity> for StoredImage {
    fn from(image: &ImageIdentity) -> Self {
        StoredImage {
            sha256: image.sha256.clone(),
            path: image.path.as_path().into(),
            study: image.uids.study.clone(),
            series: image.uids.series.clone(),
            sop: image.uids.sop_instance.clone(),
            patient: image.patient_id.clone(),
        }
    }
}

impl From<StoredImage> for ImageIdentity {
    fn from(stored: StoredImage) -> Self {
        ImageIdentity {
            sha256: stored.sha256,
            path: stored.path.into(),
            uids: Uids {
                study: stored.study,
                series: stored.series,
                sop_instance: stored.sop,
            },
            patient_id: stored.patient,
        }
    }
}

pub fn serialize<S: Serializer>(image: &ImageIdentity, to: S) -> Result<S::Ok, S::Error> {
    StoredImage::from(image).serialize(to)
}

pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<ImageIdentity, D::Error> {
    StoredImage::deserialize(from).map(Into::into)
}
