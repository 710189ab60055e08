//! Networks on a graphics processor: images go there in batches and results come back. Everything else stays on
//! the CPU.

use candle_core::{DType, Device, Error, Result, Tensor, bail};

use super::Plain;
use super::gather::Gather;
use super::layers::{Conv, Layer, Layers, NormRelu};
use crate::inference::engine::BATCH;

/// A function of images that is computed on another device, in one batch for all threads that ask meanwhile.
pub struct Offloaded(Gather<Tensor, Tensor, Error>);

impl Offloaded {
    /// `forward` goes from `[N, C, H, W]` to `[N, …]`, both of type `dtype` and on `device`. One thread at a
    /// time calls it.
    pub fn new(
        device: Device,
        dtype: DType,
        forward: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Self {
        Offloaded(Gather::new(BATCH, move |images: &[Tensor]| {
            let batch = Tensor::cat(images, 0)?
                .to_device(&device)?
                .to_dtype(dtype)?;
            // Copying waits for the device, so that an error of this batch does not show in the next.
            let made = forward(&batch)?
                .to_dtype(DType::F32)?
                .to_device(&Device::Cpu)?;
            parts(&made, images)
        }))
    }

    /// The last maps of these layers.
    ///
    /// # Errors
    /// If the device has no room for them, or a weight is too large for `dtype`.
    pub fn layers(layers: &Layers, device: &Device, dtype: DType) -> Result<Self> {
        let layers = layers.on(device, dtype)?;
        Ok(Offloaded::new(device.clone(), dtype, move |images| {
            layers.forward_in_batches(images)
        }))
    }

    /// `[N, C, H, W]` → `[N, …]`, both on the CPU and in `f32`.
    ///
    /// # Errors
    /// If the input has another shape, or computing it fails.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.0.one(images.clone())
    }
}

impl Plain for Offloaded {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Offloaded::forward(self, input)
    }
}

/// The rows of `made` that belong to each of `images`, one after the other.
fn parts(made: &Tensor, images: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut start = 0;
    let of = |image: &Tensor| {
        let rows = image.dim(0)?;
        let part = made.narrow(0, start, rows);
        start += rows;
        part
    };
    images.iter().map(of).collect()
}

impl Layers {
    /// The same layers on another device.
    fn on(&self, device: &Device, dtype: DType) -> Result<Layers> {
        let put = |tensor: &Tensor| put(tensor, device, dtype);
        let norm = |norm: &NormRelu| -> Result<NormRelu> {
            Ok(NormRelu {
                scale: put(&norm.scale)?,
                shift: put(&norm.shift)?,
            })
        };
        let layer = |layer: &Layer| -> Result<Layer> {
            Ok(match layer {
                Layer::Conv(conv) => Layer::Conv(Conv {
                    before: conv.before.as_ref().map(norm).transpose()?,
                    weight: put(&conv.weight)?,
                    bias: put(&conv.bias)?,
                    ..*conv
                }),
                Layer::MaxPool(input, window) => Layer::MaxPool(*input, *window),
                Layer::NormReluAverage(input, before, size) => {
                    Layer::NormReluAverage(*input, norm(before)?, *size)
                }
                Layer::Average(input, size) => Layer::Average(*input, *size),
                Layer::GlobalAverage(input) => Layer::GlobalAverage(*input),
                Layer::Scale(input, by) => Layer::Scale(*input, *by),
                Layer::Add(first, second, activation) => Layer::Add(*first, *second, *activation),
                Layer::Cat(first, second) => Layer::Cat(*first, *second),
            })
        };
        Ok(Layers {
            channels: self.channels,
            layers: self.layers.iter().map(layer).collect::<Result<_>>()?,
        })
    }
}

/// A weight on another device.
pub(super) fn put(tensor: &Tensor, device: &Device, dtype: DType) -> Result<Tensor> {
    let converted = tensor.to_dtype(dtype)?;
    let sum = converted.to_dtype(DType::F32)?.abs()?.sum_all()?;
    if !sum.to_scalar::<f32>()?.is_finite() {
        bail!("a weight is too large for {}", dtype.as_str());
    }
    converted.to_device(device)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::domain::{Radiograph, Samples};
    use crate::inference::network::{AnyNetwork, Network, Trunk, efficientnet_lite, head};
    use crate::inference::weights::{BUNDLED_CARD, BUNDLED_WEIGHTS, Tensors};
    use crate::inference::{Classifier, Classify, Compute};

    /// Largest difference of a logit in `f32`, as for the kernels.
    const OF_A_LOGIT: f32 = 1e-4;

    /// The bundled model, computed by the kernels.
    fn kernels() -> Classifier {
        Classifier::computed(BUNDLED_CARD, BUNDLED_WEIGHTS, Compute::default()).unwrap()
    }

    /// The bundled model in batches, with the CPU instead of a graphics processor.
    fn offloaded() -> Classifier {
        let tensors = Tensors::parse(BUNDLED_WEIGHTS).unwrap();
        let layers = efficientnet_lite::layers(&tensors, 1).unwrap();
        let trunk = Offloaded::layers(&layers, &Device::Cpu, DType::F32).unwrap();
        let mut classifier = kernels();
        classifier.network = AnyNetwork::Pooled(Network {
            head: head(classifier.card(), &tensors).unwrap().0,
            trunk: Trunk::Offloaded(trunk),
            ends_in_averages: true,
        });
        classifier
    }

    /// A radiograph that differs from all others.
    fn film(number: usize) -> Radiograph {
        let pixel = |i: usize| {
            let (x, y) = ((i % 300) as f64, (i / 300) as f64);
            let width = 20.0 + 5.0 * number as f64;
            (120.0 + 60.0 * (x / width).sin() + 60.0 * (y / 53.0).cos()) as u8
        };
        let samples = Samples::Grey8((0..300 * 320).map(pixel).collect());
        Radiograph::plain(300, 320, samples, "test")
    }

    fn largest_difference(one: &[f32], other: &[f32]) -> f32 {
        assert_eq!(one.len(), other.len());
        let differences = one.iter().zip(other).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    }

    #[test]
    fn a_batch_gives_each_image_the_answer_that_it_gets_alone() {
        const FILMS: usize = 6;
        let (batches, kernels) = (offloaded(), kernels());
        let start = Barrier::new(FILMS);
        let answers = thread::scope(|scope| {
            let ask = |number: usize| {
                let (batches, start) = (&batches, &start);
                scope.spawn(move || {
                    start.wait();
                    batches.logits(&film(number)).unwrap()
                })
            };
            let asked: Vec<_> = (0..FILMS).map(ask).collect();
            let answers = asked.into_iter().map(|asked| asked.join().unwrap());
            answers.collect::<Vec<_>>()
        });
        for (number, logits) in answers.iter().enumerate() {
            let expected = kernels.logits(&film(number)).unwrap();
            let difference = largest_difference(logits, &expected);
            assert!(difference < OF_A_LOGIT, "{number}: {difference}");
            let others = answers.iter().take(number);
            let is_near = |other: &Vec<f32>| largest_difference(logits, other) < 10.0 * OF_A_LOGIT;
            assert!(!others.into_iter().any(is_near), "{number} is like another");
        }
    }

    #[test]
    fn each_image_gets_its_own_rows_back() {
        let images = |count: usize| Tensor::zeros((count, 1, 2, 2), DType::F32, &Device::Cpu);
        let images = [1, 3, 2].map(|count| images(count).unwrap());
        let made = Tensor::arange(0_f32, 6.0, &Device::Cpu).unwrap();
        let parts = parts(&made.reshape((6, 1)).unwrap(), &images).unwrap();
        let values = |part: &Tensor| part.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let values: Vec<_> = parts.iter().map(values).collect();
        assert_eq!(values, [vec![0.0], vec![1.0, 2.0, 3.0], vec![4.0, 5.0]]);
        assert!(super::parts(&made.narrow(0, 0, 4).unwrap(), &images).is_err());
    }

    #[test]
    fn a_weight_too_large_for_f16_is_an_error() {
        let weight = Tensor::new(&[1.0_f32, -65_520.0], &Device::Cpu).unwrap();
        assert!(put(&weight, &Device::Cpu, DType::F32).is_ok());
        let error = put(&weight, &Device::Cpu, DType::F16).unwrap_err();
        assert!(error.to_string().contains("too large for f16"), "{error}");
    }
}
