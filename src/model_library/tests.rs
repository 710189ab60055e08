use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::thread;

use tempfile::TempDir;

use super::*;

/// An empty library, whose folder is not there yet.
fn library() -> (TempDir, ModelLibrary) {
    let home = tempfile::tempdir().unwrap();
    let library = ModelLibrary::at(home.path().join("share/cxr/models"));
    (home, library)
}

/// The bundled network under another name, with weights of their own digest.
fn model(name: &str) -> ModelFiles {
    let bundled = ModelFiles::bundled();
    let card = ModelCard {
        name: name.to_owned(),
        ..bundled.card().unwrap()
    };
    bundled.adapted(card, &[], &[]).unwrap()
}

fn add(
    library: &ModelLibrary,
    model: &ModelFiles,
    replace: bool,
) -> Result<ModelCard, ModelLibraryError> {
    library.add(model.card_text(), model.weights(), replace)
}

fn names(library: &ModelLibrary) -> Vec<String> {
    let models = library.models().unwrap();
    models.iter().map(InstalledModel::name).collect()
}

/// The files of the folder, also those that are left of an interrupted write, but for the lock.
fn files(library: &ModelLibrary) -> Vec<PathBuf> {
    let entries = fs::read_dir(library.folder()).into_iter().flatten();
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|file| !file.ends_with(LOCK)).collect()
}

/// The same model in another version, with weights of their own digest.
fn version(model: &ModelFiles, version: &str) -> ModelFiles {
    let card = ModelCard {
        version: version.to_owned(),
        ..model.card().unwrap()
    };
    model.adapted(card, &[], &[]).unwrap()
}

#[test]
fn a_model_is_listed_found_verified_and_removed() {
    let (_home, library) = library();
    assert!(names(&library).is_empty());
    assert!(library.find("ours").unwrap().is_none());
    for name in ["ours", "another"] {
        assert_eq!(add(&library, &model(name), false).unwrap().name, name);
    }
    assert_eq!(names(&library), ["another", "ours"]);
    let path = library.find("ours").unwrap().unwrap();
    assert_eq!(ModelFiles::card_beside(&path).unwrap().name, "ours");
    for installed in library.models().unwrap() {
        installed.verify().unwrap();
    }
    library.remove("ours").unwrap();
    assert_eq!(names(&library), ["another"]);
    assert_eq!(files(&library).len(), 2);
}

#[test]
fn only_the_owner_may_read_the_models() {
    let (_home, library) = library();
    add(&library, &model("ours"), false).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(library.folder()), FOLDER_MODE);
    assert_eq!(mode(&library.folder().join(LOCK)), LOCK_MODE);
    for file in files(&library) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_name_or_weights_that_are_there_are_replaced_only_if_asked() {
    let (_home, library) = library();
    let first = model("ours");
    add(&library, &first, false).unwrap();

    let newer = version(&first, "2");
    let taken = add(&library, &newer, false).unwrap_err();
    assert!(
        matches!(&taken, ModelLibraryError::Taken(name) if name == "ours"),
        "{taken}"
    );

    let renamed = first.card_text().replace("\"ours\"", "\"theirs\"");
    let known = library.add(&renamed, first.weights(), false).unwrap_err();
    assert!(
        matches!(&known, ModelLibraryError::Known(name) if name == "ours"),
        "{known}"
    );
    assert_eq!(files(&library).len(), 2, "nothing is left of either");

    add(&library, &newer, true).unwrap();
    assert_eq!(library.models().unwrap().len(), 1);
    assert_eq!(files(&library).len(), 2, "the files before are gone");
    let path = library.find("ours").unwrap().unwrap();
    assert_eq!(ModelFiles::card_beside(&path).unwrap().version, "2");
}

#[test]
fn hostile_names_are_refused_and_shown_without_control_characters() {
    for good in ["cxr-lite0", "densenet121-res224-all", "v1.2_b", "7"] {
        check_name(good).unwrap();
    }
    check_name(&"x".repeat(LONGEST_NAME)).unwrap();
    let long = "x".repeat(LONGEST_NAME + 1);
    for bad in [
        "",
        ".",
        "..",
        ".hidden",
        "-force",
        "../up",
        "a/b",
        "a b",
        "a\n",
        "a;rm",
        "$HOME",
        "na\u{ef}ve",
        "a\u{202e}b",
        "\u{1b}[2J",
        "weights.safetensors",
        &long,
    ] {
        let error = check_name(bad).unwrap_err();
        assert!(matches!(error, ModelLibraryError::Name(_)), "{bad:?}");
        let words = error.to_string();
        assert!(!words.contains(['\n', '\u{1b}', '\u{202e}']), "{words:?}");
    }
    let (home, library) = library();
    let error = add(&library, &model("../../up"), true).unwrap_err();
    assert!(matches!(error, ModelLibraryError::Name(_)), "{error}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let error = library.remove("../\u{1b}[2J").unwrap_err().to_string();
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn other_files_in_the_folder_are_no_models() {
    let (_home, library) = library();
    add(&library, &model("ours"), false).unwrap();
    let outside = library.folder().join("../outside.toml");
    fs::write(&outside, model("outside").card_text()).unwrap();
    for name in ["notes.toml", ".cxr-abc.part", "ABCDEF.toml"] {
        fs::copy(&outside, library.folder().join(name)).unwrap();
    }
    assert_eq!(names(&library), ["ours"]);
    assert!(library.find("outside").unwrap().is_none());
    assert!(library.find("../outside").unwrap().is_none());
}

#[test]
fn a_card_that_cannot_be_read_is_last_and_has_the_name_of_its_file() {
    let (_home, library) = library();
    add(&library, &model("ours"), false).unwrap();
    let broken = "0".repeat(64);
    let card = library.folder().join(format!("{broken}.toml"));
    fs::write(card, "name = \"ours\"").unwrap();
    let models = library.models().unwrap();
    assert_eq!(models.len(), 2);
    assert!(models[0].card.is_ok() && models[1].card.is_err());
    assert!(models[1].name().contains(&broken));
    assert!(models[1].verify().is_err());
    assert!(library.find(&broken).unwrap().is_none());
}

#[test]
fn damaged_weights_and_a_card_of_other_weights_are_found() {
    let (_home, library) = library();
    add(&library, &model("ours"), false).unwrap();
    let path = library.find("ours").unwrap().unwrap();

    // Both files under the digest of other weights.
    let other = library
        .folder()
        .join(format!("{}.safetensors", "1".repeat(64)));
    fs::copy(&path, &other).unwrap();
    fs::copy(path.with_extension("toml"), other.with_extension("toml")).unwrap();
    let verified = |path: &Path| {
        let models = library.models().unwrap();
        let found = models.into_iter().find(|model| model.path == path);
        found.unwrap().verify().map_err(|error| error.to_string())
    };
    let error = verified(&other).unwrap_err();
    assert!(error.contains("of other weights"), "{error}");
    assert_eq!(verified(&path), Ok(()));

    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = verified(&path).unwrap_err();
    assert!(error.contains("SHA-256"), "{error}");
}

/// What could not be read again could not be removed either.
#[test]
fn a_model_that_could_not_be_read_again_is_not_added() {
    let (_home, library) = library();
    let model = model("long");
    let long = format!("{}\n# {}", model.card_text(), "x".repeat(1 << 20));
    let error = library.add(&long, model.weights(), false).unwrap_err();
    assert_eq!(error.to_string(), "model card: larger than 1 MiB");
    assert!(files(&library).is_empty());
    // Weights of more than 2 GiB, which no test holds in memory.
    let error = ModelFiles::check_sizes(1, (2 << 30) + 1).unwrap_err();
    assert_eq!(error.to_string(), "model weights: larger than 2048 MiB");
    assert!(ModelFiles::check_sizes(1 << 20, 2 << 30).is_ok());
}

#[test]
fn of_models_that_come_at_once_only_one_gets_the_name() {
    let (_home, library) = library();
    let first = model("ours");
    let versions: Vec<_> = (0..6).map(|v| version(&first, &v.to_string())).collect();
    let start = Barrier::new(versions.len());
    let added: Vec<_> = thread::scope(|scope| {
        let one = |model| {
            let (start, library) = (&start, &library);
            scope.spawn(move || {
                start.wait();
                add(library, model, false)
            })
        };
        let threads: Vec<_> = versions.iter().map(one).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
    });
    let is_taken = |added: &&Result<_, _>| matches!(added, Err(ModelLibraryError::Taken(_)));
    assert_eq!(added.iter().filter(is_taken).count(), versions.len() - 1);
    assert_eq!(names(&library), ["ours"]);
    assert_eq!(files(&library).len(), 2);
}

/// A library of before may have a name twice.
#[test]
fn a_name_that_two_models_have_finds_neither_and_removes_both() {
    let (_home, library) = library();
    let (ours, theirs) = (model("ours"), model("theirs"));
    add(&library, &ours, false).unwrap();
    add(&library, &theirs, false).unwrap();
    let path = library.find("theirs").unwrap().unwrap();
    let card = theirs.card_text().replace("\"theirs\"", "\"ours\"");
    fs::write(path.with_extension("toml"), card).unwrap();
    let error = library.find("ours").unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    library.remove("ours").unwrap();
    assert!(files(&library).is_empty());
}

#[test]
fn no_model_is_added_under_the_name_of_the_bundled_one() {
    let (_home, library) = library();
    let name = ModelFiles::bundled().card().unwrap().name;
    check_name(&name).unwrap();
    let error = add(&library, &model(&name), true).unwrap_err();
    assert!(matches!(error, ModelLibraryError::Bundled(_)), "{error}");
    assert!(error.to_string().contains("--name"), "{error}");
    assert!(files(&library).is_empty());
}

#[test]
fn weights_stay_where_a_new_card_for_them_cannot_be_written() {
    let (_home, library) = library();
    let model = model("ours");
    add(&library, &model, false).unwrap();
    let path = library.find("ours").unwrap().unwrap();
    // No file can be moved over a folder.
    let card = path.with_extension("toml");
    fs::remove_file(&card).unwrap();
    fs::create_dir(&card).unwrap();
    assert!(add(&library, &model, true).is_err());
    assert!(path.exists());
    // New ones do not stay.
    fs::remove_file(&path).unwrap();
    assert!(add(&library, &model, true).is_err());
    assert!(!path.exists());
}
