//! `cxr --version --json`: what this program is, for other programs.

use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use serde_json::{Value, json};

use super::shared::{model_library, print_document};
use crate::domain::ModelCard;
use crate::inference::ModelFiles;

/// Whether an error of the arguments is the wish for this.
pub fn is_asked(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::DisplayVersion && std::env::args_os().any(|word| word == "--json")
}

/// Prints version, commit, features, and the digests of the bundled model and of the imported ones.
///
/// # Errors
/// If standard output cannot be written.
pub fn print() -> Result<ExitCode> {
    let mut text = serde_json::to_string_pretty(&description()?)?;
    text.push('\n');
    print_document(text.as_bytes())
}

fn description() -> Result<Value> {
    let commit = Some(env!("CXR_COMMIT")).filter(|commit| !commit.is_empty());
    let mut models = vec![model(&ModelFiles::bundled().card()?, true)];
    // Without a home there are none, and cards that cannot be read are for `cxr models list`.
    let imported = model_library().and_then(|library| Ok(library.models()?));
    let imported = imported.unwrap_or_default();
    let cards = imported.iter().filter_map(|found| found.card.as_ref().ok());
    models.extend(cards.map(|card| model(card, false)));
    Ok(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "commit": commit,
        "target": env!("CXR_TARGET"),
        "features": features(),
        "models": models,
    }))
}

fn model(card: &ModelCard, is_bundled: bool) -> Value {
    json!({
        "name": card.name,
        "version": card.version,
        "sha256": card.sha256,
        "bundled": is_bundled,
    })
}

/// The optional features that this program was built with.
fn features() -> Vec<&'static str> {
    let all = [
        ("sixel", cfg!(feature = "sixel")),
        ("jpeg2000", cfg!(feature = "jpeg2000")),
        ("pull", cfg!(feature = "pull")),
        ("dicomweb", cfg!(feature = "dicomweb")),
        ("cuda", cfg!(feature = "cuda")),
        ("metal", cfg!(feature = "metal")),
    ];
    all.into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    /// A feature that is added to Cargo.toml belongs into the list.
    #[test]
    fn every_feature_can_be_named() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let text = std::fs::read_to_string(manifest).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let declared = manifest["features"].as_table().unwrap().keys();
        let declared = declared.filter(|name| *name != "default").count();
        assert_eq!(declared, 6, "name a new feature in features()");
    }
}
