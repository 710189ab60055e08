//! A graph with its constants, ready to run.

use candle_core::{DType, Device, Error, Result, Tensor, bail};

use super::call::{RunBounds, StepCall};
use super::operators::compute;
use super::stored::{GraphStep, StoredGraph};
use crate::inference::in_words;

/// The most numbers of all values that are there at once. A ViT-L with images of 1,024 × 1,024 pixels takes 2²⁸ for the
/// attention of one layer.
const MOST_AT_ONCE: usize = 1 << 29;

/// A graph with its constants on a device.
pub struct GraphProgram {
    graph: StoredGraph,
    /// By value; `None` for those that steps make.
    constants: Vec<Option<Tensor>>,
    last_reads: Vec<Option<usize>>,
    device: Device,
}

impl GraphProgram {
    /// `floats` gives the floats of a constant by its value and its shape, on any device.
    ///
    /// # Errors
    /// If the steps are out of order, or a constant is absent.
    pub fn new<E: From<Error>>(
        graph: StoredGraph,
        device: Device,
        floats: impl Fn(usize, &[usize]) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Self, E> {
        graph.check().map_err(Error::Msg)?;
        let mut constants = vec![None; graph.values];
        for constant in &graph.constants {
            let made = match &constant.whole {
                Some(numbers) => {
                    Tensor::from_slice(numbers, constant.shape.as_slice(), &Device::Cpu)?
                }
                None => floats(constant.value, &constant.shape)?.to_device(&device)?,
            };
            constants[constant.value] = Some(made);
        }
        Ok(GraphProgram {
            last_reads: graph.last_reads(),
            graph,
            constants,
            device,
        })
    }

    /// `[N, C, S, S]` on the program's device → what the last layer reads, `[N, F, 1, 1]`. Images are computed one after
    /// the other.
    ///
    /// # Errors
    /// If the images have another shape, or a step cannot be computed.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let count = images.dim(0)?;
        let rows = (0..count).map(|at| self.image(&images.narrow(0, at, 1)?));
        let rows = rows.collect::<Result<Vec<Tensor>>>()?;
        Tensor::cat(&rows, 0)
    }

    fn image(&self, image: &Tensor) -> Result<Tensor> {
        let StoredGraph {
            channels,
            side,
            output,
            features,
            ..
        } = self.graph;
        if image.dims() != [1, channels, side, side] {
            bail!(
                "an image of {:?}, and the graph is for {channels} × {side} × {side}",
                image.dims()
            );
        }
        let mut run = GraphRun::new(self.graph.opset, self.graph.values, self.device.clone());
        run.set(0, oriented(image, self.graph.channels_last)?);
        for (place, step) in self.graph.steps.iter().enumerate() {
            let made = run.step(step, &self.constants);
            made.map_err(|error| {
                let reason = in_words(&error);
                Error::Msg(format!("step {place}, {}: {reason}", step.operator))
            })?;
            let reads = step.inputs.iter().chain(&step.outputs).flatten();
            for value in reads {
                if *value != output && self.last_reads[*value].is_none_or(|last| last <= place) {
                    run.give_up(*value);
                }
            }
        }
        let made = match run.get(output).or(self.constants[output].as_ref()) {
            Some(made) if made.elem_count() == features && made.dtype() == DType::F32 => made,
            _ => bail!("it does not make {features} numbers"),
        };
        made.reshape((1, features, 1, 1))
    }
}

/// An image as the graph reads it.
///
/// # Errors
/// If it has another rank.
pub fn oriented(image: &Tensor, channels_last: bool) -> Result<Tensor> {
    if channels_last {
        image.permute((0, 2, 3, 1))?.contiguous()
    } else {
        image.contiguous()
    }
}

/// The values while an image is computed.
pub struct GraphRun {
    opset: i64,
    values: Vec<Option<Tensor>>,
    device: Device,
    bounds: RunBounds,
    /// Numbers of the values that are there.
    numbers: usize,
}

impl GraphRun {
    /// Operators of this version, and this many values.
    pub fn new(opset: i64, values: usize, device: Device) -> Self {
        GraphRun {
            opset,
            values: vec![None; values],
            device,
            bounds: RunBounds::default(),
            numbers: 0,
        }
    }

    pub fn get(&self, value: usize) -> Option<&Tensor> {
        self.values.get(value)?.as_ref()
    }

    pub fn set(&mut self, value: usize, tensor: Tensor) {
        self.give_up(value);
        self.numbers = self.numbers.saturating_add(tensor.elem_count());
        self.values[value] = Some(tensor);
    }

    /// Gives up a value, and returns it.
    pub fn give_up(&mut self, value: usize) -> Option<Tensor> {
        let tensor = self.values.get_mut(value)?.take()?;
        self.numbers = self.numbers.saturating_sub(tensor.elem_count());
        Some(tensor)
    }

    /// Computes a step. What it reads and this run does not have is in `constants`, by value.
    ///
    /// # Errors
    /// If an input is absent, the operator is none that cxr has, or it is used in another way.
    pub fn step(&mut self, step: &GraphStep, constants: &[Option<Tensor>]) -> Result<()> {
        let input = |value: &Option<usize>| match *value {
            None => Ok(None),
            Some(value) => {
                let own = self.values.get(value).and_then(Option::as_ref);
                let constant = || constants.get(value).and_then(Option::as_ref);
                match own.or_else(constant) {
                    Some(tensor) => Ok(Some(tensor)),
                    None => bail!("it reads value {value}, which is not there"),
                }
            }
        };
        let call = StepCall {
            step,
            inputs: step.inputs.iter().map(input).collect::<Result<_>>()?,
            opset: self.opset,
            device: &self.device,
            bounds: &self.bounds,
        };
        let made = compute(&call)?;
        if made.len()
            < step
                .outputs
                .iter()
                .filter(|output| output.is_some())
                .count()
        {
            bail!("it makes {} values, and more are asked for", made.len());
        }
        for (value, tensor) in step.outputs.iter().zip(made) {
            if let Some(value) = *value {
                self.set(value, tensor);
            }
        }
        if self.numbers > MOST_AT_ONCE {
            bail!("its values take more memory at once than those of any model that cxr reads");
        }
        Ok(())
    }
}
