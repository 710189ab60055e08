//! What the worklist shows: `covid>0.5 & !reviewed & path:ward3`.
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

use super::{HeldOpinion, WorklistEntry};
use crate::domain::{ModelCard, Prevalences, Question};
pub use complete::{Completion, complete};
use matching::Candidate;
pub use matching::below_root;

/// What can be asked of an image beside parts of its path.
const STATES: [&str; 8] = [
    "unread", "read", "error", "skipped", "ok", "caution", "refused", "found",
];
/// What can be asked of a review.
const REVIEWS: [&str; 7] = [
    "reviewed",
    "unreviewed",
    "agree",
    "disagree",
    "unsure",
    "key",
    "noted",
];
const EXTENT: &str = "extent";
const OPACITY: &str = "opacity";
const PATH: &str = "path:";

/// What a model's answers can be asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilterTerms {
    labels: Vec<(String, Question)>,
    has_severity: bool,
    /// Scores are compared as they are shown.
    assumed: Prevalences,
}

impl FilterTerms {
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
    /// Of two or more, as [`Expr::Any`]: a long chain is no deep tree.
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
enum FilterValue {
    /// A label of the model, as the card spells it.
    Score(String),
    Extent,
    Opacity,
    /// As it was typed while no model is there to know its labels: nothing has that value.
    Unresolved(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// Why a text is no filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {column}: {reason}")]
pub struct FilterError {
    /// The byte at which it stands.
    pub at: usize,
    /// The same in characters, from 1.
    column: usize,
    reason: String,
}

/// A filter, as far as the model in use understands it.
pub struct WorklistFilter {
    text: String,
    expr: Result<Option<Expr>, FilterError>,
}

impl Default for WorklistFilter {
    /// Lets everything through.
    fn default() -> Self {
        WorklistFilter {
            text: String::new(),
            expr: Ok(None),
        }
    }
}

impl WorklistFilter {
    /// `terms` is `None` while no model is there. A filter that was right for another model may be
    /// wrong for this one: it is kept, and lets nothing through.
    pub fn new(text: String, terms: Option<&FilterTerms>) -> Self {
        let expr = parse::parse(&text, terms);
        WorklistFilter { text, expr }
    }

    /// The same for who must not see what the model says: an error if it asks for that.
    pub fn blinded(self) -> Self {
        if self.expr.is_err() || !self.asks_of_answers() {
            return self;
        }
        WorklistFilter {
            expr: Err(FilterError {
                at: 0,
                column: 1,
                reason: "it asks for what is hidden while you read blinded".to_owned(),
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

    /// How it was understood, where that is more than plain words.
    pub fn reading(&self) -> Option<String> {
        let expr = self.expr.as_ref().ok()?.as_ref()?;
        expr.any_term(&|term| matches!(term, Expr::Compare(..)))
            .then(|| expr.to_string())
    }

    /// `held` is what may be told of what the reader holds of it.
    pub fn lets_through(
        &self,
        entry: &WorklistEntry,
        held: Option<&HeldOpinion>,
        roots: &[PathBuf],
        terms: Option<&FilterTerms>,
    ) -> bool {
        match &self.expr {
            Ok(None) => true,
            Ok(Some(expr)) => Candidate::new(entry, held, roots, terms).is(expr) == Some(true),
            Err(_) => false,
        }
    }

    /// Whether a new answer of the model may change what it lets through.
    pub fn asks_of_answers(&self) -> bool {
        self.asks(&|term| match term {
            Expr::Word(word) => STATES.contains(&word.to_lowercase().as_str()),
            term => matches!(term, Expr::Compare(..)),
        })
    }

    /// Whether a review may.
    pub fn asks_of_reviews(&self) -> bool {
        self.asks(&|term| match term {
            Expr::Word(word) => REVIEWS.contains(&word.to_lowercase().as_str()),
            _ => false,
        })
    }

    /// Whether any of its terms is so; of a filter that is wrong nothing is known.
    fn asks(&self, is_so: &dyn Fn(&Expr) -> bool) -> bool {
        match &self.expr {
            Ok(None) => false,
            Ok(Some(expr)) => expr.any_term(is_so),
            Err(_) => true,
        }
    }
}

/// How a text was understood, as it could have been typed; `None` if it has no term.
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

/// As it could have been typed: parsing it gives the same again.
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

/// A part, in parentheses where it needs them.
struct Within<'a>(&'a Expr, fn(&Expr) -> bool);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.1)(self.0) {
            true => write!(f, "({})", self.0),
            false => write!(f, "{}", self.0),
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

/// A word in quotes, where it would be read as something else without.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty()
        && !word.starts_with('!')
        && !parse::is_path(word)
        && !word.contains(parse::ends_a_word);
    match is_plain {
        true => word.to_owned(),
        false => format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests;
