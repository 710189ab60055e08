//! Letters in a picture. They are of a font of 8 by 8 dots, as large as the picture is wide.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};

/// Dots of a letter, on each side.
const DOTS: usize = 8;
/// Dots between two lines.
const LEADING: usize = 2;
/// From this many columns on, each dot is two pixels wide and high.
const WIDE: usize = 640;

/// A picture in red, green and blue, black at first.
pub struct Painting {
    pub width: usize,
    pub height: usize,
    /// `3 · width · height` values.
    pub pixels: Vec<u8>,
}

/// Lines of text that fit a picture.
pub struct Lettering {
    lines: Vec<String>,
    /// Pixels of a dot.
    scale: usize,
}

impl Lettering {
    /// Breaks texts into lines for a picture of this width, between words where that is possible.
    pub fn new(texts: &[String], width: usize) -> Self {
        let scale = if width >= WIDE { 2 } else { 1 };
        let columns = (width / (DOTS * scale)).max(1);
        let lines = texts.iter().flat_map(|text| broken(text, columns));
        Lettering {
            lines: lines.collect(),
            scale,
        }
    }

    /// Rows of pixels that they take.
    pub fn height(&self) -> usize {
        self.lines.len() * (DOTS + LEADING) * self.scale
    }

    /// Writes them in white, from this row of the picture on.
    pub fn paint(&self, painting: &mut Painting, top: usize) {
        let line_height = (DOTS + LEADING) * self.scale;
        for (row, line) in self.lines.iter().enumerate() {
            let top = top + row * line_height + self.scale;
            for (column, letter) in line.chars().enumerate() {
                self.letter(painting, letter, (column * DOTS * self.scale, top));
            }
        }
    }

    fn letter(&self, painting: &mut Painting, letter: char, (left, top): (usize, usize)) {
        for (y, bits) in glyph(letter).into_iter().enumerate() {
            for x in (0..DOTS).filter(|x| bits >> x & 1 == 1) {
                let corner = (left + x * self.scale, top + y * self.scale);
                painting.fill(corner, (self.scale, self.scale), [u8::MAX; 3]);
            }
        }
    }
}

/// The dots of a letter; those of a question mark where the font has none.
fn glyph(letter: char) -> [u8; DOTS] {
    let plain = match letter {
        '−' | '–' => '-',
        '≤' => '<',
        other => other,
    };
    let known = BASIC_FONTS.get(plain).or_else(|| LATIN_FONTS.get(plain));
    known.or_else(|| BASIC_FONTS.get('?')).unwrap_or([0; DOTS])
}

/// A text in lines of at most this many letters.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().map(|line| line.chars().count());
            let used = line.unwrap_or_default();
            let room = columns.saturating_sub(used + usize::from(used > 0));
            if word.len() > room && used > 0 {
                lines.push(String::new());
                continue;
            }
            let rest = word.split_off(word.len().min(room));
            if let Some(line) = lines.last_mut() {
                if used > 0 {
                    line.push(' ');
                }
                line.extend(word);
            }
            if rest.is_empty() {
                break;
            }
            word = rest;
        }
    }
    lines
}

impl Painting {
    /// A black one.
    pub fn black(width: usize, height: usize) -> Self {
        Painting {
            width,
            height,
            pixels: vec![0; 3 * width * height],
        }
    }

    /// Sets a pixel; one outside is none.
    pub fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    fn fill(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), c: [u8; 3]) {
        for y in top..top + height {
            for x in left..left + width {
                self.set(x, y, c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_long_words_within() {
        assert_eq!(broken("not for diagnosis", 9), ["not for", "diagnosis"]);
        assert_eq!(broken("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(broken("", 3), [""]);
    }

    #[test]
    fn letters_are_white_on_black_and_stay_in_the_picture() {
        let texts = ["NOT FOR DIAGNOSIS".to_owned()];
        let lettering = Lettering::new(&texts, 80);
        let mut painting = Painting::black(80, lettering.height());
        lettering.paint(&mut painting, 0);
        assert_eq!(lettering.lines, ["NOT FOR", "DIAGNOSIS"]);
        let white = painting.pixels.iter().filter(|&&v| v == 255).count();
        assert!(white > 600 && white < painting.pixels.len() / 2, "{white}");
        lettering.paint(&mut painting, 1000);
    }
}
