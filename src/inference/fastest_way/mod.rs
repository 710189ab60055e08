//! The fastest way to compute a network's products on this machine. It is measured, and the choice is kept in a file.
//!
//! ```text
//! precision ─ Products::ways ─► ways, and f32 ─ kept? ─► the plan of the chosen way
//!                                    └ no ─► a plan of each, timed in turn ─► kept
//! ```

mod kept;
mod processor;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use cxr_kernels::{KernelPrecision, Kernels, Products};

use super::InferenceError;
use super::engine::{Precision, threads};
use crate::domain::ModelCard;
use kept::KeptChoices;
pub use kept::{ChoiceKey, WayChoice};

/// The share of the time in `f32` that another precision must save, or else `f32` is used.
const LEAST_SAVING: f64 = 0.03;
/// The time that a measurement may take, unless [`FEWEST_ROUNDS`] take longer.
const BUDGET: Duration = Duration::from_millis(300);
/// The least and the largest number of timed rounds. One round before them is not counted.
const FEWEST_ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 50;

/// Forces the instruction set of the kernels ([`Kernels::best`]). A choice made under it is not kept.
const FORCED: &str = "CXR_ISA";

/// The file of the choices.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// Names the file in which choices are kept. It need not exist, nor its folder. Only the first call counts; without one
/// nothing is kept.
pub fn keep_choices_in(file: PathBuf) {
    let _ = FILE.set(file);
}

/// The network that a way is chosen for.
#[derive(Debug, Clone, Copy)]
pub struct NetworkIdentity<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// SHA-256 of its weights.
    pub sha256: &'a str,
}

impl<'a> NetworkIdentity<'a> {
    /// The network of this card.
    pub fn of(card: &'a ModelCard) -> Self {
        NetworkIdentity {
            name: &card.name,
            version: &card.version,
            sha256: &card.sha256,
        }
    }
}

/// The plan of a network that is the fastest on this machine in this precision. It is one in `f32` if the other
/// precision saves less than 3 % of the time.
///
/// `build` makes a plan, and `pass` runs an image, `[1, C, H, W]`, through one. `image` is `[C, H, W]`. A kept choice
/// costs one plan. Otherwise a plan of each way is in memory until all are timed.
///
/// # Errors
/// If the processor does not have the precision, or a plan cannot be made or run.
pub fn fastest<Plan>(
    precision: Precision,
    network: NetworkIdentity<'_>,
    image: [usize; 3],
    build: impl Fn(&'static Kernels, Products) -> Result<Plan, InferenceError>,
    pass: impl Fn(&Plan, &Tensor) -> candle_core::Result<()>,
) -> Result<Plan, InferenceError> {
    let kernels = Kernels::best();
    let wanted = precision.of_kernels();
    if wanted == KernelPrecision::F32 {
        return build(kernels, Products::F32);
    }
    let mut ways = Products::ways(wanted, kernels);
    let candidates: Vec<WayCandidate> = ways.iter().map(WayCandidate::of).collect();
    ways.push(Products::F32);

    let mut plans: Vec<Option<Plan>> = ways.iter().map(|_| None).collect();
    let mut input = None;
    let time = |at: usize| -> Result<Duration, InferenceError> {
        let plan = made(&mut plans[at], || build(kernels, ways[at]))?;
        let input = made(&mut input, || Ok(wave(image)?))?;
        let start = Instant::now();
        pass(plan, input)?;
        Ok(start.elapsed())
    };
    let question = WayQuestion {
        precision,
        network: format!("{} {}", network.name, network.version),
        key: ChoiceKey {
            processor: processor::name(),
            kernels: kernels.name().to_owned(),
            threads: threads(),
            cxr: env!("CARGO_PKG_VERSION").to_owned(),
            precision: precision.name().to_owned(),
            sha256: network.sha256.to_owned(),
            image,
        },
    };
    let is_forced = std::env::var_os(FORCED).is_some();
    let file = FILE.get().filter(|_| !is_forced);
    let kept = file.map(|file| KeptChoices::in_file(file));
    let chosen = choose(question, &candidates, kept, time)?;
    match plans[chosen].take() {
        Some(plan) => Ok(plan),
        None => build(kernels, ways[chosen]),
    }
}

/// What a slot holds, or else what `make` makes for it.
fn made<T>(
    slot: &mut Option<T>,
    make: impl FnOnce() -> Result<T, InferenceError>,
) -> Result<&mut T, InferenceError> {
    match slot {
        Some(made) => Ok(made),
        empty => Ok(empty.insert(make()?)),
    }
}

/// An image of waves, `[1, C, H, W]`: zeros would be no fair test of any multiplication.
fn wave([channels, height, width]: [usize; 3]) -> candle_core::Result<Tensor> {
    let count = channels * height * width;
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
    Tensor::from_vec(values, (1, channels, height, width), &Device::Cpu)
}

/// A way of another precision than `f32`, as the choice sees it.
struct WayCandidate {
    name: &'static str,
    /// Whether it is the portable model of tiles.
    is_model: bool,
}

impl WayCandidate {
    fn of(way: &Products) -> Self {
        WayCandidate {
            name: way.name(),
            is_model: way.is_model(),
        }
    }
}

/// What is asked for.
struct WayQuestion {
    precision: Precision,
    /// The name and the version of the network, for people.
    network: String,
    key: ChoiceKey,
}

/// The index of the chosen candidate; their number for `f32`. `time` runs one of them, by its index, and is not called
/// if the choice was kept.
///
/// # Errors
/// If there is no candidate, and those of `time`.
fn choose(
    question: WayQuestion,
    candidates: &[WayCandidate],
    kept: Option<KeptChoices>,
    time: impl FnMut(usize) -> Result<Duration, InferenceError>,
) -> Result<usize, InferenceError> {
    let Some(first) = candidates.first() else {
        return Err(lacking(question.precision));
    };
    // It is asked for by its name, and never fast.
    if first.is_model {
        return Ok(0);
    }
    let mut names: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
    names.push(Products::F32.name());
    let index = |choice: &WayChoice| names.iter().position(|name| *name == choice.way);

    let earlier = kept
        .as_ref()
        .and_then(|kept| kept.find(&question.key, &names));
    if let Some(at) = earlier.as_ref().and_then(index) {
        return Ok(at);
    }
    let times = least_times(names.len(), time)?;
    let fastest = pick(&times);
    let Some(kept) = kept else {
        return Ok(fastest);
    };
    let milliseconds = times.iter().map(|time| time.as_secs_f64() * 1e3);
    let settled = kept.settle(WayChoice {
        network: question.network,
        way: names[fastest].to_owned(),
        key: question.key,
        milliseconds: names
            .iter()
            .map(|name| (*name).to_owned())
            .zip(milliseconds)
            .collect(),
    });
    Ok(index(&settled).unwrap_or(fastest))
}

/// Why there is no way of this precision.
fn lacking(precision: Precision) -> InferenceError {
    InferenceError::Unsupported(match precision {
        Precision::Split => {
            "--precision split needs a processor with AMX tiles; leave it out to compute in f32"
        }
        _ => {
            "--precision bf16 needs a processor with AVX-512 BF16 or AMX tiles; leave it out to compute in f32"
        }
    })
}

/// The least time of each candidate. They run in turn, so that a busy moment of the machine slows all of them alike.
fn least_times(
    count: usize,
    mut time: impl FnMut(usize) -> Result<Duration, InferenceError>,
) -> Result<Vec<Duration>, InferenceError> {
    let mut round = || {
        (0..count)
            .map(&mut time)
            .collect::<Result<Vec<Duration>, _>>()
    };
    // The first pass of each also wakes the threads and reads the weights.
    let mut spent: Duration = round()?.iter().sum();
    let mut least = vec![Duration::MAX; count];
    for done in 1..=MOST_ROUNDS {
        let times = round()?;
        for (least, time) in least.iter_mut().zip(&times) {
            *least = (*least).min(*time);
        }
        let took: Duration = times.iter().sum();
        spent += took;
        if done >= FEWEST_ROUNDS && spent + took > BUDGET {
            break;
        }
    }
    Ok(least)
}

/// The index of the least time, or of the last one, which is that of `f32`, if the least saves too little.
fn pick(times: &[Duration]) -> usize {
    let exact = times.len() - 1;
    let most = times[exact].as_secs_f64() * (1.0 - LEAST_SAVING);
    let fastest = (0..exact).min_by_key(|at| times[*at]);
    let fastest = fastest.filter(|at| times[*at].as_secs_f64() <= most);
    fastest.unwrap_or(exact)
}

/// The ways that this processor has, and the choices among them.
#[derive(Debug)]
pub struct ProcessorWays {
    /// Whether it has AMX tiles.
    pub has_tiles: bool,
    /// The names of all ways.
    pub ways: Vec<&'static str>,
    /// The choices that this version of cxr has kept for this processor, the oldest first.
    pub choices: Vec<WayChoice>,
}

/// What is known of this processor.
pub fn processor_ways() -> ProcessorWays {
    let kernels = Kernels::best();
    let of = |precision| Products::ways(precision, kernels);
    let precisions = [
        KernelPrecision::F32,
        KernelPrecision::Bf16,
        KernelPrecision::Split,
    ];
    let processor = processor::name();
    let mut choices = FILE
        .get()
        .map_or_else(Vec::new, |file| KeptChoices::in_file(file).all());
    choices.retain(|WayChoice { key, .. }| {
        key.processor == processor
            && key.kernels == kernels.name()
            && key.cxr == env!("CARGO_PKG_VERSION")
    });
    ProcessorWays {
        has_tiles: of(KernelPrecision::Split).iter().any(|way| !way.is_model()),
        ways: precisions
            .into_iter()
            .flat_map(of)
            .map(Products::name)
            .collect(),
        choices,
    }
}
