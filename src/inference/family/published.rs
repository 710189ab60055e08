//! The weights that torchxrayvision publishes: addresses, labels, operating points.
//!
//! Addresses, labels and operating points are those of `torchxrayvision.models.model_urls`, version
//! 1.5.7 (Apache-2.0; Cohen et al. 2022, arXiv:2111.00595). An empty label and a NaN stand for an
//! output that was not trained. Digests are those of `model.pt` in the repositories of the
//! organisation torchxrayvision on Hugging Face, as their Git LFS pointers give them; that of
//! `densenet121-res224-all` is also that of the release on GitHub. Those of the others are what the hub states when
//! they are fetched. A file with another digest may have the labels and operating points of one of them: then they say
//! which network it is, and not which weights, for they stay when it is trained further.

mod weights;

use super::ModelFamily;
pub use weights::PUBLISHED;

/// Published weights, with the labels and operating points of their outputs.
#[derive(Debug)]
pub struct Published {
    /// `densenet121-res224-all`
    pub name: &'static str,
    pub family: ModelFamily,
    pub url: &'static str,
    /// SHA-256 of the file, lower-case hexadecimal; `None` where only the hub states it.
    pub sha256: Option<&'static str>,
    pub training_data: &'static str,
    targets: &'static [&'static str],
    op_threshs: &'static [f32],
}

/// How a checkpoint is known.
#[derive(Debug, Clone, Copy)]
pub enum Recognition {
    /// It is these weights: its digest says so, or it is from the place where these are published.
    Published(&'static Published),
    /// It has their labels and operating points, which stay when a network is trained further.
    Outputs(&'static Published),
}

impl Recognition {
    /// The weights whose network, labels and operating points it has.
    pub fn outputs(self) -> &'static Published {
        match self {
            Recognition::Published(known) | Recognition::Outputs(known) => known,
        }
    }
}

impl Published {
    /// The weights whose file has this digest.
    pub fn with_sha256(sha256: &str) -> Option<&'static Published> {
        PUBLISHED.iter().find(|set| set.sha256 == Some(sha256))
    }

    /// The weights with this name, or with this last word of a name: `densenet121-res224-nih`, `nih`.
    pub fn named(name: &str) -> Option<&'static Published> {
        let is = |set: &&Published| {
            set.name == name || set.name.strip_prefix("densenet121-res224-") == Some(name)
        };
        PUBLISHED.iter().find(is)
    }

    /// The weights with exactly these labels, and these operating points to seven digits.
    pub fn with_outputs(
        labels: &[String],
        op_threshs: &[Option<f32>],
    ) -> Option<&'static Published> {
        let same = |ours: &f32, theirs: &Option<f32>| match theirs {
            Some(theirs) => (ours - theirs).abs() <= 1e-7 * theirs.abs(),
            None => ours.is_nan(),
        };
        PUBLISHED.iter().find(|set| {
            set.targets == labels
                && set.op_threshs.len() == op_threshs.len()
                && set
                    .op_threshs
                    .iter()
                    .zip(op_threshs)
                    .all(|(a, b)| same(a, b))
        })
    }

    /// One label for each output, in order; empty if the output was not trained.
    pub fn labels(&self) -> Vec<String> {
        self.targets.iter().map(|&label| label.to_owned()).collect()
    }

    /// One operating point for each output, in order; `None` if the output was not trained.
    pub fn op_threshs(&self) -> Vec<Option<f32>> {
        super::thresholds(self.op_threshs)
    }
}

/// `torchxrayvision.datasets.default_pathologies`.
pub const PATHOLOGIES: [&str; 18] = [
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
];

/// `CLASS_NAMES` of arnoweng/CheXNet.
pub const CHEXNET: [&str; 14] = [
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
];
