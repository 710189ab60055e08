use super::*;

/// Whatever has been read says nothing, neither in the list nor beside the image.
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
