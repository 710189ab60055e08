//! `cxr models`: other people's models from their file to scores, and the store that keeps them.

mod home;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cxr::checkpoint::{self, CheckpointLimits};
use cxr::inference::{Classifier, assemble_keras};
use home::Home;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/checkpoints")
        .join(name)
}

/// The picture of `make.py`, as a `[1, 3, 224, 224]` tensor.
fn picture() -> Vec<f32> {
    let mut values = Vec::new();
    for c in 0..3 {
        for y in 0..224 {
            for x in 0..224 {
                let (x, y, c) = (f64::from(x), f64::from(y), f64::from(c));
                let wave = (0.05 * y + 0.3 * c).sin() * (0.07 * x - 0.2 * c).cos();
                values.push(((127.5 + 127.4 * wave).floor() / 255.0) as f32);
            }
        }
    }
    values
}

/// Seeded random weights; Keras' outputs are in `expected.json`.
#[test]
fn keras_models_give_keras_outputs() {
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(data("expected.json")).unwrap()).unwrap();
    let three = ["A", "B", "C"].map(str::to_owned).to_vec();
    for (name, labels) in [
        ("demo.h5", None),
        ("demo.keras", None),
        ("demo.keras", Some(vec!["Healthy".to_owned()])),
        ("three.h5", Some(three.clone())),
        ("three.keras", Some(three)),
    ] {
        let read = checkpoint::read(&data(name), &CheckpointLimits::default()).unwrap();
        let tensors = read.tensors.into_iter();
        let tensors = tensors.map(|(name, tensor)| (name, (tensor.shape, tensor.values)));
        let config = read.keras_config.unwrap();
        let is_demo = labels.is_none();
        let (weights, card) = assemble_keras(&config, tensors.collect(), labels, "m").unwrap();
        let classifier = Classifier::from_parts(&card, &weights).unwrap();
        let logits = classifier.logits_of_values(picture()).unwrap();
        let theirs = expected[name]["output"].as_array().unwrap();
        assert_eq!(logits.len(), theirs.len());
        for (logit, theirs) in logits.iter().zip(theirs) {
            let sigmoid = 1.0 / (1.0 + (-f64::from(*logit)).exp());
            let ours = if is_demo { 1.0 - sigmoid } else { sigmoid };
            let difference = (ours - theirs.as_f64().unwrap()).abs();
            println!("{name}: {difference:.1e}");
            assert!(difference < 1e-5, "{name}: {ours} and {theirs}");
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_keras_model_is_imported_used_verified_and_removed() {
    let home = Home::new();
    home.film();
    let demo = data("demo.h5");
    let demo = demo.to_str().unwrap();
    let said = home.succeeds(&["models", "import", demo]);
    assert!(said.starts_with("demo: imported, 1 label;"), "{said}");
    for file in home.files() {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    let mode = fs::metadata(home.library()).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, home.files().len()), (0o700, 2));

    assert!(
        home.succeeds(&["models", "list"])
            .contains("demo imported  COVID-19  store\n")
    );
    for show in [
        &["models", "show", "demo"][..],
        &["--model", "demo", "models", "show"],
    ] {
        let card = home.succeeds(show);
        assert!(
            card.contains("keras-224-1") && card.contains("1 − σ"),
            "{card}"
        );
        assert!(card.contains("No heat map"), "{card}");
    }
    let table = home.succeeds(&["predict", "film.png", "--model", "demo", "-q", "-f", "csv"]);
    let mut rows = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let (header, row) = (rows.next().unwrap(), rows.next().unwrap());
    let at = |name: &str| header.iter().position(|title| *title == name).unwrap();
    let score: f64 = row[at("COVID-19")].parse().unwrap();
    assert!(score > 0.0 && score < 1.0 && row[at("preprocess")] == "keras-224-1");
    assert!(
        home.files()[0]
            .to_str()
            .unwrap()
            .contains(row[at("model_sha256")])
    );

    let maps = [
        "predict",
        "film.png",
        "--model",
        "demo",
        "--heatmaps",
        "maps",
    ];
    assert!(
        home.fails(&maps, 2)
            .ends_with("no heat map for this model\n")
    );
    assert!(!home.path().join("maps").exists());
    assert_eq!(home.succeeds(&["models", "verify"]), "demo: ok\n");
    assert!(
        home.succeeds(&["models", "remove", "demo"])
            .contains("removed")
    );
    assert!(home.files().is_empty());
    assert!(
        home.fails(&["models", "remove", "demo"], 2)
            .contains("no model in the store")
    );
    assert!(
        home.fails(&["predict", ".", "--model", "demo"], 2)
            .contains("no such model")
    );
}

#[test]
fn the_same_model_or_name_comes_twice_only_by_force() {
    let home = Home::new();
    let (demo, three) = (data("demo.h5"), data("three.keras"));
    let (demo, three) = (demo.to_str().unwrap(), three.to_str().unwrap());
    home.succeeds(&["models", "import", demo]);
    let known = home.fails(&["models", "import", demo, "--name", "again"], 2);
    assert!(known.contains("already in the store, as demo"), "{known}");
    let taken = [
        "models", "import", three, "--labels", "a,b,c", "--name", "demo",
    ];
    assert!(home.fails(&taken, 2).contains("called demo already exists"));
    home.succeeds(&[&taken[..], &["--force"]].concat());
    assert_eq!(home.files().len(), 2, "the other one is gone");
    assert!(
        home.succeeds(&["models", "list"])
            .contains("demo imported  a, b, c  store")
    );
    // The file from .keras and from .h5 is the same model.
    let h5 = data("three.h5");
    let h5 = [
        "models",
        "import",
        h5.to_str().unwrap(),
        "--labels",
        "a,b,c",
    ];
    assert!(home.fails(&h5, 2).contains("already in the store, as demo"));
}

#[test]
fn a_model_of_cxrs_comes_with_its_card_under_any_name() {
    let home = Home::new();
    let folder = home.path();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    for end in ["safetensors", "toml"] {
        let bundled = root.join(format!("cxr-lite0.{end}"));
        fs::copy(bundled, folder.join(format!("mine.{end}"))).unwrap();
    }
    let said = home.succeeds(&["models", "import", "mine.safetensors", "--name", "mine"]);
    assert!(said.starts_with("mine: imported"), "{said}");
    let card = home.succeeds(&["--model", "mine", "models", "show"]);
    assert!(card.starts_with("model       mine "), "{card}");
    assert_eq!(
        home.succeeds(&["--model", "cxr-lite0", "models", "show"]),
        home.succeeds(&["models", "show"]),
        "the bundled model has a name too"
    );
    let taken = [
        "models",
        "import",
        "mine.safetensors",
        "--name",
        "cxr-lite0",
    ];
    let refused = home.fails(&taken, 2);
    assert!(refused.contains("the bundled model"), "{refused}");
    // A library of before may have one under this name.
    let card = home.files().into_iter();
    let card = card.into_iter().find(|f| f.extension().unwrap() == "toml");
    let card = card.unwrap();
    let text = fs::read_to_string(&card).unwrap();
    let hidden = text.replacen("name = \"mine\"", "name = \"cxr-lite0\"", 1);
    fs::write(&card, hidden).unwrap();
    let listed = home.succeeds(&["models", "list"]);
    let hidden = listed.lines().nth(1).unwrap();
    assert!(hidden.contains("store, never used"), "{listed}");
    fs::write(&card, text).unwrap();

    let weights = home
        .files()
        .into_iter()
        .find(|f| f.extension().unwrap() == "safetensors");
    let weights = weights.unwrap();
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let broken = home.fails(&["models", "verify"], 1);
    assert!(broken.contains("SHA-256 is"), "{broken}");
    assert!(
        home.fails(&["predict", ".", "--model", "mine"], 2)
            .contains("SHA-256 is")
    );
}

/// Three million layers, and a list of three thousand texts that are one and the same of 16 MiB: with 2 GB
/// of address space both end in their line. They took 4.8 GB, and more than twelve.
#[test]
fn files_that_are_large_only_in_memory_are_refused_before_they_are_unpacked() {
    let home = Home::new();
    for (name, words) in [
        (
            "many_layers.h5",
            "its layers are described in more than 2 MiB",
        ),
        ("many_references.h5", "it does not say its class"),
    ] {
        let packed = fs::read(data(&format!("hostile/{name}.gz.gz"))).unwrap();
        let twice = flate2::read::GzDecoder::new(&packed[..]);
        let mut unpacked = flate2::read::GzDecoder::new(std::io::BufReader::new(twice));
        let mut file = fs::File::create(home.path().join(name)).unwrap();
        std::io::copy(&mut unpacked, &mut file).unwrap();
        let output = home
            .command("sh")
            .args([
                "-c",
                r#"ulimit -v 2000000; exec "$0" models import "$1" --name large"#,
            ])
            .args([env!("CARGO_BIN_EXE_cxr"), name])
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(
            stderr.contains(words) && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
    assert!(home.files().is_empty());
}

#[test]
fn a_file_that_cannot_be_imported_gives_one_line_and_leaves_nothing() {
    let home = Home::new();
    let path = |name: &str| data(name).to_str().unwrap().to_owned();
    fs::write(
        home.path().join("cut.h5"),
        &fs::read(data("demo.h5")).unwrap()[..20_000],
    )
    .unwrap();
    for (file, more, code, words) in [
        (
            path("hostile/system.pt"),
            &[][..],
            1,
            "would run posix.system",
        ),
        (path("hostile/header.safetensors"), &[], 1, "as safetensors"),
        (
            path("hostile/other_layer.h5"),
            &[],
            1,
            "GlobalAveragePooling2D",
        ),
        (
            path("module_zip.pt"),
            &[],
            1,
            "pickled PyTorch module of 14 tensors",
        ),
        (
            path("module_zip.pt"),
            &["--as", "keras-sequential"],
            1,
            "not a Keras model",
        ),
        (
            path("three.h5"),
            &[],
            1,
            "3 outputs: name them with --labels",
        ),
        (
            path("three.h5"),
            &["--labels", "a,b"],
            1,
            "3 outputs, and 2 labels",
        ),
        (
            path("three.h5"),
            &["--labels", "a,b,a"],
            2,
            "a is there twice",
        ),
        (
            path("three.h5"),
            &["--labels", "a,,b"],
            2,
            "a label is empty",
        ),
        (
            path("three.h5"),
            &["--name", "../x", "--labels", "a,b,c"],
            2,
            "is no name",
        ),
        ("cut.h5".to_owned(), &[], 1, "cut.h5: damaged or cut short"),
        ("gone.h5".to_owned(), &[], 1, "gone.h5: no such file"),
    ] {
        let arguments = [&["models", "import", &file][..], more].concat();
        let said = home.fails(&arguments, code);
        assert!(said.contains(words), "{said}");
        assert!(home.files().is_empty(), "{file}");
    }
}

#[test]
fn pull_refuses_what_names_no_model() {
    let home = Home::new();
    for (model, words) in [
        ("no-such", "densenet121-res224-all"),
        ("someone/vit", "hf:someone/vit"),
        ("hf:someone", "hf:OWNER/NAME"),
        ("hf:../vit", "hf:OWNER/NAME"),
        ("hf:someone/_vit", "give one with --name"),
        ("hf:someone/cxr-lite0", "the bundled model"),
    ] {
        let refused = home.fails(&["models", "pull", model], 2);
        assert!(refused.contains(words), "{refused}");
    }
    assert!(home.files().is_empty());
}

#[cfg(not(feature = "pull"))]
#[test]
fn without_the_network_pull_says_what_to_do_by_hand() {
    let home = Home::new();
    let said = home.fails(&["models", "pull", "hf:a/b"], 2);
    assert!(
        said.contains("without the network") && said.contains("`cxr models import FOLDER"),
        "{said}"
    );
}

/// A server that has nothing of what is asked for, and one that is not there.
#[cfg(feature = "pull")]
#[test]
fn pull_explains_what_to_do_by_hand_if_it_fails() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwrong")
            .unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let home = Home::new();
    let pull = || {
        let output = home
            .command(env!("CARGO_BIN_EXE_cxr"))
            .args(["models", "pull", "densenet121-res224-all"])
            .env("CXR_MIRROR", &mirror)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let wrong = pull();
    assert!(
        wrong.contains("its SHA-256 is") && wrong.contains("by hand"),
        "{wrong}"
    );
    let request = server.join().unwrap();
    assert!(
        request.starts_with("GET /torchxrayvision/densenet121-res224-all/resolve/main/model.pt "),
        "{request}"
    );
    let gone = pull();
    assert!(
        gone.contains("cannot be reached") && gone.contains("cxr models import FILE"),
        "{gone}"
    );
    assert_eq!(gone.lines().count(), 1, "{gone}");
    let kept = home
        .files()
        .into_iter()
        .filter(|file| fs::metadata(file).unwrap().len() > 0);
    assert_eq!(kept.count(), 0);
}
