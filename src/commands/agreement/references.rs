//! The reference standard of an image that was read: the case of a manifest with that content.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli;
use crate::commands::shared::reviews::stored_path;
use crate::commands::shared::{cases, complain};
use crate::domain::ImageIdentity;
use crate::evaluation::Case;
use crate::evaluation::tables::counted;
use crate::export::path_text;

/// How many images are named; the others are counted.
const NAMED: usize = 20;

/// The cases of a manifest, by content and by path.
#[derive(Default)]
pub struct ReferenceCases {
    cases: Vec<KnownAnswers>,
    by_content: HashMap<String, Vec<usize>>,
    by_path: HashMap<PathBuf, usize>,
}

/// A case, and the content of its file.
struct KnownAnswers {
    case: Case,
    /// `None` if its file is missing.
    sha256: Option<String>,
}

/// How an image matches the cases of a manifest.
#[derive(Debug, PartialEq, Eq)]
enum Join {
    /// It belongs to the case of that number.
    Case(usize),
    /// It belongs to the case of that number, but another file is now at the path of the image.
    Moved(usize),
    /// Another file is now at the path of the image, and no case has its content.
    Replaced,
    /// Several cases have its content, with different reference standards.
    Ambiguous,
    /// No case has its content or its path.
    Unknown,
}

impl ReferenceCases {
    /// Reads the manifest of the options, and the column `boxes` of it, if there is one.
    ///
    /// # Errors
    /// As [`cases::read_with_boxes`].
    pub fn read(
        asked: &cli::CaseArguments,
        labels: &[String],
        boxes: Option<&str>,
    ) -> Result<Self> {
        let root = cases::root(asked);
        let cases = cases::read_with_boxes(asked, &[], labels, boxes)?.cases;
        let files: Vec<PathBuf> = cases.iter().map(|case| cases::file(&root, case)).collect();
        let contents = cases::contents(&files);
        let files = files.iter().map(|file| stored_path(file));
        Ok(Self::of(cases.into_iter().zip(files.zip(contents))))
    }

    fn of(cases: impl Iterator<Item = (Case, (PathBuf, Option<String>))>) -> Self {
        let mut references = ReferenceCases::default();
        for (number, (case, (file, sha256))) in cases.enumerate() {
            references.by_path.insert(file, number);
            if let Some(sha256) = &sha256 {
                let same = references.by_content.entry(sha256.clone()).or_default();
                same.push(number);
            }
            references.cases.push(KnownAnswers { case, sha256 });
        }
        references
    }

    /// Refuses a manifest that none of these images belongs to and none of whose files is there: the folder is wrong. If
    /// its files are there, they are others than those that were read, which is complained of.
    ///
    /// # Errors
    /// As [`cases::refuse_if_none_exists`].
    pub fn refuse_if_of_no_image<'a>(
        &self,
        mut images: impl Iterator<Item = &'a ImageIdentity>,
        asked: &cli::CaseArguments,
    ) -> Result<()> {
        if images.any(|image| self.join(image) != Join::Unknown) {
            return Ok(());
        }
        let all = self.cases.iter().map(|known| known.case.clone());
        cases::refuse_if_none_exists(&all.collect::<Vec<_>>(), &cases::root(asked))?;
        complain(&format!(
            "{}: none of its {} was read, so nothing is compared with a reference standard",
            path_text(&asked.manifest),
            counted(self.cases.len(), "image")
        ));
        Ok(())
    }

    /// Whether any case has the box of a lesion.
    pub fn has_boxes(&self) -> bool {
        self.cases.iter().any(|known| !known.case.boxes.is_empty())
    }

    /// The case of an image.
    pub fn of_image(&self, image: &ImageIdentity) -> Option<&Case> {
        match self.join(image) {
            Join::Case(number) | Join::Moved(number) => Some(&self.cases[number].case),
            Join::Replaced | Join::Ambiguous | Join::Unknown => None,
        }
    }

    fn join(&self, image: &ImageIdentity) -> Join {
        let at = |path: &Path| self.by_path.get(path).copied();
        // The manifest may name the image by a link.
        let named = at(&image.path).or_else(|| at(&stored_path(&image.path)));
        let same = self
            .by_content
            .get(&image.sha256)
            .map_or(&[][..], Vec::as_slice);
        match (named, same) {
            (Some(named), same) if same.contains(&named) => Join::Case(named),
            (named, [first, rest @ ..]) => {
                let reference = |number: &usize| {
                    let case = &self.cases[*number].case;
                    (&case.truth, &case.boxes)
                };
                if rest
                    .iter()
                    .any(|other| reference(other) != reference(first))
                {
                    Join::Ambiguous
                } else if named.is_some_and(|at| self.cases[at].sha256.is_some()) {
                    Join::Moved(*first)
                } else {
                    // If no file is at its path any more, it was only renamed.
                    Join::Case(*first)
                }
            }
            (Some(named), []) => match self.cases[named].sha256 {
                Some(_) => Join::Replaced,
                None => Join::Case(named),
            },
            (None, []) => Join::Unknown,
        }
    }

    /// Reports on standard error the images whose path and content disagree.
    pub fn complain_of<'a>(&self, images: impl Iterator<Item = &'a ImageIdentity>) {
        let words: BTreeSet<String> = images.filter_map(|image| self.words(image)).collect();
        words.iter().take(NAMED).for_each(|words| complain(words));
        if let Some(more) = words.len().checked_sub(NAMED).filter(|more| *more > 0) {
            complain(&format!("and {more} more images like these"));
        }
    }

    fn words(&self, image: &ImageIdentity) -> Option<String> {
        let path = path_text(&image.path);
        match self.join(image) {
            Join::Moved(number) => Some(format!(
                "{path}: another file is there now than was read; its reference is that of {}, which has \
                 the same content",
                path_text(&self.cases[number].case.path)
            )),
            Join::Replaced => Some(format!(
                "{path}: another file is there now than was read, and no row of the manifest has its \
                 content: no reference"
            )),
            Join::Ambiguous => Some(format!(
                "{path}: rows of the manifest with its content contradict each other: no reference"
            )),
            Join::Case(number) if self.cases[number].sha256.is_none() => Some(format!(
                "{path}: the manifest's file is missing, so its reference is found by the path alone"
            )),
            Join::Case(_) | Join::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Uids;
    use crate::evaluation::{Manifest, ManifestColumns};

    fn references(files: &[(&str, &str, Option<&str>)]) -> ReferenceCases {
        let rows = files
            .iter()
            .map(|(path, finding, _)| format!("{path},{finding}\n"));
        let text = format!("path,finding\n{}", rows.collect::<String>());
        let manifest = Manifest::parse(text.as_bytes(), &ManifestColumns::default()).unwrap();
        let found = files.iter().map(|(path, _, sha256)| {
            let file = PathBuf::from(format!("/x/{path}"));
            (file, sha256.map(str::to_owned))
        });
        ReferenceCases::of(manifest.cases.into_iter().zip(found))
    }

    fn image(path: &str, sha256: &str) -> ImageIdentity {
        ImageIdentity {
            sha256: sha256.to_owned(),
            path: format!("/x/{path}").into(),
            uids: Uids::default(),
            patient_id: None,
        }
    }

    #[test]
    fn a_reference_is_found_by_content_and_by_path_only_if_the_file_is_missing() {
        let references = references(&[
            ("a.png", "Pneumonia", Some("aa")),
            ("b.png", "No Finding", Some("bb")),
            ("gone.png", "Pneumonia", None),
            ("same.png", "No Finding", Some("cc")),
            ("same2.png", "Pneumonia", Some("cc")),
            ("twin.png", "Pneumonia", Some("dd")),
            ("twin2.png", "Pneumonia", Some("dd")),
        ]);
        for (path, sha256, expected) in [
            ("a.png", "aa", Join::Case(0)),
            // Renamed together with the manifest.
            ("a.png", "bb", Join::Moved(1)),
            ("elsewhere.png", "bb", Join::Case(1)),
            ("a.png", "ee", Join::Replaced),
            ("gone.png", "ff", Join::Case(2)),
            ("gone.png", "bb", Join::Case(1)),
            ("other.png", "ff", Join::Unknown),
            ("other.png", "cc", Join::Ambiguous),
            ("same2.png", "cc", Join::Case(4)),
            ("other.png", "dd", Join::Case(5)),
        ] {
            assert_eq!(
                references.join(&image(path, sha256)),
                expected,
                "{path} {sha256}"
            );
        }
        assert_eq!(references.words(&image("a.png", "aa")), None);
        assert!(
            references
                .words(&image("a.png", "ee"))
                .unwrap()
                .contains("no reference")
        );
    }
}
