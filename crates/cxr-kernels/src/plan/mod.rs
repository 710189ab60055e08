//! A network made ready for images of one size: the passes in order, and the maps that each reads and writes.

mod compile;
mod image;
mod pass;
mod shapes;
mod slots;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::compile::Compiler;
use self::pass::Pass;
use self::slots::{MapSlot, SlotTable};
use crate::error::PlanError;
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Layout};
use crate::network::NetworkSpec;
use crate::products::Products;
use crate::threads::Workers;

/// A network for images of one size.
pub struct NetworkPlan {
    kernels: &'static Kernels,
    /// `[C, H, W]` of an image.
    input: [usize; 3],
    steps: Vec<PlanStep>,
    /// The buffers that an image needs.
    buffers: Vec<Layout>,
    /// The slot of the image.
    first: MapSlot,
    /// The slot of the result.
    last: MapSlot,
    /// Workspaces that no image uses at the moment.
    idle: Mutex<Vec<Workspace>>,
}

/// The buffers of one image.
type Workspace = Vec<AlignedBuf>;

/// One pass over maps.
struct PlanStep {
    input: MapSlot,
    /// The second map that it reads.
    other: Option<MapSlot>,
    /// The maps between the layers of a bottleneck, if threads may share it layer by layer.
    between: Vec<MapSlot>,
    output: MapSlot,
    /// Where it writes the average of its output.
    average: Option<MapSlot>,
    /// The numbers that its weights are scaled by.
    by: Option<MapSlot>,
    /// Memory that no other pass reads.
    scratch: Option<MapSlot>,
    pass: Pass,
}

/// Which result of a plan is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WantedMap {
    /// The last maps.
    Maps,
    /// The average of each of the last maps.
    Averages,
}

impl NetworkPlan {
    /// Makes `network` ready for images of `height` × `width`. The weights are copied into the plan.
    ///
    /// # Errors
    /// If the description contradicts itself, or a layer leaves nothing of an image of this size.
    pub fn compile(
        network: &NetworkSpec,
        (height, width): (usize, usize),
        kernels: &'static Kernels,
        products: Products,
    ) -> Result<NetworkPlan, PlanError> {
        let shapes = shapes::shapes(network, height, width)?;
        let compiler = Compiler {
            network,
            shapes: &shapes,
            kernels,
            products,
        };
        let passes = compiler.passes();
        let mut table = SlotTable::new(network, &shapes, &passes)?;
        let scratch = table.add_scratch(&shapes, &passes);
        let SlotTable { slots, buffers } = table;
        let steps = passes
            .into_iter()
            .zip(scratch)
            .map(|(made, scratch)| PlanStep {
                input: slots[made.input.0],
                other: made.other.map(|value| slots[value.0]),
                between: made.between.iter().map(|value| slots[value.0]).collect(),
                output: slots[made.output.0],
                average: made.average.map(|value| slots[value.0]),
                by: made.by.map(|value| slots[value.0]),
                scratch,
                pass: made.pass,
            });
        Ok(NetworkPlan {
            kernels,
            input: [network.channels, height, width],
            steps: steps.collect(),
            buffers,
            first: slots[0],
            last: slots[network.layers.len()],
            idle: Mutex::default(),
        })
    }

    /// `[C, H, W]` of an image.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// `[F, h, w]` of the last maps.
    pub fn output(&self) -> [usize; 3] {
        let Layout {
            height,
            width,
            channels,
            ..
        } = self.last.layout;
        [channels, height, width]
    }

    /// `images [N, C, H, W]` → the last maps, `[N, F, h, w]`, row by row.
    ///
    /// # Panics
    /// If `images` is not a whole number of images.
    pub fn maps(&self, images: &[f32]) -> Vec<f32> {
        self.images(images, WantedMap::Maps, Workers::current())
    }

    /// `images [N, C, H, W]` → the average of each of the last maps, `[N, F]`.
    ///
    /// # Panics
    /// If `images` is not a whole number of images.
    pub fn averages(&self, images: &[f32]) -> Vec<f32> {
        self.images(images, WantedMap::Averages, Workers::current())
    }

    /// First one image per thread, in rounds; then the remaining images one by one, each by all threads.
    pub(crate) fn images(&self, images: &[f32], wanted: WantedMap, workers: Workers) -> Vec<f32> {
        let length: usize = self.input.iter().product();
        assert!(
            images.len().is_multiple_of(length),
            "{} numbers are not a whole number of images of {length}",
            images.len()
        );
        let [channels, height, width] = self.output();
        let made = match wanted {
            WantedMap::Maps => channels * height * width,
            WantedMap::Averages => channels,
        };
        let count = images.len() / length;
        let mut output = vec![0.0; count * made];
        let together = count - count % workers.count();
        let (first, rest) = output.split_at_mut(together * made);
        workers.each_piece(first, made, &|n, output| {
            let image = &images[n * length..][..length];
            self.image(image, wanted, output, Workers::Caller);
        });
        let images = images[together * length..].chunks_exact(length);
        for (image, output) in images.zip(rest.chunks_exact_mut(made)) {
            self.image(image, wanted, output, workers);
        }
        output
    }

    fn image(&self, image: &[f32], wanted: WantedMap, output: &mut [f32], workers: Workers) {
        let mut workspace = self.take();
        self.run(image, wanted, output, &mut workspace, workers);
        self.idle().push(workspace);
    }

    /// A workspace that was used before, or a new one.
    fn take(&self) -> Workspace {
        let idle = self.idle().pop();
        idle.unwrap_or_else(|| {
            let buffers = self.buffers.iter();
            buffers
                .map(|layout| AlignedBuf::zeros(layout.len()))
                .collect()
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
