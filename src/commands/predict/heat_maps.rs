//! `--heatmaps DIR`: a picture of each radiograph with its heat map.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::earlier::EarlierContents;
use super::selection::Selection;
use crate::cli;
use crate::commands::shared::output_file::OutputFile;
use crate::commands::shared::{Usage, heat_map_label, refuse_inside};
use crate::domain::hex::hex;
use crate::domain::text::clean;
use crate::domain::{
    DEFAULT_OPACITY, HeatMap, HeatMapChoice, HeatMapSubject, ModelCard, Prediction, Radiograph,
};
use crate::export::path_text;
use crate::imaging::{DecodeLimits, StillPicture, content_of, png_with_text};
use crate::library::WalkItem;

/// The longest side of a picture, in pixels.
const SIDE: usize = 1024;
/// Only the owner may look into a folder made here.
const OWNER_ONLY_FOLDER: u32 = 0o700;
/// How many characters of the image's name the name of its heat map has.
const KEPT: usize = 64;
/// Bytes of the SHA-256 of the path: two of a million paths meet once in 37 million runs.
const HASHED: usize = 8;

/// The folder of heat maps, and their label.
#[derive(Debug)]
pub struct HeatMaps {
    folder: PathBuf,
    choice: HeatMapChoice,
    /// Whether one of the same name may be replaced.
    replaces: bool,
}

impl HeatMaps {
    /// Makes the folder. `None` if no heat maps are wanted.
    ///
    /// # Errors
    /// [`Usage`] if the model has no such label, or the folder cannot be made, is walked for
    /// radiographs itself, or has heat maps that would be replaced.
    pub fn of(
        arguments: &cli::Predict,
        selection: &Selection,
        card: &ModelCard,
        earlier: &EarlierContents,
        limits: &DecodeLimits,
    ) -> Result<Option<Self>> {
        let Some(folder) = &arguments.heatmaps else {
            return Ok(None);
        };
        if !card.has_heat_maps() {
            return Err(Usage::error("--heatmaps: no heat map for this model"));
        }
        let choice = match &arguments.heatmap_label {
            None => HeatMapChoice::Foremost,
            Some(name) => HeatMapChoice::Label(heat_map_label(name, card)?),
        };
        refuse_inside("--heatmaps", folder, selection.roots)?;
        DirBuilder::new()
            .recursive(true)
            .mode(OWNER_ONLY_FOLDER)
            .create(folder)
            .map_err(|error| {
                let folder = path_text(folder);
                Usage::error(format!("--heatmaps {folder} cannot be made: {error}"))
            })?;
        // Where a run continues a table, only images without a row get a heat map.
        let replaces = arguments.force || arguments.resume || arguments.append;
        if !replaces {
            // What earlier tables have is not scored, and keeps the heat map that it has.
            let is_known = |path: &Path| {
                let content = content_of(path, limits);
                content.is_ok_and(|content| earlier.has(content))
            };
            refuse_to_replace(folder, selection, is_known)?;
        }
        Ok(Some(HeatMaps {
            folder: folder.clone(),
            choice,
            replaces,
        }))
    }

    /// Removes the heat map that an earlier run left under the name of that of this image, which is about to be read:
    /// by now it may be another patient's, and get none.
    ///
    /// # Errors
    /// A reason for the row of the image.
    pub fn forget(&self, path: &Path) -> Result<(), String> {
        if !self.replaces {
            return Ok(());
        }
        let name = name_for(path);
        match fs::remove_file(self.folder.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(clean(&format!(
                "the earlier heat map {name} cannot be removed: {error}"
            ))),
            _ => Ok(()),
        }
    }

    /// Writes the heat map of one image. A refused image has none.
    ///
    /// # Errors
    /// A reason for the row of the image.
    pub fn write(
        &self,
        path: &Path,
        radiograph: &Radiograph,
        prediction: &Prediction,
    ) -> Result<(), String> {
        let Some(map) = prediction.heat_map(&self.choice) else {
            return Ok(());
        };
        let name = name_for(path);
        let words = words(&map, prediction);
        let Some((picture, _)) = StillPicture::new(radiograph, Some(map), SIDE).mapped else {
            return Ok(());
        };
        png_with_text(&picture, &words)
            .and_then(|png| put(&self.folder, &name, &png, self.replaces))
            .map_err(|error| clean(&format!("its heat map {name} cannot be written: {error}")))
    }
}

/// Refuses a folder with heat maps that this run would replace.
fn refuse_to_replace(
    folder: &Path,
    selection: &Selection,
    is_known: impl Fn(&Path) -> bool,
) -> Result<()> {
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let mut there = 0;
    selection.walk(|found| {
        if let WalkItem::Image(path) | WalkItem::Unread { path, .. } = found {
            let map = folder.join(name_for(&path));
            let is_there = map.symlink_metadata().is_ok_and(|found| !found.is_dir());
            there += usize::from(is_there && selection.has(&path) && !is_known(&path));
        }
        ControlFlow::Continue(())
    });
    if there == 0 {
        return Ok(());
    }
    Err(Usage::error(format!(
        "--heatmaps {}: {there} heat maps of these images already exist; use --force to replace them",
        path_text(folder)
    )))
}

/// `NAME-HASH.png`: plain characters of the image's name for people, and a hash of its path in the
/// table, so that no two images share a name. It has no folders and no leading dot.
fn name_for(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_.".contains(c) => c,
        _ => '_',
    };
    let name: String = name.chars().map(plain).take(KEPT).collect();
    let name = name.trim_start_matches('.');
    let digest = Sha256::digest(path_text(path));
    format!("{name}-{}.png", hex(&digest[..HASHED]))
}

/// The text chunks of the file, standard keywords of PNG first. They have no path and nothing about the
/// patient.
fn words(map: &HeatMap, prediction: &Prediction) -> Vec<(&'static str, String)> {
    let label = match &map.subject {
        HeatMapSubject::Label(label) => label.name().to_owned(),
        HeatMapSubject::Difference(first, second) => {
            format!("{} - {}", first.name(), second.name())
        }
        HeatMapSubject::Attention => "attention rollout".to_owned(),
        HeatMapSubject::Lungs => "outline of the lungs".to_owned(),
    };
    let range = map.range();
    let (title, description) = if map.subject == HeatMapSubject::Attention {
        (
            "Attention rollout".to_owned(),
            format!(
                "Vermilion is where the model's attention gathers, for all labels alike; the deepest colour is \
                 {range:.3} times the average. It is no evidence for or against a finding. Not for diagnosis."
            ),
        )
    } else {
        (
            format!("Class activation map: {label}"),
            format!(
                "Vermilion speaks for {label}, blue against it; the deepest colour is {range:.3} \
                 logits. It shows where, not how likely. Not for diagnosis."
            ),
        )
    };
    vec![
        ("Title", title),
        ("Description", description),
        ("Software", format!("cxr {}", env!("CARGO_PKG_VERSION"))),
        ("Label", label),
        ("Range", format!("{range:.3}")),
        ("Opacity", format!("{DEFAULT_OPACITY}")),
        ("Image-SHA256", prediction.content.to_string()),
        ("Model-SHA256", prediction.model_sha256.clone()),
        ("Preprocess", prediction.preprocess.clone()),
    ]
}

/// Writes a whole file. A file of its name is replaced if `replaces` says so, and is an error otherwise; a
/// link is not followed.
fn put(folder: &Path, name: &str, bytes: &[u8], replaces: bool) -> io::Result<()> {
    let path = folder.join(name);
    // Not synced to the disk: there may be a million of them, and each can be made again.
    let mut file = OutputFile::beside(&path)?;
    file.write_all(bytes)?;
    file.publish(&path, replaces)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_stay_in_their_folder_and_differ_where_paths_do() {
        let paths: [&[u8]; 7] = [
            b"a/IM 1.png",
            b"b/IM 1.png",
            b"b/IM_1.png",
            b"../../etc/..",
            b".hidden",
            b"x\xff\x1b[31m.dcm",
            b"x\\xff\x1b[31m.dcm",
        ];
        let names: Vec<String> = paths
            .iter()
            .map(|bytes| name_for(Path::new(OsStr::from_bytes(bytes))))
            .collect();
        for name in &names {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(name.chars().all(is_plain), "{name}");
            assert!(!name.starts_with('.') && name.ends_with(".png"), "{name}");
            assert_eq!(Path::new(name).components().count(), 1);
        }
        assert!(names[0].starts_with("IM_1.png-"));
        for (i, name) in names.iter().enumerate() {
            assert!(!names[i + 1..].contains(name), "{name}");
        }
        let long = "x".repeat(255);
        assert!(name_for(Path::new(&long)).len() < 120);
        // printf %s a.png | sha256sum
        assert_eq!(name_for(Path::new("a.png")), "a.png-7f071235805fbf58.png");
    }
}
