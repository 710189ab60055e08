use crossterm::event::{KeyCode, KeyModifiers};

use super::*;

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn the_bundled_keymap_is_valid_and_a_modes_keys_come_before_the_common_keys() {
    let keymap = Keymap::bundled();
    let j = key(KeyCode::Char('j'));
    assert_eq!(
        keymap.lookup(KeyMode::Browse, &[j]),
        Lookup::Action(Action::Next)
    );
    assert_eq!(
        keymap.lookup(KeyMode::Window, &[j]),
        Lookup::Action(Action::LevelDown)
    );
    let q = key(KeyCode::Char('q'));
    assert_eq!(
        keymap.lookup(KeyMode::Window, &[q]),
        Lookup::Action(Action::Quit)
    );
    let shift_g = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
    assert_eq!(
        keymap.lookup(KeyMode::Browse, &[shift_g]),
        Lookup::Action(Action::Last)
    );
}

#[test]
fn sequences_wait_for_their_second_key() {
    let keymap = Keymap::bundled();
    let g = key(KeyCode::Char('g'));
    assert_eq!(keymap.lookup(KeyMode::Browse, &[g]), Lookup::Pending);
    assert_eq!(
        keymap.lookup(KeyMode::Browse, &[g, g]),
        Lookup::Action(Action::First)
    );
    let x = key(KeyCode::Char('x'));
    assert_eq!(keymap.lookup(KeyMode::Browse, &[g, x]), Lookup::Nothing);
}

#[test]
fn all_errors_are_reported_at_once() {
    let text = r#"
        [[binding]]
        group = "a"
        action = "next"
        keys = ["j", "hyper-x"]
        help = ""
        [[binding]]
        group = "a"
        action = "previous"
        keys = ["j"]
        help = ""
    "#;
    let Err(errors) = Keymap::parse(text) else {
        panic!("accepted")
    };
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].contains("hyper-x") && errors[1].contains("both"),
        "{errors:?}"
    );
}

#[test]
fn keys_are_displayed_as_people_write_them() {
    assert_eq!(display("ctrl-d"), "Ctrl-d");
    assert_eq!(display("g g"), "gg");
    assert_eq!(display("alt-left"), "Alt-←");
    assert_eq!(display("pagedown"), "PgDn");
}

/// The table of the book is this keymap's, word for word.
#[test]
fn the_book_shows_these_keys() {
    let page = include_str!("../../../docs/src/keys.md");
    let table = Keymap::bundled().markdown();
    assert!(
        page.contains(&table),
        "docs/src/keys.md should contain:\n{table}"
    );
}

fn rebinding(action: &str, keys: &[&str]) -> Rebinding {
    Rebinding {
        action: action.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

#[test]
fn a_rebound_action_has_only_its_new_keys_and_the_old_ones_are_free() {
    let keymap = Keymap::rebound(&[
        rebinding("next", &["n", "ctrl-j"]),
        rebinding("next-match", &["g n"]),
        rebinding("redo", &["j", "shift-tab", "f5"]),
        rebinding("background", &[]),
    ]);
    let keymap = keymap.unwrap();
    let meaning = |keys: &[KeyEvent]| keymap.lookup(KeyMode::Browse, keys);
    assert_eq!(
        meaning(&[key(KeyCode::Char('n'))]),
        Lookup::Action(Action::Next)
    );
    let control_j = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::CONTROL);
    assert_eq!(meaning(&[control_j]), Lookup::Action(Action::Next));
    assert_eq!(
        meaning(&[key(KeyCode::Char('j'))]),
        Lookup::Action(Action::Redo)
    );
    assert_eq!(
        meaning(&[key(KeyCode::BackTab)]),
        Lookup::Action(Action::Redo)
    );
    // F5 became a bundled key later: a configuration that already used it stays valid.
    assert_eq!(meaning(&[key(KeyCode::F(5))]), Lookup::Action(Action::Redo));
    let rescan = meaning(&[key(KeyCode::Char('R'))]);
    assert_eq!(rescan, Lookup::Action(Action::Rescan));
    assert_eq!(
        meaning(&[key(KeyCode::Down)]),
        Lookup::Nothing,
        "an old key of the action"
    );
    assert_eq!(meaning(&[key(KeyCode::Char('b'))]), Lookup::Nothing);
    let g_n = [key(KeyCode::Char('g')), key(KeyCode::Char('n'))];
    assert_eq!(meaning(&g_n), Lookup::Action(Action::NextMatch));
}

#[test]
fn hints_name_the_keys_in_force() {
    let rebound = [
        rebinding("agree", &["y"]),
        rebinding("filter", &["ctrl-f"]),
        rebinding("sort", &["s"]),
        rebinding("invert", &[]),
    ];
    let keymap = Keymap::rebound(&rebound).unwrap();
    let hint = |action| {
        let binding = keymap
            .bindings()
            .iter()
            .find(|b| b.action == action)
            .unwrap();
        binding.hint.as_deref()
    };
    assert_eq!(hint(Action::Agree), Some("[y]agree"));
    assert_eq!(hint(Action::Filter), Some("[Ctrl-f]filter"));
    assert_eq!(hint(Action::Sort), Some("[s]ort"), "unchanged");
    assert_eq!(hint(Action::Invert), None);
    assert_eq!(keymap.display_key(Action::Filter), "Ctrl-f");
    assert_eq!(keymap.display_key(Action::Invert), "");
}

#[test]
fn every_error_of_a_rebinding_is_named_with_its_number() {
    let rebound = [
        rebinding("nxt", &["x"]),
        rebinding("next", &["n"]),
        rebinding("first", &["hyper-x", "shift-a", "ctrl-A", "f13"]),
        rebinding("quit", &[]),
        rebinding("last", &["x y"]),
        rebinding("jump", &["x"]),
        rebinding("wider", &["w"]),
        rebinding("sort", &["s", "s"]),
    ];
    let errors = Keymap::rebound(&rebound).err().unwrap();
    let of = |number: usize| {
        let found = errors.iter().filter(|(at, _)| *at == number);
        found.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of(0), ["nxt: no such action; did you mean next?"]);
    assert!(of(1)[0].contains("both next and next-match"), "{:?}", of(1));
    assert_eq!(of(2).len(), 4, "{:?}", of(2));
    assert!(of(2)[0].contains("hyper-x"));
    assert!(of(3)[0].contains("needs a key"));
    assert!(of(5)[0].contains("both last and jump") || of(4)[0].contains("both"));
    assert!(
        of(6)[0].contains("window-done"),
        "a conflict in the other mode"
    );
    assert!(of(7)[0].contains("twice"));
    assert_eq!(errors.len(), 10, "{errors:?}");
}

/// With such a key alone, its action could not be had: quitting, say.
#[test]
fn keys_that_no_terminal_sends_are_refused_and_those_that_it_sends_are_not() {
    let error = |key: &str| Keymap::rebound(&[rebinding("quit", &[key])]).err();
    for key in [
        "ctrl-i",
        "ctrl-m",
        "ctrl-[",
        "ctrl-1",
        "ctrl-3",
        "ctrl-8",
        "ctrl-\\",
        "ctrl-,",
        "ctrl-é",
        "ctrl-alt-i",
        "ctrl-enter",
        "shift-esc",
        "alt-esc",
        "ctrl-tab",
        "shift-backspace",
        "alt-[",
    ] {
        let errors = error(key).unwrap_or_else(|| panic!("{key}"));
        assert!(errors[0].1.contains("terminals"), "{errors:?}");
    }
    let tab = error("ctrl-i").unwrap();
    assert_eq!(tab[0].1, "quit: \"ctrl-i\" is tab to terminals: write tab");
    for key in [
        "ctrl-q",
        "ctrl-h",
        "ctrl-j",
        "ctrl-space",
        "ctrl-4",
        "alt-enter",
        "alt-tab",
        "ctrl-left",
        "shift-f5",
        "ctrl-delete",
        "alt-q",
    ] {
        assert_eq!(error(key), None, "{key}");
    }
}

/// A configuration names an action, so each action must have exactly one binding.
#[test]
fn every_action_has_one_binding_and_a_name() {
    let keymap = Keymap::bundled();
    let mut names: Vec<String> = keymap.bindings().iter().map(|b| b.action.name()).collect();
    assert!(names.iter().all(|name| !name.is_empty()));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
    assert_eq!(Action::KeyImage.name(), "key-image");
}
