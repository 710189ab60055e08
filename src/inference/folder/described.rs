//! What a folder says of its network, in the words of cxr.

use crate::domain::NetworkSettings;

/// A network, before its weights are read.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedNetwork {
    /// The name of the original: a class of transformers, or a model of timm or torchvision.
    pub class: String,
    /// Its name on cards.
    pub architecture: String,
    /// What the architecture needs beside its name.
    pub settings: NetworkSettings,
    pub layout: NameLayout,
    /// Channels of its input: 1 or 3.
    pub channels: usize,
    /// The side of the images that it takes; `None` where it takes others too.
    pub side: Option<usize>,
}

impl DescribedNetwork {
    /// The original, in a sentence.
    pub fn with_article(&self) -> String {
        match self.layout {
            NameLayout::Transformers => format!("a {}", self.class),
            NameLayout::Timm | NameLayout::Torchvision => self.class.clone(),
        }
    }
}

/// Whose names the tensors of a file have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameLayout {
    Transformers,
    Timm,
    Torchvision,
}

impl NameLayout {
    /// The library.
    pub fn library(self) -> &'static str {
        match self {
            NameLayout::Transformers => "transformers",
            NameLayout::Timm => "timm",
            NameLayout::Torchvision => "torchvision",
        }
    }

    /// What its configs call the side of the images.
    pub fn side_key(self) -> &'static str {
        match self {
            NameLayout::Transformers => "image_size",
            NameLayout::Timm | NameLayout::Torchvision => "img_size",
        }
    }
}
