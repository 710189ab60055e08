//! The steps of a recipe that change values and not places.

use super::cxr;
use super::picture::{Picture, ValuePlanes};

/// Black becomes `low` and white becomes `high`, in single precision.
pub fn range(picture: Picture, low: f64, high: f64) -> Picture {
    let (white, span, low) = (picture.white, (high - low) as f32, low as f32);
    picture.mapped(|v| v / white * span + low)
}

/// `value · times + plus` in double precision, as transformers' `rescale`.
pub fn scale(picture: Picture, times: f64, plus: f64) -> Picture {
    picture.mapped(|v| (f64::from(v) * times + plus) as f32)
}

/// Values beyond the limits become the limits.
pub fn clip(picture: Picture, low: f64, high: f64) -> Picture {
    let (low, high) = (low as f32, high as f32);
    picture.mapped(|v| v.clamp(low, high))
}

/// `(value − mean) ÷ deviation` of each channel, in single precision. Several means make a plane for each channel.
pub fn normalise(picture: Picture, mean: &[f64], deviation: &[f64]) -> Picture {
    let (width, height, white) = (picture.width, picture.height, picture.white);
    let planes = picture.float_planes();
    let count = planes.len().max(mean.len()).max(deviation.len());
    let of = |values: &[f64], channel: usize| values[channel.min(values.len() - 1)] as f32;
    let plane = |channel: usize| {
        let (mean, deviation) = (of(mean, channel), of(deviation, channel));
        // A plane of grey is used for all three.
        let plane = &planes[channel.min(planes.len() - 1)];
        plane.iter().map(|v| (v - mean) / deviation).collect()
    };
    Picture {
        width,
        height,
        planes: ValuePlanes::Floats((0..count).map(plane).collect()),
        white,
    }
}

/// Two percentiles of all values together become `low` and `high`.
pub fn stretch(picture: Picture, percentiles: [f64; 2], low: f64, high: f64) -> Picture {
    let picture = picture.mapped(|v| v);
    let ValuePlanes::Floats(planes) = &picture.planes else {
        return picture;
    };
    let ends = cxr::percentiles(&planes.concat(), percentiles);
    let (span, low) = ((high - low) as f32, low as f32);
    match ends {
        Some((dark, bright)) => picture.mapped(|v| (v - dark) / (bright - dark) * span + low),
        None => picture.mapped(|_| low + span / 2.0),
    }
}

/// `(value − mean) ÷ deviation` of all values together: numpy's `mean` and `std`.
pub fn standardise(picture: Picture) -> Picture {
    let picture = picture.mapped(|v| v);
    let ValuePlanes::Floats(planes) = &picture.planes else {
        return picture;
    };
    let count = planes.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let values = || planes.iter().flatten().map(|v| f64::from(*v));
    let mean = values().sum::<f64>() / count;
    let deviation = (values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
    if deviation <= f64::from(cxr::BLANK) * mean.abs() {
        return picture.mapped(|_| 0.0);
    }
    picture.mapped(|v| ((f64::from(v) - mean) / deviation) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[u8]) -> Picture {
        Picture::bytes((values.len(), 1), vec![values.to_vec()])
    }

    fn floats(values: &[f32]) -> Picture {
        Picture::floats((values.len(), 1), vec![values.to_vec()])
    }

    #[test]
    fn the_range_is_from_black_to_white() {
        assert_eq!(
            range(bytes(&[0, 51, 255]), 0.0, 1.0).input(1),
            [0.0, 0.2, 1.0]
        );
        let values = range(floats(&[0.0, 0.25, 1.0]), -1024.0, 1024.0);
        assert_eq!(values.input(1), [-1024.0, -512.0, 1024.0]);
        let still_bytes = Picture {
            white: 255.0,
            ..floats(&[0.0, 127.5, 255.0])
        };
        assert_eq!(range(still_bytes, -1.0, 1.0).input(1), [-1.0, 0.0, 1.0]);
    }

    #[test]
    fn scaling_and_clipping_are_in_the_order_of_the_words() {
        assert_eq!(
            scale(bytes(&[0, 255]), 2.0 / 255.0, -1.0).input(1),
            [-1.0, 1.0]
        );
        assert_eq!(
            clip(floats(&[-3.0, 0.5, 3.0]), -1.0, 2.0).input(1),
            [-1.0, 0.5, 2.0]
        );
    }

    #[test]
    fn several_means_make_planes_of_one() {
        let values = normalise(floats(&[1.0, 3.0]), &[1.0, 2.0, 3.0], &[2.0]);
        assert_eq!(values.input(3), [0.0, 1.0, -0.5, 0.5, -1.0, 0.0]);
        let one = normalise(floats(&[1.0, 3.0]), &[1.0], &[2.0]);
        assert_eq!(one.input(3), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    }

    /// `(a - np.percentile(a, 25)) / (np.percentile(a, 75) - np.percentile(a, 25)) * 2 - 1` for a = 1, 2, 4, 8
    #[test]
    fn stretching_uses_the_pictures_own_percentiles() {
        let values = stretch(floats(&[4.0, 8.0, 1.0, 2.0]), [25.0, 75.0], -1.0, 1.0).input(1);
        let expected = [0.384_615, 2.846_154, -1.461_538, -0.846_154];
        for (ours, numpys) in values.iter().zip(expected) {
            assert!((ours - numpys).abs() < 1e-5, "{values:?}");
        }
        let whole = stretch(bytes(&[10, 20, 60]), [0.0, 100.0], 0.0, 1.0);
        assert_eq!(whole.input(1), [0.0, 0.2, 1.0]);
        assert_eq!(
            stretch(bytes(&[7, 7]), [0.0, 100.0], 0.0, 1.0).input(1),
            [0.5, 0.5]
        );
    }

    /// `(a - a.mean()) / a.std()` for a = 1, 2, 4, 9
    #[test]
    fn a_picture_is_standardised_by_itself() {
        let values = standardise(floats(&[1.0, 2.0, 4.0, 9.0])).input(1);
        let expected = [-0.973_329, -0.648_886, 0.0, 1.622_214];
        for (ours, numpys) in values.iter().zip(expected) {
            assert!((ours - numpys).abs() < 1e-5, "{values:?}");
        }
        assert_eq!(standardise(bytes(&[9, 9])).input(1), [0.0, 0.0]);
    }
}
