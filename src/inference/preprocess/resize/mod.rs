//! Resizing with the numbers of Pillow, torchvision, PyTorch, OpenCV and scikit-image.
//!
//! ```text
//! filter ─ one axis at a time ─► taps: which pixels, and their weights ─► sums, in the arithmetic of the library
//! ```
//!
//! Only the wanted part of the resized picture is computed: a crop that follows costs nothing for what it cuts off.

mod nearest;
mod opencv;
mod pillow;
mod skimage;
mod sums;
mod taps;
mod torch;

use std::ops::Range;

use self::skimage::Beyond;
use self::sums::{Axes, FixedPoint};
use super::picture::{Picture, ValuePlanes};
use crate::domain::ResizeFilter;

/// A resized picture, and the part of it that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResizeTarget {
    /// Columns and rows of the whole.
    pub size: (usize, usize),
    pub columns: Range<usize>,
    pub rows: Range<usize>,
}

impl ResizeTarget {
    /// All of it.
    pub fn whole(size: (usize, usize)) -> Self {
        ResizeTarget {
            size,
            columns: 0..size.0,
            rows: 0..size.1,
        }
    }
}

/// One axis of a resize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResizeAxis {
    /// Pixels before.
    from: usize,
    /// Pixels after.
    to: usize,
    /// Those of them that are wanted.
    wanted: Range<usize>,
}

impl ResizeAxis {
    /// Input pixels for each output pixel, by the two divisions that OpenCV makes.
    fn opencv_scale(&self) -> f64 {
        1.0 / (self.to as f64 / self.from as f64)
    }
}

/// The wanted part of a resized picture.
pub fn resized(picture: Picture, filter: ResizeFilter, target: ResizeTarget) -> Picture {
    let (width, height) = (target.columns.len(), target.rows.len());
    let plan = ResizePlan {
        x: ResizeAxis {
            from: picture.width,
            to: target.size.0,
            wanted: target.columns,
        },
        y: ResizeAxis {
            from: picture.height,
            to: target.size.1,
            wanted: target.rows,
        },
    };
    let planes = match (&picture.planes, beyond(filter)) {
        (ValuePlanes::Bytes(planes), Some(beyond)) => {
            let floats =
                |plane: &Vec<u8>| -> Vec<f32> { plane.iter().map(|v| f32::from(*v)).collect() };
            let planes: Vec<Vec<f32>> = planes.iter().map(floats).collect();
            ValuePlanes::Floats(skimage::resized(&planes, &plan.x, &plan.y, beyond))
        }
        (ValuePlanes::Floats(planes), Some(beyond)) => {
            ValuePlanes::Floats(skimage::resized(planes, &plan.x, &plan.y, beyond))
        }
        (ValuePlanes::Bytes(planes), None) => {
            let bytes = planes.iter().map(|plane| plan.bytes(plane, filter));
            ValuePlanes::Bytes(bytes.collect())
        }
        (ValuePlanes::Floats(planes), None) => {
            let floats = planes.iter().map(|plane| plan.floats(plane, filter));
            ValuePlanes::Floats(floats.collect())
        }
    };
    Picture {
        width,
        height,
        planes,
        ..picture
    }
}

/// What scikit-image's filters find beyond the border; `None` for the filters of others.
fn beyond(filter: ResizeFilter) -> Option<Beyond> {
    match filter {
        ResizeFilter::Skimage => Some(Beyond::Mirrored),
        ResizeFilter::SkimageConstant => Some(Beyond::Zero),
        _ => None,
    }
}

/// Both axes of a resize.
struct ResizePlan {
    x: ResizeAxis,
    y: ResizeAxis,
}

impl ResizePlan {
    fn bytes(&self, plane: &[u8], filter: ResizeFilter) -> Vec<u8> {
        match filter {
            ResizeFilter::PillowNearest
            | ResizeFilter::TorchNearest
            | ResizeFilter::TorchNearestExact
            | ResizeFilter::OpencvNearest => self.nearest(plane, filter),
            ResizeFilter::PillowBox
            | ResizeFilter::PillowBilinear
            | ResizeFilter::PillowHamming
            | ResizeFilter::PillowBicubic
            | ResizeFilter::PillowLanczos => {
                let axes = self.axes(|axis| pillow::taps(axis, filter));
                axes.fixed(plane, [FixedPoint::PILLOW; 2])
            }
            ResizeFilter::TorchvisionBilinear
            | ResizeFilter::TorchvisionBicubic
            | ResizeFilter::TorchvisionLanczos => {
                let axes = self.axes(|axis| pillow::taps(axis, filter));
                let largest = |axis| FixedPoint::of_torch(pillow::largest_weight(axis, filter));
                axes.fixed(plane, [largest(&self.x), largest(&self.y)])
            }
            ResizeFilter::TorchBilinear | ResizeFilter::TorchBicubic => {
                let axes = self.axes(|axis| torch::neighbour_taps(axis, filter));
                let largest =
                    |axis| FixedPoint::of_torch(torch::largest_neighbour_weight(axis, filter));
                axes.fixed(plane, [largest(&self.x), largest(&self.y)])
            }
            ResizeFilter::OpencvLinear | ResizeFilter::OpencvCubic | ResizeFilter::OpencvArea => {
                opencv::bytes(plane, &self.x, &self.y, filter)
            }
            // See `resized`.
            ResizeFilter::Skimage | ResizeFilter::SkimageConstant => Vec::new(),
        }
    }

    fn floats(&self, plane: &[f32], filter: ResizeFilter) -> Vec<f32> {
        match filter {
            ResizeFilter::PillowNearest
            | ResizeFilter::TorchNearest
            | ResizeFilter::TorchNearestExact
            | ResizeFilter::OpencvNearest => self.nearest(plane, filter),
            ResizeFilter::PillowBox
            | ResizeFilter::PillowBilinear
            | ResizeFilter::PillowHamming
            | ResizeFilter::PillowBicubic
            | ResizeFilter::PillowLanczos => {
                self.axes(|axis| pillow::taps(axis, filter)).double(plane)
            }
            ResizeFilter::TorchvisionBilinear
            | ResizeFilter::TorchvisionBicubic
            | ResizeFilter::TorchvisionLanczos => {
                let axes = self.axes(|axis| torch::antialiased_taps(axis, filter));
                axes.double(plane)
            }
            ResizeFilter::TorchBilinear | ResizeFilter::TorchBicubic => {
                let axes = self.axes(|axis| torch::single_neighbour_taps(axis, filter));
                axes.double(plane)
            }
            ResizeFilter::OpencvLinear | ResizeFilter::OpencvCubic | ResizeFilter::OpencvArea => {
                opencv::floats(plane, &self.x, &self.y, filter)
            }
            // See `resized`.
            ResizeFilter::Skimage | ResizeFilter::SkimageConstant => Vec::new(),
        }
    }

    fn nearest<T: Copy>(&self, plane: &[T], filter: ResizeFilter) -> Vec<T> {
        let columns = nearest::indices(&self.x, filter);
        let rows = nearest::indices(&self.y, filter);
        rows.iter()
            .flat_map(|y| columns.iter().map(move |x| plane[y * self.x.from + x]))
            .collect()
    }

    fn axes(&self, taps: impl Fn(&ResizeAxis) -> Vec<taps::Tap>) -> Axes {
        Axes::new(self.x.from, taps(&self.x), taps(&self.y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script's `small`.
    fn made(width: usize, height: usize) -> Vec<u8> {
        let value = |i: usize| {
            let (y, x) = (i / width, i % width);
            ((x * x * 7 + y * 31 + x * y * 3) % 256) as u8
        };
        (0..width * height).map(value).collect()
    }

    fn whole(filter: ResizeFilter, picture: &Picture, size: (usize, usize)) -> Picture {
        resized(picture.clone(), filter, ResizeTarget::whole(size))
    }

    #[test]
    fn a_wanted_part_is_the_part_of_the_whole() {
        let bytes = Picture::bytes((13, 9), vec![made(13, 9)]);
        let floats = Picture::floats((13, 9), bytes.clone().float_planes());
        for (filter, word) in ResizeFilter::ALL {
            for size in [(6, 5), (20, 17), (13, 4), (5, 18)] {
                for picture in [&bytes, &floats] {
                    let all = whole(filter, picture, size);
                    let target = ResizeTarget {
                        size,
                        columns: 2..5,
                        rows: 1..4,
                    };
                    let part = resized(picture.clone(), filter, target);
                    assert_eq!(part, all.framed((2, 1), (3, 3), &[0.0]), "{word} {size:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let bytes = Picture::bytes((7, 5), vec![made(7, 5)]);
        let floats = Picture::floats((7, 5), bytes.clone().float_planes());
        for (filter, word) in ResizeFilter::ALL {
            if !filter.makes_floats() {
                assert_eq!(whole(filter, &bytes, (7, 5)), bytes, "{word}");
            }
            let same = whole(filter, &floats, (7, 5)).input(1);
            let pairs = same.iter().zip(floats.clone().input(1));
            let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-4, "{word}: {apart}");
        }
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        let flat = Picture::bytes((11, 6), vec![vec![200; 66]]);
        for (filter, word) in ResizeFilter::ALL {
            // Beyond the border there is black.
            if filter == ResizeFilter::SkimageConstant {
                continue;
            }
            let values = whole(filter, &flat, (5, 9)).input(1);
            assert!(
                values.iter().all(|v| (v - 200.0).abs() < 1e-3),
                "{word}: {values:?}"
            );
        }
    }
}
