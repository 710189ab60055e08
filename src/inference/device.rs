//! The device that computes networks: the processor, or a graphics processor through candle.

use candle_core::Device;

use super::{InferenceError, in_words};

/// A device, as options name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    #[default]
    Cpu,
    /// An NVIDIA graphics processor, by its number from 0.
    Cuda(usize),
    /// Apple's graphics processor.
    Metal,
}

impl DeviceChoice {
    /// The first graphics processor that this build can use, or else the processor. If this build could use one but
    /// none can be opened, the reason.
    pub fn best() -> (Self, Option<String>) {
        let built_for = [
            (cfg!(feature = "cuda"), DeviceChoice::Cuda(0)),
            (cfg!(feature = "metal"), DeviceChoice::Metal),
        ];
        let mut why = None;
        for (_, device) in built_for.into_iter().filter(|(is, _)| *is) {
            match device.open() {
                Ok(_) => return (device, None),
                Err(error) => why = Some(error.to_string()),
            }
        }
        (DeviceChoice::Cpu, why)
    }

    /// `cpu`, `cuda:0`, `metal`.
    pub fn words(self) -> String {
        match self {
            DeviceChoice::Cpu => "cpu".to_owned(),
            DeviceChoice::Cuda(number) => format!("cuda:{number}"),
            DeviceChoice::Metal => "metal".to_owned(),
        }
    }

    /// Opens the device for candle.
    ///
    /// # Errors
    /// If this build cannot use it, or the machine does not have it.
    pub fn open(self) -> Result<Device, InferenceError> {
        let fault = |reason: String| InferenceError::Device {
            device: self.words(),
            reason,
        };
        let (is_built_in, feature) = match self {
            DeviceChoice::Cpu => return Ok(Device::Cpu),
            DeviceChoice::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
            DeviceChoice::Metal => (cfg!(feature = "metal"), "metal"),
        };
        if !is_built_in {
            return Err(fault(format!(
                "this build cannot use it (cargo build --release --features {feature})"
            )));
        }
        let opened = match self {
            // One stream for all threads. Candle's other way has one stream per thread and no order between
            // them: a thread could read weights before another one has sent them.
            DeviceChoice::Cuda(number) => Device::new_cuda_with_stream(number),
            _ => Device::new_metal(0),
        };
        opened.map_err(|error| fault(format!("cannot be used, {}", in_words(&error))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_this_build_cannot_use_is_an_error_that_says_how_to_build_it() {
        assert!(DeviceChoice::Cpu.open().is_ok());
        for (device, built_in, feature) in [
            (DeviceChoice::Cuda(7), cfg!(feature = "cuda"), "cuda"),
            (DeviceChoice::Metal, cfg!(feature = "metal"), "metal"),
        ] {
            if built_in {
                continue;
            }
            let error = device.open().unwrap_err().to_string();
            assert!(error.starts_with(&device.words()), "{error}");
            assert!(error.contains(&format!("--features {feature}")), "{error}");
        }
        if !cfg!(any(feature = "cuda", feature = "metal")) {
            assert_eq!(DeviceChoice::best(), (DeviceChoice::Cpu, None));
        }
    }
}
