//! Pixels through the kitty protocol, with a terminal at the other end that keeps account of them.

use std::collections::HashSet;
use std::process::Command;

use image::GrayImage;
use portable_pty::CommandBuilder;

use crate::pictures::{Picture, pictures, similarity};
use crate::session::{Kind, Session, is_block};
use crate::tmux::Tmux;
use crate::{CXR, samples};

const ROWS: u16 = 35;
const COLUMNS: u16 = 120;
/// Of a picture with itself after it was made smaller by another filter.
const ALIKE: f64 = 0.9;

fn sample(name: &str) -> GrayImage {
    image::open(samples().join(name)).unwrap().into_luma8()
}

fn cxr(kind: Kind, arguments: &[&str]) -> Session {
    let mut command = CommandBuilder::new(CXR);
    command.arg(samples());
    command.args(arguments);
    Session::spawn_in(kind, ROWS, COLUMNS, command)
}

fn held(session: &Session) -> Vec<Picture> {
    pictures(&session.bytes.lock().unwrap())
}

/// The picture that is on the screen once nothing else is.
fn wait_for_picture(session: &Session, of: &str) -> Picture {
    let original = sample(of);
    let alike = |picture: &Picture| similarity(&picture.pixels, &original) > ALIKE;
    session.wait_for(
        &format!("the picture of {of}"),
        |session| matches!(&held(session)[..], [only] if alike(only)),
    );
    held(session).remove(0)
}

#[test]
fn a_kitty_is_given_each_picture_once_and_keeps_none() {
    let mut session = cxr(Kind::Kitty, &[]);
    let first = wait_for_picture(&session, "clear_1.png");
    assert!(!first.is_virtual);
    // As many pixels as the cells have, of 10 × 20: nothing is scaled up down the line.
    assert!(first.pixels.width() <= u32::from(first.columns) * 10);
    assert!(first.pixels.height() <= u32::from(first.rows) * 20);
    assert!(first.rows > 20, "{} rows", first.rows);

    session.press("j");
    let second = wait_for_picture(&session, "clear_2.jpg");
    assert_ne!(
        second.id, first.id,
        "the old one stands until the new one has come"
    );

    session.press("?");
    session.wait_for_text("half a page down");
    session.wait_for("the picture to go", |session| held(session).is_empty());
    session.press("x");
    wait_for_picture(&session, "clear_2.jpg");

    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    session.wait_until_restored();
    assert!(held(&session).is_empty());
    let written = session.bytes.lock().unwrap().clone();
    let written = String::from_utf8_lossy(&written);
    let (deleted, left) = (written.rfind("a=d"), written.rfind("\x1b[?1049l"));
    assert!(deleted < left, "pictures go before the screen does");
}

/// The terminal answers when nobody waits for it any more: its answer presses no key.
#[test]
fn an_answer_that_comes_late_presses_no_key() {
    let session = cxr(Kind::Silent, &["--probe-timeout", "1"]);
    session.wait_for_text("clear_1.png");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    // Taken for keys, its letters would move, flag, note and quit.
    session.press("\x1b_Gi=31;OK\x1b\\\x1bP>|quick(1.0)\x1b\\\x1b[6;20;10t\x1b[?62;4c");
    session.press("j");
    session.wait_for_text("clear_2.jpg 8");
    session.wait_for_answer();
    let screen = session.screen();
    assert!(
        !screen.contains("note:") && !screen.contains("key image"),
        "{screen}"
    );
    assert!(
        screen
            .lines()
            .any(|line| line.contains("▸") && line.contains("clear_2.jpg"))
    );
}

/// Text of the screen that shows a picture: where its rows and columns are, and of which number.
fn placeholders(session: &Session) -> Vec<(u16, u16, u32)> {
    // The first of kitty's rowcolumn-diacritics.txt.
    const MARKS: &str = "\u{305}\u{30D}\u{30E}\u{310}\u{312}\u{33D}\u{33E}\u{33F}\u{346}\u{34A}\
                         \u{34B}\u{34C}\u{350}\u{351}\u{352}\u{357}\u{35B}\u{363}\u{364}\u{365}\
                         \u{366}\u{367}\u{368}\u{369}\u{36A}\u{36B}\u{36C}\u{36D}\u{36E}\u{36F}\
                         \u{483}\u{484}\u{485}\u{486}\u{487}\u{592}\u{593}\u{594}\u{595}\u{597}\
                         \u{598}\u{599}\u{59C}\u{59D}\u{59E}\u{59F}\u{5A0}\u{5A1}\u{5A8}\u{5A9}\
                         \u{5AB}\u{5AC}\u{5AF}\u{5C4}\u{610}\u{611}\u{612}\u{613}\u{614}\u{615}\
                         \u{616}\u{617}\u{657}\u{658}\u{659}\u{65A}\u{65B}\u{65D}\u{65E}\u{6D6}";
    let number = |mark: char| MARKS.chars().position(|other| other == mark).unwrap() as u16;
    let parser = session.parser.lock().unwrap();
    let screen = parser.screen();
    let (rows, columns) = screen.size();
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .filter_map(|(row, column)| screen.cell(row, column))
        .filter_map(|cell| {
            let mut marks = cell.contents().strip_prefix('\u{10EEEE}')?.chars();
            let (row, column) = (number(marks.next()?), number(marks.next()?));
            let vt100::Color::Idx(low) = cell.fgcolor() else {
                panic!("the number is not in the colour: {:?}", cell.fgcolor());
            };
            // The high byte may be any of 255: only that it is there, or will be in a moment.
            marks.next()?;
            Some((row, column, u32::from(low)))
        })
        .collect()
}

/// The cells of the picture are on the screen, of its number. All but one in a hundred: where tmux
/// puts a character together from parts that came in two reads, this emulator now and then keeps
/// what stood there before.
fn is_shown(session: &Session, picture: &Picture) -> bool {
    let id = picture.id & 0xff;
    let shown: HashSet<_> = placeholders(session).into_iter().collect();
    let all =
        (0..picture.rows).flat_map(|row| (0..picture.columns).map(move |column| (row, column)));
    let there = all.filter(|(row, column)| shown.contains(&(*row, *column, id)));
    let cells = usize::from(picture.rows) * usize::from(picture.columns);
    there.count() * 100 >= cells * 99 && shown.len() * 99 <= cells * 100
}

/// The same, for the one picture that the terminal has: if tmux had to throw some of it away, it was
/// sent again, and has another number.
fn shows_what_it_holds(session: &Session) -> bool {
    matches!(&held(session)[..], [only] if is_shown(session, only))
}

fn tmux_with_passthrough(name: &str) -> Option<Tmux> {
    let tmux = Tmux::start(name, "env PS1='ready> ' sh")?;
    tmux.run(&["set-option", "-g", "allow-passthrough", "on"]);
    // Taken by 3.3 and later only.
    match tmux.ask("#{allow-passthrough}").as_str() {
        "1" | "on" => Some(tmux),
        _ => {
            eprintln!(
                "skipped: tmux {} passes nothing through",
                tmux.ask("#{version}")
            );
            None
        }
    }
}

fn attach(tmux: &Tmux, kind: Kind) -> Session {
    let mut command = CommandBuilder::new("tmux");
    command.args(["-L", &tmux.socket, "attach"]);
    Session::spawn_in(kind, ROWS, COLUMNS, command)
}

#[test]
fn inside_tmux_a_kitty_shows_the_picture_where_text_says() {
    let Some(tmux) = tmux_with_passthrough("pixels") else {
        return;
    };
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    let title = tmux.ask("#{pane_title}");
    tmux.run(&[
        "send-keys",
        &format!("'{CXR}' '{}'", samples().display()),
        "Enter",
    ]);
    let first = wait_for_picture(&kitty, "clear_1.png");
    assert!(
        first.is_virtual,
        "tmux knows nothing of pictures at the cursor"
    );
    kitty.wait_for("its placeholders", |kitty| is_shown(kitty, &first));

    kitty.press("j");
    let second = wait_for_picture(&kitty, "clear_2.jpg");
    kitty.wait_for("the other placeholders", shows_what_it_holds);
    kitty.press("?");
    kitty.wait_for_text("half a page down");
    kitty.wait_for("the middle to be covered", |kitty| {
        placeholders(kitty).len() < usize::from(second.rows * second.columns) / 2
    });
    kitty.press("x");
    kitty.wait_for("the placeholders again", shows_what_it_holds);

    // Another window of tmux: the pane's text goes, and comes back with the pane.
    tmux.run(&["new-window", "env PS1='other> ' sh"]);
    kitty.wait_for("another window", |kitty| placeholders(kitty).is_empty());
    tmux.run(&["last-window"]);
    kitty.wait_for("the window again", shows_what_it_holds);

    kitty.press("q");
    tmux.wait_for("ready>");
    kitty.wait_for("the picture to be deleted", |kitty| held(kitty).is_empty());
    assert!(placeholders(&kitty).is_empty());
    assert_eq!(tmux.ask("#{pane_title}"), title);
    assert!(!tmux.run(&["capture-pane", "-p"]).contains("Gi="));
}

#[test]
fn another_terminal_at_tmuxs_end_gets_what_it_can_show() {
    let Some(tmux) = tmux_with_passthrough("attach") else {
        return;
    };
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    tmux.run(&[
        "send-keys",
        &format!("'{CXR}' '{}'", samples().display()),
        "Enter",
    ]);
    wait_for_picture(&kitty, "clear_1.png");
    kitty.wait_for("its placeholders", shows_what_it_holds);
    tmux.run(&["detach-client"]);
    drop(kitty);

    // Of the same size, so that nothing but the socket tells.
    let plain = attach(&tmux, Kind::Plain);
    plain.wait_for("blocks", |plain| {
        let screen = plain.screen();
        let blocks = screen.chars().filter(|c| is_block(&c.to_string()));
        placeholders(plain).is_empty() && blocks.count() > 400
    });
    assert!(held(&plain).is_empty());
    tmux.run(&["detach-client"]);
    drop(plain);

    let other = attach(&tmux, Kind::Kitty);
    wait_for_picture(&other, "clear_1.png");
    other.wait_for("its placeholders", shows_what_it_holds);
}

/// A terminal that does not keep up has tmux throw away what waits for it, pictures among it.
#[test]
fn a_picture_that_tmux_threw_away_is_sent_again() {
    let Some(tmux) = tmux_with_passthrough("slow") else {
        return;
    };
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    let stopped = kitty.gate.lock().unwrap();
    let command = format!("seq 100000; '{CXR}' '{}'", samples().display());
    tmux.run(&["send-keys", &command, "Enter"]);
    tmux.wait_for("Extent ");
    drop(stopped);
    wait_for_picture(&kitty, "clear_1.png");
    kitty.wait_for("its placeholders", shows_what_it_holds);
    let thrown = tmux.ask("#{client_discarded}");
    assert_ne!(thrown, "0", "tmux kept everything: this tested nothing");
}

/// In steps of what a slow line bears: the same picture twice, in the same cells.
#[test]
fn a_coarse_picture_comes_first_where_that_is_asked_for() {
    let session = cxr(Kind::Kitty, &["--coarse-above", "20"]);
    let count = |session: &Session| {
        let bytes = session.bytes.lock().unwrap();
        bytes.windows(3).filter(|three| three == b"a=T").count()
    };
    // Cells are ten pixels wide here. Where a pane is laid out anew a second coarse one may come first.
    let is_coarse =
        |picture: &Picture| picture.pixels.width() * 2 <= u32::from(picture.columns) * 10 + 2;
    session.wait_for("a fine picture", |session| {
        let held = held(session);
        count(session) > 1 && held.len() == 1 && !is_coarse(&held[0])
    });
    let fine = wait_for_picture(&session, "clear_1.png");
    let written = session.bytes.lock().unwrap().clone();
    let last = written.windows(3).rposition(|three| three == b"a=T");
    // Everything before the last transmission began, with the three characters that introduce it.
    let earlier = pictures(&written[..last.unwrap() - 3]);
    let [coarse] = &earlier[..] else {
        panic!("{} pictures before the last", earlier.len());
    };
    assert_eq!((coarse.columns, coarse.rows), (fine.columns, fine.rows));
    assert!(is_coarse(coarse), "{} wide", coarse.pixels.width());
    let small = sample("clear_1.png");
    assert!(similarity(&coarse.pixels, &small) > ALIKE);
}

#[test]
fn the_doctor_names_the_line_of_configuration() {
    let Some(tmux) = Tmux::start("doctor", "env PS1='ready> ' sh") else {
        return;
    };
    let _kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    let doctor = |call: &str| {
        // Written by the shell, not typed; and not what an earlier call left on the screen.
        let command = format!("clear; '{CXR}' doctor; echo en''d {call}");
        tmux.run(&["send-keys", &command, "Enter"]);
        tmux.wait_for(&format!("end {call}"))
    };
    let shut = doctor("one");
    assert!(
        shut.contains("quadrants") && shut.contains("kitty(0.41.1)"),
        "{shut}"
    );
    assert!(shut.contains("set -g allow-passthrough on"), "{shut}");
    tmux.run(&["set-option", "-g", "allow-passthrough", "on"]);
    if matches!(tmux.ask("#{allow-passthrough}").as_str(), "1" | "on") {
        let open = doctor("two");
        assert!(open.contains("images as kitty in tmux"), "{open}");
    }
}

#[test]
fn a_probe_time_that_is_no_number_is_refused() {
    let mut command = Command::new(CXR);
    let output = command
        .arg("doctor")
        .env("CXR_PROBE_MS", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CXR_PROBE_MS=soon"));
}
