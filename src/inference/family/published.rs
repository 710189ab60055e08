//! The weights that torchxrayvision publishes: where they are, their labels, their operating points.
//!
//! Addresses, labels and operating points are those of `torchxrayvision.models.model_urls`, version
//! 1.5.7 (Apache-2.0; Cohen et al. 2022, arXiv:2111.00595). An empty label and a NaN stand for an
//! output that was not trained. Digests are those of `model.pt` in the repositories of the
//! organisation torchxrayvision on Hugging Face, as their Git LFS pointers give them; that of
//! `densenet121-res224-all` is also the one of the release on GitHub. For the others no digest from
//! the authors was at hand, and none is made up: they are recognised by their operating points where
//! a file holds those.

use super::ModelFamily;

/// Labels of a network's outputs, and what is known of them.
#[derive(Debug)]
pub struct Published {
    /// `densenet121-res224-all`
    pub name: &'static str,
    pub family: ModelFamily,
    pub url: &'static str,
    /// Of the file at `url`, lower-case hexadecimal.
    pub sha256: Option<&'static str>,
    pub training_data: &'static str,
    targets: &'static [&'static str],
    op_threshs: &'static [f32],
}

impl Published {
    /// By the digest of a file.
    pub fn with_sha256(sha256: &str) -> Option<&'static Published> {
        PUBLISHED.iter().find(|set| set.sha256 == Some(sha256))
    }

    /// By its name, or the last word of it if no other set ends in that: `densenet121-res224-nih`,
    /// `nih`.
    pub fn named(name: &str) -> Option<&'static Published> {
        let is = |set: &&Published| {
            set.name == name || set.name.strip_prefix("densenet121-res224-") == Some(name)
        };
        PUBLISHED.iter().find(is)
    }

    /// By the labels and operating points that a file holds: all of them, to seven digits.
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

    /// One for each output, in order; empty where it was not trained.
    pub fn labels(&self) -> Vec<String> {
        self.targets.iter().map(|&label| label.to_owned()).collect()
    }

    /// One for each output, in order; `None` where it was not trained.
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

/// Every set of weights that cxr knows.
pub static PUBLISHED: [Published; 8] = [
    Published {
        name: "densenet121-res224-all",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: Some("56524913dd16a906422e8d8b66a7a5c46be1d82eb7ac012d8103776f1aa68899"),
        training_data: "NIH ChestX-ray14, PadChest, CheXpert, MIMIC-CXR (CheXpert labels), Google, OpenI, RSNA (arXiv:2002.02497)",
        targets: &PATHOLOGIES,
        op_threshs: &[
            0.07422872,
            0.038290843,
            0.09814756,
            0.0098118475,
            0.023601074,
            0.0022490358,
            0.010060724,
            0.103246614,
            0.056810737,
            0.026791653,
            0.050318155,
            0.023985857,
            0.01939503,
            0.042889766,
            0.053369623,
            0.035975814,
            0.20204692,
            0.05015312,
        ],
    },
    Published {
        name: "densenet121-res224-nih",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/nih-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: None,
        training_data: "NIH ChestX-ray14",
        targets: &[
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
            "",
            "",
            "",
            "",
        ],
        op_threshs: &[
            0.039117552,
            0.0034529066,
            0.11396341,
            0.0057298196,
            0.00045666535,
            0.0018880932,
            0.012037827,
            0.038744126,
            0.0037213727,
            0.014730946,
            0.016149804,
            0.054241467,
            0.037198864,
            0.0004403434,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
        ],
    },
    Published {
        name: "densenet121-res224-pc",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/pc-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: Some("a9148ef62ae4e7a31a9bed8cef22811f39681cd61e4390398936efc6280af521"),
        training_data: "PadChest",
        targets: &[
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
            "",
            "Fracture",
            "",
            "",
        ],
        op_threshs: &[
            0.031012505,
            0.013347598,
            0.081435576,
            0.001262615,
            0.002587246,
            0.0035944257,
            0.0023071,
            0.055412333,
            0.044385884,
            0.042766232,
            0.043258056,
            0.037629247,
            0.005658899,
            0.0091741895,
            f32::NAN,
            0.026507627,
            f32::NAN,
            f32::NAN,
        ],
    },
    Published {
        name: "densenet121-res224-rsna",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: Some("906a59f48cf09638b745d66848a6c6f9d741368c66244717a81207329d140268"),
        training_data: "RSNA Pneumonia Detection Challenge",
        targets: &[
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "Pneumonia",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "Lung Opacity",
            "",
        ],
        op_threshs: &[
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            0.13486601,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            0.13511065,
            f32::NAN,
        ],
    },
    Published {
        name: "densenet121-res224-chex",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/chex-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: None,
        training_data: "CheXpert",
        targets: &[
            "Atelectasis",
            "Consolidation",
            "",
            "Pneumothorax",
            "Edema",
            "",
            "",
            "Effusion",
            "Pneumonia",
            "",
            "Cardiomegaly",
            "",
            "",
            "",
            "Lung Lesion",
            "Fracture",
            "Lung Opacity",
            "Enlarged Cardiomediastinum",
        ],
        op_threshs: &[
            0.1988969,
            0.05710573,
            f32::NAN,
            0.0531293,
            0.1435217,
            f32::NAN,
            f32::NAN,
            0.27212676,
            0.07749717,
            f32::NAN,
            0.19712369,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            0.09932402,
            0.09273402,
            0.3270967,
            0.10888247,
        ],
    },
    Published {
        name: "densenet121-res224-mimic_nb",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/mimic_nb-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: None,
        training_data: "MIMIC-CXR, labels by NegBio",
        targets: &[
            "Atelectasis",
            "Consolidation",
            "",
            "Pneumothorax",
            "Edema",
            "",
            "",
            "Effusion",
            "Pneumonia",
            "",
            "Cardiomegaly",
            "",
            "",
            "",
            "Lung Lesion",
            "Fracture",
            "Lung Opacity",
            "Enlarged Cardiomediastinum",
        ],
        op_threshs: &[
            0.08558747,
            0.011884617,
            f32::NAN,
            0.0040595434,
            0.010733786,
            f32::NAN,
            f32::NAN,
            0.118761964,
            0.022924708,
            f32::NAN,
            0.06358637,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            0.022143636,
            0.017476924,
            0.1258702,
            0.014020768,
        ],
    },
    Published {
        name: "densenet121-res224-mimic_ch",
        family: ModelFamily::XrvDensenet121,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/mimic_ch-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        sha256: Some("23b13a04459684ffa41247d068207a7657b4e1b4dec2b02431f5026bd75b1189"),
        training_data: "MIMIC-CXR, labels by the CheXpert labeller",
        targets: &[
            "Atelectasis",
            "Consolidation",
            "",
            "Pneumothorax",
            "Edema",
            "",
            "",
            "Effusion",
            "Pneumonia",
            "",
            "Cardiomegaly",
            "",
            "",
            "",
            "Lung Lesion",
            "Fracture",
            "Lung Opacity",
            "Enlarged Cardiomediastinum",
        ],
        op_threshs: &[
            0.09121389,
            0.010573786,
            f32::NAN,
            0.005023008,
            0.003698257,
            f32::NAN,
            f32::NAN,
            0.08001232,
            0.037242252,
            f32::NAN,
            0.05006329,
            f32::NAN,
            f32::NAN,
            f32::NAN,
            0.019866971,
            0.03823637,
            0.11303808,
            0.0069147074,
        ],
    },
    Published {
        name: "resnet50-res512-all",
        family: ModelFamily::XrvResnet50_512,
        url: "https://github.com/mlmed/torchxrayvision/releases/download/v1/pc-nih-rsna-siim-vin-resnet50-test512-e400-state.pt",
        sha256: None,
        training_data: "PadChest, NIH ChestX-ray14, RSNA, SIIM, VinDr-CXR, at 512 × 512",
        targets: &PATHOLOGIES,
        op_threshs: &[
            0.51570356,
            0.50444704,
            0.53787947,
            0.50723547,
            0.5025118,
            0.5035252,
            0.5038076,
            0.51862943,
            0.5078151,
            0.50724894,
            0.5056339,
            0.510706,
            0.5053923,
            0.5020846,
            f32::NAN,
            0.5080557,
            0.5138526,
            f32::NAN,
        ],
    },
];
