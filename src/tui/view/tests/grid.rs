//! The grid, drawn with half blocks.

use ratatui::style::Color;

use super::*;
use crate::domain::{ContentId, PreviewImage};
use crate::tui::model::GridLayout;
use crate::tui::worklist::Sort;
use crate::worker::ThumbnailImage;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 35), (200, 50)];

/// The grid over five files (see [`model_of`]) with a picture for each that has one.
fn grid_of(width: u16, height: u16) -> Model {
    let mut model = model_of(width, height);
    open_grid(&mut model);
    model
}

fn open_grid(model: &mut Model) {
    press(model, '#');
    lay_out_grid(model);
    let asked = model.grid.asked.clone();
    for (n, source) in asked.into_iter().enumerate() {
        let canvas = model.grid.canvas.unwrap();
        let side = canvas.height.min(canvas.width);
        let image = PreviewImage {
            width: side,
            height: side,
            pixels: vec![40 * (n as u8 + 1); side * side],
            colour: false,
        };
        let result = Ok(ThumbnailImage {
            content: ContentId::default(),
            image: Arc::new(image),
        });
        let outcome = JobOutcome::Thumbnail {
            source,
            canvas,
            result,
        };
        update(model, Message::Worker(outcome));
    }
}

fn lay_out_grid(model: &mut Model) {
    let layout = model.grid.layout(model.size);
    let area = GridLayout::picture(layout.tile(0));
    let canvas = Blocks::new(Colours::True, (10, 20)).canvas(area);
    update(model, Message::GridLaidOut(canvas));
}

fn drawn(model: &Model) -> Terminal<TestBackend> {
    drawn_in(model, &Theme::new(Colours::True))
}

fn drawn_in(model: &Model, theme: &Theme) -> Terminal<TestBackend> {
    let Size { width, height } = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut painter = Blocks::new(Colours::True, (10, 20));
    terminal
        .draw(|frame| {
            draw_grid(model, theme, Some(&mut painter), frame);
        })
        .unwrap();
    terminal
}

fn text(model: &Model) -> String {
    drawn(model).backend().to_string()
}

#[test]
fn the_grid_at_several_sizes() {
    for (width, height) in SIZES {
        let model = grid_of(width, height);
        let text = text(&model);
        for words in ["Grid 5", "not for diagnosis", "[?]help", "[q]uit"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        insta::assert_snapshot!(format!("grid_{width}x{height}"), text);
    }
}

/// A frame has the colour of what was found, and the selected one another kind of line.
#[test]
fn frames_tell_what_was_found_and_which_is_selected() {
    let model = grid_of(120, 35);
    let terminal = drawn(&model);
    let layout = model.grid.layout(model.size);
    let corner = |n| {
        let tile = layout.tile(n);
        let cell = &terminal.backend().buffer()[(tile.x, tile.y)];
        (cell.symbol().to_owned(), cell.fg)
    };
    assert_eq!(corner(0), ("┌".to_owned(), Color::Green), "no finding");
    assert_eq!(corner(1).0, "╔", "the selected one");
    assert_eq!(corner(2), ("┌".to_owned(), Color::Red), "refused");
    assert_eq!(corner(3), ("┌".to_owned(), Color::Red), "unreadable");
    let text = text(&model);
    for words in ["refused: ", "damaged", "no finding", "0.93"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn reviewed_images_have_the_readers_sign() {
    use crate::domain::{Opinion, Verdict};
    use crate::store::News;
    let mut model = grid_of(120, 35);
    let opinion = Opinion {
        verdict: Some(Verdict::Disagree),
        key_image: true,
        ..Opinion::default()
    };
    let source = model.worklist.row(0).unwrap().path.clone();
    let standing = News::Standing(vec![(source, Default::default(), opinion)]);
    update(&mut model, Message::Review(standing));
    let text = text(&model);
    assert!(text.contains("┏≠○* IM-0040"), "{text}");
}

/// No frame, sign or word tells an answer that is hidden.
#[test]
fn a_blinded_grid_shows_no_answer() {
    for (width, height) in SIZES {
        let mut model = model_of(width, height);
        model.read_blinded(None);
        open_grid(&mut model);
        let terminal = drawn(&model);
        let text = terminal.backend().to_string();
        for word in ["refused", "finding", "0.9", "colour picture", "●", "○"] {
            assert!(!text.contains(word), "{word}\n{text}");
        }
        assert!(
            text.contains("damaged"),
            "that a file is damaged is no answer"
        );
        let buffer = terminal.backend().buffer();
        let layout = model.grid.layout(model.size);
        for n in [0, 2] {
            let tile = layout.tile(n);
            assert_eq!(buffer[(tile.x, tile.y)].fg, Color::Reset, "{n}: {text}");
        }
    }
}

#[test]
fn pictures_are_inside_their_tiles_and_of_their_own_image() {
    let mut model = grid_of(80, 24);
    let terminal = drawn(&model);
    let buffer = terminal.backend().buffer();
    let layout = model.grid.layout(model.size);
    let middle = |n| {
        let tile = layout.tile(n);
        buffer[(tile.x + tile.width / 2, tile.y + tile.height / 2)].fg
    };
    assert_eq!(middle(0), Color::Rgb(40, 40, 40));
    assert_eq!(middle(1), Color::Rgb(80, 80, 80));
    // The worklist learns that another image is there: its picture is not shown.
    let source = model.worklist.row(0).unwrap().path.clone();
    let other = ContentId::from_digest([9; 32]);
    model.worklist.identify(&source, other, None);
    let terminal = drawn(&model);
    let tile = layout.tile(0);
    let cell = &terminal.backend().buffer()[(tile.x + 9, tile.y + 5)];
    assert_eq!(cell.fg, Color::Reset, "{}", text(&model));
}

#[test]
fn an_empty_grid_says_why_and_how_to_get_out() {
    let mut model = grid_of(80, 24);
    "/nothing".chars().for_each(|key| press(&mut model, key));
    let empty = text(&model);
    assert!(empty.contains("nothing matches"), "{empty}");
    assert!(empty.contains("shows all 5 again"), "{empty}");
    let mut none = Model::new(Keymap::bundled(), Size::new(80, 24), "half-blocks");
    press(&mut none, '#');
    assert!(text(&none).contains("looking for images"));
}

#[test]
fn boxes_lie_over_the_grid_and_then_no_picture_is_painted() {
    let mut model = grid_of(80, 24);
    press(&mut model, '?');
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut painter = Blocks::new(Colours::True, (10, 20));
    let mut tiles = vec![];
    terminal
        .draw(|frame| {
            let theme = Theme::new(Colours::True);
            tiles = draw_grid(&model, &theme, Some(&mut painter), frame);
        })
        .unwrap();
    assert!(tiles.is_empty());
    let help = terminal.backend().to_string();
    assert!(help.contains("the whole screen for the image"), "{help}");
}

#[test]
fn any_size_is_drawn_and_ascii_has_no_other_sign() {
    for (width, height) in [(1, 1), (2, 3), (13, 6), (14, 9), (61, 18), (400, 120)] {
        let mut model = model_of(width, height);
        open_grid(&mut model);
        text(&model);
    }
    let theme = Theme {
        ascii: true,
        ..Theme::new(Colours::None)
    };
    let model = grid_of(80, 24);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal
        .draw(|frame| {
            draw_grid(&model, &theme, None, frame);
        })
        .unwrap();
    let text = terminal.backend().to_string();
    let inside = text.lines().map(|line| line.trim_matches('"'));
    assert!(inside.clone().all(|line| line.is_ascii()), "{text}");
    assert!(text.contains("#+@") || text.contains("# @"), "{text}");
}

/// Only the tiles on the screen are drawn, so the cost does not grow with the folder.
#[test]
fn a_hundred_thousand_images_are_drawn_by_the_page() {
    let mut model = Model::new(Keymap::bundled(), Size::new(120, 35), "half-blocks");
    let images = (0..100_000).map(|n| Arc::from(PathBuf::from(format!("{n:06}.png"))));
    let images = images.collect();
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    press(&mut model, '#');
    lay_out_grid(&mut model);
    assert_eq!(model.grid.asked.len(), 36, "this page and the next");
    let begun = std::time::Instant::now();
    for _ in 0..60 {
        press(&mut model, 'j');
        text(&model);
    }
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    model.worklist.set_sort(Sort::Name);
    press(&mut model, 'G');
    assert!(text(&model).contains("099999.png"));
}

/// The kind of line says it, without colours and in ASCII too.
#[test]
fn a_film_that_is_reviewed_has_a_frame_of_its_own() {
    let mut model = model_of(120, 35);
    assert!(!text(&grid_of(120, 35)).contains('┏'));
    press(&mut model, 'a');
    open_grid(&mut model);
    assert!(text(&model).contains("╒"), "selected too: {}", text(&model));
    // To the file that cannot be read: the readable ones are one image in these tests.
    press(&mut model, 'l');
    press(&mut model, 'l');
    let reviewed = text(&model);
    assert!(
        reviewed.contains('┏') && reviewed.contains('╔'),
        "{reviewed}"
    );
    let theme = Theme {
        ascii: true,
        ..Theme::new(Colours::None)
    };
    let ascii = drawn_in(&model, &theme).backend().to_string();
    assert!(ascii.contains("==%") || ascii.contains("%=="), "{ascii}");
}
