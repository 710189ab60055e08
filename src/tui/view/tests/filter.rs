//! The filter while it is typed, and the worklist's counts.

use super::*;
use crate::domain::{ContentId, Opinion, OpinionChange, Verdict};

fn type_filter(model: &mut Model, text: &str) {
    for key in std::iter::once('/').chain(text.chars()) {
        press(model, key);
    }
}

fn footer(model: &Model) -> String {
    let screen = screen(model);
    let last = screen.lines().last().unwrap_or_default();
    last.trim_matches('"').to_owned()
}

#[test]
fn a_filter_error_is_shown_while_the_filter_is_typed() {
    let mut model = model_of(80, 24);
    type_filter(&mut model, "covid>0.5 & flu>0.5");
    insta::assert_snapshot!(screen(&model));
    assert!(footer(&model).contains("at 13: no label is called flu"));
}

#[test]
fn a_filter_error_has_room_beside_a_text_of_any_length() {
    for width in [40, 60, 80, 120] {
        for n in 0..60 {
            let mut model = model_of(width, 24);
            type_filter(&mut model, &format!("{}>", "é".repeat(n)));
            let footer = footer(&model);
            assert!(footer.contains("at 1: "), "{footer}");
        }
    }
}

#[test]
fn matches_are_counted_and_completions_are_shown() {
    let mut model = model_of(80, 24);
    type_filter(&mut model, "cov");
    assert!(
        footer(&model).starts_with("/cov   no matches · Tab: COVID-19, "),
        "{}",
        footer(&model)
    );
    for (text, matches) in [("0041", "/0041   1 match"), ("IM", "/IM   4 matches")] {
        let mut model = model_of(80, 24);
        type_filter(&mut model, text);
        let words = format!("{matches} ");
        assert!(footer(&model).starts_with(&words), "{}", footer(&model));
    }
}

/// Where there is no room, a count is left out as a whole, with a sign: a cut count would be a wrong one. What went wrong
/// stays.
#[test]
fn no_count_is_cut_at_any_width() {
    for width in 60..200 {
        let mut model = model_of(width, 24);
        let paths = (0..123_456).map(|i| Arc::from(PathBuf::from(format!("{i}.png"))));
        model.worklist.add(paths);
        let first = model.worklist.row(0).unwrap().path.clone();
        let agreed = OpinionChange::to(&Opinion {
            verdict: Some(Verdict::Agree),
            ..Opinion::default()
        });
        model
            .worklist
            .set_opinion(&first, ContentId::default(), &agreed);
        let screen = screen(&model);
        assert!(screen.contains("123 461 · 4 scored"), "{width}: {screen}");
        assert!(screen.contains("1 refused · 1 failed"), "{width}: {screen}");
        let reviewed = model.worklist.reviewed();
        let is_whole = screen.contains(&format!("{reviewed} reviewed · 1 refused · 1 failed"));
        assert!(
            is_whole != screen.contains("1 failed · …"),
            "{width}: {screen}"
        );
    }
}
