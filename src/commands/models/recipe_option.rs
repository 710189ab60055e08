//! `--preprocess NAME|FILE`: what is done to an image before the network sees it.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::commands::shared::Usage;
use crate::domain::PreprocessRecipe;
use crate::export::path_text;
use crate::inference::{family_recipe, parse_recipe};

/// A file of a recipe has twenty lines; a larger file is something else.
const LARGEST_RECIPE: u64 = 1 << 20;

/// The recipe of a family's name, or else that in a file.
///
/// # Errors
/// [`Usage`], if it is neither, or the file holds no recipe that can be followed.
pub fn recipe(argument: &str) -> Result<PreprocessRecipe> {
    if let Some(recipe) = family_recipe(argument) {
        return Ok(recipe);
    }
    let path = Path::new(argument);
    let fault = |reason: &str| Usage::error(format!("--preprocess {}: {reason}", path_text(path)));
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.len() <= LARGEST_RECIPE => {}
        Ok(_) => return Err(fault("no file of a preprocessing")),
        Err(_) => {
            return Err(fault(
                "no such file, and no such preprocessing: there are imagenet-224-1, xrv-224-1, xrv-512-1, \
                 chexnet-224-1 and keras-224-1",
            ));
        }
    }
    let text = fs::read_to_string(path).map_err(|error| fault(&error.to_string()))?;
    parse_recipe(&text).map_err(|error| fault(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::write_recipe;

    #[test]
    fn a_recipe_has_a_name_or_is_in_a_file() {
        let named = recipe("chexnet-224-1").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, write_recipe(&named).unwrap()).unwrap();
        assert_eq!(recipe(path.to_str().unwrap()).unwrap(), named);
        fs::write(&path, "preprocess = \"recipe-1\"").unwrap();
        for (argument, words) in [
            (
                path.to_str().unwrap(),
                "mine.toml: preprocessing: missing field",
            ),
            (
                folder.path().to_str().unwrap(),
                "no file of a preprocessing",
            ),
            (
                "chexnet",
                "no such file, and no such preprocessing: there are imagenet-224-1, xrv-224-1",
            ),
            ("cxr-1", "no such file"),
        ] {
            let fault = recipe(argument).unwrap_err().to_string();
            assert!(
                fault.contains(words) && fault.starts_with("--preprocess "),
                "{fault}"
            );
        }
    }
}
