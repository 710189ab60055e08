//! `cxr models import net.safetensors --as NETWORK`: weights alone, of a network that torchvision or timm has a name for.

mod home;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cxr::inference::family::ModelFamily;
use home::Home;
use serde_json::{Map, Value, json};

impl Home {
    /// The cells of a model's row of a film, by the names of their columns.
    fn row(&self, model: &str) -> BTreeMap<String, String> {
        self.film();
        let table = self.succeeds(&["predict", "film.png", "--model", model, "-q", "-f", "csv"]);
        let mut lines = table.lines().map(|line| line.split(',').map(str::to_owned));
        let (columns, cells) = (lines.next().unwrap(), lines.next().unwrap());
        columns.zip(cells).collect()
    }
}

/// Weights that keep the variance of what they read, by an index over all tensors.
fn value(name: &str, shape: &[usize], index: u32) -> f32 {
    let noise = index.wrapping_mul(2_654_435_761).rotate_left(15);
    let noise = noise.wrapping_mul(2_246_822_519) >> 8;
    let u = noise as f32 / (1 << 23) as f32 - 1.0;
    let inside: usize = shape[1..].iter().product();
    match name.rsplit('.').next() {
        _ if shape.len() > 1 => u * (6.0 / inside as f32).sqrt(),
        Some("running_mean" | "bias") => 0.1 * u,
        _ => 1.0 + 0.5 * u,
    }
}

/// A file of CheXNet's weights with two outputs, which is torchvision's DenseNet-121, as a module of Lightning that calls
/// its network `model` would save it.
fn write_densenet(path: &Path) {
    let mut header = Map::new();
    let (mut bytes, mut index) = (Vec::new(), 0_u32);
    for (name, shape) in ModelFamily::Chexnet.tensors(2) {
        let start = bytes.len();
        for _ in 0..shape.iter().product::<usize>() {
            bytes.extend_from_slice(&value(&name, &shape, index).to_le_bytes());
            index += 1;
        }
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, bytes.len()]});
        header.insert(format!("model.{name}"), entry);
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&bytes);
    fs::write(path, file).unwrap();
}

const IMPORT: [&str; 3] = ["models", "import", "net.safetensors"];

/// CheXNet is the same network, and on a picture of 8 bits its preprocessing is torchvision's. The scores are those of
/// torchvision 0.29, with the weights of [`value`]:
///
/// ```python
/// model = torchvision.models.densenet121(num_classes=2).eval()
/// transform = torchvision.transforms._presets.ImageClassification(crop_size=224)
/// torch.sigmoid(model(transform(Image.open("samples/clear_1.png").convert("RGB"))[None]))
/// ```
#[test]
fn a_network_of_torchvision_gives_its_scores_from_a_file() {
    const THEIRS: [(&str, f64); 2] = [("Edema", 0.032_143_4), ("Mass", 0.315_541_1)];
    let home = Home::new();
    write_densenet(&home.path().join("net.safetensors"));
    let given = ["--labels", "Edema,Mass"];
    let own = ["--as", "densenet121", "--preprocess", "imagenet-224-1"];
    let scores = ["--scores", "sigmoid", "--name", "own"];
    let said = home.succeeds(&[&IMPORT[..], &given, &own, &scores].concat());
    assert_eq!(said, "own: imported, 2 labels; cxr --model own uses it\n");
    let shown = home.succeeds(&["models", "show", "own"]);
    for words in [
        "torchvision's densenet121",
        "net.safetensors, SHA-256",
        "resize",
        "recipe-1-",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let ours = home.row("own");
    home.succeeds(&["models", "remove", "own"]);
    let family = ["--as", "chexnet", "--name", "family"];
    home.succeeds(&[&IMPORT[..], &given, &family].concat());
    let theirs = home.row("family");
    for (label, expected) in THEIRS {
        let [ours, chexnets] = [&ours, &theirs].map(|row| row[label].parse::<f64>().unwrap());
        assert!(
            (ours - chexnets).abs() < 1e-6,
            "{label}: {ours} and {chexnets}"
        );
        assert!(
            (ours - expected).abs() < 1e-4,
            "{label}: {ours} and {expected}"
        );
    }
}

#[test]
fn what_the_user_leaves_out_or_says_wrongly_is_one_line() {
    let home = Home::new();
    write_densenet(&home.path().join("net.safetensors"));
    let whole = ["--labels", "a,b", "--preprocess", "imagenet-224-1"];
    let fails = |more: &[&str], code| home.fails(&[&IMPORT[..], more].concat(), code);
    let unknown = fails(&["--as", "densenet122"], 2);
    assert!(
        unknown.contains("--as densenet122: cxr has no such network; there are xrv-densenet121, ")
            && unknown.contains("keras-sequential; densenet121, ")
            && unknown.contains("resnet152, vit_b_16, ")
            && unknown.contains("convnext_large of torchvision"),
        "{unknown}"
    );
    let labels = fails(&["--as", "densenet121"], 2);
    assert!(
        labels.contains("name them in order with --labels"),
        "{labels}"
    );
    let recipe = fails(&["--as", "densenet121", "--labels", "a,b"], 2);
    assert!(recipe.contains("say it with --preprocess"), "{recipe}");

    let other = fails(&[&["--as", "densenet169"][..], &whole].concat(), 1);
    assert!(
        other.contains("net.safetensors: its weights: not torchvision's densenet169: lacks "),
        "{other}"
    );
    let grey = ["--labels", "a,b", "--preprocess", "xrv-224-1"];
    let grey = fails(&[&["--as", "densenet121"][..], &grey].concat(), 2);
    assert!(
        grey.contains("it makes 1 channels, and the network takes 3"),
        "{grey}"
    );
    let three = ["--labels", "a,b,c", "--preprocess", "imagenet-224-1"];
    let three = fails(&[&["--as", "densenet121"][..], &three].concat(), 2);
    assert!(
        three.contains("2 outputs, and there are 3 labels"),
        "{three}"
    );
    let family = fails(
        &["--as", "chexnet", "--labels", "a,b", "--scores", "softmax"],
        2,
    );
    assert!(family.contains("--scores is for folders"), "{family}");

    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints");
    let named = |file: &str, code| {
        let path = data.join(file);
        let import = [
            "models",
            "import",
            path.to_str().unwrap(),
            "--as",
            "resnet18",
        ];
        home.fails(&[&import[..], &whole].concat(), code)
    };
    let keras = named("demo.h5", 2);
    assert!(
        keras.contains("it is a Keras HDF5, and --as resnet18"),
        "{keras}"
    );
    let module = named("module_zip.pt", 1);
    assert!(
        module.contains("not torchvision's resnet18: lacks "),
        "{module}"
    );
    let code = named("hostile/system.pt", 1);
    assert!(code.contains("would run posix.system"), "{code}");
}
