//! Filters of the worklist: `covid>0.5 & !reviewed & path:ward3`.
//!
//! ```text
//! any   = all ('|' all)*
//! all   = one ('&'? one)*
//! one   = '!' one | '(' any ')' | term
//! term  = WORD | 'path:' WORD | LABEL ('>' | '>=' | '<' | '<=') NUMBER '%'?
//! ```

mod complete;
mod matching;
mod parse;

use std::fmt;
use std::path::PathBuf;

use super::{OpinionState, WorklistEntry};
use crate::domain::{ModelCard, Prevalences, Question};
pub use complete::{Completion, complete};
use matching::Candidate;
pub use matching::below_root;

/// The words for the state of an image.
const STATES: [&str; 8] = [
    "unread", "read", "error", "skipped", "ok", "caution", "refused", "found",
];
/// The words for the state of a review.
const REVIEWS: [&str; 8] = [
    "reviewed",
    "unreviewed",
    "agree",
    "disagree",
    "unsure",
    "key",
    "noted",
    "marked",
];
const EXTENT: &str = "extent";
const OPACITY: &str = "opacity";
const PATH: &str = "path:";

/// The names of a model that a filter can use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilterTerms {
    labels: Vec<(String, Question)>,
    has_severity: bool,
    /// Scores are compared as they are shown, at these prevalences.
    assumed: Prevalences,
}

impl FilterTerms {
    /// The names of the model with this card.
    pub fn new(card: &ModelCard, assumed: &Prevalences) -> Self {
        let labels = card.labels.iter();
        FilterTerms {
            labels: labels
                .map(|label| (label.name.clone(), label.question))
                .collect(),
            has_severity: card.severity.is_some() || card.severity_line.is_some(),
            assumed: assumed.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    /// Part of the path, or a state.
    Word(String),
    /// Part of the path and nothing else.
    Path(String),
    Compare(FilterValue, Operator, f32),
    Not(Box<Expr>),
    /// Two or more parts. A list, as in [`Expr::Any`], so that a long chain is no deep tree.
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
enum FilterValue {
    /// A label of the model, as the card spells it.
    Score(String),
    Extent,
    Opacity,
    /// A name that was typed while no model was loaded. Its value is unknown for every image.
    Unresolved(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// Why a text is not a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {column}: {reason}")]
pub struct FilterError {
    /// The byte at which the error is.
    pub at: usize,
    /// The same as a count of characters, from 1.
    column: usize,
    reason: String,
}

/// A filter, parsed for the model in use.
pub struct WorklistFilter {
    text: String,
    expr: Result<Option<Expr>, FilterError>,
}

impl Default for WorklistFilter {
    /// Matches everything.
    fn default() -> Self {
        WorklistFilter {
            text: String::new(),
            expr: Ok(None),
        }
    }
}

impl WorklistFilter {
    /// `terms` is `None` while no model is loaded. A filter that was valid for another model may be invalid
    /// for this one: its text is kept, and it matches nothing.
    pub fn new(text: String, terms: Option<&FilterTerms>) -> Self {
        let expr = parse::parse(&text, terms);
        WorklistFilter { text, expr }
    }

    /// The filter for blinded reading: an error if it uses answers, which are hidden.
    pub fn blinded(self) -> Self {
        if self.expr.is_err() || !self.uses_answers() {
            return self;
        }
        WorklistFilter {
            expr: Err(FilterError {
                at: 0,
                column: 1,
                reason: "answers are hidden in blinded reading".to_owned(),
            }),
            text: self.text,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn error(&self) -> Option<&FilterError> {
        self.expr.as_ref().err()
    }

    /// The filter as it was understood, if it has a comparison.
    pub fn understood(&self) -> Option<String> {
        let expr = self.expr.as_ref().ok()?.as_ref()?;
        expr.any_term(&|term| matches!(term, Expr::Compare(..)))
            .then(|| expr.to_string())
    }

    /// Whether an image matches. `opinion` is the reader's, unless it is hidden.
    pub fn is_match(
        &self,
        entry: &WorklistEntry,
        opinion: Option<&OpinionState>,
        roots: &[PathBuf],
        terms: Option<&FilterTerms>,
    ) -> bool {
        match &self.expr {
            Ok(None) => true,
            Ok(Some(expr)) => Candidate::new(entry, opinion, roots, terms).is(expr) == Some(true),
            Err(_) => false,
        }
    }

    /// Whether a new answer of the model may change the matches.
    pub fn uses_answers(&self) -> bool {
        self.any_term(&|term| match term {
            Expr::Word(word) => STATES.contains(&word.to_lowercase().as_str()),
            term => matches!(term, Expr::Compare(..)),
        })
    }

    /// Whether a review may change the matches.
    pub fn uses_reviews(&self) -> bool {
        self.any_term(&|term| match term {
            Expr::Word(word) => REVIEWS.contains(&word.to_lowercase().as_str()),
            _ => false,
        })
    }

    /// Whether a term has this property. An invalid filter counts as having it.
    fn any_term(&self, is_so: &dyn Fn(&Expr) -> bool) -> bool {
        match &self.expr {
            Ok(None) => false,
            Ok(Some(expr)) => expr.any_term(is_so),
            Err(_) => true,
        }
    }
}

/// The text as it was understood, in a form that can be typed; `None` if it has no term.
///
/// # Errors
/// If the text is not a filter.
pub fn rewritten(text: &str, terms: Option<&FilterTerms>) -> Result<Option<String>, FilterError> {
    Ok(parse::parse(text, terms)?.map(|expr| expr.to_string()))
}

impl Expr {
    fn any_term(&self, is_so: &dyn Fn(&Expr) -> bool) -> bool {
        match self {
            Expr::Not(inner) => inner.any_term(is_so),
            Expr::All(several) | Expr::Any(several) => {
                several.iter().any(|expr| expr.any_term(is_so))
            }
            term => is_so(term),
        }
    }
}

/// In a form that can be typed: parsing it gives the same expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Word(word) => f.write_str(&quoted(word)),
            Expr::Path(part) => write!(f, "{PATH}{}", quoted(part)),
            Expr::Compare(value, operator, bound) => write!(f, "{value}{operator}{bound}"),
            Expr::Not(inner) => write!(f, "!{}", Within(inner, |expr| expr.is_several())),
            Expr::All(several) => join(f, several, " & ", |expr| expr.is_several()),
            Expr::Any(several) => join(f, several, " | ", |expr| matches!(expr, Expr::Any(_))),
        }
    }
}

impl Expr {
    fn is_several(&self) -> bool {
        matches!(self, Expr::All(_) | Expr::Any(_))
    }
}

/// A part, in parentheses if it needs them.
struct Within<'a>(&'a Expr, fn(&Expr) -> bool);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (self.1)(self.0) {
            write!(f, "({})", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    several: &[Expr],
    between: &str,
    needs_parentheses: fn(&Expr) -> bool,
) -> fmt::Result {
    for (i, expr) in several.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        write!(f, "{}", Within(expr, needs_parentheses))?;
    }
    Ok(())
}

impl fmt::Display for FilterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            FilterValue::Extent => EXTENT.into(),
            FilterValue::Opacity => OPACITY.into(),
            FilterValue::Score(name) | FilterValue::Unresolved(name) => quoted(name),
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Greater => ">",
            Operator::AtLeast => ">=",
            Operator::Less => "<",
            Operator::AtMost => "<=",
        })
    }
}

/// The word, in quotes if it would be parsed as something else without them.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty()
        && !word.starts_with('!')
        && !parse::is_path(word)
        && !word.contains(parse::ends_a_word);
    if is_plain {
        word.to_owned()
    } else {
        format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests;
