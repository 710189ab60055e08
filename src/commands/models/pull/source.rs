//! What `cxr models pull` can be asked for: a model of the Hugging Face hub, or published weights by their name alone.

use std::fmt;

use anyhow::Result;

use crate::commands::shared::Usage;
use crate::domain::text::clean;
use crate::inference::family::{PUBLISHED, Published};

/// The hub itself. Another server may be asked in its place.
pub const HUB: &str = "https://huggingface.co";
/// The organisation on the hub with the published weights that cxr knows.
const ORGANISATION: &str = "torchxrayvision";
/// Its repositories hold their weights in this file.
pub const PUBLISHED_FILE: &str = "model.pt";
/// The branch that is taken if no revision is given.
const MAIN: &str = "main";
/// The most characters of an owner and of a name on the hub.
const LONGEST_PART: usize = 96;
/// The most bytes of a revision: as of a file's name, which git keeps a branch in.
const LONGEST_REVISION: usize = 255;

/// A model of the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// A user or an organisation.
    pub owner: String,
    pub name: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

impl HubModel {
    /// `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`, or the name of published weights.
    ///
    /// # Errors
    /// [`Usage`], if it is none of them.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix("hf:") {
            Some(place) => Self::at(place).ok_or_else(|| not_a_place(text)),
            None => match PUBLISHED.iter().find(|set| set.name == text) {
                Some(set) => Ok(HubModel {
                    owner: ORGANISATION.to_owned(),
                    name: set.name.to_owned(),
                    revision: MAIN.to_owned(),
                }),
                None => Err(unknown(text)),
            },
        }
    }

    /// Reads what follows `hf:`. Two slashes before it are Hugging Face's own spelling (`hf://OWNER/NAME@REVISION`).
    fn at(place: &str) -> Option<Self> {
        let place = place.strip_prefix("//").unwrap_or(place);
        let (path, revision) = match place.split_once('@') {
            Some((path, revision)) => (path, revision),
            None => (place, MAIN),
        };
        let (owner, name) = path.split_once('/')?;
        let is_whole = is_part(owner) && is_part(name) && is_revision(revision);
        is_whole.then(|| HubModel {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// `OWNER/NAME`
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The page of the model, for people.
    pub fn page(&self) -> String {
        format!("{HUB}/{}", self.repository())
    }

    /// The published weights that the model is, if cxr knows them.
    pub fn published(&self) -> Option<&'static Published> {
        let mut known = PUBLISHED.iter();
        known.find(|set| self.owner == ORGANISATION && self.name == set.name)
    }

    /// How to fetch the model by hand, and to import it as `name`.
    pub fn by_hand(&self, name: &str) -> String {
        match self.published() {
            Some(set) => {
                let family = match set.sha256 {
                    // Its digest says what it is.
                    Some(_) => String::new(),
                    None => format!(" --as {}", set.family),
                };
                format!(
                    "fetch {}/resolve/{}/{PUBLISHED_FILE} by hand, on any machine, and `cxr models import \
                     FILE{family} --name {name}`",
                    self.page(),
                    self.revision
                )
            }
            None => format!(
                "fetch config.json, preprocessor_config.json and model.safetensors (or pytorch_model.bin) \
                 from {}/tree/{} into one folder by hand, on any machine, and `cxr models import FOLDER \
                 --name {name}`",
                self.page(),
                self.revision
            ),
        }
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}/{}", self.owner, self.name)?;
        if self.revision == MAIN {
            Ok(())
        } else {
            write!(f, "@{}", self.revision)
        }
    }
}

/// Whether this may be an owner or a name: `huggingface_hub.utils.validate_repo_id`, version 2.4. Such a name is also
/// a plain name of a folder.
fn is_part(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= LONGEST_PART
        && text.starts_with(is_word)
        && text.ends_with(is_word)
        && text.chars().all(|c| is_word(c) || c == '-' || c == '.')
        && !["--", ".."].iter().any(|other| text.contains(other))
        && !text.ends_with(".git")
}

/// Whether git may call a branch, a tag or a commit so (`git check-ref-format`, without its rarer rules).
fn is_revision(text: &str) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\\"'`".contains(c);
    (1..=LONGEST_REVISION).contains(&text.len())
        && text == clean(text)
        && text.chars().all(is_allowed)
        && !text.starts_with(['-', '/'])
        && !text.ends_with(['/', '.'])
        && !["..", "//", "@{"].iter().any(|other| text.contains(other))
}

fn not_a_place(text: &str) -> anyhow::Error {
    Usage::error(format!(
        "{} is no model of the hub: write hf:OWNER/NAME, with @REVISION behind it for a branch, a tag or a \
         commit",
        clean(text)
    ))
}

fn unknown(text: &str) -> anyhow::Error {
    if HubModel::at(text).is_some() {
        return Usage::error(format!("a model of the hub is written hf:{}", clean(text)));
    }
    let names: Vec<_> = PUBLISHED.iter().map(|set| set.name).collect();
    Usage::error(format!(
        "no published model is called {}; there are {}, and any hf:OWNER/NAME of the Hugging Face hub",
        clean(text),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(owner: &str, name: &str, revision: &str) -> HubModel {
        HubModel {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        }
    }

    #[test]
    fn a_model_of_the_hub_has_an_owner_a_name_and_a_revision() {
        for (text, expected) in [
            ("hf:a/b", model("a", "b", "main")),
            (
                "hf:Some-One/vit_x.y-1",
                model("Some-One", "vit_x.y-1", "main"),
            ),
            ("hf:a/b@v1.0", model("a", "b", "v1.0")),
            ("hf:a/b@refs/pr/3", model("a", "b", "refs/pr/3")),
            ("hf://a/b@main", model("a", "b", "main")),
        ] {
            assert_eq!(HubModel::parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(model("a", "b", "main").to_string(), "hf:a/b");
        assert_eq!(model("a", "b", "v1").to_string(), "hf:a/b@v1");
    }

    #[test]
    fn what_is_no_place_on_the_hub_is_refused_with_how_it_is_written() {
        let long = format!("hf:a/{}", "b".repeat(LONGEST_PART + 1));
        for text in [
            "hf:",
            "hf:a",
            "hf:a/",
            "hf:/b",
            "hf:a/b/c",
            "hf:../b",
            "hf:a/..",
            "hf:a/b--c",
            "hf:a/b.git",
            "hf:a/.b",
            "hf:a/b ",
            "hf:a/b@",
            "hf:a/b@../main",
            "hf:a/b@a b",
            "hf:a/b@-x",
            "hf:a/b@x\u{1b}[2J",
            "hf:a/b?x=1",
            "hf:a/b%2f",
            "hf:datasets/a/b",
            &long,
        ] {
            let error = HubModel::parse(text).unwrap_err();
            assert!(error.is::<Usage>(), "{text}");
            let error = error.to_string();
            assert!(error.contains("hf:OWNER/NAME"), "{error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }

    #[test]
    fn published_weights_are_models_of_one_organisation() {
        let by_name = HubModel::parse("densenet121-res224-all").unwrap();
        let by_place = HubModel::parse("hf:torchxrayvision/densenet121-res224-all").unwrap();
        assert_eq!(by_name, by_place);
        assert_eq!(by_name.published().unwrap().name, "densenet121-res224-all");
        assert!(
            model("other", "densenet121-res224-all", "main")
                .published()
                .is_none()
        );
        let unknown = HubModel::parse("no-such").unwrap_err().to_string();
        assert!(unknown.contains("densenet121-res224-all"), "{unknown}");
        let bare = HubModel::parse("someone/vit").unwrap_err().to_string();
        assert!(bare.ends_with("hf:someone/vit"), "{bare}");
    }

    #[test]
    fn what_to_do_by_hand_names_address_and_command() {
        let by_hand = |text: &str| HubModel::parse(text).unwrap().by_hand("mine");
        let all = by_hand("densenet121-res224-all");
        assert!(
            all.contains("https://huggingface.co/torchxrayvision/densenet121-res224-all/resolve/main/model.pt")
                && all.ends_with("`cxr models import FILE --name mine`"),
            "{all}"
        );
        let resnet = by_hand("resnet50-res512-all");
        assert!(
            resnet.contains("FILE --as xrv-resnet50-512 --name"),
            "{resnet}"
        );
        let other = by_hand("hf:a/b@v1");
        assert!(
            other.contains("https://huggingface.co/a/b/tree/v1")
                && other.ends_with("`cxr models import FOLDER --name mine`"),
            "{other}"
        );
    }
}
