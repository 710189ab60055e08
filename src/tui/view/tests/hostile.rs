//! Text that would move the cursor, reorder other text or hide: from no source does it reach a cell of the
//! screen.

use super::*;
use crate::domain::text::is_dangerous;

/// Control characters, marks that combine with letters, and other dangerous characters.
const HOSTILE: &str =
    "x\u{1b}[2J\u{9b}1m\u{202e}y\u{e0041}\u{fe0f}\u{2066}z\u{200d}\u{3164}\u{10eeee}";

/// The symbols in the cells of the screen.
fn cells(model: &Model) -> Vec<String> {
    let Size { width, height } = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::new(Colours::None);
    terminal
        .draw(|frame| _ = draw(model, &theme, None, frame))
        .unwrap();
    let cells = terminal.backend().buffer().content.iter();
    cells.map(|cell| cell.symbol().to_owned()).collect()
}

fn is_harmless(model: &Model, when: &str) {
    let cells = cells(model);
    let found: Vec<_> = cells
        .iter()
        .filter(|cell| cell.contains(is_dangerous))
        .collect();
    assert!(found.is_empty(), "{when}: {found:?}");
}

/// A model whose card holds such text, over files with such names.
fn hostile_model() -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(120, 35), "half-blocks");
    let mut card = card();
    card.name = HOSTILE.into();
    card.version = HOSTILE.into();
    card.limits = vec![HOSTILE.into()];
    for label in &mut card.labels {
        label.name += HOSTILE;
    }
    let mut prediction = prediction(
        [0.7, 0.6, 0.2, 0.3, 0.5],
        InputCheck::Caution(vec![HOSTILE.into()]),
    );
    for finding in &mut prediction.findings {
        finding.label.0 += HOSTILE;
    }
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card)))),
    );
    lay_out(&mut model);
    let names = ["a", "b", "c"].map(|name| format!("{name}{HOSTILE}.png"));
    let images = names.iter().map(|name| Arc::from(PathBuf::from(name)));
    update(
        &mut model,
        Message::Found {
            images: images.collect(),
            problems: vec![HOSTILE.into()],
        },
    );
    update(&mut model, Message::ScanFinished);
    answer(&mut model, Ok(prediction.into()));
    model
}

#[test]
fn no_cell_of_any_screen_holds_hostile_text() {
    let mut model = hostile_model();
    is_harmless(&model, "the list and the findings");
    press(&mut model, 'j');
    answer(&mut model, Err(HOSTILE.into()));
    is_harmless(&model, "an image that failed");
    press(&mut model, 'k');
    show(&mut model);
    for key in ['A', 'd', 'i', 'o'] {
        press(&mut model, key);
        is_harmless(&model, &format!("after {key}"));
        update(&mut model, Message::Key(KeyCode::Esc.into()));
    }
    model.notice = Some(HOSTILE.to_owned());
    is_harmless(&model, "a notice");
}

#[test]
fn typed_and_pasted_text_is_harmless_on_the_screen_and_as_a_filter() {
    for prompt in ['/', 'n', ':'] {
        let mut model = hostile_model();
        press(&mut model, prompt);
        update(&mut model, Message::Paste(format!("co\nvid{HOSTILE}")));
        for c in HOSTILE.chars() {
            press(&mut model, c);
        }
        is_harmless(&model, "the prompt");
        if let Some(Overlay::Prompt(prompt)) = &model.overlay {
            let text = &prompt.text;
            assert!(!text.contains(is_dangerous), "{text:?}");
            assert!(text.starts_with("co vid"), "{text:?}");
        }
        update(&mut model, Message::Key(KeyCode::Enter.into()));
        is_harmless(&model, "afterwards");
        assert!(!model.worklist.filter().contains(is_dangerous));
    }
}
