//! Theme, character set and columns of the screen: a matter of taste, and of what a terminal can show.

/// The appearance that the configuration asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Appearance {
    pub theme: ThemeChoice,
    pub ascii: AsciiChoice,
    pub columns: WorklistColumns,
}

/// The theme that the configuration asks for; `Auto` follows the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeChoice {
    #[default]
    Auto,
    Dark,
    Light,
    HighContrast,
    /// The terminal's own sixteen colours.
    Terminal,
}

/// A set of colours that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// The sixteen colours of the terminal's own theme, so that dark and light themes both work.
    Terminal,
    Dark,
    Light,
    /// Bright colours on a black background of its own.
    HighContrast,
}

impl ThemeChoice {
    /// The palette of the theme, for a background as the terminal told it. `env` looks up a variable of the
    /// environment: some terminals say in `COLORFGBG` which of the sixteen colours are their foreground and background, as
    /// in `15;0`.
    pub fn palette(
        self,
        background: Option<[u8; 3]>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Palette {
        match self {
            ThemeChoice::Dark => Palette::Dark,
            ThemeChoice::Light => Palette::Light,
            ThemeChoice::HighContrast => Palette::HighContrast,
            ThemeChoice::Terminal => Palette::Terminal,
            ThemeChoice::Auto if background.is_some() => background.map_or(Palette::Terminal, on),
            ThemeChoice::Auto => {
                let colours = env("COLORFGBG").unwrap_or_default();
                let (_, background) = colours.rsplit_once(';').unwrap_or_default();
                match background.parse() {
                    Ok(0..=6 | 8_u8) => Palette::Dark,
                    Ok(7 | 9..=15) => Palette::Light,
                    _ => Palette::Terminal,
                }
            }
        }
    }
}

/// The palette whose contrasts hold on this background: black and white are what they were computed for. Beside greys in
/// between, only the terminal's own colours were chosen for it.
fn on(background: [u8; 3]) -> Palette {
    const DARKEST: f32 = 0.04;
    const LIGHTEST: f32 = 0.75;
    let parts = background.map(|value| f32::from(value) / f32::from(u8::MAX));
    let [red, green, blue] = parts.map(|value| match value {
        v if v <= 0.04045 => v / 12.92,
        v => ((v + 0.055) / 1.055).powf(2.4),
    });
    // Relative luminance (WCAG 2.2).
    match 0.2126 * red + 0.7152 * green + 0.0722 * blue {
        luminance if luminance <= DARKEST => Palette::Dark,
        luminance if luminance >= LIGHTEST => Palette::Light,
        _ => Palette::Terminal,
    }
}

/// Whether the screen is drawn in ASCII; `Auto` follows the locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsciiChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl AsciiChoice {
    /// Whether to draw in ASCII. `env` looks up a variable of the environment: `Auto` means ASCII where
    /// the locale names another encoding than UTF-8. Where no variable is set, as in most containers, the
    /// terminal nearly always has UTF-8.
    pub fn is_on(self, env: impl Fn(&str) -> Option<String>) -> bool {
        match self {
            AsciiChoice::Always => true,
            AsciiChoice::Never => false,
            AsciiChoice::Auto => {
                let names = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
                let mut locales = names.filter_map(env).filter(|locale| !locale.is_empty());
                let is_utf8 = |locale: String| {
                    let locale = locale.to_ascii_lowercase();
                    locale.contains("utf-8") || locale.contains("utf8")
                };
                !locales.next().is_none_or(is_utf8)
            }
        }
    }
}

/// The columns of a worklist row after its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorklistColumns {
    /// The reader's verdict and flag.
    pub mark: bool,
    pub name: bool,
    /// When the image was taken, in a wide list.
    pub date: bool,
    /// The view of the image.
    pub view: bool,
    /// The age of the patient.
    pub age: bool,
    pub score: bool,
    /// The label of the score, or the reason why there is no score.
    pub words: bool,
}

impl Default for WorklistColumns {
    fn default() -> Self {
        WorklistColumns {
            mark: true,
            name: true,
            date: true,
            view: true,
            age: true,
            score: true,
            words: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(vars: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn a_theme_is_chosen_or_follows_the_terminal() {
        for (colours, palette) in [
            ("15;0", Palette::Dark),
            ("0;15", Palette::Light),
            ("0;default;7", Palette::Light),
            ("12;8", Palette::Dark),
            ("0;default", Palette::Terminal),
            ("", Palette::Terminal),
        ] {
            let vars = [("COLORFGBG", colours)];
            let auto = ThemeChoice::Auto.palette(None, with(&vars));
            assert_eq!(auto, palette, "{colours}");
            let light = ThemeChoice::Light.palette(Some([0; 3]), with(&vars));
            assert_eq!(light, Palette::Light);
        }
        let auto = |background| ThemeChoice::Auto.palette(background, with(&[]));
        assert_eq!(auto(None), Palette::Terminal);
        for (rgb, palette) in [
            ([0, 0, 0], Palette::Dark),
            ([40, 42, 54], Palette::Dark),
            ([128, 128, 128], Palette::Terminal),
            ([253, 246, 227], Palette::Light),
            ([255, 255, 255], Palette::Light),
        ] {
            assert_eq!(auto(Some(rgb)), palette, "{rgb:?}");
        }
        // The terminal knows better than a variable that came along from another one.
        let vars = [("COLORFGBG", "15;0")];
        let auto = ThemeChoice::Auto.palette(Some([255; 3]), with(&vars));
        assert_eq!(auto, Palette::Light);
    }

    #[test]
    fn ascii_is_for_locales_that_are_not_utf8() {
        for (vars, ascii) in [
            (&[][..], false),
            (&[("LANG", "C")], true),
            (&[("LANG", "POSIX")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], true),
            (&[("LANG", "en_US.utf8")], false),
            (&[("LANG", "C.UTF-8")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "UTF-8")], false),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "C")], true),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "")], false),
        ] {
            assert_eq!(AsciiChoice::Auto.is_on(with(vars)), ascii, "{vars:?}");
            assert!(AsciiChoice::Always.is_on(with(vars)));
            assert!(!AsciiChoice::Never.is_on(with(vars)));
        }
    }
}
