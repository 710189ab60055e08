//! The screen of blinded reading.

use super::*;

/// Scored images show no answer, neither in the list nor beside the image.
#[test]
fn a_blinded_screen_shows_no_answer_and_asks_for_a_call() {
    let mut model = model_of(90, 30);
    model.read_blinded(None);
    let hidden = screen(&model);
    for word in ["%", "refused", "Bacterial", "0.93", "colour picture"] {
        assert!(!hidden.contains(word), "{word}\n{hidden}");
    }
    assert!(hidden.contains("[⏎]call") && !hidden.contains("[a]gree"));
    update(
        &mut model,
        Message::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)),
    );
    press(&mut model, '1');
    insta::assert_snapshot!("blinded_call", screen(&model));
    for (width, height) in [(40, 15), (200, 50)] {
        let mut model = model_of(width, height);
        model.read_blinded(None);
        let hidden = screen(&model);
        assert!(
            !hidden.contains('%') && !hidden.contains("refused"),
            "{hidden}"
        );
    }
}

/// The opinion on an image from an earlier session is neither in its row nor below the list.
#[test]
fn a_blinded_screen_shows_no_verdict_of_an_earlier_session() {
    use crate::domain::{Opinion, Verdict};
    use crate::store::News;
    let mut model = model_of(90, 30);
    model.read_blinded(None);
    let source = model.viewer.source.clone().unwrap();
    let opinion = Opinion {
        verdict: Some(Verdict::Disagree),
        label: Some("COVID-19".into()),
        note: "no such thing".into(),
        key_image: true,
        ..Opinion::default()
    };
    let standing = News::Standing(vec![(source.clone(), Default::default(), opinion)]);
    update(&mut model, Message::Review(standing));
    let seen = News::AnswersSeen(vec![(source, Default::default(), true)]);
    update(&mut model, Message::Review(seen));
    let text = screen(&model);
    for words in ["≠", "disagree", "COVID", "no such", "key image", "*"] {
        assert!(!text.contains(words), "{words}\n{text}");
    }
    assert!(text.contains("answer seen before"), "{text}");
    assert!(text.contains("▸s· IM-0041.png"), "{text}");
}
