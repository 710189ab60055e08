//! HTML in which text from a file cannot become markup: markup is `'static` text of this program, and all
//! other text is escaped.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::text::{Printable, clean};

/// A page that is being written. It has no means to name another file.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup of this program.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Any text, escaped and on one line.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.escaped(&clean(text))
    }

    fn escaped(&mut self, printable: &str) -> &mut Self {
        for c in printable.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // No text may even look like an attribute.
                '=' => self.0.push_str("&#61;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Text between two pieces of markup.
    pub fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.markup(open).text(text).markup(close)
    }

    /// A picture within the page: the bytes of a PNG file, and a description for readers who cannot see it.
    pub fn png(&mut self, png: &[u8], words: &str) -> &mut Self {
        self.markup("<img src=\"data:image/png;base64,");
        STANDARD.encode_string(png, &mut self.0);
        self.element("\" alt=\"", words, "\">")
    }

    /// A chart of this program, whose texts are escaped already.
    pub fn chart(&mut self, svg: &str) -> &mut Self {
        self.0.push_str(svg);
        self
    }

    /// A row of a table: its cells as text.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        self.markup("<tr>");
        for cell in cells {
            self.element("<td>", cell.as_ref(), "</td>");
        }
        self.markup("</tr>\n")
    }

    /// Several lines as this program laid them out: runs of spaces stay.
    pub fn lines(&mut self, text: &str) -> &mut Self {
        self.markup("<pre>");
        for line in text.lines() {
            self.escaped(Printable::page(line).as_str()).markup("\n");
        }
        self.markup("</pre>\n")
    }

    /// A bar of these colours, from left to right.
    pub fn ramp(&mut self, colours: &[[u8; 3]]) -> &mut Self {
        self.markup("<span class=\"ramp\" style=\"background:linear-gradient(to right");
        for [red, green, blue] in colours {
            let _ = write!(self.0, ",#{red:02x}{green:02x}{blue:02x}");
        }
        self.markup(")\"></span>")
    }

    /// The whole page.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup_and_has_no_control_characters() {
        let mut html = Html::default();
        html.text("<script>alert('1')</script>\" onload=\"x\u{202e}\u{1b}[2J & <!--");
        assert_eq!(
            html.finish(),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload&#61;&quot;x [2J &amp; &lt;!--"
        );
    }

    #[test]
    fn cells_and_lines_are_escaped() {
        let mut html = Html::default();
        html.row(["<b>", "1"]).lines("a  b\n<i>\n");
        assert_eq!(
            html.finish(),
            "<tr><td>&lt;b&gt;</td><td>1</td></tr>\n<pre>a  b\n&lt;i&gt;\n</pre>\n"
        );
    }

    #[test]
    fn a_picture_is_inside_the_page() {
        let mut html = Html::default();
        html.png(b"PNG", "it's \"one\"")
            .ramp(&[[0, 16, 255], [1, 2, 3]]);
        assert_eq!(
            html.finish(),
            "<img src=\"data:image/png;base64,UE5H\" alt=\"it&#39;s &quot;one&quot;\"><span \
             class=\"ramp\" style=\"background:linear-gradient(to right,#0010ff,#010203)\"></span>"
        );
    }
}
