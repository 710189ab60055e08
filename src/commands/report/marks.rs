//! The marks of the readers: drawn over the picture, and listed by the same numbers.

use crate::commands::shared::html::Html;
use crate::domain::{ContentId, Mark, MarkDrawing, MarkLayer, MarkTone};
use crate::store::LastWord;

/// The marks of all readers, numbered from 1 in the order in which the page lists them; `None` without any.
pub fn layer(readers: &[LastWord], content: ContentId) -> Option<MarkLayer> {
    let all = readers.iter().flat_map(|word| &word.opinion.marks);
    let drawing = |(mark, number): (&Mark, usize)| MarkDrawing {
        kind: mark.kind,
        points: mark.points.clone(),
        number: Some(number),
        tone: MarkTone::Plain,
    };
    let marks: Vec<_> = all.zip(1..).map(drawing).collect();
    let cursor = None;
    (!marks.is_empty()).then_some(MarkLayer {
        content,
        marks,
        cursor,
    })
}

/// Lists the marks of one reader, after those of others on the page.
pub fn list(html: &mut Html, marks: &[Mark], before: usize) {
    if marks.is_empty() {
        return;
    }
    html.markup("<ul>");
    for (mark, number) in marks.iter().zip(before + 1..) {
        html.element("<li>Mark ", &number.to_string(), ": ");
        let measure = mark.measure_words();
        let words = format!("{} {measure}", mark.kind.word());
        html.text(words.trim_end());
        let label = mark.label_words();
        if !label.is_empty() {
            html.element(" (", &label, ")");
        }
        if mark.offered {
            html.markup("; began with the lines of the model");
        }
        html.markup("</li>\n");
    }
    html.markup("</ul>\n");
}
