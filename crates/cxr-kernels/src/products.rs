//! The ways to compute products: the precision of factors, and the instructions for it.

use crate::isa::{Kernels, PairKernels};
use crate::memory::LINE;
use crate::tiles::TileUnit;

/// The precision of the factors of products. Sums are always `f32`.
///
/// Integers of 8 bits (VNNI) were measured and left out; one core of Zen 4, bundled network. With one scale per
/// pixel, found while its channels are packed, all 1 × 1 convolutions take 3.6 ms per image, and 4.8 ms in
/// `bf16`. But in a bottleneck `bf16` needs no packing, which leaves a factor of 1.2, and an estimated 1.15 for the
/// whole network. Scales fixed in advance would save the packing, too (about 1.3 for the whole network), but need
/// radiographs to be fixed on. On 701 test radiographs both ways move a logit of presence by 0.12 on average and
/// 0.6 or 0.7 at most, mostly because the weights are rounded, while `bf16` moves it by 0.02 and 0.15. The AUC of
/// pneumonia moves by −0.0002 and −0.0008, that of COVID-19 by 0.0017 and 0.0024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KernelPrecision {
    /// Single precision.
    #[default]
    F32,
    /// `bfloat16` factors (8-bit mantissa) in all convolutions and linear layers of sixteen inputs and more, except in
    /// 3 × 3 convolutions that Winograd's way makes as fast in `f32`.
    Bf16,
    /// Each factor as the sum of two `bfloat16` numbers, the second of which is what the rounding of the first left.
    /// Three of the four products are summed; the fourth is as small as what is lost otherwise. In the same layers as
    /// `Bf16`, if they have 64 inputs and 64 outputs.
    Split,
}

/// Layers of fewer inputs or outputs are not split. They are narrow places, and all later layers inherit what they lose:
/// in the bundled network, the first two of them make 97 % of the squared difference from `f32`.
/// Tests have small layers.
const LEAST_SPLIT: usize = if cfg!(test) { LINE } else { 64 };

/// A way to compute products on this processor.
#[derive(Clone, Copy)]
pub struct Products(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Numbers,
    Pairs(&'static PairKernels),
    Tiles(TileProducts),
}

/// Products by tiles.
#[derive(Clone, Copy)]
pub struct TileProducts {
    pub unit: &'static TileUnit,
    /// Whether each factor is split in two.
    pub split: bool,
}

impl Products {
    /// Factors in `f32`, which every processor has.
    pub const F32: Products = Products(Kind::Numbers);

    /// The ways for a precision that this processor has with these kernels, the one that is expected to be the
    /// fastest first. Empty if it has none.
    pub fn ways(precision: KernelPrecision, kernels: &'static Kernels) -> Vec<Products> {
        let tiles = |split| {
            let unit = TileUnit::here()?;
            Some(Products(Kind::Tiles(TileProducts { unit, split })))
        };
        let pairs = || kernels.pairs().map(|pairs| Products(Kind::Pairs(pairs)));
        match precision {
            KernelPrecision::F32 => vec![Products::F32],
            KernelPrecision::Bf16 => tiles(false).into_iter().chain(pairs()).collect(),
            KernelPrecision::Split => tiles(true).into_iter().collect(),
        }
    }

    /// The precision of its factors.
    pub fn precision(self) -> KernelPrecision {
        match self.0 {
            Kind::Numbers => KernelPrecision::F32,
            Kind::Pairs(_) | Kind::Tiles(TileProducts { split: false, .. }) => {
                KernelPrecision::Bf16
            }
            Kind::Tiles(TileProducts { split: true, .. }) => KernelPrecision::Split,
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Numbers => "f32",
            Kind::Pairs(_) => "bf16 by pairs",
            Kind::Tiles(tiles) => match (tiles.split, tiles.unit.is_model) {
                (false, false) => "bf16 by tiles",
                (true, false) => "split by tiles",
                (false, true) => "bf16 by modelled tiles",
                (true, true) => "split by modelled tiles",
            },
        }
    }

    /// Whether it runs on the portable model of tiles, which the environment variable `CXR_TILES=model` asks for: for
    /// tests, and to measure differences. It is never fast.
    pub fn is_model(self) -> bool {
        matches!(self.0, Kind::Tiles(tiles) if tiles.unit.is_model)
    }

    /// The way for a layer with these numbers of inputs and outputs. With few inputs, most of a pair or a tile is padding.
    pub(crate) fn for_layer(self, inputs: usize, outputs: usize) -> Products {
        let suits = match self.precision() {
            KernelPrecision::F32 | KernelPrecision::Bf16 => inputs >= LINE,
            KernelPrecision::Split => inputs.min(outputs) >= LEAST_SPLIT,
        };
        if suits { self } else { Products::F32 }
    }

    /// The microkernels for pairs, if it multiplies those.
    pub(crate) fn pairs(self) -> Option<&'static PairKernels> {
        match self.0 {
            Kind::Pairs(pairs) => Some(pairs),
            Kind::Numbers | Kind::Tiles(_) => None,
        }
    }

    /// How it uses tiles, if it does.
    pub(crate) fn tiles(self) -> Option<TileProducts> {
        match self.0 {
            Kind::Tiles(tiles) => Some(tiles),
            Kind::Numbers | Kind::Pairs(_) => None,
        }
    }

    /// Both ways by the portable model of tiles.
    #[cfg(test)]
    pub(crate) fn by_model() -> [Products; 2] {
        [false, true].map(|split| {
            let unit = TileUnit::model();
            Products(Kind::Tiles(TileProducts { unit, split }))
        })
    }
}

impl PartialEq for Products {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Products {}

impl std::fmt::Debug for Products {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
