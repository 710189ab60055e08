//! The styles of the screen. Every state also has a sign or word of its own, so that the screen says as much
//! without colours.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};

use super::ascii;
use crate::tui::look::Palette;
use crate::tui::terminal::Colours;

/// A style for each purpose.
pub struct Theme {
    /// The style of every cell before anything is drawn.
    pub screen: Style,
    pub plain: Style,
    pub dim: Style,
    pub title: Style,
    pub border: Style,
    pub selected: Style,
    pub positive: Style,
    /// The same in a list of many: not bold.
    pub found: Style,
    pub negative: Style,
    pub caution: Style,
    pub refused: Style,
    pub key: Style,
    /// The filled part of every gauge: one calm colour, whatever was found.
    pub gauge: Style,
    /// The colours of the terminal, for parts that choose their own, as the legend of the heat map.
    pub colours: Colours,
    /// Whether the screen is drawn in ASCII only.
    pub ascii: bool,
    /// Whether the font may lack heavy lines, as xterm's own do.
    pub is_light: bool,
}

/// The colours of a palette: for less important text, borders and states.
struct Inks {
    dim: Color,
    border: Color,
    positive: Color,
    negative: Color,
    caution: Color,
    refused: Color,
    key: Color,
    gauge: Color,
}

/// Colours on black: contrast at least 7 (WCAG 2.2, 1.4.6), of borders at least 3.
const ON_DARK: Inks = Inks {
    dim: Color::Indexed(248),
    border: Color::Indexed(242),
    positive: Color::Indexed(220),
    negative: Color::Indexed(114),
    caution: Color::Indexed(215),
    refused: Color::Indexed(210),
    key: Color::Indexed(117),
    gauge: Color::Indexed(110),
};

/// Colours on white: contrast at least 4.5 (WCAG 2.2, 1.4.3), of borders at least 3.
const ON_LIGHT: Inks = Inks {
    dim: Color::Indexed(240),
    border: Color::Indexed(243),
    positive: Color::Indexed(130),
    negative: Color::Indexed(22),
    caution: Color::Indexed(94),
    refused: Color::Indexed(124),
    key: Color::Indexed(25),
    gauge: Color::Indexed(25),
};

const BLACK: Color = Color::Indexed(16);
const WHITE: Color = Color::Indexed(231);
/// Colours on [`BLACK`]: contrast at least 10.
const HIGH_CONTRAST: Inks = Inks {
    dim: WHITE,
    border: WHITE,
    positive: Color::Indexed(226),
    negative: WHITE,
    caution: Color::Indexed(226),
    refused: Color::Indexed(217),
    key: Color::Indexed(123),
    gauge: WHITE,
};

impl Theme {
    /// A theme in the terminal's own colours.
    pub fn new(colours: Colours) -> Self {
        let none = Style::new();
        let colour = |colour: Color| match colours {
            Colours::None => none,
            _ => none.fg(colour),
        };
        // Text says its colour, or else it would have that of the border on which it stands.
        let plain = colour(Color::Reset);
        Theme {
            screen: none,
            plain,
            dim: plain.add_modifier(Modifier::DIM),
            title: plain.add_modifier(Modifier::BOLD),
            border: colour(Color::DarkGray),
            selected: plain.add_modifier(Modifier::REVERSED),
            positive: colour(Color::Yellow).add_modifier(Modifier::BOLD),
            found: colour(Color::Yellow),
            negative: colour(Color::Green),
            caution: colour(Color::Yellow),
            refused: colour(Color::Red),
            key: colour(Color::Cyan),
            gauge: colour(Color::Cyan),
            colours,
            ascii: false,
            is_light: false,
        }
    }

    /// A theme in the colours of a palette; without colours where `colours` is [`Colours::None`].
    pub fn of(colours: Colours, palette: Palette, ascii: bool) -> Self {
        let plain = Theme {
            ascii,
            ..Theme::new(colours)
        };
        match palette {
            Palette::Terminal => plain,
            Palette::Dark => plain.inked(&ON_DARK),
            Palette::Light => plain.inked(&ON_LIGHT),
            Palette::HighContrast => plain.inked(&HIGH_CONTRAST).contrasted(),
        }
    }

    fn inked(self, inks: &Inks) -> Self {
        if self.colours == Colours::None {
            return self;
        }
        Theme {
            dim: Style::new().fg(inks.dim),
            border: Style::new().fg(inks.border),
            positive: self.positive.fg(inks.positive),
            found: self.found.fg(inks.positive),
            negative: self.negative.fg(inks.negative),
            caution: self.caution.fg(inks.caution),
            refused: self.refused.fg(inks.refused),
            key: self.key.fg(inks.key),
            gauge: self.gauge.fg(inks.gauge),
            ..self
        }
    }

    /// The theme with a background of its own, no dim text, and important text bold or underlined.
    fn contrasted(self) -> Self {
        let white = |style: Style| match self.colours {
            Colours::None => style,
            _ => style.fg(WHITE),
        };
        let screen = match self.colours {
            Colours::None => self.screen,
            _ => self.screen.fg(WHITE).bg(BLACK),
        };
        Theme {
            screen,
            plain: white(self.plain),
            title: white(self.title),
            selected: white(self.selected),
            dim: self.dim.remove_modifier(Modifier::DIM),
            positive: self.positive.add_modifier(Modifier::UNDERLINED),
            caution: self.caution.add_modifier(Modifier::BOLD),
            refused: self.refused.add_modifier(Modifier::BOLD),
            key: self.key.add_modifier(Modifier::BOLD),
            ..self
        }
    }

    /// Running text as this theme can show it; in ASCII it may become longer.
    pub fn words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.ascii {
            Cow::Owned(ascii::words(text))
        } else {
            Cow::Borrowed(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue of a colour of the 256-colour palette, from 16 on: these are the same everywhere.
    fn rgb(colour: Color) -> [f64; 3] {
        let Color::Indexed(index @ 16..) = colour else {
            panic!("the terminal decides what {colour:?} looks like");
        };
        let step = |n: u8| [0.0, 95.0, 135.0, 175.0, 215.0, 255.0][usize::from(n)];
        match index {
            232.. => [8.0 + 10.0 * f64::from(index - 232); 3],
            _ => [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(step),
        }
    }

    /// Relative luminance of WCAG 2.2.
    fn luminance(colour: Color) -> f64 {
        let linear = rgb(colour).map(|value| match value / 255.0 {
            v if v <= 0.04045 => v / 12.92,
            v => ((v + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    fn contrast(a: Color, b: Color) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn colours_stand_out_from_their_background() {
        for (palette, background, text, border) in [
            (Palette::Dark, BLACK, 7.0, 3.0),
            (Palette::Light, WHITE, 4.5, 3.0),
            (Palette::HighContrast, BLACK, 10.0, 10.0),
        ] {
            let theme = Theme::of(Colours::Palette, palette, false);
            for (style, least) in [
                (theme.dim, text),
                (theme.border, border),
                (theme.positive, text),
                (theme.negative, text),
                (theme.caution, text),
                (theme.refused, text),
                (theme.key, text),
            ] {
                let contrast = contrast(style.fg.unwrap(), background);
                assert!(contrast >= least, "{palette:?} {style:?}: {contrast:.1}");
            }
        }
    }

    #[test]
    fn without_colours_no_theme_has_any() {
        for palette in [
            Palette::Terminal,
            Palette::Dark,
            Palette::Light,
            Palette::HighContrast,
        ] {
            let theme = Theme::of(Colours::None, palette, false);
            for style in [
                theme.screen,
                theme.plain,
                theme.dim,
                theme.title,
                theme.border,
                theme.selected,
                theme.positive,
                theme.negative,
                theme.caution,
                theme.refused,
                theme.key,
            ] {
                assert_eq!((style.fg, style.bg), (None, None), "{palette:?}");
            }
        }
    }

    #[test]
    fn high_contrast_is_never_dim_and_has_its_own_background() {
        let theme = Theme::of(Colours::True, Palette::HighContrast, false);
        assert_eq!(
            (theme.screen.fg, theme.screen.bg),
            (Some(WHITE), Some(BLACK))
        );
        let theme = Theme::of(Colours::None, Palette::HighContrast, false);
        assert!(!theme.dim.add_modifier.contains(Modifier::DIM));
    }
}
