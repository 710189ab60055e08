//! Folders and files from a server that behaves like the hub.

use super::access::HubToken;
use super::*;
use crate::inference::family::PUBLISHED;

#[path = "../../../../../tests/pull/hub.rs"]
mod fake_hub;

use fake_hub::{COMMIT, FakeHub, SIGNATURE};

const NAME: &str = "some-one/vit-xray";
/// Larger than what one read of a socket brings.
const WEIGHTS: usize = 300_000;

fn weights(seed: u8) -> Vec<u8> {
    (0..WEIGHTS).map(|i| (i % 251) as u8 ^ seed).collect()
}

/// A repository as training leaves it, on three pages of the list.
fn hub() -> FakeHub {
    FakeHub::new(
        NAME,
        &[
            (".gitattributes", b"*.bin filter=lfs", false),
            ("README.md", b"a model", false),
            ("config.json", b"{}", false),
            ("flax_model.msgpack", b"flax", true),
            ("model.safetensors", &weights(0), true),
            ("onnx/model.onnx", b"onnx", true),
            ("preprocessor_config.json", b"{\"size\": 224}", false),
            ("pytorch_model.bin", b"pickle", true),
            ("tf_model.h5", b"tensorflow", true),
        ],
    )
}

struct Place {
    library: ModelLibrary,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Place {
            library: ModelLibrary::at(folder.path().join("models")),
            folder,
        }
    }

    /// The files below the library, with what they hold.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("models")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    found.push((name, fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    fn fetch(&self, hub: &FakeHub, model: &str, token: Option<&str>) -> Result<FetchedModel> {
        let model = HubModel::parse(model).unwrap();
        let client = HubClient::new(HubAccess {
            server: hub.address.clone(),
            token: token.map(|token| HubToken::new(token, "HF_TOKEN").unwrap().unwrap()),
        });
        match model.published() {
            Some(set) => fetched_file(&client, &model, set, &self.library),
            None => {
                let listed = ListedFolder::with_texts(&client, &model, &self.library)?;
                listed.weights()?;
                Ok(listed.fetched())
            }
        }
    }

    /// Why it is not fetched; `true` if the user can mend it.
    fn refusal(&self, hub: &FakeHub, model: &str, token: Option<&str>) -> (String, bool) {
        match self.fetch(hub, model, token) {
            Ok(_) => panic!("{model} was fetched"),
            Err(error) => (format!("{error:#}"), error.is::<Usage>()),
        }
    }
}

const PLACE: &str = "hf:some-one/vit-xray";

#[test]
fn only_the_files_that_are_needed_come_and_the_card_can_name_their_commit() {
    let (hub, place) = (hub(), Place::new());
    let fetched = place.fetch(&hub, "hf:some-one/vit-xray@v1", None).unwrap();
    let needed = [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ];
    assert_eq!(hub.fetched(), needed);
    assert_eq!(
        place.files(),
        [
            ("config.json".to_owned(), b"{}".to_vec()),
            ("model.safetensors".to_owned(), weights(0)),
            (
                "preprocessor_config.json".to_owned(),
                b"{\"size\": 224}".to_vec()
            ),
        ]
    );
    for name in needed {
        assert!(fetched.path.join(name).is_file());
    }
    let facts = fetched.provenance.hub.as_ref().unwrap();
    assert_eq!(
        (facts.place.as_str(), facts.commit.as_str()),
        (PLACE, COMMIT)
    );
    assert_eq!(facts.licence.as_deref(), Some("mit"));
    assert_eq!(facts.data_sets.as_deref(), Some("nih, rsna"));
    fetched.folder.remove();
    assert!(place.files().is_empty());
}

#[test]
fn the_token_is_for_the_hub_alone() {
    let (hub, place) = (hub(), Place::new());
    hub.repository().token = Some("hf_abc".to_owned());
    // The server of large files refuses every request that has a token.
    let fetched = place.fetch(&hub, PLACE, Some("hf_abc"));
    fetched.unwrap();
    for request in hub.requests() {
        let expected = request.is_hub.then(|| "Bearer hf_abc".to_owned());
        assert_eq!(request.authorization, expected, "{request:?}");
    }
    assert!(hub.requests().iter().any(|request| !request.is_hub));
}

#[test]
fn an_interrupted_model_goes_on_where_it_was() {
    let (hub, place) = (hub(), Place::new());
    // The second answer brings nothing, so that the command ends.
    hub.repository().cuts = [100_000, 0].into();
    let (error, _) = place.refusal(&hub, PLACE, None);
    assert!(
        error.contains("model.safetensors") && error.contains("goes on from there"),
        "{error}"
    );
    let before = hub.requests().len();
    place.fetch(&hub, PLACE, None).unwrap();
    let later: Vec<_> = hub.requests().split_off(before);
    let resumed: Vec<_> = later.iter().filter(|request| !request.is_hub).collect();
    assert_eq!(resumed.len(), 1, "{resumed:?}");
    assert_eq!(resumed[0].from, Some(100_000));
    // The small files were complete.
    let asked = |name: &str| later.iter().any(|r| r.target.ends_with(name));
    assert!(asked("model.safetensors") && !asked("config.json"));
    assert!(
        place
            .files()
            .contains(&("model.safetensors".to_owned(), weights(0)))
    );
}

#[test]
fn a_new_commit_does_not_go_on_with_the_files_of_another() {
    let (hub, place) = (hub(), Place::new());
    hub.repository().cuts = [100_000, 0].into();
    place.refusal(&hub, PLACE, None);
    let left = |place: &Place| {
        place
            .files()
            .into_iter()
            .find(|(name, _)| name == "model.safetensors")
    };
    assert_eq!(left(&place).unwrap().1.len(), 100_000);
    // Another version of the folder.
    let model = HubModel::parse(PLACE).unwrap();
    drop(DownloadFolder::open(&place.library, &model, "other").unwrap());
    assert_eq!(left(&place), None);
}

#[test]
fn a_file_that_is_not_what_the_hub_states_is_not_kept() {
    let (hub, place) = (hub(), Place::new());
    hub.repository().damaged = Some("model.safetensors".to_owned());
    let (error, is_usage) = place.refusal(&hub, PLACE, None);
    let stated = fake_hub::sha256(&weights(0));
    assert!(
        error.contains("model.safetensors: its SHA-256 is") && error.contains(&stated) && !is_usage,
        "{error}"
    );
    let is_weights = |(name, _): &(String, Vec<u8>)| name == "model.safetensors";
    assert!(!place.files().iter().any(is_weights));
}

#[test]
fn a_file_that_changes_under_the_list_is_not_fetched() {
    let (hub, place) = (hub(), Place::new());
    hub.repository().changed = Some("model.safetensors".to_owned());
    let (error, _) = place.refusal(&hub, PLACE, None);
    assert!(
        error.contains("the hub gives a file whose SHA-256 is"),
        "{error}"
    );
}

#[test]
fn a_small_file_is_compared_with_gits_name_of_it() {
    let (hub, place) = (hub(), Place::new());
    let commit = COMMIT;
    // What is there already has the right length and other bytes.
    let model = HubModel::parse(PLACE).unwrap();
    let folder = DownloadFolder::open(&place.library, &model, &commit[..SHORT]).unwrap();
    fs::write(folder.path().join("config.json"), "[]").unwrap();
    drop(folder);
    place.fetch(&hub, PLACE, None).unwrap();
    assert!(
        place
            .files()
            .contains(&("config.json".to_owned(), b"{}".to_vec()))
    );
}

#[test]
fn what_the_hub_refuses_is_told_apart() {
    let (hub, place) = (hub(), Place::new());
    let refused = |model: &str, token, words: &str| {
        let (error, is_usage) = place.refusal(&hub, model, token);
        assert!(error.contains(words) && is_usage, "{error}");
        assert!(!error.contains("hf_"), "{error}");
    };
    refused("hf:some-one/other", None, "set HF_TOKEN");
    refused("hf:some-one/other", Some("hf_abc"), "no such model");
    refused("hf:some-one/vit-xray@v9", None, "no revision v9");
    hub.repository().token = Some("hf_abc".to_owned());
    refused(PLACE, None, "none that you may see");
    refused(
        PLACE,
        Some("hf_old"),
        "does not accept the token of HF_TOKEN",
    );
    hub.repository().is_gated = true;
    refused(
        PLACE,
        None,
        "accept them at https://huggingface.co/some-one/vit-xray",
    );
    refused(PLACE, Some("hf_abc"), "accept their terms");
    hub.repository().is_busy = true;
    let (error, is_usage) = place.refusal(&hub, PLACE, None);
    assert!(error.contains("in 55 seconds") && !is_usage, "{error}");
    assert!(place.files().is_empty());
}

#[test]
fn weights_in_parts_come_with_their_list() {
    let list = br#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
    let [one, two] = [weights(1), weights(2)];
    let hub = FakeHub::new(
        NAME,
        &[
            ("config.json", b"{}", false),
            ("model-1.safetensors", &one, true),
            ("model-2.safetensors", &two, true),
            ("model-3.safetensors", b"of another list", true),
            ("model.safetensors.index.json", list, false),
        ],
    );
    let place = Place::new();
    place.fetch(&hub, PLACE, None).unwrap();
    assert_eq!(
        hub.fetched(),
        [
            "config.json",
            "model.safetensors.index.json",
            "model-1.safetensors",
            "model-2.safetensors"
        ]
    );
    assert!(
        place
            .files()
            .contains(&("model-2.safetensors".to_owned(), two))
    );
}

#[test]
fn what_is_no_model_is_refused_before_anything_is_fetched() {
    let hub = FakeHub::new(
        NAME,
        &[
            ("README.md", b"", false),
            ("tf_model.h5", b"tensorflow", true),
        ],
    );
    let place = Place::new();
    let (error, is_usage) = place.refusal(&hub, PLACE, None);
    assert!(error.contains("no config.json") && is_usage, "{error}");
    assert!(hub.fetched().is_empty() && place.files().is_empty());
}

#[test]
fn published_weights_have_the_digest_that_is_known_or_stated() {
    let file: &[(&str, &[u8], bool)] = &[("model.pt", b"not those weights", true)];
    let known = PUBLISHED.iter().find(|set| set.sha256.is_some()).unwrap();
    let hub = FakeHub::new(&format!("torchxrayvision/{}", known.name), file);
    let place = Place::new();
    let (error, _) = place.refusal(&hub, known.name, None);
    assert!(error.contains(known.sha256.unwrap()), "{error}");
    assert!(place.files().is_empty());
    // A server without the hub's lists is enough.
    assert!(
        hub.requests()
            .iter()
            .all(|r| !r.target.starts_with("/api/models/"))
    );

    let stated = PUBLISHED.iter().find(|set| set.sha256.is_none()).unwrap();
    let hub = FakeHub::new(&format!("torchxrayvision/{}", stated.name), file);
    let fetched = place.fetch(&hub, stated.name, None).unwrap();
    assert_eq!(fetched.provenance.known.unwrap().name, stated.name);
    assert_eq!(fetched.provenance.hub.as_ref().unwrap().commit, COMMIT);
    assert_eq!(fs::read(&fetched.path).unwrap(), b"not those weights");
    let signed: Vec<_> = hub.requests().into_iter().filter(|r| !r.is_hub).collect();
    assert!(
        signed
            .iter()
            .all(|request| request.target.ends_with(SIGNATURE))
    );
}
