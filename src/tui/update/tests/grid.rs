//! The grid: it moves the selection, opens nothing until it is left, and asks only for the pictures on the screen and near
//! it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::domain::{ContentId, PreviewImage};
use crate::library::Touched;
use crate::store::Request;
use crate::tui::keymap::KeyMode;
use crate::tui::model::GridLayout;
use crate::worker::{ThumbnailImage, ThumbnailJobs};

const CANVAS: Canvas = Canvas {
    width: 36,
    height: 18,
    pixel_aspect: 1.0,
};

/// A screen of 80 × 24 cells over so many images: four columns and two rows of tiles.
fn model_of_many(images: usize) -> Model {
    let names: Vec<String> = (0..images).map(|n| format!("{n:03}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut model = model_of(&names);
    model.size = Size::new(80, 24);
    model
}

/// The same with the grid open, laid out.
fn grid_of(images: usize) -> (Model, Vec<Effect>) {
    let mut model = model_of_many(images);
    let mut effects = press(&mut model, "#");
    effects.extend(update(&mut model, Message::GridLaidOut(CANVAS)));
    (model, effects)
}

fn jobs(effects: &[Effect]) -> Option<&ThumbnailJobs> {
    let mut last_first = effects.iter().rev();
    last_first.find_map(|effect| match effect {
        Effect::MakeThumbnails(jobs) => Some(jobs),
        _ => None,
    })
}

fn asked(effects: &[Effect]) -> Vec<String> {
    let sources = jobs(effects).map_or(&[][..], |jobs| &jobs.sources);
    sources
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

fn opens_an_image(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Select(_) | Effect::Redraw(_)))
}

fn id(number: u8) -> ContentId {
    ContentId::from_digest([number; 32])
}

fn picture(model: &mut Model, name: &str, content: ContentId) -> Vec<Effect> {
    let image = PreviewImage {
        width: 2,
        height: 2,
        pixels: vec![9; 4],
        colour: false,
    };
    let result = Ok(ThumbnailImage {
        content,
        image: Arc::new(image),
    });
    let outcome = JobOutcome::Thumbnail {
        source: path(name),
        canvas: CANVAS,
        result,
    };
    update(model, Message::Worker(outcome))
}

fn key(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    press_key(model, code, KeyModifiers::NONE)
}

fn mouse(model: &mut Model, kind: MouseEventKind, n: usize) -> Vec<Effect> {
    let tile = model.grid.layout(model.size).tile(n);
    let mouse = MouseEvent {
        kind,
        column: tile.x + 3,
        row: tile.y + 2,
        modifiers: KeyModifiers::NONE,
    };
    update(model, Message::Mouse(mouse))
}

#[test]
fn arrows_and_pages_move_in_the_grid_and_no_image_is_opened() {
    let (mut model, _) = grid_of(30);
    let before = model.viewer.generation;
    for (code, name) in [
        (KeyCode::Right, "001.png"),
        (KeyCode::Down, "005.png"),
        (KeyCode::PageDown, "013.png"),
        (KeyCode::Left, "012.png"),
        (KeyCode::Up, "008.png"),
        (KeyCode::End, "029.png"),
        (KeyCode::Down, "029.png"),
        (KeyCode::PageUp, "021.png"),
        (KeyCode::PageDown, "029.png"),
        (KeyCode::Char('h'), "028.png"),
        (KeyCode::Char('k'), "024.png"),
        (KeyCode::Home, "000.png"),
        (KeyCode::Left, "000.png"),
        (KeyCode::Up, "000.png"),
        (KeyCode::Char('l'), "001.png"),
        (KeyCode::PageUp, "001.png"),
    ] {
        let effects = key(&mut model, code);
        assert_eq!(selected(&model), name, "{code:?}");
        assert!(!opens_an_image(&effects), "{code:?}: {effects:?}");
    }
    assert_eq!(model.viewer.generation, before);
    // The last row has two images: from the column of the fourth, the cursor goes to the last one.
    model.worklist.go_to(27);
    key(&mut model, KeyCode::Down);
    assert_eq!(selected(&model), "029.png");
}

#[test]
fn enter_opens_the_selected_image_and_escape_the_one_from_before() {
    let (mut model, _) = grid_of(30);
    key(&mut model, KeyCode::Down);
    let effects = key(&mut model, KeyCode::Enter);
    assert!(opens_an_image(&effects) && !model.grid.is_open);
    assert_eq!(model.mode, KeyMode::Browse);
    assert_eq!(model.viewer.source, Some(path("004.png")));
    for leave in [KeyCode::Esc, KeyCode::Char('#')] {
        press(&mut model, "#");
        key(&mut model, KeyCode::PageDown);
        let effects = key(&mut model, leave);
        assert_eq!(selected(&model), "004.png", "{leave:?}");
        assert!(!model.grid.is_open && opens_an_image(&effects));
        assert!(jobs(&effects).is_none_or(|jobs| jobs.sources.is_empty()));
    }
}

#[test]
fn only_the_page_and_the_pages_beside_it_are_asked_for_and_a_scroll_takes_the_rest_back() {
    let (mut model, effects) = grid_of(100);
    let names = |range: std::ops::Range<usize>| -> Vec<String> {
        range.map(|n| format!("{n:03}.png")).collect()
    };
    assert_eq!(asked(&effects), names(0..16), "this page, then the next");
    assert_eq!(jobs(&effects).unwrap().canvas, CANVAS);
    let effects = key(&mut model, KeyCode::End);
    let mut expected = names(92..100);
    expected.extend(names(84..92));
    assert_eq!(asked(&effects), expected);
    // What has come is not asked for again, and nothing is asked for twice.
    let effects = picture(&mut model, "092.png", id(1));
    assert!(jobs(&effects).is_none(), "{effects:?}");
    expected.retain(|name| name != "092.png");
    key(&mut model, KeyCode::Home);
    let effects = key(&mut model, KeyCode::End);
    assert_eq!(asked(&effects), expected);
    // Leaving the grid takes everything back.
    let effects = key(&mut model, KeyCode::Esc);
    assert!(jobs(&effects).unwrap().sources.is_empty());
    assert!(jobs(&key(&mut model, KeyCode::Char('j'))).is_none());
}

#[test]
fn files_without_a_picture_are_not_asked_for_and_a_late_picture_of_another_size_is_dropped() {
    let mut model = model_of_many(4);
    for (n, state) in [
        (1, EntryState::Failed("damaged".into())),
        (2, EntryState::NoPicture("a report".into())),
    ] {
        model.worklist.record(&path(&format!("00{n}.png")), state);
    }
    press(&mut model, "#");
    let effects = update(&mut model, Message::GridLaidOut(CANVAS));
    assert_eq!(asked(&effects), ["000.png", "003.png"]);
    let larger = Canvas {
        width: 72,
        ..CANVAS
    };
    let effects = update(&mut model, Message::GridLaidOut(larger));
    assert_eq!(asked(&effects), ["000.png", "003.png"], "in another size");
    picture(&mut model, "000.png", id(1));
    let has = |model: &Model| model.grid.thumbnails.get(&path("000.png"), None).is_some();
    assert!(!has(&model));
    update(&mut model, Message::GridLaidOut(CANVAS));
    picture(&mut model, "000.png", id(1));
    assert!(has(&model));
    // Without a painter there are no pixels, and nothing is decoded for them.
    let nothing = Canvas {
        width: 0,
        height: 0,
        ..CANVAS
    };
    let effects = update(&mut model, Message::GridLaidOut(nothing));
    assert!(jobs(&effects).is_none_or(|jobs| jobs.sources.is_empty()));
}

#[test]
fn the_grid_follows_the_filter_and_the_order_of_the_worklist() {
    let (mut model, _) = grid_of(30);
    press(&mut model, "/02");
    let effects = key(&mut model, KeyCode::Enter);
    assert!(!opens_an_image(&effects));
    let names = |model: &Model| -> Vec<String> {
        let layout = model.grid.layout(model.size);
        let rows = model.grid.visible(layout, model.worklist.len());
        rows.filter_map(|row| Some(model.worklist.row(row)?.name()))
            .collect()
    };
    assert_eq!(names(&model)[..3], ["002.png", "020.png", "021.png"]);
    press(&mut model, "S");
    key(&mut model, KeyCode::Home);
    assert_eq!(names(&model)[..2], ["029.png", "028.png"]);
    key(&mut model, KeyCode::Esc);
    assert!(model.grid.is_open, "it shows all again first");
    assert_eq!(model.worklist.len(), 30);
    key(&mut model, KeyCode::Esc);
    assert!(!model.grid.is_open);
}

/// Images that come, change and go while the grid is open.
#[test]
fn a_folder_that_fills_and_loses_files() {
    let (mut model, _) = grid_of(3);
    key(&mut model, KeyCode::End);
    picture(&mut model, "002.png", id(1));
    let found = Message::Found {
        images: vec![path("003.png"), path("004.png")],
        problems: vec![],
    };
    let effects = update(&mut model, found);
    assert_eq!(selected(&model), "002.png", "the cursor stays on its image");
    assert!(!opens_an_image(&effects));
    assert!(asked(&effects).contains(&"004.png".to_owned()));
    let touched = |name: &str, exists| Touched {
        path: path(name),
        exists,
        stamp: None,
        unread: None,
    };
    let message = Message::Touched {
        touched: vec![touched("002.png", true), touched("005.png", true)],
        asked: false,
    };
    let effects = update(&mut model, message);
    let again = asked(&effects);
    assert!(
        again.contains(&"002.png".to_owned()) && again.contains(&"005.png".to_owned()),
        "{again:?}"
    );
    let kept = model.grid.thumbnails.get(&path("002.png"), None);
    assert!(kept.is_none(), "its picture may be of another image now");
    let message = Message::Touched {
        touched: vec![touched("005.png", false)],
        asked: false,
    };
    let effects = update(&mut model, message);
    assert!(!opens_an_image(&effects));
    assert_eq!(model.worklist.len(), 6, "it is marked as gone");
}

#[test]
fn a_smaller_screen_keeps_the_cursor_on_it() {
    let (mut model, _) = grid_of(100);
    model.worklist.go_to(50);
    for (width, height) in [(40, 15), (200, 50), (10, 4), (1, 1), (120, 35)] {
        update(&mut model, Message::Resize(Size::new(width, height)));
        let layout = model.grid.layout(model.size);
        let visible = model.grid.visible(layout, model.worklist.len());
        assert!(visible.contains(&50), "{width}×{height}: {visible:?}");
    }
    let columns = |model: &Model| model.grid.layout(model.size).columns;
    let before = columns(&model);
    press(&mut model, "+");
    assert!(columns(&model) < before);
    press(&mut model, "--");
    assert!(columns(&model) > before);
    press(&mut model, "---");
    assert!(columns(&model) > before, "not smaller than the smallest");
}

#[test]
fn the_mouse_selects_opens_and_scrolls() {
    let (mut model, _) = grid_of(100);
    let click = MouseEventKind::Down(MouseButton::Left);
    mouse(&mut model, click, 6);
    assert_eq!(selected(&model), "006.png");
    mouse(&mut model, MouseEventKind::ScrollDown, 0);
    mouse(&mut model, MouseEventKind::ScrollDown, 0);
    let layout: GridLayout = model.grid.layout(model.size);
    assert_eq!(model.grid.visible(layout, 100).start, 8);
    assert_eq!(
        selected(&model),
        "010.png",
        "the cursor stays on the screen"
    );
    mouse(&mut model, MouseEventKind::ScrollUp, 0);
    assert_eq!(model.grid.visible(layout, 100).start, 4);
    let effects = mouse(&mut model, click, 1);
    assert!(!opens_an_image(&effects));
    let effects = mouse(&mut model, click, 1);
    assert!(opens_an_image(&effects) && !model.grid.is_open);
    assert_eq!(model.viewer.source, Some(path("005.png")));
    let (mut few, _) = grid_of(3);
    mouse(&mut few, click, 7);
    assert_eq!(selected(&few), "000.png", "beside the last tile is nothing");
}

/// A verdict is about an image on the screen.
#[test]
fn nothing_is_recorded_and_no_image_is_changed_from_the_grid() {
    let mut model = model_of_many(3);
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("000.png"),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("000.png", generation, 7));
    update(&mut model, classified("000.png", generation, 0.9));
    press(&mut model, "#");
    for keys in ["a", "d", "u", "*", "c", "U", "i", "o", "m", "w", "z", "P"] {
        let effects = press(&mut model, keys);
        let records = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask(Request::Record(_))));
        assert!(!records && !opens_an_image(&effects), "{keys}: {effects:?}");
        assert!(model.overlay.is_none(), "{keys}");
        let notice = model.notice.clone().unwrap_or_default();
        assert!(notice.contains("open the image first"), "{keys}: {notice}");
    }
    assert_eq!(model.mode, KeyMode::Grid);
    // Results for the image from before are taken in, under its own name only.
    key(&mut model, KeyCode::Right);
    update(&mut model, classified("000.png", generation, 0.7));
    let row = model.worklist.row(1).unwrap();
    assert!(row.prediction().is_none());
    assert!(model.prediction().is_none());
}

/// The frames tell what the model found, so these answers count as seen; in blinded reading they do not tell.
#[test]
fn answers_in_the_grid_count_as_seen() {
    let mut model = model_of_many(40);
    for (n, row) in [(1_u8, 4), (2, 39)] {
        let prediction = Prediction {
            content: id(n),
            ..*prediction(0.9)
        };
        let state = EntryState::Read(Box::new(prediction));
        model
            .worklist
            .record(&path(&format!("{row:03}.png")), state);
    }
    model.reviews.answers_shown.clear();
    let shown = |effects: Vec<Effect>| -> Vec<ContentId> {
        let mut all = Vec::new();
        for effect in effects {
            if let Effect::Ask(Request::AnswersShown(new)) = effect {
                all.extend(new);
            }
        }
        all
    };
    model.panes.worklist.height = 0;
    assert_eq!(shown(press(&mut model, "#")), [id(1)]);
    assert_eq!(shown(key(&mut model, KeyCode::End)), [id(2)]);
    model.reviews.answers_shown.clear();
    model.read_blinded(None);
    assert_eq!(shown(key(&mut model, KeyCode::Home)), []);
}

/// The time in the grid is no time of reading an image.
#[test]
fn the_grid_stops_the_watch_of_the_sitting() {
    let mut model = model_of_many(2);
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("000.png"),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("000.png", generation, 7));
    update(&mut model, classified("000.png", generation, 0.9));
    assert!(model.summary().is_none(), "nothing is reviewed yet");
    press(&mut model, "a");
    assert!(model.summary().is_none(), "it may never be recorded");
    recorded(&mut model, "000.png");
    press(&mut model, "#");
    let before = model.summary().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let after = model.summary().unwrap();
    assert_eq!(before, after);
    assert_eq!(
        (after.seen, after.totals.reviewed, after.totals.agree),
        (1, 1, 1)
    );
    key(&mut model, KeyCode::Esc);
    press(&mut model, "U");
    recorded(&mut model, "000.png");
    assert!(model.summary().is_none(), "it was taken back");
}

/// A thread had the old file in memory when it was written to.
#[test]
fn a_picture_that_was_begun_before_the_file_was_written_to_is_made_again() {
    let (mut model, _) = grid_of(3);
    let message = Message::Touched {
        touched: vec![Touched {
            path: path("001.png"),
            exists: true,
            stamp: None,
            unread: None,
        }],
        asked: false,
    };
    update(&mut model, message);
    let has = |model: &Model| model.grid.thumbnails.get(&path("001.png"), None).is_some();
    let effects = picture(&mut model, "001.png", id(1));
    assert!(!has(&model));
    assert!(
        asked(&effects).contains(&"001.png".to_owned()),
        "{effects:?}"
    );
    picture(&mut model, "000.png", id(3));
    picture(&mut model, "001.png", id(2));
    assert!(has(&model));
}
