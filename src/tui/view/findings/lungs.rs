//! The line of what was measured by the lungs.

use ratatui::text::Line;

use crate::domain::LungMeasures;
use crate::tui::view::text::{cells, shorten};
use crate::tui::view::theme::Theme;

/// `In the lungs 83 % · cardiothoracic ratio 0.52 ± 0.04`, or shorter where that is too long. The share of the evidence
/// only where a pneumonia was found: otherwise it says where the model was least sure that there is none. Empty if
/// nothing was measured.
pub fn lines(
    lungs: &LungMeasures,
    is_found: bool,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let share = lungs.evidence_inside.filter(|_| is_found);
    let share = share.map(|share| format!("{:.0} %", 100.0 * share));
    let ratio = lungs.cardiothoracic_ratio.map(|ratio| {
        let error = lungs.cardiothoracic_error;
        let error = error.map_or(String::new(), |error| format!(" ± {error:.2}"));
        format!("{ratio:.2}{error}")
    });
    let forms = [
        ("In the lungs", "cardiothoracic ratio"),
        ("In the lungs", "CTR"),
        ("Lungs", "CTR"),
    ];
    let forms = forms.map(|(of_share, of_ratio)| {
        let share = share.iter().map(|share| format!("{of_share} {share}"));
        let ratio = ratio.iter().map(|ratio| format!("{of_ratio} {ratio}"));
        let parts: Vec<String> = share.chain(ratio).collect();
        theme.words(&parts.join(" · ")).into_owned()
    });
    let last = forms[forms.len() - 1].clone();
    if last.is_empty() {
        return Vec::new();
    }
    let fits = forms.into_iter().find(|words| cells(words) <= width);
    let words = shorten(&fits.unwrap_or(last), width);
    vec![Line::styled(words, theme.plain)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::Colours;

    fn words(lungs: LungMeasures, is_found: bool, width: usize) -> String {
        let theme = Theme::new(Colours::True);
        let lines = lines(&lungs, is_found, width, &theme);
        let lines: Vec<String> = lines.iter().map(Line::to_string).collect();
        assert!(lines.iter().all(|line| cells(line) <= width), "{lines:?}");
        lines.join("\n")
    }

    const MEASURED: LungMeasures = LungMeasures {
        evidence_inside: Some(0.834),
        cardiothoracic_ratio: Some(0.516),
        cardiothoracic_error: Some(0.04),
    };

    #[test]
    fn the_line_is_as_long_as_there_is_room() {
        for (width, expected) in [
            (60, "In the lungs 83 % · cardiothoracic ratio 0.52 ± 0.04"),
            (36, "In the lungs 83 % · CTR 0.52 ± 0.04"),
            (34, "Lungs 83 % · CTR 0.52 ± 0.04"),
            (12, "Lungs 83 % …"),
        ] {
            assert_eq!(words(MEASURED, true, width), expected);
        }
    }

    #[test]
    fn what_is_not_known_or_says_nothing_is_left_out() {
        let ratio = "cardiothoracic ratio 0.52 ± 0.04";
        assert_eq!(words(MEASURED, false, 60), ratio, "no pneumonia was found");
        let without_error = LungMeasures {
            cardiothoracic_error: None,
            ..MEASURED
        };
        assert!(words(without_error, true, 60).ends_with("ratio 0.52"));
        let without_ratio = LungMeasures {
            cardiothoracic_ratio: None,
            ..MEASURED
        };
        assert_eq!(words(without_ratio, true, 60), "In the lungs 83 %");
        assert_eq!(words(without_ratio, false, 60), "");
        assert_eq!(words(LungMeasures::default(), true, 60), "");
    }
}
