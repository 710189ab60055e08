//! Parses a text to an expression, or to an error with its place.

use super::{EXTENT, Expr, FilterError, FilterTerms, FilterValue, OPACITY, Operator, PATH};
use crate::domain::{LabelNameError, label_named};

/// The deepest nesting of parentheses and negations. A deeper text was pasted by mistake, and could overflow
/// the stack of the recursive parser.
const MAX_DEPTH: usize = 50;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Path(String),
    Operator(Operator),
    Not,
    And,
    Or,
    Open,
    Close,
}

/// A byte offset in the text, and what is there.
type At<T> = (usize, T);

/// The error is a reason at a byte offset; its column is counted later.
type Parsed<T> = Result<T, At<String>>;

/// `None` for a text without a term, which matches everything.
pub fn parse(text: &str, terms: Option<&FilterTerms>) -> Result<Option<Expr>, FilterError> {
    let parsed = tokens(text).and_then(|tokens| {
        let mut parser = Parser {
            tokens,
            next: 0,
            end: text.trim_end().len(),
            depth: 0,
            terms,
        };
        parser.everything()
    });
    parsed.map_err(|(at, reason)| FilterError {
        at,
        column: text[..at].chars().count() + 1,
        reason,
    })
}

/// Whether a character ends a word outside quotes.
pub fn ends_a_word(c: char) -> bool {
    c.is_whitespace() || "&|()<>≤≥=\"".contains(c)
}

pub fn is_path(word: &str) -> bool {
    let start = word.as_bytes().get(..PATH.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PATH.as_bytes()))
}

fn tokens(text: &str) -> Parsed<Vec<At<Token>>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) = token(&text[at..]).map_err(|reason| (at, reason))?;
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// The first token of a text that begins with no space, and its length in bytes.
fn token(text: &str) -> Result<(Token, usize), String> {
    const SIGNS: [(&str, Token); 13] = [
        ("&&", Token::And),
        ("&", Token::And),
        ("||", Token::Or),
        ("|", Token::Or),
        ("!", Token::Not),
        ("(", Token::Open),
        (")", Token::Close),
        (">=", Token::Operator(Operator::AtLeast)),
        ("≥", Token::Operator(Operator::AtLeast)),
        (">", Token::Operator(Operator::Greater)),
        ("<=", Token::Operator(Operator::AtMost)),
        ("≤", Token::Operator(Operator::AtMost)),
        ("<", Token::Operator(Operator::Less)),
    ];
    if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign)) {
        return Ok((token.clone(), sign.len()));
    }
    if text.starts_with('=') {
        return Err("compare with >, >=, < or <=; \"=\" in a name takes quotes".to_owned());
    }
    if text.starts_with('"') {
        let (word, length) = quotation(text)?;
        return Ok((Token::Word(word), length));
    }
    let length = text.find(ends_a_word).unwrap_or(text.len());
    let word = &text[..length];
    if !is_path(word) {
        return Ok((Token::Word(word.to_owned()), length));
    }
    let part = &word[PATH.len()..];
    if part.is_empty() && text[length..].starts_with('"') {
        let (part, quotes) = quotation(&text[length..])?;
        return Ok((Token::Path(part), length + quotes));
    }
    if part.is_empty() {
        Err("path: takes a part of a path".to_owned())
    } else {
        Ok((Token::Path(part.to_owned()), length))
    }
}

/// The quotation at the beginning of `text`, without its quotes, and its length with them.
fn quotation(text: &str) -> Result<(String, usize), String> {
    let mut word = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((word, at + 1)),
            '\\' => word.extend(characters.next().map(|(_, c)| c)),
            c => word.push(c),
        }
    }
    Err("the quote is not closed".to_owned())
}

struct Parser<'a> {
    tokens: Vec<At<Token>>,
    next: usize,
    /// The place of a missing term at the end.
    end: usize,
    depth: usize,
    terms: Option<&'a FilterTerms>,
}

impl Parser<'_> {
    fn everything(&mut self) -> Parsed<Option<Expr>> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let expr = self.any()?;
        match self.peek() {
            None => Ok(Some(expr)),
            Some(_) => Err((self.at(), "no ( for this )".to_owned())),
        }
    }

    fn any(&mut self) -> Parsed<Expr> {
        let mut several = vec![self.all()?];
        while self.takes(&Token::Or) {
            several.push(self.all()?);
        }
        Ok(one_or(several, Expr::Any))
    }

    fn all(&mut self) -> Parsed<Expr> {
        let mut several = vec![self.one()?];
        while self.takes(&Token::And)
            || !matches!(self.peek(), None | Some(Token::Or | Token::Close))
        {
            several.push(self.one()?);
        }
        Ok(one_or(several, Expr::All))
    }

    fn one(&mut self) -> Parsed<Expr> {
        let at = self.at();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((at, "too many ( and ! within each other".to_owned()));
        }
        let expr = match self.take() {
            Some(Token::Not) => Expr::Not(Box::new(self.one()?)),
            Some(Token::Open) => {
                let inner = self.any()?;
                if !self.takes(&Token::Close) {
                    return Err((at, "no ) for this (".to_owned()));
                }
                inner
            }
            Some(Token::Word(word)) => self.word(at, word)?,
            Some(Token::Path(part)) => Expr::Path(part),
            Some(Token::Operator(_)) => return Err((at, "a label is missing here".to_owned())),
            Some(Token::And | Token::Or | Token::Close) | None => {
                return Err((at, "a word or a label is missing here".to_owned()));
            }
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// A word, or a comparison that begins with it.
    fn word(&mut self, at: usize, word: String) -> Parsed<Expr> {
        let Some(Token::Operator(operator)) = self.peek().cloned() else {
            return Ok(Expr::Word(word));
        };
        let value = resolve(&word, self.terms).map_err(|reason| (at, reason))?;
        self.take();
        let at = self.at();
        let number = match self.take() {
            Some(Token::Word(number)) => number,
            _ => return Err((at, "a number is missing here: 0.5 or 50%".to_owned())),
        };
        // `50 %` is one number.
        let percent = self.takes(&Token::Word("%".to_owned()));
        let number = if percent { number + "%" } else { number };
        let bound = bound(&value, &number).map_err(|reason| (at, reason))?;
        Ok(Expr::Compare(value, operator, bound))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.next += usize::from(is_next);
        is_next
    }
}

fn one_or(mut several: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match several.len() {
        1 => several.remove(0),
        _ => join(several),
    }
}

/// The number of a comparison, on the scale of the value.
fn bound(value: &FilterValue, number: &str) -> Result<f32, String> {
    let (digits, unit) = match number.strip_suffix('%') {
        Some(digits) => (digits, 100.0),
        None => (number, 1.0),
    };
    let is_share = !matches!(value, FilterValue::Extent | FilterValue::Opacity);
    let parsed = digits
        .parse::<f64>()
        .ok()
        .filter(|n| (*n as f32).is_finite());
    let bound = parsed.ok_or_else(|| format!("{number:?} is not a number: 0.5 or 50%"))? / unit;
    let highest = match value {
        FilterValue::Score(_) => 1.0,
        FilterValue::Extent => 8.0,
        FilterValue::Opacity => 6.0,
        // Its scale is not known yet.
        FilterValue::Unresolved(_) => f64::INFINITY,
    };
    match value {
        FilterValue::Unresolved(_) => Ok(bound as f32),
        _ if is_share && !(0.0..=highest).contains(&bound) => {
            Err("a score goes from 0 to 1: 0.5 or 50%".to_owned())
        }
        _ if !is_share && (unit > 1.0 || !(0.0..=highest).contains(&bound)) => {
            Err(format!("{value} goes from 0 to {highest}"))
        }
        _ => Ok(bound as f32),
    }
}

/// The label with that name, or else the only one that begins with it, or else the only one that contains it.
/// Labels on their own come before causes given pneumonia.
fn resolve(name: &str, terms: Option<&FilterTerms>) -> Result<FilterValue, String> {
    let Some(terms) = terms else {
        return Ok(FilterValue::Unresolved(name.to_owned()));
    };
    let lower = name.to_lowercase();
    if terms.has_severity && lower == EXTENT {
        return Ok(FilterValue::Extent);
    }
    if terms.has_severity && lower == OPACITY {
        return Ok(FilterValue::Opacity);
    }
    if lower.is_empty() {
        return Err("a label is missing here".to_owned());
    }
    let labels = terms.labels.iter();
    let labels = labels.map(|(label, question)| (label.as_str(), *question));
    label_named(name, labels)
        .map(|label| FilterValue::Score(label.to_owned()))
        .map_err(|error| match (error, lower.as_str()) {
            (LabelNameError::Ambiguous(first, second), _) => {
                format!("{name} may be {first} or {second}")
            }
            (LabelNameError::Unknown, EXTENT | OPACITY) => {
                "this model gives no severity".to_owned()
            }
            (LabelNameError::Unknown, _) => format!("no label is called {name}"),
        })
}
