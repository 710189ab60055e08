//! What `tools/release.sh` does without a build: its scripts can be read, a program is packed with its manual page and
//! completions, and the bill of materials names what is in the program. The builds themselves take too long here.

#![cfg(target_os = "linux")]

mod skip;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(program: &str, arguments: &[&Path]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    // Nothing is fetched for a test.
    command
        .env("CARGO_NET_OFFLINE", "true")
        .env("CXR_RELEASE_LEVEL", "1");
    command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn succeeds(program: &str, arguments: &[&Path]) -> String {
    let output = output(program, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        skip::skip(format_args!("no {program}"));
    }
    found
}

/// Whether there is a Python that `tools/sbom.py` runs in.
fn has_python() -> bool {
    let output = Command::new("python3")
        .args(["-c", "import tomllib"])
        .output();
    let found = output.is_ok_and(|output| output.status.success());
    if !found {
        skip::skip("no Python of version 3.11");
    }
    found
}

/// The scripts of a release and of the examples.
fn scripts() -> Vec<PathBuf> {
    let examples = fs::read_dir(root().join("examples/slurm")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path());
    let mut scripts: Vec<_> = examples
        .filter(|path| path.extension().is_some_and(|end| end == "sh"))
        .collect();
    scripts.extend(["release", "slurm_host"].map(|name| root().join(format!("tools/{name}.sh"))));
    assert!(scripts.len() >= 5);
    scripts
}

#[test]
fn scripts_are_read_by_bash_and_shellcheck() {
    for script in scripts() {
        succeeds("bash", &[Path::new("-n"), &script]);
    }
    if is_there("shellcheck") {
        for script in scripts() {
            succeeds("shellcheck", &[Path::new("--severity=warning"), &script]);
        }
    }
}

/// The crates of the table in THIRD-PARTY.md, by name and version.
fn crates_of_the_table() -> BTreeSet<(String, String)> {
    let page = fs::read_to_string(root().join("THIRD-PARTY.md")).unwrap();
    let (_, table) = page.split_once("|---|---|---|---|\n").unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(|cell| cell.trim().to_owned()).skip(1);
        Some((cells.next()?, cells.next()?))
    };
    table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .filter_map(row)
        .collect()
}

/// The bill of materials of x86-64 Linux, for which the table is.
fn bill() -> Value {
    let script = root().join("tools/sbom.py");
    let arguments = [
        &*script,
        Path::new("--target"),
        Path::new("x86_64-unknown-linux-gnu"),
    ];
    serde_json::from_str(&succeeds("python3", &arguments)).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_bill_of_materials_has_the_crates_the_c_and_the_models() {
    if !has_python() {
        return;
    }
    let bill = bill();
    assert_eq!(text(&bill["bomFormat"]), "CycloneDX");
    let components = bill["components"].as_array().unwrap();
    let of = |start: &'static str| {
        let parts = components.iter();
        parts.filter(move |part| text(&part["bom-ref"]).starts_with(start))
    };

    let named = |part: &Value| {
        (
            text(&part["name"]).to_owned(),
            text(&part["version"]).to_owned(),
        )
    };
    let mut crates: BTreeSet<_> = of("pkg:cargo/").map(named).collect();
    // Ours: the table lists those of others.
    assert!(crates.remove(&(
        "cxr-kernels".to_owned(),
        env!("CARGO_PKG_VERSION").to_owned()
    )));
    let table = crates_of_the_table();
    let differing: Vec<_> = crates.symmetric_difference(&table).collect();
    assert!(differing.is_empty(), "in only one of both: {differing:?}");
    let without_digest = of("pkg:cargo/").filter(|part| part["hashes"].is_null());
    assert_eq!(without_digest.count(), 1, "only cxr-kernels has none");

    let c: Vec<_> = of("pkg:generic/").map(|part| text(&part["name"])).collect();
    assert_eq!(c, ["sqlite", "libwebp"]);
    for model in of("model:") {
        let weights = format!("weights/{}.safetensors", text(&model["name"]));
        let digest = Sha256::digest(fs::read(root().join(weights)).unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text(&model["hashes"][0]["content"]), digest);
    }
    assert_eq!(of("model:").count(), 2);
    assert_eq!(bill, self::bill(), "made twice, it differs");
}

#[test]
fn a_program_is_packed_with_its_manual_page_and_completions() {
    if !has_python() || !is_there("dpkg-deb") || !is_there("readelf") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [out, unpacked] = ["out", "unpacked"].map(|name| folder.path().join(name));
    let program = Path::new(env!("CARGO_BIN_EXE_cxr"));
    let script = root().join("tools/release.sh");
    succeeds("bash", &[&script, Path::new("--pack"), program, &out]);

    let files = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.collect();
    assert_eq!(files.len(), 4, "{files:?}");
    let package = files
        .iter()
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .unwrap();
    succeeds("dpkg-deb", &[Path::new("-x"), package, &unpacked]);
    let installed = unpacked.join("usr/bin/cxr");
    let says = Command::new(&installed).arg("--version").output().unwrap();
    let version = concat!("cxr ", env!("CARGO_PKG_VERSION"));
    assert!(String::from_utf8_lossy(&says.stdout).starts_with(version));

    let manual = unpacked.join("usr/share/man/man1/cxr.1.gz");
    let page = succeeds("gzip", &[Path::new("-dc"), &manual]);
    assert_eq!(
        page,
        succeeds(program.to_str().unwrap(), &[Path::new("man")])
    );
    for completion in [
        "bash-completion/completions/cxr",
        "zsh/vendor-completions/_cxr",
        "fish/vendor_completions.d/cxr.fish",
    ] {
        let script = fs::read_to_string(unpacked.join("usr/share").join(completion)).unwrap();
        assert!(script.contains("predict"), "{completion}");
    }
    let depends = succeeds(
        "dpkg-deb",
        &[Path::new("-f"), package, Path::new("Depends")],
    );
    assert!(depends.starts_with("libc6 (>= 2."), "{depends}");

    let sums = out.join("SHA256SUMS");
    for line in fs::read_to_string(&sums).unwrap().lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        let found = Sha256::digest(fs::read(out.join(name)).unwrap());
        let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, digest, "{name}");
    }
}

/// A folder with something in it is no place for a release, and a platform must be known.
#[test]
fn a_release_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kept"), "").unwrap();
    let script = root().join("tools/release.sh");
    let refused = output("bash", &[&script, folder.path()]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("is not empty"),
        "{said}"
    );

    let empty = folder.path().join("empty");
    let refused = output("bash", &[&script, &empty, Path::new("sparc-sun-solaris")]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("sparc-sun-solaris"),
        "{said}"
    );
}
