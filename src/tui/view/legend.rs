//! The legend of the heat map: its label, the meaning of its colours, and its limits.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::text::shorten;
use super::theme::Theme;
use crate::domain::{GIVEN_PNEUMONIA, HeatMapLegend, HeatMapSubject, Pathology};
use crate::tui::preview;

/// The limit of every heat map, which the screen always shows beside one.
const LIMIT: &str = "shows where, not how likely";
/// The same where there is less room.
const SHORT_LIMIT: &str = "where, not how likely";

/// Cells of the ramp.
const RAMP: usize = 9;
const SHORT_RAMP: usize = 5;
const TINY_RAMP: usize = 3;
/// The fewest cells to which a name is cut.
const MIN_NAME: usize = 6;

/// The limit of a heat map in at most `width` cells.
pub fn limit(width: usize) -> String {
    let words = if LIMIT.width() <= width {
        LIMIT
    } else {
        SHORT_LIMIT
    };
    shorten(words, width)
}

/// The legend of the outline of the lungs, and the same where there is less room.
const LUNGS: [&str; 2] = [
    " lungs · the line is where a place is lung or none, 50 % each ",
    " lungs ",
];

/// The legend of the outline of the lungs, which has no numbers.
fn lungs(theme: &Theme, width: usize) -> Line<'static> {
    let words = LUNGS.into_iter().find(|words| words.width() <= width);
    Line::styled(shorten(words.unwrap_or(LUNGS[1]), width), theme.title)
}

/// The legend of an attention rollout, and the same where there is less room. It speaks for no label.
const ATTENTION: [&str; 4] = [
    " attention rollout · where the answer gathers from, for all labels alike; no evidence for or against ",
    " attention · for all labels alike, no evidence ",
    " attention, no evidence ",
    "attention, no evidence",
];

/// The legend of an attention rollout, with its colours where there is room for them.
fn attention(legend: &HeatMapLegend, theme: &Theme, width: usize) -> Line<'static> {
    let words = ATTENTION.into_iter().find(|words| words.width() <= width);
    let words = words.unwrap_or(ATTENTION[ATTENTION.len() - 1]);
    let mut spans = vec![Span::styled(shorten(words, width), theme.title)];
    // The map has no values below 0: the colours are those of the upper half.
    let upper = HeatMapLegend {
        ramp: legend.ramp[legend.ramp.len() / 2..].to_vec(),
        ..legend.clone()
    };
    let most = format!(" {}× the average ", number(legend.range));
    if words.width() + 3 + SHORT_RAMP + most.width() <= width {
        spans.push(Span::styled("0 ", theme.plain));
        spans.extend(ramp(&upper, theme, SHORT_RAMP));
        spans.push(Span::styled(most, theme.plain));
    }
    Line::from(spans)
}

/// ` Pneumonia · against −4.2 █████████ +4.2 for · 60 % · shows where, not how likely `, and less where there
/// is less room; the last words are always there.
pub fn line(legend: &HeatMapLegend, theme: &Theme, width: usize) -> Line<'static> {
    match legend.subject {
        HeatMapSubject::Lungs => return lungs(theme, width),
        HeatMapSubject::Attention => return attention(legend, theme, width),
        _ => {}
    }
    let name = subject(&legend.subject);
    let range = number(legend.range);
    let opacity = format!("{:.0} %", legend.opacity * 100.0);
    // Words before the ramp, cells of the ramp, words after it.
    let layouts = [
        (
            format!(" · against −{range} "),
            RAMP,
            format!(" +{range} for · {opacity} · {LIMIT} "),
        ),
        (
            format!(" · −{range} "),
            RAMP,
            format!(" +{range} · {opacity} · {LIMIT} "),
        ),
        (" −".to_owned(), TINY_RAMP, format!("+{range} {LIMIT} ")),
        (
            " −".to_owned(),
            TINY_RAMP,
            format!("+{range} {SHORT_LIMIT} "),
        ),
    ];
    let room = |(before, cells, after): &(String, usize, String)| {
        width.saturating_sub(1 + before.width() + cells + after.width())
    };
    let fits = layouts.iter().find(|layout| name.width() <= room(layout));
    let layout = fits.unwrap_or(&layouts[layouts.len() - 1]);
    let room = room(layout);
    if room < MIN_NAME.min(name.width()) {
        return Line::styled(format!(" {}", limit(width.saturating_sub(1))), theme.plain);
    }
    let (before, cells, after) = layout;
    let mut spans = vec![
        Span::styled(format!(" {}", shorten(&name, room)), theme.title),
        Span::styled(before.clone(), theme.plain),
    ];
    spans.extend(ramp(legend, theme, *cells));
    spans.push(Span::styled(after.clone(), theme.plain));
    Line::from(spans)
}

/// `heat map: Pneumonia −4.2 █████ +4.2`, for layouts that show the [`limit`] elsewhere.
pub fn short(legend: &HeatMapLegend, theme: &Theme, width: usize) -> Line<'static> {
    match legend.subject {
        HeatMapSubject::Lungs => return lungs(theme, width),
        HeatMapSubject::Attention => return attention(legend, theme, width),
        _ => {}
    }
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

/// The colours of the map in cells, from against the label to for it.
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
        HeatMapSubject::Attention => "attention".to_owned(),
        HeatMapSubject::Lungs => "lungs".to_owned(),
    }
}

/// A contribution to a logit, between hundredths and hundreds, with two significant digits.
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
    use crate::tui::terminal::Colours;

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
    fn the_limit_is_never_cut() {
        let theme = Theme::new(Colours::True);
        let long =
            HeatMapSubject::Difference(label("COVID-19 given pneumonia"), label("Bacterial"));
        for subject in [HeatMapSubject::Label(label("Pneumonia")), long] {
            let legend = legend(subject);
            // The narrowest pane with a border has 22 cells inside.
            for width in 22..120 {
                let line = line(&legend, &theme, width);
                assert!(line.width() <= width, "{width}: {line}");
                assert!(line.to_string().contains(SHORT_LIMIT), "{width}: {line}");
            }
            for width in 24..120 {
                assert!(short(&legend, &theme, width).width() <= width, "{width}");
            }
        }
    }

    #[test]
    fn a_wide_pane_has_the_whole_legend() {
        let theme = Theme::new(Colours::True);
        let text = line(
            &legend(HeatMapSubject::Label(label("Pneumonia"))),
            &theme,
            90,
        )
        .to_string();
        assert_eq!(
            text,
            " Pneumonia · against −4.2 █████████ +4.2 for · 60 % · shows where, not how likely "
        );
        let covid = legend(HeatMapSubject::Label(label("COVID-19 given pneumonia")));
        assert!(
            line(&covid, &theme, 90)
                .to_string()
                .starts_with(" COVID-19 as cause ·")
        );
    }

    #[test]
    fn the_outline_of_the_lungs_has_words_and_no_numbers() {
        let theme = Theme::new(Colours::True);
        let lungs = legend(HeatMapSubject::Lungs);
        let wide = line(&lungs, &theme, 90).to_string();
        assert!(wide.starts_with(" lungs · the line is where"), "{wide}");
        for width in 4..90 {
            for legend in [line(&lungs, &theme, width), short(&lungs, &theme, width)] {
                assert!(legend.width() <= width, "{width}: {legend}");
                assert!(!legend.to_string().contains("4.2"), "{legend}");
            }
        }
    }

    #[test]
    fn attention_says_that_it_is_no_evidence_at_every_width() {
        let theme = Theme::new(Colours::True);
        let attention = legend(HeatMapSubject::Attention);
        for width in 22..140 {
            for legend in [
                line(&attention, &theme, width),
                short(&attention, &theme, width),
            ] {
                assert!(legend.width() <= width, "{width}: {legend}");
                assert!(legend.to_string().contains("no evidence"), "{legend}");
                assert!(!legend.to_string().contains('−'), "{legend}");
            }
        }
        let wide = line(&attention, &theme, 139).to_string();
        assert!(wide.ends_with("0 █████ 4.2× the average "), "{wide}");
    }

    #[test]
    fn the_ramp_ends_in_the_colours_of_the_ends() {
        let theme = Theme::new(Colours::True);
        let legend = legend(HeatMapSubject::Label(label("Pneumonia")));
        let cells: Vec<_> = ramp(&legend, &theme, RAMP).collect();
        let colour = |rgb: [u8; 3]| preview::colour(Colours::True, rgb);
        assert_eq!(cells[0].style.fg, colour(legend.ramp[0]));
        assert_eq!(cells[RAMP - 1].style.fg, colour(legend.ramp[32]));
    }
}
