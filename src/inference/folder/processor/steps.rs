//! The steps of a processor, from its settings: a change of size, a crop, and the scale of the numbers.

use super::known::{KnownProcessor, LARGE, ProcessorKind};
use crate::domain::{CropRounding, CropTo, RecipeStep, ResizeFilter, ResizeTo, SideRounding};
use crate::inference::folder::json::{FolderError, JsonMembers, quoted};

/// `rescale_factor`.
const RESCALE: f64 = 1.0 / 255.0;
/// `crop_pct` of `ConvNextImageProcessor`.
const CROP_SHARE: f64 = 224.0 / 256.0;

/// The settings of a processor, to be read as its class and its library read them.
pub struct ProcessorReader<'a> {
    pub settings: &'a JsonMembers<'a>,
    pub known: &'static KnownProcessor,
    pub is_pillow: bool,
}

/// `size`.
enum ProcessorSize {
    Square(usize),
    Short(usize),
}

impl ProcessorReader<'_> {
    /// All steps, in their order, for images of this many channels.
    ///
    /// # Errors
    /// If a setting is none that cxr can follow.
    pub fn steps(&self, channels: usize) -> Result<Vec<RecipeStep>, FolderError> {
        let mut steps = Vec::new();
        if self.settings.flag("do_resize")?.unwrap_or(true) {
            self.resize(&mut steps)?;
        }
        self.crop(&mut steps)?;
        self.rescale(&mut steps)?;
        self.normalise(&mut steps, channels)?;
        Ok(steps)
    }

    fn resize(&self, steps: &mut Vec<RecipeStep>) -> Result<(), FolderError> {
        let filter = self.filter()?;
        let size = self.size()?;
        if self.known.kind != ProcessorKind::ConvNext {
            let to = match size {
                ProcessorSize::Square(side) => ResizeTo::Square(side),
                ProcessorSize::Short(side) => ResizeTo::Short(side, SideRounding::Down),
            };
            steps.push(RecipeStep::Resize { to, filter });
            return Ok(());
        }
        let ProcessorSize::Short(side) = size else {
            return Err(self
                .settings
                .fault("size has no shortest_edge, as this processor's has"));
        };
        if side >= LARGE {
            let to = ResizeTo::Square(side);
            steps.push(RecipeStep::Resize { to, filter });
            return Ok(());
        }
        let share = self.settings.number("crop_pct")?.unwrap_or(CROP_SHARE);
        if !(share > 0.0 && share <= 1.0) {
            return Err(self
                .settings
                .fault(&format!("crop_pct is {share}, not above 0 and up to 1")));
        }
        // Python's `int`.
        let short = (side as f64 / share) as usize;
        let to = ResizeTo::Short(short, SideRounding::Down);
        steps.push(RecipeStep::Resize { to, filter });
        steps.push(self.centre(side));
        Ok(())
    }

    fn filter(&self) -> Result<ResizeFilter, FolderError> {
        let default = self.known.resample[usize::from(!self.is_pillow)];
        let resample = match self.settings.get("resample") {
            None => default,
            Some(value) => value.as_i64().unwrap_or(-1),
        };
        ResizeFilter::of_transformers(resample, self.is_pillow).ok_or_else(|| {
            let value = self.settings.get("resample").map(quoted);
            let value = value.unwrap_or_default();
            self.settings
                .fault(&format!("resample is {value}, none of Pillow's filters"))
        })
    }

    fn size(&self) -> Result<ProcessorSize, FolderError> {
        let key = "size";
        let Some(value) = self.settings.get(key) else {
            return Ok(self.as_size(self.known.size));
        };
        if !value.is_object() {
            let side = self.settings.side(key)?.unwrap_or(self.known.size);
            // A list of two is always height and width.
            return Ok(if value.is_array() {
                ProcessorSize::Square(side)
            } else {
                self.as_size(side)
            });
        }
        let fault = || {
            self.settings.fault(&format!(
                "size is {}: neither the sides of a square nor its shortest_edge alone",
                quoted(value)
            ))
        };
        let Some(size) = self.settings.inner(key)? else {
            return Err(fault());
        };
        let (height, width) = (size.count("height")?, size.count("width")?);
        let (short, long) = (size.count("shortest_edge")?, size.get("longest_edge"));
        match (height, width, short, long) {
            (Some(height), Some(width), None, None) if height == width => {
                Ok(ProcessorSize::Square(height))
            }
            (None, None, Some(short), None) => Ok(ProcessorSize::Short(short)),
            _ => Err(fault()),
        }
    }

    fn as_size(&self, side: usize) -> ProcessorSize {
        if self.known.is_square {
            ProcessorSize::Square(side)
        } else {
            ProcessorSize::Short(side)
        }
    }

    fn crop(&self, steps: &mut Vec<RecipeStep>) -> Result<(), FolderError> {
        let never = match self.known.kind {
            ProcessorKind::Uncropped | ProcessorKind::ConvNext => self.is_pillow,
            ProcessorKind::Plain | ProcessorKind::EfficientNet => false,
        };
        let crops = self.settings.flag("do_center_crop")?;
        if never || !crops.unwrap_or(self.known.crop.is_some()) {
            return Ok(());
        }
        let side = match self.settings.get("crop_size") {
            None => self.known.crop,
            Some(value) if value.is_object() => {
                let size = self.settings.inner("crop_size")?;
                let sides = match size {
                    Some(size) => (size.count("height")?, size.count("width")?),
                    None => (None, None),
                };
                match sides {
                    (Some(height), Some(width)) if height == width => Some(height),
                    _ => {
                        return Err(self
                            .settings
                            .fault(&format!("crop_size is {}, not a square", quoted(value))));
                    }
                }
            }
            Some(_) => self.settings.side("crop_size")?,
        };
        match side {
            Some(side) => steps.push(self.centre(side)),
            None => {
                return Err(self
                    .settings
                    .fault("do_center_crop is on, and crop_size is absent"));
            }
        }
        Ok(())
    }

    fn centre(&self, size: usize) -> RecipeStep {
        RecipeStep::Crop(CropTo::Centre {
            size,
            like: if self.is_pillow {
                CropRounding::TransformersPil
            } else {
                CropRounding::Transformers
            },
            fill: vec![0.0],
        })
    }

    fn rescale(&self, steps: &mut Vec<RecipeStep>) -> Result<(), FolderError> {
        if !self.settings.flag("do_rescale")?.unwrap_or(true) {
            return Ok(());
        }
        let times = self.settings.number("rescale_factor")?.unwrap_or(RESCALE);
        let is_moved = self.known.kind == ProcessorKind::EfficientNet
            && self.settings.flag("rescale_offset")?.unwrap_or(false);
        let plus = if is_moved { -1.0 } else { 0.0 };
        steps.push(RecipeStep::Scale { times, plus });
        Ok(())
    }

    fn normalise(&self, steps: &mut Vec<RecipeStep>, channels: usize) -> Result<(), FolderError> {
        let by_default = |values: [f64; 3]| values[..channels].to_vec();
        let mean = self.settings.numbers("image_mean")?;
        let mean = mean.unwrap_or_else(|| by_default(self.known.mean));
        let deviation = self.settings.numbers("image_std")?;
        let deviation = deviation.unwrap_or_else(|| by_default(self.known.deviation));
        if self.settings.flag("do_normalize")?.unwrap_or(true) {
            steps.push(RecipeStep::Normalise {
                mean,
                deviation: deviation.clone(),
            });
        }
        // A second time, as the authors of EfficientNet do it.
        let is_twice = self.known.kind == ProcessorKind::EfficientNet
            && self.settings.flag("include_top")?.unwrap_or(true);
        if is_twice {
            let mean = vec![0.0];
            steps.push(RecipeStep::Normalise { mean, deviation });
        }
        Ok(())
    }
}
