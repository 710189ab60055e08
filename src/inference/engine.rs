//! What computes a network, for the whole process.

use std::sync::OnceLock;

use crate::domain::ModelCard;

use super::device::Place;
use super::kernels;
pub use super::kernels::Precision;

/// How networks are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compute {
    pub engine: Engine,
    /// The kernels are of the CPU.
    pub place: Place,
    /// Of the kernels; candle's is always `f32`.
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
}

/// What a card says of a model that is computed in `bf16`. Measured with cxr-lite0 0.2.0 on the 1,672
/// test radiographs that are frontal and no duplicates.
const BF16_LIMIT: &str = "Computed in bf16 (--precision): its products have 8 bits. With cxr-lite0 0.2.0 and 1,672 \
    test radiographs that moved a logit by 0.18 at most, 0.02 on average, and no AUC by more than 0.0002; \
    another model needs a measurement of its own.";

impl Compute {
    /// The card, which says so if scores are not those of `f32`: where predictions are kept or compared,
    /// by the name of the preprocessing.
    pub fn said_on(self, mut card: ModelCard) -> ModelCard {
        if self.precision == Precision::Bf16 && self.engine == Engine::Kernels {
            card.preprocess.push_str("+bf16");
            card.limits.push(BF16_LIMIT.to_owned());
        }
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
