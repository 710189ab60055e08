//! What a row of the worklist says of its image, in columns that all rows of the list share.

use crate::tui::view::text::{cells, shorten};

/// What a row says of its image behind the name.
pub struct Answer {
    /// `0.935`; empty for words without a number.
    pub score: String,
    pub words: String,
    /// A reason why there is no answer: it may take the room of empty columns.
    pub is_reason: bool,
}

impl Answer {
    /// In at most `width` cells, with the score at the right end of its column where there is room for that. A score is
    /// never cut.
    pub fn text(&self, places: &AnswerColumns, width: usize) -> String {
        let Answer { score, words, .. } = self;
        let indent = match score.is_empty() {
            // Words without a number stand below the words of others, or else begin where the numbers do.
            true if self.is_reason || cells(words) > places.words => 0,
            true if places.score > 0 => places.score + 1,
            true => 0,
            false => places.score.saturating_sub(cells(score)),
        };
        let parts = [score.as_str(), words].into_iter();
        let text: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let text = text.join(" ");
        if text.is_empty() || cells(score) > width {
            return String::new();
        }
        let indent = indent.min(width.saturating_sub(cells(&text)));
        shorten(&(" ".repeat(indent) + &text), width)
    }

    pub fn is_empty(&self) -> bool {
        self.score.is_empty() && self.words.is_empty()
    }
}

/// The places of the columns in a list: those of its rows together, so that numbers and words stand below each other.
pub struct AnswerColumns {
    /// Cells of a row.
    pub width: usize,
    /// Cells of the numbers, and of the words behind them.
    score: usize,
    words: usize,
    /// Cells of both.
    pub answer: usize,
}

impl AnswerColumns {
    /// Answers get half of a row at most, or what names and signs leave.
    pub fn new(answers: &[&Answer], width: usize, besides: usize) -> Self {
        // `> 0.999 Pneumonia`, and a little more.
        const USUAL: usize = 18;
        // A score that names another model is longer than a number.
        const NUMBER: usize = 8;
        let told = || answers.iter().filter(|answer| !answer.is_reason);
        let scores = told().map(|answer| cells(&answer.score));
        let score = scores.filter(|cells| *cells <= NUMBER).max().unwrap_or(0);
        let scored = told().filter(|answer| !answer.score.is_empty());
        let longest_words = scored.map(|answer| cells(&answer.words)).max();
        // The words of nearly every list.
        let is_short = |answer: &&&Answer| answer.score.is_empty() && cells(&answer.words) <= 10;
        let short = told().filter(is_short).map(|answer| cells(&answer.words));
        let words = longest_words.into_iter().chain(short).max().unwrap_or(0);
        let mut places = AnswerColumns {
            width,
            score,
            words,
            answer: 0,
        };
        let lengths = told().map(|answer| cells(&answer.text(&places, usize::MAX)));
        let most = (width / 2).max(width.saturating_sub(besides).min(USUAL));
        places.answer = lengths.max().unwrap_or(0).min(most);
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(score: &str, words: &str) -> Answer {
        Answer {
            score: score.to_owned(),
            words: words.to_owned(),
            is_reason: words.starts_with("refused"),
        }
    }

    #[test]
    fn numbers_end_and_words_begin_at_the_same_place_in_every_row() {
        let answers = [
            answer("0.936", "COVID-19"),
            answer("> 0.999", "Pneumonia"),
            answer("", "no finding"),
            answer("", "COVID-19: can't tell"),
            answer("", "refused: a colour picture, which a radiograph never is"),
            answer("", ""),
        ];
        let places = AnswerColumns::new(&answers.iter().collect::<Vec<_>>(), 60, 15);
        let text = |answer: &Answer| answer.text(&places, 99);
        let texts: Vec<String> = answers.iter().map(text).collect();
        assert_eq!(
            texts,
            [
                "  0.936 COVID-19",
                "> 0.999 Pneumonia",
                "        no finding",
                "COVID-19: can't tell",
                "refused: a colour picture, which a radiograph never is",
                "",
            ]
        );
        assert_eq!(places.answer, 20, "a reason needs no column");
        // With less room the columns give way, then the words, and never a part of a number.
        let texts = |answer: &Answer| [15, 10, 4].map(|width| answer.text(&places, width));
        assert_eq!(texts(&answers[0]), [" 0.936 COVID-19", "0.936 COV…", ""]);
        assert_eq!(
            texts(&answers[2]),
            ["     no finding", "no finding", "no …"]
        );
        // Without numbers the words begin where the column does.
        let answers = [answer("", "no finding"), answer("", "")];
        let places = AnswerColumns::new(&answers.iter().collect::<Vec<_>>(), 60, 15);
        assert_eq!(answers[0].text(&places, 20), "no finding");
        assert_eq!(places.answer, 10);
    }
}
