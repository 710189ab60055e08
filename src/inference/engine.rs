//! What computes a network, for the whole process.

use std::sync::OnceLock;

use candle_core::DType;

use crate::domain::ModelCard;

use super::device::DeviceChoice;
use super::{InferenceError, kernels, network};

/// How networks are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compute {
    pub engine: Engine,
    /// The kernels are of the CPU.
    pub place: DeviceChoice,
    pub precision: Precision,
}

/// What computes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The kernels of this crate.
    #[default]
    Kernels,
    /// Candle's own operations: slow on a CPU, and what the kernels are held against.
    Candle,
}

/// What the numbers of a network are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    #[default]
    F32,
    /// Products of the kernels: factors of 8 bits, sums in `f32`.
    Bf16,
    /// All numbers, of 11 bits: on a graphics processor, and by candle on the CPU in the same way, to
    /// compare.
    F16,
}

impl Precision {
    pub(super) fn of_kernels(self) -> kernels::KernelPrecision {
        match self {
            Precision::Bf16 => kernels::KernelPrecision::Bf16,
            Precision::F32 | Precision::F16 => kernels::KernelPrecision::F32,
        }
    }

    pub(super) fn of_candle(self) -> DType {
        match self {
            Precision::F16 => DType::F16,
            Precision::F32 | Precision::Bf16 => DType::F32,
        }
    }
}

static COMPUTE: OnceLock<Compute> = OnceLock::new();

impl Compute {
    /// Says how models that are loaded from now on are computed; the first word counts.
    pub fn for_process(self) {
        let _ = COMPUTE.set(self);
    }

    /// What [`for_process`](Compute::for_process) said, or the default.
    pub fn of_process() -> Self {
        COMPUTE.get().copied().unwrap_or_default()
    }

    /// # Errors
    /// If nothing computes so.
    pub fn check(self) -> Result<(), InferenceError> {
        let reason = match (self.place, self.engine, self.precision) {
            (DeviceChoice::Cpu, Engine::Kernels, Precision::F16) => {
                "--precision f16 is for graphics processors; on the CPU only --engine candle has it, to compare"
            }
            (DeviceChoice::Cpu, Engine::Candle, Precision::Bf16) => {
                "--engine candle computes in f32 or f16"
            }
            (DeviceChoice::Cpu, ..) => return Ok(()),
            (_, Engine::Kernels, _) => "--engine kernels computes on the CPU only",
            (.., Precision::Bf16) => {
                "--precision bf16 is for the CPU (--device cpu); graphics processors compute in f32 or f16"
            }
            _ => return Ok(()),
        };
        Err(InferenceError::Unsupported(reason))
    }

    /// How many threads at a time should ask for predictions, where `readers` of them open files. A
    /// graphics processor takes what has come meanwhile: while one batch is computed, the next one
    /// waits, and files are opened for the one after.
    pub fn callers(self, readers: usize) -> usize {
        match self.place {
            DeviceChoice::Cpu => readers,
            DeviceChoice::Cuda(_) | DeviceChoice::Metal => {
                let waiting = 3 * readers;
                readers + waiting.min(2 * network::BATCH)
            }
        }
    }
}

/// What a card says of a model that is computed in `bf16`. Measured with cxr-lite0 0.2.0 on the 1,672
/// test radiographs that are frontal and no duplicates.
const BF16_LIMIT: &str = "Computed in bf16 (--precision): its products have 8 bits. With cxr-lite0 0.2.0 and 1,672 \
    test radiographs that moved a logit by 0.18 at most, 0.02 on average, and no AUC by more than 0.0002; \
    another model needs a measurement of its own.";

/// What a card says of a model that is computed in `f16`. By `--engine candle` on the CPU, which does what
/// a graphics processor is asked to do, with cxr-lite0 0.2.0.
const F16_LIMIT: &str = "Computed in f16 (--precision): its numbers have 11 bits. That was not measured on a graphics \
    processor; the same operations on a CPU moved a logit of cxr-lite0 0.2.0 by 0.054 at most, 0.007 on average, \
    over 250 test radiographs. What it does to AUCs, and to another model, needs a measurement of its own.";

impl Compute {
    /// The card, which says so if scores are not those of `f32`: where predictions are kept or compared,
    /// by the name of the preprocessing.
    pub fn said_on(self, mut card: ModelCard) -> ModelCard {
        let (suffix, limit) = match self.precision {
            Precision::F32 => return card,
            Precision::Bf16 => ("+bf16", BF16_LIMIT),
            Precision::F16 => ("+f16", F16_LIMIT),
        };
        card.preprocess.push_str(suffix);
        card.limits.push(limit.to_owned());
        card
    }
}

/// Runs `f`, in which computations use the calling thread only.
pub fn alone<T>(f: impl FnOnce() -> T) -> T {
    kernels::alone(f)
}

/// Tells how many threads a single computation may use. Call it first in `main`.
///
/// candle 0.11 rereads the machine's processor list on every matrix product unless
/// `RAYON_NUM_THREADS` is set, and its large elementwise operations meet at a spinning barrier that
/// collapses when another process holds a core unless `CANDLE_NUM_THREADS` is. What the user has
/// set stays.
///
/// # Safety
/// Changes the environment: no other thread may be running.
pub unsafe fn set_threads(threads: usize) {
    kernels::set_threads(threads);
    for (name, value) in [
        ("RAYON_NUM_THREADS", threads.max(1)),
        ("CANDLE_NUM_THREADS", 1),
    ] {
        if std::env::var_os(name).is_none() {
            // SAFETY: the caller says that this is the only thread.
            unsafe { std::env::set_var(name, value.to_string()) };
        }
    }
}
