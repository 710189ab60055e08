//! What a command needs beside its own options: the limits of one file, the model and how it is
//! computed, the store of the configuration.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::{Usage, complain, read_model};
use crate::cli::{self, ColorWhen, Computing, Files};
use crate::imaging::DecodeLimits;
use crate::inference::{
    Classifier, Compute, DeviceChoice, Engine, InferenceError, ModelFiles, Precision,
};

/// The choices that hold for a whole run. They are made once, and handed on as a value.
#[derive(Debug, Clone)]
pub struct CommandContext {
    pub limits: DecodeLimits,
    /// How networks are computed.
    pub compute: Compute,
    /// The weights file of the chosen model; `None` for the bundled one.
    pub model: Option<PathBuf>,
    /// The review store that the configuration names.
    pub store: Option<PathBuf>,
    pub colour: ColorWhen,
}

impl CommandContext {
    /// The card and the weights of the chosen model.
    ///
    /// # Errors
    /// [`Usage`], if they cannot be read or do not belong together.
    pub fn model_files(&self) -> Result<ModelFiles> {
        read_model(self.model.as_deref())
    }

    /// The chosen model, ready to run. If another precision than f32 was asked for, says on standard error whether the
    /// scores differ from those in f32.
    ///
    /// # Errors
    /// [`Usage`], if it cannot be loaded, or the processor does not have the precision.
    pub fn classifier(&self) -> Result<Classifier> {
        let loaded = self.model_files()?.classifier(self.compute);
        let classifier = loaded.map_err(|error| match (&self.model, error) {
            (Some(_), error) => Usage::error(format!("model {error}")),
            (None, InferenceError::Unsupported(reason)) => Usage::error(reason),
            (None, error) => anyhow::Error::from(error).context("the bundled model"),
        })?;
        if self.compute.precision != Precision::F32 {
            let precision = self.compute.precision.name();
            complain(&match classifier.why_f32() {
                None => {
                    format!("computing in {precision}: scores differ a little from those in f32")
                }
                Some(why) => format!("{precision} {why}; f32 is used"),
            });
        }
        Ok(classifier)
    }
}

/// The limits of the options, and the defaults for the rest.
pub fn limits(files: Files) -> DecodeLimits {
    let or = |option: Option<NonZeroU32>, unit: u64, default: u64| {
        option.map_or(default, |n| u64::from(n.get()) * unit)
    };
    let default = DecodeLimits::default();
    DecodeLimits {
        max_pixels: or(files.max_megapixels, 1_000_000, default.max_pixels),
        max_memory: or(files.max_memory, 1 << 20, default.max_memory),
        timeout: files.decode_timeout.map_or(default.timeout, |seconds| {
            Duration::from_secs(seconds.get().into())
        }),
        ..default
    }
}

/// How networks are computed under these options. Opens the device, to know that it is there.
///
/// # Errors
/// [`Usage`], if the options contradict each other, or the device is not there.
pub fn compute(computing: Computing) -> Result<Compute> {
    let device = match computing.device.unwrap_or_default() {
        cli::Device::Auto => {
            let (device, why) = DeviceChoice::best();
            if let Some(why) = why {
                complain(&format!("on the CPU: {why}"));
            }
            device
        }
        cli::Device::Cpu => DeviceChoice::Cpu,
        cli::Device::Cuda(number) => present(DeviceChoice::Cuda(number))?,
        cli::Device::Metal => present(DeviceChoice::Metal)?,
    };
    let engine = match computing.engine.unwrap_or_default() {
        cli::EngineArgument::Auto if device != DeviceChoice::Cpu => Engine::Candle,
        cli::EngineArgument::Auto | cli::EngineArgument::Kernels => Engine::Kernels,
        cli::EngineArgument::Candle => Engine::Candle,
    };
    let precision = match computing.precision.unwrap_or_default() {
        cli::PrecisionArgument::F32 => Precision::F32,
        cli::PrecisionArgument::Bf16 => Precision::Bf16,
        cli::PrecisionArgument::Split => Precision::Split,
        cli::PrecisionArgument::F16 => Precision::F16,
    };
    let compute = Compute {
        engine,
        device,
        precision,
    };
    let is_possible = compute.check();
    is_possible.map_err(|error| Usage::error(error.to_string()))?;
    Ok(compute)
}

/// The device, if it can be opened.
///
/// # Errors
/// [`Usage`], if not.
fn present(device: DeviceChoice) -> Result<DeviceChoice> {
    let opened = device.open().map(|_| device);
    opened.map_err(|error| Usage::error(format!("--device {error}")))
}
