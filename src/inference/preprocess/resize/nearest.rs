//! Which input pixel each output pixel is, in four libraries.

use super::ResizeAxis;
use crate::domain::ResizeFilter;

/// The input pixel of each wanted pixel.
pub fn indices(axis: &ResizeAxis, filter: ResizeFilter) -> Vec<usize> {
    let last = axis.from - 1;
    let wanted = axis.wanted.clone();
    match filter {
        ResizeFilter::TorchNearest => {
            let scale = axis.from as f32 / axis.to as f32;
            wanted
                .map(|i| ((i as f32 * scale) as usize).min(last))
                .collect()
        }
        ResizeFilter::TorchNearestExact => {
            let scale = f64::from(axis.from as f32 / axis.to as f32);
            let place = |i: usize| ((i as f64 + 0.5) * scale) as f32;
            wanted.map(|i| (place(i) as usize).min(last)).collect()
        }
        ResizeFilter::OpencvNearest => {
            let scale = axis.opencv_scale();
            wanted
                .map(|i| ((i as f64 * scale) as usize).min(last))
                .collect()
        }
        _ => of_pillow(axis),
    }
}

/// `ImagingScaleAffine` of Pillow adds the step repeatedly instead of multiplying it.
fn of_pillow(axis: &ResizeAxis) -> Vec<usize> {
    let step = axis.from as f64 / axis.to as f64;
    let mut at = step * 0.5;
    let mut index = || {
        let index = at as usize;
        at += step;
        index.min(axis.from - 1)
    };
    let all = (0..axis.wanted.end).map(|_| index());
    all.skip(axis.wanted.start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: usize, to: usize, filter: ResizeFilter) -> Vec<usize> {
        let wanted = 0..to;
        indices(&ResizeAxis { from, to, wanted }, filter)
    }

    /// `np.array(Image.fromarray(np.arange(n, dtype=np.int32)[None]).resize((224, 1), NEAREST))`
    #[test]
    fn pixels_are_chosen_as_pillow_chooses_them() {
        let nearest = |from| of(from, 224, ResizeFilter::PillowNearest);
        assert_eq!(nearest(448)[..4], [1, 3, 5, 7]);
        assert_eq!(nearest(100)[..8], [0, 0, 1, 1, 2, 2, 2, 3]);
        assert_eq!(nearest(1), [0; 224]);
        assert_eq!(*nearest(1001).last().unwrap(), 998);
    }

    /// `F.interpolate(torch.arange(n)[None, None].float(), m, mode=…)`, `cv2.resize(np.arange(n, dtype=np.float32)[None], (m, 1), interpolation=cv2.INTER_NEAREST)`
    #[test]
    fn the_corner_and_the_middle_are_two_choices() {
        assert_eq!(of(6, 3, ResizeFilter::TorchNearest), [0, 2, 4]);
        assert_eq!(of(6, 3, ResizeFilter::TorchNearestExact), [1, 3, 5]);
        assert_eq!(of(6, 3, ResizeFilter::OpencvNearest), [0, 2, 4]);
        assert_eq!(of(2, 5, ResizeFilter::TorchNearest), [0, 0, 0, 1, 1]);
        assert_eq!(of(2, 5, ResizeFilter::TorchNearestExact), [0, 0, 1, 1, 1]);
    }
}
