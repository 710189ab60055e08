//! The box of a DICOM header.

use super::*;
use crate::domain::HeaderLine;
use crate::tui::model::HeaderRead;
use crate::tui::update::Effect;

fn line(tag: (u16, u16), vr: &str, keyword: &str, value: &str) -> HeaderLine {
    HeaderLine {
        tag: Some(tag),
        vr: vr.into(),
        keyword: keyword.into(),
        value: value.into(),
        ..HeaderLine::default()
    }
}

fn confidential(tag: (u16, u16), vr: &str, keyword: &str, value: &str) -> HeaderLine {
    HeaderLine {
        is_confidential: true,
        ..line(tag, vr, keyword, value)
    }
}

fn header() -> Vec<HeaderLine> {
    let within = |depth, line: HeaderLine| HeaderLine { depth, ..line };
    let item = HeaderLine {
        depth: 1,
        keyword: "item 1".into(),
        has_content: true,
        ..HeaderLine::default()
    };
    let sequence = HeaderLine {
        has_content: true,
        ..line((0x0008, 0x2218), "SQ", "AnatomicRegionSequence", "1 item")
    };
    vec![
        line((0x0008, 0x0060), "CS", "Modality", "DX"),
        confidential((0x0008, 0x1030), "LO", "StudyDescription", "COVID? fever"),
        sequence,
        item,
        within(2, line((0x0008, 0x0104), "LO", "CodeMeaning", "Chest")),
        confidential((0x0010, 0x0010), "PN", "PatientName", "Doe^Jane"),
        confidential((0x0019, 0x1001), "UN", "Private", "00 ff 1b"),
        line((0x0028, 0x1050), "DS", "WindowCenter", &"2048\\".repeat(60)),
        line((0x0028, 0x0010), "US", "Rows", "3056"),
    ]
}

fn model(width: u16, height: u16) -> Model {
    let mut model = model_of(width, height);
    let key = KeyEvent::new(KeyCode::Char('t'), KeyModifiers::NONE);
    let effects = update(&mut model, Message::Key(key));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::ReadHeader(_)))
    );
    assert!(screen(&model).contains("reading …"));
    read(&mut model, header());
    model
}

fn read(model: &mut Model, lines: Vec<HeaderLine>) {
    let source = model.viewer.source.clone().unwrap();
    let content = model.content_of(&source).unwrap_or_default();
    let read = Ok(HeaderRead {
        content,
        lines: Some(lines.into()),
    });
    update(model, Message::Header { source, read });
}

#[test]
fn the_header_at_two_sizes() {
    for (width, height) in [(80, 24), (120, 35)] {
        let text = screen(&model(width, height));
        for words in [
            "DICOM header · 9 attributes",
            "(0008,0060) CS Modality",
            "▸ (0008,2218) SQ AnatomicRegionSequence",
            "1 item",
            "(0028,0010) US Rows",
            "3056",
            "/ search",
            "P shows identifiers",
        ] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
        // A long value is cut, and the box keeps its border.
        let row = text.lines().find(|line| line.contains("WindowCenter"));
        let row = row.expect("a row").trim_end_matches(['"', ' ']);
        assert!(row.contains('…') && row.ends_with('│'), "{row}");
    }
}

#[test]
fn identifiers_are_hidden_until_they_are_asked_for_and_no_search_finds_them() {
    let mut model = model(100, 30);
    let text = screen(&model);
    for hidden in ["Doe", "fever", "00 ff"] {
        assert!(!text.contains(hidden), "{text}");
    }
    assert!(
        text.contains("PatientName") && text.contains("hidden: P shows it"),
        "{text}"
    );
    "/doe".chars().for_each(|c| press(&mut model, c));
    assert!(screen(&model).contains("nothing matches"));
    update(
        &mut model,
        Message::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)),
    );
    press(&mut model, 'P');
    let text = screen(&model);
    assert!(
        text.contains("Doe^Jane") && text.contains("1 of 9"),
        "{text}"
    );
    assert!(!text.contains("Modality"), "{text}");
    // The first Escape ends the search, the second closes the box.
    let escape = || Message::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    update(&mut model, escape());
    assert!(screen(&model).contains("Modality"));
    update(&mut model, escape());
    assert!(model.overlay.is_none());
}

#[test]
fn a_sequence_opens_and_closes_and_a_search_looks_into_it() {
    let mut model = model(100, 30);
    assert!(!screen(&model).contains("Chest"));
    "jj".chars().for_each(|c| press(&mut model, c));
    let enter = || Message::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    update(&mut model, enter());
    let text = screen(&model);
    assert!(text.contains("Chest") && text.contains("item 1"), "{text}");
    update(&mut model, enter());
    assert!(!screen(&model).contains("Chest"));
    "/0104".chars().for_each(|c| press(&mut model, c));
    let text = screen(&model);
    assert!(
        text.contains("Chest") && text.contains("AnatomicRegion"),
        "{text}"
    );
}

/// A reason for the study may hold the diagnosis that the reader is asked for.
#[test]
fn blinded_reading_keeps_identifiers_hidden_until_the_call() {
    let mut model = model_of(100, 30);
    model.read_blinded(None);
    press(&mut model, 't');
    read(&mut model, header());
    press(&mut model, 'P');
    let text = screen(&model);
    assert!(!text.contains("fever") && !text.contains("Doe"), "{text}");
    assert!(text.contains("hidden until your call"), "{text}");
}

#[test]
fn the_header_of_another_image_is_not_shown() {
    let mut model = model_of(100, 30);
    press(&mut model, 't');
    let other = Message::Header {
        source: Path::new("another.dcm").into(),
        read: Ok(HeaderRead {
            content: Default::default(),
            lines: Some(header().into()),
        }),
    };
    update(&mut model, other);
    assert!(screen(&model).contains("reading …"));
    let source = model.viewer.source.clone().unwrap();
    if model.content_of(&source).is_some() {
        let content = crate::domain::ContentId::from_digest([9; 32]);
        let read = Ok(HeaderRead {
            content,
            lines: Some(header().into()),
        });
        update(&mut model, Message::Header { source, read });
        let text = screen(&model);
        assert!(
            text.contains("another image") && !text.contains("Modality"),
            "{text}"
        );
    } else {
        panic!("the fixture opens an image");
    }
}
