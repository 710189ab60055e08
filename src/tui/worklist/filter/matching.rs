//! Whether an image matches a filter.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::{Expr, FilterTerms, FilterValue, Operator, REVIEWS, STATES};
use crate::domain::{Prediction, Question};
use crate::tui::worklist::opinions::matches_review_word;
use crate::tui::worklist::{EntryState, OpinionState, WorklistEntry};

/// One image that a filter is applied to.
pub struct Candidate<'a> {
    entry: &'a WorklistEntry,
    /// The reader's opinion, unless it is hidden.
    opinion: Option<&'a OpinionState>,
    /// The path below the folder that was opened, in lower case.
    path: String,
    terms: Option<&'a FilterTerms>,
    /// The prediction as it is shown, computed when it is needed.
    shown: OnceCell<Option<Cow<'a, Prediction>>>,
}

impl<'a> Candidate<'a> {
    pub fn new(
        entry: &'a WorklistEntry,
        opinion: Option<&'a OpinionState>,
        roots: &[PathBuf],
        terms: Option<&'a FilterTerms>,
    ) -> Self {
        let path = below_root(&entry.path, roots).to_string_lossy();
        Candidate {
            entry,
            opinion,
            path: path.to_lowercase(),
            terms,
            shown: OnceCell::new(),
        }
    }

    /// Kleene's three-valued logic: `None` if a value is unknown. So an image without a score matches neither a
    /// comparison nor its opposite.
    pub fn is(&self, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::Word(word) => self.is_called(&word.to_lowercase()),
            Expr::Path(part) => Some(self.path.contains(&part.to_lowercase())),
            Expr::Compare(value, operator, bound) => {
                self.value(value).map(|value| operator.holds(value, *bound))
            }
            Expr::Not(inner) => self.is(inner).map(|is| !is),
            Expr::All(several) => self.combined(several, false),
            Expr::Any(several) => self.combined(several, true),
        }
    }

    /// A part with the value `decisive` decides. Otherwise an unknown part makes the whole unknown.
    fn combined(&self, several: &[Expr], decisive: bool) -> Option<bool> {
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
            word if REVIEWS.contains(&word) => Some(matches_review_word(self.opinion, word)),
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

    /// The prediction at the assumed prevalences, as the screen shows it.
    fn shown(&self) -> Option<&Prediction> {
        let shown = || {
            let prediction = self.entry.prediction()?;
            Some(match self.terms {
                Some(terms) => terms.shown(prediction),
                None => Cow::Borrowed(prediction),
            })
        };
        self.shown.get_or_init(shown).as_deref()
    }
}

impl FilterTerms {
    /// A prediction at the assumed prevalences, as the screen shows it.
    pub fn shown<'p>(&self, prediction: &'p Prediction) -> Cow<'p, Prediction> {
        prediction.under(&self.assumed)
    }
}

/// Whether any label on its own is found, as the screen shows it. `None` if no label has a score and an
/// operating point.
fn is_found(prediction: &Prediction) -> Option<bool> {
    let findings = prediction.findings.iter();
    let alone = findings.filter(|finding| finding.question == Question::Presence);
    let decided = alone.filter(|finding| finding.is_positive().is_some());
    decided
        .map(|finding| prediction.is_found(finding))
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

/// The path below the folder that was opened. A filter looks at this part only.
pub fn below_root<'p>(path: &'p Path, roots: &[PathBuf]) -> &'p Path {
    let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
    match below {
        // A file that was opened by itself is its own root.
        Some(rest) if !rest.as_os_str().is_empty() => rest,
        _ => path.file_name().map_or(path, Path::new),
    }
}
