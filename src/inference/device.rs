//! Where networks are computed: the processor, or a graphics processor through candle.

use candle_core::Device;

use super::{InferenceError, in_words};

/// A device, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    #[default]
    Cpu,
    /// Of that number, from 0.
    Cuda(usize),
    Metal,
}

impl Place {
    /// The first graphics processor that this build knows how to use, or else the processor; and
    /// why, if this build could use one and there is none.
    pub fn best() -> (Self, Option<String>) {
        let built_for = [
            (cfg!(feature = "cuda"), Place::Cuda(0)),
            (cfg!(feature = "metal"), Place::Metal),
        ];
        let mut why = None;
        for (_, place) in built_for.into_iter().filter(|(is, _)| *is) {
            match place.open() {
                Ok(_) => return (place, None),
                Err(error) => why = Some(error.to_string()),
            }
        }
        (Place::Cpu, why)
    }

    /// `cpu`, `cuda:0`, `metal`.
    pub fn words(self) -> String {
        match self {
            Place::Cpu => "cpu".to_owned(),
            Place::Cuda(number) => format!("cuda:{number}"),
            Place::Metal => "metal".to_owned(),
        }
    }

    /// # Errors
    /// If this build cannot use it, or it is not there.
    pub fn open(self) -> Result<Device, InferenceError> {
        let fault = |reason: String| InferenceError::Device {
            device: self.words(),
            reason,
        };
        let (is_built_in, feature) = match self {
            Place::Cpu => return Ok(Device::Cpu),
            Place::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
            Place::Metal => (cfg!(feature = "metal"), "metal"),
        };
        if !is_built_in {
            return Err(fault(format!(
                "this build cannot use it (cargo build --release --features {feature})"
            )));
        }
        let opened = match self {
            // One stream for all threads. With candle's other way each thread has one, and nothing
            // orders them: weights that one sends could be read by another before they are there.
            Place::Cuda(number) => Device::new_cuda_with_stream(number),
            _ => Device::new_metal(0),
        };
        opened.map_err(|error| fault(format!("cannot be used, {}", in_words(&error))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_build_cannot_use_is_said_with_how_to_build_it() {
        assert!(Place::Cpu.open().is_ok());
        for (place, built_in, feature) in [
            (Place::Cuda(7), cfg!(feature = "cuda"), "cuda"),
            (Place::Metal, cfg!(feature = "metal"), "metal"),
        ] {
            if built_in {
                continue;
            }
            let error = place.open().unwrap_err().to_string();
            assert!(error.starts_with(&place.words()), "{error}");
            assert!(error.contains(&format!("--features {feature}")), "{error}");
        }
        if !cfg!(any(feature = "cuda", feature = "metal")) {
            assert_eq!(Place::best(), (Place::Cpu, None));
        }
    }
}
