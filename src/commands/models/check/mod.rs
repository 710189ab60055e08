//! `cxr models check`: a model's numbers beside those of its original code, image by image.
//!
//! ```text
//! reference.csv ─► ReferenceTable ─┬─ numbers ─► compared with the network's answer
//!                                  └─ step 1, input … ─ .npy ─► compared with the pictures of the preprocessing
//! ```

mod difference;
mod reference;

use std::cell::Cell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use self::difference::{Apart, Tolerances, number_words};
use self::reference::{ReferenceImage, ReferenceTable};
use crate::checkpoint::{StoredTensor, read_npy};
use crate::cli::CheckModel;
use crate::commands::shared::batch::{decoders, guarded};
use crate::commands::shared::{SOME_FAILED, complain, named, print, read_model, resolve_model};
use crate::domain::text::Printable;
use crate::domain::{Objection, Radiograph};
use crate::imaging::DecodeLimits;
use crate::inference::{Classifier, Compute, InferenceError, RawAnswer};

/// Compares, and prints a line for each image and one for all.
///
/// # Errors
/// [`Usage`](crate::commands::shared::Usage), if there is no such model or the table cannot be used.
pub fn run(arguments: &CheckModel) -> Result<ExitCode> {
    let model = resolve_model(PathBuf::from(&arguments.name))?;
    let classifier = read_model(model.as_deref())?.classifier(Compute::default())?;
    let table = ReferenceTable::read(arguments, &classifier)?;
    if let Some(others) = table.others() {
        complain(&format!(
            "{table}: neither labels nor steps, and left out: {others}"
        ));
    }
    let check = ModelCheck {
        classifier: &classifier,
        table: &table,
        is_logits: arguments.logits,
        tolerances: Tolerances {
            number: arguments.tolerance,
            step: arguments.step_tolerance,
        },
    };
    let open = decoders(&DecodeLimits::default());
    let mut counts = CheckCounts::default();
    // The row that is looked at: several rows may name one file.
    let row = Cell::new(0);
    let mut read = guarded(&open, |_: &Path, film: &Radiograph| {
        check.image(&table.images[row.get()], film)
    });
    for (number, image) in table.images.iter().enumerate() {
        row.set(number);
        let verdict = read(&image.path);
        let text = match &verdict {
            Ok(verdict) => verdict.words(&image.name),
            Err(reason) => format!("{}: not compared: {reason}\n", image.name),
        };
        counts.add(verdict.as_ref().ok());
        print(&Printable::page(&text))?;
    }
    print(&Printable::page(&counts.words(arguments.tolerance)))?;
    Ok(ExitCode::from(if counts.is_good() {
        0
    } else {
        SOME_FAILED
    }))
}

/// A model that is compared with a table.
struct ModelCheck<'a> {
    classifier: &'a Classifier,
    table: &'a ReferenceTable,
    is_logits: bool,
    tolerances: Tolerances,
}

/// How the numbers of one image compare.
#[derive(Debug, Default)]
struct ImageVerdict {
    /// The largest difference of a number, and whether it is within the tolerance.
    worst: Option<(NumberPair, bool)>,
    /// The steps that were compared and agree.
    agreeing: Vec<usize>,
    /// The words of the first step that does not.
    parts_at: Option<String>,
    /// Further lines.
    notes: Vec<String>,
}

/// A number here and there.
#[derive(Debug, Clone, PartialEq)]
struct NumberPair {
    label: String,
    ours: f64,
    theirs: f64,
}

impl NumberPair {
    fn difference(&self) -> f64 {
        let difference = (self.ours - self.theirs).abs();
        // What cannot be compared is as far apart as can be.
        if difference.is_nan() {
            f64::INFINITY
        } else {
            difference
        }
    }
}

impl ModelCheck<'_> {
    /// The verdict on an image.
    ///
    /// # Errors
    /// Why it cannot be compared.
    fn image(&self, image: &ReferenceImage, film: &Radiograph) -> Result<ImageVerdict, String> {
        let in_words = |error: InferenceError| error.to_string();
        let mut verdict = ImageVerdict::default();
        let input = self.classifier.input(film).map_err(in_words)?;
        let answer = self.classifier.raw_answer(input).map_err(in_words)?;
        let worst = self.worst(image, &answer);
        let is_close = |pair: &NumberPair| pair.difference() <= self.tolerances.number;
        self.steps(image, film, &mut verdict)?;
        if worst.as_ref().is_some_and(|pair| !is_close(pair)) {
            verdict.notes.extend(self.with_their_input(image)?);
        }
        verdict.worst = worst.map(|pair| {
            let is_close = is_close(&pair);
            (pair, is_close)
        });
        let is_turned = |objection: &Objection| matches!(objection, Objection::Inverted(_));
        let differs = verdict.is_compared() && !verdict.is_good();
        if differs && film.admission.objections.iter().any(is_turned) {
            verdict.notes.push(
                "cxr found that this film is a negative which its file does not declare, and turned it; other code \
                 reads it as it is"
                    .to_owned(),
            );
        }
        Ok(verdict)
    }

    /// The number that is farthest from its reference.
    fn worst(&self, image: &ReferenceImage, answer: &RawAnswer) -> Option<NumberPair> {
        let ours = if self.is_logits {
            &answer.logits
        } else {
            &answer.scores
        };
        let pairs = self.table.labels.iter().zip(&image.numbers);
        let pairs = pairs.filter_map(|(label, theirs)| {
            let (_, ours) = ours.iter().find(|(name, _)| name == label)?;
            Some(NumberPair {
                label: label.clone(),
                ours: f64::from(*ours),
                theirs: (*theirs)?,
            })
        });
        pairs.max_by(|a, b| a.difference().total_cmp(&b.difference()))
    }

    /// Compares the steps for which the image has a file, in their order, up to the first that differs.
    fn steps(
        &self,
        image: &ReferenceImage,
        film: &Radiograph,
        verdict: &mut ImageVerdict,
    ) -> Result<(), String> {
        if image.tensors.is_empty() {
            return Ok(());
        }
        let is_wanted = |number: usize| image.tensors.contains_key(&number);
        let seen = self.classifier.seen_steps(film, &is_wanted);
        let seen = seen.map_err(|error| error.to_string())?;
        for (number, path) in &image.tensors {
            let Some(step) = seen.iter().find(|step| step.number == *number) else {
                verdict
                    .notes
                    .push(format!("step {number} is too large to be compared"));
                continue;
            };
            let theirs = tensor(path)?;
            match difference::between(step, &theirs, self.tolerances.step) {
                Apart::No => verdict.agreeing.push(*number),
                apart => {
                    verdict.parts_at = Some(format!("step {number}, {}: {apart}", step.words));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the network gives the numbers of the reference from the input of the reference, if that is there.
    fn with_their_input(&self, image: &ReferenceImage) -> Result<Option<String>, String> {
        let Some(path) = image.tensors.get(&self.table.last_step) else {
            return Ok(None);
        };
        let theirs = tensor(path)?;
        let Some(input) = difference::as_input(&theirs, self.classifier.preprocess()) else {
            return Ok(None);
        };
        let answer = self
            .classifier
            .raw_answer(input)
            .map_err(|error| error.to_string())?;
        Ok(self.worst(image, &answer).map(|pair| {
            if pair.difference() <= self.tolerances.number {
                "from the reference's own input, the network gives the reference's numbers"
                    .to_owned()
            } else {
                format!(
                    "from the reference's own input, the network gives other numbers too: {}",
                    number_words(&pair.label, pair.ours, pair.theirs)
                )
            }
        }))
    }
}

fn tensor(path: &Path) -> Result<StoredTensor, String> {
    read_npy(path).map_err(|error| error.to_string())
}

impl ImageVerdict {
    /// Whether a number or a step was compared.
    fn is_compared(&self) -> bool {
        self.worst.is_some() || self.parts_at.is_some() || !self.agreeing.is_empty()
    }

    /// Whether something was compared, and all of that agrees.
    fn is_good(&self) -> bool {
        let is_close = self.worst.as_ref().is_none_or(|(_, is_close)| *is_close);
        self.is_compared() && self.parts_at.is_none() && is_close
    }

    fn words(&self, name: &str) -> String {
        let mut text = match &self.worst {
            None if !self.is_compared() => {
                format!(
                    "{name}: not compared: its row has no number and no step that can be compared\n"
                )
            }
            None if self.is_good() => format!("{name}: agrees\n"),
            None => format!("{name}: differs\n"),
            Some((pair, _)) if self.is_good() => {
                format!("{name}: agrees, to {:.1e}\n", pair.difference())
            }
            Some((pair, true)) => {
                let difference = pair.difference();
                format!("{name}: its numbers agree, to {difference:.1e}, and a step differs\n")
            }
            Some((pair, false)) => {
                let numbers = number_words(&pair.label, pair.ours, pair.theirs);
                format!("{name}: differs: {numbers}\n")
            }
        };
        let steps: Vec<String> = self.agreeing.iter().map(ToString::to_string).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        if !steps.is_empty() && !self.is_good() {
            // Writing to a text does not fail.
            let _ = writeln!(text, "    the same until here: step {}", named(&steps));
        }
        let lines = self
            .parts_at
            .iter()
            .map(|words| format!("they part at {words}"));
        for line in lines.chain(self.notes.iter().cloned()) {
            let _ = writeln!(text, "    {line}");
        }
        text
    }
}

/// The images of a table, by what became of them.
#[derive(Debug, Default)]
struct CheckCounts {
    agree: usize,
    differ: usize,
    unread: usize,
    largest: f64,
}

impl CheckCounts {
    /// `None` for an image that could not be read.
    fn add(&mut self, verdict: Option<&ImageVerdict>) {
        match verdict {
            None => self.unread += 1,
            Some(verdict) if !verdict.is_compared() => self.unread += 1,
            Some(verdict) if verdict.is_good() => self.agree += 1,
            Some(_) => self.differ += 1,
        }
        if let Some((pair, _)) = verdict.and_then(|verdict| verdict.worst.as_ref()) {
            self.largest = self.largest.max(pair.difference());
        }
    }

    fn is_good(&self) -> bool {
        self.differ == 0 && self.unread == 0
    }

    fn words(&self, tolerance: f64) -> String {
        let images = self.agree + self.differ + self.unread;
        let s = if images == 1 { "" } else { "s" };
        let mut text = format!(
            "{images} image{s}: {} agree, {} differ",
            self.agree, self.differ
        );
        if self.unread > 0 {
            let _ = write!(text, ", {} not compared", self.unread);
        }
        let _ = writeln!(
            text,
            "; largest difference of a number {:.1e}, tolerance {tolerance:.1e}",
            self.largest
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(theirs: f64, parts_at: Option<&str>) -> ImageVerdict {
        let pair = NumberPair {
            label: "Pneumonia".to_owned(),
            ours: 0.5,
            theirs,
        };
        let is_close = pair.difference() <= 1e-4;
        ImageVerdict {
            worst: Some((pair, is_close)),
            agreeing: vec![0, 1],
            parts_at: parts_at.map(str::to_owned),
            notes: vec![],
        }
    }

    #[test]
    fn an_image_is_told_in_a_line_and_where_it_parts_in_more() {
        assert_eq!(
            verdict(0.500_01, None).words("a.png"),
            "a.png: agrees, to 1.0e-5\n"
        );
        assert_eq!(
            verdict(0.25, Some("step 2, crop: 3 of 9 values differ")).words("a.png"),
            "a.png: differs: Pneumonia 0.500000 here, 0.250000 in the reference\n    \
             the same until here: step 0, 1\n    they part at step 2, crop: 3 of 9 values differ\n"
        );
        assert!(!verdict(f64::NAN, None).is_good());
    }

    #[test]
    fn an_image_of_which_nothing_is_compared_does_not_agree() {
        let nothing = ImageVerdict {
            notes: vec!["step 2 is too large to be compared".to_owned()],
            ..ImageVerdict::default()
        };
        assert!(nothing.words("a.png").starts_with("a.png: not compared: "));
        let mut counts = CheckCounts::default();
        counts.add(Some(&nothing));
        assert!(!counts.is_good());
        assert!(
            counts
                .words(1e-4)
                .contains("0 agree, 0 differ, 1 not compared"),
            "{}",
            counts.words(1e-4)
        );
        let step = ImageVerdict {
            agreeing: vec![2],
            ..ImageVerdict::default()
        };
        assert!(step.is_good());
    }

    #[test]
    fn all_images_are_counted() {
        let mut counts = CheckCounts::default();
        counts.add(Some(&verdict(0.5, None)));
        assert!(counts.is_good());
        counts.add(Some(&verdict(0.25, None)));
        counts.add(None);
        assert!(!counts.is_good());
        assert_eq!(
            counts.words(1e-4),
            "3 images: 1 agree, 1 differ, 1 not compared; largest difference of a number 2.5e-1, tolerance 1.0e-4\n"
        );
    }
}
