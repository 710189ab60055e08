//! Whether an image is what a filter asks for.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::{Expr, FilterTerms, FilterValue, Operator, REVIEWS, STATES};
use crate::domain::{Prediction, Question};
use crate::tui::worklist::held::is_held_as;
use crate::tui::worklist::{EntryState, HeldOpinion, WorklistEntry};

/// One image, and what it is compared by.
pub struct Candidate<'a> {
    entry: &'a WorklistEntry,
    /// What may be told of what the reader holds of it.
    held: Option<&'a HeldOpinion>,
    /// Below the folder that was asked for, in lower case.
    path: String,
    terms: Option<&'a FilterTerms>,
    /// What is shown of it, once it is asked for.
    shown: OnceCell<Option<Cow<'a, Prediction>>>,
}

impl<'a> Candidate<'a> {
    pub fn new(
        entry: &'a WorklistEntry,
        held: Option<&'a HeldOpinion>,
        roots: &[PathBuf],
        terms: Option<&'a FilterTerms>,
    ) -> Self {
        let path = below_root(&entry.path, roots).to_string_lossy();
        Candidate {
            entry,
            held,
            path: path.to_lowercase(),
            terms,
            shown: OnceCell::new(),
        }
    }

    /// In Kleene's logic of three values: `None` where it takes a value that is not known, so that an
    /// image without a score is on neither side of a comparison.
    pub fn is(&self, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::Word(word) => self.is_called(&word.to_lowercase()),
            Expr::Path(part) => Some(self.path.contains(&part.to_lowercase())),
            Expr::Compare(value, operator, bound) => {
                self.value(value).map(|value| operator.holds(value, *bound))
            }
            Expr::Not(inner) => self.is(inner).map(|is| !is),
            Expr::All(several) => self.agree(several, false),
            Expr::Any(several) => self.agree(several, true),
        }
    }

    /// One that is `decisive` decides, or else one that is not known.
    fn agree(&self, several: &[Expr], decisive: bool) -> Option<bool> {
        let mut all = Some(!decisive);
        for expr in several {
            match self.is(expr) {
                Some(is) if is == decisive => return Some(decisive),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }

    fn is_called(&self, word: &str) -> Option<bool> {
        match word {
            _ if self.path.contains(word) => Some(true),
            "found" => is_found(self.shown()?),
            word if STATES.contains(&word) => Some(self.entry.is_in_state(word)),
            word if REVIEWS.contains(&word) => Some(is_held_as(self.held, word)),
            _ => Some(false),
        }
    }

    fn value(&self, value: &FilterValue) -> Option<f32> {
        let prediction = self.shown()?;
        match value {
            FilterValue::Score(label) => {
                self.terms?;
                prediction.told_score(prediction.finding(label)?)
            }
            FilterValue::Extent => Some(prediction.severity?.geographic_extent),
            FilterValue::Opacity => Some(prediction.severity?.opacity),
            FilterValue::Unresolved(_) => None,
        }
    }

    /// At the prevalences that are assumed.
    fn shown(&self) -> Option<&Prediction> {
        let shown = || {
            let said = self.entry.prediction()?;
            Some(match self.terms {
                Some(terms) => terms.shown(said),
                None => Cow::Borrowed(said),
            })
        };
        self.shown.get_or_init(shown).as_deref()
    }
}

impl FilterTerms {
    /// As a screen shows it: at the prevalences that are assumed.
    pub fn shown<'p>(&self, said: &'p Prediction) -> Cow<'p, Prediction> {
        said.under(&self.assumed)
    }
}

/// Whether a label that stands on its own is found, as a screen says it; `None` where none has a score
/// and an operating point.
fn is_found(said: &Prediction) -> Option<bool> {
    let findings = said.findings.iter();
    let alone = findings.filter(|finding| finding.question == Question::Presence);
    let asked = alone.filter(|finding| finding.is_positive().is_some());
    asked
        .map(|finding| said.is_found(finding))
        .reduce(|a, b| a || b)
}

impl WorklistEntry {
    fn is_in_state(&self, word: &str) -> bool {
        match word {
            "read" => !matches!(self.state, EntryState::Unread),
            word => word == self.state_word(),
        }
    }
}

impl Operator {
    fn holds(self, value: f32, bound: f32) -> bool {
        match self {
            Operator::Greater => value > bound,
            Operator::AtLeast => value >= bound,
            Operator::Less => value < bound,
            Operator::AtMost => value <= bound,
        }
    }
}

/// A filter looks at names below what was asked for, not at how one got there.
pub fn below_root<'p>(path: &'p Path, roots: &[PathBuf]) -> &'p Path {
    let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
    match below {
        // A file that was asked for by itself is its own root.
        Some(rest) if !rest.as_os_str().is_empty() => rest,
        _ => path.file_name().map_or(path, Path::new),
    }
}
