//! How a network is computed.

use std::sync::OnceLock;
use std::thread;

use candle_core::DType;
use cxr_kernels::KernelPrecision;
pub use cxr_kernels::alone;

use crate::domain::ModelCard;

use super::InferenceError;
use super::device::DeviceChoice;

/// Images that a graphics processor computes at once, at most: enough that starting a kernel costs less than its
/// work, while the largest intermediate of ResNet-50 at 512 × 512, its 3 × 3 windows side by side, takes 1.2 GB in
/// `f32`.
pub(super) const BATCH: usize = 32;

/// How networks are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compute {
    pub engine: Engine,
    /// The kernels compute on the CPU only.
    pub device: DeviceChoice,
    pub precision: Precision,
}

/// The implementation of a network's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The kernels of [`cxr_kernels`].
    #[default]
    Kernels,
    /// Candle's own operations: slow on a CPU. The kernels are compared with them.
    Candle,
}

/// The precision of a network's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    #[default]
    F32,
    /// bfloat16 (8-bit mantissa) factors in the kernels' products, sums in `f32`.
    Bf16,
    /// Each `f32` factor of the kernels' products as the sum of two bfloat16 numbers, sums in `f32`.
    Split,
    /// float16 (11-bit mantissa) for all numbers, on a graphics processor. Candle computes the same on the CPU,
    /// to compare.
    F16,
}

impl Precision {
    /// Its name in options, tables and cards.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Split => "split",
            Precision::F16 => "f16",
        }
    }

    /// The precision for the kernels.
    pub(super) fn of_kernels(self) -> KernelPrecision {
        match self {
            Precision::Bf16 => KernelPrecision::Bf16,
            Precision::Split => KernelPrecision::Split,
            Precision::F32 | Precision::F16 => KernelPrecision::F32,
        }
    }

    /// The type of candle's tensors.
    pub(super) fn of_candle(self) -> DType {
        match self {
            Precision::F16 => DType::F16,
            Precision::F32 | Precision::Bf16 | Precision::Split => DType::F32,
        }
    }
}

impl From<KernelPrecision> for Precision {
    fn from(precision: KernelPrecision) -> Self {
        match precision {
            KernelPrecision::F32 => Precision::F32,
            KernelPrecision::Bf16 => Precision::Bf16,
            KernelPrecision::Split => Precision::Split,
        }
    }
}

impl Compute {
    /// Whether the engine has this precision on this device.
    ///
    /// # Errors
    /// If it has not; the reason names the options.
    pub fn check(self) -> Result<(), InferenceError> {
        let reason = match (self.device, self.engine, self.precision) {
            (DeviceChoice::Cpu, Engine::Kernels, Precision::F16) => {
                "--precision f16 is for graphics processors; on the CPU only --engine candle has it, to compare"
            }
            (DeviceChoice::Cpu, Engine::Candle, Precision::Bf16 | Precision::Split) => {
                "--engine candle computes in f32 or f16"
            }
            (DeviceChoice::Cpu, ..) => return Ok(()),
            (_, Engine::Kernels, _) => "--engine kernels computes on the CPU only",
            (.., Precision::Bf16) => {
                "--precision bf16 is for the CPU (--device cpu); graphics processors compute in f32 or f16"
            }
            (.., Precision::Split) => {
                "--precision split is for the CPU (--device cpu); graphics processors compute in f32 or f16"
            }
            _ => return Ok(()),
        };
        Err(InferenceError::Unsupported(reason))
    }

    /// The number of threads that should ask for predictions if `readers` of them open files. A graphics
    /// processor computes batches: while one is computed, the next one waits, and files are opened for the one
    /// after it.
    pub fn callers(self, readers: usize) -> usize {
        match self.device {
            DeviceChoice::Cpu => readers,
            DeviceChoice::Cuda(_) | DeviceChoice::Metal => {
                let waiting = 3 * readers;
                readers + waiting.min(2 * BATCH)
            }
        }
    }
}

/// Goes onto the card of a model that is computed in `bf16`. Measured with cxr-lite0 0.2.0 on the 1,672 test
/// radiographs that are frontal and no duplicates.
const BF16_LIMIT: &str = "Computed in bfloat16 (--precision bf16, 8-bit mantissa). With cxr-lite0 0.2.0 and 1,672 \
    test radiographs that moved a logit by 0.18 at most, 0.02 on average, and no AUC by more than 0.0002. With \
    0.3.0 and 1,000 of them, the model of tiles moved one by 0.52 at most, 0.05 on average. Another model needs a measurement \
    of its own.";

/// Goes onto the card of a model that is computed in `split`.
const SPLIT_LIMIT: &str = "Computed in split products (--precision split): each float32 factor is the sum of two \
    bfloat16 numbers, and sums are float32. With cxr-lite0 0.3.0 and 1,000 test radiographs that moved a logit by \
    0.0001 at most, 0.00001 on average (by the model of tiles in plain Rust). Another model needs a measurement \
    of its own.";

/// Goes onto the card of a model that is computed in `f16`. Measured with cxr-lite0 0.2.0 by `--engine candle` on
/// the CPU, which runs the same operations as a graphics processor.
const F16_LIMIT: &str = "Computed in float16 (--precision f16, 11-bit mantissa). That was not measured on a graphics \
    processor; the same operations on a CPU moved a logit of cxr-lite0 0.2.0 by 0.054 at most, 0.007 on average, \
    over 250 test radiographs. What it does to AUCs, and to another model, needs a measurement of its own.";

impl Precision {
    /// The card of a model that is computed in this precision. If that is not `f32`, the name of the preprocessing
    /// has a suffix, so that the scores are never mixed with those of `f32`, and a limitation says why.
    pub(super) fn noted_on(self, mut card: ModelCard) -> ModelCard {
        let limit = match self {
            Precision::F32 => return card,
            Precision::Bf16 => BF16_LIMIT,
            Precision::Split => SPLIT_LIMIT,
            Precision::F16 => F16_LIMIT,
        };
        card.preprocess = format!("{}+{}", card.preprocess, self.name());
        card.limits.push(limit.to_owned());
        card
    }
}

/// What [`set_threads`] set.
static THREADS: OnceLock<usize> = OnceLock::new();

/// The number of threads that a single computation may use.
pub(super) fn threads() -> usize {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    THREADS.get().copied().unwrap_or_else(cores)
}

/// Sets the number of threads that a single computation may use. Call it first in `main`.
///
/// Two environment variables are set, unless the user has set them: without `RAYON_NUM_THREADS`, candle 0.11
/// reads the machine's processor list again for every matrix product, and without `CANDLE_NUM_THREADS` its large
/// elementwise operations meet at a spinning barrier, which takes very long if another process holds a core.
///
/// # Safety
/// Changes the environment: no other thread may be running.
#[allow(
    unsafe_code,
    reason = "candle takes its number of threads from the environment only"
)]
pub unsafe fn set_threads(threads: usize) {
    cxr_kernels::set_threads(threads);
    let _ = THREADS.set(threads.max(1));
    for (name, value) in [
        ("RAYON_NUM_THREADS", threads.max(1)),
        ("CANDLE_NUM_THREADS", 1),
    ] {
        if std::env::var_os(name).is_none() {
            // SAFETY: the caller vouches that no other thread is running.
            unsafe { std::env::set_var(name, value.to_string()) };
        }
    }
}
