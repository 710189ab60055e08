//! Moving in the worklist, and its order.

use super::*;

#[test]
fn the_keys_of_file_managers_move_the_selection() {
    let names: Vec<String> = (0..50).map(|i| format!("{i:02}.png")).collect();
    let mut model = model_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    press(&mut model, "jjk");
    assert_eq!(selected(&model), "01.png");
    press(&mut model, "G");
    assert_eq!(selected(&model), "49.png");
    press(&mut model, "j");
    assert_eq!(selected(&model), "49.png", "the list does not wrap");
    press(&mut model, "gg");
    assert_eq!(selected(&model), "00.png");
    press_key(&mut model, KeyCode::Char('d'), KeyModifiers::CONTROL);
    assert_eq!(selected(&model), "05.png");
    press(&mut model, ":33");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(selected(&model), "32.png");
}

#[test]
fn sorting_goes_through_the_labels_of_the_model() {
    let mut model = model_of(&["a.png"]);
    let mut words = Vec::new();
    for _ in 0..7 {
        press(&mut model, "s");
        words.push(model.worklist.sort().word().to_owned());
    }
    let expected = [
        "Pneumonia",
        "COVID-19",
        "uncertainty",
        "input check",
        "review",
        "file time",
        "name",
    ];
    assert_eq!(words, expected);
    let mut model = model_with_two();
    loaded(&mut model, "first");
    press(&mut model, "ssss");
    assert_eq!(model.worklist.sort().word(), "disagreement");
}

#[test]
fn sorting_by_time_asks_the_disk_and_keeps_the_selection() {
    let mut model = model_of(&["a.png", "b.png"]);
    let effects = press(&mut model, "ssssss");
    let [Effect::Date(undated)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(undated.0, [(0, path("a.png")), (1, path("b.png"))]);
    let times = vec![(0, Some(2.0)), (1, Some(1.0))];
    update(&mut model, Message::Dated(times));
    assert_eq!(
        (selected(&model).as_str(), model.worklist.cursor()),
        ("a.png", 1)
    );
}

#[test]
fn files_found_later_do_not_move_the_selection() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let images = (0..5_000).map(|i| path(&format!("{i}.png"))).collect();
    let effects = update(
        &mut model,
        Message::Found {
            images,
            problems: vec![],
        },
    );
    assert!(effects.is_empty());
    assert_eq!(
        (model.viewer.generation, model.worklist.total()),
        (generation, 5_001)
    );
}
