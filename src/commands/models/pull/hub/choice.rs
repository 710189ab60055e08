//! Which files of a model are fetched: what says how it is built and prepared, and its weights once.
//!
//! A repository often holds the same weights for several frameworks. Safetensors go before PyTorch's own format, as
//! in `transformers` (`PreTrainedModel.from_pretrained`) and timm (`load_model_config_from_hf`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::listing::HubFile;
use crate::checkpoint::folder::{
    ADAPTER, CONFIG, INDEX, MOST_PARTS, MOST_TEXT, PREPROCESSOR, PROCESSOR, WEIGHTS,
};
use crate::domain::text::clean;

/// How its images are prepared; either may be absent.
const PREPARATION: [&str; 2] = [PREPROCESSOR, PROCESSOR];
/// The endings of files that `cxr models import` reads by themselves.
const ALONE: [&str; 7] = [
    ".onnx",
    ".h5",
    ".keras",
    ".pt",
    ".pth",
    ".pth.tar",
    ".safetensors",
];
/// Files with such an ending that are part of something else, beside a model of `transformers`.
const NO_MODELS: [&str; 4] = ["optimizer.pt", "scaler.pt", "scheduler.pt", "tf_model.h5"];
/// The most file names in one message.
const NAMED: usize = 6;

/// The files of a model that are needed.
#[derive(Debug, PartialEq, Eq)]
pub struct ChosenFiles<'a> {
    /// Small texts, which are fetched first.
    pub texts: Vec<&'a HubFile>,
    pub weights: ChosenWeights<'a>,
}

/// Where the weights are.
#[derive(Debug, PartialEq, Eq)]
pub enum ChosenWeights<'a> {
    Whole(&'a HubFile),
    /// In the files that this text names, which is among the texts too.
    Parts(&'a HubFile),
}

/// Chooses among the files of a repository.
///
/// # Errors
/// If it holds no model that `cxr models import` reads as a folder, with what it holds instead.
pub fn choose(files: &[HubFile]) -> Result<ChosenFiles<'_>, String> {
    let find = |name: &str| files.iter().find(|file| file.path == name);
    let Some(config) = find(CONFIG) else {
        return Err(format!("it has no {CONFIG}{}", instead(files)));
    };
    let Some(weights) = WEIGHTS.iter().find_map(|name| find(name)) else {
        return Err(format!(
            "it has no weights as safetensors or in PyTorch's format{}",
            instead(files)
        ));
    };
    let mut texts = vec![config];
    texts.extend(PREPARATION.iter().filter_map(|name| find(name)));
    let weights = if weights.path.ends_with(INDEX) {
        texts.push(weights);
        ChosenWeights::Parts(weights)
    } else {
        ChosenWeights::Whole(weights)
    };
    let large = texts.iter().find(|text| text.size > MOST_TEXT);
    match large {
        Some(text) => Err(format!(
            "its {} is larger than {} MiB",
            text.path,
            MOST_TEXT >> 20
        )),
        None => Ok(ChosenFiles { texts, weights }),
    }
}

#[derive(Deserialize)]
struct PartsText {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

/// The files that hold the parts of the weights, by the text of their list.
///
/// # Errors
/// If the text is no such list, or names a file that is not in the root of the repository.
pub fn parts<'a>(list: &[u8], files: &'a [HubFile]) -> Result<Vec<&'a HubFile>, String> {
    let text: PartsText =
        serde_json::from_slice(list).map_err(|error| format!("no list of parts ({error})"))?;
    let names: BTreeSet<String> = text.weight_map.into_values().collect();
    if names.is_empty() {
        return Err("it lists no part".to_owned());
    }
    if names.len() > MOST_PARTS {
        return Err(format!("it lists more than {MOST_PARTS} parts"));
    }
    let of_name = |name: &String| {
        let found = files.iter().find(|file| file.path == *name);
        found
            .filter(|file| is_plain(&file.path))
            .ok_or_else(|| format!("it lists {}, which is not there", clean(name)))
    };
    names.iter().map(of_name).collect()
}

/// Whether a path is a plain name: it leads to no other folder, and a terminal shows it as it is.
fn is_plain(path: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    path.starts_with(|c: char| c.is_ascii_alphanumeric()) && path.chars().all(is_allowed)
}

/// What a repository holds instead of a model, and what to do with it.
fn instead(files: &[HubFile]) -> String {
    if files.iter().any(|file| file.path == ADAPTER) {
        return format!(
            ": it is an adapter ({ADAPTER}), and its model is another one; merge the two with PEFT's \
             merge_and_unload, save that, and `cxr models import` its folder"
        );
    }
    let mut names: Vec<String> = files
        .iter()
        .map(|file| clean(&file.path))
        .filter(|path| !path.starts_with('.'))
        .collect();
    let is_alone = |path: &&String| {
        ALONE.iter().any(|end| path.ends_with(end)) && !NO_MODELS.contains(&path.as_str())
    };
    let advice = match names.iter().find(is_alone) {
        Some(path) => format!(
            "; {path} may be imported by itself: fetch it by hand, and `cxr models import` it"
        ),
        None => String::new(),
    };
    let all = names.len();
    names.truncate(NAMED);
    let listed = match all {
        0 => "; it holds no model at all".to_owned(),
        n if n > NAMED => format!("; it holds {} and {} more", names.join(", "), n - NAMED),
        _ => format!("; it holds {}", names.join(", ")),
    };
    listed + &advice
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(paths: &[&str]) -> Vec<HubFile> {
        let file = |path: &&str| HubFile {
            path: (*path).to_owned(),
            size: 1,
            digest: None,
        };
        paths.iter().map(file).collect()
    }

    fn chosen(paths: &[&str]) -> Vec<String> {
        let files = files(paths);
        let chosen = choose(&files).unwrap();
        let weights = match chosen.weights {
            ChosenWeights::Whole(file) => Some(file),
            ChosenWeights::Parts(_) => None,
        };
        let all = chosen.texts.into_iter().chain(weights);
        all.map(|file| file.path.clone()).collect()
    }

    #[test]
    fn weights_of_other_frameworks_stay_where_they_are() {
        let all = [
            ".gitattributes",
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "model.fp16.safetensors",
            "model.safetensors",
            "onnx/model.onnx",
            "optimizer.pt",
            "preprocessor_config.json",
            "pytorch_model.bin",
            "runs/events.out.tfevents",
            "tf_model.h5",
            "training_args.bin",
        ];
        let expected = [
            "config.json",
            "preprocessor_config.json",
            "model.safetensors",
        ];
        assert_eq!(chosen(&all), expected);
        assert_eq!(
            chosen(&["config.json", "pytorch_model.bin", "tf_model.h5"]),
            ["config.json", "pytorch_model.bin"]
        );
        assert_eq!(
            chosen(&[
                "config.json",
                "model.safetensors.index.json",
                "pytorch_model.bin"
            ]),
            ["config.json", "model.safetensors.index.json"]
        );
    }

    #[test]
    fn what_is_no_model_is_refused_with_what_is_there() {
        for (paths, words) in [
            (
                &["config.json", "tf_model.h5", "flax_model.msgpack"][..],
                "no weights as safetensors",
            ),
            (
                &["tf_model.h5", "z.pth", "README.md"],
                "; z.pth may be imported by itself",
            ),
            (
                &["adapter_config.json", "adapter_model.safetensors"],
                "it is an adapter",
            ),
            (
                &["sub/config.json", "sub/model.safetensors"],
                "no config.json",
            ),
            (&[".gitattributes"], "no model at all"),
            (&["a", "b", "c", "d", "e", "f", "g", "h\u{1b}"], "2 more"),
        ] {
            let error = choose(&files(paths)).unwrap_err();
            assert!(
                error.contains(words) && !error.contains('\u{1b}'),
                "{error}"
            );
        }
        let mut large = files(&["config.json", "model.safetensors"]);
        large[0].size = MOST_TEXT + 1;
        assert!(
            choose(&large)
                .unwrap_err()
                .contains("config.json is larger")
        );
    }

    #[test]
    fn the_parts_are_files_of_the_repository() {
        let [a, b] = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ];
        let files = files(&[a, b, "../x.safetensors", "sub/y.safetensors"]);
        let list = |names: &[&str]| {
            let pairs: Vec<_> = (0..)
                .zip(names)
                .map(|(n, name)| format!(r#""t{n}": "{name}""#))
                .collect();
            format!(
                r#"{{"metadata": {{}}, "weight_map": {{{}}}}}"#,
                pairs.join(", ")
            )
        };
        let found = parts(list(&[b, a, b]).as_bytes(), &files).unwrap();
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [a, b]);
        for (list, words) in [
            (list(&["../x.safetensors"]), "not there"),
            (list(&["sub/y.safetensors"]), "not there"),
            (
                list(&["gone.safetensors"]),
                "gone.safetensors, which is not there",
            ),
            (list(&[]), "no part"),
            ("{}".to_owned(), "no list of parts"),
            ("[".to_owned(), "no list of parts"),
        ] {
            let error = parts(list.as_bytes(), &files).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn only_plain_names_are_parts(list in any::<Vec<u8>>(), path in any::<String>()) {
            prop_assert!(!is_plain(&path) || !path.contains(['/', '\\']) && !path.starts_with('.'));
            let files = files(&[&path]);
            let _ = parts(&list, &files);
            prop_assert!(choose(&files).is_err());
        }
    }
}
