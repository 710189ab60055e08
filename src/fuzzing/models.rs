//! Other people's model files, cards, preprocessing files and arrays.

use super::is_one_line;
use crate::checkpoint::{self, Checkpoint, PartIndex};
use crate::domain::{Radiograph, Samples};
use crate::inference::family::NamedTensors;
use crate::inference::folder::{FolderOptions, FolderPlan, FolderTexts};
use crate::inference::{
    ModelFiles, OnnxOptions, Preprocess, assemble_onnx, assemble_onnx_graph, parse_recipe,
    write_card, write_recipe,
};

/// The pickle of a PyTorch file, without the file.
pub fn pickle(data: &[u8]) {
    is_bounded(data, checkpoint::parse_pickle(data));
}

/// Files of PyTorch: zip files, and the format from before 1.6.
pub fn torch(data: &[u8]) {
    is_bounded(data, checkpoint::parse(data));
}

/// HDF5, alone or in the zip file of Keras 3.
pub fn keras(data: &[u8]) {
    is_bounded(data, checkpoint::parse(data));
}

/// Files of safetensors.
pub fn safetensors(data: &[u8]) {
    is_bounded(data, checkpoint::parse(data));
}

/// The descriptions of a folder of transformers or timm: `config.json` and, after a zero, `preprocessor_config.json`.
/// What is understood lacks its weights.
pub fn model_folder(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (config, preprocessor) = match text.split_once('\0') {
        Some((config, preprocessor)) => (config, Some(preprocessor)),
        None => (text, None),
    };
    let texts = FolderTexts {
        config,
        preprocessor,
        processor: None,
    };
    let planned = FolderPlan::new(&texts, &FolderOptions::default());
    match planned.map(|plan| plan.assemble(NamedTensors::new(), &[], "fuzzed")) {
        Ok(Ok(_)) => panic!("a model without weights"),
        Ok(Err(error)) | Err(error) => is_one_line(&error),
    }
}

/// The list of the files that the weights of a folder are in.
pub fn part_index(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        let _ = PartIndex::parse(text);
    }
}

/// The most values per byte of a file: Keras compresses.
const MOST_TIMES: usize = 8;

/// Checks that a checkpoint holds as many values as its shapes say, and not many for its length.
fn is_bounded(data: &[u8], read: Result<Checkpoint, checkpoint::CheckpointFault>) {
    let Ok(read) = read else { return };
    let mut all = 0;
    for (name, tensor) in &read.tensors {
        let elements: usize = tensor.shape.iter().product();
        assert_eq!(tensor.values.len(), elements, "{name:?}");
        all += elements;
    }
    assert!(all <= MOST_TIMES * data.len(), "{all} of {}", data.len());
}

/// A preprocessing for the graphs of the corpus.
const SQUARE: &str = r#"
preprocess = "recipe-1"
[preprocessing]
film = { values = "window", depth = "bytes", colour = "rgb", channels = 3 }
step = [{ do = "resize", size = 32, filter = "pillow-bilinear" }]
"#;

/// A graph of ONNX, and the network that it becomes, of layers or of operators that are kept. The numbers of its tensors are no more than its bytes.
pub fn onnx(data: &[u8]) {
    let Ok(graph) = checkpoint::parse_onnx(data) else {
        return;
    };
    let mut all = 0;
    for (name, tensor) in &graph.constants {
        let elements: usize = tensor.shape.iter().product();
        assert_eq!(tensor.numbers.len(), elements, "{name:?}");
        all += elements;
    }
    assert!(all <= data.len(), "{all} of {}", data.len());
    let options = OnnxOptions {
        labels: Some(["A", "B", "C"].map(str::to_owned).to_vec()),
        scores: None,
        recipe: parse_recipe(SQUARE).expect("the recipe can be followed"),
    };
    let made = match (
        assemble_onnx(graph, &options, "graph"),
        checkpoint::parse_onnx(data),
    ) {
        // Cxr's layers cannot say it: its operators are kept.
        (Err(error), Ok(again)) if error.is_of_layers() => {
            assemble_onnx_graph(again, &options, "graph")
        }
        (made, _) => made,
    };
    match made {
        Ok((_, card)) => {
            ModelFiles::parse_card(&card).expect("a card that was written can be read");
        }
        Err(error) => is_one_line(&error),
    }
}

/// A model card. Written as text and read again, it is the same.
pub fn card(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match ModelFiles::parse_card(text) {
        Ok(card) => {
            let written = write_card(&card).expect("a card that was read can be written");
            let again = ModelFiles::parse_card(&written).expect("and read again");
            assert_eq!(again, card);
        }
        Err(error) => is_one_line(&error),
    }
}

/// A preprocessing file. Written as text and read again, it is the same, and what it makes of a film has its shape.
pub fn recipe(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let recipe = match parse_recipe(text) {
        Ok(recipe) => recipe,
        Err(error) => return is_one_line(&error),
    };
    let written = write_recipe(&recipe).expect("a recipe that was read can be written");
    let again = parse_recipe(&written).expect("and read again");
    assert_eq!(again, recipe);
    let preprocess = Preprocess::by(&recipe).expect("it was checked");
    // A larger picture teaches a fuzzer nothing more.
    if preprocess.size() <= LARGEST_INPUT {
        let film = Radiograph::plain(7, 5, Samples::Grey8((0..35).collect()), "fuzzed");
        let values = preprocess.apply(&film, None);
        let pixels = preprocess.size() * preprocess.size();
        assert_eq!(values.len(), preprocess.channels() * pixels);
    }
}

/// The largest side that a recipe is tried with.
const LARGEST_INPUT: usize = 256;

/// An array of NumPy.
pub fn npy(data: &[u8]) {
    match checkpoint::parse_npy(data) {
        Ok(tensor) => {
            let elements: usize = tensor.shape.iter().product();
            assert_eq!(tensor.values.len(), elements);
            assert!(elements <= data.len(), "{elements} of {}", data.len());
        }
        Err(fault) => is_one_line(&fault),
    }
}
