//! The network that torchvision calls so. It has no configs: of its networks, state dicts alone are read.

use super::described::{DescribedNetwork, NameLayout};
use crate::domain::NetworkSettings;
use crate::inference::network::{cnn, transformers};

/// Whether torchvision calls a network so that cxr has.
pub fn is_known(name: &str) -> bool {
    cnn::of_torchvision(name).is_some() || transformers::of_torchvision(name).is_some()
}

/// torchvision's names of these networks.
pub fn names() -> Vec<&'static str> {
    let mut names = cnn::OF_TORCHVISION.to_vec();
    names.extend(transformers::torchvision_names());
    names
}

/// The network that torchvision calls so, for images of this shape; `None` where it is none that cxr has.
///
/// # Errors
/// If it cannot take such images.
pub fn by_name(
    name: &str,
    channels: usize,
    side: usize,
) -> Option<Result<DescribedNetwork, String>> {
    let described = |architecture: &str, settings, side| DescribedNetwork {
        class: format!("torchvision's {name}"),
        architecture: architecture.to_owned(),
        settings,
        layout: NameLayout::Torchvision,
        channels,
        side,
    };
    if let Some(known) = cnn::of_torchvision(name) {
        return Some(Ok(described(known.architecture, known.settings, None)));
    }
    let known = transformers::of_torchvision(name)?;
    if !known.is_of_one_size {
        return Some(Ok(described(known.architecture, known.settings, None)));
    }
    if !is_whole(&known.settings, side) {
        return Some(Err(format!(
            "torchvision's {name} refuses images of {side} × {side} pixels: they are not whole squares"
        )));
    }
    let image = i64::try_from(side).unwrap_or(i64::MAX);
    let settings = known.settings.with("image_size", image);
    Some(Ok(described(known.architecture, settings, Some(side))))
}

/// Whether images of this side are divided into whole squares.
fn is_whole(settings: &NetworkSettings, side: usize) -> bool {
    let patch = settings.size("patch_size", side);
    patch.is_ok_and(|patch| side.is_multiple_of(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_network_for_images_of_a_size() {
        let vit = by_name("vit_b_32", 1, 384).unwrap().unwrap();
        assert_eq!((vit.architecture.as_str(), vit.channels), ("vit", 1));
        assert_eq!(vit.side, Some(384));
        assert_eq!(vit.settings.size("image_size", 999), Ok(384));
        assert_eq!(vit.with_article(), "torchvision's vit_b_32");
        for (name, architecture) in [
            ("swin_b", "swin"),
            ("convnext_large", "convnext"),
            ("mobilenet_v2", "mobilenet-v2"),
        ] {
            let network = by_name(name, 3, 230).unwrap().unwrap();
            assert_eq!(network.architecture, architecture);
            assert_eq!(network.side, None, "{name}");
        }
        for name in names() {
            assert!(is_known(name) && by_name(name, 3, 224).unwrap().is_ok());
        }
        assert!(!is_known("vit_h_14") && by_name("vit_h_14", 3, 224).is_none());
    }

    #[test]
    fn a_vit_takes_whole_squares() {
        for side in [230, 8] {
            let error = by_name("vit_b_16", 3, side).unwrap().unwrap_err();
            let words = format!("torchvision's vit_b_16 refuses images of {side} × {side} pixels");
            assert!(error.starts_with(&words), "{error}");
        }
    }
}
