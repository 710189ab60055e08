//! The room around the image: the whole screen for it, hidden panes, the legend, the histogram, filters, and marks.

use super::*;
use crate::domain::{Histogram, ReadingMode};
use crate::tui::keymap::Rebinding;
use crate::tui::model::Coarse;

const SIZES: [(u16, u16); 5] = [(40, 15), (55, 50), (80, 24), (120, 35), (200, 50)];

#[test]
fn one_key_gives_the_whole_screen_to_the_image_at_every_size() {
    for (width, height) in SIZES {
        let mut model = model_of(width, height);
        press(&mut model, 'z');
        lay_out(&mut model);
        show(&mut model);
        let image = model.panes.image;
        assert_eq!((image.width, image.height), (width, height - 1));
        let screen = screen(&model);
        for words in ["2/5", "0.935 Pneumonia", "not for diagnosis"] {
            let is_room = width > 40 || words != "0.935 Pneumonia";
            assert!(!is_room || screen.contains(words), "{words}: {screen}");
        }
        assert!(!screen.contains("Findings") && !screen.contains("Worklist"));
        press(&mut model, 'z');
        lay_out(&mut model);
        assert!(model.panes.image.area() < image.area());
    }
}

#[test]
fn either_pane_can_be_hidden_alone() {
    for (width, height) in SIZES {
        let mut model = model_of(width, height);
        press(&mut model, 'v');
        lay_out(&mut model);
        let without_list = screen(&model);
        assert!(!without_list.contains("IM-0042"), "{without_list}");
        assert!(without_list.contains("given pneumonia"), "{without_list}");
        press(&mut model, 'v');
        press(&mut model, 'V');
        lay_out(&mut model);
        let without_findings = screen(&model);
        assert!(without_findings.contains("IM-0042"), "{without_findings}");
        let has_none = !without_findings.contains("given pneumonia");
        assert!(has_none, "{without_findings}");
    }
}

#[test]
fn the_border_says_the_place_and_the_filter() {
    let mut model = model_of(120, 35);
    assert!(screen(&model).contains(" 2/5 ┘"), "{}", screen(&model));
    "/IM-004".chars().for_each(|key| press(&mut model, key));
    press_code(&mut model, KeyCode::Enter);
    let filtered = screen(&model);
    assert!(filtered.contains("4 of 5 · /IM-004 ·"), "{filtered}");
    press(&mut model, '/');
    "zzz".chars().for_each(|key| press(&mut model, key));
    press_code(&mut model, KeyCode::Enter);
    let nothing = screen(&model);
    assert!(nothing.contains("Esc shows all 5 again"), "{nothing}");
    press_code(&mut model, KeyCode::Esc);
    assert!(screen(&model).contains("Worklist 5 ·"));
}

#[test]
fn the_legend_and_a_search_in_the_help() {
    let mut model = model_of(120, 35);
    press(&mut model, 'l');
    let legend = screen(&model);
    assert!(legend.contains("┿ balanced operating point") && legend.contains("¶ a note"));
    press(&mut model, 'x');
    press(&mut model, '?');
    let help = screen(&model);
    let first = help.find("First").unwrap();
    assert!(first < help.find("Review").unwrap(), "{help}");
    "/histog".chars().for_each(|key| press(&mut model, key));
    let none = screen(&model);
    assert!(none.contains("nothing here has that text"), "{none}");
    (0..6).for_each(|_| press_code(&mut model, KeyCode::Backspace));
    "whole path".chars().for_each(|key| press(&mut model, key));
    let found = screen(&model);
    assert!(found.contains("copy the whole path"), "{found}");
    assert!(!found.contains("invert black"), "{found}");
}

#[test]
fn the_histogram_stands_in_the_findings_while_the_window_is_set() {
    for (width, height) in SIZES {
        let mut model = model_of(width, height);
        let facts = model.viewer.facts.as_mut().unwrap();
        facts.histogram = Histogram {
            low: 0.0,
            high: 4095.0,
            bins: (0..256).collect(),
        };
        press(&mut model, 'w');
        let drawn = screen(&model);
        assert!(drawn.contains('█') && drawn.contains('├'), "{drawn}");
        assert!(
            !drawn.contains("COVID-19 ") || drawn.contains("IM-0041"),
            "{drawn}"
        );
        if (width, height) == (80, 24) {
            insta::assert_snapshot!("histogram_80x24", drawn);
        }
        press_code(&mut model, KeyCode::Enter);
        assert!(screen(&model).contains("0.935"));
    }
}

#[test]
fn a_coarse_picture_says_so_until_a_key_and_on_the_border_after_it() {
    let mut model = model_of(120, 35);
    let words = "coarse picture: the terminal did not answer in time · see cxr doctor";
    model.coarse = Some(Coarse::new(words.to_owned()));
    assert!(screen(&model).contains(words));
    press(&mut model, 'k');
    let after = screen(&model);
    assert!(!after.contains("did not answer"), "{after}");
    assert!(after.contains("coarse picture: cxr doctor"), "{after}");
}

#[test]
fn a_cut_reason_for_a_coarse_picture_still_names_the_doctor() {
    let mut model = model_of(40, 15);
    let words = "coarse picture: the terminal did not answer in time · see cxr doctor";
    model.coarse = Some(Coarse::new(words.to_owned()));
    let last = last_row(&model);
    assert!(last.contains("see cxr doctor"), "{last}");
    assert!(last.contains("not for diagnosis"), "{last}");
    model.size = ratatui::layout::Size::new(70, 24);
    let wider = last_row(&model);
    assert!(wider.contains("… · see cxr doctor"), "{wider}");
}

#[test]
fn a_first_time_shows_five_keys_and_how_to_leave() {
    for (width, height) in SIZES {
        let mut model = model_of(width, height);
        model.is_first_time = true;
        let first = screen(&model);
        assert!(first.contains("[?]help [q]uit"), "{first}");
        assert!(width < 80 || first.contains("a d u"), "{first}");
        press(&mut model, 'k');
        assert!(!screen(&model).contains("j k walk"));
    }
}

fn last_row(model: &Model) -> String {
    let screen = screen(model);
    screen.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_long_message_has_the_whole_last_row_until_the_next_key() {
    let mut model = model_of(40, 15);
    model.notice = Some("saved".into());
    assert!(last_row(&model).contains("not for diagnosis"));
    model.notice = Some("no prior: no earlier film here".into());
    let long = last_row(&model);
    assert!(long.contains("no earlier film here"), "{long}");
    press(&mut model, 'k');
    assert!(last_row(&model).contains("not for diagnosis"));
}

#[test]
fn the_last_row_is_not_bold_but_for_the_warning() {
    let model = model_of(80, 24);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let theme = Theme::new(Colours::True);
    let draw_it = |frame: &mut ratatui::Frame| {
        draw(&model, &theme, None, frame);
    };
    let buffer = terminal.draw(draw_it).unwrap().buffer.clone();
    let is_bold = |x: u16| {
        let cell = &buffer[(x, 23)];
        cell.modifier.contains(ratatui::style::Modifier::BOLD)
    };
    assert!(!is_bold(1) && is_bold(70), "{:?}", last_row(&model));
}

#[test]
fn no_verdict_is_offered_where_there_is_nothing_to_judge() {
    let mut model = model_of(120, 35);
    assert!(last_row(&model).contains("[a]gree"));
    model.worklist.go_to(3);
    let failed = last_row(&model);
    assert!(
        !failed.contains("gree") && failed.contains("[/]filter"),
        "{failed}"
    );
}

#[test]
fn no_other_order_is_offered_where_it_is_fixed() {
    let offers = |read: fn(&mut Model)| {
        let mut model = model_of(120, 35);
        read(&mut model);
        last_row(&model).contains("[s]ort")
    };
    assert!(offers(|_| ()) && offers(|model| model.read_blinded(None)));
    assert!(!offers(|model| model.read_blinded(Some(7))));
    assert!(!offers(|model| model
        .worklist
        .read_for_study(ReadingMode::Unaided)));
}

#[test]
fn a_reason_takes_the_room_of_empty_columns() {
    let screen = screen(&model_of(120, 35));
    let row = screen.lines().find(|row| row.contains("refused")).unwrap();
    assert!(row.contains("refused: a colour picture (9"), "{row}");
}

#[test]
fn long_words_of_the_help_hang_beside_their_keys() {
    let mut model = model_of(40, 15);
    press(&mut model, '?');
    let help = screen(&model);
    assert!(help.contains("j  k          the next and the"), "{help}");
    assert!(help.contains("│                 previous image"), "{help}");
    press_code(&mut model, KeyCode::Esc);
    press(&mut model, 'l');
    let signs = screen(&model);
    assert!(signs.contains("│   · not scored yet  "), "{signs}");
}

/// Keys may be other ones: no text of the screen has its own.
#[test]
fn texts_name_the_keys_of_the_configuration() {
    let rebinding = |action: &str, key: &str| Rebinding {
        action: action.to_owned(),
        keys: vec![key.to_owned()],
    };
    let keymap = Keymap::rebound(&[
        rebinding("next", "f7"),
        rebinding("agree", "f8"),
        rebinding("call", "f9"),
    ]);
    let mut model = model_of(120, 35);
    model.keymap = keymap.unwrap();
    model.is_first_time = true;
    let first = screen(&model);
    assert!(first.contains("F7 k walk · F8 d u"), "{first}");
    model.is_first_time = false;
    model.read_blinded(None);
    let hidden = screen(&model);
    assert!(hidden.contains("press F9"), "{hidden}");
}

#[test]
fn files_that_share_a_name_show_their_folder() {
    let mut model = Model::new(Keymap::bundled(), Size::new(80, 24), "half-blocks");
    lay_out(&mut model);
    let paths = [
        "r/ward1/IM-0001.dcm",
        "r/ward2/IM-0001.dcm",
        "r/ward2/b.png",
    ];
    let images = paths.map(|path| Arc::from(PathBuf::from(path))).to_vec();
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    let screen = screen(&model);
    for name in ["ward1/IM-0001.dcm", "ward2/IM-0001.dcm", "· b.png"] {
        assert!(screen.contains(name), "{name}: {screen}");
    }
}

/// Hidden both, the panes leave the image alone: the last row says what the borders said.
#[test]
fn where_both_panes_are_hidden_the_footer_names_the_film() {
    let mut model = model_of(120, 35);
    press(&mut model, 'v');
    press(&mut model, 'V');
    lay_out(&mut model);
    let both_hidden = screen(&model);
    press(&mut model, 'z');
    press(&mut model, 'z');
    assert!(both_hidden.contains("2/5 IM-0041.png"), "{both_hidden}");
}
