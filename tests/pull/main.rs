//! `cxr models pull` against a server that behaves like the Hugging Face hub.
#![cfg(feature = "pull")]

mod hub;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use cxr::inference::family::ModelFamily;
use hub::{COMMIT, FakeHub};
use serde_json::{Map, Value, json};

/// Everything that Hugging Face's programs and cxr read of the environment.
const VARIABLES: [&str; 11] = [
    "CXR_MIRROR",
    "CXR_MODEL",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HUGGING_FACE_HUB_TOKEN",
    "TRANSFORMERS_OFFLINE",
    "XDG_CACHE_HOME",
];

/// A user's folders, and the server that this user asks.
struct User {
    home: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl User {
    fn of(hub: &FakeHub) -> Self {
        User {
            home: tempfile::tempdir().unwrap(),
            variables: vec![("HF_ENDPOINT", hub.address.clone())],
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
        command
            .arg("models")
            .args(arguments)
            .stdin(Stdio::null())
            .current_dir(self.home.path());
        for name in VARIABLES {
            command.env_remove(name);
        }
        command
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", self.home.path().join("data"))
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .output()
            .unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        text(&output.stdout)
    }

    /// One line on standard error, and this exit status.
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        stderr
    }

    /// The files and folders of the library, but for the lock.
    fn library(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.path().join("data/cxr/models"));
        let entries = entries.into_iter().flatten();
        let found = entries.map(|entry| entry.unwrap().path());
        found.filter(|path| !path.ends_with(".lock")).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A safetensors file of zeros.
fn zeros(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Vec<u8> {
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * size_of::<f32>();
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        header.insert(name, entry);
    }
    let mut header = Value::Object(header).to_string();
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + end, 0);
    bytes
}

/// A file that can be read as the published weights, whose digest cxr does not know.
fn published() -> Vec<u8> {
    zeros(ModelFamily::XrvDensenet121.tensors(18))
}

const PUBLISHED: &str = "densenet121-res224-nih";

#[test]
fn published_weights_are_fetched_imported_and_keep_their_origin() {
    let weights = published();
    let hub = FakeHub::new(
        "torchxrayvision/densenet121-res224-nih",
        &[
            ("README.md", b"weights", false),
            ("config.json", b"{}", false),
            ("model.pt", &weights, true),
        ],
    );
    let user = User::of(&hub);
    let said = user.succeeds(&["pull", PUBLISHED]);
    assert!(
        said.starts_with("densenet121-res224-nih: imported, 14 labels"),
        "{said}"
    );
    assert_eq!(hub.fetched(), ["model.pt"]);
    assert_eq!(user.library().len(), 2, "the weights and the card");
    let card = user.succeeds(&["show", PUBLISHED]);
    let origin = format!("pulled from hf:torchxrayvision/densenet121-res224-nih@{COMMIT}\n");
    assert!(
        card.contains(&origin) && card.contains("Apache-2.0"),
        "{card}"
    );
    assert_eq!(user.succeeds(&["verify"]), "densenet121-res224-nih: ok\n");

    // An option that is not for it is refused.
    let labels = ["pull", PUBLISHED, "--labels", "a,b", "--name", "other"];
    let labels = user.fails(&labels, 2);
    assert!(labels.contains("cxr knows its labels"), "{labels}");

    // A name that is taken costs no transfer.
    let before = hub.requests().len();
    let taken = user.fails(&["pull", PUBLISHED], 2);
    assert!(taken.contains("already exists"), "{taken}");
    assert_eq!(hub.requests().len(), before);

    // What the user can mend needs no second transfer.
    let known = user.fails(&["pull", PUBLISHED, "--name", "again"], 2);
    assert!(
        known.contains("already in the store") && known.contains("what was fetched stays in"),
        "{known}"
    );
    let large = || {
        hub.requests()
            .iter()
            .filter(|request| !request.is_hub)
            .count()
    };
    let before = large();
    user.succeeds(&["pull", PUBLISHED, "--name", "again", "--force"]);
    assert_eq!((large(), user.library().len()), (before, 2));
    assert!(user.succeeds(&["list"]).contains("again v1"));
}

#[test]
fn a_pull_that_fails_leaves_one_line_and_no_model() {
    let hub = hub_of_vit();
    let mut user = User::of(&hub);
    let other = user.fails(&["pull", "hf:some-one/other"], 2);
    assert!(
        other.contains("hf:some-one/other: http://127.0.0.1") && other.contains("set HF_TOKEN"),
        "{other}"
    );
    let revision = user.fails(&["pull", "hf:some-one/vit-xray@v9"], 2);
    assert!(revision.contains("no revision v9"), "{revision}");

    hub.repository().damaged = Some("model.safetensors".to_owned());
    let damaged = user.fails(&["pull", "hf:some-one/vit-xray"], 1);
    let by_hand = "`cxr models import FOLDER --name vit-xray`";
    assert!(
        damaged.contains("model.safetensors: its SHA-256 is") && damaged.contains(by_hand),
        "{damaged}"
    );
    hub.repository().token = Some("hf_right".to_owned());
    user.variables.push(("HF_TOKEN", "hf_wrong".to_owned()));
    let token = user.fails(&["pull", "hf:some-one/vit-xray"], 2);
    assert!(
        token.contains("does not accept the token of HF_TOKEN"),
        "{token}"
    );
    assert!(!token.contains("hf_wrong"), "{token}");

    user.variables.push(("HF_HUB_OFFLINE", "1".to_owned()));
    let offline = user.fails(&["pull", "hf:some-one/vit-xray@v1", "--name", "mine"], 1);
    assert!(
        offline.contains("HF_HUB_OFFLINE is set")
            && offline.contains("https://huggingface.co/some-one/vit-xray/tree/v1")
            && offline.contains("`cxr models import FOLDER --name mine`"),
        "{offline}"
    );
    let models = user.library().into_iter().filter(|path| path.is_file());
    assert_eq!(models.count(), 0);
}

#[test]
fn a_token_of_the_login_is_used_and_a_mirror_gets_none() {
    let hub = FakeHub::new("some-one/vit-xray", &[("README.md", b"no model", false)]);
    let mut user = User::of(&hub);
    let login = user.home.path().join(".cache/huggingface");
    fs::create_dir_all(&login).unwrap();
    fs::write(login.join("token"), "hf_login\n").unwrap();
    user.fails(&["pull", "hf:some-one/vit-xray"], 2);
    let tokens = || -> Vec<_> {
        let requests = hub.requests().into_iter();
        requests.map(|request| request.authorization).collect()
    };
    let before = tokens();
    assert!(
        !before.is_empty()
            && before
                .iter()
                .all(|t| t.as_deref() == Some("Bearer hf_login"))
    );
    user.variables = vec![("CXR_MIRROR", hub.address.clone())];
    user.fails(&["pull", "hf:some-one/vit-xray"], 2);
    assert!(tokens()[before.len()..].iter().all(Option::is_none));
}

/// The smallest ViT that `transformers` builds, all of zeros.
fn vit() -> Vec<(&'static str, Vec<u8>, bool)> {
    const HIDDEN: usize = 8;
    const INNER: usize = 16;
    const PATCH: usize = 16;
    // 32 × 32 pixels have four patches, and there is the class token.
    let mut shapes = vec![
        ("vit.embeddings.cls_token".to_owned(), vec![1, 1, HIDDEN]),
        (
            "vit.embeddings.position_embeddings".to_owned(),
            vec![1, 5, HIDDEN],
        ),
        (
            "vit.embeddings.patch_embeddings.projection.weight".to_owned(),
            vec![HIDDEN, 3, PATCH, PATCH],
        ),
    ];
    let mut linear = |name: String, outputs: usize, inputs: usize| {
        shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{name}.bias"), vec![outputs]));
    };
    let layer = "vit.encoder.layer.0";
    for part in ["query", "key", "value"] {
        linear(
            format!("{layer}.attention.attention.{part}"),
            HIDDEN,
            HIDDEN,
        );
    }
    linear(format!("{layer}.attention.output.dense"), HIDDEN, HIDDEN);
    linear(format!("{layer}.intermediate.dense"), INNER, HIDDEN);
    linear(format!("{layer}.output.dense"), HIDDEN, INNER);
    linear("classifier".to_owned(), 2, HIDDEN);
    for norm in [
        "vit.encoder.layer.0.layernorm_before",
        "vit.encoder.layer.0.layernorm_after",
        "vit.layernorm",
    ] {
        shapes.push((format!("{norm}.weight"), vec![HIDDEN]));
        shapes.push((format!("{norm}.bias"), vec![HIDDEN]));
    }
    shapes.push((
        "vit.embeddings.patch_embeddings.projection.bias".to_owned(),
        vec![HIDDEN],
    ));
    let config = json!({
        "architectures": ["ViTForImageClassification"],
        "model_type": "vit",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "image_size": 32,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "num_attention_heads": 2,
        "num_channels": 3,
        "num_hidden_layers": 1,
        "patch_size": PATCH,
        "qkv_bias": true,
        "id2label": { "0": "NORMAL", "1": "PNEUMONIA" },
        "label2id": { "NORMAL": 0, "PNEUMONIA": 1 },
        "problem_type": "single_label_classification",
    });
    let preparation = json!({
        "image_processor_type": "ViTImageProcessor",
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "rescale_factor": 1.0 / 255.0,
        "size": { "height": 32, "width": 32 },
    });
    vec![
        ("config.json", config.to_string().into_bytes(), false),
        ("model.safetensors", zeros(shapes), true),
        (
            "preprocessor_config.json",
            preparation.to_string().into_bytes(),
            false,
        ),
        ("pytorch_model.bin", b"the same for PyTorch".to_vec(), true),
    ]
}

fn hub_of_vit() -> FakeHub {
    let files = vit();
    let files: Vec<(&str, &[u8], bool)> = files
        .iter()
        .map(|(name, bytes, is_large)| (*name, bytes.as_slice(), *is_large))
        .collect();
    FakeHub::new("some-one/vit-xray", &files)
}

#[test]
fn a_folder_of_the_hub_is_fetched_and_imported_with_its_commit() {
    let hub = hub_of_vit();
    hub.repository().token = Some("hf_right".to_owned());
    let mut user = User::of(&hub);
    user.variables.push(("HF_TOKEN", "hf_right".to_owned()));
    // In between, the transfer breaks off.
    hub.repository().cuts = [100].into();
    let said = user.succeeds(&["pull", "hf:some-one/vit-xray@v1"]);
    assert!(said.starts_with("vit-xray: imported"), "{said}");
    assert!(!hub.fetched().contains(&"pytorch_model.bin".to_owned()));
    let card = user.succeeds(&["show", "vit-xray"]);
    for words in [
        format!("pulled from hf:some-one/vit-xray@{COMMIT}").as_str(),
        format!("vit-xray {}", &COMMIT[..12]).as_str(),
        "mit, as its authors state at https://huggingface.co/some-one/vit-xray",
        "nih, rsna, as its authors state",
    ] {
        assert!(card.contains(words), "{words} is not in\n{card}");
    }
    assert_eq!(user.library().len(), 2, "the weights and the card");
}

#[test]
fn a_network_that_cxr_does_not_have_is_refused_before_its_weights_are_fetched() {
    let config = br#"{"architectures": ["CLIPModel"], "model_type": "clip"}"#;
    let hub = FakeHub::new(
        "some-one/clip",
        &[
            ("config.json", config, false),
            ("model.safetensors", b"{}", true),
        ],
    );
    let user = User::of(&hub);
    let refused = user.fails(&["pull", "hf:some-one/clip"], 1);
    assert!(
        refused.contains("hf:some-one/clip: ") && refused.contains("CLIPModel"),
        "{refused}"
    );
    assert!(!refused.contains("by hand"), "{refused}");
    assert_eq!(hub.fetched(), ["config.json"]);
    assert!(user.library().is_empty());
}
