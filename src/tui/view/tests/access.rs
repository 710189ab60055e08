//! The screen without colours, with high contrast and in ASCII, and with file names of any script.

use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::*;
use crate::tui::look::{Palette, WorklistColumns};

/// The screen with this theme, and the image in cells.
fn drawn(model: &Model, theme: &Theme) -> Buffer {
    let Size { width, height } = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let of_cells = if theme.ascii {
        Colours::None
    } else {
        theme.colours
    };
    let mut blocks = Blocks::new(of_cells, (10, 20));
    let draw = |frame: &mut ratatui::Frame| {
        draw(model, theme, Some(&mut blocks), frame);
    };
    terminal.draw(draw).unwrap();
    terminal.backend().buffer().clone()
}

fn row(buffer: &Buffer, y: u16) -> String {
    let row = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
    row.collect()
}

fn whole(buffer: &Buffer) -> String {
    let rows = (0..buffer.area.height).map(|y| row(buffer, y));
    rows.collect::<Vec<_>>().join("\n")
}

/// From the smallest to the largest supported size.
const SIZES: [(u16, u16); 5] = [(40, 15), (55, 50), (80, 24), (200, 50), (400, 120)];
/// Keys that lead to each kind of screen.
const SCREENS: [&str; 8] = ["", "o", "w", "?", "A", "/x>", "p", "d"];

#[test]
fn in_ascii_everything_is_ascii_at_every_size_and_on_every_screen() {
    let theme = Theme::of(Colours::True, Palette::Terminal, true);
    for (width, height) in SIZES {
        for keys in SCREENS {
            let mut model = model_of(width, height);
            keys.chars().for_each(|key| press(&mut model, key));
            let (plain, ascii) = (Theme::new(Colours::True), drawn(&model, &theme));
            let unicode = whole(&drawn(&model, &plain));
            let is_test = !unicode.is_ascii() || keys == "/x>";
            assert!(is_test, "only ASCII at {width}×{height} {keys:?}");
            assert!(
                whole(&ascii).is_ascii(),
                "{width}×{height} {keys:?}\n{}",
                whole(&ascii)
            );
        }
    }
}

#[test]
fn in_ascii_the_screen_says_the_same() {
    let theme = Theme::of(Colours::None, Palette::Terminal, true);
    for (width, height) in [(80, 24), (40, 15)] {
        let mut model = model_of(width, height);
        press(&mut model, 'o');
        show(&mut model);
        let ascii = whole(&drawn(&model, &theme));
        for words in ["where, not how likely", "not for diagnosis", "0.935", "@"] {
            assert!(ascii.contains(words), "{words}\n{ascii}");
        }
        insta::assert_snapshot!(format!("ascii_{width}x{height}"), ascii);
    }
    let mut model = model_of(100, 200);
    press(&mut model, '?');
    let help = whole(&drawn(&model, &theme));
    assert!(
        help.contains("j  Down") && help.contains("Alt-Left  H"),
        "{help}"
    );
    assert!(help.contains("@ at or above an operating point"), "{help}");
}

#[test]
fn without_colours_no_cell_has_one_and_states_keep_their_signs() {
    for palette in [Palette::Terminal, Palette::Light, Palette::HighContrast] {
        let theme = Theme::of(Colours::None, palette, false);
        for keys in SCREENS {
            let mut model = model_of(120, 35);
            keys.chars().for_each(|key| press(&mut model, key));
            let buffer = drawn(&model, &theme);
            let is_coloured =
                |cell: &&ratatui::buffer::Cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset);
            assert_eq!(buffer.content.iter().find(is_coloured), None, "{keys:?}");
        }
    }
    let screen = whole(&drawn(&model_of(120, 35), &Theme::new(Colours::None)));
    for row in [
        " ○ IM-0040",
        "▸ ● IM-0041",
        " ✗ IM-0042",
        " ✗ IM-0043",
        " · 胸",
    ] {
        assert!(screen.contains(row), "{row}\n{screen}");
    }
    // A finding has a sign, and not only a bold style.
    assert!(
        screen.contains("● Pneumonia") && screen.contains("   0.100"),
        "{screen}"
    );
}

/// The wrong part of a filter is marked by more than a colour.
#[test]
fn the_wrong_part_of_a_filter_is_underlined() {
    let mut model = model_of(100, 30);
    "/covid>x".chars().for_each(|key| press(&mut model, key));
    let buffer = drawn(&model, &Theme::new(Colours::None));
    let underlined = |x: u16| {
        let modifier = buffer[(x, 29)].modifier;
        modifier.contains(ratatui::style::Modifier::UNDERLINED)
    };
    let wrong: String = (0..100)
        .filter(|x| underlined(*x))
        .map(|x| buffer[(x, 29)].symbol())
        .collect();
    assert_eq!(wrong, "x", "{}", row(&buffer, 29));
}

#[test]
fn high_contrast_has_its_own_background_everywhere() {
    let theme = Theme::of(Colours::True, Palette::HighContrast, false);
    for keys in ["", "?", "A", "d"] {
        let mut model = model_of(120, 35);
        keys.chars().for_each(|key| press(&mut model, key));
        let buffer = drawn(&model, &theme);
        let image = model.panes.image;
        let bare = image.positions().collect::<Vec<_>>();
        // The second cell of a wide letter is not written.
        let wide = |x: u16, y| x > 0 && text::cells(buffer[(x - 1, y)].symbol()) > 1;
        let wrong = buffer.area.positions().find(|at| {
            let is_bare = buffer[*at].bg != Color::Indexed(16);
            is_bare && !bare.contains(at) && !wide(at.x, at.y)
        });
        assert_eq!(wrong, None, "{keys:?}");
    }
}

#[test]
fn the_smallest_and_the_largest_screen_show_everything_important() {
    for (width, height) in [(40, 15), (400, 120)] {
        let model = model_of(width, height);
        let buffer = drawn(&model, &Theme::new(Colours::True));
        let screen = whole(&buffer);
        for words in [
            "IM-0041.png",
            "Pneumonia",
            "0.935",
            "0.910",
            "score",
            "cxr-lite0",
            "not for diagnosis",
            "[?]help",
        ] {
            assert!(
                screen.contains(words),
                "{words} at {width}×{height}\n{screen}"
            );
        }
        let image = model.panes.image;
        assert!(image.width >= 12 && image.height >= 8, "{image:?}");
        let painted = buffer.content.iter().filter(|cell| cell.symbol() == "▀");
        assert!(painted.count() >= 40);
    }
    let large = model_of(400, 120);
    assert!(large.panes.worklist.height > 90, "{:?}", large.panes);
}

/// File names with wide, combining, right-to-left, joined and reordered letters, and one longer than any pane.
const NAMES_OF_ALL_SCRIPTS: [&str; 12] = [
    "plain.png",
    "胸部_山田太郎_正面_2020_03_01_胸部_山田太郎.png",
    "e\u{301}tude_thora\u{302}cique.png",
    "צילום חזה",
    "صورة_الصدر_لا_لا_لا.png",
    "لالالالالالالالالالالالالالالالالالالالالالالالا",
    "\u{202e}gnp.lamron\u{202c}.png",
    "\u{2067}צילום\u{2069}\u{200f}.png",
    "각각\u{1100}\u{1161}\u{11a8}.png",
    "👩🏽\u{1f1eb}\u{1f1f7}❤.png",
    "क्षत्रिय_छाती.png",
    "a\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}.png",
];

fn model_of_scripts(width: u16, height: u16) -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(width, height), "half-blocks");
    let loaded = JobOutcome::Model(Ok(Box::new(card())));
    update(&mut model, Message::Worker(loaded));
    lay_out(&mut model);
    let names = NAMES_OF_ALL_SCRIPTS.iter();
    let images = names.map(|name| Arc::from(PathBuf::from(name))).collect();
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    for _ in NAMES_OF_ALL_SCRIPTS {
        let scores = prediction([0.935, 0.01, 0.3, 0.3, 0.4], InputCheck::Accepted);
        answer(&mut model, Ok(Box::new(scores)));
        press(&mut model, 'j');
    }
    model
}

#[test]
fn names_of_any_script_keep_the_columns_aligned() {
    for (width, height) in [(40, 60), (80, 40), (120, 40), (400, 120)] {
        let model = model_of_scripts(width, height);
        let buffer = drawn(&model, &Theme::new(Colours::True));
        let list = model.panes.worklist;
        let places: Vec<Option<u16>> = (list.y..list.bottom().min(list.y + 12))
            .map(|y| (list.x..list.right()).find(|x| buffer[(*x, y)].symbol() == "P"))
            .collect();
        assert!(
            places[0].is_some() && places.len() == 12,
            "{}",
            whole(&buffer)
        );
        assert!(
            places.iter().all(|place| *place == places[0]),
            "{width}×{height} {places:?}\n{}",
            whole(&buffer)
        );
        for hidden in ['\u{202e}', '\u{202c}', '\u{2067}', '\u{2069}', '\u{200f}'] {
            assert!(!whole(&buffer).contains(hidden), "{hidden:?}");
        }
        if list.x > 0 {
            let border = (list.y..list.bottom()).map(|y| buffer[(list.right(), y)].symbol());
            assert!(border.into_iter().all(|symbol| symbol == "│"));
        }
    }
}

#[test]
fn a_row_shows_the_configured_columns() {
    let columns = |mark, name, score, words| WorklistColumns {
        mark,
        name,
        date: true,
        view: true,
        age: true,
        score,
        words,
    };
    let line = |columns| {
        let mut model = model_of(80, 24);
        model.columns = columns;
        let buffer = drawn(&model, &Theme::new(Colours::None));
        let list = model.panes.worklist;
        let row: String = (list.x..list.right())
            .map(|x| buffer[(x, list.y + 1)].symbol())
            .collect();
        row.trim_end().to_owned()
    };
    assert_eq!(
        line(WorklistColumns::default()),
        "▸ ● IM-0041.png  0.935 Pneumonia"
    );
    let name = line(columns(true, true, true, false));
    assert!(
        name.starts_with("▸ ● IM-0041.png") && name.ends_with(" 0.935"),
        "{name}"
    );
    assert_eq!(line(columns(false, true, false, false)), "▸ ● IM-0041.png");
    assert_eq!(
        line(columns(true, false, true, true)),
        "▸ ●  0.935 Pneumonia"
    );
    assert!(line(columns(true, true, false, true)).ends_with("  Pneumonia"));
    assert_eq!(line(columns(false, false, false, false)), "▸ ●");
}
