//! A network made ready for images of one size: what is computed in which order, from where to where.

mod compile;
mod image;
mod places;

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Result, Shape, Tensor, bail};

use super::conv::{PackedConv, PackedNormRelu};
use super::depthwise::{Bottleneck, PackedDepthwise};
use super::isa::Kernels;
use super::memory::{AlignedBuf, Layout, Map};
use super::pooling;
use super::threads::Workers;
use super::winograd::Winograd;

/// What products are made of; sums are always `f32`.
///
/// Integers of 8 bits (VNNI) were measured and left out; one core of Zen 4, bundled network. With a
/// scale for each pixel, found while its channels are packed, all 1 × 1 convolutions take 3.6 ms an
/// image, in `bf16` 4.8; but in a bottleneck `bf16` needs no packing, which leaves a factor of 1.2, reckoned for
/// the whole network 1.15. Scales fixed in advance would save the packing, too (about 1.3 of the whole),
/// but ask for radiographs to fix them on. On 701 test radiographs either moves a logit of presence by
/// 0.12 on average and 0.6 or 0.7 at most, most of it by the rounding of the weights alone, where
/// `bf16` moves it by 0.02 and 0.15; the AUC of pneumonia by −0.0002 and −0.0008, of COVID-19 by 0.0017
/// and 0.0024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KernelPrecision {
    #[default]
    F32,
    /// Eight bits of each factor, by AVX-512 BF16: convolutions of 1 × 1, and those of 3 × 3 that
    /// Winograd's way does not make as fast in `f32`.
    Bf16,
}

/// A network for images of one size.
pub struct NetworkPlan {
    kernels: &'static Kernels,
    /// `C · H · W` of an image.
    input: [usize; 3],
    steps: Vec<PlanStep>,
    /// Memory that an image needs.
    forms: Vec<Layout>,
    /// Where the image goes.
    first: MapSlot,
    /// Where the result is.
    last: MapSlot,
    /// Memory that no image uses at the moment.
    idle: Mutex<Vec<Workspace>>,
}

/// The maps of one image.
type Workspace = Vec<AlignedBuf>;

/// A map in the workspace: some channels of a buffer.
#[derive(Debug, Clone, Copy)]
pub struct MapSlot {
    buffer: usize,
    channel: usize,
    form: Layout,
}

impl MapSlot {
    fn map(&self, workspace: &mut Workspace) -> Map {
        Map::within(&mut workspace[self.buffer], self.form, self.channel)
    }
}

/// One pass over maps.
struct PlanStep {
    input: MapSlot,
    residual: Option<MapSlot>,
    /// Of a bottleneck whose layers threads share one after another: the maps between them.
    between: Vec<MapSlot>,
    output: MapSlot,
    pass: Pass,
}

enum Pass {
    Conv(PackedConv),
    Winograd(Winograd),
    Depthwise(PackedDepthwise),
    Bottleneck(Box<Bottleneck>),
    Largest(pooling::PoolingShape),
    NormReluAverage(pooling::PoolingShape, PackedNormRelu),
}

impl NetworkPlan {
    /// `[N, C, H, W]` → the last maps, `[N, F, h, w]`.
    ///
    /// # Errors
    /// If the images have another size than the plan was made for, or are not contiguous `f32` on the
    /// CPU.
    pub fn maps(&self, images: &Tensor) -> Result<Tensor> {
        images.apply_op1_no_bwd(&Op(self, WantedMap::Maps))
    }

    /// `[N, C, H, W]` → the average of each of the last maps, `[N, F]`.
    ///
    /// # Errors
    /// As [`maps`](Plan::maps).
    pub fn averages(&self, images: &Tensor) -> Result<Tensor> {
        images.apply_op1_no_bwd(&Op(self, WantedMap::Averages))
    }

    /// Whole rounds of one image a thread, and of what is left one image after another by all threads.
    fn images(&self, images: &[f32], wanted: WantedMap, output: &mut [f32], workers: Workers) {
        let length: usize = self.input.iter().product();
        let count = images.len() / length;
        let made = output.len().checked_div(count).unwrap_or(1);
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
    }

    fn image(&self, image: &[f32], wanted: WantedMap, output: &mut [f32], workers: Workers) {
        let mut workspace = self.take();
        self.run(image, wanted, output, &mut workspace, workers);
        self.idle().push(workspace);
    }

    fn take(&self) -> Workspace {
        let idle = self.idle().pop();
        idle.unwrap_or_else(|| {
            self.forms
                .iter()
                .map(|form| AlignedBuf::zeros(form.len()))
                .collect()
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of the last maps is wanted.
#[derive(Debug, Clone, Copy)]
enum WantedMap {
    Maps,
    Averages,
}

/// A plan as candle calls it.
struct Op<'a>(&'a NetworkPlan, WantedMap);

impl CustomOp1 for Op<'_> {
    fn name(&self) -> &'static str {
        "network"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &candle_core::Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Op(plan, wanted) = *self;
        let (count, channels, height, width) = layout.shape().dims4()?;
        if [channels, height, width] != plan.input {
            let [c, h, w] = plan.input;
            bail!(
                "an image of {channels} × {height} × {width} for a network made ready for {c} × {h} × {w}"
            );
        }
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            bail!("the network needs a contiguous f32 tensor");
        };
        let Layout {
            height,
            width,
            channels,
            ..
        } = plan.last.form;
        let shape = match wanted {
            WantedMap::Maps => Shape::from((count, channels, height, width)),
            WantedMap::Averages => Shape::from((count, channels)),
        };
        let mut output = vec![0.0; shape.elem_count()];
        plan.images(&values[start..end], wanted, &mut output, Workers::here());
        Ok((CpuStorage::F32(output), shape))
    }
}
