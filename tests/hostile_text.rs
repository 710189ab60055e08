//! Cards, names and arguments with characters that move the cursor, reverse text or hide it. None of these
//! characters reaches a terminal or the header of a table.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cxr::domain::text::is_dangerous;

/// Clears the screen, sets a title, starts a C1 control sequence, reverses text and hides some of it.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}gnp\u{2066}\u{200b}\u{e0041}\u{3164}\u{85}\r";

/// The same, escaped for TOML.
fn in_toml() -> String {
    let escaped = HOSTILE.chars().map(|c| format!("\\U{:08x}", u32::from(c)));
    escaped.collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    /// A copy of the bundled model with a changed card.
    fn model(&self, change: impl Fn(String) -> String) -> PathBuf {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/cxr-lite0.safetensors");
        let card = fs::read_to_string(weights.with_extension("toml")).unwrap();
        let model = self.0.path().join("evil.safetensors");
        fs::copy(weights, &model).unwrap();
        fs::write(model.with_extension("toml"), change(card)).unwrap();
        model
    }

    /// The output on both streams, and the exit code.
    fn run(&self, arguments: &[&OsStr]) -> (String, i32) {
        let output = Command::new(env!("CARGO_BIN_EXE_cxr"))
            .args(arguments)
            .stdin(Stdio::null())
            .env("CXR_CONFIG", "")
            .env("XDG_STATE_HOME", self.0.path())
            .env("XDG_DATA_HOME", self.0.path().join("data"))
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (String::from_utf8(printed).unwrap(), code)
    }

    /// [`run`](Self::run), and a check that no character of the output is dangerous.
    fn run_safely(&self, arguments: &[&OsStr]) -> (String, i32) {
        let (printed, code) = self.run(arguments);
        let found = printed.chars().find(|c| *c != '\n' && is_dangerous(*c));
        assert_eq!(found, None, "{arguments:?}: {printed:?}");
        (printed, code)
    }
}

fn words(text: &str) -> Vec<&OsStr> {
    text.split(' ').map(OsStr::new).collect()
}

/// The card with hostile text in its name, its version, all its texts and the name of a label.
fn hostile(card: String) -> String {
    let evil = in_toml();
    let card = card
        .replacen("name = \"cxr-lite0\"", &format!("name = \"lite{evil}\""), 1)
        .replacen("version = \"", &format!("version = \"{evil}"), 1)
        .replacen("licence = \"", &format!("licence = \"{evil}"), 1)
        .replacen("pretrained = \"", &format!("pretrained = \"{evil}"), 1)
        .replacen(
            "training_data = \"",
            &format!("training_data = \"{evil}"),
            1,
        )
        .replacen("\"Not a medical", &format!("\"{evil}Not a medical"), 1)
        .replacen("on = \"", &format!("on = \"{evil}"), 1)
        .replacen("statistic = \"", &format!("statistic = \"{evil}"), 1);
    card.replace("\"Viral\"", &format!("\"Vi{evil}ral\""))
}

#[test]
fn a_hostile_card_prints_no_dangerous_character() {
    let folder = Folder::new();
    let model = folder.model(hostile);
    let model = model.to_str().unwrap();
    for command in ["models show", "models list", "doctor"] {
        let arguments = format!("{command} --model {model}");
        let (printed, code) = folder.run_safely(&words(&arguments));
        assert_eq!(code, 0, "{command}: {printed}");
        assert!(printed.contains("lite [2J"), "{command}: {printed}");
    }
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/pneumonia_1.png");
    for format in ["csv", "jsonl"] {
        let arguments = format!(
            "predict --quiet --format {format} --model {model} {}",
            sample.display()
        );
        let (printed, code) = folder.run_safely(&words(&arguments));
        assert_eq!(code, 0, "{printed}");
        assert!(printed.contains("Vi [2J ]0;x 31m gnp ral"), "{printed}");
    }
    // The imported model keeps its own text, and is listed safely.
    let imported = folder.run_safely(&words(&format!("models import {model} --name evil")));
    assert_eq!(imported.1, 0, "{}", imported.0);
    let (printed, _) = folder.run_safely(&words("models list"));
    assert!(printed.contains("evil"), "{printed}");
}

#[test]
fn labels_that_look_alike_or_have_no_visible_name_are_refused() {
    let folder = Folder::new();
    let alike = |card: String| card.replacen("\"Viral\"", "\"Bacterial\\u200b\"", 1);
    let empty = |card: String| card.replacen("\"Viral\"", "\"\\u202e\\u2066\"", 1);
    let same = |card: String| card.replacen("\"Viral\"", "\"Bacterial\"", 1);
    let column = |card: String| card.replacen("\"Viral\"", "\"path\"", 1);
    for (change, why) in [
        (&alike as &dyn Fn(String) -> String, "look alike"),
        (&empty, "can be shown"),
        (&same, "two labels are called \"Bacterial\""),
        (&column, "a label is called \"path\", as a column"),
    ] {
        let model = folder.model(change);
        let arguments = format!("models show --model {}", model.display());
        let (printed, code) = folder.run_safely(&words(&arguments));
        assert_eq!(code, 2, "{printed}");
        assert!(
            printed.contains(why) && printed.lines().count() == 1,
            "{printed}"
        );
    }
}

#[test]
fn arguments_and_paths_in_errors_are_printed_safely() {
    let folder = Folder::new();
    let evil = OsStr::new(HOSTILE);
    let option = OsStr::from_bytes(&[b"--", HOSTILE.as_bytes()].concat()).to_owned();
    for arguments in [
        vec![option.as_os_str()],
        vec![OsStr::new("predict"), option.as_os_str()],
        vec![OsStr::new("--theme"), evil],
        vec![OsStr::new("models"), OsStr::new("remove"), evil],
        vec![OsStr::new("models"), OsStr::new("show"), evil],
        vec![OsStr::new("predict"), evil],
        vec![OsStr::new("predict"), OsStr::new("--model"), evil],
        vec![OsStr::new("config"), OsStr::new("--check"), evil],
        vec![
            OsStr::new("export"),
            OsStr::new("--all"),
            OsStr::new("--store"),
            evil,
        ],
        vec![OsStr::new("report"), evil],
    ] {
        let (printed, code) = folder.run_safely(&arguments);
        assert!(code > 0 && !printed.is_empty(), "{arguments:?}: {printed}");
    }
    let config = folder.0.path().join("config.toml");
    fs::write(
        &config,
        format!("\"{}\" = 1\ntheme = \"{}\"\n", in_toml(), in_toml()),
    )
    .unwrap();
    let check = [
        OsStr::new("config"),
        OsStr::new("--check"),
        config.as_os_str(),
    ];
    assert_eq!(folder.run_safely(&check).1, 2);
}
