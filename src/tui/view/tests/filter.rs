//! The filter while it is typed, and the worklist's counts.

use super::*;

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
fn what_is_wrong_with_a_filter_is_said_while_it_is_typed() {
    let mut model = model_of(80, 24);
    type_filter(&mut model, "covid>0.5 & flu>0.5");
    insta::assert_snapshot!(screen(&model));
    assert!(footer(&model).contains("at 13: no label is called flu"));
}

#[test]
fn an_error_has_room_beside_a_text_of_any_length() {
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
fn the_words_that_a_filter_may_go_on_with_are_shown() {
    let mut model = model_of(80, 24);
    type_filter(&mut model, "cov");
    assert!(
        footer(&model).starts_with("/cov   0 match · Tab: COVID-19, "),
        "{}",
        footer(&model)
    );
}

/// Where there is no room, a count is left out whole: none is cut to a smaller one.
#[test]
fn no_count_is_cut_at_any_width() {
    for width in 60..200 {
        let mut model = model_of(width, 24);
        let paths = (0..123_456).map(|i| Arc::from(PathBuf::from(format!("{i}.png"))));
        model.worklist.add(paths);
        let screen = screen(&model);
        assert!(screen.contains("123 461 · 4 read"), "{width}: {screen}");
        assert!(screen.contains("1 refused · 1 failed"), "{width}: {screen}");
    }
}
