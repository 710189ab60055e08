//! The heat map in words and colours: of what, what the colours stand for, and what it cannot say.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::text::shorten;
use super::theme::Theme;
use crate::domain::{GIVEN_PNEUMONIA, HeatMapLegend, HeatMapSubject, Pathology};
use crate::tui::preview;

/// What nobody may forget who looks at one.
pub const WORDS: &str = "where, not whether";

/// Cells of the ramp.
const RAMP: usize = 9;
const SHORT_RAMP: usize = 5;
const TINY_RAMP: usize = 3;
/// A name that is cut shorter than this says nothing.
const MIN_NAME: usize = 6;

/// ` Pneumonia · against −4.2 █████████ +4.2 for · 60 % · where, not whether `, and less where
/// there is less room; the last words always.
pub fn line(legend: &HeatMapLegend, theme: &Theme, width: usize) -> Line<'static> {
    let name = subject(&legend.subject);
    let range = number(legend.range);
    let opacity = format!("{:.0} %", legend.opacity * 100.0);
    // What stands before and after the ramp, and its cells.
    let forms = [
        (
            format!(" · against −{range} "),
            RAMP,
            format!(" +{range} for · {opacity} · {WORDS} "),
        ),
        (
            format!(" · −{range} "),
            RAMP,
            format!(" +{range} · {opacity} · {WORDS} "),
        ),
        (" −".to_owned(), TINY_RAMP, format!("+{range} {WORDS} ")),
    ];
    let room = |(before, cells, after): &(String, usize, String)| {
        width.saturating_sub(1 + before.width() + cells + after.width())
    };
    let fits = forms.iter().find(|form| name.width() <= room(form));
    let form = fits.unwrap_or(&forms[forms.len() - 1]);
    let room = room(form);
    if room < MIN_NAME.min(name.width()) {
        return Line::styled(format!(" {WORDS} "), theme.plain);
    }
    let (before, cells, after) = form;
    let mut spans = vec![
        Span::styled(format!(" {}", shorten(&name, room)), theme.title),
        Span::styled(before.clone(), theme.plain),
    ];
    spans.extend(ramp(legend, theme, *cells));
    spans.push(Span::styled(after.clone(), theme.plain));
    Line::from(spans)
}

/// `heat map: Pneumonia −4.2 █████ +4.2`, where [`WORDS`] stand elsewhere.
pub fn short(legend: &HeatMapLegend, theme: &Theme, width: usize) -> Line<'static> {
    let range = number(legend.range);
    let fixed = 2 * range.width() + 5 + SHORT_RAMP;
    let name = format!("heat map: {}", subject(&legend.subject));
    let mut spans = vec![
        Span::styled(shorten(&name, width.saturating_sub(fixed)), theme.title),
        Span::styled(format!(" −{range} "), theme.plain),
    ];
    spans.extend(ramp(legend, theme, SHORT_RAMP));
    spans.push(Span::styled(format!(" +{range}"), theme.plain));
    Line::from(spans)
}

/// The colours from against to for, in cells.
fn ramp<'a>(
    legend: &'a HeatMapLegend,
    theme: &'a Theme,
    cells: usize,
) -> impl Iterator<Item = Span<'static>> + 'a {
    let last = legend.ramp.len().saturating_sub(1);
    (0..cells).map(move |cell| {
        let step = cell * last / cells.saturating_sub(1).max(1);
        let rgb = legend.ramp.get(step).copied();
        let colour = rgb.and_then(|rgb| preview::colour(theme.colours, rgb));
        Span::styled(
            "█",
            colour.map_or(Style::new(), |colour| Style::new().fg(colour)),
        )
    })
}

fn subject(subject: &HeatMapSubject) -> String {
    let name = |label: &Pathology| {
        let name = label.name();
        match name.strip_suffix(GIVEN_PNEUMONIA) {
            Some(cause) => format!("{cause} as cause"),
            None => name.to_owned(),
        }
    };
    let cause = |label: &Pathology| {
        let name = label.name();
        name.strip_suffix(GIVEN_PNEUMONIA)
            .unwrap_or(name)
            .to_owned()
    };
    match subject {
        HeatMapSubject::Label(label) => name(label),
        HeatMapSubject::Difference(first, second) => {
            format!("{} − {}", cause(first), cause(second))
        }
    }
}

/// Two digits that count, for logits between hundredths and hundreds.
fn number(value: f32) -> String {
    match value {
        v if v < 0.995 => format!("{v:.2}"),
        v if v < 99.5 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::preview::Colours;

    fn legend(subject: HeatMapSubject) -> HeatMapLegend {
        HeatMapLegend {
            subject,
            range: 4.21,
            opacity: 0.6,
            ramp: (0..33).map(|i| [i * 7, 100, 224 - i * 7]).collect(),
        }
    }

    fn label(name: &str) -> Pathology {
        Pathology(name.into())
    }

    #[test]
    fn the_last_words_are_never_cut_before_the_rest() {
        let theme = Theme::new(Colours::True);
        let long =
            HeatMapSubject::Difference(label("COVID-19 given pneumonia"), label("Bacterial"));
        for subject in [HeatMapSubject::Label(label("Pneumonia")), long] {
            let legend = legend(subject);
            for width in 20..120 {
                let line = line(&legend, &theme, width);
                assert!(line.width() <= width, "{width}: {line}");
                assert!(line.to_string().contains(WORDS), "{width}: {line}");
            }
            for width in 24..120 {
                assert!(short(&legend, &theme, width).width() <= width, "{width}");
            }
        }
    }

    #[test]
    fn with_room_everything_is_said() {
        let theme = Theme::new(Colours::True);
        let text = line(
            &legend(HeatMapSubject::Label(label("Pneumonia"))),
            &theme,
            90,
        )
        .to_string();
        assert_eq!(
            text,
            " Pneumonia · against −4.2 █████████ +4.2 for · 60 % · where, not whether "
        );
        let covid = legend(HeatMapSubject::Label(label("COVID-19 given pneumonia")));
        assert!(
            line(&covid, &theme, 90)
                .to_string()
                .starts_with(" COVID-19 as cause ·")
        );
    }

    #[test]
    fn the_ramp_has_its_ends_colours() {
        let theme = Theme::new(Colours::True);
        let legend = legend(HeatMapSubject::Label(label("Pneumonia")));
        let cells: Vec<_> = ramp(&legend, &theme, RAMP).collect();
        let colour = |rgb: [u8; 3]| preview::colour(Colours::True, rgb);
        assert_eq!(cells[0].style.fg, colour(legend.ramp[0]));
        assert_eq!(cells[RAMP - 1].style.fg, colour(legend.ramp[32]));
    }
}
