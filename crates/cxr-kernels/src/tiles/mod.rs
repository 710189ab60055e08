//! Products of matrices by tiles: registers of 16 rows of 64 bytes, and an instruction that multiplies two of them
//! (Intel's AMX). Factors are `bf16`, sums are `f32`.
//!
//! The microkernel is written once over [`TileRegisters`]. [`amx`] has the instructions of the processor, and
//! [`model`] does the same in plain Rust, so that everything but the instructions is tested on every machine.

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod amx;
mod model;

use std::sync::OnceLock;

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
use self::amx::Amx;
use self::model::Model;

/// Rows of a tile: positions of a tile of inputs or sums, and pairs of inputs of a tile of weights.
pub const ROWS: usize = 16;
/// Output channels of a tile of weights or sums.
pub const COLUMNS: usize = 16;
/// Inputs of a tile.
pub const DEPTH: usize = 32;
/// Numbers of a tile of `bf16`.
pub const TILE: usize = ROWS * DEPTH;
/// Tiles that are computed at once, in both directions. With four tiles of sums, two of inputs and two of weights, all
/// eight registers are in use.
pub const AT_ONCE: usize = 2;
/// From a position's sums to the next.
pub const SUMS: usize = AT_ONCE * COLUMNS;

/// Eight registers, set up for tiles of their full size.
///
/// # Safety
/// All functions need a processor with the instructions of the type.
pub trait TileRegisters {
    /// Sets the registers up for this thread. They are released when the value is dropped.
    unsafe fn new() -> Self;
    /// Fills register `T` with zeros.
    unsafe fn zero<const T: usize>(&mut self);
    /// Loads register `T`. `row` numbers lie between the beginnings of two rows. All rows are read.
    unsafe fn load<const T: usize>(&mut self, from: *const u16, row: usize);
    /// Adds the product of the inputs in `A` and the weights in `B` to the sums in `S`: `TDPBF16PS` of Intel's manual.
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self);
    /// Stores register `T`. `row` numbers lie between the beginnings of two rows. All rows are written.
    unsafe fn store<const T: usize>(&self, to: *mut f32, row: usize);
}

/// Positions that lie side by side, and the weights for up to [`SUMS`] output channels.
pub struct TilePanel<'a> {
    /// The first position's first number. Whole tiles of positions are read.
    pub input: *const u16,
    /// From a number to what its rounding left, if factors are split.
    pub low: usize,
    /// From a position to the next.
    pub position: usize,
    pub positions: usize,
    /// From a position to each tap of its neighbourhood.
    pub taps: &'a [usize],
    /// Tiles of inputs of a tap.
    pub depth: usize,
    /// For each tap and each tile of inputs, a tile for every [`COLUMNS`] channels; then, if factors are split, those of
    /// what the rounding left.
    pub weights: *const u16,
    /// Room for [`AT_ONCE`] · [`ROWS`] positions' sums, [`SUMS`] each.
    pub sums: *mut f32,
}

/// Takes the sums of some positions: the first of them, and how many there are.
pub type TakeSums<'a> = &'a mut dyn FnMut(usize, usize);

/// Computes a panel, some positions after the other.
pub type Multiply = unsafe fn(&TilePanel, TakeSums);

/// What multiplies tiles.
pub struct TileUnit {
    /// Whether this is the portable model.
    pub is_model: bool,
    /// `[tiles of channels − 1][whether factors are split]`
    pub multiply: [[Multiply; 2]; AT_ONCE],
}

impl TileUnit {
    /// That of this processor, if it has one that the system lets this process use. With `CXR_TILES=model` in the
    /// environment, the portable model.
    pub fn here() -> Option<&'static TileUnit> {
        static HERE: OnceLock<Option<&'static TileUnit>> = OnceLock::new();
        *HERE.get_or_init(|| {
            if std::env::var_os("CXR_TILES").is_some_and(|name| name == "model") {
                return Some(&MODEL);
            }
            #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
            if amx::is_permitted() {
                return Some(&AMX);
            }
            None
        })
    }

    /// The portable model.
    #[cfg(test)]
    pub fn model() -> &'static TileUnit {
        &MODEL
    }
}

static MODEL: TileUnit = TileUnit {
    is_model: true,
    multiply: [
        [multiply::<Model, 1, false>, multiply::<Model, 1, true>],
        [multiply::<Model, 2, false>, multiply::<Model, 2, true>],
    ],
};

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
static AMX: TileUnit = TileUnit {
    is_model: false,
    multiply: [
        [multiply::<Amx, 1, false>, multiply::<Amx, 1, true>],
        [multiply::<Amx, 2, false>, multiply::<Amx, 2, true>],
    ],
};

/// Computes a panel of `WIDE` tiles of channels.
///
/// # Safety
/// The pointers are valid for the sizes that the panel gives. Meanwhile no other thread writes what is read here, or
/// reads or writes the sums. The processor has the instructions of `T`.
unsafe fn multiply<T: TileRegisters, const WIDE: usize, const SPLIT: bool>(
    panel: &TilePanel,
    take: TakeSums,
) {
    // SAFETY: the caller vouches for the processor.
    let mut registers = unsafe { T::new() };
    for first in (0..panel.positions).step_by(AT_ONCE * ROWS) {
        let count = (panel.positions - first).min(AT_ONCE * ROWS);
        let input = panel.input.wrapping_add(first * panel.position);
        // SAFETY: the caller vouches for the panel; tiles that hold none of the positions are not read.
        unsafe {
            if count > ROWS {
                sum::<T, 2, WIDE, SPLIT>(&mut registers, panel, input);
            } else {
                sum::<T, 1, WIDE, SPLIT>(&mut registers, panel, input);
            }
        }
        take(first, count);
    }
}

/// The sums of `HIGH` tiles of positions from `input` on, and `WIDE` tiles of channels.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn sum<T: TileRegisters, const HIGH: usize, const WIDE: usize, const SPLIT: bool>(
    registers: &mut T,
    panel: &TilePanel,
    input: *const u16,
) {
    // SAFETY: the caller vouches for the panel.
    unsafe {
        registers.zero::<0>();
        registers.zero::<1>();
        registers.zero::<2>();
        registers.zero::<3>();
        let mut weights = panel.weights;
        for tap in panel.taps {
            let mut at = input.wrapping_add(*tap);
            for _ in 0..panel.depth {
                let low_weights = weights.wrapping_add(WIDE * TILE);
                load_inputs::<T, HIGH>(registers, panel, at);
                if SPLIT {
                    load_weights::<T, WIDE>(registers, low_weights);
                    multiply_all::<T, HIGH, WIDE>(registers);
                }
                load_weights::<T, WIDE>(registers, weights);
                multiply_all::<T, HIGH, WIDE>(registers);
                weights = low_weights;
                if SPLIT {
                    load_inputs::<T, HIGH>(registers, panel, at.wrapping_add(panel.low));
                    multiply_all::<T, HIGH, WIDE>(registers);
                    weights = weights.wrapping_add(WIDE * TILE);
                }
                at = at.wrapping_add(DEPTH);
            }
        }
        registers.store::<0>(panel.sums, SUMS);
        if WIDE > 1 {
            registers.store::<1>(panel.sums.wrapping_add(COLUMNS), SUMS);
        }
        if HIGH > 1 {
            let second = panel.sums.wrapping_add(ROWS * SUMS);
            registers.store::<2>(second, SUMS);
            if WIDE > 1 {
                registers.store::<3>(second.wrapping_add(COLUMNS), SUMS);
            }
        }
    }
}

/// Loads the inputs of `HIGH` tiles of positions into registers 4 and 5.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn load_inputs<T: TileRegisters, const HIGH: usize>(
    registers: &mut T,
    panel: &TilePanel,
    at: *const u16,
) {
    // SAFETY: the caller vouches for the panel.
    unsafe {
        registers.load::<4>(at, panel.position);
        if HIGH > 1 {
            registers.load::<5>(at.wrapping_add(ROWS * panel.position), panel.position);
        }
    }
}

/// Loads `WIDE` tiles of weights into registers 6 and 7.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn load_weights<T: TileRegisters, const WIDE: usize>(registers: &mut T, at: *const u16) {
    // SAFETY: the caller vouches for the panel.
    unsafe {
        registers.load::<6>(at, DEPTH);
        if WIDE > 1 {
            registers.load::<7>(at.wrapping_add(TILE), DEPTH);
        }
    }
}

/// Adds the products of the loaded tiles to the sums.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn multiply_all<T: TileRegisters, const HIGH: usize, const WIDE: usize>(registers: &mut T) {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        registers.multiply::<0, 4, 6>();
        if WIDE > 1 {
            registers.multiply::<1, 4, 7>();
        }
        if HIGH > 1 {
            registers.multiply::<2, 5, 6>();
            if WIDE > 1 {
                registers.multiply::<3, 5, 7>();
            }
        }
    }
}
