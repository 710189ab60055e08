//! The filters of resizing, named for the library whose numbers they give.

/// A filter. On bytes and on floating-point numbers it computes as its library does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeFilter {
    /// Pillow's `Image.resize`, and torchvision's `Resize` of a Pillow image. All but `NEAREST` widen with the
    /// reduction, so that nothing aliases.
    PillowNearest,
    PillowBox,
    PillowBilinear,
    PillowHamming,
    /// With a = −0.5.
    PillowBicubic,
    PillowLanczos,
    /// torchvision's `resize` of a tensor with `antialias=True`.
    TorchvisionBilinear,
    /// With a = −0.5.
    TorchvisionBicubic,
    TorchvisionLanczos,
    /// PyTorch's `interpolate(mode="nearest")`: the pixel at or before the corner.
    TorchNearest,
    /// `interpolate(mode="nearest-exact")`.
    TorchNearestExact,
    /// `interpolate(mode="bilinear", align_corners=False)`, and `tf.image.resize`: of two neighbours, however large the
    /// reduction.
    TorchBilinear,
    /// `interpolate(mode="bicubic", align_corners=False)`: of four neighbours, with a = −0.75.
    TorchBicubic,
    /// `cv2.resize`.
    OpencvNearest,
    OpencvLinear,
    OpencvCubic,
    OpencvArea,
    /// `skimage.transform.resize` with its defaults: a Gaussian, then linear interpolation, mirrored at the border.
    Skimage,
    /// The same with `mode="constant"`: 0 beyond the border.
    SkimageConstant,
}

impl ResizeFilter {
    /// Every filter with its word on cards.
    pub const ALL: [(ResizeFilter, &'static str); 19] = [
        (ResizeFilter::PillowNearest, "pillow-nearest"),
        (ResizeFilter::PillowBox, "pillow-box"),
        (ResizeFilter::PillowBilinear, "pillow-bilinear"),
        (ResizeFilter::PillowHamming, "pillow-hamming"),
        (ResizeFilter::PillowBicubic, "pillow-bicubic"),
        (ResizeFilter::PillowLanczos, "pillow-lanczos"),
        (ResizeFilter::TorchvisionBilinear, "torchvision-bilinear"),
        (ResizeFilter::TorchvisionBicubic, "torchvision-bicubic"),
        (ResizeFilter::TorchvisionLanczos, "torchvision-lanczos"),
        (ResizeFilter::TorchNearest, "torch-nearest"),
        (ResizeFilter::TorchNearestExact, "torch-nearest-exact"),
        (ResizeFilter::TorchBilinear, "torch-bilinear"),
        (ResizeFilter::TorchBicubic, "torch-bicubic"),
        (ResizeFilter::OpencvNearest, "opencv-nearest"),
        (ResizeFilter::OpencvLinear, "opencv-linear"),
        (ResizeFilter::OpencvCubic, "opencv-cubic"),
        (ResizeFilter::OpencvArea, "opencv-area"),
        (ResizeFilter::Skimage, "skimage"),
        (ResizeFilter::SkimageConstant, "skimage-constant"),
    ];

    /// Its word on cards.
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(filter, _)| *filter == self);
        found.map_or("", |(_, word)| word)
    }

    /// The filter with that word on cards.
    pub fn with_word(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == word);
        found.map(|(filter, _)| *filter)
    }

    /// The filter of `resample` in a `preprocessor_config.json`: Pillow's number. transformers computes by torchvision
    /// since version 5, and before that, and where torchvision is absent, by Pillow (`is_pillow`). `None` for a number
    /// without a filter.
    pub fn of_transformers(resample: i64, is_pillow: bool) -> Option<Self> {
        Some(match (resample, is_pillow) {
            (0, true) => ResizeFilter::PillowNearest,
            (0, false) => ResizeFilter::TorchNearestExact,
            (1, true) => ResizeFilter::PillowLanczos,
            (1, false) => ResizeFilter::TorchvisionLanczos,
            (2, true) => ResizeFilter::PillowBilinear,
            (2, false) => ResizeFilter::TorchvisionBilinear,
            (3, true) => ResizeFilter::PillowBicubic,
            (3, false) => ResizeFilter::TorchvisionBicubic,
            // torchvision has neither.
            (4, _) => ResizeFilter::PillowBox,
            (5, _) => ResizeFilter::PillowHamming,
            _ => return None,
        })
    }

    /// The filter of `interpolation` in timm's `pretrained_cfg`, which timm leaves to Pillow. `None` for a word without
    /// a filter.
    pub fn of_timm(interpolation: &str) -> Option<Self> {
        Some(match interpolation {
            "nearest" => ResizeFilter::PillowNearest,
            "box" => ResizeFilter::PillowBox,
            "bilinear" => ResizeFilter::PillowBilinear,
            "hamming" => ResizeFilter::PillowHamming,
            "bicubic" => ResizeFilter::PillowBicubic,
            "lanczos" => ResizeFilter::PillowLanczos,
            _ => return None,
        })
    }

    /// Whether it makes floating-point numbers of bytes.
    pub fn makes_floats(self) -> bool {
        matches!(self, ResizeFilter::Skimage | ResizeFilter::SkimageConstant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_has_a_word_of_its_own() {
        for (nth, (filter, word)) in ResizeFilter::ALL.into_iter().enumerate() {
            assert_eq!(filter.word(), word);
            assert_eq!(ResizeFilter::with_word(word), Some(filter));
            let before = &ResizeFilter::ALL[..nth];
            assert!(
                before
                    .iter()
                    .all(|other| other.0 != filter && other.1 != word)
            );
        }
        assert_eq!(ResizeFilter::with_word("bilinear"), None);
    }

    /// `[(m.name, m.value) for m in PIL.Image.Resampling]`
    #[test]
    fn transformers_numbers_are_pillows() {
        let by = |number| {
            [true, false].map(|is_pillow| {
                ResizeFilter::of_transformers(number, is_pillow).map(ResizeFilter::word)
            })
        };
        assert_eq!(
            by(2),
            [Some("pillow-bilinear"), Some("torchvision-bilinear")]
        );
        assert_eq!(by(3), [Some("pillow-bicubic"), Some("torchvision-bicubic")]);
        assert_eq!(by(1), [Some("pillow-lanczos"), Some("torchvision-lanczos")]);
        assert_eq!(by(0), [Some("pillow-nearest"), Some("torch-nearest-exact")]);
        assert_eq!(by(6), [None, None]);
        assert_eq!(by(-1), [None, None]);
    }
}
